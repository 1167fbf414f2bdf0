//! Translation tables in plain memory, and no TLB.

use addr::{Frame, FrameRange, MemoryKind, Page, PageRange, Perms};
use mm::mmu::{
    Dismantled, Extent, Flushed, FrameSource, Mmu, Piece, Removed, ShareSource, SharedTree, Stale, TreeHeight,
};
use vmsa::{Attributes, ENTRIES, Height, Leaf, RegionTables, TableIndex, TableMemory, Tables};

/// The words of all frames.
pub struct Hardware {
    first: Frame,
    words: Vec<u64>,
}

/// The tables of an address space.
pub struct Space(Tables);

impl Hardware {
    /// With as many frames as `ram` has.
    pub fn new(ram: FrameRange) -> Self {
        Self {
            first: ram.start(),
            words: vec![0; (ram.count() * ENTRIES) as usize],
        }
    }

    fn place(&self, table: Frame, index: TableIndex) -> usize {
        (table.number() - self.first.number()) as usize * ENTRIES as usize + index.get()
    }
}

impl TableMemory for Hardware {
    fn load(&self, table: Frame, index: TableIndex) -> u64 {
        self.words[self.place(table, index)]
    }

    fn store(&mut self, table: Frame, index: TableIndex, descriptor: u64) {
        let place = self.place(table, index);
        self.words[place] = descriptor;
    }

    fn zero(&mut self, _: Frame) {
        // Data is never written here, and tables go back empty.
    }
}

impl Mmu for Hardware {
    type Space = Space;

    fn zero(&mut self, _: Frame) {}

    fn copy(&mut self, _: Frame, _: Frame) {}

    fn copy_bytes(&mut self, _: (Frame, u64), _: (Frame, u64), _: u64) {}

    fn load_word(&self, _: Frame, _: usize) -> u32 {
        0
    }

    fn publish_code(&mut self, _: Frame) {}

    fn publish_entries(&mut self) {}

    fn create_space(&mut self, root: Frame) -> Space {
        Space(Tables::create(self, root))
    }

    fn destroy_space(&mut self, space: Space) -> (Frame, Flushed) {
        let stale = Stale {
            extent: Extent::Space,
        };
        (space.0.root(), Flushed::after_invalidation(stale))
    }

    fn install(
        &mut self,
        space: &mut Space,
        page: Page,
        frame: Frame,
        perms: Perms,
        kind: MemoryKind,
        tables: &mut impl FrameSource,
    ) {
        let attributes = Attributes::user(perms, kind);
        space
            .0
            .install(self, page, Leaf { frame, attributes }, || tables.take());
    }

    fn install_block(
        &mut self,
        space: &mut Space,
        slot: Page,
        first: Frame,
        perms: Perms,
        tables: &mut impl FrameSource,
    ) {
        let block = Leaf {
            frame: first,
            attributes: Attributes::user(perms, MemoryKind::Normal),
        };
        space.0.install_block(self, slot, block, || tables.take());
    }

    fn install_shared(
        &mut self,
        space: &mut Space,
        pages: PageRange,
        tree: SharedTree,
        first: u64,
        perms: Perms,
        tables: &mut impl FrameSource,
    ) {
        let region = region(tree);
        space
            .0
            .install_shared(self, pages, region, first, perms, || tables.take());
    }

    fn lookup(&self, space: &Space, page: Page) -> Option<(Frame, Perms)> {
        let mapping = space.0.lookup(self, page);
        mapping.map(|mapping| (mapping.frame, mapping.perms))
    }

    fn is_linked(&self, space: &Space, page: Page) -> bool {
        space.0.is_linked(self, page)
    }

    fn next_mapped(&self, space: &Space, range: PageRange) -> Option<Page> {
        space.0.next_mapped(self, range)
    }

    fn next_held(&self, space: &Space, range: PageRange) -> Option<Page> {
        space.0.next_held(self, range)
    }

    fn protect(&mut self, space: &mut Space, range: PageRange, perms: Perms) -> Stale {
        stale(space.0.protect(self, range, perms))
    }

    fn permit(&mut self, space: &mut Space, page: Page, perms: Perms) -> Stale {
        stale(space.0.permit(self, page, perms))
    }

    fn share(
        &mut self,
        from: &mut Space,
        to: &mut Space,
        range: PageRange,
        most: usize,
        source: &mut impl ShareSource,
    ) -> (Stale, Page) {
        let (extent, end) = from.0.share(self, to.0, range, most, &mut Heir(source));
        (stale(extent), end)
    }

    fn unmap(
        &mut self,
        space: &mut Space,
        range: PageRange,
        vacant: PageRange,
        mut visit: impl FnMut(Removed),
    ) -> Stale {
        let extent = space.0.remove(self, range, vacant, |it| visit(removed(it)));
        stale(extent)
    }

    fn link(
        &mut self,
        space: &mut Space,
        slots: PageRange,
        tree: SharedTree,
        first: u64,
        perms: Perms,
        tables: &mut impl FrameSource,
    ) {
        let region = region(tree);
        space.0.link(self, slots, region, first, perms, || tables.take());
    }

    fn unlink(
        &mut self,
        space: &mut Space,
        range: PageRange,
        vacant: PageRange,
        mut visit: impl FnMut(Removed),
    ) -> Stale {
        let extent = space.0.unlink(self, range, vacant, |it| visit(removed(it)));
        stale(extent)
    }

    fn flush(&mut self, _: &Space, stale: Stale) -> Flushed {
        Flushed::after_invalidation(stale)
    }

    fn shared_lookup(&self, tree: SharedTree, index: u64) -> Option<Frame> {
        region(tree).lookup(self, index)
    }

    fn shared_next(&self, tree: SharedTree, from: u64, end: u64) -> Option<u64> {
        region(tree).next_present(self, from, end)
    }

    fn shared_install(&mut self, tree: SharedTree, index: u64, frame: Frame, tables: &mut impl FrameSource) {
        region(tree).install(self, index, frame, || tables.take());
    }

    fn shared_install_block(
        &mut self,
        tree: SharedTree,
        index: u64,
        first: Frame,
        tables: &mut impl FrameSource,
    ) {
        region(tree).install_block(self, index, first, || tables.take());
    }

    fn shared_dismantle(
        &mut self,
        tree: SharedTree,
        from: u64,
        limit: usize,
        mut visit: impl FnMut(Piece),
    ) -> Dismantled {
        let piece = |it| match it {
            vmsa::Piece::Frame(frame) => Piece::Frame(frame),
            vmsa::Piece::Block(first) => Piece::Block(first),
        };
        match region(tree).dismantle(self, from, limit, |it| visit(piece(it))) {
            vmsa::Dismantled::Partly(page) => Dismantled::Partly(page),
            vmsa::Dismantled::Wholly => Dismantled::Wholly,
        }
    }
}

fn removed(it: vmsa::Removed) -> Removed {
    match it {
        vmsa::Removed::Leaf(page, frame) => Removed::Leaf(page, frame),
        vmsa::Removed::Table(frame) => Removed::Table(frame),
        vmsa::Removed::Link(slot) => Removed::Link(slot),
    }
}

fn stale(extent: vmsa::Extent) -> Stale {
    let extent = match extent {
        vmsa::Extent::Nothing => Extent::Nothing,
        vmsa::Extent::Leaves(pages) => Extent::Leaves(pages),
        vmsa::Extent::Tables(pages) => Extent::Tables(pages),
        vmsa::Extent::Space => Extent::Space,
    };
    Stale { extent }
}

fn region(tree: SharedTree) -> RegionTables {
    let height = match tree.height {
        TreeHeight::One => Height::One,
        TreeHeight::Two => Height::Two,
        TreeHeight::Three => Height::Three,
    };
    RegionTables::existing(tree.root, height)
}

/// Counts shares and gives tables, as [`vmsa`] asks for both.
struct Heir<'a, S>(&'a mut S);

impl<S: ShareSource> vmsa::Heir for Heir<'_, S> {
    fn new_table(&mut self) -> Frame {
        self.0.take()
    }

    fn leaves_out(&mut self, page: Page, frame: Frame) -> bool {
        self.0.leaves_out(page, frame)
    }

    fn takes(&mut self, page: Page, frame: Frame) -> bool {
        self.0.share(page, frame)
    }
}
