//! What was issued, by kind.

/// Instructions that the machine's Mmu issued, and stores to tables.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Stores of descriptors.
    pub table_stores: u64,
    /// `TLBI VALE1IS`: one page, last level only.
    pub tlbi_last_level: u64,
    /// `TLBI VAE1IS`: one page, every level.
    pub tlbi_page: u64,
    /// `TLBI ASIDE1IS`: one address space.
    pub tlbi_asid: u64,
    /// `TLBI VMALLE1`: all of one CPU, after a rollover of ASIDs.
    pub tlbi_local: u64,
    /// `DSB ISHST`: stores to tables are visible to walkers.
    pub dsb_stores: u64,
    /// `DSB ISH`: invalidations are complete on all CPUs.
    pub dsb_full: u64,
    /// `ISB`.
    pub isb: u64,
}

impl Counts {
    /// All broadcast invalidations.
    pub fn tlbi_broadcast(&self) -> u64 {
        self.tlbi_last_level + self.tlbi_page + self.tlbi_asid
    }
}
