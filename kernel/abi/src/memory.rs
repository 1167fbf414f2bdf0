//! What a memory manager is asked.

use crate::request::requests;
use crate::shm::{AttachFlags, GetFlags, ShmId, ShmKey, ShmSetting};
use crate::{Errno, Rights, Word, layout};

bitflags::bitflags! {
    /// What may be done to mapped pages (POSIX `sys/mman.h`, same values).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Protection: u32 {
        /// Pages can be read.
        const READ = 1;
        /// Pages can be written.
        const WRITE = 2;
        /// Pages can be executed.
        const EXEC = 4;
    }
}

bitflags::bitflags! {
    /// What an address in [`Map`] means, if not: exactly there, if nothing else is.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct MapFlags: u32 {
        /// There or elsewhere (`mmap` without `MAP_FIXED`).
        const HINT = 1;
        /// There, in place of whatever is there (`MAP_FIXED`).
        const REPLACE = 2;
    }
}

impl Word for MapFlags {
    fn into_word(self) -> u64 {
        self.bits().into()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        u32::try_from(word)
            .ok()
            .and_then(Self::from_bits)
            .ok_or(Errno::EINVAL)
    }
}

impl Map {
    /// Pages that do not grow, at this address or anywhere for 0.
    pub const fn new(address: u64, length: u64, protection: Protection) -> Self {
        Self {
            address,
            length,
            protection,
            flags: MapFlags::empty(),
            growth: 0,
        }
    }

    /// A program's first stack, as [`layout`] says.
    pub const FIRST_STACK: Self = Self {
        growth: layout::STACK_MOST - layout::STACK_BYTES,
        ..Self::new(
            layout::STACK_TOP - layout::STACK_BYTES,
            layout::STACK_BYTES,
            Protection::READ.union(Protection::WRITE),
        )
    };
}

impl MapCopy {
    /// Most pages that the copy of one request reaches into.
    pub const MOST_PAGES: u64 = 16;
}

impl Word for Protection {
    fn into_word(self) -> u64 {
        self.bits().into()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        u32::try_from(word)
            .ok()
            .and_then(Self::from_bits)
            .ok_or(Errno::EINVAL)
    }
}

requests! {
    /// A request to a memory manager. It acts for the process whose handle is used, with that
    /// process's credential, whoever sends it. What takes long is done in steps, and the answer
    /// comes after the last; requests of others for the same process are served in between.
    MemoryRequest {
        /// `shmget` (POSIX XSI): finds or creates a shared memory segment.
        ///
        /// `ENOENT` no segment has the key and `IPC_CREAT` is not set; `EEXIST` one has and
        /// `IPC_CREAT | IPC_EXCL` is set; `EINVAL` the size is 0 or above shmmax for a new
        /// segment, or larger than an existing one, or a new one is to have `SHM_HUGETLB` with
        /// blocks of another size than 2 MiB; `EACCES` the existing one does not grant the
        /// mode asked for; `EPERM` `SHM_HUGETLB` for a new one and not user 0; `ENOSPC` shmmni or
        /// shmall is reached, or shmusermni or shmuserall by this user, or too many users have
        /// segments; `ENOMEM` the pages, or blocks, cannot be promised.
        ShmGet = 0x200 {
            /// Key, or `IPC_PRIVATE`.
            key: ShmKey,
            /// Bytes.
            size: u64,
            /// Mode bits, `IPC_CREAT`, `IPC_EXCL`, `SHM_NORESERVE`, `SHM_HUGETLB`; others are
            /// ignored.
            flags: GetFlags,
        } -> (ShmId,);
        /// `shmat`: attaches a segment, answers the address.
        ///
        /// `EINVAL` no such segment, a bad or occupied address, or one that is no multiple of
        /// 2 MiB for a segment of blocks, or one where `SHM_REMAP` would cut a block; `EACCES` the segment does not
        /// grant the access; `ENOMEM` no room in the address space, no frames for its tables, or
        /// no slot for it, which `SHM_REMAP` needs before it gives back what it replaces; `EMFILE`
        /// too many attachments or mappings; `EAGAIN` with `SHM_REMAP`: what an earlier one
        /// replaces is not gone yet, or pages are moving into a mapping that would be cut.
        ShmAttach = 0x201 {
            /// Segment.
            id: ShmId,
            /// Wanted address, 0 for any.
            address: u64,
            /// `SHM_RDONLY`, `SHM_RND`, `SHM_REMAP`, `SHM_EXEC`; others are ignored.
            flags: AttachFlags,
        } -> (u64,);
        /// `shmdt`: detaches the attachment that starts at `address`.
        ///
        /// `EINVAL` none starts there.
        ShmDetach = 0x202 {
            /// What `shmat` answered.
            address: u64,
        } -> ();
        /// `shmctl`: `command` on a segment. The structure that C passes by pointer travels in
        /// the message's bytes: to the kernel for `IPC_SET`, back for `IPC_STAT` and the like.
        ///
        /// `EINVAL` no such segment or command; `EACCES`, `EPERM` not allowed; `EFAULT`
        /// `IPC_SET` without a whole structure.
        ShmControl = 0x203 {
            /// Segment; an index for `SHM_STAT`.
            id: ShmIdArgument,
            /// `IPC_STAT` and so on.
            command: i32,
        } -> (u64,);
        /// Maps zero-filled private pages, answers the address. A mapping that grows is a stack: a
        /// touch below it, but not farther than `growth`, makes it reach down to there. Nothing is
        /// placed where it may grow, nor in the 64 KiB below that ([`layout::STACK_GUARD`]).
        ///
        /// What `MapFlags::REPLACE` replaces goes only after all that the new mapping needs has been
        /// set aside, and the answer comes when the one has taken the other's place.
        ///
        /// `EINVAL` empty, not page-aligned, writable and executable at once, or both flags; without
        /// `HINT`, an address that is occupied, not a program's, or where something else may grow;
        /// `ENOMEM` no room, the pages cannot be promised, or there would be more than the quota; with
        /// `REPLACE`, no slots to cut what it replaces; `EMFILE` too many mappings; `EAGAIN` with
        /// `REPLACE`: what an earlier one replaces is not gone yet, or pages are moving into a
        /// mapping that would be cut.
        Map = 0x204 {
            /// Wanted address of the first byte, 0 for any.
            address: u64,
            /// Bytes, rounded up to pages.
            length: u64,
            /// Access.
            protection: Protection,
            /// What the address means.
            flags: MapFlags,
            /// Bytes below the address that it may grow into, rounded up to pages; 0 if it does not grow.
            growth: u64,
        } -> (u64,);
        /// Unmaps all private pages and attachments of a range, as `munmap` does; parts of them
        /// too. Gaps are allowed.
        ///
        /// `EINVAL` empty, not page-aligned, outside of user space, begins below `USER_START`, or would cut a block
        /// of 2 MiB;
        /// `ENOMEM` more mappings are left than there may be, or there is no slot for one; or there are
        /// no frames for the tables of what is left of an attachment that shared its segment's.
        Unmap = 0x205 {
            /// First byte, page-aligned.
            address: u64,
            /// Bytes, rounded up to pages.
            length: u64,
        } -> ();
        /// Moves private pages into this address space out of another, whose memory manager is
        /// the one handle of the message. All of the range must be mapped there, and is gone from there
        /// afterwards. No byte is copied. Until the answer neither side can rely on the pages.
        ///
        /// `EINVAL` an address or length is not page-aligned, there are no pages or more than 1024,
        /// the source is not wholly private pages, or a stack's; it is this address space, the destination
        /// is occupied or its protection is refused; `EBADF` no memory manager came along, or its
        /// process has ended; `ENOMEM`, `EMFILE` as for `Map`; `ENOMEM` too if there are no slots to cut
        /// what stays behind.
        Move = 0x206 {
            /// Where the pages are, in the other space.
            source: u64,
            /// Bytes, a multiple of the page size, at most 4 MiB.
            length: u64,
            /// Where they go, in this space.
            destination: u64,
            /// Access there.
            protection: Protection,
        } -> ();
        /// Maps private pages that begin as a copy of what another address space has, whose memory manager is the
        /// one handle of the message. What becomes of the source later changes nothing. All bytes of the pages
        /// before and behind the copy are zero.
        ///
        /// `EINVAL` there are no pages, more bytes than the mapping has room for, or the copy reaches into more than 16
        /// pages; the destination is occupied, outside of user space or begins below `USER_START`, or its
        /// protection is refused; `EFAULT` the source cannot be read, or is a device; `EBADF` no memory manager came
        /// along, or its process has ended; `ENOMEM`, `EMFILE` as for `Map`; `ENOMEM` too if the source has no frame
        /// and there is none; `EAGAIN` a part of the source has its frame and no translation yet, as with a block of
        /// 2 MiB that is just being zeroed (to read it helps), or one of the address spaces is being copied or changed.
        MapCopy = 0x231 {
            /// The first byte to be copied, in the other space.
            source: u64,
            /// How many bytes are copied.
            bytes: u64,
            /// Where the first one goes, in this space.
            destination: u64,
            /// Bytes of the mapping from the destination on: all pages that these touch are mapped.
            length: u64,
            /// Access there.
            protection: Protection,
        } -> ();
        /// Changes what may be done to mapped pages, as `mprotect` does; to nothing at all as well. All
        /// pages change, or none. Mappings are cut in two, or become one, as need be.
        ///
        /// `EINVAL` not page-aligned, or writable and executable at once; `ENOMEM` a page is not
        /// mapped or outside of user space, or there are no slots or tables to cut a mapping in two,
        /// or more mappings than there may be; `EACCES` an attachment or memory of the machine
        /// would allow what it did not when it was made; `EAGAIN` pages are moving in.
        Protect = 0x208 {
            /// First byte, page-aligned.
            address: u64,
            /// Bytes, rounded up to pages; 0 changes nothing.
            length: u64,
            /// Access from then on.
            protection: Protection,
        } -> ();
        /// Counts of this address space: see [`Usage`].
        CountUsage = 0x207 {} -> Usage;
        /// Lowers what this address space may hold. It is never raised: what is larger than the quota in
        /// force changes nothing. What there is already stays. A process starts with the quota of the
        /// one that made it.
        LowerQuota = 0x209 {
            /// Pages of all mappings, attachments included, and as many more as translation tables are promised.
            pages: u64,
            /// Mappings.
            mappings: u32,
        } -> ();
        /// `mremap` of an attachment, all of it, to another place of the same address space. It stays one
        /// attachment, and its access is what it was. The times and the process of the segment are as after
        /// an attach and a detach.
        ///
        /// `EINVAL` no attachment starts there, or a part of it has gone or has other access than the rest;
        /// the destination is as `ShmAttach` would refuse it, or not free; `ENOMEM` as for `ShmAttach`;
        /// `EMFILE` too many mappings: both places count until the answer. The limit `shmseg` refuses no
        /// move, but an attach meanwhile finds both places counted.
        Relocate = 0x230 {
            /// What `shmat` answered.
            address: u64,
            /// Where it is to be, page-aligned, and at a multiple of 2 MiB for a segment of blocks.
            destination: u64,
        } -> ();
        /// Creates a segment that has neither key nor identifier. The answer carries a handle to it, with
        /// all rights. It goes when no handle to it is left and nobody has it attached, unless it has been
        /// published by then. A handle travels in messages to memory managers too, so without the right to
        /// pass it on it only keeps the segment.
        ///
        /// `EINVAL`, `ENOSPC`, `ENOMEM` as for a new segment of `ShmGet`; `EMFILE` too many handles.
        RegionCreate = 0x220 {
            /// Bytes.
            size: u64,
            /// Mode bits, for when it is published; others as for `ShmGet`.
            flags: GetFlags,
        } -> ();
        /// Makes a handle of an identifier. The answer carries it. It keeps its rights whatever becomes of
        /// the mode, and the segment stays while it is there, even when that is removed.
        ///
        /// `EINVAL` no such segment, or rights that are no region's or none at all; `EACCES`, `EPERM` the
        /// segment does not grant what the rights allow; `EMFILE` too many handles.
        RegionOpen = 0x221 {
            /// Segment.
            id: ShmId,
            /// What the handle is for. It can always be passed on.
            rights: Rights,
        } -> ();
        /// As `ShmAttach`, for the one handle of the message. Its rights count, and not the mode.
        ///
        /// `EBADF` no handle to a segment came along; `EACCES` it lacks the right; else as for `ShmAttach`.
        RegionAttach = 0x222 {
            /// Wanted address, 0 for any.
            address: u64,
            /// As for `ShmAttach`.
            flags: AttachFlags,
        } -> (u64,);
        /// As `ShmControl`, for the one handle of the message. `IPC_STAT` answers the identifier, -1 if there
        /// is none. `IPC_RMID` takes key and identifier away; without any it does nothing.
        ///
        /// `EBADF` no handle to a segment came along; `EINVAL` no such command, or one that is not about
        /// a segment; `EACCES`, `EPERM` the handle lacks the right to read, or to control; `EFAULT`
        /// `IPC_SET` without a whole structure.
        RegionControl = 0x223 {
            /// `IPC_STAT`, `IPC_SET`, `IPC_RMID`, `SHM_LOCK` or `SHM_UNLOCK`.
            command: i32,
        } -> (i32,);
        /// Lets a key and an identifier find the segment of the one handle of the message, from now on and
        /// until it is removed, as if `shmget` had created it. Answers the identifier.
        ///
        /// `EBADF` no handle to a segment came along; `EPERM` it lacks the right to control; `EEXIST` the
        /// segment has an identifier, or another segment has the key.
        RegionPublish = 0x224 {
            /// Key, or `IPC_PRIVATE` for none.
            key: ShmKey,
        } -> (ShmId,);
        /// A limit or switch of shared memory.
        ///
        /// `EINVAL` there is no such setting.
        ReadShmSetting = 0x225 {
            /// Which.
            setting: ShmSetting,
        } -> (u64,);
        /// Changes one, for everybody. What exists stays as it is, except that `shm_rmid_forced` of 1
        /// destroys the segments that it would have destroyed before.
        ///
        /// `EPERM` not user 0; `EINVAL` there is no such setting, or a switch that is neither 0 nor 1.
        ChangeShmSetting = 0x226 {
            /// Which.
            setting: ShmSetting,
            /// To what. A limit higher than can be is as high as can be.
            value: u64,
        } -> ();
        /// What segments a user has created that still exist, as the limits for users count them.
        CountShmUser = 0x227 {
            /// User.
            uid: u32,
        } -> UserUsage;
        /// Waits until somebody wakes the word at `address` (`WakeWord`), if that is `expected` now: both are one
        /// step, so whoever changes the word first and wakes it then is never missed. A word of a segment is the
        /// same for all who have that attached, wherever; a private one is this process's alone, and a copy of
        /// the process has another. Nobody is woken when the memory goes, by detaching or otherwise.
        ///
        /// Whoever wakes may have done so for another reason, so look at the word again. An `EAGAIN` says the
        /// same. A memory manager that is a program answers it to who would keep it waiting.
        ///
        /// `EAGAIN` the word is not `expected`; `ETIMEDOUT` it is, and nobody woke it until `deadline`; `EINVAL`
        /// `address` is no multiple of 4; `EFAULT` nothing that can be read is mapped there, or it is memory of the
        /// machine.
        WaitWord = 0x22a {
            /// Of a word of 32 bits.
            address: u64,
            /// What it must hold.
            expected: u32,
            /// Until when to wait at most, in ticks of the system counter as programs read it; [`FOREVER`] for
            /// any time.
            deadline: u64,
        } -> ();
        /// Wakes threads that wait for the word at `address`, in the order in which they came. Answers how many:
        /// at most `count`, and at most [`MOST_WOKEN`], so that for all of them one asks until it is less.
        ///
        /// `EINVAL`, `EFAULT` as for `WaitWord`.
        WakeWord = 0x22b {
            /// Of a word of 32 bits.
            address: u64,
            /// How many at most.
            count: u32,
        } -> (u32,);
        /// Wakes who has waited longest for the word at `woken`, if anybody does, and then waits as `WaitWord` does:
        /// for who passes a turn on and waits for the next, or leaves a lock to wait for what others do under it. The
        /// one that is woken goes on in place of the caller, unless somebody more important waits. It was woken also if
        /// the answer is `EAGAIN` or `ETIMEDOUT`, and not if it is `EINVAL` or `EFAULT`.
        ///
        /// As for `WaitWord`; `EINVAL`, `EFAULT` of `woken`, too.
        WakeAndWait = 0x22c {
            /// Whose first waiter is woken. It may be the word that is waited for.
            woken: u64,
            /// Of a word of 32 bits to wait for.
            address: u64,
            /// What that must hold.
            expected: u32,
            /// Until when to wait at most, as for `WaitWord`.
            deadline: u64,
        } -> ();
    }
}

/// A deadline that never comes.
pub const FOREVER: u64 = u64::MAX;

/// Threads that one `WakeWord` wakes at most.
pub const MOST_WOKEN: u32 = 64;

crate::request::words! {
    /// What an address space holds, in pages.
    Usage {
        /// Pages of all mappings.
        mapped: u64,
        /// Frames of private pages present.
        private: u64,
        /// Translation tables.
        tables: u64,
        /// Mappings.
        mappings: u64,
        /// Most pages of all mappings.
        pages_quota: u64,
        /// Most mappings.
        mappings_quota: u32,
    }
}

crate::request::words! {
    /// Segments of a user.
    UserUsage {
        /// Segments, with a name or without.
        segments: u32,
        /// Pages of these, present or not.
        pages: u64,
    }
}

impl UserUsage {
    /// What most users have.
    pub const NOTHING: Self = Self {
        segments: 0,
        pages: 0,
    };
}

/// The first argument of `shmctl`: any C `int`, for some commands an index and not an identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShmIdArgument(pub i32);

impl Word for ShmIdArgument {
    fn into_word(self) -> u64 {
        self.0.into_word()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        i32::from_word(word).map(Self)
    }
}
