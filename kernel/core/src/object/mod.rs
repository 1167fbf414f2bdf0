//! Kernel objects: who answers a call that is not for an endpoint.
//!
//! Each object has a file; it decodes its own labels and has one function a request. Where it begins is never inlined,
//! so that no request pays for the stack frames of other objects.

mod by_number;
pub mod console;
mod cpus;
mod credential;
pub mod device;
pub mod memory;
mod priority;
pub mod process;
pub mod system;
mod thread;
pub mod word;

use crate::handle::{Capability, Object};
use crate::ipc::Direct;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::thread::{State, ThreadId};
use abi::{Badge, Errno, IpcError, Label, Rights, Tag, Words, Words6};

/// What becomes of a call to a kernel object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is answered: its thread runs or is ready as before.
    Answered,
    /// Its thread waits or works, as its state says, or is gone.
    Waits,
}

/// A call to a kernel object, as the object sees it. Bytes and handles are in the kernel's copy.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Who calls.
    pub thread: ThreadId,
    /// What its handle lets it do, besides calling.
    pub rights: Rights,
    /// What it sent: counts.
    pub tag: Tag,
    /// What it sent: words.
    pub words: &'a Words6,
}

impl<P: Platform> Kernel<P> {
    /// Hands on the call of the running thread that [`Here::serve`](crate::Here::serve) has found to be for `object`. Answers who
    /// goes on, as `Self::at_once` does.
    #[inline(always)] // what a call has in registers is handed on in registers
    pub fn ask_directly(
        &mut self,
        (thread, capability): (ThreadId, Capability),
        message: Message<'_>,
    ) -> Direct<P::Place> {
        match self.ask(thread, capability, message) {
            Outcome::Answered if !self.cpu().chooses => {
                debug_assert!(
                    self.cpu().current == Some(thread) && matches!(self.thread(thread).state, State::Ready),
                    "who is answered still runs"
                );
                Direct::Stays(self.platform.place(thread.index()))
            }
            _ => self.at_once(),
        }
    }

    /// Hands a call of the current thread to the object.
    #[inline(always)] // so that there is no stack frame between a trap and the object
    pub(crate) fn ask(&mut self, thread: ThreadId, capability: Capability, message: Message<'_>) -> Outcome {
        let Capability { object, rights, .. } = capability;
        let Message { tag, words } = message;
        if !message.is_in_registers()
            && let Err(error) = self.here().take_in(thread, tag)
        {
            self.refuse(thread, error);
            return Outcome::Answered;
        }
        let call = &Call {
            thread,
            rights,
            tag,
            words,
        };
        let outcome = match object {
            Object::Memory(space) => self.call_memory(call, space),
            Object::Process(process) => self.call_process(call, process),
            Object::Console => self.call_console(call),
            Object::System => self.call_system(call),
            Object::Thread(other) => self.call_thread(call, other),
            Object::Device(device) => self.call_device(call, device),
            Object::Endpoint(_) | Object::Region(_) | Object::Reply(_) => Err(Errno::ENOSYS),
        };
        match outcome {
            Ok(outcome) => outcome,
            Err(errno) => self.turn_down(thread, object, message, errno),
        }
    }

    /// Does the first piece of what is to be done before `thread`, whose answer is in place, goes on: mostly that
    /// is all.
    #[inline(never)] // like the next one, so that most requests do not pay for its stack frame
    pub(crate) fn begin_work(&mut self, thread: ThreadId, job: mm::Job) -> Outcome {
        self.begin_job(thread, job);
        match self.thread(thread).state {
            State::Ready => Outcome::Answered,
            _ => Outcome::Waits,
        }
    }

    #[inline(never)]
    fn turn_down(&mut self, thread: ThreadId, object: Object, message: Message<'_>, errno: Errno) -> Outcome {
        match (errno, object) {
            // What the memory manager says of an address space that is gone or being taken apart.
            (Errno::ESRCH, Object::Memory(_)) => self.refuse(thread, IpcError::PeerGone),
            (Errno::EAGAIN, _) if self.can_be_deferred(thread, object) => {
                self.defer(thread, object, message);
                return Outcome::Waits;
            }
            _ => self.fail(thread, errno),
        }
        Outcome::Answered
    }

    /// Puts an answer in place that says why there is no other.
    pub(crate) fn fail(&mut self, thread: ThreadId, errno: Errno) {
        self.deliver(thread, Message::empty(Label(errno.number())), Badge(0));
    }

    /// Puts an answer of words in place.
    #[inline]
    pub(crate) fn answer(&mut self, thread: ThreadId, words: impl Words) -> Outcome {
        self.put_answer(thread, Tag::new(Label::DONE), &words.into_words())
    }

    /// The same with the first `bytes` bytes of the kernel's copy.
    pub(crate) fn answer_with_bytes(&mut self, thread: ThreadId, words: impl Words, bytes: usize) -> Outcome {
        self.write_message(thread, bytes, 0);
        let tag = Tag::new(Label::DONE);
        self.put_answer(thread, tag.with_bytes(bytes).unwrap_or(tag), &words.into_words())
    }

    /// The same with handles, for which there is room.
    pub(crate) fn answer_with_handles<const N: usize>(
        &mut self,
        thread: ThreadId,
        words: impl Words,
        capabilities: [Capability; N],
    ) -> Outcome {
        for capability in capabilities {
            self.retain(capability);
        }
        self.answer_with_counted(thread, words, capabilities)
    }

    /// The same with handles that are counted already.
    pub(crate) fn answer_with_counted<const N: usize>(
        &mut self,
        thread: ThreadId,
        words: impl Words,
        capabilities: [Capability; N],
    ) -> Outcome {
        for (place, capability) in capabilities.into_iter().enumerate() {
            self.message().handles[place] = self.add_handle(thread, capability).raw();
        }
        self.write_message(thread, 0, N);
        let tag = Tag::new(Label::DONE);
        self.put_answer(thread, tag.with_handles(N).unwrap_or(tag), &words.into_words())
    }

    #[inline]
    fn put_answer(&mut self, thread: ThreadId, tag: Tag, words: &Words6) -> Outcome {
        self.deliver(thread, Message { tag, words }, Badge(0));
        Outcome::Answered
    }
}
