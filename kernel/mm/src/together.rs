//! Small private VMAs beside each other, as all of a small program's are, when their address space ends: one walk through the
//! tables takes away what they have, and one invalidation follows.

use crate::job::EMPTY_COST;
use crate::vma::{Leaving, Vma, VmaId, VmaSet, VmaState, Vmas, existing};
use addr::PageRange;

/// VMAs that are emptied at once.
pub(crate) struct Together {
    /// From the first page of the lowest to the last one of the highest.
    pub reach: PageRange,
    /// What nothing is placed in when all of them are gone.
    pub vacant: PageRange,
    /// How many they are.
    pub count: usize,
}

impl Together {
    /// `vma` and no other one.
    pub fn alone(vmas: &Vmas<'_>, vma: VmaId) -> Self {
        Self {
            reach: existing(vmas, vma).reach(),
            vacant: around(vmas, vma),
            count: 1,
        }
    }

    /// `first`, which is the next to be emptied, and those that come after it, each right below the one before. If these are
    /// more than one, they reach no further than `most` pages, and their end takes no longer than handling as many.
    pub fn from(vmas: &Vmas<'_>, first: VmaId, most: usize) -> Self {
        let (mut together, mut last) = (Self::alone(vmas, first), first);
        while let Some(next) = next_below(vmas, existing(vmas, last)) {
            let Self { reach, vacant, count } = together;
            let (reach, count) = (reach.hull(existing(vmas, next).reach()), count + 1);
            if reach.count().get() > most as u64 || count * EMPTY_COST > most {
                break;
            }
            let vacant = vacant.hull(around(vmas, next));
            (together, last) = (Self { reach, vacant, count }, next);
        }
        together
    }
}

/// What is vacant when `vma` goes.
fn around(vmas: &Vmas<'_>, vma: VmaId) -> PageRange {
    let neighbours = VmaSet::spot_of(vmas, vma).neighbours;
    neighbours.around(existing(vmas, vma).range())
}

/// The VMA right below `vma`, if it is to be emptied after it, and both have frames of their own to give back.
fn next_below(vmas: &Vmas<'_>, vma: &Vma) -> Option<VmaId> {
    let next = next_of_private(vma)??;
    let is_below = vma.before() == Some(next);
    (is_below && next_of_private(existing(vmas, next)).is_some()).then_some(next)
}

/// Which one is to be emptied after `vma`, if that gives back frames of its own.
fn next_of_private(vma: &Vma) -> Option<Option<VmaId>> {
    match vma.state {
        VmaState::Leaving(Leaving { next, heir: None, .. }) if vma.backing.owns_frames() => Some(next),
        _ => None,
    }
}
