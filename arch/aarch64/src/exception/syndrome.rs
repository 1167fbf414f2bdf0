//! What an exception was about: ESR_EL1 and FAR_EL1, decoded (Arm ARM, "ESR_EL1, Exception Syndrome
//! Register (EL1)"). Pure, and the same for exceptions from EL0 and from EL1.

use addr::VirtAddr;
use core::fmt;
use tock_registers::{LocalRegisterCopy, register_bitfields};

register_bitfields! {u64,
    ESR [
        /// Exception class.
        EC OFFSET(26) NUMBITS(6) [
            Unknown = 0x00,
            WaitFor = 0x01,
            FpAccess = 0x07,
            PointerAuthentication = 0x09,
            LoadStore64 = 0x0a,
            BranchTarget = 0x0d,
            IllegalState = 0x0e,
            SystemRegister128 = 0x14,
            Svc = 0x15,
            SystemRegister = 0x18,
            Sve = 0x19,
            Transaction = 0x1b,
            PointerAuthenticationFailure = 0x1c,
            Sme = 0x1d,
            InstructionAbortEl0 = 0x20,
            InstructionAbortEl1 = 0x21,
            PcAlignment = 0x22,
            DataAbortEl0 = 0x24,
            DataAbortEl1 = 0x25,
            SpAlignment = 0x26,
            MemoryCopy = 0x27,
            FpException = 0x2c,
            GuardedStack = 0x2d,
            SError = 0x2f,
            BreakpointEl0 = 0x30,
            BreakpointEl1 = 0x31,
            StepEl0 = 0x32,
            StepEl1 = 0x33,
            WatchpointEl0 = 0x34,
            WatchpointEl1 = 0x35,
            Brk = 0x3c
        ],
        /// The instruction was 32 bits long.
        IL OFFSET(25) NUMBITS(1) [],
        /// The immediate of SVC, HVC, BRK.
        IMM16 OFFSET(0) NUMBITS(16) [],
        /// Fault status of an abort.
        FSC OFFSET(0) NUMBITS(6) [],
        /// The access was a store.
        WNR OFFSET(6) NUMBITS(1) [],
        /// The access was cache maintenance.
        CM OFFSET(8) NUMBITS(1) [],
        /// FAR_EL1 does not hold the address.
        FNV OFFSET(10) NUMBITS(1) []
    ]
}

/// ESR_EL1 after `svc #1`, the trap. All other bits are zero.
pub const ESR_TRAP: u64 = ESR::EC::Svc.value | ESR::IL::SET.value | 1;

/// Why an exception was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// `svc` with this immediate.
    Svc(u16),
    /// An access to memory that was refused.
    Fault(Fault),
    /// An FP or SIMD instruction, while CPACR_EL1 does not allow them.
    FpTrapped,
    /// WFI or WFE, or one of these with a time, which programs may not sleep in.
    WaitTrapped,
    /// An FP exception that was asked for in FPCR.
    FpException,
    /// An instruction that does not exist, or not at this exception level.
    Undefined,
    /// `brk` with this immediate.
    Breakpoint(u16),
    /// The stack pointer was used and is not a multiple of 16.
    StackAlignment,
    /// A branch to an address that is not a multiple of 4.
    PcAlignment(VirtAddr),
    /// A branch to a place that is no branch target, or with a pointer that was not authenticated, or
    /// a return to elsewhere than a guarded stack says.
    BranchTarget,
    /// Hardware breakpoint, watchpoint or single step.
    Debug,
    /// An error reported by the memory system later than the access that caused it: ESR_EL1.
    SystemError(u64),
    /// Anything else.
    Other {
        /// ESR_EL1.EC.
        class: u8,
        /// ESR_EL1.
        syndrome: u64,
    },
}

/// An access to memory that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What was tried.
    pub access: Access,
    /// Why it was refused.
    pub kind: FaultKind,
    /// The address; `None` if the hardware does not say.
    pub address: Option<VirtAddr>,
}

/// What was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A load, or cache maintenance, which asks for the right to load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// Why an access was refused (Arm ARM, "Fault status codes" of ISS encodings for aborts).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// There is no translation.
    Translation,
    /// There is one that does not allow the access.
    Permission,
    /// The access flag is not set.
    AccessFlag,
    /// A table or the page has an address with too many bits.
    AddressSize,
    /// The address is not a multiple of what the access needs.
    Alignment,
    /// The memory system answered with an error.
    External,
    /// Two TLB entries match: break-before-make was not obeyed.
    TlbConflict,
    /// Any other status.
    Other(u8),
}

impl Cause {
    /// Decodes ESR_EL1; `address` is FAR_EL1.
    pub fn decode(syndrome: u64, address: u64) -> Self {
        use ESR::EC::Value as Class;
        let esr = LocalRegisterCopy::<u64, ESR::Register>::new(syndrome);
        let address = VirtAddr::new(address);
        match esr.read_as_enum(ESR::EC) {
            Some(Class::Svc) => Self::Svc(immediate(esr)),
            Some(Class::DataAbortEl0 | Class::DataAbortEl1) => Self::Fault(data_abort(esr, address)),
            Some(Class::InstructionAbortEl0 | Class::InstructionAbortEl1) => {
                Self::Fault(fault(esr, Access::Execute, address))
            }
            Some(Class::FpAccess) => Self::FpTrapped,
            Some(Class::WaitFor) => Self::WaitTrapped,
            Some(Class::FpException) => Self::FpException,
            Some(
                Class::Unknown
                | Class::PointerAuthentication
                | Class::LoadStore64
                | Class::IllegalState
                | Class::SystemRegister128
                | Class::SystemRegister
                | Class::Sve
                | Class::Transaction
                | Class::Sme
                | Class::MemoryCopy,
            ) => Self::Undefined,
            Some(Class::Brk) => Self::Breakpoint(immediate(esr)),
            Some(Class::SpAlignment) => Self::StackAlignment,
            Some(Class::PcAlignment) => Self::PcAlignment(address),
            Some(Class::BranchTarget | Class::PointerAuthenticationFailure | Class::GuardedStack) => {
                Self::BranchTarget
            }
            Some(
                Class::BreakpointEl0
                | Class::BreakpointEl1
                | Class::StepEl0
                | Class::StepEl1
                | Class::WatchpointEl0
                | Class::WatchpointEl1,
            ) => Self::Debug,
            Some(Class::SError) => Self::SystemError(syndrome),
            None => Self::Other {
                class: esr.read(ESR::EC) as u8,
                syndrome,
            },
        }
    }
}

fn immediate(esr: LocalRegisterCopy<u64, ESR::Register>) -> u16 {
    esr.read(ESR::IMM16) as u16
}

/// WnR says 1 for cache maintenance, whatever right it asks for.
fn data_abort(esr: LocalRegisterCopy<u64, ESR::Register>, address: VirtAddr) -> Fault {
    let stores = esr.is_set(ESR::WNR) && !esr.is_set(ESR::CM);
    fault(esr, if stores { Access::Write } else { Access::Read }, address)
}

fn fault(esr: LocalRegisterCopy<u64, ESR::Register>, access: Access, address: VirtAddr) -> Fault {
    let kind = fault_kind(esr.read(ESR::FSC) as u8);
    let unknown = kind == FaultKind::External && esr.is_set(ESR::FNV);
    Fault {
        access,
        kind,
        address: (!unknown).then_some(address),
    }
}

/// The two lower bits of the first ranges are the level of the table.
fn fault_kind(status: u8) -> FaultKind {
    match status {
        0b00_0000..=0b00_0011 => FaultKind::AddressSize,
        0b00_0100..=0b00_0111 => FaultKind::Translation,
        0b00_1000..=0b00_1011 => FaultKind::AccessFlag,
        0b00_1100..=0b00_1111 => FaultKind::Permission,
        // On the access itself, on a table walk, and the same found by parity or ECC.
        0b01_0000 | 0b01_0100..=0b01_0111 | 0b01_1000 | 0b01_1100..=0b01_1111 => FaultKind::External,
        0b10_0001 => FaultKind::Alignment,
        0b11_0000 => FaultKind::TlbConflict,
        other => FaultKind::Other(other),
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Svc(number) => write!(f, "svc #{number}"),
            Self::Fault(fault) => fault.fmt(f),
            Self::FpTrapped => f.write_str("FP/SIMD instruction while they are closed"),
            Self::WaitTrapped => f.write_str("wait for an interrupt or event"),
            Self::FpException => f.write_str("FP exception"),
            Self::Undefined => f.write_str("undefined instruction"),
            Self::Breakpoint(number) => write!(f, "brk #{number}"),
            Self::StackAlignment => f.write_str("stack pointer not a multiple of 16"),
            Self::PcAlignment(address) => write!(f, "branch to {address}, not a multiple of 4"),
            Self::BranchTarget => f.write_str("branch to no branch target"),
            Self::Debug => f.write_str("debug exception"),
            Self::SystemError(syndrome) => {
                write!(f, "the memory system reported an error (syndrome {syndrome:#x})")
            }
            Self::Other { class, syndrome } => {
                write!(f, "exception of class {class:#x}, syndrome {syndrome:#x}")
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::Read => "load from",
            Access::Write => "store to",
            Access::Execute => "instruction fetch from",
        };
        match self.address {
            Some(address) => write!(f, "{access} {address}: {}", self.kind),
            None => write!(f, "{access} an unknown address: {}", self.kind),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Translation => "not mapped",
            Self::Permission => "not permitted",
            Self::AccessFlag => "access flag not set",
            Self::AddressSize => "physical address too large",
            Self::Alignment => "not aligned",
            Self::External => "external abort",
            Self::TlbConflict => "conflicting TLB entries",
            Self::Other(status) => return write!(f, "fault status {status:#x}"),
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Access, Cause, ESR_TRAP, Fault, FaultKind};
    use addr::VirtAddr;
    use std::string::ToString;

    const ADDRESS: u64 = 0x1234_5678;

    fn decode(class: u64, iss: u64) -> Cause {
        Cause::decode(class << 26 | 1 << 25 | iss, ADDRESS)
    }

    fn fault(access: Access, kind: FaultKind) -> Cause {
        Cause::Fault(Fault {
            access,
            kind,
            address: Some(VirtAddr::new(ADDRESS)),
        })
    }

    #[test]
    fn the_immediate_of_svc_and_brk_is_kept() {
        assert_eq!(decode(0x15, 1), Cause::Svc(1));
        assert_eq!(decode(0x15, 0xffff), Cause::Svc(0xffff));
        assert_eq!(decode(0x3c, 7), Cause::Breakpoint(7));
    }

    #[test]
    fn what_the_vectors_take_for_the_trap_is_svc_1() {
        assert_eq!(Cause::decode(ESR_TRAP, 0), Cause::Svc(1));
        assert_eq!(ESR_TRAP, 0x15 << 26 | 1 << 25 | 1);
    }

    #[test]
    fn data_aborts_say_whether_they_were_stores() {
        // Translation fault, level 3.
        assert_eq!(decode(0x24, 0x07), fault(Access::Read, FaultKind::Translation));
        assert_eq!(decode(0x24, 0x47), fault(Access::Write, FaultKind::Translation));
        // Permission fault, level 2, as a write to a linked read-only slot gives.
        assert_eq!(decode(0x24, 0x4e), fault(Access::Write, FaultKind::Permission));
    }

    #[test]
    fn cache_maintenance_counts_as_a_load_though_wnr_says_otherwise() {
        assert_eq!(
            decode(0x24, 1 << 8 | 1 << 6 | 0x07),
            fault(Access::Read, FaultKind::Translation)
        );
    }

    #[test]
    fn fetches_are_never_stores() {
        assert_eq!(decode(0x20, 0x0f), fault(Access::Execute, FaultKind::Permission));
        assert_eq!(decode(0x21, 0x04), fault(Access::Execute, FaultKind::Translation));
    }

    #[test]
    fn every_level_of_a_fault_is_the_same_kind() {
        let kinds = [
            FaultKind::AddressSize,
            FaultKind::Translation,
            FaultKind::AccessFlag,
            FaultKind::Permission,
        ];
        for (status, kind) in (0..16).zip(kinds.iter().flat_map(|kind| [kind; 4])) {
            assert_eq!(
                decode(0x24, status),
                fault(Access::Read, *kind),
                "status {status:#x}"
            );
        }
        for level in 0..4 {
            assert_eq!(
                decode(0x24, 0x14 + level),
                fault(Access::Read, FaultKind::External)
            );
        }
    }

    #[test]
    fn an_external_abort_may_leave_its_address_open() {
        let Cause::Fault(known) = decode(0x24, 0x10) else {
            panic!("a fault")
        };
        assert_eq!(
            (known.kind, known.address),
            (FaultKind::External, Some(VirtAddr::new(ADDRESS)))
        );
        let Cause::Fault(unknown) = decode(0x24, 1 << 10 | 0x10) else {
            panic!("a fault")
        };
        assert_eq!((unknown.kind, unknown.address), (FaultKind::External, None));
    }

    #[test]
    fn what_a_program_may_not_execute_is_undefined() {
        for class in [0x00, 0x09, 0x0a, 0x0e, 0x14, 0x18, 0x19, 0x1b, 0x1d, 0x27] {
            assert_eq!(decode(class, 0), Cause::Undefined, "class {class:#x}");
        }
        assert_eq!(decode(0x07, 0), Cause::FpTrapped);
        assert_eq!(decode(0x01, 0), Cause::WaitTrapped);
        assert_eq!(decode(0x26, 0), Cause::StackAlignment);
        assert_eq!(decode(0x22, 0), Cause::PcAlignment(VirtAddr::new(ADDRESS)));
        assert_eq!(decode(0x24, 0x21), fault(Access::Read, FaultKind::Alignment));
        assert_eq!(decode(0x24, 0x30), fault(Access::Read, FaultKind::TlbConflict));
    }

    #[test]
    fn a_class_from_the_future_keeps_its_number() {
        let syndrome = 0x3f << 26 | 5;
        assert_eq!(
            Cause::decode(syndrome, 0),
            Cause::Other {
                class: 0x3f,
                syndrome
            }
        );
    }

    #[test]
    fn a_system_error_keeps_what_the_implementer_says_about_it() {
        let syndrome = 0x2f << 26 | 1 << 24 | 0x1234;
        assert_eq!(Cause::decode(syndrome, 0), Cause::SystemError(syndrome));
        assert_eq!(
            Cause::decode(syndrome, 0).to_string(),
            "the memory system reported an error (syndrome 0xbd001234)"
        );
    }

    #[test]
    fn a_fault_reads_as_a_sentence() {
        assert_eq!(
            decode(0x24, 0x4f).to_string(),
            "store to 0x12345678: not permitted"
        );
    }
}
