//! What programs do that the machine does not allow: served, or told to who handles that, or reported and ended.

use crate::handle::Object;
use crate::kernel::Kernel;
use crate::platform::{Guarded, Platform};
use crate::thread::ThreadId;
use abi::fault::FaultAccess;
use abi::process::{End, FaultKind};
use addr::{Perms, VirtAddr};
use core::fmt::{self, Write};
use mm::{Access, FaultCause, Refused, VmaFacts, VmaKind};

impl<P: Platform> Kernel<P> {
    /// The running thread touched `address` and the MMU had no translation for it, or one that
    /// does not allow the access; and the memory manager alone could not serve that.
    pub fn memory_fault(&mut self, address: VirtAddr, access: Access) {
        let Some(thread) = self.running() else { return };
        let Some(space) = self.process_of(thread).1.space else {
            return;
        };
        let mut memory = self.memory.lock();
        let touched = memory.sharing().touch(space, address, access);
        let facts = touched.is_err().then(|| memory.describe(space, address));
        drop(memory);
        match touched {
            Ok(()) => {}
            Err(Refused::ComesLater) if self.can_be_deferred(thread, Object::Memory(space)) => {
                self.wait_for_work(thread, None);
            }
            // Somebody else works on the address space, as who stands in for its memory manager does: the
            // touch comes again in its turn.
            Err(Refused::ComesLater) => self.rotate(),
            Err(Refused::ForEver(cause)) => {
                let fault = Fault::of_memory(address, access, cause);
                let facts = facts.flatten();
                self.fault(thread, fault, &MemoryReport { fault, facts });
            }
        }
    }

    /// The running thread did something else that is a fault.
    pub fn other_fault(&mut self, fault: Fault, what: &dyn fmt::Display) {
        if let Some(thread) = self.running() {
            self.fault(thread, fault, what);
        }
    }

    fn fault(&mut self, thread: ThreadId, fault: Fault, what: &dyn fmt::Display) {
        if !self.tell_handler(thread, fault) {
            self.end_faulting(thread, fault.kind, fault.address, what);
        }
    }

    /// Ends the process of `thread` for its fault, which is `what` to people. Kind and address come as words of their
    /// own, so that a debugger that stops here can show them.
    pub(crate) fn end_faulting(
        &mut self,
        thread: ThreadId,
        kind: FaultKind,
        address: u64,
        what: &dyn fmt::Display,
    ) {
        let pc = self.registers(thread).pc;
        let (id, process) = self.process_of(thread);
        let (pid, name) = (process.pid.0, process.name);
        // The log cannot fail; the result is that of the trait.
        let written = writeln!(
            self.log,
            "process {pid} ({}) ended by a fault: {what}; pc {pc:#x}",
            name.as_str()
        );
        debug_assert!(written.is_ok());
        self.end_process(id, End::Faulted(kind, address));
    }
}

/// What a thread has done that the machine does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// How it has touched memory, if it has.
    pub access: FaultAccess,
    /// What it was about, or the instruction.
    pub address: u64,
}

impl Fault {
    /// One that is no touch. `address` is what it was about, or the instruction.
    pub const fn other(kind: FaultKind, address: u64) -> Self {
        Self {
            kind,
            access: FaultAccess::None,
            address,
        }
    }

    /// A touch of `address` that is refused for ever.
    pub const fn of_memory(address: VirtAddr, access: Access, cause: FaultCause) -> Self {
        Self {
            kind: match cause {
                FaultCause::Unmapped => FaultKind::Unmapped,
                FaultCause::NotPermitted => FaultKind::NotPermitted,
                FaultCause::OutOfMemory => FaultKind::OutOfMemory,
            },
            access: match access {
                Access::Read => FaultAccess::Read,
                Access::Write => FaultAccess::Write,
                Access::Execute => FaultAccess::Execute,
            },
            address: address.raw(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = VirtAddr::new(self.address);
        match self.access {
            FaultAccess::None => {}
            FaultAccess::Read => write!(f, "read of {address}: ")?,
            FaultAccess::Write => write!(f, "write to {address}: ")?,
            FaultAccess::Execute => write!(f, "jump to {address}: ")?,
        }
        f.write_str(match self.kind {
            FaultKind::Unmapped => "nothing is mapped there",
            FaultKind::NotPermitted => "its mapping does not allow that",
            FaultKind::OutOfMemory => "no frame could be had",
            FaultKind::BadAccess => "an access that is not aligned or not possible",
            FaultKind::BadInstruction => "an instruction that does not exist or is not allowed",
            FaultKind::Breakpoint => "a breakpoint",
            FaultKind::Hardware => "an error of the memory system",
        })
    }
}

/// A memory fault in words: which access, where, why not, and what is mapped there.
struct MemoryReport {
    fault: Fault,
    facts: Option<VmaFacts>,
}

impl fmt::Display for MemoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)?;
        match &self.facts {
            Some(facts) => describe(facts, f),
            None => Ok(()),
        }
    }
}

/// What is mapped, as `(segment 32768 key 0x4752, r--, 0x1000000000-0x1000400000)`.
fn describe(facts: &VmaFacts, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match facts.what {
        VmaKind::Anonymous => write!(f, " (private memory")?,
        VmaKind::Shared { id, key } => write!(f, " (segment {} key {:#x}", id.raw(), key.0)?,
        VmaKind::MessagePage => write!(f, " (message page")?,
        VmaKind::Physical => write!(f, " (memory of the machine")?,
    }
    let letter = |perm, letter| if facts.perms.contains(perm) { letter } else { '-' };
    let (r, w, x) = (
        letter(Perms::READ, 'r'),
        letter(Perms::WRITE, 'w'),
        letter(Perms::EXECUTE, 'x'),
    );
    write!(
        f,
        ", {r}{w}{x}, {}-{})",
        facts.range.start().start(),
        facts.range.end().start()
    )
}
