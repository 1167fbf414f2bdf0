//! Deliberate mistakes of the machine's own Mmu, so that tests can show that they are caught.

/// A mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sabotage {
    /// No mistake.
    None,
    /// `flush` and `destroy_space` say that they invalidated, and don't.
    ForgetFlushes,
    /// Only the first page of what has to be invalidated is.
    FlushFirstPageOnly,
    /// Invalidations by address use the last-level-only form always.
    FlushLastLevelOnly,
    /// After slots were unlinked, one address in them is invalidated instead of the ASID.
    FlushOneAddressOfSlots,
    /// After slots were unlinked, the last-level-only form is used for each of their pages.
    FlushLeavesOfSlots,
    /// After permissions of pages were changed, nothing is invalidated.
    KeepOldPermissions,
    /// `zero` does nothing.
    ForgetZeroing,
    /// Frames that become tables are not zeroed.
    ForgetZeroingTables,
    /// CPUs keep their TLBs at a rollover of ASIDs.
    KeepTlbsAtRollover,
    /// `publish_code` does nothing.
    ForgetPublishing,
    /// `publish_entries` does nothing.
    ForgetPublishingEntries,
}
