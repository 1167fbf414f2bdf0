//! Exceptions taken from EL1: last words about a bug of the kernel's.

use crate::cpu::PerCpu;
use crate::exception::syndrome::Cause;
use crate::exception::system_error;
use crate::exception::vectors::Kind;
use crate::semihosting;
use core::fmt;

/// Where in the vector table an exception that must not happen came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum Origin {
    /// EL1 using SP_EL0.
    StackPointerZero = 0,
    /// EL1.
    Kernel = 1,
    /// EL0 in AArch32.
    AArch32 = 2,
}

/// The state of the interrupted code, in the order `vectors.S` stores it.
#[repr(C, align(16))]
pub(crate) struct Frame {
    pub x: [u64; 31],
    pub sp: u64,
    pub pc: u64,
    pub pstate: u64,
    pub esr: u64,
    pub far: u64,
}

/// Goes on behind a semihosting call and after an SError that was asked for, and panics about anything
/// else.
///
/// `vector` is origin and kind, as `vectors.S` puts them together.
pub(crate) extern "C" fn from_el1(frame: &mut Frame, vector: u64) {
    const SYNCHRONOUS: u64 = (Origin::Kernel as u64) << 8 | Kind::Synchronous as u64;
    const SERROR: u64 = (Origin::Kernel as u64) << 8 | Kind::SError as u64;
    let cause = Cause::decode(frame.esr, frame.far);
    match vector {
        SYNCHRONOUS if cause == Cause::Undefined && semihosting::is_call(frame.pc) => frame.pc += 4,
        SERROR if system_error::expected(frame) => {}
        _ => panic!("{}", Report { frame, vector, cause }),
    }
}

struct Report<'a> {
    frame: &'a Frame,
    vector: u64,
    cause: Cause,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_what(f)?;
        let Frame {
            pc,
            sp,
            pstate,
            esr,
            far,
            x,
        } = self.frame;
        write!(
            f,
            "\n  pc {pc:#018x}  sp {sp:#018x}  pstate {pstate:#x}  esr {esr:#x}  far {far:#x}"
        )?;
        for (number, value) in x.iter().enumerate() {
            let separator = if number % 4 == 0 { "\n " } else { "" };
            write!(f, "{separator} x{number:<2} {value:#018x}")?;
        }
        Ok(())
    }
}

impl Report<'_> {
    fn write_what(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.vector & 0xff;
        if self.vector >> 8 != Origin::Kernel as u64 {
            return write!(
                f,
                "exception {kind} by way of vectors that are not in use ({})",
                self.cause
            );
        }
        match kind {
            0 => match PerCpu::current()
                .stacks()
                .and_then(|stacks| stacks.overflown(self.frame.far))
            {
                Some(overflow) => f.write_str(overflow),
                None => write!(f, "exception in the kernel: {}", self.cause),
            },
            1 => f.write_str("interrupt in the kernel, which runs with interrupts masked"),
            2 => f.write_str("fast interrupt in the kernel"),
            _ => write!(f, "in the kernel: {}", self.cause),
        }
    }
}
