//! Faults of other programs, or of other threads: to be told of them, and to decide what becomes of them.
//!
//! The handler receives faults at an [`Endpoint`], beside whatever else comes there. A debugger looks at registers,
//! a pager maps what is missing, and both let the thread go on; or its process ends, as it would have without them.
//!
//! ```no_run
//! use abi::Badge;
//! use rt::fault::{self, Fault};
//! use rt::ipc::Endpoint;
//! use rt::{Incoming, println};
//!
//! # fn main() -> Result<(), rt::Error> {
//! # let child = abi::Handle::NONE;
//! let endpoint = Endpoint::create()?;
//! fault::handle(child, &endpoint, Badge(1))?;
//! let message = endpoint.receive(&mut Incoming::new())?;
//! if let Some(fault) = Fault::received(&endpoint, &message) {
//!     let registers = fault.open()?.registers()?;
//!     println!("{:?} at {:#x}, sp {:#x}", fault.what.kind, registers.pc, registers.sp);
//!     fault.end()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Who receives at the endpoint does not get its own faults there, and the process ends whose fault is received and
//! never answered.

use crate::handle::OwnedHandle;
use crate::ipc::{Endpoint, Message};
use crate::{Error, Outgoing, sys};
use abi::fault::Resolve;
use abi::thread::ThreadRegisters;
use abi::{Arrival, Badge, Errno, Handle, Words};

/// Lets faults of `process`, this program's own or another one, come to `endpoint`, with this badge.
///
/// # Errors
/// As [`abi::process::HandleFaults`] and [`abi::process::Derive`].
pub fn handle(process: Handle, endpoint: &Endpoint, badge: Badge) -> Result<(), Error> {
    sys::process::handle_faults(process, Some(endpoint.client(badge)?.get()))
}

/// Lets faults of `process` end it.
///
/// # Errors
/// As [`abi::process::HandleFaults`].
pub fn leave_alone(process: Handle) -> Result<(), Error> {
    sys::process::handle_faults(process, None)
}

/// A fault that was received last, and whose thread waits.
#[derive(Debug)]
pub struct Fault<'e> {
    endpoint: &'e Endpoint,
    /// What has happened.
    pub what: Resolve,
    /// What was said when its process was named.
    pub badge: Badge,
}

impl<'e> Fault<'e> {
    /// The fault that `message` is, which was received last, at `endpoint`; `None` if it is something else.
    pub fn received(endpoint: &'e Endpoint, message: &Message) -> Option<Self> {
        let what = Resolve::from_words(&message.words).ok()?;
        (message.arrival == Arrival::Fault).then_some(Self {
            endpoint,
            what,
            badge: message.badge,
        })
    }

    /// Its thread, stopped.
    ///
    /// # Errors
    /// As [`abi::process::OpenFaulted`].
    pub fn open(&self) -> Result<Stopped, Error> {
        let thread = OwnedHandle::new(sys::process::open_faulted()?);
        Ok(Stopped { thread })
    }

    /// Lets the thread do once more what it was about to do.
    ///
    /// # Errors
    /// [`PeerGone`](abi::IpcError::PeerGone) its process has ended meanwhile.
    pub fn resume(self) -> Result<(), Error> {
        self.endpoint.reply(Ok(([0; 6], Outgoing::NOTHING)))
    }

    /// Lets its process end.
    ///
    /// # Errors
    /// [`PeerGone`](abi::IpcError::PeerGone) it has ended already.
    pub fn end(self) -> Result<(), Error> {
        self.endpoint.reply(Err(Errno::EFAULT))
    }
}

/// A thread that has faulted. It can be looked at and changed until its fault is answered.
#[derive(Debug)]
pub struct Stopped {
    thread: OwnedHandle,
}

impl Stopped {
    /// The thread, for requests.
    pub const fn handle(&self) -> Handle {
        self.thread.get()
    }

    /// Its registers.
    ///
    /// # Errors
    /// As [`abi::thread::ReadRegisters`].
    pub fn registers(&self) -> Result<ThreadRegisters, Error> {
        sys::thread::read_registers(self.handle())
    }

    /// Changes its registers. Those of a thread of this program are outside of Rust's rules, as this program's own
    /// memory is to a memory manager.
    ///
    /// # Errors
    /// As [`abi::thread::WriteRegisters`].
    pub fn set_registers(&self, registers: &ThreadRegisters) -> Result<(), Error> {
        sys::thread::write_registers(self.handle(), registers)
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;
    use crate::ipc::{Endpoint, Message};
    use crate::{Error, fake};
    use abi::fault::{FaultAccess, Resolve};
    use abi::process::{FaultKind, Pid};
    use abi::thread::{ReadRegisters, ThreadRegisters};
    use abi::{Arrival, Badge, Errno, Handle, Label, Operation, Request, Tag, Words};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    const WHAT: Resolve = Resolve {
        kind: FaultKind::NotPermitted,
        access: FaultAccess::Write,
        address: 0x1000,
        pc: 0x40_0000,
        pid: Pid(3),
        thread: 1,
    };

    fn message(arrival: Arrival) -> Message {
        Message {
            arrival,
            label: Resolve::LABEL,
            words: WHAT.into_words(),
            badge: Badge(7),
        }
    }

    #[test]
    fn a_call_that_looks_like_a_fault_is_none() {
        let endpoint = Endpoint::from_handle(Handle::from_raw(5));
        assert!(Fault::received(&endpoint, &message(Arrival::Call)).is_none());
        let fault = Fault::received(&endpoint, &message(Arrival::Fault)).expect("a fault");
        assert_eq!((fault.what, fault.badge), (WHAT, Badge(7)));
        core::mem::forget(endpoint);
    }

    #[test]
    fn a_thread_goes_on_with_no_error_and_ends_with_one() {
        let sent = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&sent);
        fake::install(move |registers, _| {
            log.borrow_mut().push((registers[0], registers[1], registers[8]));
            [0; 9]
        });
        let endpoint = Endpoint::from_handle(Handle::from_raw(5));
        let fault = || Fault::received(&endpoint, &message(Arrival::Fault)).expect("a fault");
        assert_eq!((fault().resume(), fault().end()), (Ok(()), Ok(())));
        let reply = Operation::Reply as u64;
        let failure = u64::from(Errno::EFAULT.number());
        assert_eq!(*sent.borrow(), [(0, 0, reply), (0, failure, reply)]);
        core::mem::forget(endpoint);
    }

    #[test]
    fn registers_come_in_the_bytes_of_the_answer() {
        let mut registers = ThreadRegisters {
            x: [3; 31],
            sp: 4,
            pc: 5,
            pstate: 6,
            pointer: 7,
        };
        let bytes = registers.to_bytes();
        fake::install(move |sent, page| {
            let label = Tag::decode(sent[1]).expect("a tag").label();
            let tag = if label == ReadRegisters::LABEL {
                page.bytes[..bytes.len()].copy_from_slice(&bytes);
                Tag::new(Label::DONE).with_bytes(bytes.len())
            } else {
                page.handles[0] = 9;
                Tag::new(Label::DONE).with_handles(1)
            };
            [0, tag.expect("fits").encode(), 0, 0, 0, 0, 0, 0, 0]
        });
        let endpoint = Endpoint::from_handle(Handle::from_raw(5));
        let fault = Fault::received(&endpoint, &message(Arrival::Fault)).expect("a fault");
        let stopped = fault.open().expect("a handle");
        assert_eq!(stopped.registers(), Ok(registers));
        fake::install(move |_, page| {
            registers.pc = 0;
            let written = ThreadRegisters::from_bytes(&page.bytes[..ThreadRegisters::BYTES]);
            assert_eq!(written, Some(registers));
            [0, Errno::EBUSY.number().into(), 0, 0, 0, 0, 0, 0, 0]
        });
        registers.pc = 0;
        let refused = stopped.set_registers(&registers);
        assert_eq!(refused, Err(Error::Refused(Errno::EBUSY)));
        fake::install(|_, _| [0; 9]);
        drop((stopped, endpoint));
    }
}
