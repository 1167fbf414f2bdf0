//! The memory manager's Mmu, driving this machine as the architecture layer drives a real one.

use crate::audit::covers;
use crate::cpu::ChosenBy;
use crate::machine::Machine;
use crate::sabotage::Sabotage;
use crate::space::{Space, SpaceId, SpaceRecord};
use addr::{Frame, MemoryKind, Page, PageRange, Perms};
use mm::mmu::{
    Dismantled, Extent, Flushed, FrameSource, Mmu, Piece, Removed, ShareSource, SharedTree, Stale, TreeHeight,
};
use std::sync::Arc;
use vmsa::asid::{Asid, AsidCell};
use vmsa::{Attributes, Height, Invalidation, Leaf, Level, RegionTables, TableMemory, Tables};

impl Mmu for Machine {
    type Space = Space;

    fn zero(&mut self, frame: Frame) {
        self.assert_free(frame);
        if self.sabotage != Sabotage::ForgetZeroing {
            self.ram.zero(frame);
        }
        self.counts.dsb_stores += 1;
    }

    fn copy(&mut self, from: Frame, to: Frame) {
        self.assert_free(to);
        self.assert_not_writable(from);
        self.ram.copy(from, to);
        self.counts.dsb_stores += 1;
    }

    fn copy_bytes(&mut self, from: (Frame, u64), to: (Frame, u64), bytes: u64) {
        self.assert_no_table(from.0);
        self.assert_free(to.0);
        let mut copied = vec![0; bytes as usize];
        self.ram.read(from.0, from.1 as usize, &mut copied);
        self.ram.write(to.0, to.1 as usize, &copied);
        self.counts.dsb_stores += 1;
    }

    fn load_word(&self, frame: Frame, offset: usize) -> u32 {
        self.assert_no_table(frame);
        let mut bytes = [0; 4];
        self.ram.read(frame, offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn publish_code(&mut self, frame: Frame) {
        if self.sabotage != Sabotage::ForgetPublishing {
            self.ram.publish(frame);
        }
    }

    fn publish_entries(&mut self) {
        if self.sabotage != Sabotage::ForgetPublishingEntries {
            self.is_published = true;
        }
        self.counts.dsb_stores += 1;
        self.counts.isb += 1;
    }

    fn create_space(&mut self, root: Frame) -> Space {
        TableMemory::zero(self, root);
        self.spaces_made += 1;
        let id = SpaceId(self.spaces_made);
        self.add_root(root, Level::Zero, Some(id));
        let record = SpaceRecord {
            root,
            asid: Arc::new(AsidCell::new()),
            owed: Vec::new(),
            unlinked: Vec::new(),
        };
        self.spaces.insert(id, record);
        Space {
            id,
            tables: Tables::existing(root),
        }
    }

    fn destroy_space(&mut self, space: Space) -> (Frame, Flushed) {
        assert!(
            space.tables.is_empty(self),
            "{:?} still has translations",
            space.id
        );
        self.leave_everywhere(space.id);
        let asid = self.record(space.id).asid.get();
        if let Some(asid) = asid.asid() {
            self.invalidate(Extent::Space, asid);
        }
        let lingering = self
            .cpus
            .iter()
            .flat_map(|cpu| cpu.usable())
            .find(|entry| entry.space == space.id);
        assert!(
            lingering.is_none(),
            "an address space ended, but a TLB still has {lingering:?}"
        );
        self.asids.release(asid, self.cpus.iter().map(|cpu| &cpu.asid));
        self.spaces.remove(&space.id);
        self.ledger.retire(space.root());
        (
            space.root(),
            Flushed::after_invalidation(Stale {
                extent: Extent::Space,
            }),
        )
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
        self.let_run(space.id);
        let leaf = Leaf {
            frame,
            attributes: Attributes::user(perms, kind),
        };
        space.tables.install(self, page, leaf, || tables.take());
        self.is_published = false;
    }

    fn install_block(
        &mut self,
        space: &mut Space,
        slot: Page,
        first: Frame,
        perms: Perms,
        tables: &mut impl FrameSource,
    ) {
        self.let_run(space.id);
        let block = Leaf {
            frame: first,
            attributes: Attributes::user(perms, MemoryKind::Normal),
        };
        space.tables.install_block(self, slot, block, || tables.take());
        self.is_published = false;
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
        self.let_run(space.id);
        let region = self.region(tree);
        space
            .tables
            .install_shared(self, pages, region, first, perms, || tables.take());
        self.is_published = false;
    }

    fn lookup(&self, space: &Space, page: Page) -> Option<(Frame, Perms)> {
        space
            .tables
            .lookup(self, page)
            .map(|mapping| (mapping.frame, mapping.perms))
    }

    fn is_linked(&self, space: &Space, page: Page) -> bool {
        space.tables.is_linked(self, page)
    }

    fn next_mapped(&self, space: &Space, range: PageRange) -> Option<Page> {
        space.tables.next_mapped(self, range)
    }

    fn next_held(&self, space: &Space, range: PageRange) -> Option<Page> {
        space.tables.next_held(self, range)
    }

    fn protect(&mut self, space: &mut Space, range: PageRange, perms: Perms) -> Stale {
        self.let_run(space.id);
        let extent = space.tables.protect(self, range, perms);
        self.owe_permissions(space.id, extent)
    }

    fn permit(&mut self, space: &mut Space, page: Page, perms: Perms) -> Stale {
        self.let_run(space.id);
        let extent = space.tables.permit(self, page, perms);
        self.owe_permissions(space.id, extent)
    }

    fn share(
        &mut self,
        from: &mut Space,
        to: &mut Space,
        range: PageRange,
        most: usize,
        source: &mut impl ShareSource,
    ) -> (Stale, Page) {
        self.let_run(from.id);
        let (extent, end) = from.tables.share(self, to.tables, range, most, &mut Heir(source));
        self.is_published = false;
        (self.owe(from.id, extent), end)
    }

    fn unmap(
        &mut self,
        space: &mut Space,
        range: PageRange,
        vacant: PageRange,
        mut visit: impl FnMut(Removed),
    ) -> Stale {
        self.let_run(space.id);
        let mut gone = Vec::new();
        let extent = space
            .tables
            .remove(self, range, vacant, |removed| gone.push(removed));
        self.report(&gone, &mut visit);
        self.owe(space.id, extent)
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
        self.let_run(space.id);
        let region = self.region(tree);
        space
            .tables
            .link(self, slots, region, first, perms, || tables.take());
        self.is_published = false;
    }

    fn unlink(
        &mut self,
        space: &mut Space,
        range: PageRange,
        vacant: PageRange,
        mut visit: impl FnMut(Removed),
    ) -> Stale {
        self.let_run(space.id);
        let mut gone = Vec::new();
        let extent = space
            .tables
            .unlink(self, range, vacant, |removed| gone.push(removed));
        self.report(&gone, &mut visit);
        if let Some(record) = self.spaces.get_mut(&space.id) {
            record.unlinked.push(range);
        }
        self.owe(space.id, extent)
    }

    fn flush(&mut self, space: &Space, stale: Stale) -> Flushed {
        let extent = stale.extent;
        if let Some(asid) = self.record(space.id).asid.get().asid() {
            self.invalidate_for(space.id, extent, asid);
        }
        if let Some(record) = self.spaces.get_mut(&space.id) {
            record.owed.retain(|owed| !covers(extent, *owed));
        }
        self.audit_space(space.id);
        Flushed::after_invalidation(stale)
    }

    fn shared_lookup(&self, tree: SharedTree, index: u64) -> Option<Frame> {
        // A tree without any frame was not seen yet.
        self.ledger.level(tree.root)?;
        region(tree).lookup(self, index)
    }

    fn shared_next(&self, tree: SharedTree, from: u64, end: u64) -> Option<u64> {
        self.ledger.level(tree.root)?;
        region(tree).next_present(self, from, end)
    }

    fn shared_install(&mut self, tree: SharedTree, index: u64, frame: Frame, tables: &mut impl FrameSource) {
        self.region(tree).install(self, index, frame, || tables.take());
        self.is_published = false;
    }

    fn shared_install_block(
        &mut self,
        tree: SharedTree,
        index: u64,
        first: Frame,
        tables: &mut impl FrameSource,
    ) {
        self.region(tree)
            .install_block(self, index, first, || tables.take());
        self.is_published = false;
    }

    fn shared_dismantle(
        &mut self,
        tree: SharedTree,
        from: u64,
        limit: usize,
        mut visit: impl FnMut(Piece),
    ) -> Dismantled {
        let mut gone = Vec::new();
        let done = self
            .region(tree)
            .dismantle(self, from, limit, |piece| gone.push(piece));
        // Nobody has the region attached, and all who had have flushed.
        for piece in gone {
            match piece {
                vmsa::Piece::Frame(frame) => {
                    if self.ledger.level(frame).is_some() {
                        self.ledger.retire(frame);
                    }
                    self.assert_uncached(frame);
                    visit(Piece::Frame(frame));
                }
                vmsa::Piece::Block(first) => {
                    (0..Level::Two.pages()).for_each(|offset| self.assert_uncached(first.offset(offset)));
                    visit(Piece::Block(first));
                }
            }
        }
        match done {
            vmsa::Dismantled::Partly(page) => Dismantled::Partly(page),
            vmsa::Dismantled::Wholly => Dismantled::Wholly,
        }
    }
}

impl Machine {
    /// The table code's view of `tree`. Its root is a frame that was zeroed and nothing else
    /// the first time it is seen.
    fn region(&mut self, tree: SharedTree) -> RegionTables {
        if self.ledger.level(tree.root).is_none() {
            let level = match tree.height {
                TreeHeight::One => Level::Three,
                TreeHeight::Two => Level::Two,
                TreeHeight::Three => Level::One,
            };
            self.add_root(tree.root, level, None);
        }
        region(tree)
    }

    fn add_root(&mut self, root: Frame, level: Level, space: Option<SpaceId>) {
        assert!(
            self.ram.is_zeroed(root),
            "{root:?} becomes a table without having been zeroed"
        );
        self.assert_free(root);
        self.ledger.add_root(root, level, space);
    }

    /// Tells the memory manager of removals, and the ledger of tables that went.
    fn report(&mut self, gone: &[vmsa::Removed], visit: &mut impl FnMut(Removed)) {
        for removed in gone {
            match *removed {
                vmsa::Removed::Leaf(page, frame) => visit(Removed::Leaf(page, frame)),
                vmsa::Removed::Link(slot) => visit(Removed::Link(slot)),
                vmsa::Removed::Table(table) => {
                    self.ledger.retire(table);
                    visit(Removed::Table(table));
                }
            }
        }
    }

    fn owe(&mut self, space: SpaceId, extent: vmsa::Extent) -> Stale {
        let extent = match extent {
            vmsa::Extent::Nothing => Extent::Nothing,
            vmsa::Extent::Leaves(pages) => Extent::Leaves(pages),
            vmsa::Extent::Tables(pages) => Extent::Tables(pages),
            vmsa::Extent::Space => Extent::Space,
        };
        if let Some(record) = self.spaces.get_mut(&space)
            && extent != Extent::Nothing
        {
            record.owed.push(extent);
        }
        Stale { extent }
    }

    /// What is owed after permissions were changed, or the mistake that nothing is.
    fn owe_permissions(&mut self, space: SpaceId, extent: vmsa::Extent) -> Stale {
        if self.sabotage == Sabotage::KeepOldPermissions {
            return self.owe(space, vmsa::Extent::Nothing);
        }
        self.owe(space, extent)
    }

    fn leave_everywhere(&mut self, space: SpaceId) {
        for cpu in 0..self.cpus.len() {
            if self.cpus[cpu].runs(space) {
                assert!(
                    self.cpus[cpu].chosen_by == ChosenBy::Machine,
                    "CPU {cpu} runs in {space:?}, which ends"
                );
                self.park(cpu);
            }
        }
    }

    /// What a flush does, or the mistake that is made with unlinked slots.
    fn invalidate_for(&mut self, space: SpaceId, extent: Extent, asid: Asid) {
        let record = self.spaces.get_mut(&space);
        let unlinked = record.map(|record| std::mem::take(&mut record.unlinked));
        for slots in unlinked.unwrap_or_default() {
            match self.sabotage {
                Sabotage::FlushOneAddressOfSlots => {
                    self.tlbi_vae1is(operand(asid, slots.start()));
                    return;
                }
                Sabotage::FlushLeavesOfSlots => {
                    slots
                        .iter()
                        .for_each(|page| self.tlbi_vale1is(operand(asid, page)));
                    return;
                }
                _ => {}
            }
        }
        self.invalidate(extent, asid);
    }

    /// DSB ISHST; TLBI; DSB ISH; ISB, on behalf of the space under `asid`.
    fn invalidate(&mut self, extent: Extent, asid: Asid) {
        if self.sabotage == Sabotage::ForgetFlushes {
            return;
        }
        let extent = match extent {
            Extent::Nothing => return,
            Extent::Leaves(pages) => vmsa::Extent::Leaves(pages),
            Extent::Tables(pages) => vmsa::Extent::Tables(pages),
            Extent::Space => vmsa::Extent::Space,
        };
        self.counts.dsb_stores += 1;
        self.execute(Invalidation::after(extent, asid));
        self.counts.dsb_full += 1;
        self.counts.isb += 1;
    }

    /// Carries out the instructions, whose operands are taken apart as the hardware does.
    fn execute(&mut self, invalidation: Invalidation) {
        let most = if self.sabotage == Sabotage::FlushFirstPageOnly {
            1
        } else {
            usize::MAX
        };
        match invalidation {
            Invalidation::Nothing => {}
            Invalidation::LastLevel(pages) => pages.take(most).for_each(|operand| self.tlbi_vale1is(operand)),
            Invalidation::EveryLevel(pages) if self.sabotage == Sabotage::FlushLastLevelOnly => {
                pages.for_each(|operand| self.tlbi_vale1is(operand));
            }
            Invalidation::EveryLevel(pages) => pages.take(most).for_each(|operand| self.tlbi_vae1is(operand)),
            Invalidation::Asid(operand) => self.tlbi_aside1is(operand),
        }
    }

    fn tlbi_vale1is(&mut self, operand: u64) {
        self.counts.tlbi_last_level += 1;
        let (asid, page) = by_address(operand);
        self.cpus
            .iter_mut()
            .for_each(|cpu| cpu.tlb.forget_leaf(asid, page));
    }

    fn tlbi_vae1is(&mut self, operand: u64) {
        self.counts.tlbi_page += 1;
        let (asid, page) = by_address(operand);
        self.cpus
            .iter_mut()
            .for_each(|cpu| cpu.tlb.forget_page(asid, page));
    }

    fn tlbi_aside1is(&mut self, operand: u64) {
        self.counts.tlbi_asid += 1;
        let (asid, _) = by_address(operand);
        self.cpus.iter_mut().for_each(|cpu| cpu.tlb.forget_asid(asid));
    }
}

fn region(tree: SharedTree) -> RegionTables {
    let height = match tree.height {
        TreeHeight::One => Height::One,
        TreeHeight::Two => Height::Two,
        TreeHeight::Three => Height::Three,
    };
    RegionTables::existing(tree.root, height)
}

fn operand(asid: Asid, page: Page) -> u64 {
    u64::from(asid.raw()) << 48 | page.number()
}

/// ASID in bits 63 to 48, VA bits 55 to 12 in bits 43 to 0.
fn by_address(operand: u64) -> (Asid, Page) {
    (
        Asid::from_raw((operand >> 48) as u16),
        Page::from_number(operand & ((1 << 44) - 1)),
    )
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
