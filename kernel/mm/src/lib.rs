//! The memory manager: page allocator, shared memory regions and per-process address spaces.
//!
//! One object, [`MemoryManager`], owns all of it and is reached by messages
//! ([`MemoryManager::perform`]) and by touches. It allocates nothing:
//! the kernel hands it a [`Storage`] of typed slots once. What it asks of the hardware is the
//! trait [`Mmu`]; translation tables and TLBs are behind that. CPUs can [share](Sharing) it: for what concerns one
//! address space ([`Sharing::perform`], [`Sharing::touch`]) each takes that one, a region, and the frames (`sharing.rs`).
//!
//! # The way of one attach
//!
//! 1. `message.rs`: [`perform`](Sharing::perform) takes the address space of the caller
//!    and dispatches the typed request.
//! 2. `attach.rs`: `shm_attach` checks the address, takes the region that its identifier finds,
//!    checks its mode against the caller's credential
//!    (`subject.rs`, `region/permission.rs`), and announces an attachment to it. A handle (`held.rs`) says both itself.
//! 3. `place.rs`: an address range is found free (`vma/set.rs`, `vma/gap.rs`); then the
//!    translation tables it will need (`vma/tables.rs`) are promised by the page allocator
//!    (`frame/mod.rs`) and a slot for the VMA is taken. This was the last thing that can fail.
//! 4. The VMA is put into its set, the attachment is counted in the region. No descriptor is
//!    written, so the cost does not depend on the size.
//!
//! # The way of one first touch
//!
//! 1. `fault.rs`: [`touch`](Sharing::touch) takes the address space, finds the VMA of the address and checks the
//!    access against its permissions.
//! 2. `touch.rs`, `region/contents.rs`: the page's frame is looked up in the region, or taken against
//!    the region's promise (`frame/buddy.rs`), zeroed and kept in the region's tree.
//! 3. [`Mmu::link`] hangs the region's level-3 table into the address space, if the attachment is
//!    linked: 2 MiB or more, from where a 2 MiB slot starts. Else [`Mmu::install_shared`] maps the
//!    page, and [`Mmu::install_block`] a block of 2 MiB of a region of these, which is zeroed in steps
//!    before. Tables of the address space come from its own promise.
//!
//! A translation that is there and allows less than its VMA is widened by the same way: nothing is
//! permitted before somebody asks for it.
//!
//! # What is always true
//!
//! * **Promises.** What may be needed later without failing is promised before: a region's
//!   frames and tables by its creation (unless `SHM_NORESERVE`), private pages by their mapping,
//!   tables by whatever is placed in an address space. All promises together never exceed the
//!   free frames, so a touch of promised memory cannot fail.
//! * **All or nothing.** An operation checks and reserves first. After its first change it
//!   cannot fail, and a refused operation has changed nothing.
//! * **Nothing is reused before it is unreachable.** Frames go back to the allocator only
//!   against a proof: [`mmu::Flushed`] after an invalidation, or that nobody has the region
//!   attached, which in turn is so only after each attacher's invalidation.
//! * **Shared tables are nobody's in particular.** A region's table that is linked is only ever added
//!   to. What is to be different for one address space, a hole or a neighbour in the same slot, makes
//!   that slot paged first (`unshare.rs`).
//! * **Bounded steps.** What takes longer than a few frames is left in the objects and done by
//!   [`step`](Sharing::step) (`job.rs`); in between, others see a consistent state. Whoever
//!   steps a job steps it to its end: what a process was waiting for when it was killed may be
//!   what others wait for.
//!
//! [`audit`](MemoryManager::audit) checks all of this by counting anew.
//!
//! # What bounds the time
//!
//! * Finding and placing: the depth of a tree of VMAs, 1.44 log2 of how many a process may have,
//!   and of a tree of keys, 32.
//! * A step: [`STEP_FRAMES`] frames, or what takes as long. Looking for them in the tables is
//!   counted; only where a region is sparse, each of its tables is looked through for free, which
//!   is as much as zeroing it was.
//! * `shmdt`, `munmap`, `mprotect`, and a move of many small mappings: the mappings of one process
//!   ([`Limits::mappings`]), a few instructions each. So is `shmdt` of an address where nothing
//!   starts, if some attachment has lost its first page.
//! * `IPC_INFO` and `SHM_INFO`: once for all, a few instructions for each region there was.
//!
//! # Deviations from POSIX and Linux
//!
//! * `SHM_EXEC` implies read-only: nothing is ever writable and executable at once.
//! * An attachment counts once until its last page is unmapped; Linux counts its pieces.
//! * Nobody, not even user 0, maps page 0. `SHM_RND` to page 0 is `EINVAL`.
//! * `SHM_HUGETLB` takes blocks from the memory that all share; there is no pool of them.
//! * A second `SHM_REMAP`, or map with `MapFlags::REPLACE`, in one address space, while the first one
//!   is still emptying its place, is `EAGAIN`, and so is one that would cut a mapping while pages move
//!   into it. Only programs whose memory manager others hold too can see that: the kernel lets threads of
//!   one process wait for each other.
#![no_std]
#![forbid(unsafe_code)]

mod account;
mod atomic;
mod attach;
mod audit;
mod change;
mod control;
mod create;
mod cut;
mod detach;
mod fault;
mod fork;
mod frame;
mod grow;
mod held;
mod identity;
mod job;
mod limits;
mod list;
mod manager;
mod map;
mod map_copy;
mod message;
mod message_page;
pub mod mmu;
mod orphan;
mod part;
mod place;
mod protect;
mod quota;
mod region;
mod relocate;
mod replace;
mod setting;
mod sharing;
mod slot;
mod space;
mod subject;
mod together;
mod touch;
mod transfer;
mod unmap;
mod unshare;
mod vma;
mod word;

pub use account::Account;
pub use audit::Broken;
pub use fault::{Access, FaultCause, Refused, VmaFacts, VmaKind};
pub use frame::{Ahead, BadRam, Frames, MOST_RANGES, Spare, frame_words};
pub use identity::{Credential, Gid, Identity, Seconds, Uid};
pub use job::{Budget, Job, STEP_FRAMES, Stepped};
pub use limits::{Limits, Orphans};
pub use manager::{BadStorage, MemoryManager, Storage};
pub use message::{Companion, Reply, concerns_one_space};
pub use mmu::Mmu;
pub use part::Tray;
pub use region::{KeyBucket, Region, RegionId};
pub use sharing::{Apart, Others, Parts, Sharing, Ways};
pub use space::{AnySpace, Space, SpaceId};
pub use transfer::MOST_MOVED_PAGES;
pub use vma::Vma;
pub use word::WordName;
