//! Address spaces: what one process has mapped, and the frames that are its alone.

use crate::change::Change;
use crate::fork::Birth;
use crate::frame::{Frames, Left, Promise, Shared, TableSource, Unreachable, Zone};
use crate::identity::Identity;
use crate::mmu::Mmu;
use crate::quota::Quota;
use crate::region::RegionId;
use crate::vma::{Heir, Leaving, VmaId, VmaSet, VmaState, Vmas, existing_mut, is_all_leaving};
use abi::Errno;
use addr::{Frame, PageRange};
use slots::Id;

/// Names an address space.
pub type SpaceId = Id<AnySpace>;

/// Stands for a [`Space`] whatever its hardware side is, so that a [`SpaceId`] can be passed
/// around without naming that.
pub enum AnySpace {}

/// An address space. `H` is its hardware side: tables and ASID.
pub struct Space<H> {
    pub(crate) hardware: H,
    pub(crate) identity: Identity,
    pub(crate) state: SpaceState,
    pub(crate) set: VmaSet,
    /// Tables below the root. Charged: one for each extent that a VMA touches.
    pub(crate) tables: Stock,
    /// Frames of private pages. Charged: what the VMAs own.
    pub(crate) pages: Stock,
    /// Attachments, however many VMAs are left of each.
    pub(crate) attachments: u32,
    /// Attachments whose first page is gone.
    pub(crate) headless: u32,
    /// VMAs that can be used, or soon can.
    pub(crate) mappings: u32,
    /// Pages of these.
    pub(crate) mapped: u64,
    /// What it may have of these.
    pub(crate) quota: Quota,
    /// VMAs that have to be changed before anything else can be asked of it.
    pub(crate) change: Option<Change>,
    /// VMAs that have to be emptied.
    pub(crate) leaving: Option<VmaId>,
    /// Regions that may have to go, as it has lost its last attachment.
    pub(crate) unsettled: Option<RegionId>,
    /// Regions that have to be taken apart.
    pub(crate) dead: Option<RegionId>,
    /// From which index on it has to look for regions that nobody uses.
    pub(crate) search_from: Option<u32>,
    /// Whether a region was created in it, which may be an orphan when it ends.
    pub(crate) is_creator: bool,
    /// Where translations may allow more than their VMAs.
    pub(crate) exceeding: Option<PageRange>,
    /// What takes the place of some of the VMAs being emptied (`SHM_REMAP`, `MapFlags::REPLACE`).
    pub(crate) arriving: Option<Arriving>,
    /// What it still inherits, if it is being made by a fork.
    pub(crate) birth: Option<Birth>,
    /// Whether a fork has once taken the right to write away from all private pages, so that what can be written to by now
    /// has been since.
    pub(crate) is_narrowed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SpaceState {
    /// Its process lives.
    Alive,
    /// It is being copied, or is the copy: nothing can be mapped or unmapped.
    Forking,
    /// All of it is being given back.
    Ending,
}

/// A VMA that is in no set yet, since its place is still taken. Frames that it owns are promised to the
/// space already.
pub(crate) struct Arriving {
    pub vma: VmaId,
    pub range: PageRange,
    /// Enough for all tables of the range, whatever its neighbours are by then.
    pub tables: Promise,
}

/// Frames of one use: those that are there, and the promise of those that are not.
pub(crate) struct Stock {
    pub promise: Promise,
    pub present: u64,
    /// Frames that are there, but that others have too, since a fork.
    pub shared: u64,
}

impl Stock {
    pub const EMPTY: Self = Self {
        promise: Promise::none(),
        present: 0,
        shared: 0,
    };

    /// Frames there are or may be, in all.
    pub fn charged(&self) -> u64 {
        self.present + self.shared + self.promise.frames()
    }

    /// Takes one of the promised frames. Its contents are anything.
    pub fn take(&mut self, frames: &mut Frames) -> Frame {
        self.present += 1;
        frames.take(&mut self.promise)
    }

    /// Takes one of the promised frames, zeroed.
    pub fn take_zeroed(&mut self, mmu: &mut impl Mmu, zone: &mut Zone<'_>) -> Frame {
        self.present += 1;
        zone.take_zeroed(mmu, &mut self.promise)
    }

    /// Gives a frame back, which may be needed again. One that others share stays with them.
    pub fn put_back(&mut self, frames: &mut Frames, frame: Frame, proof: &impl Unreachable) {
        if self.shared > 0 {
            match frames.leave(frame) {
                Left::Alone => {}
                Left::Last => self.keep(),
                Left::One(promise) => {
                    self.shared -= 1;
                    return self.promise.merge(promise);
                }
            }
        }
        self.present -= 1;
        frames.exchange(frame, proof, &mut self.promise);
    }

    /// Moves `count` frames to another stock of the same use. Of these, `present` are there and
    /// `shared` are there and shared.
    pub fn hand_over(&mut self, count: u64, present: u64, shared: u64, to: &mut Self) {
        to.promise.merge(self.promise.split(count - present - shared));
        self.present -= present;
        to.present += present;
        self.shared -= shared;
        to.shared += shared;
    }

    /// Lets `heir` have a frame of this stock, too, in place of one that it was promised. `false` if it has
    /// as many sharers as there can be.
    pub fn share(&mut self, frames: &mut Frames, frame: Frame, heir: &mut Self) -> bool {
        let Some(shared) = frames.share(frame, &mut heir.promise) else {
            return false;
        };
        heir.shared += 1;
        if shared == Shared::Now {
            self.present -= 1;
            self.shared += 1;
        }
        true
    }

    /// Makes a frame its own that it may share: answers another one for a copy if others share it.
    pub fn separate(&mut self, frames: &mut Frames, frame: Frame) -> Option<Frame> {
        match frames.leave(frame) {
            Left::Alone => None,
            Left::Last => {
                self.keep();
                None
            }
            Left::One(mut promise) => {
                self.keep();
                Some(frames.take(&mut promise))
            }
        }
    }

    /// Counts a page's frame as its own that was shared.
    fn keep(&mut self) {
        self.shared -= 1;
        self.present += 1;
    }

    /// Gives up `count` frames that are not there.
    pub fn release(&mut self, frames: &mut Frames, count: u64) {
        frames.release(self.promise.split(count));
    }

    /// The same as a source of tables.
    pub fn source<'a>(&'a mut self, zone: &'a mut Zone<'_>) -> TableSource<'a> {
        TableSource {
            zone: zone.lend(),
            promise: &mut self.promise,
            taken: &mut self.present,
        }
    }
}

impl<H> Space<H> {
    /// One in which nothing is mapped.
    pub fn new(hardware: H, identity: Identity) -> Self {
        Self {
            hardware,
            identity,
            state: SpaceState::Alive,
            set: VmaSet::EMPTY,
            tables: Stock::EMPTY,
            pages: Stock::EMPTY,
            attachments: 0,
            headless: 0,
            mappings: 0,
            mapped: 0,
            quota: Quota::NONE,
            change: None,
            leaving: None,
            unsettled: None,
            dead: None,
            search_from: None,
            is_creator: false,
            exceeding: None,
            arriving: None,
            birth: None,
            is_narrowed: false,
        }
    }

    /// Whether its process lives, and it is neither being copied nor changed.
    ///
    /// # Errors
    /// `EAGAIN` if it is that, `ESRCH` if it is ending.
    #[inline]
    pub fn check_alive(&self) -> Result<(), Errno> {
        match self.state {
            SpaceState::Alive if self.change.is_none() => Ok(()),
            SpaceState::Alive | SpaceState::Forking => Err(Errno::EAGAIN),
            SpaceState::Ending => Err(Errno::ESRCH),
        }
    }

    /// Whether nothing is left to be done in it, if it lives.
    #[inline]
    pub fn is_swept(&self) -> bool {
        self.unsettled.is_none() && self.is_idle()
    }

    /// Whether nobody has anything to do in it, but for what it may have to settle.
    #[inline]
    pub fn is_idle(&self) -> bool {
        let is_unchanged = self.change.is_none() && self.leaving.is_none() && self.exceeding.is_none();
        is_unchanged && self.arriving.is_none() && self.dead.is_none() && self.search_from.is_none()
    }

    /// VMA slots it takes up. Those that are being emptied take theirs until they are gone, and
    /// count against the limit until then.
    pub fn slots(&self) -> u32 {
        self.set.count() + u32::from(self.arriving.is_some())
    }

    /// Makes a VMA unusable at once and puts it on the list of those to be emptied, its pages to go
    /// to `heir`. Once more changes nothing. Answers the region if it was the last usable VMA of an attachment:
    /// that is [leaving](crate::region::Region::leaving) then.
    #[inline] // a range may be many VMAs
    pub(crate) fn begin_leaving(
        &mut self,
        vmas: &mut Vmas<'_>,
        id: VmaId,
        heir: Option<Heir>,
    ) -> Option<RegionId> {
        let vma = existing_mut(vmas, id);
        if vma.is_leaving() {
            return None;
        }
        vma.state = VmaState::Leaving(Leaving {
            from: vma.reach().start(),
            heir,
            next: self.leaving.replace(id),
        });
        self.mappings -= 1;
        self.mapped -= vma.content().count().get();
        if vma.is_head() {
            self.headless += 1;
        }
        let (is_alone, region) = (vma.is_alone(), vma.attachment()?.region);
        (is_alone || is_all_leaving(vmas, id)).then_some(region)
    }
}
