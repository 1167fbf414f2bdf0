//! GICv2, as on QEMU's `virt` and, under the name GIC-400, on the Raspberry Pi 4.
//!
//! One sequence serves both views of a GIC with Security Extensions. Where they are absent, or we
//! are the secure side, writing IGROUPR = 0 puts every interrupt into group 0; seen from the
//! non-secure side those registers ignore writes and everything that exists is in group 1. In both
//! cases bit 0 of GICD_CTLR and GICC_CTLR enables *our* group, and GICC_IAR and GICC_EOIR are its
//! registers. (Setting bit 1 as well is what goes wrong elsewhere: the non-secure view ignores it.)

use crate::gic::{InterruptController, Intid, Taken};
use aarch64_cpu::asm::barrier;
use core::ptr::NonNull;
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
    /// Bytes of ITARGETSR that name this CPU.
    target: u8,
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

    /// Takes the controller over from firmware: every interrupt disabled, not pending, not active,
    /// aimed at this CPU, and this CPU listening.
    ///
    /// # Safety
    /// The pointers are to GICD and GICC of a GICv2, mapped as Device memory for ever and used by
    /// nobody else.
    pub unsafe fn new(distributor: NonNull<u8>, cpu_interface: NonNull<u8>) -> Self {
        // SAFETY: The caller vouches for the register block.
        let distributor: &'static Distributor = unsafe { distributor.cast().as_ref() };
        // SAFETY: As above.
        let cpu_interface: &'static CpuInterface = unsafe { cpu_interface.cast().as_ref() };
        let mut gic = Self {
            distributor,
            cpu_interface,
            target: 0,
        };
        gic.reset_distributor();
        gic.listen();
        gic
    }

    fn reset_distributor(&mut self) {
        let registers = self.distributor;
        registers.CTLR.write(GICD_CTLR::ENABLE::CLEAR);
        let words = registers.TYPER.read(GICD_TYPER::IT_LINES) as usize + 1;
        for word in 0..words {
            registers.IGROUPR[word].set(0);
            registers.ICENABLER[word].set(u32::MAX);
            registers.ICPENDR[word].set(u32::MAX);
            registers.ICACTIVER[word].set(u32::MAX);
        }
        // The banked targets of private interrupts read as the CPU that reads them.
        self.target = registers.ITARGETSR[0].get();
        for interrupt in 0..(words * 32).min(1020) {
            registers.IPRIORITYR[interrupt].set(PRIORITY);
        }
        registers.CTLR.write(GICD_CTLR::ENABLE::SET);
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

impl InterruptController for GicV2 {
    fn enable(&mut self, intid: Intid) {
        if !intid.is_private() {
            self.distributor.ITARGETSR[intid.index()].set(self.target);
        }
        self.distributor.ISENABLER[intid.index() / 32].set(1 << (intid.get() % 32));
    }

    fn disable(&mut self, intid: Intid) {
        self.distributor.ICENABLER[intid.index() / 32].set(1 << (intid.get() % 32));
        // The distributor knows before the caller does anything that relies on it.
        barrier::dsb(barrier::SY);
    }

    fn acknowledge(&mut self) -> Option<Taken> {
        let raw = self.cpu_interface.IAR.extract();
        // Nothing the interrupt is about is read before it was acknowledged.
        barrier::dsb(barrier::SY);
        let intid = Intid::new(raw.read(GICC_IAR::INTERRUPT_ID))?;
        Some(Taken {
            intid,
            raw: raw.get(),
        })
    }

    fn end(&mut self, taken: Taken) {
        // Whatever silenced the device has arrived there, or the interrupt would come once more.
        barrier::dsb(barrier::SY);
        self.cpu_interface.EOIR.set(taken.raw);
    }
}
