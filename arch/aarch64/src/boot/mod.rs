//! From firmware to Rust: where the kernel begins (`_start` in `entry.S`), and what it is handed.
//!
//! 1. `entry.S` drops to EL1 and clears BSS,
//! 2. `early.rs` builds the first tables with the MMU off,
//! 3. `entry.S` turns the MMU on and jumps to the high addresses, to `start_rust` here, which gives
//!    up the identity map, sets this CPU up and calls the image's `kernel_main`.
//!
//! The image is linked for one fixed virtual address and mapped there wherever the loader put it.
//! The alternative, a position-independent executable that relocates itself, would need writable
//! constants during the relocation, a second pass after the jump to high addresses, and a table of
//! relocations in the image; what it gains is a random virtual base, which can still be had by
//! relocating once in step 2.

mod device_tree;
pub(crate) mod early;
pub(crate) mod image;

pub use device_tree::{DeviceTree, NoDeviceTree};
pub use early::SpareTables;

use crate::boot::early::{Prepared, TableFrame};
use crate::cpu::stack::{self, BOOT_STACK_TOP, StackPlace};
use crate::cpu::start::{self, Start};
use crate::cpu::{self, PerCpu, control, per_cpu};
use crate::exception::system_error;
use crate::mmu::{KernelMap, enter_nobody, tlb};
use aarch64_cpu::registers::{CNTHCTL_EL2, HCR_EL2, SPSR_EL2};
use addr::{FrameRange, PhysAddr, VirtAddr};
use core::arch::global_asm;
use core::mem::offset_of;
use vmsa::asid::Asid;

/// What the kernel starts with.
pub struct Handover {
    /// What x0 held: where the device tree is in physical memory.
    pub device_tree_at: PhysAddr,
    /// The frames that it touches, if it is one.
    pub device_tree_frames: Option<FrameRange>,
    /// The exception level that the loader entered the kernel at.
    pub entered_at: EntryLevel,
    /// The syndrome of the SError that was pending when the kernel was entered.
    pub left_error: Option<u64>,
    /// The kernel's own map, to be extended.
    pub map: KernelMap,
    /// For tables of that map, before it is known where RAM is.
    pub spare: SpareTables,
    /// Where the image is in physical memory.
    image_at: PhysAddr,
}

/// The exception level that a loader leaves a kernel at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryLevel {
    /// EL1: firmware or an emulator has prepared everything.
    One,
    /// EL2, which the kernel has left.
    Two,
    /// EL3, so that the kernel runs in the secure state.
    Three,
}

unsafe extern "Rust" {
    /// The image's entry: called once, on the boot CPU's stack, at EL1, with interrupts masked,
    /// with the MMU and caches on. The device tree is the one that x0 pointed to.
    safe fn kernel_main(handover: Handover, device_tree: Result<DeviceTree, NoDeviceTree>) -> !;

    /// Where every other CPU begins that [`cpu::start`] has started: in the same state, on its own stack.
    safe fn kernel_secondary() -> !;
}

/// Little-endian, 4 KiB granule, anywhere in memory (Linux, "Booting AArch64 Linux", `flags`).
const IMAGE_FLAGS: u64 = 0xa;
/// EL1 with SP_EL1, all interrupts masked.
const SPSR_EL1H_MASKED: u64 = {
    let masked = SPSR_EL2::D::Masked.value | SPSR_EL2::A::Masked.value | SPSR_EL2::I::Masked.value;
    masked | SPSR_EL2::F::Masked.value | SPSR_EL2::M::EL1h.value
};
/// What taking an exception to EL1 makes of PSTATE: as above, with PAN where the CPU has it.
const SPSR_EXCEPTION: u64 = SPSR_EL1H_MASKED | 1 << 22;
/// ESR_EL1 of an undefined instruction: class 0, IL.
const ESR_UNKNOWN: u64 = 1 << 25;
/// RES1 bits only: no code of EL2's needs translation or caches.
const SCTLR_EL2: u64 = 0x30c5_0830;
/// EL1 is AArch64. Pointer authentication, where there is any, is EL1's own affair.
const HCR: u64 = HCR_EL2::RW::EL1IsAarch64.value
    | HCR_EL2::API::DisableTrapPointerAuthInstToEl2.value
    | HCR_EL2::APK::DisableTrapPointerAuthKeyRegsToEl2.value;
/// RES1 bits and traps of SVE and SME, which CPACR_EL1 traps to EL1 before.
const CPTR_EL2: u64 = 0x33ff;
/// SRE and Enable of ICC_SRE_EL2 and ICC_SRE_EL3.
const ICC_SRE_ENABLE: u64 = 0b1001;
/// RES1 bits. RW: EL1 is AArch64. SMD: no SMC, since nobody would answer. APK and API: no traps of
/// pointer authentication. NS stays 0.
const SCR_EL3: u64 = 0b11 << 4 | 1 << 10 | 1 << 7 | 1 << 17 | 1 << 16;

global_asm!(
    include_str!("entry.S"),
    IMAGE_FLAGS = const IMAGE_FLAGS,
    SPSR_EL1H_MASKED = const SPSR_EL1H_MASKED,
    SPSR_EXCEPTION = const SPSR_EXCEPTION,
    ESR_UNKNOWN = const ESR_UNKNOWN,
    SCTLR_EL1_MMU_OFF = const control::SCTLR_MMU_OFF,
    SCTLR_EL1 = const control::SCTLR,
    SCTLR_EL2 = const SCTLR_EL2,
    HCR_EL2 = const HCR,
    CNTHCTL_EL2 = const CNTHCTL_EL2::EL1PCEN::SET.value | CNTHCTL_EL2::EL1PCTEN::SET.value,
    CPTR_EL2 = const CPTR_EL2,
    SCR_EL3 = const SCR_EL3,
    ICC_SRE_ENABLE = const ICC_SRE_ENABLE,
    BOOT_STACKS = sym stack::BOOT_STACKS,
    BOOT_STACK_TOP = const BOOT_STACK_TOP,
    STACK_TOP = const StackPlace::BOOT.top(),
    START = sym start::START,
    START_WHO = const offset_of!(Start, who),
    START_MAIR = const offset_of!(Start, mair),
    START_TTBR0 = const offset_of!(Start, ttbr0),
    START_STACK = const offset_of!(Start, stack_top),
    AFFINITY = const per_cpu::AFFINITY,
    WANTED = const start::WANTED,
    ARRIVED = const start::ARRIVED,
    prepare_translation = sym early::prepare_translation,
    start_rust = sym start_rust,
    start_secondary = sym start_secondary,
);

/// Stays in TTBR0 while no process runs, so that user addresses translate to nothing.
static NO_PROCESS: TableFrame = TableFrame::empty();

/// The first code at high addresses. `current_el` is what CurrentEL held at entry, `image_at` and
/// `device_tree` are physical.
extern "C" fn start_rust(device_tree: u64, current_el: u64, image_at: u64) -> ! {
    // SAFETY: entry.S called `prepare_translation` before it came here.
    let prepared = unsafe { Prepared::get() };
    let device_tree_at = PhysAddr::new(device_tree);
    // SAFETY: `early` has mapped it, and this is the one place that takes it from there.
    let device_tree = prepared
        .device_tree
        .map(|found| unsafe { DeviceTree::mapped(device_tree_at, found) });
    let mut handover = Handover {
        device_tree_at,
        device_tree_frames: prepared.device_tree.ok().map(|found| found.frames),
        entered_at: entry_level(current_el),
        left_error: None,
        map: KernelMap::new(prepared.kernel),
        spare: prepared.spare,
        image_at: PhysAddr::new(image_at),
    };
    leave_identity_map(&handover);
    // SAFETY: This is the boot CPU's first code with the MMU on, and it does not come here again.
    unsafe { PerCpu::install_boot_cpu(handover.no_process()) };
    cpu::initialise();
    handover.left_error = system_error::take_pending();
    kernel_main(handover, device_tree)
}

/// The first code at high addresses of every other CPU.
extern "C" fn start_secondary(this: &'static PerCpu) -> ! {
    enter_nobody(this.no_process());
    tlb::invalidate_this_cpu();
    // SAFETY: This is that CPU's first code with the MMU on, and `entry.S` found the place for it.
    unsafe { this.install() };
    cpu::initialise();
    // Nobody shall answer for one that firmware left; of the first CPU's alone there is something to tell.
    let _left: Option<u64> = system_error::take_pending();
    kernel_secondary()
}

/// CurrentEL.EL is in bits 3 and 2.
fn entry_level(current_el: u64) -> EntryLevel {
    match current_el >> 2 {
        3 => EntryLevel::Three,
        2 => EntryLevel::Two,
        _ => EntryLevel::One,
    }
}

/// From here on a stray user address faults.
fn leave_identity_map(handover: &Handover) {
    enter_nobody(handover.no_process());
    tlb::invalidate_this_cpu();
}

impl Handover {
    /// TTBR0_EL1 while no process runs.
    pub(crate) fn no_process(&self) -> u64 {
        let table = self.physical(VirtAddr::new((&raw const NO_PROCESS).addr() as u64));
        vmsa::control::ttbr0_el1(table.frame(), Asid::NO_PROCESS)
    }
}
