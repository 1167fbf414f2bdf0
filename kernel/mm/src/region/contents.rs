//! The frames of a region and where they are kept.
//!
//! One page is kept as it is; more are kept in a tree whose lowest tables are level-3 tables in
//! the hardware's format, ready to be linked by address spaces. The root is made when the first
//! page is touched, so that creating and removing an untouched region costs no table.
//!
//! A region of blocks (`SHM_HUGETLB`) has the same tree, without its lowest level. Zeroing a block takes
//! several steps, and the region has one block *coming* at most: whoever touches an absent block meanwhile,
//! be it another, carries on with that one. So no two do the same work, and all get on.

use crate::frame::{BLOCK_FRAMES, Frames, OutOfFrames, Promise, TableSource, Unreachable};
use crate::job::STEP_FRAMES;
use crate::mmu::{Dismantled, FrameSource, Mmu, Piece, SharedTree, TreeHeight};
use crate::region::Reserve;
use addr::{Frame, FrameRange, PageCount};

/// Most pages of a region: what three levels of tables hold (512 GiB).
pub(crate) const MOST_PAGES: u64 = 1 << 27;

/// Frames and tables of a region, and the promise of those that are not there yet.
pub(crate) struct Contents {
    shape: Shape,
    unit: Unit,
    coming: Option<Coming>,
    promise: Promise,
    /// Pages that have a frame.
    present: u64,
    /// Tables of the tree.
    tables: u64,
    /// Tables of the tree when every page has a frame.
    all_tables: u64,
    /// Frames of pages below this one can be executed: what is in them is published.
    published: u64,
    /// Pages below this one have gone: it is being taken apart.
    dismantled: u64,
}

/// What a region's memory comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Page,
    Block,
}

/// A block that is being zeroed. No table leads to it yet.
struct Coming {
    /// Page of the region that it will start with.
    index: u64,
    first: Frame,
    /// How many of its frames are zeroed, and published if they can be executed.
    zeroed: u64,
}

enum Shape {
    Page(Option<Frame>),
    Tree { height: TreeHeight, root: Option<Frame> },
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
    pub fn new(pages: PageCount, unit: Unit, promise: Promise) -> Self {
        let shape = match height(pages.get(), unit) {
            None => Shape::Page(None),
            Some(height) => Shape::Tree { height, root: None },
        };
        Self {
            shape,
            unit,
            coming: None,
            promise,
            present: 0,
            tables: 0,
            all_tables: tables(pages.get(), unit),
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

    /// Frames that `pages` pages take when all of them are there, tables included.
    pub fn needs(&self, pages: PageCount) -> u64 {
        pages.get() + self.all_tables
    }

    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Frames it has: those of pages, tables, and a block that is coming.
    pub fn held(&self) -> u64 {
        let coming = u64::from(self.is_block_coming()) * BLOCK_FRAMES;
        self.present + self.tables + coming
    }

    /// Tables it has.
    pub fn tables(&self) -> u64 {
        self.tables
    }

    /// Whether a block is being zeroed.
    pub fn is_block_coming(&self) -> bool {
        self.coming.is_some()
    }

    pub fn present(&self) -> u64 {
        self.present
    }

    pub fn promise(&self) -> &Promise {
        &self.promise
    }

    /// The tree of tables, if there is one.
    pub fn tree(&self) -> Option<SharedTree> {
        match self.shape {
            Shape::Tree {
                height,
                root: Some(root),
            } => Some(SharedTree { root, height }),
            Shape::Page(_) | Shape::Tree { root: None, .. } => None,
        }
    }

    /// The frame of page `index`.
    pub fn lookup<M: Mmu>(&self, mmu: &M, index: u64) -> Option<Frame> {
        match self.shape {
            Shape::Page(frame) => frame,
            Shape::Tree { height, root } => {
                root.and_then(|root| mmu.shared_lookup(SharedTree { root, height }, index))
            }
        }
    }

    /// Gives page `index`, which has none, a zeroed frame, against the promise.
    ///
    /// # Panics
    /// If the promise is not worth a page and the tables that are missing.
    pub fn fill<M: Mmu>(&mut self, mmu: &mut M, frames: &mut Frames, index: u64) -> Frame {
        let frame = frames.take_zeroed(mmu, &mut self.promise);
        if index < self.published {
            mmu.publish_code(frame);
        }
        self.present += 1;
        match &mut self.shape {
            Shape::Page(page) => *page = Some(frame),
            Shape::Tree { height, root } => {
                let mut source = TableSource {
                    frames,
                    promise: &mut self.promise,
                    taken: &mut self.tables,
                };
                let tree = tree_at(root, *height, mmu, &mut source);
                mmu.shared_install(tree, index, frame, &mut source);
            }
        }
        frame
    }

    /// The same against a promise made just now.
    ///
    /// # Errors
    /// [`OutOfFrames`] if the page and the tables that may be missing cannot be promised.
    pub fn fill_unpromised<M: Mmu>(
        &mut self,
        mmu: &mut M,
        frames: &mut Frames,
        index: u64,
    ) -> Result<Frame, OutOfFrames> {
        self.promise.merge(frames.promise(1 + self.most_tables())?);
        let frame = self.fill(mmu, frames, index);
        frames.release(self.promise.take_all());
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
        frames: &mut Frames,
        index: u64,
        reserve: Reserve,
    ) -> Result<Filled, OutOfFrames> {
        let mut coming = match self.coming.take() {
            Some(coming) => coming,
            None => self.begin_block(frames, index, reserve)?,
        };
        coming.zero_step(mmu, self.published);
        if coming.zeroed < BLOCK_FRAMES {
            self.coming = Some(coming);
            return Ok(Filled::Partly);
        }
        self.put_block_in_place(mmu, frames, &coming);
        if reserve == Reserve::OnTouch {
            frames.release(self.promise.take_all());
        }
        Ok(if coming.index == index {
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
            index,
            first: frames.take_block(&mut self.promise),
            zeroed: 0,
        })
    }

    fn put_block_in_place<M: Mmu>(&mut self, mmu: &mut M, frames: &mut Frames, block: &Coming) {
        self.present += BLOCK_FRAMES;
        let Shape::Tree { height, root } = &mut self.shape else {
            return;
        };
        let mut source = TableSource {
            frames,
            promise: &mut self.promise,
            taken: &mut self.tables,
        };
        let tree = tree_at(root, *height, mmu, &mut source);
        mmu.shared_install_block(tree, block.index, block.first, &mut source);
    }

    /// Tables that one touch can take.
    fn most_tables(&self) -> u64 {
        let levels = match (&self.shape, self.unit) {
            (Shape::Page(_), _) => 0,
            (Shape::Tree { height, .. }, Unit::Page) => *height as u64 + 1,
            (Shape::Tree { height, .. }, Unit::Block) => *height as u64,
        };
        levels.min(self.all_tables - self.tables)
    }

    /// Publishes frames of pages below `end`, as many as one step handles. Frames that come later are
    /// published as they come. This is for tables that are linked to be executed: all that is in a
    /// table, or comes to be in it, can be.
    pub fn publish<M: Mmu>(&mut self, mmu: &mut M, end: u64) -> Published {
        let mut left = STEP_FRAMES as u64;
        while left > 0 {
            let next = |tree| mmu.shared_next(tree, self.published, end);
            let Some(index) = self.tree().and_then(next) else {
                self.note_published(end);
                return Published::Wholly;
            };
            if let Some(frame) = self.lookup(mmu, index) {
                mmu.publish_code(frame);
            }
            left = left.saturating_sub(1 + entries_between(self.published, index) / ENTRIES_OF_A_FRAME);
            self.note_published(index + 1);
        }
        Published::Partly
    }

    /// Notes that all there is below page `end` is published. A block that is coming there begins anew, since
    /// its first frames were not published when they were zeroed.
    fn note_published(&mut self, end: u64) {
        let newly = self.published..end;
        if let Some(coming) = self
            .coming
            .as_mut()
            .filter(|coming| newly.contains(&coming.index))
        {
            coming.zeroed = 0;
        }
        self.published = self.published.max(end);
    }

    /// Gives up the promise of what was never touched.
    pub fn release_promise(&mut self, frames: &mut Frames) {
        frames.release(self.promise.take_all());
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
        match &mut self.shape {
            Shape::Page(page) => {
                if let Some(frame) = page.take() {
                    frames.give_back(frame, proof);
                }
                self.present = 0;
                Emptied::Wholly
            }
            Shape::Tree { root: None, .. } => Emptied::Wholly,
            Shape::Tree {
                height,
                root: Some(root),
            } => {
                let tree = SharedTree {
                    root: *root,
                    height: *height,
                };
                // Leaves and tables come mixed; which is which no longer matters to anybody.
                let (mut single, mut in_blocks) = (0, 0);
                let dismantled = mmu.shared_dismantle(tree, self.dismantled, limit, |piece| match piece {
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
                self.present -= leaves + in_blocks;
                self.tables -= single - leaves;
                match dismantled {
                    Dismantled::Partly(page) => {
                        self.dismantled = page;
                        Emptied::Partly
                    }
                    Dismantled::Wholly => Emptied::Wholly,
                }
            }
        }
    }
}

impl Coming {
    /// Zeroes as many frames as one step handles. Those of pages below `published` are published as well.
    fn zero_step<M: Mmu>(&mut self, mmu: &mut M, published: u64) {
        const FRAMES: u64 = STEP_FRAMES as u64;
        const { assert!(BLOCK_FRAMES.is_multiple_of(FRAMES)) };
        let part = FrameRange::new(self.first.offset(self.zeroed), FRAMES).expect("a part of a block");
        mmu.zero_run(part);
        if self.index < published {
            part.iter().for_each(|frame| mmu.publish_code(frame));
        }
        self.zeroed += FRAMES;
    }
}

/// The tree with this root, which is made if it is missing.
fn tree_at<M: Mmu>(
    root: &mut Option<Frame>,
    height: TreeHeight,
    mmu: &mut M,
    source: &mut impl FrameSource,
) -> SharedTree {
    let root = *root.get_or_insert_with(|| {
        let top = source.take();
        mmu.zero(top);
        top
    });
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
