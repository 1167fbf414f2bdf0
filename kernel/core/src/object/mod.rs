//! Kernel objects: who answers a call that is not for an endpoint.
//!
//! Each object has a file; it decodes its own labels and has one function a request.

pub mod console;
pub mod memory;
pub mod process;
pub mod system;

use crate::handle::Object;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::thread::{NO_WORDS, State, ThreadId, Work};
use abi::{Errno, IpcError, Label, Tag, Words, Words6};

/// What a kernel object answers when all went well. Bytes and handles are in the caller's
/// message page.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The words.
    pub words: Words6,
    bytes: usize,
    handles: usize,
}

impl Answer {
    /// Done, and nothing to tell.
    pub const DONE: Self = Self {
        words: NO_WORDS,
        bytes: 0,
        handles: 0,
    };

    /// Words only.
    pub fn of(words: impl Words) -> Self {
        Self {
            words: words.into_words(),
            ..Self::DONE
        }
    }

    /// The tag that announces it.
    pub fn tag(self) -> Tag {
        let tag = Tag::new(Label::DONE);
        tag.with_bytes(self.bytes)
            .and_then(|tag| tag.with_handles(self.handles))
            .unwrap_or(tag)
    }
}

/// What becomes of a call to a kernel object.
pub enum Outcome {
    /// It is answered.
    Answered(Answer),
    /// It is committed, and answered when this is done.
    Works(mm::Job, Answer),
    /// Its thread waits, as its state says, or is gone.
    Waits,
}

/// A call to a kernel object, as the object sees it. Bytes and handles are in the kernel's copy.
#[derive(Clone, Copy)]
pub struct Call {
    /// Who calls.
    pub thread: ThreadId,
    /// What it sent: counts.
    pub tag: Tag,
    /// What it sent: words.
    pub words: Words6,
}

impl<P: Platform> Kernel<P> {
    /// Hands a call to the object.
    ///
    /// # Errors
    /// A handle that came along is bad.
    pub(crate) fn invoke(&mut self, thread: ThreadId, object: Object, tag: Tag) -> Result<(), IpcError> {
        self.check_handles(thread, tag)?;
        self.read_message(thread, tag.bytes(), tag.handles());
        let words = self.registers(thread).words();
        let call = Call { thread, tag, words };
        let outcome = match object {
            Object::Memory(space) if self.memory.usage(space).is_none() => {
                return Err(IpcError::PeerGone);
            }
            // What the memory manager says of an address space that is being taken apart.
            Object::Memory(space) => match self.call_memory(call, space) {
                Err(Errno::ESRCH) => return Err(IpcError::PeerGone),
                outcome => outcome,
            },
            Object::Process(process) => self.call_process(call, process),
            Object::Console => self.call_console(call),
            Object::System => self.call_system(call),
            Object::Endpoint(_) => Err(Errno::ENOSYS),
        };
        match outcome {
            Ok(Outcome::Answered(answer)) => self.answer(thread, Ok(answer)),
            Ok(Outcome::Works(job, answer)) => {
                self.thread(thread).state = State::Working(Work::Memory(job, answer))
            }
            Ok(Outcome::Waits) => {}
            Err(errno) => self.answer(thread, Err(errno)),
        }
        Ok(())
    }

    /// Adds the first `bytes` bytes of the kernel's copy to an answer.
    pub(crate) fn with_bytes(&mut self, thread: ThreadId, answer: Answer, bytes: usize) -> Answer {
        self.write_message(thread, bytes, 0);
        Answer { bytes, ..answer }
    }

    /// Adds handles to an answer; there is room for them.
    pub(crate) fn with_handles<const N: usize>(
        &mut self,
        thread: ThreadId,
        answer: Answer,
        capabilities: [crate::handle::Capability; N],
    ) -> Answer {
        for (place, capability) in capabilities.into_iter().enumerate() {
            self.message.handles[place] = self.grant(thread, capability).raw();
        }
        self.write_message(thread, 0, N);
        Answer { handles: N, ..answer }
    }
}
