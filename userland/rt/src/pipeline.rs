//! Programs of which each reads what the one before it writes, and this one what the last writes.
//!
//! ```text
//!   program 0 ──write──> this program ──read──> program 1 ──write──> this program
//!       └─────signal──────────>^<─────────signal───┘                 when it ends
//! ```
//!
//! The programs find an endpoint of this one in place of their console, and cannot tell: it answers the same messages.
//! Their ends are signals to the same endpoint.

mod pipes;

use crate::handle::OwnedHandle;
use crate::ipc::{Endpoint, Message};
use crate::spawn::Child;
use crate::{Error, Incoming, Outgoing};
use abi::console::ConsoleRequest;
use abi::process::End;
use abi::{Arrival, Badge, Errno, IpcError, Words, Words6};
use alloc::vec::Vec;
use pipes::Pipes;

/// Programs of a pipeline at most: each has a bit among the signals, and one is left for others.
pub const MOST_PROGRAMS: usize = 63;

/// A pipeline. All that happens in it happens in [`next_event`](Self::next_event), which therefore is called until there is nothing
/// more.
///
/// ```no_run
/// use rt::pipeline::{Event, Pipeline};
/// use rt::spawn::Command;
///
/// /// Shows what the second program makes of what the first one writes.
/// fn connect(first: Command<'_>, second: Command<'_>) -> rt::Outcome {
///     let mut pipeline = Pipeline::new(2, b"")?;
///     for command in [first, second] {
///         let console = pipeline.console()?;
///         pipeline.add(Some(command.console(console.get()).spawn()?))?;
///     }
///     while let Some(event) = pipeline.next_event()? {
///         if let Event::Written(bytes) = event {
///             rt::io::write(bytes)?;
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Pipeline {
    endpoint: Endpoint,
    pipes: Pipes,
    /// In order; none in place of one that could not be started.
    children: Vec<Option<Child>>,
    /// Signals that came and nobody has been told of.
    signals: u64,
    incoming: Incoming,
}

/// What happens in a pipeline.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The last program writes this.
    Written(&'a [u8]),
    /// The program at this place, counted from 0, has ended.
    Ended(usize, &'a Child, End),
    /// Others have sent these signals to [the endpoint](Pipeline::endpoint).
    Signals(u64),
}

/// What a message is answered with.
type Answer = Result<(Words6, Vec<u8>), Errno>;

impl Pipeline {
    /// For so many programs, of which the first reads `input`.
    ///
    /// # Errors
    /// As [`abi::process::CreateEndpoint`]; `ENOSPC` these are more than [`MOST_PROGRAMS`].
    pub fn new(programs: usize, input: &[u8]) -> Result<Self, Error> {
        if programs > MOST_PROGRAMS {
            return Err(Error::Refused(Errno::ENOSPC));
        }
        Ok(Self {
            endpoint: Endpoint::create()?,
            pipes: Pipes::new(programs, input),
            children: Vec::new(),
            signals: 0,
            incoming: Incoming::new(),
        })
    }

    /// What others may signal to: bits that no program has, the uppermost first.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What the next program, which is to be [added](Self::add), has to find as its console.
    ///
    /// # Errors
    /// As [`abi::process::Derive`]; `ENOSPC` all programs have been added.
    pub fn console(&self) -> Result<OwnedHandle, Error> {
        self.endpoint.client(Badge(self.next_place()? as u64 + 1))
    }

    /// Adds the next program, which runs already; or none, if it could not be started: then it has ended.
    ///
    /// # Errors
    /// As [`abi::process::SignalEnd`]; `ENOSPC` all programs have been added.
    pub fn add(&mut self, child: Option<Child>) -> Result<(), Error> {
        let place = self.next_place()?;
        match &child {
            Some(child) => child.signal_end(self.endpoint.signaller(Badge(1 << place))?.get())?,
            None => self.pipes.end(place),
        }
        self.children.push(child);
        Ok(())
    }

    /// Where the next program comes, if there is a place for one more.
    fn next_place(&self) -> Result<usize, Error> {
        let place = self.children.len();
        let is_free = place < self.pipes.count();
        is_free.then_some(place).ok_or(Error::Refused(Errno::ENOSPC))
    }

    /// Ends all programs, which is [told](Event::Ended) of each.
    ///
    /// # Errors
    /// As [`abi::process::Kill`].
    pub fn kill(&self) -> Result<(), Error> {
        self.children.iter().flatten().try_for_each(Child::kill)
    }

    /// From now on nobody reads what the last program writes.
    pub fn stop_reading(&mut self) {
        self.pipes.stop_reading();
    }

    /// Lets the programs go on, and waits until something happens; `None` if all have ended.
    ///
    /// # Errors
    /// The kernel does not let this program wait.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        while self.signals == 0 && !self.pipes.all_ended() {
            let message = self.endpoint.receive(&mut self.incoming)?;
            match message.arrival {
                Arrival::Signals => self.signals = message.words[0],
                Arrival::Call if self.reply(message)? => {
                    return Ok(Some(Event::Written(self.incoming.bytes())));
                }
                Arrival::Call | Arrival::Message | Arrival::Fault => {}
            }
        }
        self.next_signal()
    }

    /// Of several, the end of the first program.
    fn next_signal(&mut self) -> Result<Option<Event<'_>>, Error> {
        let signals = self.signals;
        let children = self.children.iter().enumerate();
        let mut running = children.filter_map(|(place, child)| Some((place, child.as_ref()?)));
        let Some((place, child)) = running.find(|(place, _)| signals & 1 << place != 0) else {
            self.signals = 0;
            return Ok((signals != 0).then_some(Event::Signals(signals)));
        };
        self.signals &= !(1 << place);
        self.pipes.end(place);
        Ok(Some(Event::Ended(place, child, child.wait()?)))
    }

    /// Answers a call. Whether the last program has written something.
    fn reply(&mut self, message: Message) -> Result<bool, Error> {
        let (program, request) = (
            message.badge.0.wrapping_sub(1) as usize,
            ConsoleRequest::decode(message.label, &message.words),
        );
        let answer = request.and_then(|request| self.answer(program, request));
        let is_output =
            answer.is_ok() && matches!(request, Ok(ConsoleRequest::Write(_))) && self.pipes.is_last(program);
        let replied = self.endpoint.reply(match &answer {
            Ok((words, bytes)) => Ok((*words, Outgoing::bytes(bytes))),
            Err(errno) => Err(*errno),
        });
        if let (Err(_), Ok((_, unread))) = (replied, &answer) {
            self.pipes.put_back(program, unread);
        }
        match replied {
            // A program that was ended meanwhile, or waits no longer.
            Err(Error::Ipc(IpcError::PeerGone | IpcError::NoCaller)) => Ok(is_output),
            other => other.map(|()| is_output),
        }
    }

    fn answer(&mut self, program: usize, request: ConsoleRequest) -> Answer {
        match request {
            ConsoleRequest::Write(_) => {
                let taken = self.pipes.write(program, self.incoming.bytes())?;
                Ok(((taken as u64,).into_words(), Vec::new()))
            }
            ConsoleRequest::Read(read) => {
                let bytes = self.pipes.read(program, read.most)?;
                Ok(((bytes.len() as u64,).into_words(), bytes))
            }
            ConsoleRequest::SignalInterrupt(_) => Err(Errno::ENOSYS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_PROGRAMS, Pipeline};
    use crate::ipc::Message;
    use crate::{Error, fake};
    use abi::console::Read;
    use abi::{Arrival, Badge, Errno, IpcError, Label, Operation, Request, Tag, Words};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    const FULL: Error = Error::Refused(Errno::ENOSPC);

    /// A kernel that has a handle for whoever asks for one.
    fn one_handle() -> [u64; 9] {
        let tag = Tag::new(Label::DONE).with_handles(1).expect("one");
        [0, tag.encode(), 0, 0, 0, 0, 0, 0, 0]
    }

    #[test]
    fn more_programs_than_there_are_places_for_are_refused() {
        fake::install(|_, _| one_handle());
        assert_eq!(Pipeline::new(MOST_PROGRAMS + 1, b"").err(), Some(FULL));
        let mut pipeline = Pipeline::new(MOST_PROGRAMS, b"").expect("a pipeline");
        for _ in 0..MOST_PROGRAMS {
            assert_eq!(pipeline.add(None), Ok(()));
        }
        assert_eq!(pipeline.console().err(), Some(FULL));
        assert_eq!(pipeline.add(None), Err(FULL));
    }

    #[test]
    fn what_a_reader_does_not_wait_for_any_more_is_there_for_its_next_read() {
        let (mut is_gone, given) = (true, Rc::new(RefCell::new(Vec::new())));
        let log = Rc::clone(&given);
        fake::install(move |sent, page| {
            if sent[8] != Operation::Reply as u64 {
                return one_handle();
            }
            if core::mem::take(&mut is_gone) {
                return [IpcError::PeerGone as u64, 0, 0, 0, 0, 0, 0, 0, 0];
            }
            log.borrow_mut()
                .extend_from_slice(&page.bytes[..sent[2] as usize]);
            [0; 9]
        });
        let mut pipeline = Pipeline::new(1, b"abcdef").expect("a pipeline");
        let read = |most| Message {
            arrival: Arrival::Call,
            label: Read::LABEL,
            words: Read { most }.into_words(),
            badge: Badge(1),
        };
        for most in [4, 2, 9] {
            assert_eq!(pipeline.reply(read(most)), Ok(false));
        }
        assert_eq!(*given.borrow(), b"abcdef");
    }
}
