//! GICv2, as on QEMU's `virt` and, under the name GIC-400, on the Raspberry Pi 4.
//!
//! One sequence serves both views of a GIC with Security Extensions. Where they are absent, or we
//! are the secure side, writing IGROUPR = 0 puts every interrupt into group 0; seen from the
//! non-secure side those registers ignore writes and everything that exists is in group 1. In both
//! cases bit 0 of GICD_CTLR and GICC_CTLR enables *our* group, and GICC_IAR and GICC_EOIR are its
//! registers. (Setting bit 1 as well is what goes wrong elsewhere: the non-secure view ignores it.)

#[cfg(target_os = "none")]
use crate::gic::Taken;
use crate::gic::{ALERT, GicError, InterruptController, Intid, Target};
#[cfg(target_os = "none")]
use aarch64_cpu::asm::barrier;
use core::ops::Range;
use core::ptr::NonNull;
use kcore::{CpuId, MAX_CPUS};
#[cfg(target_os = "none")]
use tock_registers::fields::FieldValue;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! {u32,
    GICD_CTLR [
        ENABLE OFFSET(0) NUMBITS(1) []
    ],
    GICD_TYPER [
        /// There are 32 * (this + 1) interrupts.
        IT_LINES OFFSET(0) NUMBITS(5) []
    ],
    /// Group 0 in the secure view, any in the other, as bit 15 is 0.
    GICD_SGIR [
        INTERRUPT_ID OFFSET(0) NUMBITS(4) [],
        TARGETS OFFSET(16) NUMBITS(8) [],
        FILTER OFFSET(24) NUMBITS(2) [
            Targets = 0,
            AllOthers = 1
        ]
    ],
    GICC_CTLR [
        ENABLE OFFSET(0) NUMBITS(1) []
    ],
    GICC_IAR [
        INTERRUPT_ID OFFSET(0) NUMBITS(10) []
    ]
}

register_structs! {
    /// IHI 0048, "Distributor register map". Set and clear registers have one bit an interrupt,
    /// priorities and targets one byte; both of these may be accessed by bytes.
    #[allow(non_snake_case)]
    Distributor {
        (0x000 => CTLR: ReadWrite<u32, GICD_CTLR::Register>),
        (0x004 => TYPER: ReadOnly<u32, GICD_TYPER::Register>),
        (0x008 => _reserved_0),
        (0x080 => IGROUPR: [ReadWrite<u32>; 32]),
        (0x100 => ISENABLER: [ReadWrite<u32>; 32]),
        (0x180 => ICENABLER: [ReadWrite<u32>; 32]),
        (0x200 => _reserved_1),
        (0x280 => ICPENDR: [ReadWrite<u32>; 32]),
        (0x300 => _reserved_2),
        (0x380 => ICACTIVER: [ReadWrite<u32>; 32]),
        (0x400 => IPRIORITYR: [ReadWrite<u8>; 1024]),
        (0x800 => ITARGETSR: [ReadWrite<u8>; 1024]),
        (0xc00 => _reserved_3),
        (0xf00 => SGIR: WriteOnly<u32, GICD_SGIR::Register>),
        (0xf04 => _reserved_4),
        (0x1000 => @END),
    },
    /// IHI 0048, "CPU interface register map".
    #[allow(non_snake_case)]
    CpuInterface {
        (0x000 => CTLR: ReadWrite<u32, GICC_CTLR::Register>),
        (0x004 => PMR: ReadWrite<u32>),
        (0x008 => _reserved_0),
        (0x00c => IAR: ReadOnly<u32, GICC_IAR::Register>),
        (0x010 => EOIR: WriteOnly<u32>),
        (0x014 => _reserved_1),
        (0x0d0 => APR: [ReadWrite<u32>; 4]),
        (0x0e0 => _reserved_2),
        (0x1000 => @END),
    }
}

/// The distributor and the CPU interfaces, which are one register block for all: each CPU sees its
/// own.
pub struct GicV2 {
    distributor: &'static Distributor,
    cpu_interface: &'static CpuInterface,
    /// Bytes of ITARGETSR that name a CPU that has joined; 0 for others.
    targets: [u8; MAX_CPUS],
}

// SAFETY: Register blocks can be used from any CPU; what is banked is this CPU's by hardware.
unsafe impl Send for GicV2 {}

/// In the upper half, which is where the non-secure view has all of its priorities.
const PRIORITY: u8 = 0xa0;
/// Lets every priority through.
const ALL_PRIORITIES: u32 = 0xff;

impl GicV2 {
    /// Length of the distributor's register block in bytes.
    pub const DISTRIBUTOR_BYTES: u64 = size_of::<Distributor>() as u64;
    /// Length of the part of the CPU interface's register block that is used, in bytes.
    pub const CPU_INTERFACE_BYTES: u64 = size_of::<CpuInterface>() as u64;

    /// Takes the controller over from firmware: every shared interrupt disabled, not pending, not active. No CPU
    /// has joined.
    ///
    /// # Safety
    /// The pointers are to GICD and GICC of a GICv2, mapped as Device memory for ever and used by
    /// nobody else.
    pub unsafe fn new(distributor: NonNull<u8>, cpu_interface: NonNull<u8>) -> Self {
        // SAFETY: The caller vouches for the register block.
        let distributor: &'static Distributor = unsafe { distributor.cast().as_ref() };
        // SAFETY: As above.
        let cpu_interface: &'static CpuInterface = unsafe { cpu_interface.cast().as_ref() };
        let gic = Self {
            distributor,
            cpu_interface,
            targets: [0; MAX_CPUS],
        };
        distributor.CTLR.write(GICD_CTLR::ENABLE::CLEAR);
        let words = distributor.TYPER.read(GICD_TYPER::IT_LINES) as usize + 1;
        gic.reset(1..words);
        distributor.CTLR.write(GICD_CTLR::ENABLE::SET);
        gic
    }

    #[cfg(target_os = "none")]
    pub(crate) fn alerts(&self) -> Alerts {
        Alerts(self.distributor)
    }

    #[cfg(target_os = "none")]
    pub(crate) fn interface(&self) -> Interface {
        Interface {
            distributor: self.distributor,
            own: self.cpu_interface,
        }
    }

    /// The interrupts of these registers, 32 in each. Those of the first are this CPU's own.
    fn reset(&self, words: Range<usize>) {
        let registers = self.distributor;
        for word in words.clone() {
            registers.IGROUPR[word].set(0);
            registers.ICENABLER[word].set(u32::MAX);
            registers.ICPENDR[word].set(u32::MAX);
            registers.ICACTIVER[word].set(u32::MAX);
        }
        for interrupt in words.start * 32..(words.end * 32).min(1020) {
            registers.IPRIORITYR[interrupt].set(PRIORITY);
        }
    }

    fn listen(&mut self) {
        // An interrupt that firmware took and never ended would hold all others back by its priority.
        for priorities in &self.cpu_interface.APR {
            priorities.set(0);
        }
        self.cpu_interface.PMR.set(ALL_PRIORITIES);
        self.cpu_interface.CTLR.write(GICC_CTLR::ENABLE::SET);
    }
}

/// See [`super::Alerts`].
#[cfg(target_os = "none")]
#[derive(Clone, Copy)]
pub struct Alerts(&'static Distributor);

// SAFETY: Of the registers it writes one that any CPU may write at any time.
#[cfg(target_os = "none")]
unsafe impl Send for Alerts {}
// SAFETY: As above.
#[cfg(target_os = "none")]
unsafe impl Sync for Alerts {}

#[cfg(target_os = "none")]
impl Alerts {
    pub(crate) fn alert(self, target: Target) {
        let targets = GICD_SGIR::TARGETS.val(target.raw() as u32);
        self.generate(targets + GICD_SGIR::FILTER::Targets);
    }

    pub(crate) fn alert_all(self) {
        self.generate(GICD_SGIR::FILTER::AllOthers);
    }

    fn generate(self, whom: FieldValue<u32, GICD_SGIR::Register>) {
        // What the other is alerted for is visible before it is.
        barrier::dsb(barrier::ISHST);
        let alert = GICD_SGIR::INTERRUPT_ID.val(ALERT.get());
        self.0.SGIR.write(alert + whom);
    }
}

/// See [`super::Interface`].
#[cfg(target_os = "none")]
#[derive(Clone, Copy)]
pub struct Interface {
    distributor: &'static Distributor,
    /// Each CPU sees its own here.
    own: &'static CpuInterface,
}

// SAFETY: Of the distributor it writes nothing but bits that any CPU may set or clear at any time; the rest is banked.
#[cfg(target_os = "none")]
unsafe impl Send for Interface {}
// SAFETY: As above.
#[cfg(target_os = "none")]
unsafe impl Sync for Interface {}

#[cfg(target_os = "none")]
impl Interface {
    pub(crate) fn acknowledge(self) -> Option<Taken> {
        let raw = self.own.IAR.extract();
        // Nothing the interrupt is about is read before it was acknowledged.
        barrier::dsb(barrier::SY);
        let intid = Intid::new(raw.read(GICC_IAR::INTERRUPT_ID))?;
        Some(Taken {
            intid,
            raw: raw.get(),
        })
    }

    pub(crate) fn mask(self, intid: Intid) {
        self.distributor.ICENABLER[intid.index() / 32].set(1 << (intid.get() % 32));
        // The distributor knows before the caller does anything that relies on it.
        barrier::dsb(barrier::SY);
    }

    pub(crate) fn unmask(self, intid: Intid) {
        self.distributor.ISENABLER[intid.index() / 32].set(1 << (intid.get() % 32));
    }

    pub(crate) fn end(self, taken: Taken) {
        // Whatever silenced the device has arrived there, or the interrupt would come once more.
        barrier::dsb(barrier::SY);
        self.own.EOIR.set(taken.raw);
    }
}

impl InterruptController for GicV2 {
    fn join(&mut self, cpu: CpuId) -> Result<(), GicError> {
        self.reset(0..1);
        // The banked targets of private interrupts read as the CPU that reads them.
        self.targets[cpu.index()] = self.distributor.ITARGETSR[0].get();
        self.listen();
        self.enable(ALERT);
        Ok(())
    }

    fn target(&self, cpu: CpuId) -> Option<Target> {
        Target::from_raw(self.targets[cpu.index()].into())
    }

    /// Shared ones come to the first CPU.
    fn enable(&mut self, intid: Intid) {
        if !intid.is_private() {
            self.distributor.ITARGETSR[intid.index()].set(self.targets[CpuId::BOOT.index()]);
        }
        self.distributor.ISENABLER[intid.index() / 32].set(1 << (intid.get() % 32));
    }
}
