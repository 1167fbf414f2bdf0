//! `fork`: makes an empty address space a copy of another one.
//!
//! Private pages become common to both: neither may write to their frames any more, and who does all
//! the same gets a copy (`touch.rs`). A few are copied at once instead, to which the parent has written since the fork
//! before: both will write to them again, its stack for instance. Attachments become attachments of the child at the same
//! addresses, and physical mappings mappings; of these it gets no translation, its touches find
//! what is there. A message page is nobody else's, so the child has one of its own before.
//!
//! All that the child may ever need is set aside at first. Then VMAs and pages are taken over in
//! steps, lowest first, while nothing can be mapped or unmapped in either space. The parent's
//! translations are narrowed and its TLB entries invalidated in the step that shares their frames,
//! so before the child can run.

use crate::frame::{Frames, Promise, Zone};
use crate::job::{Job, STEP_FRAMES};
use crate::manager::{MemoryManager, typed};
use crate::mmu::{FrameSource, Mmu, ShareSource};
use crate::part::Batch;
use crate::sharing::{Each, InSpace};
use crate::slot::slot_of;
use crate::space::{Space, SpaceId, SpaceState, Stock};
use crate::vma::{
    Backing, Found, Neighbours, Vma, VmaId, VmaState, existing, join_ring, piece_below, tables_needed,
};
use abi::Errno;
use addr::{Frame, GRANULE, MemoryKind, Page, PageRange, Perms};
use slots::{Full, Reserved};

/// What a child has not taken over yet.
pub(crate) struct Birth {
    parent: SpaceId,
    /// What lies below has been taken over.
    next: Page,
    /// For the VMAs it still inherits.
    pub slots: Reserved,
    /// For private pages, and for tables.
    pub promise: Promise,
    /// How many more pages are copied at once.
    copies: usize,
}

/// Most pages that are copied at once, since both are about to write to them.
const MOST_COPIES: usize = 8;

/// A copy takes as long as this many pages that are shared.
const COPY_COST: usize = 4;

/// What a copy of an address space takes.
#[derive(Default)]
struct Needs {
    vmas: u32,
    frames: u64,
}

impl<M: Mmu> MemoryManager<M> {
    /// Begins to make `child`, in which nothing or just a message page is mapped, a copy of
    /// `parent`. Both can be used again when the job is done.
    ///
    /// # Errors
    /// `ENOMEM` if there are not enough frames, or VMA slots; `EAGAIN` if pages are moving into the
    /// parent, something waits for the place of what it replaces, or permissions are still being
    /// taken away; `ESRCH` if one of the two is gone. Nothing has changed then.
    pub fn fork(&mut self, parent: SpaceId, child: SpaceId) -> Result<Job, Errno> {
        let present = self.present_in(child)?;
        let Needs { vmas, frames } = needs(self.alive(parent)?, &self.vmas, present)?;
        let slots = self.vmas_in(child).reserve(vmas).map_err(|Full| Errno::ENOMEM)?;
        let promise = match self.frames.promise(frames) {
            Ok(promise) => promise,
            Err(out) => {
                self.vmas_in(child).release(slots);
                return Err(out.into());
            }
        };
        let mut copies = 0;
        for space in [parent, child] {
            if let Some(space) = self.spaces.get_mut(typed(space)) {
                space.state = SpaceState::Forking;
                // What parents write to between two forks they write to after the next one, too.
                copies = if space.is_narrowed { MOST_COPIES } else { copies };
                space.is_narrowed = true;
            }
        }
        self.inherit_quota(child, parent);
        if let Some(space) = self.spaces.get_mut(typed(child)) {
            space.birth = Some(Birth {
                parent,
                next: Page::from_number(0),
                slots,
                promise,
                copies,
            });
        }
        Ok(Job::Fork(child))
    }

    /// What is mapped in a space that is to become a child: its message page.
    fn present_in(&self, child: SpaceId) -> Result<Option<PageRange>, Errno> {
        let child = self.alive(child)?;
        debug_assert!(child.set.count() <= 1, "a child is empty at first");
        Ok(child.set.last().map(|id| existing(&self.vmas, id).range()))
    }

    /// Takes over the next VMA of the parent, or up to `most` pages of one. `None` when the child has
    /// everything; answers what it cost otherwise.
    pub(crate) fn inherit_next(&mut self, child: SpaceId, most: usize) -> Option<usize> {
        let birth = self.spaces.get(typed(child))?.birth.as_ref()?;
        let (parent, from) = (birth.parent, birth.next);
        let Some(vma) = self.next_heirloom(parent, from) else {
            self.end_birth(child);
            return None;
        };
        let heirloom = existing(&self.vmas, vma);
        let (range, content, backing) = (heirloom.range(), heirloom.content(), heirloom.backing);
        let mut cost = 0;
        if range.start() >= from {
            self.inherit_vma(parent, child, vma);
            cost += 1;
        }
        let mut next = range.end();
        if backing.owns_frames()
            && let Some(rest) = PageRange::between(content.start().max(from), range.end())
        {
            let (shared, end) = self.share_pages((parent, child), vma, rest, most);
            cost += shared;
            next = end;
        }
        if let Some(birth) = self
            .spaces
            .get_mut(typed(child))
            .and_then(|space| space.birth.as_mut())
        {
            birth.next = next;
        }
        Some(cost)
    }

    /// The lowest VMA with pages from `from` on that a child of `parent` gets; `None` too if the
    /// parent has ended.
    fn next_heirloom(&self, parent: SpaceId, from: Page) -> Option<VmaId> {
        let parent = self.spaces.get(typed(parent))?;
        let first = parent.set.first_ending_after(&self.vmas, from);
        let mut rest = core::iter::successors(first, |&id| existing(&self.vmas, id).after());
        let is_forking = parent.state == SpaceState::Forking;
        rest.find(|&id| is_forking && is_heirloom(existing(&self.vmas, id)))
    }

    /// Gives the child a VMA like `id` of the parent, which is higher than all it has inherited.
    fn inherit_vma(&mut self, parent: SpaceId, child: SpaceId, id: VmaId) {
        let theirs = self.vmas_in(parent);
        let piece = piece_below(&theirs, id).map(|below| existing(&theirs, below).range().start());
        let vma = existing(&theirs, id).inherited();
        self.enter(child, |child| child.inherit(vma, piece));
    }

    /// Shares up to `most` pages of a private VMA, the first ones in `rest`, which lie in one slot: their
    /// table is all that is looked through. Answers what that cost, and up to where it went.
    fn share_pages(
        &mut self,
        (parent, child): (SpaceId, SpaceId),
        vma: VmaId,
        rest: PageRange,
        most: usize,
    ) -> (usize, Page) {
        let perms = existing(&self.vmas, vma).perms;
        let Self {
            mmu,
            frames,
            spare,
            spaces,
            tray,
            ..
        } = self;
        tray.clear();
        let Some((parent, child)) = spaces.pair_mut(typed(parent), typed(child)) else {
            return (0, rest.end());
        };
        let Some(rest) = first_slot_held(mmu, &parent.hardware, rest) else {
            return (0, rest.end());
        };
        let mut shares = Shares {
            frames,
            lender: &mut parent.pages,
            heir: &mut child.pages,
            tables: &mut child.tables,
            left_out: &mut tray.pages,
            copies: child.birth.as_mut().map(|birth| &mut birth.copies),
            count: 0,
        };
        let (stale, end) = mmu.share(&mut parent.hardware, &mut child.hardware, rest, most, &mut shares);
        let shared = shares.count;
        // Nothing is given back.
        drop(mmu.flush(&parent.hardware, stale));
        for (page, frame) in tray.pages.iter() {
            let zone = &mut Zone::of(frames, spare);
            child.copy_page(mmu, zone, page, frame, perms);
        }
        mmu.publish_entries();
        // As in `Part::cost`: absent pages are looked at, too.
        let looked_at = end.number() - rest.start().number();
        (shared.max(looked_at as usize / 16), end)
    }

    /// The child has all it will get, or its parent is gone.
    pub(crate) fn end_birth(&mut self, child: SpaceId) {
        let Some(space) = self.spaces.get_mut(typed(child)) else {
            return;
        };
        let Some(birth) = space.birth.take() else {
            return;
        };
        let Birth {
            parent,
            slots,
            promise,
            ..
        } = birth;
        self.vmas_in(child).release(slots);
        self.frames.release(promise);
        for space in [parent, child] {
            if let Some(space) = self.spaces.get_mut(typed(space))
                && space.state == SpaceState::Forking
            {
                space.state = SpaceState::Alive;
            }
        }
    }
}

impl<M: Mmu> InSpace<'_, '_, M> {
    /// Takes in a VMA of the parent, the next one of whose attachment below it begins with `piece`.
    fn inherit(&mut self, vma: Vma, piece: Option<Page>) {
        let Each {
            space,
            mut vmas,
            regions,
            ..
        } = self.each();
        let Some(birth) = &mut space.birth else {
            return;
        };
        let (range, owned, attachment) = (vma.range(), vma.owned.count(), vma.attachment());
        let pages = vma.content().count().get();
        // The message page is the lowest.
        let spot = space.set.spot_below(&vmas, None);
        let tables = tables_needed(range, vma.manner(), spot.neighbours);
        let tables = birth.promise.split(tables);
        space.pages.promise.merge(birth.promise.split(owned));
        let is_head = vma.is_head();
        let new = vmas.insert(&mut birth.slots, vma);
        space.count_in(pages);
        space.place(&mut vmas, new, spot, tables);
        let Some(attachment) = attachment else {
            return;
        };
        match piece.and_then(|piece| space.set.containing(&vmas, piece)) {
            Some(below) => join_ring(&mut vmas, below, new),
            None => {
                space.attachments += 1;
                space.headless += u32::from(!is_head);
                regions.attached(attachment.region).0.attached += 1;
            }
        }
    }
}

impl<H> Space<H> {
    /// Maps an absent private page to a copy of a frame.
    fn copy_page<M: Mmu<Space = H>>(
        &mut self,
        mmu: &mut M,
        zone: &mut Zone<'_>,
        page: Page,
        frame: Frame,
        perms: Perms,
    ) {
        let own = self.pages.take(&mut zone.lock());
        mmu.copy_bytes((frame, 0), (own, 0), GRANULE);
        self.install_copy(mmu, zone, (page, own), perms);
    }

    /// Maps an absent private page to a frame of its own, which has its bytes. The entries are to be
    /// [published](Mmu::publish_entries).
    pub(crate) fn install_copy<M: Mmu<Space = H>>(
        &mut self,
        mmu: &mut M,
        zone: &mut Zone<'_>,
        (page, own): (Page, Frame),
        perms: Perms,
    ) {
        if perms.contains(Perms::EXECUTE) {
            mmu.publish_code(own);
        }
        let mut tables = self.tables.source(zone);
        mmu.install(
            &mut self.hardware,
            page,
            own,
            perms,
            MemoryKind::Normal,
            &mut tables,
        );
    }
}

/// Frames becoming common to a parent and its child.
struct Shares<'a> {
    frames: &'a mut Frames,
    lender: &'a mut Stock,
    heir: &'a mut Stock,
    /// The child's.
    tables: &'a mut Stock,
    /// Those that get a copy instead.
    left_out: &'a mut Batch<(Page, Frame), STEP_FRAMES>,
    /// How many may, although they could be shared.
    copies: Option<&'a mut usize>,
    count: usize,
}

impl FrameSource for Shares<'_> {
    fn take(&mut self) -> Frame {
        self.tables.take(self.frames)
    }
}

impl ShareSource for Shares<'_> {
    fn leaves_out(&mut self, page: Page, frame: Frame) -> bool {
        match self.copies.as_deref_mut() {
            Some(copies) if *copies > 0 => *copies -= 1,
            _ => return false,
        }
        self.count += COPY_COST;
        self.left_out.push((page, frame));
        true
    }

    fn share(&mut self, page: Page, frame: Frame) -> bool {
        self.count += 1;
        let is_shared = self.lender.share(self.frames, frame, self.heir);
        if !is_shared {
            self.left_out.push((page, frame));
        }
        is_shared
    }
}

/// What a child of `parent` takes beyond `present`, which it has, and which lies below all that it gets.
fn needs<H>(parent: &Space<H>, vmas: &impl Found, present: Option<PageRange>) -> Result<Needs, Errno> {
    let is_filling = |vma: &Vma| vma.state == VmaState::Filling;
    // A copy would exceed its VMAs for ever.
    if parent.arriving.is_some() || parent.exceeding.is_some() {
        return Err(Errno::EAGAIN);
    }
    let (mut needs, mut end) = (
        Needs::default(),
        present.map_or(Page::from_number(0), PageRange::end),
    );
    for vma in parent.set.iter(vmas).map(|id| existing(vmas, id)) {
        if is_filling(vma) {
            return Err(Errno::EAGAIN);
        }
        if is_heirloom(vma) {
            let neighbours = Neighbours::between(end, None);
            needs.vmas += 1;
            needs.frames += vma.owned.count() + tables_needed(vma.range(), vma.manner(), neighbours);
            end = vma.range().end();
        }
    }
    Ok(needs)
}

/// The part of `range` that is in one slot, the first with a table; `None` if there is none.
fn first_slot_held<M: Mmu>(mmu: &M, space: &M::Space, range: PageRange) -> Option<PageRange> {
    // Nothing has to be looked for if there is but one.
    let within_slot = |first| PageRange::between(first, slot_of(first).end().min(range.end()));
    let part = within_slot(range.start())?;
    if part == range {
        return Some(part);
    }
    within_slot(mmu.next_held(space, range)?)
}

/// Whether a child gets one like it.
fn is_heirloom(vma: &Vma) -> bool {
    vma.state == VmaState::Live && vma.backing != Backing::MessagePage
}
