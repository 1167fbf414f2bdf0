//! The frames of a region and where they are kept.
//!
//! One page is kept as it is; more are kept in a tree whose lowest tables are level-3 tables in
//! the hardware's format, ready to be linked by address spaces. The root is made when the first
//! page is touched, so that creating and removing an untouched region costs no table.
//!
//! A region of blocks (`SHM_HUGETLB`) has the same tree, without its lowest level. Zeroing a block takes
//! several steps, and the region has one block *coming* at most: whoever touches an absent block meanwhile,
//! be it another, carries on with that one. So no two do the same work, and all get on.

use crate::frame::{BLOCK_FRAMES, Frames, OutOfFrames, Promise, TableSource, Unreachable, Zone};
use crate::job::STEP_FRAMES;
use crate::mmu::{Dismantled, FrameSource, Mmu, Piece, SharedTree, TreeHeight};
use crate::region::Reserve;
use addr::{Frame, FrameRange, PageCount};
use core::num::{NonZeroU16, NonZeroU32};

/// Most pages of a region: what three levels of tables hold (512 GiB).
pub(crate) const MOST_PAGES: u64 = 1 << 27;

/// Frames and tables of a region, and the promise of those that are not there yet.
///
/// There are thousands of these, used or not, so what counts no more than [`MOST_PAGES`] has no more bits than it needs.
pub(crate) struct Contents {
    shape: Shape,
    unit: Unit,
    coming: Option<Coming>,
    promise: Promise,
    /// Pages of the region, in whole units.
    pages: NonZeroU32,
    /// Pages that have a frame.
    present: u32,
    /// Tables of the tree.
    tables: u32,
    /// Frames of pages below this one can be executed: what is in them is published.
    published: u32,
    /// Pages below this one have gone: it is being taken apart.
    dismantled: u32,
}

/// What a region's memory comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Page,
    Block,
}

/// A block that is being zeroed. No table leads to it yet.
#[derive(Clone, Copy)]
struct Coming {
    /// Page of the region that it will start with.
    index: u32,
    first: Frame,
    /// How many of its frames are still to be zeroed, and published if they can be executed: the last ones.
    left: NonZeroU16,
}

/// Where frames are kept.
enum Shape {
    /// Nowhere yet: one will be kept as it is, more in a tree of this height.
    Empty(Option<TreeHeight>),
    Page(Frame),
    Tree(SharedTree),
}

/// How far a region's frames have been published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Published {
    Partly,
    Wholly,
}

/// How far a block has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Filled {
    /// Not yet: the touch has to come again.
    Partly,
    /// It is there, from this frame on.
    Wholly(Frame),
}

/// How far a region has been taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Emptied {
    Partly,
    Wholly,
}

impl Contents {
    /// Without frames, for `pages` pages in whole units. `promise` is what [`promise_of`](Self::promise_of)
    /// answers, or for nothing if touches may fail.
    ///
    /// # Panics
    /// If these are more than [`MOST_PAGES`].
    pub fn new(pages: PageCount, unit: Unit, promise: Promise) -> Self {
        let fits = NonZeroU32::new(narrow(pages.get())).filter(|_| pages.get() <= MOST_PAGES);
        Self {
            shape: Shape::Empty(height(pages.get(), unit)),
            unit,
            coming: None,
            promise,
            pages: fits.expect("a region has no more pages than its tables"),
            present: 0,
            tables: 0,
            published: 0,
            dismantled: 0,
        }
    }

    /// A promise of all that `pages` pages in whole units need, tables included.
    ///
    /// # Errors
    /// [`OutOfFrames`] if not as much can be promised.
    pub fn promise_of(pages: PageCount, unit: Unit, frames: &mut Frames) -> Result<Promise, OutOfFrames> {
        let tables = tables(pages.get(), unit);
        match unit {
            Unit::Page => frames.promise(pages.get() + tables),
            Unit::Block => frames.promise_blocks(pages.get() / BLOCK_FRAMES, tables),
        }
    }

    /// Pages of the region.
    pub fn pages(&self) -> PageCount {
        self.pages.into()
    }

    /// Frames that it takes when all of its pages are there, tables included.
    pub fn needs(&self) -> u64 {
        self.pages().get() + self.all_tables()
    }

    /// Tables of the tree when every page has a frame.
    fn all_tables(&self) -> u64 {
        tables(self.pages().get(), self.unit)
    }

    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Frames it has: those of pages, tables, and a block that is coming.
    pub fn held(&self) -> u64 {
        let coming = u64::from(self.is_block_coming()) * BLOCK_FRAMES;
        self.present() + self.tables() + coming
    }

    /// Tables it has.
    pub fn tables(&self) -> u64 {
        self.tables.into()
    }

    /// Whether a block is being zeroed.
    pub fn is_block_coming(&self) -> bool {
        self.coming.is_some()
    }

    /// Pages that have a frame.
    pub fn present(&self) -> u64 {
        self.present.into()
    }

    pub fn promise(&self) -> &Promise {
        &self.promise
    }

    /// The tree of tables, if there is one.
    pub fn tree(&self) -> Option<SharedTree> {
        match self.shape {
            Shape::Tree(tree) => Some(tree),
            Shape::Page(_) | Shape::Empty(_) => None,
        }
    }

    /// The frame of page `index`.
    pub fn lookup<M: Mmu>(&self, mmu: &M, index: u64) -> Option<Frame> {
        match self.shape {
            Shape::Empty(_) => None,
            Shape::Page(frame) => Some(frame),
            Shape::Tree(tree) => mmu.shared_lookup(tree, index),
        }
    }

    /// Gives page `index`, which has none, a zeroed frame, against the promise.
    ///
    /// # Panics
    /// If the promise is not worth a page and the tables that are missing.
    pub fn fill<M: Mmu>(&mut self, mmu: &mut M, zone: &mut Zone<'_>, index: u64) -> Frame {
        let frame = zone.take_zeroed_for_region(mmu, &mut self.promise);
        if index < self.published.into() {
            mmu.publish_code(frame);
        }
        self.present += 1;
        match self.shape {
            Shape::Empty(None) | Shape::Page(_) => self.shape = Shape::Page(frame),
            Shape::Empty(Some(_)) | Shape::Tree(_) => self.grow(mmu, zone, |mmu, tree, source| {
                mmu.shared_install(tree, index, frame, source);
            }),
        }
        frame
    }

    /// Has `put` put something into the tree, which is made if it is missing, with tables that were promised.
    fn grow<M: Mmu>(
        &mut self,
        mmu: &mut M,
        zone: &mut Zone<'_>,
        put: impl FnOnce(&mut M, SharedTree, &mut TableSource<'_>),
    ) {
        let mut taken = 0;
        let mut source = TableSource {
            zone: zone.lend(),
            promise: &mut self.promise,
            taken: &mut taken,
        };
        let tree = match self.shape {
            Shape::Tree(tree) => tree,
            Shape::Empty(Some(height)) => new_tree(height, mmu, &mut source),
            Shape::Empty(None) | Shape::Page(_) => return,
        };
        put(mmu, tree, &mut source);
        self.shape = Shape::Tree(tree);
        self.tables += narrow(taken);
    }

    /// The same against a promise made just now.
    ///
    /// # Errors
    /// [`OutOfFrames`] if the page and the tables that may be missing cannot be promised.
    pub fn fill_unpromised<M: Mmu>(
        &mut self,
        mmu: &mut M,
        zone: &mut Zone<'_>,
        index: u64,
    ) -> Result<Frame, OutOfFrames> {
        self.promise.merge(zone.lock().promise(1 + self.most_tables())?);
        let frame = self.fill(mmu, zone, index);
        zone.lock().release(self.promise.take_all());
        Ok(frame)
    }

    /// Does a step of giving pages from `index` on, which have none, a zeroed block; or a step for another
    /// block, if that is coming.
    ///
    /// # Errors
    /// [`OutOfFrames`] if nothing was promised, and a block and the tables that may be missing cannot be.
    pub fn fill_block<M: Mmu>(
        &mut self,
        mmu: &mut M,
        zone: &mut Zone<'_>,
        index: u64,
        reserve: Reserve,
    ) -> Result<Filled, OutOfFrames> {
        let coming = match self.coming {
            Some(coming) => coming,
            None => self.begin_block(&mut zone.lock(), index, reserve)?,
        };
        self.coming = coming.after_step(mmu, self.published);
        if self.coming.is_some() {
            return Ok(Filled::Partly);
        }
        self.put_block_in_place(mmu, zone, coming);
        if reserve == Reserve::OnTouch {
            zone.lock().release(self.promise.take_all());
        }
        Ok(if u64::from(coming.index) == index {
            Filled::Wholly(coming.first)
        } else {
            Filled::Partly
        })
    }

    fn begin_block(
        &mut self,
        frames: &mut Frames,
        index: u64,
        reserve: Reserve,
    ) -> Result<Coming, OutOfFrames> {
        if reserve == Reserve::OnTouch {
            self.promise.merge(frames.promise_blocks(1, self.most_tables())?);
        }
        Ok(Coming {
            index: narrow(index),
            first: frames.take_block(&mut self.promise),
            left: WHOLE_BLOCK,
        })
    }

    fn put_block_in_place<M: Mmu>(&mut self, mmu: &mut M, zone: &mut Zone<'_>, block: Coming) {
        self.present += narrow(BLOCK_FRAMES);
        zone.lock().count_in_regions(BLOCK_FRAMES);
        self.grow(mmu, zone, |mmu, tree, source| {
            mmu.shared_install_block(tree, block.index.into(), block.first, source);
        });
    }

    /// Tables that one touch can take.
    fn most_tables(&self) -> u64 {
        let levels = match (height(self.pages().get(), self.unit), self.unit) {
            (None, _) => 0,
            (Some(height), Unit::Page) => height as u64 + 1,
            (Some(height), Unit::Block) => height as u64,
        };
        levels.min(self.all_tables() - self.tables())
    }

    /// Publishes frames of pages below `end`, as many as one step handles. Frames that come later are
    /// published as they come. This is for tables that are linked to be executed: all that is in a
    /// table, or comes to be in it, can be.
    pub fn publish<M: Mmu>(&mut self, mmu: &mut M, end: u64) -> Published {
        let mut left = STEP_FRAMES as u64;
        while left > 0 {
            let published = self.published.into();
            let next = |tree| mmu.shared_next(tree, published, end);
            let Some(index) = self.tree().and_then(next) else {
                self.note_published(end);
                return Published::Wholly;
            };
            if let Some(frame) = self.lookup(mmu, index) {
                mmu.publish_code(frame);
            }
            left = left.saturating_sub(1 + entries_between(published, index) / ENTRIES_OF_A_FRAME);
            self.note_published(index + 1);
        }
        Published::Partly
    }

    /// Notes that all there is below page `end` is published. A block that is coming there begins anew, since
    /// its first frames were not published when they were zeroed.
    fn note_published(&mut self, end: u64) {
        let end = narrow(end);
        let newly = self.published..end;
        if let Some(coming) = self
            .coming
            .as_mut()
            .filter(|coming| newly.contains(&coming.index))
        {
            coming.left = WHOLE_BLOCK;
        }
        self.published = self.published.max(end);
    }

    /// Gives up the promise of what was never touched.
    pub fn release_promise(&mut self, frames: &mut Frames) {
        frames.release(self.promise.take_all());
    }

    /// Whether no frame is left, now that it is taken apart.
    pub fn are_gone(&self) -> bool {
        matches!(self.shape, Shape::Empty(_)) && self.coming.is_none()
    }

    /// Gives up to `limit` frames back, tables included.
    pub fn dismantle<M: Mmu>(
        &mut self,
        mmu: &mut M,
        frames: &mut Frames,
        limit: usize,
        proof: &impl Unreachable,
    ) -> Emptied {
        if let Some(coming) = self.coming.take() {
            frames.give_back_block(coming.first, proof);
        }
        match self.shape {
            Shape::Empty(_) => Emptied::Wholly,
            Shape::Page(frame) => {
                frames.give_back(frame, proof);
                self.shape = Shape::Empty(None);
                self.present = 0;
                Emptied::Wholly
            }
            Shape::Tree(tree) => {
                // Leaves and tables come mixed; which is which no longer matters to anybody.
                let (mut single, mut in_blocks) = (0, 0);
                let gone = self.dismantled.into();
                let dismantled = mmu.shared_dismantle(tree, gone, limit, |piece| match piece {
                    Piece::Frame(frame) => {
                        frames.give_back(frame, proof);
                        single += 1;
                    }
                    Piece::Block(first) => {
                        frames.give_back_block(first, proof);
                        in_blocks += BLOCK_FRAMES;
                    }
                });
                let leaves = match self.unit {
                    Unit::Page => self.present.min(single),
                    Unit::Block => 0,
                };
                self.present -= leaves + narrow(in_blocks);
                self.tables -= single - leaves;
                match dismantled {
                    Dismantled::Partly(page) => {
                        self.dismantled = narrow(page);
                        Emptied::Partly
                    }
                    Dismantled::Wholly => {
                        self.shape = Shape::Empty(None);
                        Emptied::Wholly
                    }
                }
            }
        }
    }
}

impl Coming {
    /// Zeroes as many frames as one step handles. Those of pages below `published` are published as well. Answers what
    /// comes then, unless all of it has.
    fn after_step<M: Mmu>(self, mmu: &mut M, published: u32) -> Option<Self> {
        const FRAMES: u16 = STEP_FRAMES as u16;
        const { assert!(WHOLE_BLOCK.get().is_multiple_of(FRAMES)) };
        let zeroed = WHOLE_BLOCK.get() - self.left.get();
        let part =
            FrameRange::new(self.first.offset(zeroed.into()), FRAMES.into()).expect("a part of a block");
        mmu.zero_run(part);
        if self.index < published {
            part.iter().for_each(|frame| mmu.publish_code(frame));
        }
        NonZeroU16::new(self.left.get() - FRAMES).map(|left| Self { left, ..self })
    }
}

/// All frames of a block.
const WHOLE_BLOCK: NonZeroU16 = NonZeroU16::new(BLOCK_FRAMES as u16).expect("some");

/// A number of pages, frames or tables of one region, or of one of its pages, as it is kept.
fn narrow(number: u64) -> u32 {
    const { assert!(2 * MOST_PAGES < u32::MAX as u64) };
    number as u32
}

/// A tree without a page.
fn new_tree<M: Mmu>(height: TreeHeight, mmu: &mut M, source: &mut impl FrameSource) -> SharedTree {
    let root = source.take();
    mmu.zero(root);
    SharedTree { root, height }
}

/// Looking at so many entries takes as long as publishing a frame.
const ENTRIES_OF_A_FRAME: u64 = 16;

/// Entries that a search from page `from` looks at before it comes to page `to`: what is left of one table
/// of each level, and the beginning of another.
fn entries_between(from: u64, to: u64) -> u64 {
    const OF_TWO_TABLES: u64 = 2 << 9;
    [0, 9, 18]
        .map(|shift| ((to >> shift) - (from >> shift)).min(OF_TWO_TABLES))
        .iter()
        .sum()
}

/// Tables of a tree for `pages` pages.
fn tables(pages: u64, unit: Unit) -> u64 {
    let Some(height) = height(pages, unit) else {
        return 0;
    };
    let of_level = |shift: u32| pages.div_ceil(1 << shift);
    let lowest = match unit {
        Unit::Page => of_level(9),
        Unit::Block => 0,
    };
    match height {
        TreeHeight::One => lowest,
        TreeHeight::Two => lowest + 1,
        TreeHeight::Three => lowest + of_level(18) + 1,
    }
}

/// The least tree with room for `pages` pages, `None` for a single page.
fn height(pages: u64, unit: Unit) -> Option<TreeHeight> {
    let least = match pages {
        0..=1 => return None,
        2..=0x200 => TreeHeight::One,
        0x201..=0x4_0000 => TreeHeight::Two,
        _ => TreeHeight::Three,
    };
    Some(match unit {
        Unit::Page => least,
        Unit::Block => least.max(TreeHeight::Two),
    })
}
