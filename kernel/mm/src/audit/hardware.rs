//! The simplest hardware there can be, for tests: lists of what is mapped, without tables or TLBs.

extern crate std;

use crate::mmu::{
    Dismantled, Extent, Flushed, FrameSource, Mmu, Piece, Removed, ShareSource, SharedTree, Stale,
};
use addr::{Frame, MemoryKind, Page, PageRange, Perms};
use std::collections::BTreeMap;

/// What is in each region's tree, by root and index.
#[derive(Default)]
pub struct Lists {
    pub shared: BTreeMap<(u64, u64), Frame>,
    /// What every page of every space is said to be.
    pub all_linked: bool,
}

/// The translations of a space, and its root.
pub struct List {
    pub pages: BTreeMap<u64, (Frame, Perms)>,
    root: Frame,
}

impl Lists {
    fn stale(range: PageRange) -> Stale {
        Stale {
            extent: Extent::Leaves(range),
        }
    }
}

impl Mmu for Lists {
    type Space = List;

    fn zero(&mut self, _: Frame) {}

    fn copy(&mut self, _: Frame, _: Frame) {}

    fn copy_bytes(&mut self, _: (Frame, u64), _: (Frame, u64), _: u64) {}

    fn load_word(&self, _: Frame, _: usize) -> u32 {
        0
    }

    fn publish_code(&mut self, _: Frame) {}

    fn publish_entries(&mut self) {}

    fn create_space(&mut self, root: Frame) -> List {
        let pages = BTreeMap::new();
        List { pages, root }
    }

    fn destroy_space(&mut self, space: List) -> (Frame, Flushed) {
        let stale = Stale {
            extent: Extent::Space,
        };
        (space.root, Flushed::after_invalidation(stale))
    }

    fn install(
        &mut self,
        space: &mut List,
        page: Page,
        frame: Frame,
        perms: Perms,
        _: MemoryKind,
        _: &mut impl FrameSource,
    ) {
        space.pages.insert(page.number(), (frame, perms));
    }

    fn install_block(&mut self, _: &mut List, _: Page, _: Frame, _: Perms, _: &mut impl FrameSource) {
        unreachable!("these tests have no blocks");
    }

    fn install_shared(
        &mut self,
        space: &mut List,
        pages: PageRange,
        tree: SharedTree,
        first: u64,
        perms: Perms,
        _: &mut impl FrameSource,
    ) {
        for (page, index) in (pages.start().number()..pages.end().number()).zip(first..) {
            if let Some(frame) = self.shared_lookup(tree, index) {
                space.pages.insert(page, (frame, perms));
            }
        }
    }

    fn lookup(&self, space: &List, page: Page) -> Option<(Frame, Perms)> {
        space.pages.get(&page.number()).copied()
    }

    fn is_linked(&self, _: &List, _: Page) -> bool {
        self.all_linked
    }

    fn next_mapped(&self, space: &List, range: PageRange) -> Option<Page> {
        let mut pages = space.pages.range(range.start().number()..range.end().number());
        pages.next().map(|(page, _)| Page::from_number(*page))
    }

    fn next_held(&self, space: &List, range: PageRange) -> Option<Page> {
        self.next_mapped(space, range)
    }

    fn protect(&mut self, _: &mut List, range: PageRange, _: Perms) -> Stale {
        Self::stale(range)
    }

    fn permit(&mut self, space: &mut List, page: Page, perms: Perms) -> Stale {
        if let Some(entry) = space.pages.get_mut(&page.number()) {
            entry.1 = perms;
        }
        Stale {
            extent: Extent::Nothing,
        }
    }

    fn share(
        &mut self,
        from: &mut List,
        to: &mut List,
        range: PageRange,
        _: usize,
        source: &mut impl ShareSource,
    ) -> (Stale, Page) {
        for (page, (frame, perms)) in from.pages.range_mut(range.start().number()..range.end().number()) {
            let is_left_out =
                perms.contains(Perms::WRITE) && source.leaves_out(Page::from_number(*page), *frame);
            if !is_left_out && source.share(Page::from_number(*page), *frame) {
                *perms = perms.difference(Perms::WRITE);
                to.pages.insert(*page, (*frame, *perms));
            }
        }
        (Self::stale(range), range.end())
    }

    fn unmap(&mut self, _: &mut List, range: PageRange, _: PageRange, _: impl FnMut(Removed)) -> Stale {
        Self::stale(range)
    }

    fn link(
        &mut self,
        _: &mut List,
        _: PageRange,
        _: SharedTree,
        _: u64,
        _: Perms,
        _: &mut impl FrameSource,
    ) {
        unreachable!("these tests have no links");
    }

    fn unlink(&mut self, _: &mut List, range: PageRange, _: PageRange, _: impl FnMut(Removed)) -> Stale {
        Self::stale(range)
    }

    fn flush(&mut self, _: &List, stale: Stale) -> Flushed {
        Flushed::after_invalidation(stale)
    }

    fn shared_lookup(&self, tree: SharedTree, index: u64) -> Option<Frame> {
        self.shared.get(&(tree.root.number(), index)).copied()
    }

    fn shared_next(&self, tree: SharedTree, from: u64, end: u64) -> Option<u64> {
        let root = tree.root.number();
        let mut indices = self.shared.range((root, from)..(root, end));
        indices.next().map(|((_, index), _)| *index)
    }

    fn shared_install(&mut self, tree: SharedTree, index: u64, frame: Frame, _: &mut impl FrameSource) {
        self.shared.insert((tree.root.number(), index), frame);
    }

    fn shared_install_block(&mut self, _: SharedTree, _: u64, _: Frame, _: &mut impl FrameSource) {
        unreachable!("these tests have no blocks");
    }

    fn shared_dismantle(
        &mut self,
        tree: SharedTree,
        _: u64,
        _: usize,
        mut visit: impl FnMut(Piece),
    ) -> Dismantled {
        let root = tree.root.number();
        while let Some(index) = self.shared_next(tree, 0, u64::MAX) {
            self.shared
                .remove(&(root, index))
                .into_iter()
                .for_each(|frame| visit(Piece::Frame(frame)));
        }
        visit(Piece::Frame(tree.root));
        Dismantled::Wholly
    }
}
