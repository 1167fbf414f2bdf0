//! Endpoints: to be called by others, and to answer them; and to be signalled.
//!
//! A server is one loop, whatever comes: calls, which it answers at once, or takes along as a [`Caller`] to
//! answer later; messages that want no answer; and signals, which say that something has happened.
//!
//! ```no_run
//! use abi::{Arrival, Badge, Errno, Rights};
//! use rt::ipc::Endpoint;
//! use rt::{Incoming, Outgoing};
//!
//! # fn main() -> Result<(), rt::Error> {
//! let endpoint = Endpoint::create()?;
//! let _for_a_client = endpoint.client(Badge(1))?;
//! let _for_whoever_brings_in_what_is_wanted = endpoint.signaller(Badge(1))?;
//!
//! let (mut waiting, mut incoming) = (None, Incoming::new());
//! loop {
//!     let message = endpoint.receive(&mut incoming)?;
//!     match message.arrival {
//!         // What the client wants is not there yet: it waits, and others are served meanwhile.
//!         Arrival::Call if waiting.is_none() => waiting = Some(endpoint.take_caller()?),
//!         Arrival::Call => endpoint.reply(Err(Errno::EAGAIN))?,
//!         Arrival::Signals => {
//!             if let Some(caller) = waiting.take() {
//!                 caller.reply(Ok(([1, 0, 0, 0, 0, 0], Outgoing::NOTHING)))?;
//!             }
//!         }
//!         Arrival::Message | Arrival::Fault => {}
//!     }
//! }
//! # }
//! ```

mod caller;
mod notification;

pub use caller::Caller;
pub use notification::{Notification, signal};

use crate::Error;
use crate::handle::OwnedHandle;
use crate::message::{Incoming, Outgoing};
use crate::svc::{Registers, trap, trap_until};
use crate::sys::process;
use crate::time::Instant;
use abi::{Arrival, Badge, Errno, Handle, IpcError, Label, Operation, Rights, Tag, Words6};

/// An endpoint of this program. Others send messages through handles [derived](Self::client)
/// from it; when it is dropped, their calls fail.
#[derive(Debug)]
pub struct Endpoint {
    handle: OwnedHandle,
}

/// A message that came in, or signals. What did not fit in registers is in [`Incoming`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// Whether its sender waits for an answer, or whether these are signals.
    pub arrival: Arrival,
    /// What is asked.
    pub label: Label,
    /// Words; of signals the first, which has their bits.
    pub words: Words6,
    /// Mark on the handle the sender used.
    pub badge: Badge,
}

/// What the caller gets: words, bytes and handles, or an error.
pub type Answer<'a> = Result<(Words6, Outgoing<'a>), Errno>;

impl Endpoint {
    /// Creates one.
    ///
    /// # Errors
    /// As [`abi::process::CreateEndpoint`].
    pub fn create() -> Result<Self, Error> {
        process::create_endpoint().map(Self::from_handle)
    }

    /// The endpoint behind a handle that came from elsewhere.
    pub const fn from_handle(handle: Handle) -> Self {
        Self {
            handle: OwnedHandle::new(handle),
        }
    }

    /// Its handle.
    pub const fn handle(&self) -> Handle {
        self.handle.get()
    }

    /// A handle for somebody who calls; his messages will carry `badge`.
    ///
    /// # Errors
    /// As [`abi::process::Derive`].
    pub fn client(&self, badge: Badge) -> Result<OwnedHandle, Error> {
        process::derive(self.handle(), Rights::CALL | Rights::PASS, badge).map(OwnedHandle::new)
    }

    /// A handle for somebody who signals: the bits of `badge`, or any if that is 0.
    ///
    /// # Errors
    /// As [`abi::process::Derive`].
    pub fn signaller(&self, badge: Badge) -> Result<OwnedHandle, Error> {
        process::derive(self.handle(), Rights::SIGNAL | Rights::PASS, badge).map(OwnedHandle::new)
    }

    /// Waits for a message, or signals. A caller that has neither been answered nor taken along is told
    /// that no answer will come.
    ///
    /// # Errors
    /// The handle is not one to receive with.
    pub fn receive(&self, incoming: &mut Incoming) -> Result<Message, Error> {
        received(trap(self.receiving()), incoming)
    }

    /// The same, but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// [`IpcError::TimedOut`] nothing has come; the handle is not one to receive with.
    pub fn receive_until(&self, deadline: Instant, incoming: &mut Incoming) -> Result<Message, Error> {
        received(trap_until(self.receiving(), deadline.ticks()), incoming)
    }

    /// Takes a message, or signals, if there is anything.
    ///
    /// # Errors
    /// The handle is not one to receive with.
    pub fn poll(&self, incoming: &mut Incoming) -> Result<Option<Message>, Error> {
        found(received(trap_until(self.receiving(), 0), incoming))
    }

    fn receiving(&self) -> Registers {
        registers(self.handle(), Tag::new(Label::DONE), [0; 6], Operation::Receive)
    }

    /// Answers the message received last, and waits for the next.
    ///
    /// # Errors
    /// The answer could not be given: [`IpcError::PeerGone`] the caller has ended,
    /// [`IpcError::PeerFull`] it has no room for handles. Nothing was received then.
    pub fn reply_receive(&self, answer: Answer<'_>, incoming: &mut Incoming) -> Result<Message, Error> {
        let (tag, words) = put_answer(answer)?;
        received(
            trap(registers(self.handle(), tag, words, Operation::ReplyReceive)),
            incoming,
        )
    }

    /// Answers the message received last, and goes on.
    ///
    /// # Errors
    /// [`IpcError::NoCaller`] it wants no answer, or has one; [`IpcError::PeerGone`] its sender waits no
    /// longer; [`IpcError::PeerFull`] the sender has no room for handles.
    pub fn reply(&self, answer: Answer<'_>) -> Result<(), Error> {
        caller::reply(Handle::NONE, answer)
    }

    /// Takes the caller of the message received last along, to be answered later.
    ///
    /// # Errors
    /// As [`abi::process::TakeCaller`].
    pub fn take_caller(&self) -> Result<Caller, Error> {
        process::take_caller().map(Caller::from_handle)
    }

    /// Serves for ever: `answer` sees each message and says what its sender gets, if that wants an answer.
    ///
    /// # Errors
    /// The handle is not one to receive with.
    pub fn serve(
        &self,
        mut answer: impl FnMut(Message, &Incoming) -> Result<Words6, Errno>,
    ) -> Result<(), Error> {
        let mut incoming = Incoming::new();
        let mut message = self.receive(&mut incoming)?;
        loop {
            let answer = answer(message, &incoming).map(|words| (words, Outgoing::NOTHING));
            if message.arrival != Arrival::Call {
                message = self.receive(&mut incoming)?;
                continue;
            }
            message = match self.reply_receive(answer, &mut incoming) {
                // A caller that ended meanwhile is no reason not to serve the others.
                Err(Error::Ipc(IpcError::PeerGone | IpcError::NoCaller)) => self.receive(&mut incoming)?,
                other => other?,
            };
        }
    }
}

/// Asks an endpoint: sends a message whose meaning its server knows, and waits for the answer.
///
/// # Errors
/// What the server answered, or that the message did not get there.
pub fn ask(
    server: Handle,
    label: Label,
    words: Words6,
    outgoing: Outgoing<'_>,
    incoming: &mut Incoming,
) -> Result<Words6, Error> {
    let tag = outgoing.put(label).map_err(Error::Ipc)?;
    answered(trap(registers(server, tag, words, Operation::Call)), incoming)
}

/// The same, but waits no longer than until `deadline`.
///
/// # Errors
/// As [`ask`]; [`IpcError::TimedOut`] there is no answer yet, and one that still comes goes nowhere. The
/// server may have done what it was asked.
pub fn ask_until(
    deadline: Instant,
    server: Handle,
    label: Label,
    words: Words6,
    outgoing: Outgoing<'_>,
    incoming: &mut Incoming,
) -> Result<Words6, Error> {
    let tag = outgoing.put(label).map_err(Error::Ipc)?;
    let sent = registers(server, tag, words, Operation::Call);
    answered(trap_until(sent, deadline.ticks()), incoming)
}

fn answered(registers: Registers, incoming: &mut Incoming) -> Result<Words6, Error> {
    let Message { label, words, .. } = received(registers, incoming)?;
    match label {
        Label::DONE => Ok(words),
        Label(number) => Err(Errno::from_number(number).map_or(Error::Garbled, Error::Refused)),
    }
}

/// What was received, if anything was there.
fn found<T>(received: Result<T, Error>) -> Result<Option<T>, Error> {
    match received {
        Err(Error::Ipc(IpcError::TimedOut)) => Ok(None),
        other => other.map(Some),
    }
}

/// Sends a message that wants no answer; comes back when it has been received.
///
/// # Errors
/// The message did not get there.
pub fn tell(server: Handle, label: Label, words: Words6, outgoing: Outgoing<'_>) -> Result<(), Error> {
    let tag = outgoing.put(label).map_err(Error::Ipc)?;
    done(trap(registers(server, tag, words, Operation::Send)))
}

fn registers(object: Handle, tag: Tag, words: Words6, operation: Operation) -> Registers {
    let [w0, w1, w2, w3, w4, w5] = words;
    let (object, operation) = (object.raw().into(), operation as u64);
    [object, tag.encode(), w0, w1, w2, w3, w4, w5, operation]
}

/// Puts what is answered where the kernel looks for it.
fn put_answer(answer: Answer<'_>) -> Result<(Tag, Words6), Error> {
    match answer {
        Ok((words, outgoing)) => Ok((outgoing.put(Label::DONE).map_err(Error::Ipc)?, words)),
        Err(errno) => Ok((Tag::new(Label(errno.number())), [0; 6])),
    }
}

/// What an operation comes back with from which nothing is received.
fn done(registers: Registers) -> Result<(), Error> {
    match registers[0] {
        0 => Ok(()),
        failure => Err(IpcError::decode(failure).map_or(Error::Garbled, Error::Ipc)),
    }
}

fn received(registers: Registers, incoming: &mut Incoming) -> Result<Message, Error> {
    done(registers)?;
    let [_, tag, w0, w1, w2, w3, w4, w5, badge] = registers;
    let tag = Tag::decode_received(tag).map_err(|_| Error::Garbled)?;
    incoming.take(tag);
    Ok(Message {
        arrival: tag.arrival(),
        label: tag.label(),
        words: [w0, w1, w2, w3, w4, w5],
        badge: Badge(badge),
    })
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Message, ask_until, tell};
    use crate::time::Instant;
    use crate::{Error, Incoming, Outgoing, fake};
    use abi::{Arrival, Badge, Errno, Handle, IpcError, Label, Tag};

    const ENDPOINT: Handle = Handle::from_parts(9, 0);

    #[test]
    fn a_message_comes_with_its_label_words_bytes_and_badge() {
        fake::install(|sent, page| {
            assert_eq!((sent[0], sent[8]), (9, 1));
            page.bytes[0] = b'x';
            let tag = Tag::new(Label(77)).with_bytes(1).expect("fits");
            [0, tag.encode(), 1, 2, 3, 4, 5, 6, 42]
        });
        let mut incoming = Incoming::new();
        let endpoint = core::mem::ManuallyDrop::new(Endpoint::from_handle(ENDPOINT));
        let message = endpoint.receive(&mut incoming);
        let words = [1, 2, 3, 4, 5, 6];
        assert_eq!(
            message,
            Ok(Message {
                arrival: Arrival::Call,
                label: Label(77),
                words,
                badge: Badge(42)
            })
        );
        assert_eq!(incoming.bytes(), b"x");
    }

    #[test]
    fn a_message_that_wants_no_answer_goes_out_as_such_and_nothing_comes_back() {
        fake::install(|sent, _| {
            assert_eq!((sent[0], sent[1], sent[2], sent[8]), (9, 7, 1, 3));
            [0; 9]
        });
        let words = [1, 0, 0, 0, 0, 0];
        assert_eq!(tell(ENDPOINT, Label(7), words, Outgoing::NOTHING), Ok(()));
        fake::install(|_, _| [IpcError::PeerGone as u64, 0, 0, 0, 0, 0, 0, 0, 0]);
        let lost = tell(ENDPOINT, Label(7), words, Outgoing::NOTHING);
        assert_eq!(lost, Err(Error::Ipc(IpcError::PeerGone)));
    }

    #[test]
    fn a_deadline_goes_along_and_nothing_that_comes_is_no_error_to_who_only_looks() {
        fake::install(|sent, _| {
            assert_eq!((sent[0], sent[8]), (9, 1 << 8 | 1));
            [IpcError::TimedOut as u64, 0, 0, 0, 0, 0, 0, 0, 0]
        });
        let mut incoming = Incoming::new();
        let endpoint = core::mem::ManuallyDrop::new(Endpoint::from_handle(ENDPOINT));
        let deadline = Instant::now();
        let late = endpoint.receive_until(deadline, &mut incoming);
        assert_eq!(late, Err(Error::Ipc(IpcError::TimedOut)));
        assert_eq!(fake::deadline(), Some(deadline.ticks()));
        assert_eq!(endpoint.poll(&mut incoming), Ok(None));
        assert_eq!(fake::deadline(), Some(0));
        fake::install(|sent, _| {
            assert_eq!((sent[0], sent[1], sent[8]), (9, 7, 1 << 8));
            [0, 0, 5, 0, 0, 0, 0, 0, 0]
        });
        let nothing = Outgoing::NOTHING;
        let answer = ask_until(deadline, ENDPOINT, Label(7), [1; 6], nothing, &mut incoming);
        assert_eq!(answer, Ok([5, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn answers_and_errors_go_out_in_the_tag() {
        let endpoint = core::mem::ManuallyDrop::new(Endpoint::from_handle(ENDPOINT));
        let mut incoming = Incoming::new();
        fake::install(|sent, _| {
            assert_eq!((sent[1], sent[2], sent[8]), (2 << 16, 7, 2));
            [0; 9]
        });
        let words = [7, 0, 0, 0, 0, 0];
        let answer = Ok((words, Outgoing::bytes(b"ok")));
        assert!(endpoint.reply_receive(answer, &mut incoming).is_ok());
        fake::install(|sent, _| {
            assert_eq!((sent[1], sent[8]), (u64::from(Errno::ENOSYS.number()), 2));
            [IpcError::PeerGone as u64, 0, 0, 0, 0, 0, 0, 0, 0]
        });
        let next = endpoint.reply_receive(Err(Errno::ENOSYS), &mut incoming);
        assert_eq!(next, Err(Error::Ipc(IpcError::PeerGone)));
    }
}
