//! Address space identifiers, and their allocator with generations.
//!
//! There are 2^8 or 2^16 ASIDs and any number of address spaces. A space keeps the ASID it was
//! given for one *generation*; when a generation has none left, the next one begins: every
//! space that runs on some CPU keeps its ASID, all others lose theirs, and each CPU empties its
//! own TLB at its next switch. The technique is the one of Linux' `arch/arm64/mm/context.c`,
//! with ASIDs given back when their space ends.
//!
//! ```text
//!   switch to a space
//!     |-- CpuAsid::try_switch: same generation, no rollover meanwhile -> load TTBR0
//!     `-- AsidAllocator::switch, under its lock: new ASID if the old one is of an earlier generation,
//!         empty this CPU's TLB if a rollover says so                   -> load TTBR0
//! ```
//!
//! Why each CPU empties its own TLB, though invalidations could be broadcast: between the two
//! steps "record what I switch to" and "load TTBR0" a CPU still fills its TLB under the ASID
//! it comes from. A rollover on another CPU in between can't know that ASID, but this CPU's
//! next switch comes after it.

use crate::atomic::{AtomicBool, AtomicU64, Ordering};

/// The tag of an address space's TLB entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Asid(u16);

impl Asid {
    /// Reserved: loaded, with an empty table, while no process runs.
    pub const NO_PROCESS: Self = Self(0);

    /// The ASID with this number.
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// Its number.
    pub const fn raw(self) -> u16 {
        self.0
    }
}

/// How many bits an ASID has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AsidBits(u32);

impl AsidBits {
    /// As many as any CPU has.
    pub const MOST: Self = Self(16);

    /// 4 to 16; less than the hardware has makes rollovers come soon, for tests.
    pub const fn new(bits: u32) -> Option<Self> {
        if 4 <= bits && bits <= 16 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// What a CPU has, by its ID_AA64MMFR0_EL1.
    pub const fn implemented(id_aa64mmfr0: u64) -> Self {
        const SIXTEEN: u64 = 0b0010;
        if (id_aa64mmfr0 >> 4) & 0xf == SIXTEEN {
            Self(16)
        } else {
            Self(8)
        }
    }

    /// The number of bits.
    pub const fn get(self) -> u32 {
        self.0
    }

    const fn asids(self) -> usize {
        1 << self.0
    }

    /// In how many words each of the ASIDs has a bit.
    pub const fn words(self) -> usize {
        self.asids().div_ceil(u64::BITS as usize)
    }
}

/// An ASID and the generation it belongs to, in one word; or that there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SpaceAsid(u64);

const ASID_BITS: u32 = 16;
const ASID_MASK: u64 = (1 << ASID_BITS) - 1;

impl SpaceAsid {
    /// Of a space that never ran: no TLB holds anything of it.
    pub const NONE: Self = Self(0);

    const fn new(generation: u64, asid: u64) -> Self {
        Self(generation << ASID_BITS | asid)
    }

    /// The ASID, which a space that never ran has not.
    pub const fn asid(self) -> Option<Asid> {
        match self.0 & ASID_MASK {
            0 => None,
            asid => Some(Asid(asid as u16)),
        }
    }

    const fn generation(self) -> u64 {
        self.0 >> ASID_BITS
    }
}

/// Where an address space keeps its ASID: written by the CPU that switches to it, read by any
/// CPU that invalidates.
///
/// Reading it to invalidate comes after a DSB ISH that follows the change of tables: a CPU that
/// gets an ASID for the space later than the reading then walks the changed tables. And a DSB ISH
/// follows [`AsidAllocator::switch`], before TTBR0 is loaded: whoever changes tables later than
/// they were walked reads that ASID.
#[derive(Debug)]
pub struct AsidCell(AtomicU64);

impl AsidCell {
    /// Of a new space.
    pub const fn new() -> Self {
        Self(AtomicU64::new(SpaceAsid::NONE.0))
    }

    /// What the space has now.
    pub fn get(&self) -> SpaceAsid {
        SpaceAsid(self.0.load(Ordering::Acquire))
    }

    fn set(&self, asid: SpaceAsid) {
        self.0.store(asid.0, Ordering::Release);
    }
}

impl Default for AsidCell {
    fn default() -> Self {
        Self::new()
    }
}

/// What one CPU says about the ASID in its TTBR0.
#[derive(Debug)]
pub struct CpuAsid {
    /// What this CPU switched to last, [`TAKEN`] from a rollover to this CPU's next switch. With
    /// ASID 0 while no process runs.
    active: AtomicU64,
    /// What a rollover found in `active`: not given to others as long as `active` is taken.
    /// Changed under the allocator's lock.
    kept: AtomicU64,
    /// The TLB may hold entries of earlier generations.
    stale: AtomicBool,
}

const TAKEN: u64 = 0;

impl CpuAsid {
    /// Of a CPU that has not run a process.
    pub const fn new() -> Self {
        Self {
            active: AtomicU64::new(TAKEN),
            kept: AtomicU64::new(0),
            stale: AtomicBool::new(false),
        }
    }

    /// Records a switch to the space with `wanted`. If that succeeds, TTBR0 may be loaded with
    /// [`SpaceAsid::asid`]; if not, [`AsidAllocator::switch`] has to be asked. Takes no lock.
    ///
    /// Called on the CPU itself, with interrupts masked from here to the load of TTBR0.
    #[inline]
    pub fn try_switch(&self, wanted: SpaceAsid) -> Switched {
        let active = self.active.load(Ordering::Relaxed);
        // As long as no rollover took it, what is active is of the current generation, and a space that never ran
        // is of none.
        if active == TAKEN || SpaceAsid(active).generation() != wanted.generation() {
            return Switched::No;
        }
        match self
            .active
            .compare_exchange(active, wanted.0, Ordering::AcqRel, Ordering::Relaxed)
        {
            Ok(_) => Switched::Yes,
            Err(_) => Switched::No,
        }
    }

    /// Records that TTBR0 holds [`Asid::NO_PROCESS`] and the reserved empty table now.
    pub fn leave(&self) {
        self.active.fetch_and(!ASID_MASK, Ordering::AcqRel);
    }

    /// Takes what is active away at a rollover, and returns the word to keep.
    fn take(&self) -> SpaceAsid {
        let active = self.active.swap(TAKEN, Ordering::AcqRel);
        if active != TAKEN {
            self.kept.store(active, Ordering::Relaxed);
        }
        self.stale.store(true, Ordering::Release);
        SpaceAsid(self.kept.load(Ordering::Relaxed))
    }

    /// Puts `new` where `old` is kept.
    fn replace_kept(&self, old: SpaceAsid, new: SpaceAsid) -> bool {
        self.kept
            .compare_exchange(old.0, new.0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

impl Default for CpuAsid {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether [`CpuAsid::try_switch`] was enough.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switched {
    /// TTBR0 may be loaded.
    Yes,
    /// The allocator has to be asked.
    No,
}

/// What a CPU has to do between [`AsidAllocator::switch`] and loading TTBR0.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BeforeSwitch {
    /// Nothing.
    Nothing,
    /// Empty its own TLB: `TLBI VMALLE1; DSB NSH; ISB`.
    InvalidateLocal,
}

/// Gives ASIDs to address spaces. Shared by all CPUs, behind a lock.
pub struct AsidAllocator {
    bits: AsidBits,
    generation: u64,
    /// One bit an ASID.
    used: &'static mut [u64],
    /// Where the next search starts. Going round before a rollover delays reuse.
    next: usize,
}

impl AsidAllocator {
    /// An allocator of 2^`bits` ASIDs, which takes its notes in `used`.
    ///
    /// # Panics
    /// If `used` has not [as many words](AsidBits::words) as they take.
    pub fn new(bits: AsidBits, used: &'static mut [u64]) -> Self {
        assert_eq!(used.len(), bits.words(), "a bit for each ASID");
        used.fill(0);
        used[0] = NO_PROCESS_USED;
        Self {
            bits,
            generation: 1,
            used,
            next: 1,
        }
    }

    /// How many bits its ASIDs have.
    pub const fn bits(&self) -> AsidBits {
        self.bits
    }

    /// How often all ASIDs were used up.
    pub const fn rollovers(&self) -> u64 {
        self.generation - 1
    }

    /// Whether `asid` is of this generation, so that a switch to its space changes nothing.
    pub const fn is_current(&self, asid: SpaceAsid) -> bool {
        asid.generation() == self.generation
    }

    /// Switches the CPU with `this` to `space`, with a new ASID if it needs one, and returns
    /// what its ASID is. `cpus` are all CPUs, `this` among them.
    ///
    /// # Panics
    /// If there are not fewer CPUs than ASIDs.
    pub fn switch<'a>(
        &mut self,
        space: &AsidCell,
        this: &CpuAsid,
        cpus: impl Iterator<Item = &'a CpuAsid> + Clone,
    ) -> (Asid, BeforeSwitch) {
        let mut current = space.get();
        if !self.is_current(current) {
            current = self.assign(current, cpus);
            space.set(current);
        }
        this.active.store(current.0, Ordering::Release);
        let stale = this.stale.swap(false, Ordering::AcqRel);
        let before = if stale {
            BeforeSwitch::InvalidateLocal
        } else {
            BeforeSwitch::Nothing
        };
        (Asid((current.0 & ASID_MASK) as u16), before)
    }

    /// Takes the ASID of a space that has ended back. No CPU has it in TTBR0, and it has been
    /// invalidated everywhere.
    pub fn release<'a>(&mut self, space: SpaceAsid, cpus: impl Iterator<Item = &'a CpuAsid>) {
        let Some(asid) = space.asid() else { return };
        // At the rollover it was kept for a CPU that ran the space then; nobody else has it.
        let was_kept = replace_everywhere(cpus, space, SpaceAsid::NONE);
        if was_kept || self.is_current(space) {
            self.mark(asid, Use::Free);
        }
    }

    fn assign<'a>(&mut self, old: SpaceAsid, cpus: impl Iterator<Item = &'a CpuAsid> + Clone) -> SpaceAsid {
        if let Some(kept) = self.kept(old, cpus.clone()) {
            return kept;
        }
        if let Some(asid) = self.find_free() {
            return self.give(asid);
        }
        self.roll_over(cpus.clone());
        if let Some(kept) = self.kept(old, cpus) {
            return kept;
        }
        match self.find_free() {
            Some(asid) => self.give(asid),
            None => panic!("more CPUs than ASIDs of {} bits", self.bits.get()),
        }
    }

    /// A space that ran somewhere at the last rollover has its ASID reserved.
    fn kept<'a>(&self, old: SpaceAsid, cpus: impl Iterator<Item = &'a CpuAsid>) -> Option<SpaceAsid> {
        let asid = old.asid()?;
        let new = SpaceAsid::new(self.generation, u64::from(asid.0));
        replace_everywhere(cpus, old, new).then_some(new)
    }

    fn roll_over<'a>(&mut self, cpus: impl Iterator<Item = &'a CpuAsid>) {
        self.generation += 1;
        self.used.fill(0);
        self.used[0] = NO_PROCESS_USED;
        self.next = 1;
        for cpu in cpus {
            if let Some(asid) = cpu.take().asid() {
                self.mark(asid, Use::Used);
            }
        }
    }

    fn give(&mut self, asid: Asid) -> SpaceAsid {
        self.mark(asid, Use::Used);
        self.next = usize::from(asid.0) + 1;
        SpaceAsid::new(self.generation, u64::from(asid.0))
    }

    fn find_free(&self) -> Option<Asid> {
        self.find_free_in(self.next, self.bits.asids())
            .or_else(|| self.find_free_in(1, self.next))
    }

    /// The first free ASID from `start` up to, not including, `end`; a word at a time.
    fn find_free_in(&self, start: usize, end: usize) -> Option<Asid> {
        let mut from = start;
        while from < end {
            let (word, bit) = place(from);
            let free = !self.used[word] & (u64::MAX << bit);
            let found = from - bit + free.trailing_zeros() as usize;
            if free != 0 {
                return if found < end {
                    u16::try_from(found).ok().map(Asid)
                } else {
                    None
                };
            }
            from = from - bit + u64::BITS as usize;
        }
        None
    }

    fn mark(&mut self, asid: Asid, as_what: Use) {
        let (word, bit) = place(usize::from(asid.0));
        match as_what {
            Use::Used => self.used[word] |= 1 << bit,
            Use::Free => self.used[word] &= !(1 << bit),
        }
    }
}

/// Puts `new` in place of `old` wherever a CPU keeps it, since several may have run the space,
/// and says whether one did.
fn replace_everywhere<'a>(cpus: impl Iterator<Item = &'a CpuAsid>, old: SpaceAsid, new: SpaceAsid) -> bool {
    let mut found = false;
    for cpu in cpus {
        found |= cpu.replace_kept(old, new);
    }
    found
}

const NO_PROCESS_USED: u64 = 1;

#[derive(Clone, Copy)]
enum Use {
    Used,
    Free,
}

const fn place(asid: usize) -> (usize, usize) {
    (asid / u64::BITS as usize, asid % u64::BITS as usize)
}
