//! The seam to the hardware: what the memory manager asks of translation tables and the TLB.
//!
//! Implemented by the architecture layer and, for tests, by a pretend machine whose TLB goes
//! stale. The memory manager decides *what* is mapped; an implementation knows *how* a
//! descriptor looks, and which barriers and invalidations a change needs.
//!
//! Four rules make the methods infallible and safe to call in any order:
//!
//! * Table frames come from a [`FrameSource`] that the caller has reserved for, so `install` and
//!   `link` cannot fail.
//! * What becomes valid may be seen at any time, and is certain to be only after
//!   [`Mmu::publish_entries`]: once for all of it, before the program goes on.
//! * Taking a translation away yields a [`Stale`]. Nothing that was reachable through it may be
//!   reused until [`Mmu::flush`] has turned it into a [`Flushed`].
//! * A valid entry is never made to lead elsewhere: `install` and `link` are called for absent
//!   entries only. Change is `unmap`, `flush`, `install` (Arm ARM, "Using break-before-make when
//!   updating translation table entries"). What a leaf permits is not among what that section
//!   demands it for, so `protect` and `permit` change that in place; but a TLB keeps what was
//!   permitted before until it is told otherwise (Arm ARM, "General TLB maintenance requirements"),
//!   so these yield a [`Stale`] as well.

use addr::{Frame, FrameRange, MemoryKind, Page, PageRange, Perms};

/// Where translation tables get their frames. The caller has promised enough of them beforehand.
pub trait FrameSource {
    /// A frame that nobody uses. Its contents are anything; who makes a table of it zeroes it.
    ///
    /// # Panics
    /// If more frames are taken than were promised, which is a mistake of the memory manager.
    fn take(&mut self) -> Frame;
}

/// What a space needs to share pages with another one ([`Mmu::share`]): frames for its tables, and somebody
/// who counts.
pub trait ShareSource: FrameSource {
    /// Whether `page`, to which programs may write, is left out and stays as it is.
    fn leaves_out(&mut self, page: Page, frame: Frame) -> bool;

    /// Takes note that `page`'s frame gets another sharer. If it answers `false`, it gets none, and the
    /// page is left out.
    fn share(&mut self, page: Page, frame: Frame) -> bool;
}

/// What a removal came across. No frame may be reused before the flush.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    /// A page's translation, and the frame it led to.
    Leaf(Page, Frame),
    /// A translation table of this address space that has become empty.
    Table(Frame),
    /// The link of this slot to a region's table, or the mapping of a region's block at it.
    Link(Page),
}

/// Translations were taken away that a TLB may still hold.
#[must_use = "stale translations must be flushed before what they lead to is reused"]
#[derive(Debug)]
pub struct Stale {
    /// What has to be invalidated.
    pub extent: Extent,
}

/// How much of an address space has to be invalidated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// No translation was valid, so no TLB can hold one.
    Nothing,
    /// Leaves of these pages only; all tables above them stay.
    Leaves(PageRange),
    /// These pages, and intermediate tables above them went as well.
    Tables(PageRange),
    /// Everything tagged with the space's ASID.
    Space,
}

/// Proof that no TLB holds what a [`Stale`] named. Only [`Mmu::flush`] makes one.
#[must_use = "the proof is what lets frames be given back"]
#[derive(Debug)]
pub struct Flushed(());

impl Flushed {
    /// For implementations of [`Mmu::flush`], after the invalidation has completed.
    pub fn after_invalidation(stale: Stale) -> Self {
        let Stale { extent: _ } = stale;
        Self(())
    }
}

/// The tables of a region: a tree of frames by page index, shared by all who attach it.
///
/// The lowest tables are level-3 tables in the hardware's format, so that an address space can
/// link one whole (512 pages, 2 MiB) instead of copying its entries. A region of blocks has none, but blocks
/// in their place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SharedTree {
    /// The topmost table.
    pub root: Frame,
    /// How many levels of tables there are.
    pub height: TreeHeight,
}

/// Levels of tables in a [`SharedTree`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TreeHeight {
    /// One level-3 table: up to 512 pages (2 MiB).
    One,
    /// A level-2 table over level-3 tables: up to 1 GiB.
    Two,
    /// Up to 512 GiB.
    Three,
}

/// Translation tables and TLBs.
pub trait Mmu {
    /// The translation tables of one process and its ASID.
    type Space: 'static;

    /// Fills `frame` with zeroes. Visible to every observer that later sees a translation to it.
    fn zero(&mut self, frame: Frame);

    /// Fills `to` with what is in `from`, to which nobody writes meanwhile. Visible as after
    /// [`zero`](Self::zero).
    fn copy(&mut self, from: Frame, to: Frame);

    /// Copies `bytes` bytes, each place being a frame and how far into it; neither side reaches behind its frame.
    /// Programs may write to `from` meanwhile: the copy has that in part or not. Nothing leads to `to`. Visible as after
    /// [`zero`](Self::zero).
    fn copy_bytes(&mut self, from: (Frame, u64), to: (Frame, u64), bytes: u64);

    /// As [`zero`](Self::zero), for frames in a row.
    fn zero_run(&mut self, frames: FrameRange) {
        frames.iter().for_each(|frame| self.zero(frame));
    }

    /// The 32-bit word `offset` bytes, a multiple of 4, into `frame`, as one load that is not torn, whatever
    /// programs store there meanwhile.
    fn load_word(&self, frame: Frame, offset: usize) -> u32;

    /// Makes data written to `frame` visible to instruction fetches on every CPU (Arm ARM,
    /// "Concurrent modification and execution of instructions"). Called before a frame becomes
    /// executable.
    fn publish_code(&mut self, frame: Frame);

    /// Lets every walk that begins from now on see the entries that have become valid: by `install`, `link`
    /// and others like them, in an address space or a region.
    fn publish_entries(&mut self);

    /// A new address space without translations; `root` becomes its topmost table.
    fn create_space(&mut self, root: Frame) -> Self::Space;

    /// Ends an address space that has no translations left and returns its root table. No CPU
    /// may run in it. The root is reusable at once: its ASID has been invalidated everywhere.
    fn destroy_space(&mut self, space: Self::Space) -> (Frame, Flushed);

    /// Maps an absent `page` to `frame`, taking frames for missing tables from `tables`.
    fn install(
        &mut self,
        space: &mut Self::Space,
        page: Page,
        frame: Frame,
        perms: Perms,
        kind: MemoryKind,
        tables: &mut impl FrameSource,
    );

    /// Maps `slot`, the first page of an absent 2 MiB slot, to the block whose first frame is `first`: by one
    /// descriptor, without a level-3 table.
    fn install_block(
        &mut self,
        space: &mut Self::Space,
        slot: Page,
        first: Frame,
        perms: Perms,
        tables: &mut impl FrameSource,
    );

    /// Maps those of `pages`, all in one 2 MiB slot, that have a frame in `tree` and are absent: page
    /// `first` of the region at the first of them, and so on.
    fn install_shared(
        &mut self,
        space: &mut Self::Space,
        pages: PageRange,
        tree: SharedTree,
        first: u64,
        perms: Perms,
        tables: &mut impl FrameSource,
    );

    /// What `page` is mapped to.
    fn lookup(&self, space: &Self::Space, page: Page) -> Option<(Frame, Perms)>;

    /// Whether `page` lies in a linked slot.
    fn is_linked(&self, space: &Self::Space, page: Page) -> bool;

    /// The first page of `range` that has a translation; a linked slot counts as if all of its
    /// pages had one. Tables that are absent are passed over whole, so that what was never touched
    /// costs next to nothing, whatever its size.
    fn next_mapped(&self, space: &Self::Space, range: PageRange) -> Option<Page>;

    /// The same, and a table of this space whose whole extent is in `range` counts from its first page on,
    /// even if it holds no translation: this is how long removals are cut into steps.
    fn next_held(&self, space: &Self::Space, range: PageRange) -> Option<Page>;

    /// Takes what is not in `perms` away from the translations in `range`; none is left out for a page
    /// that allows less already. With empty `perms`, a page keeps its frame and every access faults.
    /// Linked slots are not in `range`.
    fn protect(&mut self, space: &mut Self::Space, range: PageRange, perms: Perms) -> Stale;

    /// Lets programs do what is in `perms` with `page`, which is mapped and not linked, and nothing
    /// else.
    ///
    /// More than before has to be flushed too: nothing makes a CPU forget the entry by which it
    /// refused an access, so the access would be refused for ever.
    fn permit(&mut self, space: &mut Self::Space, page: Page, perms: Perms) -> Stale;

    /// Gives `to` the translations that `from` has in `range`, where it has none, and takes the right to
    /// write away from both. No more than `most` pages are looked at that have one: answers up to
    /// which page it went. Linked slots are not in `range`.
    fn share(
        &mut self,
        from: &mut Self::Space,
        to: &mut Self::Space,
        range: PageRange,
        most: usize,
        source: &mut impl ShareSource,
    ) -> (Stale, Page);

    /// Takes away every translation in `range` and tells `visit` of each. Tables whose whole
    /// extent lies in `vacant` are taken away as well (`vacant` includes `range` and reaches as
    /// far as nothing else is placed). Linked slots are not in `range`.
    fn unmap(
        &mut self,
        space: &mut Self::Space,
        range: PageRange,
        vacant: PageRange,
        visit: impl FnMut(Removed),
    ) -> Stale;

    /// Links level-3 tables of `tree` at `slots`, whole 2 MiB slots, with `perms` narrowing what
    /// their leaves allow: table number `first` at the first slot, and so on. Tables that do not
    /// exist, and those that are linked there already, with whatever permissions, are passed over.
    fn link(
        &mut self,
        space: &mut Self::Space,
        slots: PageRange,
        tree: SharedTree,
        first: u64,
        perms: Perms,
        tables: &mut impl FrameSource,
    );

    /// Takes linked slots and blocks in `range` (whole slots) away and tells `visit` of each. Tables of this space
    /// go as in [`unmap`](Self::unmap); of the region's, `visit` hears nothing.
    fn unlink(
        &mut self,
        space: &mut Self::Space,
        range: PageRange,
        vacant: PageRange,
        visit: impl FnMut(Removed),
    ) -> Stale;

    /// Waits until no CPU can use what `stale` names.
    fn flush(&mut self, space: &Self::Space, stale: Stale) -> Flushed;

    /// The frame of page `index` of a region.
    fn shared_lookup(&self, tree: SharedTree, index: u64) -> Option<Frame>;

    /// The first page of a region that has a frame, from number `from` on and below `end`. Tables
    /// that are absent are passed over whole.
    fn shared_next(&self, tree: SharedTree, from: u64, end: u64) -> Option<u64>;

    /// Puts `frame` in place as page `index` of a region, which is absent.
    fn shared_install(&mut self, tree: SharedTree, index: u64, frame: Frame, tables: &mut impl FrameSource);

    /// Puts the block whose first frame is `first` in place as page `index` of a region, a multiple of 512,
    /// and those that follow. They are absent.
    fn shared_install_block(
        &mut self,
        tree: SharedTree,
        index: u64,
        first: Frame,
        tables: &mut impl FrameSource,
    );

    /// Takes up to `limit` leaves and tables out of a region that nobody has attached, from page `from` on,
    /// below which nothing is left, and tells `visit` of each. When nothing is left at all, the root
    /// has been visited too.
    fn shared_dismantle(
        &mut self,
        tree: SharedTree,
        from: u64,
        limit: usize,
        visit: impl FnMut(Piece),
    ) -> Dismantled;
}

/// What a dismantling came across.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// A page's frame, or a table.
    Frame(Frame),
    /// A block: 512 frames from this one on.
    Block(Frame),
}

impl Piece {
    /// The frame, or its first.
    pub const fn first(self) -> Frame {
        match self {
            Self::Frame(frame) | Self::Block(frame) => frame,
        }
    }
}

/// How far a dismantling came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dismantled {
    /// Call again, from this page on.
    Partly(u64),
    /// All frames, the root included, have been visited.
    Wholly,
}
