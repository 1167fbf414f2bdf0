//! GICv3, as on QEMU's `virt` with more than 8 CPUs and on most larger boards.
//!
//! All interrupts are put into group 1 of the Security state that we are in, and taken through
//! ICC_IAR1_EL1. What that means depends on how much of the controller we see (IHI 0069,
//! "GICD_CTLR, Distributor Control Register"):
//!
//! | seen | IGROUPR, IGRPMODR | enabled by |
//! | --- | --- | --- |
//! | the only Security state | ours; 1, 0 is group 1 | bit 1 |
//! | the non-secure one of two | ignore writes; firmware gave us what we see | bit 1 |
//! | the secure one of two | ours; 0, 1 is secure group 1 | bit 2 |

use crate::cpu::features;
use crate::gic::redistributor::{self, Affinity, GICR_CTLR, GICR_WAKER, Redistributor};
use crate::gic::{ALERT, GicError, InterruptController, Intid, Taken, Target, cpu_interface};
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::MPIDR_EL1;
use core::ptr::NonNull;
use kcore::{CpuId, MAX_CPUS};
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! {u32,
    GICD_CTLR [
        /// Group 0, or what is group 1 here before affinity routing is on.
        ENABLE_OTHER OFFSET(0) NUMBITS(1) [],
        ENABLE_GROUP_1 OFFSET(1) NUMBITS(1) [],
        /// In the secure view alone.
        ENABLE_SECURE_GROUP_1 OFFSET(2) NUMBITS(1) [],
        /// Affinity routing: interrupts go to a CPU by its MPIDR.
        ARE OFFSET(4) NUMBITS(1) [],
        /// There is one Security state only.
        DS OFFSET(6) NUMBITS(1) [],
        /// A write here, or disabling an interrupt, has not taken effect yet.
        RWP OFFSET(31) NUMBITS(1) []
    ],
    GICD_TYPER [
        /// There are 32 * (this + 1) interrupts.
        IT_LINES OFFSET(0) NUMBITS(5) []
    ]
}

register_structs! {
    /// IHI 0069, "The GIC Distributor register map". Set and clear registers have one bit an
    /// interrupt, ICFGR two, priorities one byte, routes 64 bits. What belongs to private interrupts is
    /// in the redistributors instead.
    #[allow(non_snake_case)]
    Distributor {
        (0x0000 => CTLR: ReadWrite<u32, GICD_CTLR::Register>),
        (0x0004 => TYPER: ReadOnly<u32, GICD_TYPER::Register>),
        (0x0008 => _reserved_0),
        (0x0080 => IGROUPR: [ReadWrite<u32>; 32]),
        (0x0100 => ISENABLER: [ReadWrite<u32>; 32]),
        (0x0180 => ICENABLER: [ReadWrite<u32>; 32]),
        (0x0200 => _reserved_1),
        (0x0280 => ICPENDR: [ReadWrite<u32>; 32]),
        (0x0300 => _reserved_2),
        (0x0380 => ICACTIVER: [ReadWrite<u32>; 32]),
        (0x0400 => IPRIORITYR: [ReadWrite<u8>; 1024]),
        (0x0800 => _reserved_3),
        (0x0c00 => ICFGR: [ReadWrite<u32>; 64]),
        (0x0d00 => IGRPMODR: [ReadWrite<u32>; 32]),
        (0x0d80 => _reserved_4),
        (0x6000 => IROUTER: [ReadWrite<u64>; 1024]),
        (0x8000 => @END),
    }
}

/// The distributor, and the redistributors of the CPUs that have joined.
pub struct GicV3 {
    distributor: &'static Distributor,
    /// The region of redistributors, and its length in bytes.
    region: NonNull<u8>,
    bytes: usize,
    group: Group,
    joined: [Option<(Affinity, &'static Redistributor)>; MAX_CPUS],
}

// SAFETY: Register blocks can be used from any CPU.
unsafe impl Send for GicV3 {}

/// Group 1 of the Security state that we are in.
#[derive(Clone, Copy)]
enum Group {
    /// The only state, or the non-secure one.
    One,
    /// The secure state of two.
    SecureOne,
}

impl Group {
    /// What puts 32 interrupts into the group: IGROUPR and IGRPMODR (IHI 0069, "Interrupt grouping").
    const fn words(self) -> (u32, u32) {
        match self {
            Self::One => (u32::MAX, 0),
            Self::SecureOne => (0, u32::MAX),
        }
    }
}

/// In the upper half, which is where the non-secure view has all of its priorities.
const PRIORITY: u8 = 0xa0;
/// How often a register is read before we give up. A read of a device takes some 100 ns.
const PATIENCE: u32 = 10_000_000;

impl GicV3 {
    /// The length of GICD, as far as it is used here.
    pub const DISTRIBUTOR_BYTES: u64 = size_of::<Distributor>() as u64;

    /// Takes the controller over from firmware: every shared interrupt disabled, not pending, not active. No CPU
    /// has joined.
    ///
    /// # Errors
    /// If this CPU has no way to it, or it does not answer.
    ///
    /// # Safety
    /// The pointers are to GICD, and to the `bytes` bytes of a region of GICRs, of a GICv3, mapped as
    /// Device memory for ever and used by nobody else.
    pub unsafe fn new(
        distributor: NonNull<u8>,
        redistributors: NonNull<u8>,
        bytes: u64,
    ) -> Result<Self, GicError> {
        // SAFETY: The caller vouches for the register block.
        let distributor: &'static Distributor = unsafe { distributor.cast().as_ref() };
        let mut gic = Self {
            distributor,
            region: redistributors,
            bytes: bytes as usize,
            group: Group::One,
            joined: [None; MAX_CPUS],
        };
        let (_, own) = gic.find()?;
        gic.silence()?;
        gic.group = gic.find_group(own);
        gic.reset_shared(gic.group)?;
        gic.let_through(gic.group)?;
        Ok(gic)
    }

    /// The redistributor of the CPU that runs this.
    fn find(&self) -> Result<(Affinity, &'static Redistributor), GicError> {
        if !features::has_gic_system_registers() {
            return Err(GicError::NoCpuInterface);
        }
        let affinity = Affinity::from_mpidr(MPIDR_EL1.get());
        // SAFETY: The caller of `new` vouched for the region.
        let found = unsafe { redistributor::find(self.region, self.bytes, affinity) };
        let redistributor = found.ok_or(GicError::NoRedistributor)?;
        Ok((affinity, redistributor))
    }

    /// That of a CPU that has joined and runs this.
    ///
    /// # Panics
    /// If it has not: then it takes no interrupts either.
    fn own(&self) -> &'static Redistributor {
        let affinity = Affinity::from_mpidr(MPIDR_EL1.get());
        let mut joined = self.joined.iter().flatten();
        match joined.find(|(of, _)| *of == affinity) {
            Some((_, redistributor)) => redistributor,
            None => panic!("a CPU that has not joined uses the interrupt controller"),
        }
    }

    /// No interrupt passes the distributor, so that affinity routing may be turned on: with a group
    /// enabled that is unpredictable (IHI 0069, "GICD_CTLR").
    fn silence(&self) -> Result<(), GicError> {
        self.distributor.CTLR.modify(
            GICD_CTLR::ENABLE_OTHER::CLEAR
                + GICD_CTLR::ENABLE_GROUP_1::CLEAR
                + GICD_CTLR::ENABLE_SECURE_GROUP_1::CLEAR,
        );
        self.settle_distributor()?;
        self.distributor.CTLR.modify(GICD_CTLR::ARE::SET);
        self.settle_distributor()
    }

    /// The redistributor talks to this CPU (IHI 0069, "GICR_WAKER, Redistributor Wake Register").
    /// Where that is the secure world's business, the register reads as awake.
    fn wake(redistributor: &Redistributor) -> Result<(), GicError> {
        let waker = &redistributor.WAKER;
        waker.modify(GICR_WAKER::PROCESSOR_SLEEP::CLEAR);
        settle(|| waker.is_set(GICR_WAKER::CHILDREN_ASLEEP))
    }

    /// IGRPMODR exists in the secure view of two Security states only.
    fn find_group(&self, redistributor: &Redistributor) -> Group {
        if self.distributor.CTLR.is_set(GICD_CTLR::DS) {
            return Group::One;
        }
        redistributor.IGRPMODR0.set(u32::MAX);
        if redistributor.IGRPMODR0.get() == 0 {
            Group::One
        } else {
            Group::SecureOne
        }
    }

    fn reset_private(&self, registers: &Redistributor) -> Result<(), GicError> {
        registers.ICENABLER0.set(u32::MAX);
        // Message-signalled interrupts have numbers that nobody here knows how to end.
        registers.CTLR.modify(GICR_CTLR::ENABLE_LPIS::CLEAR);
        settle_redistributor(registers)?;
        let (group, modifier) = self.group.words();
        registers.IGROUPR0.set(group);
        registers.IGRPMODR0.set(modifier);
        registers.ICPENDR0.set(u32::MAX);
        registers.ICACTIVER0.set(u32::MAX);
        for priority in &registers.IPRIORITYR {
            priority.set(PRIORITY);
        }
        Ok(())
    }

    fn reset_shared(&self, group: Group) -> Result<(), GicError> {
        let registers = self.distributor;
        let words = registers.TYPER.read(GICD_TYPER::IT_LINES) as usize + 1;
        for disabled in &registers.ICENABLER[1..words] {
            disabled.set(u32::MAX);
        }
        self.settle_distributor()?;
        let (group, modifier) = group.words();
        for word in 1..words {
            registers.IGROUPR[word].set(group);
            registers.IGRPMODR[word].set(modifier);
            registers.ICPENDR[word].set(u32::MAX);
            registers.ICACTIVER[word].set(u32::MAX);
        }
        for interrupt in 32..(words * 32).min(1020) {
            registers.IPRIORITYR[interrupt].set(PRIORITY);
        }
        // Every device that we drive holds its line until it was served.
        for level_sensitive in &registers.ICFGR[2..words * 2] {
            level_sensitive.set(0);
        }
        Ok(())
    }

    pub(crate) fn interface(&self) -> Interface {
        Interface(self.distributor)
    }

    fn let_through(&self, group: Group) -> Result<(), GicError> {
        self.distributor.CTLR.modify(match group {
            Group::One => GICD_CTLR::ENABLE_GROUP_1::SET,
            Group::SecureOne => GICD_CTLR::ENABLE_SECURE_GROUP_1::SET,
        });
        self.settle_distributor()
    }

    fn settle_distributor(&self) -> Result<(), GicError> {
        settle(|| self.distributor.CTLR.is_set(GICD_CTLR::RWP))
    }
}

fn settle_redistributor(redistributor: &Redistributor) -> Result<(), GicError> {
    settle(|| redistributor.CTLR.is_set(GICR_CTLR::RWP))
}

/// Waits until the controller is not `busy` any more.
fn settle(busy: impl Fn() -> bool) -> Result<(), GicError> {
    for _ in 0..PATIENCE {
        if !busy() {
            return Ok(());
        }
        core::hint::spin_loop();
    }
    Err(GicError::Stuck)
}

/// See [`super::Interface`]. To take and to end interrupts there are system registers.
#[derive(Clone, Copy)]
pub struct Interface(&'static Distributor);

// SAFETY: Of the distributor it writes nothing but bits that any CPU may set or clear at any time, and reads whether that was done.
unsafe impl Send for Interface {}
// SAFETY: As above.
unsafe impl Sync for Interface {}

impl Interface {
    pub(crate) fn acknowledge() -> Option<Taken> {
        let raw = cpu_interface::acknowledge();
        // Nothing the interrupt is about is read before it was acknowledged (IHI 0069, "Observability of
        // the effects of accesses to the GIC registers").
        barrier::dsb(barrier::SY);
        // The special numbers, 1020 to 1023, say that there is nothing to take, and are not ended
        // (IHI 0069, "Special INTIDs").
        let intid = Intid::new(raw)?;
        Some(Taken { intid, raw })
    }

    pub(crate) fn mask(self, intid: Intid) {
        self.0.ICENABLER[intid.index() / 32].set(1 << (intid.get() % 32));
        // As long as any write waits, whoever's it is.
        let settled = settle(|| self.0.CTLR.is_set(GICD_CTLR::RWP));
        assert!(
            settled.is_ok(),
            "the interrupt controller does not disable {intid:?}"
        );
    }

    pub(crate) fn unmask(self, intid: Intid) {
        self.0.ISENABLER[intid.index() / 32].set(1 << (intid.get() % 32));
    }

    pub(crate) fn end(taken: Taken) {
        // Whatever silenced the device has arrived there, or the interrupt would come once more.
        barrier::dsb(barrier::SY);
        cpu_interface::end(taken.raw);
    }
}

impl InterruptController for GicV3 {
    fn join(&mut self, cpu: CpuId) -> Result<(), GicError> {
        let (affinity, redistributor) = self.find()?;
        if !cpu_interface::open() {
            return Err(GicError::NoSystemRegisters);
        }
        Self::wake(redistributor)?;
        self.reset_private(redistributor)?;
        cpu_interface::listen();
        self.joined[cpu.index()] = Some((affinity, redistributor));
        self.enable(ALERT);
        Ok(())
    }

    fn target(&self, cpu: CpuId) -> Option<Target> {
        let (affinity, _) = self.joined[cpu.index()]?;
        Target::from_raw(affinity.target())
    }

    /// Shared ones come to the first CPU.
    fn enable(&mut self, intid: Intid) {
        let bit = 1 << (intid.get() % 32);
        if intid.is_private() {
            self.own().ISENABLER0.set(bit);
        } else if let Some((affinity, _)) = self.joined[CpuId::BOOT.index()] {
            self.distributor.IROUTER[intid.index()].set(affinity.route());
            self.distributor.ISENABLER[intid.index() / 32].set(bit);
        }
    }
}
