//! What belongs to one CPU, reached through TPIDR_EL1.

use crate::cpu::stack::{BOOT_STACKS, Stacks};
use aarch64_cpu::registers::{MPIDR_EL1, TPIDR_EL1};
use core::sync::atomic::{AtomicU64, Ordering};
use kcore::CpuId;
use tock_registers::interfaces::{Readable, Writeable};
use vmsa::asid::CpuAsid;

/// One CPU's own data. `vectors.S` reads and writes the first fields.
#[repr(C)]
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
    id: CpuId,
    stacks: &'static Stacks,
    /// The ASID in its TTBR0.
    pub(crate) asid: CpuAsid,
}

static CPUS: [PerCpu; 1] = [PerCpu::new(CpuId::BOOT, &BOOT_STACKS)];

/// Aff3, Aff2, Aff1 and Aff0.
const AFFINITY: u64 = 0xff_00ff_ffff;

impl PerCpu {
    const fn new(id: CpuId, stacks: &'static Stacks) -> Self {
        Self {
            stack_top: AtomicU64::new(0),
            emergency_top: AtomicU64::new(0),
            emergency_depth: AtomicU64::new(0),
            spare: AtomicU64::new(0),
            mpidr: AtomicU64::new(0),
            id,
            stacks,
            asid: CpuAsid::new(),
        }
    }

    /// Makes the first of them this CPU's.
    ///
    /// # Safety
    /// Called once, by the boot CPU, with the MMU on, before anything asks for [`PerCpu::current`].
    pub(crate) unsafe fn install_boot_cpu() {
        let [boot_cpu, ..] = &CPUS;
        boot_cpu.stack_top.store(boot_cpu.stacks.top(), Ordering::Relaxed);
        boot_cpu
            .emergency_top
            .store(boot_cpu.stacks.emergency_top(), Ordering::Relaxed);
        boot_cpu
            .mpidr
            .store(MPIDR_EL1.get() & AFFINITY, Ordering::Relaxed);
        TPIDR_EL1.set((&raw const *boot_cpu).expose_provenance() as u64);
    }

    /// The CPU that runs this code. It stays so: the kernel moves no code between CPUs.
    pub fn current() -> &'static Self {
        let this = core::ptr::with_exposed_provenance::<Self>(TPIDR_EL1.get() as usize);
        // SAFETY: Boot stored the address of an element of `CPUS` there before it called any code
        // that could come here, and nothing else writes TPIDR_EL1. All fields can be shared.
        unsafe { &*this }
    }

    /// All CPUs that run the kernel.
    pub fn all() -> impl Iterator<Item = &'static Self> + Clone {
        CPUS.iter()
    }

    /// Its number.
    pub fn id(&self) -> CpuId {
        self.id
    }

    /// The affinity fields of its MPIDR_EL1, as device trees and firmware name it.
    pub fn mpidr(&self) -> u64 {
        self.mpidr.load(Ordering::Relaxed)
    }

    pub(crate) fn stacks(&self) -> &'static Stacks {
        self.stacks
    }
}
