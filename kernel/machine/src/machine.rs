//! The machine as a whole: its parts, its settings, and what its CPUs run.

use crate::adversary::Speculation;
use crate::counts::Counts;
use crate::cpu::{ChosenBy, Cpu, TlbGeneration};
use crate::ledger::Ledger;
use crate::ram::Ram;
use crate::sabotage::Sabotage;
use crate::space::{Kept, Space, SpaceId, SpaceRecord};
use crate::walk::Tag;
use addr::{Frame, FrameRange, GRANULE};
use std::collections::BTreeMap;
use std::sync::Arc;
use vmsa::asid::{Asid, AsidAllocator, AsidBits, BeforeSwitch, Switched};

/// RAM, CPUs, their TLBs, and an Mmu that drives them.
pub struct Machine {
    pub(crate) ram: Ram,
    pub(crate) cpus: Vec<Cpu>,
    pub(crate) asids: AsidAllocator,
    pub(crate) ledger: Ledger,
    pub(crate) spaces: BTreeMap<SpaceId, SpaceRecord>,
    pub(crate) spaces_made: u64,
    pub(crate) counts: Counts,
    pub(crate) speculation: Speculation,
    pub(crate) sabotage: Sabotage,
    /// Whether all entries that became valid have been published.
    pub(crate) is_published: bool,
}

impl Machine {
    /// A machine with one CPU, 8-bit ASIDs, and RAM that is full of garbage. It speculates
    /// when told to only, and makes no mistakes.
    pub fn new(ram: FrameRange) -> Self {
        Self {
            ram: Ram::new(ram),
            cpus: vec![Cpu::default()],
            asids: allocator(8),
            ledger: Ledger::default(),
            spaces: BTreeMap::new(),
            spaces_made: 0,
            counts: Counts::default(),
            speculation: Speculation::WhenTold,
            sabotage: Sabotage::None,
            is_published: true,
        }
    }

    /// With this many CPUs.
    ///
    /// # Panics
    /// If there is an address space already.
    #[must_use]
    pub fn with_cpus(mut self, count: usize) -> Self {
        assert!(self.spaces.is_empty(), "CPUs don't come and go");
        self.cpus = (0..count).map(|_| Cpu::default()).collect();
        self
    }

    /// With ASIDs of 4 to 16 bits.
    ///
    /// # Panics
    /// If there is an address space already, or no ASID is that wide.
    #[must_use]
    pub fn with_asid_bits(mut self, bits: u32) -> Self {
        assert!(self.spaces.is_empty(), "the width of ASIDs is set at boot");
        self.asids = allocator(bits);
        self
    }

    /// With TLBs that fill themselves like this.
    #[must_use]
    pub fn with_speculation(mut self, speculation: Speculation) -> Self {
        self.speculation = speculation;
        self
    }

    /// Makes the machine's Mmu make a mistake from now on.
    pub fn sabotage(&mut self, sabotage: Sabotage) {
        self.sabotage = sabotage;
    }

    /// Makes the machine's Mmu skip all invalidations from now on.
    pub fn forget_flushes(&mut self) {
        self.sabotage(Sabotage::ForgetFlushes);
    }

    /// Lets `cpu` run in `space` until told otherwise.
    pub fn run(&mut self, cpu: usize, space: &Space) -> Kept {
        self.switch(cpu, space.id);
        self.cpus[cpu].chosen_by = ChosenBy::Test;
        Kept {
            space: space.id,
            asid: self.record(space.id).asid.get(),
        }
    }

    /// The same by what [`run`](Self::run) has answered, if the space still has the same ASID. Answers whether it
    /// has.
    pub fn run_again(&mut self, cpu: usize, kept: &Kept) -> bool {
        let Some(asid) = kept.asid.asid() else {
            return false;
        };
        // Panics if the space is gone.
        self.record(kept.space);
        if self.cpus[cpu].asid.try_switch(kept.asid) == Switched::No {
            return false;
        }
        let space = kept.space;
        self.cpus[cpu].running = Some(Tag { space, asid });
        self.cpus[cpu].chosen_by = ChosenBy::Test;
        true
    }

    /// Lets `cpu` run in no address space.
    pub fn park(&mut self, cpu: usize) {
        let cpu = &mut self.cpus[cpu];
        cpu.asid.leave();
        cpu.running = None;
        cpu.chosen_by = ChosenBy::Machine;
    }

    /// What was issued since the last [`reset_counts`](Self::reset_counts).
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Starts counting anew.
    pub fn reset_counts(&mut self) {
        self.counts = Counts::default();
    }

    /// How often all ASIDs were used up.
    pub fn asid_rollovers(&self) -> u64 {
        self.asids.rollovers()
    }

    /// How many frames are tables now: of address spaces and of regions, roots included.
    pub fn table_count(&self) -> usize {
        self.ledger.table_count()
    }

    /// How many address spaces there are.
    pub fn space_count(&self) -> usize {
        self.spaces.len()
    }

    /// The contents of `frame`.
    pub fn frame_bytes(&self, frame: Frame) -> [u8; GRANULE as usize] {
        let mut bytes = [0; GRANULE as usize];
        self.ram.read(frame, 0, &mut bytes);
        bytes
    }

    /// Writes to `frame` as the kernel does, through its direct map.
    ///
    /// # Panics
    /// If `bytes` don't end with the frame, or `frame` is a table.
    pub fn write_frame(&mut self, frame: Frame, offset: usize, bytes: &[u8]) {
        self.assert_no_table(frame);
        self.ram.write(frame, offset, bytes);
    }

    pub(crate) fn assert_no_table(&self, frame: Frame) {
        assert!(
            self.ledger.level(frame).is_none(),
            "{frame:?} is a table, not data"
        );
    }

    pub(crate) fn record(&self, space: SpaceId) -> &SpaceRecord {
        match self.spaces.get(&space) {
            Some(record) => record,
            None => panic!("{space:?} has ended, or is another machine's"),
        }
    }

    /// Switches as the kernel does: the short way, or through the allocator.
    pub(crate) fn switch(&mut self, cpu: usize, space: SpaceId) -> Asid {
        if let Some(tag) = self.cpus[cpu].running
            && tag.space == space
        {
            return tag.asid;
        }
        let cell = Arc::clone(&self.record(space).asid);
        let wanted = cell.get();
        let asid = match (self.cpus[cpu].asid.try_switch(wanted), wanted.asid()) {
            (Switched::Yes, Some(asid)) => asid,
            (Switched::Yes, None) | (Switched::No, _) => {
                let rollovers = self.asids.rollovers();
                let all = self.cpus.iter().map(|cpu| &cpu.asid);
                let (asid, before) = self.asids.switch(&cell, &self.cpus[cpu].asid, all);
                if self.asids.rollovers() != rollovers {
                    self.cpus
                        .iter_mut()
                        .for_each(|cpu| cpu.generation = TlbGeneration::Earlier);
                }
                if before == BeforeSwitch::InvalidateLocal {
                    self.start_generation(cpu);
                }
                asid
            }
        };
        self.cpus[cpu].running = Some(Tag { space, asid });
        self.cpus[cpu].chosen_by = ChosenBy::Machine;
        asid
    }

    fn start_generation(&mut self, cpu: usize) {
        let cpu = &mut self.cpus[cpu];
        if self.sabotage != Sabotage::KeepTlbsAtRollover {
            cpu.tlb.forget_all();
            self.counts.tlbi_local += 1;
        }
        cpu.generation = TlbGeneration::Current;
    }
}

fn allocator(bits: u32) -> AsidAllocator {
    match AsidBits::new(bits) {
        Some(bits) => AsidAllocator::new(bits, vec![0; bits.words()].leak()),
        None => panic!("ASIDs of {bits} bits don't exist"),
    }
}
