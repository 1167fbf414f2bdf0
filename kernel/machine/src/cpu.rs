//! A CPU: its TLB and what it runs.

use crate::space::SpaceId;
use crate::tlb::{Entry, Tlb};
use crate::walk::Tag;
use vmsa::asid::{Asid, CpuAsid};

#[derive(Default)]
pub(crate) struct Cpu {
    pub(crate) tlb: Tlb,
    pub(crate) asid: CpuAsid,
    pub(crate) running: Option<Tag>,
    /// Whether a test said what it runs, or the machine did on its own.
    pub(crate) chosen_by: ChosenBy,
    pub(crate) generation: TlbGeneration,
}

/// Who decided what a CPU runs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum ChosenBy {
    /// Some access or speculation: it gives way by itself.
    #[default]
    Machine,
    Test,
}

/// Whether a TLB's entries are of the current generation of ASIDs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum TlbGeneration {
    #[default]
    Current,
    /// ASIDs rolled over; the TLB is emptied at the next switch. Till then only the ASID that
    /// runs can be used.
    Earlier,
}

impl Cpu {
    /// Whether `entry` of this CPU's TLB can be used, now or later.
    pub(crate) fn may_use(&self, entry: &Entry) -> bool {
        self.can_hold(entry.asid)
    }

    /// Whether entries under `asid` can be used, now or later.
    pub(crate) fn can_hold(&self, asid: Asid) -> bool {
        match self.generation {
            TlbGeneration::Current => true,
            TlbGeneration::Earlier => self.running.is_some_and(|tag| tag.asid == asid),
        }
    }

    pub(crate) fn runs(&self, space: SpaceId) -> bool {
        self.running.is_some_and(|tag| tag.space == space)
    }

    /// Whether the machine may let it run something else.
    pub(crate) fn is_free_to_switch(&self) -> bool {
        self.running.is_none() || self.chosen_by == ChosenBy::Machine
    }

    /// All entries that can be used, now or later.
    pub(crate) fn usable(&self) -> impl Iterator<Item = &Entry> {
        self.tlb.iter().filter(|entry| self.may_use(entry))
    }
}
