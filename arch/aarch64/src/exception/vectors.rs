//! The vectors as Rust sees them: what calls the image, and how a thread is resumed.

use crate::cpu::PerCpu;
use crate::exception::kernel::{self, Frame, Origin};
use crate::exception::syndrome::{Cause, ESR_TRAP};
use crate::sync::Turn;
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ESR_EL1, FAR_EL1, VBAR_EL1};
use abi::Operation;
use core::arch::global_asm;
use core::mem::offset_of;
use kcore::Registers;
use tock_registers::interfaces::{Readable, Writeable};

/// Which of a vector table's four entries was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Kind {
    /// Caused by the instruction it was taken at: [`cause`] says more.
    Synchronous = 0,
    /// An interrupt.
    Irq = 1,
    /// A fast interrupt. No interrupt controller is set up to raise one.
    Fiq = 2,
    /// A system error: reported by the memory system later than the access that caused it.
    SError = 3,
}

/// How a trap ends that was served while most registers of its thread were still in the CPU.
#[repr(C)] // returned in x0 and x1
pub struct TrapEnd {
    /// Whose registers are resumed, or null, and the bit [`NOT_AT_ONCE`].
    next: *mut Registers,
    /// What the vectors give back when the registers of the thread that trapped are in memory: a turn that was
    /// [kept](crate::sync::Sharing::keep), if another thread is resumed.
    turn: *const Turn,
}

/// Number of the bit that says that another thread is resumed, and has not waited in a trap; or, with null, that it takes more to
/// find out who is. No registers are at such an address.
const NOT_AT_ONCE: u32 = 0;

const _: () = assert!(align_of::<Registers>() > 1 << NOT_AT_ONCE);

impl TrapEnd {
    /// The thread that trapped goes on, and everything is given back.
    #[inline(always)] // into what is to be short
    pub const fn goes_on(registers: *mut Registers) -> Self {
        Self {
            next: registers,
            turn: core::ptr::null(),
        }
    }

    /// Another one goes on, who has waited in a trap, or traps in a way that does not ask for that.
    #[inline(always)] // as above
    pub const fn runs(registers: *mut Registers, turn: &Turn) -> Self {
        Self {
            next: registers,
            turn,
        }
    }

    /// Another one goes on, who may have been interrupted anywhere.
    #[inline(always)] // as above
    pub const fn resumes(registers: *mut Registers, turn: &Turn) -> Self {
        Self {
            next: registers.wrapping_byte_add(1 << NOT_AT_ONCE),
            turn,
        }
    }

    /// `kernel_continue` is to say who goes on.
    #[inline(always)] // as above
    pub const fn undecided(turn: &Turn) -> Self {
        Self::resumes(core::ptr::null_mut(), turn)
    }
}

unsafe extern "C" {
    /// The image's side. Called on this CPU's kernel stack, from its top, with interrupts masked:
    ///
    /// `extern "C" fn kernel_trap(kind: Kind, registers: *mut Registers) -> *mut Registers`
    ///
    /// `registers` are those the running thread was resumed with, now with its state in them. What
    /// it returns is resumed and belongs to the vectors until the next call, as for [`resume`].
    #[expect(dead_code, reason = "called by vectors.S")]
    fn kernel_trap(kind: Kind, registers: *mut Registers) -> *mut Registers;

    /// For a trap whose x8 is [`Operation::Call`]. Called like `kernel_trap`, but with the message in x0
    /// to x7, as it came:
    ///
    /// `extern "C" fn kernel_call(x0: u64, ..., x7: u64) -> TrapEnd`
    ///
    /// Of the running thread's `Registers` it may use x0 to x8 alone. If it names no thread, `kernel_continue` follows.
    #[expect(dead_code, reason = "called by vectors.S")]
    fn kernel_call();

    /// The same for [`Operation::ReplyReceive`].
    #[expect(dead_code, reason = "called by vectors.S")]
    fn kernel_reply_receive();

    /// The same for [`Operation::Reply`].
    #[expect(dead_code, reason = "called by vectors.S")]
    fn kernel_reply();

    /// The same for [`Operation::Send`].
    #[expect(dead_code, reason = "called by vectors.S")]
    fn kernel_send();

    /// The same for [`Operation::Receive`], of which x0 is all.
    #[expect(dead_code, reason = "called by vectors.S")]
    fn kernel_receive();

    /// The same for [`Operation::Yield`]. What it returns may have been interrupted anywhere.
    #[expect(dead_code, reason = "called by vectors.S")]
    fn kernel_yield();

    /// The same for [`Operation::Signal`], of which x0 and x1 are all.
    #[expect(dead_code, reason = "called by vectors.S")]
    fn kernel_signal();

    /// Called when `kernel_call` named no thread, with all registers saved and the turn still kept:
    ///
    /// `extern "C" fn kernel_continue() -> *mut Registers`
    #[expect(dead_code, reason = "called by vectors.S")]
    fn kernel_continue() -> *mut Registers;

    static exception_vectors: u8;
    static exception_vectors_plain: u8;

    fn exception_return(registers: *mut Registers) -> !;
}

/// Exceptions of exceptions that are still handled: a fault in the report of a fault, and a
/// semihosting call in that.
const DEPTH_LIMIT: u64 = 3;

global_asm!(
    include_str!("vectors.S"),
    ESR_TRAP = const ESR_TRAP,
    NOT_AT_ONCE = const NOT_AT_ONCE,
    YIELD = const Operation::Yield as u64,
    REPLY = const Operation::Reply as u64,
    REPLY_RECEIVE = const Operation::ReplyReceive as u64,
    SEND = const Operation::Send as u64,
    SIGNAL = const Operation::Signal as u64,
    RECEIVE = const Operation::Receive as u64,
    SYNCHRONOUS = const Kind::Synchronous as u64,
    IRQ = const Kind::Irq as u64,
    FIQ = const Kind::Fiq as u64,
    SERROR = const Kind::SError as u64,
    ORIGIN_SP0 = const Origin::StackPointerZero as u64,
    ORIGIN_KERNEL = const Origin::Kernel as u64,
    ORIGIN_AARCH32 = const Origin::AArch32 as u64,
    X = const offset_of!(Registers, x),
    SP = const offset_of!(Registers, sp),
    PC = const offset_of!(Registers, pc),
    TPIDR = const offset_of!(Registers, tpidr),
    STACK_TOP = const offset_of!(PerCpu, stack_top),
    EMERGENCY_TOP = const offset_of!(PerCpu, emergency_top),
    EMERGENCY_DEPTH = const offset_of!(PerCpu, emergency_depth),
    SPARE = const offset_of!(PerCpu, spare),
    DEPTH_LIMIT = const DEPTH_LIMIT,
    FRAME_X = const offset_of!(Frame, x),
    FRAME_SP = const offset_of!(Frame, sp),
    FRAME_SIZE = const size_of::<Frame>(),
    from_el1 = sym kernel::from_el1,
);

// Pairs that vectors.S stores with one instruction, and the alignment of SP.
const _: () = {
    assert!(offset_of!(Registers, pstate) == offset_of!(Registers, pc) + 8);
    assert!(offset_of!(Registers, tpidrro) == offset_of!(Registers, tpidr) + 8);
    assert!(offset_of!(Registers, x) == 0);
    assert!(offset_of!(Registers, sp) == offset_of!(Registers, x) + 8 * 31);
    assert!(align_of::<Registers>() == 16);
    assert!(size_of::<Frame>().is_multiple_of(16));
    assert!(offset_of!(Frame, far) == offset_of!(Frame, sp) + 32);
};

/// What `cbz` in vectors.S takes for granted.
const _: () = assert!(Operation::Call as u64 == 0);

/// From here on exceptions are handled.
pub(crate) fn install() {
    VBAR_EL1.set((&raw const exception_vectors).addr() as u64);
    barrier::isb(barrier::SY);
}

/// From here on each exception has all registers saved first, traps as well.
pub fn take_no_shortcuts() {
    VBAR_EL1.set((&raw const exception_vectors_plain).addr() as u64);
    barrier::isb(barrier::SY);
}

/// Why the last synchronous exception was taken. To be asked before anything can raise another.
pub fn cause() -> Cause {
    Cause::decode(ESR_EL1.get(), FAR_EL1.get())
}

/// Runs the thread with these registers, and leaves the kernel stack behind.
///
/// # Safety
/// 1. `registers` points to the registers of a thread and stays valid until the vectors hand it
///    back to `kernel_trap`; nobody else uses it meanwhile.
/// 2. Its `pstate` says EL0, AArch64 and interrupts on, and nothing on the kernel stack is needed
///    any more.
pub unsafe fn resume(registers: *mut Registers) -> ! {
    // SAFETY: The caller vouches for what `registers` points to.
    unsafe { exception_return(registers) }
}
