//! Virtual memory areas: what a range of a process's addresses stands for.

mod gap;
mod set;
mod state;
mod tables;

pub(crate) use gap::Gap;
pub(crate) use set::{Spot, VmaSet};
pub(crate) use state::{Heir, Leaving, VmaState};
pub(crate) use tables::{Manner, Neighbours, tables_needed};

use crate::region::RegionId;
use crate::slot::slot_of;
use addr::{Frame, GRANULE, MemoryKind, Page, PageRange, Perms};
use core::ops::{AddAssign, SubAssign};
use set::Node;
use slots::{Id, Own, Pool, Reserved};

/// Names a VMA inside the memory manager.
pub(crate) type VmaId = Id<Vma>;

/// The VMAs of an address space that is taken.
pub(crate) type Vmas<'a> = Own<'a, Vma>;

/// Where a VMA is found: among those of an address space, or among all.
pub(crate) trait Found {
    /// The VMA, unless `id` is stale.
    fn vma(&self, id: VmaId) -> Option<&Vma>;
}

impl Found for Vmas<'_> {
    #[inline]
    fn vma(&self, id: VmaId) -> Option<&Vma> {
        self.get(id)
    }
}

impl Found for Pool<Vma> {
    fn vma(&self, id: VmaId) -> Option<&Vma> {
        self.get(id)
    }
}

/// A range of pages with one backing and one set of permissions.
pub struct Vma {
    /// Changed through its set only, which is ordered by it.
    range: PageRange,
    pub(crate) perms: Perms,
    /// What `mprotect` may make of these. An attachment never allows more than when it was made.
    pub(crate) most: Perms,
    pub(crate) backing: Backing,
    pub(crate) state: VmaState,
    /// How many of its pages its address space is charged frames for.
    pub(crate) owned: Owned,
    /// Whether there may be translations, or tables that have become its own to give back. What is not touched
    /// goes without a look at any table.
    pub(crate) is_touched: bool,
    node: Node,
    /// Neighbours in the ring of all that is left of one attachment; itself if it is alone.
    ring: Option<Ring>,
}

/// A number of pages that are charged, in half a word, as there are thousands of VMAs. More than fit, which are 16 TiB, are in no
/// machine: so they stay as many as fit, and are promised to nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owned(u32);

impl Owned {
    /// So many.
    pub fn of(pages: u64) -> Self {
        Self(u32::try_from(pages).unwrap_or(u32::MAX))
    }

    /// How many.
    pub fn count(self) -> u64 {
        self.0.into()
    }
}

impl AddAssign<u64> for Owned {
    fn add_assign(&mut self, pages: u64) {
        *self = Self::of(self.count() + pages);
    }
}

impl SubAssign<u64> for Owned {
    fn sub_assign(&mut self, pages: u64) {
        *self = Self::of(self.count() - pages);
    }
}

#[derive(Clone, Copy)]
struct Ring {
    before: VmaId,
    after: VmaId,
}

/// What is behind a VMA. The wide tag is for copies: behind a narrow one, the rest would be copied
/// byte by byte in a kernel that accesses no word unaligned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum Backing {
    /// Zero-filled frames of this process alone, present after the first touch.
    Anonymous,
    /// The same, from this page on. A touch of a lower page makes it begin there, but not below
    /// [`Vma::floor`].
    Stack(Page),
    /// The frame of a thread's message page, always present.
    MessagePage,
    /// Frames that the allocator does not own, from this one on.
    Physical(Frame, MemoryKind),
    /// A region, through level-3 tables of this address space.
    Paged(Attachment),
    /// A region, through its own level-3 tables. The VMA takes up whole 2 MiB slots, the rest of
    /// the last one behind the region's end included: what was placed there would be written into
    /// the tables of all who have the region attached.
    Linked(Attachment),
    /// A region of 2 MiB blocks, each mapped by one descriptor. The VMA takes up whole 2 MiB slots.
    Blocks(Attachment),
}

/// One attachment of a region. What is left of it after partial unmapping may be several VMAs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attachment {
    pub region: RegionId,
    /// Where page 0 of the region is, or was.
    pub base: Page,
    /// Pages of the region.
    pub pages: u64,
}

impl Attachment {
    /// Which page of the region is at `page`.
    pub fn index_of(&self, page: Page) -> u64 {
        page.number() - self.base.number()
    }

    /// The pages that it had when it was made.
    pub fn range(&self) -> PageRange {
        PageRange::between(self.base, self.end()).expect("a region has pages")
    }

    fn end(&self) -> Page {
        Page::from_number(self.base.number() + self.pages)
    }
}

impl Vma {
    /// A VMA that is in no set yet, to be filled if `state` says so, or else live.
    #[inline]
    pub(crate) fn new(range: PageRange, perms: Perms, backing: Backing, state: VmaState) -> Self {
        let is_filling = state == VmaState::Filling;
        let owns_all = backing.owns_frames() && !is_filling;
        let most = match backing {
            Backing::Anonymous | Backing::Stack(_) => Perms::all(),
            Backing::MessagePage
            | Backing::Physical(..)
            | Backing::Paged(_)
            | Backing::Linked(_)
            | Backing::Blocks(_) => perms,
        };
        Self {
            range,
            perms,
            most,
            backing,
            // A leaving one is never new, so what such a state says is not copied.
            state: if is_filling {
                VmaState::Filling
            } else {
                VmaState::Live
            },
            owned: if owns_all {
                Owned::of(content_of(range, backing).count().get())
            } else {
                Owned::of(0)
            },
            is_touched: is_filling || backing == Backing::MessagePage,
            node: Node::ALONE,
            ring: None,
        }
    }

    /// One like it for another address space, alone so far. Of translations, that gets those of frames that this one owns.
    pub(crate) fn inherited(&self) -> Self {
        Self {
            is_touched: self.is_touched && self.backing.owns_frames(),
            node: Node::ALONE,
            ring: None,
            ..*self
        }
    }

    /// The pages it takes up. If it is linked, these may be more than the region has; if it is a stack,
    /// more than it has grown to.
    pub(crate) fn range(&self) -> PageRange {
        self.range
    }

    /// The pages that stand for something.
    pub(crate) fn content(&self) -> PageRange {
        content_of(self.range, self.backing)
    }

    /// The pages that have to be looked at when it goes, with their tables. Where a stack may grow to is nothing, and
    /// no table but the one of its lowest page, if that is in the same slot.
    pub(crate) fn reach(&self) -> PageRange {
        let start = self.content().start();
        let is_in_one_slot = slot_of(start).contains(self.range.start());
        let reach = PageRange::between(start, self.range.end());
        reach.filter(|_| is_in_one_slot).unwrap_or(self.range)
    }

    /// The lowest page that it can grow down to: a gap stays below it, so that a program that reaches
    /// too far does not reach into something else.
    pub(crate) fn floor(&self) -> Page {
        Page::from_number(self.range.start().number() + GUARD_PAGES)
    }

    /// How many pages it has to grow by to reach `page`, if it can.
    pub(crate) fn growth_to(&self, page: Page) -> Option<u64> {
        let Backing::Stack(low) = self.backing else {
            return None;
        };
        let reaches = (self.floor()..low).contains(&page);
        reaches.then(|| low.number() - page.number())
    }

    /// The attachment it is (part of).
    pub(crate) fn attachment(&self) -> Option<Attachment> {
        match self.backing {
            Backing::Paged(attachment) | Backing::Linked(attachment) | Backing::Blocks(attachment) => {
                Some(attachment)
            }
            Backing::Anonymous | Backing::Stack(_) | Backing::MessagePage | Backing::Physical(..) => None,
        }
    }

    /// Whose level-3 tables translate it.
    pub(crate) fn manner(&self) -> Manner {
        self.backing.manner()
    }

    /// Whether the first page of its attachment is in it.
    pub(crate) fn is_head(&self) -> bool {
        self.attachment()
            .is_some_and(|attachment| attachment.base == self.range.start())
    }

    /// Whether it is in no ring with other VMAs of its attachment.
    pub(crate) fn is_alone(&self) -> bool {
        self.ring.is_none()
    }

    /// Whether the two could be one VMA, `next` above this one.
    #[inline]
    pub(crate) fn continues_in(&self, next: &Self) -> bool {
        // Nearly always neighbours have a gap between them.
        if self.range.end() != next.range.start() {
            return false;
        }
        let is_alike = (self.perms, self.most) == (next.perms, next.most);
        let are_live = self.state == VmaState::Live && next.state == VmaState::Live;
        let follows = match (self.backing, next.backing) {
            (Backing::Anonymous | Backing::Stack(_), Backing::Anonymous) => true,
            (Backing::Physical(first, kind), Backing::Physical(second, other)) => {
                kind == other && first.offset(self.range.count().get()) == second
            }
            (Backing::Paged(one), Backing::Paged(other)) | (Backing::Linked(one), Backing::Linked(other)) => {
                one == other
            }
            _ => false,
        };
        is_alike && are_live && follows
    }

    /// Whether it is being emptied.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.state, VmaState::Leaving(_))
    }
}

impl Backing {
    pub(crate) fn manner(self) -> Manner {
        match self {
            Self::Linked(_) => Manner::Linked,
            Self::Blocks(_) => Manner::Blocks,
            Self::Anonymous | Self::Stack(_) | Self::MessagePage | Self::Physical(..) | Self::Paged(_) => {
                Manner::Paged
            }
        }
    }

    /// Whether the frames are promised to, and belong to, the address space.
    pub(crate) fn owns_frames(self) -> bool {
        matches!(self, Self::Anonymous | Self::Stack(_) | Self::MessagePage)
    }
}

/// Pages between where a stack may grow to and whatever is below.
pub(crate) const GUARD_PAGES: u64 = abi::layout::STACK_GUARD / GRANULE;

/// Which pages of `range` stand for something.
fn content_of(range: PageRange, backing: Backing) -> PageRange {
    let content = match backing {
        Backing::Linked(attachment) => PageRange::between(range.start(), attachment.end().min(range.end())),
        Backing::Stack(low) => PageRange::between(low, range.end()),
        Backing::Anonymous
        | Backing::MessagePage
        | Backing::Physical(..)
        | Backing::Paged(_)
        | Backing::Blocks(_) => None,
    };
    content.unwrap_or(range)
}

/// A VMA that must exist, because something in the memory manager leads to it.
///
/// # Panics
/// If it does not.
pub(crate) fn existing(vmas: &impl Found, id: VmaId) -> &Vma {
    vmas.vma(id).expect("a VMA that something leads to exists")
}

/// The same for change.
///
/// # Panics
/// If it does not exist.
pub(crate) fn existing_mut<'a>(vmas: &'a mut Vmas<'_>, id: VmaId) -> &'a mut Vma {
    vmas.get_mut(id).expect("a VMA that something leads to exists")
}

/// Cuts `id`, which is live and in `set`, in two at `at`; answers the new VMA, which begins
/// there. Both go on being one attachment, if they are one.
///
/// # Panics
/// If `at` is not inside of it, which the caller has checked, or there is no slot.
pub(crate) fn split(
    set: &mut VmaSet,
    vmas: &mut Vmas<'_>,
    slots: &mut Reserved,
    id: VmaId,
    at: Page,
) -> VmaId {
    let whole = existing(vmas, id);
    let parts = PageRange::between(whole.range.start(), at).zip(PageRange::between(at, whole.range.end()));
    let (low, high) = parts.expect("a VMA is split inside");
    let backing = match whole.backing {
        Backing::Physical(first, kind) => Backing::Physical(first.offset(low.count().get()), kind),
        // Only what is lowest grows.
        Backing::Stack(_) => Backing::Anonymous,
        other => other,
    };
    let upper = Vma {
        most: whole.most,
        is_touched: whole.is_touched,
        ..Vma::new(high, whole.perms, backing, VmaState::Live)
    };
    existing_mut(vmas, id).owned -= upper.owned.count();
    set.resize(vmas, id, low);
    let new = vmas.insert(slots, upper);
    let spot = set.spot_below(vmas, existing(vmas, id).after());
    set.insert(vmas, new, spot);
    join_ring(vmas, id, new);
    new
}

/// Makes one VMA of `id` and the next one, if they are live, have no gap between them, and differ in
/// nothing but their places. Answers whether it did.
pub(crate) fn merge_with_next(set: &mut VmaSet, vmas: &mut Vmas<'_>, id: VmaId) -> bool {
    let Some(next) = existing(vmas, id).after() else {
        return false;
    };
    if !existing(vmas, id).continues_in(existing(vmas, next)) {
        return false;
    }
    let whole = existing(vmas, id).range.hull(existing(vmas, next).range);
    // `id` is left of an attachment, if it is one.
    leave_ring(vmas, next);
    set.remove(vmas, next);
    let Vma {
        owned, is_touched, ..
    } = *existing(vmas, next);
    vmas.discard(next);
    let vma = existing_mut(vmas, id);
    vma.owned += owned.count();
    vma.is_touched |= is_touched;
    set.resize(vmas, id, whole);
    true
}

/// Puts `new`, which is next above it of the same attachment, into the ring of `id`, if that is part
/// of one.
pub(crate) fn join_ring(vmas: &mut Vmas<'_>, id: VmaId, new: VmaId) {
    if existing(vmas, id).attachment().is_none() {
        return;
    }
    let after = after_in_ring(vmas, id);
    let before_of_id = existing(vmas, id).ring.map_or(id, |ring| ring.before);
    existing_mut(vmas, new).ring = Some(Ring { before: id, after });
    existing_mut(vmas, id).ring = Some(Ring {
        before: before_of_id,
        after: new,
    });
    let after_of_after = if after == id {
        new
    } else {
        after_in_ring(vmas, after)
    };
    existing_mut(vmas, after).ring = Some(Ring {
        before: new,
        after: after_of_after,
    });
}

/// The next VMA of the same attachment; `id` itself if it is the only one.
pub(crate) fn after_in_ring(vmas: &impl Found, id: VmaId) -> VmaId {
    existing(vmas, id).ring.map_or(id, |ring| ring.after)
}

/// Whether no VMA can be used any more of the attachment that `id` is part of.
pub(crate) fn is_all_leaving(vmas: &impl Found, id: VmaId) -> bool {
    let after = |&id: &VmaId| Some(after_in_ring(vmas, id)).filter(|&next| next != id);
    let mut others = core::iter::successors(after(&id), after).take_while(|&other| other != id);
    others.all(|other| existing(vmas, other).is_leaving())
}

/// The next VMA below `id` that can be used, of the same attachment. A ring leads upwards, and from
/// the highest VMA back to the lowest.
pub(crate) fn piece_below(vmas: &Vmas<'_>, id: VmaId) -> Option<VmaId> {
    let below = |id: VmaId| {
        let ring = existing(vmas, id).ring?;
        let is_below = existing(vmas, ring.before).range.start() < existing(vmas, id).range.start();
        is_below.then_some(ring.before)
    };
    let mut pieces = core::iter::successors(below(id), |&id| below(id));
    pieces.find(|&id| existing(vmas, id).state == VmaState::Live)
}

/// What is left of an attachment when a VMA of it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Remains {
    Others,
    Nothing,
}

/// Takes `id`, which goes, out of the ring of its attachment.
#[inline]
pub(crate) fn leave_ring(vmas: &mut Vmas<'_>, id: VmaId) -> Remains {
    let Some(Ring { before, after }) = existing(vmas, id).ring else {
        return Remains::Nothing;
    };
    if after == id {
        return Remains::Nothing;
    }
    if let Some(ring) = &mut existing_mut(vmas, before).ring {
        ring.after = after;
    }
    if let Some(ring) = &mut existing_mut(vmas, after).ring {
        ring.before = before;
    }
    Remains::Others
}

#[cfg(test)]
mod tests;
