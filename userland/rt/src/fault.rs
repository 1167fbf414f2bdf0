//! Faults of other programs, or of other threads: to be told of them, and to decide what becomes of them.
//!
//! The handler receives faults at an [`Endpoint`], beside whatever else comes there. A debugger looks at registers,
//! a pager maps what is missing, and both let the thread go on; or its process ends, as it would have without them.
//!
//! ```no_run
//! use abi::Badge;
//! use rt::fault::{self, Received};
//! use rt::ipc::Endpoint;
//! use rt::{Incoming, println};
//!
//! # fn main() -> Result<(), rt::Error> {
//! # let child = abi::Handle::NONE;
//! let mut endpoint = Endpoint::create()?;
//! fault::handle(child, &endpoint, Badge(1))?;
//! if let Received::Fault(fault) = fault::receive(&mut endpoint, &mut Incoming::new())? {
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
use crate::{Error, Incoming, Outgoing, sys};
use abi::fault::Resolve;
use abi::thread::ThreadRegisters;
use abi::{Arrival, Badge, Errno, Handle, Words};
use core::marker::PhantomData;

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

/// What has come to an endpoint that faults come to.
#[derive(Debug)]
pub enum Received<'e> {
    /// A fault.
    Fault(Fault<'e>),
    /// Anything else, signals for instance.
    Other(Message),
}

/// Waits for whatever comes to `endpoint`, faults among it.
///
/// # Errors
/// As [`Endpoint::receive`].
pub fn receive<'e>(endpoint: &'e mut Endpoint, incoming: &mut Incoming) -> Result<Received<'e>, Error> {
    let message = endpoint.receive(incoming)?;
    if message.arrival != Arrival::Fault {
        return Ok(Received::Other(message));
    }
    Ok(Received::Fault(Fault {
        endpoint,
        what: Resolve::from_words(&message.words).map_err(|_| Error::Garbled)?,
        badge: message.badge,
        receiver: PhantomData,
    }))
}

/// A fault whose thread waits for an answer. The kernel takes that from the thread which has received the fault, as long as
/// this has received nothing else. So it stays with that thread:
///
/// ```compile_fail,E0277
/// fn elsewhere(fault: rt::fault::Fault<'static>) {
///     let _ = rt::thread::spawn(move || fault.resume());
/// }
/// ```
///
/// and keeps the endpoint from being received at:
///
/// ```compile_fail,E0499
/// # use rt::{Error, Incoming, fault, ipc::Endpoint};
/// fn too_late(endpoint: &mut Endpoint, incoming: &mut Incoming) -> Result<(), Error> {
///     let first = fault::receive(endpoint, incoming)?;
///     let second = fault::receive(endpoint, incoming)?;
///     drop((first, second));
///     Ok(())
/// }
/// ```
///
/// Who receives at several endpoints in one thread has to answer before that goes to another one.
#[derive(Debug)]
pub struct Fault<'e> {
    endpoint: &'e Endpoint,
    /// What has happened.
    pub what: Resolve,
    /// What was said when its process was named.
    pub badge: Badge,
    /// Neither `Send` nor `Sync`.
    receiver: PhantomData<*const ()>,
}

impl Fault<'_> {
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
    use super::{Fault, Received, receive};
    use crate::ipc::Endpoint;
    use crate::{Error, Incoming, fake};
    use abi::fault::{FaultAccess, Resolve};
    use abi::process::{FaultKind, Pid};
    use abi::thread::{ReadRegisters, ThreadRegisters};
    use abi::{Arrival, Badge, Errno, Handle, Label, Operation, Request, Tag, Words};
    use core::mem::ManuallyDrop;
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

    /// The registers with which [`WHAT`] comes in, or a call that has the same words.
    fn arriving(arrival: Arrival) -> [u64; 9] {
        let [w0, w1, w2, w3, w4, w5] = WHAT.into_words();
        let tag = Tag::new(Resolve::LABEL).arriving(arrival);
        [0, tag.encode(), w0, w1, w2, w3, w4, w5, 7]
    }

    fn endpoint() -> ManuallyDrop<Endpoint> {
        ManuallyDrop::new(Endpoint::from_handle(Handle::from_raw(5)))
    }

    fn fault(endpoint: &mut Endpoint) -> Fault<'_> {
        match receive(endpoint, &mut Incoming::new()) {
            Ok(Received::Fault(fault)) => fault,
            other => panic!("that was to be a fault, and is {other:?}"),
        }
    }

    #[test]
    fn a_call_that_looks_like_a_fault_is_none() {
        let mut endpoint = endpoint();
        fake::install(|_, _| arriving(Arrival::Call));
        let call = receive(&mut endpoint, &mut Incoming::new()).expect("a call");
        assert!(matches!(call, Received::Other(message) if message.arrival == Arrival::Call));
        fake::install(|_, _| arriving(Arrival::Fault));
        let fault = fault(&mut endpoint);
        assert_eq!((fault.what, fault.badge), (WHAT, Badge(7)));
    }

    #[test]
    fn a_thread_goes_on_with_no_error_and_ends_with_one() {
        let sent = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&sent);
        fake::install(move |asked, _| {
            if asked[8] == Operation::Receive as u64 {
                return arriving(Arrival::Fault);
            }
            log.borrow_mut().push((asked[0], asked[1], asked[8]));
            [0; 9]
        });
        let mut endpoint = endpoint();
        assert_eq!(fault(&mut endpoint).resume(), Ok(()));
        assert_eq!(fault(&mut endpoint).end(), Ok(()));
        let reply = Operation::Reply as u64;
        let failure = u64::from(Errno::EFAULT.number());
        assert_eq!(*sent.borrow(), [(0, 0, reply), (0, failure, reply)]);
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
            if sent[8] == Operation::Receive as u64 {
                return arriving(Arrival::Fault);
            }
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
        let mut endpoint = endpoint();
        let stopped = fault(&mut endpoint).open().expect("a handle");
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
        drop(stopped);
    }
}
