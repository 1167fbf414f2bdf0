//! CPUs with TLBs around the allocator.

use crate::asid::{Asid, AsidAllocator, AsidBits, AsidCell, BeforeSwitch, CpuAsid, Switched};
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::sync::{Arc, Mutex};
use std::collections::HashMap;

const BITS: u32 = 4;
/// But for the reserved one.
pub const ASIDS: usize = (1 << BITS) - 1;
const SPACES: usize = 2 * ASIDS + 3;

/// What all CPUs see.
pub struct Machine(Arc<Shared>);

struct Shared {
    allocator: Mutex<AsidAllocator>,
    spaces: Vec<Space>,
    cpus: Vec<Core>,
}

struct Space {
    asid: AsidCell,
    /// How often the tables changed.
    tables: AtomicU64,
}

struct Core {
    asid: CpuAsid,
    /// The space whose program runs and its ASID, in one word; 0 if none does, as during a switch.
    runs: AtomicU64,
    /// What only this CPU uses, so that it is of no interest to loom.
    own: std::sync::Mutex<Own>,
}

#[derive(Clone, Default)]
struct Own {
    /// The space in TTBR0.
    ttbr0: Option<(usize, Asid)>,
    tlb: Tlb,
}

/// Whose entries there may be under an ASID, and the tables they were read from.
type Tlb = HashMap<Asid, (usize, u64)>;

/// One CPU.
pub struct Cpu {
    shared: Arc<Shared>,
    number: usize,
}

impl Machine {
    pub fn with_cpus(count: usize) -> Self {
        let space = |_| Space {
            asid: AsidCell::new(),
            tables: AtomicU64::new(0),
        };
        let core = |_| Core {
            asid: CpuAsid::new(),
            runs: AtomicU64::new(0),
            own: std::sync::Mutex::default(),
        };
        let machine = Self(Arc::new(Shared {
            allocator: Mutex::new(allocator()),
            spaces: (0..SPACES).map(space).collect(),
            cpus: (0..count).map(core).collect(),
        }));
        machine.use_every_atomic();
        machine
    }

    /// So that each is made in this thread.
    fn use_every_atomic(&self) {
        let shared = &self.0;
        for space in &shared.spaces {
            assert_eq!(space.asid.get().asid(), None);
        }
        let mut allocator = shared.allocator.lock().expect("nobody panicked");
        let all = || shared.cpus.iter().map(|core| &core.asid);
        let passing = AsidCell::new();
        for core in &shared.cpus {
            let (_, before) = allocator.switch(&passing, &core.asid, all());
            assert_eq!(before, BeforeSwitch::Nothing);
            core.asid.leave();
        }
        allocator.release(passing.get(), all());
    }

    pub fn cpu(&self, number: usize) -> Cpu {
        let shared = self.0.clone();
        Cpu { shared, number }
    }

    /// No TLB has what is no longer in the tables of a space under the ASID that it has or runs with.
    pub fn check_tlbs(&self) {
        for core in &self.0.cpus {
            let own = core.own();
            for (asid, (space, tables)) in own.tlb {
                let runs = own.ttbr0 == Some((space, asid));
                let space = &self.0.spaces[space];
                let usable = runs || space.asid.get().asid() == Some(asid);
                assert!(
                    !usable || tables == newest(&space.tables),
                    "{asid:?} leads to what is unmapped"
                );
            }
        }
    }
}

fn allocator() -> AsidAllocator {
    let bits = AsidBits::new(BITS).expect("4 to 16");
    AsidAllocator::new(bits, vec![0; bits.words()].leak())
}

impl Core {
    fn own(&self) -> Own {
        self.own.lock().expect("nobody panicked").clone()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Own) -> T) -> T {
        change(&mut self.own.lock().expect("nobody panicked"))
    }
}

/// The value that was stored last, as a walker sees it once a store is visible at all.
fn newest(word: &AtomicU64) -> u64 {
    word.fetch_add(0, Ordering::Relaxed)
}

impl Cpu {
    fn core(&self) -> &Core {
        &self.shared.cpus[self.number]
    }

    fn all(&self) -> impl Iterator<Item = &CpuAsid> + Clone {
        self.shared.cpus.iter().map(|core| &core.asid)
    }

    /// What `Hardware::activate` does, without a lock around all of it.
    pub fn switch(&mut self, space: usize) {
        self.core().runs.swap(0, Ordering::Relaxed);
        let cell = &self.shared.spaces[space].asid;
        let wanted = cell.get();
        let asid = match (self.core().asid.try_switch(wanted), wanted.asid()) {
            (Switched::Yes, Some(asid)) => asid,
            _ => {
                let mut allocator = self.shared.allocator.lock().expect("nobody panicked");
                let (asid, before) = allocator.switch(cell, &self.core().asid, self.all());
                drop(allocator);
                if before == BeforeSwitch::InvalidateLocal {
                    self.empty_tlb();
                }
                // DSB: whoever changes these tables from here on finds the ASID.
                fence(Ordering::SeqCst);
                asid
            }
        };
        self.load_ttbr0(space, asid);
    }

    pub fn leave(&mut self) {
        self.core().runs.swap(0, Ordering::Relaxed);
        self.core().change(|own| own.ttbr0 = None);
        self.core().asid.leave();
    }

    /// The end of a space that nobody runs or will run.
    pub fn end(&mut self, space: usize) {
        let ended = self.shared.spaces[space].asid.get();
        if let Some(asid) = ended.asid() {
            self.invalidate(asid);
        }
        let mut allocator = self.shared.allocator.lock().expect("nobody panicked");
        allocator.release(ended, self.all());
    }

    /// Takes something out of the tables of `space`, and out of all TLBs.
    pub fn unmap(&mut self, space: usize) {
        let space = &self.shared.spaces[space];
        space.tables.fetch_add(1, Ordering::Relaxed);
        // DSB ISH.
        fence(Ordering::SeqCst);
        if let Some(asid) = space.asid.get().asid() {
            self.invalidate(asid);
        }
    }

    /// TLBI ASIDE1IS, DSB ISH. What runs goes on filling its TLB, from the tables as they are.
    fn invalidate(&self, asid: Asid) {
        for core in &self.shared.cpus {
            core.change(|own| own.tlb.remove(&asid));
        }
    }

    /// TLBI VMALLE1.
    fn empty_tlb(&self) {
        self.core().change(|own| own.tlb.clear());
    }

    fn load_ttbr0(&self, space: usize, asid: Asid) {
        // What this CPU comes from has filled its TLB up to here.
        if let Some((old, its)) = self.core().own().ttbr0 {
            self.fill(old, its);
        }
        self.core().change(|own| own.ttbr0 = Some((space, asid)));
        self.fill(space, asid);
        let word = (space as u64) << 16 | u64::from(asid.raw());
        self.core().runs.swap(word, Ordering::Relaxed);
        let others = self.shared.cpus.iter().enumerate();
        for (_, core) in others.filter(|(number, _)| *number != self.number) {
            if let Some((other, its)) = running(newest(&core.runs)) {
                assert_eq!(
                    other == space,
                    its == asid,
                    "a space runs under {asid:?}, and another, or the same, under {its:?}"
                );
            }
        }
    }

    fn fill(&self, space: usize, asid: Asid) {
        let tables = newest(&self.shared.spaces[space].tables);
        let (owner, _) = self
            .core()
            .change(|own| *own.tlb.entry(asid).or_insert((space, tables)));
        assert_eq!(owner, space, "a TLB has entries of another space under {asid:?}");
    }
}

fn running(word: u64) -> Option<(usize, Asid)> {
    let asid = Asid::from_raw(word as u16);
    (asid != Asid::NO_PROCESS).then_some(((word >> 16) as usize, asid))
}
