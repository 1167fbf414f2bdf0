//! Typed requests: the way from a request to its answer.

use crate::message::{Handles, Incoming, Outgoing};
use crate::svc::trap;
use abi::{Errno, Handle, IpcError, Label, Operation, Request, Tag, Words, Words6};
use core::fmt;

/// Why a request has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The message did not arrive, or nobody answered.
    Ipc(IpcError),
    /// The object said no.
    Refused(Errno),
    /// The answer is not one that this request can have.
    Garbled,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipc(error) => write!(f, "message not delivered: {error:?}"),
            Self::Refused(errno) => write!(f, "{errno}: {}", errno.meaning()),
            Self::Garbled => f.write_str("the answer makes no sense"),
        }
    }
}

impl core::error::Error for Error {}

/// Sends a request that consists of words only, and waits for its answer.
///
/// # Errors
/// Those the request's documentation lists, as [`Error::Refused`]; or the message did not arrive.
#[inline]
pub fn call<R: Request>(object: Handle, request: R) -> Result<R::Answer, Error> {
    send(object, Tag::new(R::LABEL), request.into_words()).and_then(answer::<R>)
}

/// Sends a request with bytes or handles.
///
/// # Errors
/// As [`call`].
pub fn call_with<R: Request>(object: Handle, request: R, outgoing: Outgoing<'_>) -> Result<R::Answer, Error> {
    let tag = outgoing.put(R::LABEL).map_err(Error::Ipc)?;
    send(object, tag, request.into_words()).and_then(answer::<R>)
}

/// Sends a request with bytes or handles whose answer has some as well.
///
/// # Errors
/// As [`call`]. `incoming` is then unchanged.
pub fn exchange<R: Request>(
    object: Handle,
    request: R,
    outgoing: Outgoing<'_>,
    incoming: &mut Incoming,
) -> Result<R::Answer, Error> {
    let tag = outgoing.put(R::LABEL).map_err(Error::Ipc)?;
    let (tag, words) = send(object, tag, request.into_words())?;
    let answer = answer::<R>((tag, words))?;
    incoming.take(tag);
    Ok(answer)
}

/// Sends a request whose answer has handles, but no bytes.
///
/// # Errors
/// As [`call`].
pub(crate) fn call_for_handles<R: Request>(
    object: Handle,
    request: R,
    outgoing: Outgoing<'_>,
) -> Result<(R::Answer, Handles), Error> {
    let tag = outgoing.put(R::LABEL).map_err(Error::Ipc)?;
    let (tag, words) = send(object, tag, request.into_words())?;
    Ok((answer::<R>((tag, words))?, Handles::take(tag)))
}

/// Sends a request of words whose answer is one handle.
///
/// # Errors
/// As [`call`].
pub(crate) fn one_handle<R: Request>(object: Handle, request: R) -> Result<Handle, Error> {
    let (_, handles) = call_for_handles(object, request, Outgoing::NOTHING)?;
    match *handles.as_slice() {
        [handle] => Ok(handle),
        _ => Err(Error::Garbled),
    }
}

/// Sends a message. What it answers is up to the object: a tag, whose label says whether it did
/// what was asked, and words.
#[inline]
pub(crate) fn send(object: Handle, tag: Tag, words: Words6) -> Result<(Tag, Words6), Error> {
    let [w0, w1, w2, w3, w4, w5] = words;
    let operation = Operation::Call as u64;
    let returned = trap([
        object.raw().into(),
        tag.encode(),
        w0,
        w1,
        w2,
        w3,
        w4,
        w5,
        operation,
    ]);
    let [failure, tag, w0, w1, w2, w3, w4, w5, _] = returned;
    if failure != 0 {
        return Err(IpcError::decode(failure).map_or(Error::Garbled, Error::Ipc));
    }
    let tag = Tag::decode(tag).map_err(|_| Error::Garbled)?;
    Ok((tag, [w0, w1, w2, w3, w4, w5]))
}

#[inline]
fn answer<R: Request>((tag, words): (Tag, Words6)) -> Result<R::Answer, Error> {
    match tag.label() {
        Label::DONE => R::Answer::from_words(&words).map_err(|_| Error::Garbled),
        Label(number) => Err(Errno::from_number(number).map_or(Error::Garbled, Error::Refused)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, call, exchange};
    use crate::fake;
    use crate::message::{Incoming, Outgoing};
    use abi::memory::{Map, Protection};
    use abi::process::{Create, Pid};
    use abi::{Errno, Handle, IpcError, Label, Tag};
    use std::string::ToString;

    const MAP: Map = Map::new(0, 4096, Protection::READ);

    #[test]
    fn a_request_goes_out_in_the_registers_the_boundary_names_and_its_answer_comes_back() {
        fake::install(|sent, _| {
            assert_eq!(sent, [2, 0x204, 0, 4096, 1, 0, 0, 0, 0]);
            [0, 0, 0xa000, 0, 0, 0, 0, 0, 0]
        });
        assert_eq!(call(Handle::MEMORY, MAP), Ok((0xa000,)));
    }

    #[test]
    fn refusals_and_lost_messages_are_told_apart() {
        fake::install(|_, _| [0, u64::from(Errno::ENOMEM.number()), 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(call(Handle::MEMORY, MAP), Err(Error::Refused(Errno::ENOMEM)));
        fake::install(|_, _| [IpcError::BadHandle as u64, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(call(Handle::NONE, MAP), Err(Error::Ipc(IpcError::BadHandle)));
    }

    #[test]
    fn answers_that_make_no_sense_are_errors_and_not_panics() {
        for registers in [
            [0, 0xffff, 0, 0, 0, 0, 0, 0, 0],
            [0, 1 << 60, 0, 0, 0, 0, 0, 0, 0],
            [99, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            fake::install(move |_, _| registers);
            assert_eq!(call(Handle::MEMORY, MAP), Err(Error::Garbled));
        }
        fake::install(|_, _| [0, 0, 1 << 40, 0, 0, 0, 0, 0, 0]);
        assert_eq!(call(Handle::SELF, abi::process::Identify {}), Err(Error::Garbled));
    }

    #[test]
    fn a_refusal_says_what_it_means() {
        let error = Error::Refused(Errno::ENOENT).to_string();
        assert_eq!(error, "ENOENT: Nothing has that name.");
    }

    #[test]
    fn bytes_go_along_and_handles_come_back() {
        fake::install(|sent, page| {
            assert_eq!(sent[1], 0x100 | 3 << 16);
            assert_eq!(&page.bytes[..3], b"abc");
            page.handles = [11, 12, 0, 0];
            let tag = Tag::new(Label::DONE).with_handles(2).expect("fits");
            [0, tag.encode(), 7, 0, 0, 0, 0, 0, 0]
        });
        let mut incoming = Incoming::new();
        let answer = exchange(Handle::SELF, Create {}, Outgoing::bytes(b"abc"), &mut incoming);
        assert_eq!(answer, Ok((Pid(7),)));
        assert_eq!(incoming.handles(), [Handle::from_raw(11), Handle::from_raw(12)]);
    }
}
