//! A program whose memory manager is its parent, which sees each request and says what becomes of it.
//!
//! ```text
//!   program ──request──> this program ──forwarded──> the kernel's memory manager
//!           <──answer───              <────answer───
//! ```
//!
//! The program finds an endpoint of this one at [`Handle::MEMORY`]. This one keeps the handle that the program would
//! have had, and whoever uses that acts as the program: with its address space, credential, quota and number. So
//! a forwarded request does what it would have done, and nobody can tell.
//!
//! There is one thing that such a program cannot do: start others. Their memory would come from its own,
//! and what it has in place of a memory manager is none to the kernel. It gets `EPERM` from a fork, `EBADF` from a move.

use crate::handle::OwnedHandle;
use crate::ipc::{Endpoint, Message, ask};
use crate::spawn::{Command, Loaded, SpawnError, fork};
use crate::sys::process;
use crate::time::Instant;
use crate::{Error, Failure, Incoming, Outcome, Outgoing, call};
use abi::memory::{MemoryRequest, WaitWord, WakeAndWait};
use abi::process::End;
use abi::{Badge, Errno, Handle, IpcError, Label, Request, Rights, Words, Words6};

/// On messages of the program.
const PROGRAM: Badge = Badge(1);
/// On messages of the copy that waits for the program's end.
const WATCHER: Badge = Badge(2);
/// The watcher asks for whom to watch. The answer is one handle.
const WHOM: Label = Label(1);
/// The watcher says how the program ended: the words are an [`End`].
const ENDED: Label = Label(2);

/// What the program asks of its memory manager.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The request.
    pub label: Label,
    /// Its words.
    pub words: Words6,
    /// Bytes and handles that came along. The handles are closed once the request is answered.
    pub sent: &'a Incoming,
}

/// The memory manager that the program would have had.
#[derive(Debug)]
pub struct Memory {
    handle: OwnedHandle,
    reply: Incoming,
}

impl Memory {
    /// Does what the program asks, as if it had asked the kernel itself. What comes back besides words goes to the
    /// program too. Who asks to wait for a word gets `EAGAIN` if it would have to, because this program serves others,
    /// who may be the ones that are waited for.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn forward(&mut self, asked: &Asked<'_>) -> Result<Words6, Errno> {
        let outgoing = Outgoing {
            bytes: asked.sent.bytes(),
            handles: asked.sent.handles(),
        };
        let (words, until) = without_waiting(asked.label, asked.words);
        let answer = ask(self.handle.get(), asked.label, words, outgoing, &mut self.reply);
        answer.map_err(|error| match error {
            Error::Refused(Errno::ETIMEDOUT) if Instant::now().ticks() < until => Errno::EAGAIN,
            Error::Refused(errno) => errno,
            // The program has ended meanwhile, so that nobody will see this.
            Error::Ipc(_) | Error::Garbled => Errno::ESRCH,
        })
    }

    /// A request of this program's own, made as the program.
    ///
    /// # Errors
    /// As [`call`](crate::call()).
    pub fn call<R: Request>(&self, request: R) -> Result<R::Answer, Error> {
        call(self.handle.get(), request)
    }

    /// Bytes that came with the answer to what was forwarded last.
    pub fn replied(&self) -> &[u8] {
        self.reply.bytes()
    }
}

/// The words of a request, with a deadline that has passed in place of its own if it has one, and its own.
fn without_waiting(label: Label, words: Words6) -> (Words6, u64) {
    let deadline = 0;
    match MemoryRequest::decode(label, &words) {
        Ok(MemoryRequest::WaitWord(wait)) => (WaitWord { deadline, ..wait }.into_words(), wait.deadline),
        Ok(MemoryRequest::WakeAndWait(both)) => {
            (WakeAndWait { deadline, ..both }.into_words(), both.deadline)
        }
        _ => (words, deadline),
    }
}

/// Runs a program and has `answer` say what it gets for each request to its memory manager, until it ends.
///
/// # Errors
/// The program cannot be started.
pub fn run(
    command: &Command<'_>,
    answer: impl FnMut(&Asked<'_>, &mut Memory) -> Result<Words6, Errno>,
) -> Result<End, Failure> {
    let endpoint = Endpoint::create()?;
    let program = load(command, &endpoint)?;
    let rights = Rights::CALL | Rights::PASS;
    let memory = Memory {
        handle: OwnedHandle::new(process::derive(program.process().memory(), rights, Badge(0))?),
        reply: Incoming::new(),
    };
    let client = endpoint.client(WATCHER)?;
    let watcher = fork(|| watch(client.get()))?;
    let program = program.start()?;
    let mut server = Server {
        program: program.handle(),
        memory,
        answer,
    };
    let end = server.serve(&endpoint);
    watcher.kill()?;
    if end.is_err() {
        // It would go on without any memory manager.
        program.kill()?;
    }
    Ok(end?)
}

/// The program with an endpoint for a memory manager, not started yet.
fn load(command: &Command<'_>, endpoint: &Endpoint) -> Result<Loaded, Failure> {
    let client = endpoint.client(PROGRAM)?;
    let command = command.clone().give(Handle::MEMORY.index(), client.get());
    command.load().map_err(|error| match error {
        SpawnError::Failed {
            error: Error::Refused(Errno::EBADF),
            ..
        } => Failure::new("nothing can be started by a program whose own memory manager is another program"),
        other => other.into(),
    })
}

/// The part of a copy of this program: only who waits for a process learns of its end, and this one waits for
/// messages.
fn watch(client: Handle) -> Outcome {
    let mut incoming = Incoming::new();
    ask(client, WHOM, [0; 6], Outgoing::NOTHING, &mut incoming)?;
    for &program in incoming.handles() {
        let end = process::wait(program)?.into_words();
        // There is no answer: this copy is ended.
        ask(client, ENDED, end, Outgoing::NOTHING, &mut Incoming::new()).ok();
    }
    Ok(())
}

struct Server<A> {
    program: Handle,
    memory: Memory,
    answer: A,
}

impl<A: FnMut(&Asked<'_>, &mut Memory) -> Result<Words6, Errno>> Server<A> {
    /// Answers messages until the program has ended.
    fn serve(&mut self, endpoint: &Endpoint) -> Result<End, Error> {
        let mut incoming = Incoming::new();
        let mut message = endpoint.receive(&mut incoming)?;
        loop {
            message = match (message.badge, message.label) {
                (WATCHER, ENDED) => return End::from_words(&message.words).map_err(Error::Refused),
                (WATCHER, _) => {
                    let whom = Outgoing::handles(core::slice::from_ref(&self.program));
                    endpoint.reply_receive(Ok(([0; 6], whom)), &mut incoming)?
                }
                _ => self.serve_program(endpoint, message, &mut incoming)?,
            };
        }
    }

    /// Answers the program, and waits for the next message.
    fn serve_program(
        &mut self,
        endpoint: &Endpoint,
        message: Message,
        incoming: &mut Incoming,
    ) -> Result<Message, Error> {
        let Message { label, words, .. } = message;
        let sent = &*incoming;
        self.memory.reply = Incoming::new();
        let answer = (self.answer)(&Asked { label, words, sent }, &mut self.memory);
        close(sent.handles());
        let reply = &self.memory.reply;
        let outgoing = Outgoing {
            bytes: reply.bytes(),
            handles: reply.handles(),
        };
        let mut next = endpoint.reply_receive(answer.map(|words| (words, outgoing)), incoming);
        close(reply.handles());
        if next == Err(Error::Ipc(IpcError::PeerFull)) {
            // What the kernel says who has no room for a handle to what it has made. That is gone again.
            next = endpoint.reply_receive(Err(Errno::EMFILE), incoming);
        }
        match next {
            // It has ended meanwhile, and the watcher will say so.
            Err(Error::Ipc(IpcError::PeerGone | IpcError::NoCaller)) => endpoint.receive(incoming),
            next => next,
        }
    }
}

fn close(handles: &[Handle]) {
    for &handle in handles {
        // It came with a message, so it is there.
        process::close(handle).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Memory};
    use crate::handle::OwnedHandle;
    use crate::{Incoming, fake};
    use abi::memory::{FOREVER, MemoryRequest, WaitWord, WakeAndWait};
    use abi::{Errno, Handle, Tag};

    /// What a program is answered that asks for this where the word is as it expects. The kernel is asked not to wait.
    fn answer(request: MemoryRequest) -> Result<[u64; 6], Errno> {
        fake::install(|sent, _| {
            let words = [sent[2], sent[3], sent[4], sent[5], sent[6], sent[7]];
            let label = Tag::decode(sent[1]).expect("well-formed").label();
            let deadline = match MemoryRequest::decode(label, &words).expect("a request") {
                MemoryRequest::WaitWord(wait) => wait.deadline,
                MemoryRequest::WakeAndWait(both) => both.deadline,
                other => panic!("{other:?}"),
            };
            assert_eq!(deadline, 0);
            [0, Errno::ETIMEDOUT as u64, 0, 0, 0, 0, 0, 0, 0]
        });
        let mut memory = Memory {
            handle: OwnedHandle::new(Handle::MEMORY),
            reply: Incoming::new(),
        };
        let (label, words) = request.encode();
        let sent = &Incoming::new();
        let answer = memory.forward(&Asked { label, words, sent });
        core::mem::forget(memory);
        answer
    }

    #[test]
    fn who_would_wait_for_a_word_is_told_to_look_again_until_the_deadline() {
        let wait = |deadline| {
            MemoryRequest::WaitWord(WaitWord {
                address: 0x1000,
                expected: 1,
                deadline,
            })
        };
        assert_eq!(answer(wait(FOREVER)), Err(Errno::EAGAIN));
        assert_eq!(answer(wait(0)), Err(Errno::ETIMEDOUT));
        let both = WakeAndWait {
            woken: 0x2000,
            address: 0x1000,
            expected: 1,
            deadline: FOREVER,
        };
        assert_eq!(answer(MemoryRequest::WakeAndWait(both)), Err(Errno::EAGAIN));
    }
}
