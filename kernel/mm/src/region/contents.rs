//! The frames of a region and where they are kept.
//!
//! One page is kept as it is; more are kept in a tree whose lowest tables are level-3 tables in
//! the hardware's format, ready to be linked by address spaces. The root is made when the first
//! page is touched, so that creating and removing an untouched region costs no table.

use crate::frame::{Frames, OutOfFrames, Promise, TableSource, Unreachable};
use crate::job::STEP_FRAMES;
use crate::mmu::{Dismantled, FrameSource, Mmu, SharedTree, TreeHeight};
use addr::{Frame, PageCount};

/// Most pages of a region: what three levels of tables hold (512 GiB).
pub(crate) const MOST_PAGES: u64 = 1 << 27;

/// Frames and tables of a region, and the promise of those that are not there yet.
pub(crate) struct Contents {
    shape: Shape,
    promise: Promise,
    /// Pages that have a frame.
    present: u64,
    /// Tables of the tree.
    tables: u64,
    /// Tables of the tree when every page has a frame.
    all_tables: u64,
    /// Frames of pages below this one can be executed: what is in them is published.
    published: u64,
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

/// How far a region has been taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Emptied {
    Partly,
    Wholly,
}

impl Contents {
    /// Without frames, for `pages` pages. `promise` is for all that [`needs`](Self::needs)
    /// says, or for nothing if touches may fail.
    pub fn new(pages: PageCount, promise: Promise) -> Self {
        let shape = match height(pages.get()) {
            None => Shape::Page(None),
            Some(height) => Shape::Tree { height, root: None },
        };
        Self {
            shape,
            promise,
            present: 0,
            tables: 0,
            all_tables: tables(pages.get()),
            published: 0,
        }
    }

    /// Frames that `pages` pages need in all, tables included.
    pub fn needs(pages: PageCount) -> u64 {
        pages.get() + tables(pages.get())
    }

    pub fn present(&self) -> u64 {
        self.present
    }

    pub fn tables(&self) -> u64 {
        self.tables
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
        let frame = frames.take(&mut self.promise);
        mmu.zero(frame);
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
                let top = *root.get_or_insert_with(|| {
                    let top = source.take();
                    mmu.zero(top);
                    top
                });
                mmu.shared_install(
                    SharedTree {
                        root: top,
                        height: *height,
                    },
                    index,
                    frame,
                    &mut source,
                );
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
        let levels = match self.shape {
            Shape::Page(_) => 0,
            Shape::Tree { height, .. } => height as u64 + 1,
        };
        let most_tables = levels.min(self.all_tables - self.tables);
        self.promise.merge(frames.promise(1 + most_tables)?);
        let frame = self.fill(mmu, frames, index);
        frames.release(self.promise.take_all());
        Ok(frame)
    }

    /// Publishes frames of pages below `end`, as many as one step handles. Frames that come later are
    /// published as they come. This is for tables that are linked to be executed: all that is in a
    /// table, or comes to be in it, can be.
    pub fn publish<M: Mmu>(&mut self, mmu: &mut M, end: u64) -> Published {
        let mut left = STEP_FRAMES as u64;
        while left > 0 {
            let next = |tree| mmu.shared_next(tree, self.published, end);
            let Some(index) = self.tree().and_then(next) else {
                self.published = self.published.max(end);
                return Published::Wholly;
            };
            if let Some(frame) = self.lookup(mmu, index) {
                mmu.publish_code(frame);
            }
            left = left.saturating_sub(1 + entries_between(self.published, index) / ENTRIES_OF_A_FRAME);
            self.published = index + 1;
        }
        Published::Partly
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
                let mut gone = 0;
                let dismantled = mmu.shared_dismantle(tree, limit, |frame| {
                    frames.give_back(frame, proof);
                    gone += 1;
                });
                let leaves = self.present.min(gone);
                self.present -= leaves;
                self.tables -= gone - leaves;
                match dismantled {
                    Dismantled::Partly => Emptied::Partly,
                    Dismantled::Wholly => Emptied::Wholly,
                }
            }
        }
    }
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
fn tables(pages: u64) -> u64 {
    match height(pages) {
        None => 0,
        Some(TreeHeight::One) => 1,
        Some(TreeHeight::Two) => pages.div_ceil(1 << 9) + 1,
        Some(TreeHeight::Three) => pages.div_ceil(1 << 9) + pages.div_ceil(1 << 18) + 1,
    }
}

/// The least tree with room for `pages` pages, `None` for a single page.
fn height(pages: u64) -> Option<TreeHeight> {
    match pages {
        0..=1 => None,
        2..=0x200 => Some(TreeHeight::One),
        0x201..=0x4_0000 => Some(TreeHeight::Two),
        _ => Some(TreeHeight::Three),
    }
}
