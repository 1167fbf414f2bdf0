//! The memory manager: page allocator, shared memory regions and per-process address spaces.
//!
//! (walk to come)
#![no_std]
#![forbid(unsafe_code)]

mod attach;
mod audit;
mod control;
mod create;
mod detach;
mod fault;
mod frame;
mod identity;
mod job;
mod limits;
mod manager;
mod map;
mod message;
pub mod mmu;
mod place;
mod region;
mod space;
mod transfer;
mod unmap;
mod vma;

pub use audit::Broken;
pub use fault::{Access, FaultCause, VmaFacts, VmaKind};
pub use frame::{BadRam, MOST_RANGES, frame_words};
pub use identity::{Credential, Gid, Identity, MOST_GROUPS, Seconds, Uid};
pub use job::{Job, STEP_FRAMES};
pub use limits::Limits;
pub use manager::{BadStorage, MemoryManager, Storage};
pub use message::Outcome;
pub use mmu::Mmu;
pub use region::{KeyBucket, Region};
pub use space::{AnySpace, Space, SpaceId};
pub use transfer::MOST_MOVED_PAGES;
pub use vma::Vma;
