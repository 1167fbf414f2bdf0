//! Endpoints: to be called by others, and to answer them.

use crate::Error;
use crate::call::send;
use crate::handle::OwnedHandle;
use crate::message::{Incoming, Outgoing};
use crate::svc::trap;
use crate::sys::process;
use abi::{Badge, Errno, Handle, IpcError, Label, Operation, Rights, Tag, Words6};

/// An endpoint of this program. Others send messages through handles [derived](Self::client)
/// from it; when it is dropped, their calls fail.
#[derive(Debug)]
pub struct Endpoint {
    handle: OwnedHandle,
}

/// A message that came in. What did not fit in registers is in [`Incoming`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// What is asked.
    pub label: Label,
    /// Words.
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

    /// Waits for a message.
    ///
    /// # Errors
    /// The handle is not one to receive with.
    pub fn receive(&self, incoming: &mut Incoming) -> Result<Message, Error> {
        let operation = Operation::Receive as u64;
        received(
            trap([self.handle().raw().into(), 0, 0, 0, 0, 0, 0, 0, operation]),
            incoming,
        )
    }

    /// Answers the message received last, and waits for the next.
    ///
    /// # Errors
    /// The answer could not be given: [`IpcError::PeerGone`] the caller has ended,
    /// [`IpcError::PeerFull`] it has no room for handles. Nothing was received then.
    pub fn reply_receive(&self, answer: Answer<'_>, incoming: &mut Incoming) -> Result<Message, Error> {
        let (tag, words) = match answer {
            Ok((words, outgoing)) => (outgoing.put(Label::DONE).map_err(Error::Ipc)?, words),
            Err(errno) => (Tag::new(Label(errno.number())), [0; 6]),
        };
        let [w0, w1, w2, w3, w4, w5] = words;
        let operation = Operation::ReplyReceive as u64;
        let handle = self.handle().raw().into();
        received(
            trap([handle, tag.encode(), w0, w1, w2, w3, w4, w5, operation]),
            incoming,
        )
    }

    /// Serves for ever: `answer` sees each message and says what its sender gets.
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
    let (tag, words) = send(server, tag, words)?;
    match tag.label() {
        Label::DONE => {
            incoming.take(tag);
            Ok(words)
        }
        Label(number) => Err(Errno::from_number(number).map_or(Error::Garbled, Error::Refused)),
    }
}

fn received(registers: [u64; 9], incoming: &mut Incoming) -> Result<Message, Error> {
    let [failure, tag, w0, w1, w2, w3, w4, w5, badge] = registers;
    if failure != 0 {
        return Err(IpcError::decode(failure).map_or(Error::Garbled, Error::Ipc));
    }
    let tag = Tag::decode(tag).map_err(|_| Error::Garbled)?;
    incoming.take(tag);
    Ok(Message {
        label: tag.label(),
        words: [w0, w1, w2, w3, w4, w5],
        badge: Badge(badge),
    })
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Message};
    use crate::{Error, Incoming, Outgoing, fake};
    use abi::{Badge, Errno, Handle, IpcError, Label, Tag};

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
                label: Label(77),
                words,
                badge: Badge(42)
            })
        );
        assert_eq!(incoming.bytes(), b"x");
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
