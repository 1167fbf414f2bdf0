//! Requests to a console: [`abi::console`].

use crate::call::{call_with, exchange};
use crate::sys::process::yield_now;
use crate::{Error, Incoming, Outgoing};
use abi::console::{Read, SignalInterrupt, Write};
use abi::{BUFFER_BYTES, Errno, Handle, IpcError};

/// Writes bytes, all of them.
///
/// # Errors
/// As [`Write`]. How many were written by then is not known.
pub fn write_all(console: Handle, bytes: &[u8]) -> Result<(), Error> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let piece = &rest[..rest.len().min(BUFFER_BYTES)];
        let write = || call_with(console, Write {}, Outgoing::bytes(piece));
        let taken = match again_if_unanswered(write) {
            Ok((taken,)) => taken,
            // Its device is busy with what it has; others may run meanwhile.
            Err(Error::Refused(Errno::EAGAIN)) => {
                yield_now();
                continue;
            }
            Err(error) => return Err(error),
        };
        rest = usize::try_from(taken)
            .ok()
            .filter(|&taken| taken != 0)
            .and_then(|taken| rest.get(taken..))
            .ok_or(Error::Garbled)?;
    }
    Ok(())
}

/// A server that ends while it works on a call leaves that without an answer, and may be started again at the same
/// endpoint. Where nobody will ever receive, asking once more fails as well.
fn again_if_unanswered<T>(mut ask: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    match ask() {
        Err(Error::Ipc(IpcError::PeerGone)) => ask(),
        done => done,
    }
}

/// Waits for input, at most `most` bytes; none at its end.
///
/// # Errors
/// As [`Read`].
pub fn read(console: Handle, most: u64, input: &mut Incoming) -> Result<(), Error> {
    loop {
        let read = || exchange(console, Read { most }, Outgoing::NOTHING, input);
        match again_if_unanswered(read) {
            // A pipe that is empty: others may run, and write to it.
            Err(Error::Refused(Errno::EAGAIN)) => yield_now(),
            done => return done.map(|_| ()),
        }
    }
}

/// Lets Control-C be a signal through `signaller`, which has the right to signal and to be passed on; or input again.
///
/// # Errors
/// As [`SignalInterrupt`].
pub fn signal_interrupt(console: Handle, signaller: Option<Handle>) -> Result<(), Error> {
    call_with(
        console,
        SignalInterrupt {},
        Outgoing::handles(signaller.as_slice()),
    )
}

#[cfg(test)]
mod tests {
    use super::write_all;
    use crate::{Error, fake};
    use abi::{Errno, Handle, IpcError, Operation};
    use std::rc::Rc;
    use std::vec::Vec;

    /// A console that takes at most five bytes at a time.
    fn slow_console() -> Rc<std::cell::RefCell<Vec<u8>>> {
        let written = Rc::new(std::cell::RefCell::new(Vec::new()));
        let seen = Rc::clone(&written);
        fake::install(move |sent, page| {
            let taken = (sent[1] >> 16 & 0xffff).min(5);
            seen.borrow_mut().extend_from_slice(&page.bytes[..taken as usize]);
            [0, 0, taken, 0, 0, 0, 0, 0, 0]
        });
        written
    }

    #[test]
    fn what_the_console_does_not_take_at_once_is_sent_again() {
        let written = slow_console();
        write_all(Handle::CONSOLE, b"all of this sentence").expect("a console that works");
        assert_eq!(written.borrow().as_slice(), b"all of this sentence");
    }

    #[test]
    fn a_busy_console_is_asked_again_after_others_could_run() {
        let operations = Rc::new(std::cell::RefCell::new(Vec::new()));
        let seen = Rc::clone(&operations);
        fake::install(move |sent, _| {
            seen.borrow_mut().push(sent[8]);
            let busy = seen.borrow().len() == 1;
            let errno = if busy {
                u64::from(Errno::EAGAIN.number())
            } else {
                0
            };
            [0, errno, 2, 0, 0, 0, 0, 0, 0]
        });
        assert_eq!(write_all(Handle::CONSOLE, b"hi"), Ok(()));
        let [call, yield_now] = [Operation::Call, Operation::Yield].map(|it| it as u64);
        assert_eq!(operations.borrow().as_slice(), [call, yield_now, call]);
    }

    #[test]
    fn a_console_that_ends_while_it_is_asked_is_asked_once_more() {
        for failures in [1, 2] {
            let mut asked = 0;
            fake::install(move |_, _| {
                asked += 1;
                let gone = if asked <= failures {
                    IpcError::PeerGone as u64
                } else {
                    0
                };
                [gone, 0, 2, 0, 0, 0, 0, 0, 0]
            });
            assert_eq!(write_all(Handle::CONSOLE, b"hi").is_ok(), failures == 1);
        }
    }

    #[test]
    fn a_console_that_takes_nothing_or_too_much_is_given_up() {
        for taken in [0, 6, u64::MAX] {
            fake::install(move |_, _| [0, 0, taken, 0, 0, 0, 0, 0, 0]);
            assert_eq!(write_all(Handle::CONSOLE, b"hello"), Err(Error::Garbled));
        }
    }
}
