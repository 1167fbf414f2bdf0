//! What happens to many VMAs at once, piece by piece.
//!
//! A range may be as many VMAs as a process may have. So what a request does to each of them is done in pieces,
//! too: the first one with the request, which is mostly all, and the others as steps of a job. What is left stands
//! in the address space, and until that is done nobody can ask anything else of it: a request is to be made
//! again (`EAGAIN`), as while it is copied. Touches go on, and find each VMA as it was, or as it will be.

use crate::identity::Seconds;
use crate::job::STEP_FRAMES;
use crate::mmu::Mmu;
use crate::sharing::{Each, InSpace};
use crate::space::Space;
use crate::vma::{Attachment, Vma, VmaId, Vmas, existing, existing_mut};
use addr::{Page, PageRange, Perms};

/// What is still to be done to the VMAs of a range, at whose ends they have been cut.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub range: PageRange,
    pub fate: Fate,
}

/// What becomes of a VMA. The wide tag is for copies, as that of a backing.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Fate {
    /// It leaves.
    Leave,
    /// It leaves if it is of this attachment.
    Detach(Attachment),
    /// It allows this and nothing else.
    Permit(Perms),
}

/// Changing and becoming one with a neighbour takes as long as this many VMAs that leave: one has to be taken out of
/// the tree.
const MERGE_COST: usize = 4;

impl Change {
    /// Whether `page` is about to be unmapped.
    pub fn takes_away(&self, page: Page) -> bool {
        matches!(self.fate, Fate::Leave) && self.range.contains(page)
    }

    /// Whether it is about one of two VMAs that could be one, and not about the other. Of an attachment that is
    /// detached both are; of what is private in its holes, none is.
    pub fn divides(&self, one: &Vma, other: &Vma) -> bool {
        let concerns = |vma: &Vma| self.range.contains_range(vma.content());
        !matches!(self.fate, Fate::Detach(_)) && concerns(one) != concerns(other)
    }
}

impl<M: Mmu> InSpace<'_, '_, M> {
    /// Changes the VMAs of a range: all of them if they are few, and the others in steps of the space.
    pub(crate) fn begin_change(&mut self, change: Change, now: Seconds) {
        self.go_on_changing(change, STEP_FRAMES, now);
    }

    /// Does what takes as long as making `most` VMAs unusable, and notes what is left. Answers what it cost.
    pub(crate) fn go_on_changing(&mut self, change: Change, most: usize, now: Seconds) -> usize {
        let Change { range, fate } = change;
        let Each { space, vmas, .. } = self.each();
        space.change = None;
        let mut next = space.set.first_ending_after(&vmas, range.start());
        let mut cost = 0;
        while let Some(id) = next
            && cost < most
        {
            let Each { vmas, .. } = self.each();
            let vma = existing(&vmas, id);
            if vma.range().start() >= range.end() {
                break;
            }
            next = vma.after();
            cost += self.change_one(id, change, now);
        }
        let Each { space, mut vmas, .. } = self.each();
        let rest = next.and_then(|vma| PageRange::between(existing(&vmas, vma).range().start(), range.end()));
        if let (Fate::Permit(_), Some(above)) = (fate, next) {
            space.merge_with_below(&mut vmas, above);
        }
        space.change = rest.map(|range| Change { range, fate });
        cost
    }

    /// Answers what it cost.
    fn change_one(&mut self, id: VmaId, Change { range, fate }: Change, now: Seconds) -> usize {
        let Each { space, mut vmas, .. } = self.each();
        let vma = existing(&vmas, id);
        let leaves = match fate {
            Fate::Leave => range.contains_range(vma.content()),
            Fate::Detach(attachment) => vma.attachment() == Some(attachment),
            Fate::Permit(perms) => return space.permit(&mut vmas, id, perms),
        };
        if leaves { self.begin_leaving(id, now) } else { 1 }
    }
}

impl<H> Space<H> {
    /// Gives a VMA other permissions. It becomes one with that below if they differ in nothing else any more.
    /// Answers what that cost.
    fn permit(&mut self, vmas: &mut Vmas<'_>, id: VmaId, perms: Perms) -> usize {
        let vma = existing_mut(vmas, id);
        let (place, before) = (vma.range(), vma.perms);
        vma.perms = perms;
        if !perms.contains(before) {
            self.exceeding = Some(self.exceeding.map_or(place, |range| range.hull(place)));
        }
        if self.merge_with_below(vmas, id) {
            MERGE_COST
        } else {
            1
        }
    }
}
