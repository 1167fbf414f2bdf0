//! What belongs to one CPU, reached through TPIDR_EL1.

use crate::context::FpOwner;
use crate::cpu::stack::StackPlace;
use crate::exception::system_error::Taken;
use aarch64_cpu::registers::{MPIDR_EL1, TPIDR_EL1};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use kcore::{CpuId, MAX_CPUS};
use tock_registers::interfaces::{Readable, Writeable};
use vmsa::asid::CpuAsid;

/// One CPU's own data. `vectors.S` reads and writes the first fields. On cache lines of its own.
#[repr(C, align(128))]
pub struct PerCpu {
    /// Where kernel code starts its stack at each entry from EL0.
    pub(crate) stack_top: AtomicU64,
    /// The same for exceptions taken from EL1.
    pub(crate) emergency_top: AtomicU64,
    /// How many exceptions taken from EL1 are being handled.
    pub(crate) emergency_depth: AtomicU64,
    /// Keeps a register while the stack for it is found.
    pub(crate) spare: AtomicU64,
    /// MPIDR_EL1's affinity fields.
    mpidr: AtomicU64,
    /// Where its stacks are ([`StackPlace`]).
    stacks: AtomicU64,
    /// Its TTBR0_EL1 while no process runs.
    no_process: AtomicU64,
    id: CpuId,
    /// The ASID in its TTBR0.
    pub(crate) asid: CpuAsid,
    /// The SError that it asked for.
    pub(crate) system_error: Taken,
    /// Who has its FP/SIMD registers.
    pub(crate) fp_owner: FpOwner,
}

static CPUS: [PerCpu; MAX_CPUS] = {
    let mut cpus = [const { PerCpu::new(CpuId::BOOT) }; MAX_CPUS];
    let mut number = 0;
    while number < MAX_CPUS {
        if let Some(id) = CpuId::new(number) {
            cpus[number].id = id;
        }
        number += 1;
    }
    cpus
};

/// How many of them run the kernel: the first ones.
static COUNT: AtomicUsize = AtomicUsize::new(1);

/// Aff3, Aff2, Aff1 and Aff0.
pub(crate) const AFFINITY: u64 = 0xff_00ff_ffff;

impl PerCpu {
    const fn new(id: CpuId) -> Self {
        Self {
            stack_top: AtomicU64::new(0),
            emergency_top: AtomicU64::new(0),
            emergency_depth: AtomicU64::new(0),
            spare: AtomicU64::new(0),
            mpidr: AtomicU64::new(0),
            stacks: AtomicU64::new(0),
            no_process: AtomicU64::new(0),
            id,
            asid: CpuAsid::new(),
            system_error: Taken::nothing(),
            fp_owner: FpOwner::nobody(),
        }
    }

    /// Makes the first of them this CPU's.
    ///
    /// # Safety
    /// Called once, by the boot CPU, with the MMU on, before anything asks for [`PerCpu::current`].
    pub(crate) unsafe fn install_boot_cpu(no_process: u64) {
        let [boot_cpu, ..] = &CPUS;
        boot_cpu.prepare(MPIDR_EL1.get() & AFFINITY, StackPlace::BOOT, no_process);
        // SAFETY: The caller vouches for it.
        unsafe { boot_cpu.install() };
    }

    /// Makes it that of the CPU with these affinity fields, which does not run yet.
    pub(crate) fn prepare(&self, mpidr: u64, stacks: StackPlace, no_process: u64) {
        self.mpidr.store(mpidr, Ordering::Relaxed);
        self.stacks.store(stacks.0, Ordering::Relaxed);
        self.stack_top.store(stacks.top(), Ordering::Relaxed);
        self.emergency_top
            .store(stacks.emergency_top(), Ordering::Relaxed);
        self.no_process.store(no_process, Ordering::Relaxed);
    }

    /// Makes it this CPU's.
    ///
    /// # Safety
    /// Called once on the CPU that it was prepared for, with the MMU on, before anything there asks for
    /// [`PerCpu::current`].
    pub(crate) unsafe fn install(&'static self) {
        TPIDR_EL1.set((&raw const *self).expose_provenance() as u64);
    }

    /// The CPU that runs this code. It stays so: the kernel moves no code between CPUs.
    #[inline]
    pub fn current() -> &'static Self {
        let this = core::ptr::with_exposed_provenance::<Self>(TPIDR_EL1.get() as usize);
        // SAFETY: Boot stored the address of an element of `CPUS` there before it called any code
        // that could come here, and nothing else writes TPIDR_EL1. All fields can be shared.
        unsafe { &*this }
    }

    /// All CPUs that run the kernel.
    pub fn all() -> impl Iterator<Item = &'static Self> + Clone {
        CPUS.iter().take(Self::count())
    }

    /// How many these are.
    #[inline]
    pub fn count() -> usize {
        COUNT.load(Ordering::Acquire)
    }

    /// The next one that could run it.
    pub(crate) fn next() -> Option<&'static Self> {
        CPUS.get(COUNT.load(Ordering::Relaxed))
    }

    /// The next one runs it. Boot alone counts.
    pub(crate) fn count_next() {
        COUNT.fetch_add(1, Ordering::Release);
    }

    /// Its number.
    #[inline]
    pub fn id(&self) -> CpuId {
        self.id
    }

    /// The affinity fields of its MPIDR_EL1, as device trees and firmware name it.
    pub fn mpidr(&self) -> u64 {
        self.mpidr.load(Ordering::Relaxed)
    }

    pub(crate) fn no_process(&self) -> u64 {
        self.no_process.load(Ordering::Relaxed)
    }

    /// Where its stacks are, if it ever got any.
    pub(crate) fn stacks(&self) -> Option<StackPlace> {
        match self.stacks.load(Ordering::Relaxed) {
            0 => None,
            place => Some(StackPlace(place)),
        }
    }
}
