//! What has to wait until another thread of the same process has something long done.
//!
//! While an address space is copied, or something waits for a place in it, much that can be asked of it
//! cannot be done. Programs of one thread never see that. Those of several would have to ask again and
//! again; instead the kernel does, when the other thread's work is done. So it is with touches of what is
//! about to be there.

use super::ProcessId;
use crate::handle::{Capability, Object};
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::thread::{State, ThreadId, Work};

impl<P: Platform> Kernel<P> {
    /// Whether a request of `thread` to `object` that cannot be served now can be when another thread
    /// of its process has its work done.
    #[cold]
    pub(crate) fn can_be_deferred(&mut self, thread: ThreadId, object: Object) -> bool {
        let (id, _) = self.process_of(thread);
        let may_need_own_space = match object {
            // Another space's, too: pages that are moved there come from the one that is passed along.
            Object::Memory(_) => true,
            Object::Process(process) => process == id,
            // Whoever asks one, it maps its registers into that one's own address space.
            Object::Device(_) => true,
            _ => false,
        };
        may_need_own_space && self.has_work(id)
    }

    /// Whether the kernel has something to do to the address space of a process.
    fn has_work(&self, process: ProcessId) -> bool {
        let works = |state| matches!(state, State::Working(Work::Memory(_) | Work::Fork(..)));
        let process = self.processes.get(process);
        process.is_some_and(|process| {
            let mut threads = process.threads.iter(&self.threads);
            threads.any(|(_, thread)| works(thread.state))
        })
    }

    /// Lets `thread`, which runs, wait with its message to `object`.
    #[cold]
    pub(crate) fn defer(&mut self, thread: ThreadId, object: Object, message: Message<'_>) {
        self.registers(thread).set_message(message);
        self.wait_for_work(thread, Some(object));
    }

    /// Lets `thread`, which runs, wait until another thread of its process has its work done.
    pub(crate) fn wait_for_work(&mut self, thread: ThreadId, then: Option<Object>) {
        self.thread(thread).state = State::Deferred(then);
        let process = self.thread(thread).process;
        if let Some(process) = self.processes.get_mut(process) {
            process.deferred.push(&mut self.threads, thread);
        }
        self.cpu().current = None;
    }

    /// Some work on the address space of `process` is done: those who wait for that ask again.
    pub(crate) fn resume_deferred(&mut self, process: ProcessId) {
        while let Some(thread) = self
            .processes
            .get_mut(process)
            .and_then(|process| process.deferred.pop(&mut self.threads))
        {
            self.thread(thread).state = match self.thread(thread).state {
                State::Deferred(Some(object)) => State::Working(Work::Ask(object)),
                _ => State::Ready,
            };
            self.make_ready(thread);
        }
    }

    /// The current thread asks `object` once more what its registers say.
    pub(crate) fn ask_again(&mut self, thread: ThreadId, object: Object) {
        if self.is_leaving(thread) {
            self.thread(thread).state = State::Working(Work::Leave);
            return;
        }
        self.thread(thread).state = State::Ready;
        let registers = self.registers(thread);
        let (tag, words) = (registers.x[1], registers.words());
        match Message::decode(tag, &words) {
            Ok(message) => {
                self.ask(thread, Capability::to(object), message);
            }
            Err(error) => self.refuse(thread, error),
        }
    }
}
