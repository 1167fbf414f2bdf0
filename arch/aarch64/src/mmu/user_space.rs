//! The address spaces of programs: the memory manager's seam, on the real thing.
//!
//! What an entry looks like and which invalidation a change needs is [`vmsa`]'s; here are the
//! barriers around it, and the switch.

use crate::cpu::{self, PerCpu};
use crate::mmu::direct_map::{self, DirectTables};
use crate::mmu::tlb;
use crate::sync::{Inside, Lock, level};
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CONTEXTIDR_EL1, TTBR0_EL1};
use addr::{Frame, FrameRange, MemoryKind, Page, PageRange, Perms};
use kcore::Guarded;
use mm::mmu::{
    Dismantled, Extent, Flushed, FrameSource, Mmu, Piece, Removed, ShareSource, SharedTree, Stale, TreeHeight,
};
use spin::Once;
use tock_registers::interfaces::Writeable;
use vmsa::asid::{AsidAllocator, AsidBits, AsidCell, BeforeSwitch, SpaceAsid, Switched};
use vmsa::{Attributes, Height, Invalidation, Leaf, RegionTables, Tables, control};

/// Translation tables of programs, ASIDs, and every CPU's TLB, as a CPU has them that has the memory manager or shares it.
pub struct Hardware {
    asids: Inside<'static, AsidAllocator, level::Asids, level::Memory>,
}

/// Which ASIDs are in use.
static ASIDS: Once<Lock<AsidAllocator, level::Asids>> = Once::new();

/// The address space of one process.
#[derive(Debug)]
pub struct Space {
    tables: Tables,
    asid: AsidCell,
}

impl Space {
    /// The ASID it has now, if it has run; for information only.
    pub fn asid(&self) -> Option<u16> {
        self.asid.get().asid().map(vmsa::asid::Asid::raw)
    }
}

impl Hardware {
    /// Of this machine, once. `most_asids` asks for fewer than the CPU has, for tests; `take` gives as many words to take notes in.
    pub fn new(most_asids: Option<AsidBits>, take: impl FnOnce(usize) -> &'static mut [u64]) -> Self {
        let implemented = cpu::asid_bits();
        let bits = most_asids.map_or(implemented, |wanted| wanted.min(implemented));
        let asids = ASIDS.call_once(|| Lock::new(AsidAllocator::new(bits, take(bits.words()))));
        Self {
            asids: asids.inside(),
        }
    }

    /// The same for another CPU.
    pub const fn again(&self) -> Self {
        Self {
            asids: self.asids.again(),
        }
    }

    /// Translates user addresses on this CPU by `space` from the next return to EL0 on. `process` is whose it
    /// is, for debuggers. The answer does the same faster, until the space ends.
    pub fn activate(&mut self, space: &Space, process: u32, cpu: &PerCpu) -> Activation {
        let wanted = space.asid.get();
        let asid = match (cpu.asid.try_switch(wanted), wanted.asid()) {
            (Switched::Yes, Some(asid)) => asid,
            _ => {
                let cpus = PerCpu::all().map(|cpu| &cpu.asid);
                let (asid, before) = self.asids.lock().switch(&space.asid, &cpu.asid, cpus);
                if before == BeforeSwitch::InvalidateLocal {
                    tlb::invalidate_this_cpu();
                }
                tlb::publish_asid();
                asid
            }
        };
        let activation = Activation {
            asid: space.asid.get(),
            ttbr0: control::ttbr0_el1(space.tables.root(), asid),
            process,
        };
        activation.enter();
        activation
    }
}

/// Translates no user address on this CPU, which is `cpu`, from now on.
pub fn activate_none(cpu: &PerCpu) {
    enter_nobody(cpu.no_process());
    cpu.asid.leave();
}

/// What the registers hold while an address space is active, ready-made, and the ASID that this depends on.
#[derive(Clone, Copy, Debug)]
pub struct Activation {
    asid: SpaceAsid,
    ttbr0: u64,
    process: u32,
}

impl Activation {
    /// Of no space: it is never good.
    pub const NONE: Self = Self {
        asid: SpaceAsid::NONE,
        ttbr0: 0,
        process: 0,
    };

    /// As [`Hardware::activate`] for its space, which has not ended; `false`, and nothing has happened, if that
    /// has to look for the ASID, since there was a rollover.
    #[must_use]
    #[inline]
    pub fn again(&self, cpu: &PerCpu) -> bool {
        let is_good = cpu.asid.try_switch(self.asid) == Switched::Yes;
        if is_good {
            self.enter();
        }
        is_good
    }

    /// Without an ISB: the kernel touches no user address, and the return to EL0 synchronises the context (Arm
    /// ARM, "Context synchronization event"). Nor can others take the space apart meanwhile that was active before:
    /// [`crate::cpu::synchronise_context`], or the vectors' ISB, comes before they get the kernel's lock.
    #[inline]
    fn enter(&self) {
        set_registers(self.ttbr0, self.process);
    }
}

/// Root and ASID are in one register and so change together: no moment mixes one space's ASID with
/// another's tables (Arm ARM, "Use of ASIDs and VMIDs to reduce TLB maintenance requirements",
/// which needs a reserved ASID only where they are in two).
///
/// CONTEXTIDR_EL1 has no effect on translation. It tells debuggers and trace units which process this
/// is (Arm ARM, "CONTEXTIDR_EL1, Context ID Register (EL1)"): a breakpoint can depend on it, an ASID
/// is given to one process after the other.
#[inline]
fn set_registers(ttbr0: u64, process: u32) {
    TTBR0_EL1.set(ttbr0);
    CONTEXTIDR_EL1.set(process.into());
}

/// No process runs: `ttbr0` leads to an empty table. None has the number 0. The space that was active may be taken
/// apart afterwards.
pub(crate) fn enter_nobody(ttbr0: u64) {
    set_registers(ttbr0, 0);
    barrier::isb(barrier::SY);
}

impl Mmu for Hardware {
    type Space = Space;

    fn zero(&mut self, frame: Frame) {
        direct_map::zero(frame);
    }

    fn copy(&mut self, from: Frame, to: Frame) {
        direct_map::copy(from, to);
    }

    fn copy_bytes(&mut self, from: (Frame, u64), to: (Frame, u64), bytes: u64) {
        direct_map::copy_bytes(from, to, bytes);
    }

    fn zero_run(&mut self, frames: FrameRange) {
        direct_map::zero_run(frames);
    }

    fn load_word(&self, frame: Frame, offset: usize) -> u32 {
        direct_map::load_word(frame, offset)
    }

    fn publish_code(&mut self, frame: Frame) {
        direct_map::publish_code(frame);
    }

    fn publish_entries(&mut self) {
        tlb::publish_new_entries();
    }

    fn create_space(&mut self, root: Frame) -> Space {
        Space {
            tables: Tables::create(&mut DirectTables, root),
            asid: AsidCell::new(),
        }
    }

    fn destroy_space(&mut self, space: Space) -> (Frame, Flushed) {
        let flushed = self.flush(
            &space,
            Stale {
                extent: Extent::Space,
            },
        );
        self.asids
            .lock()
            .release(space.asid.get(), PerCpu::all().map(|cpu| &cpu.asid));
        (space.tables.root(), flushed)
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
        let leaf = Leaf {
            frame,
            attributes: Attributes::user(perms, kind),
        };
        space
            .tables
            .install(&mut DirectTables, page, leaf, || tables.take());
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
        space
            .tables
            .install_block(&mut DirectTables, slot, block, || tables.take());
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
            .tables
            .install_shared(&mut DirectTables, pages, region, first, perms, || tables.take());
    }

    fn lookup(&self, space: &Space, page: Page) -> Option<(Frame, Perms)> {
        space
            .tables
            .lookup(&DirectTables, page)
            .map(|mapping| (mapping.frame, mapping.perms))
    }

    fn is_linked(&self, space: &Space, page: Page) -> bool {
        space.tables.is_linked(&DirectTables, page)
    }

    fn next_mapped(&self, space: &Space, range: PageRange) -> Option<Page> {
        space.tables.next_mapped(&DirectTables, range)
    }

    fn next_held(&self, space: &Space, range: PageRange) -> Option<Page> {
        space.tables.next_held(&DirectTables, range)
    }

    fn protect(&mut self, space: &mut Space, range: PageRange, perms: Perms) -> Stale {
        let extent = space.tables.protect(&mut DirectTables, range, perms);
        Stale {
            extent: of_mm(extent),
        }
    }

    fn permit(&mut self, space: &mut Space, page: Page, perms: Perms) -> Stale {
        let extent = space.tables.permit(&mut DirectTables, page, perms);
        Stale {
            extent: of_mm(extent),
        }
    }

    fn share(
        &mut self,
        from: &mut Space,
        to: &mut Space,
        range: PageRange,
        most: usize,
        source: &mut impl ShareSource,
    ) -> (Stale, Page) {
        let (extent, end) = from
            .tables
            .share(&mut DirectTables, to.tables, range, most, &mut Heir(source));
        let extent = of_mm(extent);
        (Stale { extent }, end)
    }

    fn unmap(
        &mut self,
        space: &mut Space,
        range: PageRange,
        vacant: PageRange,
        mut visit: impl FnMut(Removed),
    ) -> Stale {
        let extent = space
            .tables
            .remove(&mut DirectTables, range, vacant, |it| visit(removed(it)));
        Stale {
            extent: of_mm(extent),
        }
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
        space
            .tables
            .link(&mut DirectTables, slots, region, first, perms, || tables.take());
    }

    fn unlink(
        &mut self,
        space: &mut Space,
        range: PageRange,
        vacant: PageRange,
        mut visit: impl FnMut(Removed),
    ) -> Stale {
        let extent = space
            .tables
            .unlink(&mut DirectTables, range, vacant, |it| visit(removed(it)));
        Stale {
            extent: of_mm(extent),
        }
    }

    fn flush(&mut self, space: &Space, stale: Stale) -> Flushed {
        if stale.extent != Extent::Nothing {
            tlb::before_invalidation();
            // A space that never ran is in no TLB. An ASID of an earlier generation may be another
            // space's by now: that one loses entries that it can load again.
            if let Some(asid) = space.asid.get().asid() {
                tlb::invalidate(Invalidation::after(of_vmsa(stale.extent), asid));
            }
        }
        Flushed::after_invalidation(stale)
    }

    fn shared_lookup(&self, tree: SharedTree, index: u64) -> Option<Frame> {
        region(tree).lookup(&DirectTables, index)
    }

    fn shared_next(&self, tree: SharedTree, from: u64, end: u64) -> Option<u64> {
        region(tree).next_present(&DirectTables, from, end)
    }

    fn shared_install(&mut self, tree: SharedTree, index: u64, frame: Frame, tables: &mut impl FrameSource) {
        region(tree).install(&mut DirectTables, index, frame, || tables.take());
    }

    fn shared_install_block(
        &mut self,
        tree: SharedTree,
        index: u64,
        first: Frame,
        tables: &mut impl FrameSource,
    ) {
        region(tree).install_block(&mut DirectTables, index, first, || tables.take());
    }

    fn shared_dismantle(
        &mut self,
        tree: SharedTree,
        from: u64,
        limit: usize,
        mut visit: impl FnMut(Piece),
    ) -> Dismantled {
        match region(tree).dismantle(&mut DirectTables, from, limit, |it| visit(piece(it))) {
            vmsa::Dismantled::Partly(page) => Dismantled::Partly(page),
            vmsa::Dismantled::Wholly => Dismantled::Wholly,
        }
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

fn removed(it: vmsa::Removed) -> Removed {
    match it {
        vmsa::Removed::Leaf(page, frame) => Removed::Leaf(page, frame),
        vmsa::Removed::Table(frame) => Removed::Table(frame),
        vmsa::Removed::Link(slot) => Removed::Link(slot),
    }
}

fn piece(it: vmsa::Piece) -> Piece {
    match it {
        vmsa::Piece::Frame(frame) => Piece::Frame(frame),
        vmsa::Piece::Block(first) => Piece::Block(first),
    }
}

fn of_mm(extent: vmsa::Extent) -> Extent {
    match extent {
        vmsa::Extent::Nothing => Extent::Nothing,
        vmsa::Extent::Leaves(range) => Extent::Leaves(range),
        vmsa::Extent::Tables(range) => Extent::Tables(range),
        vmsa::Extent::Space => Extent::Space,
    }
}

fn of_vmsa(extent: Extent) -> vmsa::Extent {
    match extent {
        Extent::Nothing => vmsa::Extent::Nothing,
        Extent::Leaves(range) => vmsa::Extent::Leaves(range),
        Extent::Tables(range) => vmsa::Extent::Tables(range),
        Extent::Space => vmsa::Extent::Space,
    }
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
