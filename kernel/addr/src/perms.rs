//! What may be done to a page, and what kind of memory is behind it, in words no architecture owns.

bitflags::bitflags! {
    /// What user programs may do to a page. The kernel reaches user memory by other ways.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
    pub struct Perms: u8 {
        /// Loads.
        const READ = 1;
        /// Stores.
        const WRITE = 2;
        /// Instruction fetches.
        const EXECUTE = 4;
    }
}

impl Perms {
    /// Loads and stores.
    pub const READ_WRITE: Self = Self::READ.union(Self::WRITE);
    /// Loads and instruction fetches.
    pub const READ_EXECUTE: Self = Self::READ.union(Self::EXECUTE);
}

/// The kind of memory behind a page (Arm ARM, "Memory types and attributes").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum MemoryKind {
    /// Normal, write-back cacheable, inner shareable: RAM.
    Normal,
    /// Normal, not cacheable: buffers shared with devices that do not snoop.
    NormalNonCacheable,
    /// Device-nGnRE: registers of devices.
    Device,
}
