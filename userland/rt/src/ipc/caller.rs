//! Callers that are answered later.

use super::{Answer, done, put_answer, registers};
use crate::Error;
use crate::handle::OwnedHandle;
use crate::svc::trap;
use abi::{Handle, Operation};

/// A caller that was [taken along](super::Endpoint::take_caller), and waits. Its handle can be passed to
/// another program, which answers in this one's place. A caller that is dropped is told that no answer will
/// come.
#[derive(Debug)]
pub struct Caller {
    handle: OwnedHandle,
}

impl Caller {
    /// The caller behind a handle that came from elsewhere.
    pub const fn from_handle(handle: Handle) -> Self {
        Self {
            handle: OwnedHandle::new(handle),
        }
    }

    /// Its handle.
    pub const fn handle(&self) -> Handle {
        self.handle.get()
    }

    /// Answers it.
    ///
    /// # Errors
    /// [`PeerGone`](abi::IpcError::PeerGone) it waits no longer;
    /// [`PeerFull`](abi::IpcError::PeerFull) it has no room for handles: it learns that no answer comes.
    pub fn reply(self, answer: Answer<'_>) -> Result<(), Error> {
        reply(self.handle(), answer)?;
        // The kernel has closed it.
        core::mem::forget(self);
        Ok(())
    }
}

/// Answers the caller behind `handle`, or that of the message received last.
pub(super) fn reply(handle: Handle, answer: Answer<'_>) -> Result<(), Error> {
    let (tag, words) = put_answer(answer)?;
    done(trap(registers(handle, tag, words, Operation::Reply)))
}

#[cfg(test)]
mod tests {
    use super::Caller;
    use crate::{Error, Outgoing, fake};
    use abi::process::Close;
    use abi::{Errno, Handle, IpcError, Request};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    const REPLY: Handle = Handle::from_parts(9, 0);

    #[test]
    fn an_answer_names_its_caller_and_the_handle_is_closed_only_if_it_was_not_given() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&seen);
        fake::install(move |sent, _| {
            log.borrow_mut().push((sent[0], sent[1], sent[2], sent[8]));
            let is_late = sent[2] == 2;
            [
                if is_late { IpcError::PeerGone as u64 } else { 0 },
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ]
        });
        let answer = |word| Ok(([word, 0, 0, 0, 0, 0], Outgoing::NOTHING));
        assert_eq!(Caller::from_handle(REPLY).reply(answer(1)), Ok(()));
        assert_eq!(Caller::from_handle(REPLY).reply(Err(Errno::EAGAIN)), Ok(()));
        let late = Caller::from_handle(REPLY).reply(answer(2));
        assert_eq!(late, Err(Error::Ipc(IpcError::PeerGone)));
        let close = (1, u64::from(Close::LABEL.0), 9, 0);
        let failure = u64::from(Errno::EAGAIN.number());
        assert_eq!(
            *seen.borrow(),
            [(9, 0, 1, 4), (9, failure, 0, 4), (9, 0, 2, 4), close]
        );
    }
}
