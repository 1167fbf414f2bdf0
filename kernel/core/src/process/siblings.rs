//! Threads beside others of their process: how they begin and end.
//!
//! A thread that ends by itself leaves as one does whose process ends, but at once. If it is the last one, its process ends with
//! it.
//! Its message page stays, for the next one with its number.

use super::{ProcessId, Stage};
use crate::handle::Capability;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::object::Outcome;
use crate::platform::{Guarded, Platform};
use crate::thread::{State, ThreadId};
use abi::process::{CreateThread, End};
use abi::{Badge, Errno, Label, Tag};

impl<P: Platform> Kernel<P> {
    /// Makes a thread of `process`, that of `creator`, and lets it run.
    pub(crate) fn create_thread(
        &mut self,
        creator: ThreadId,
        process: ProcessId,
        create: CreateThread,
    ) -> Result<Outcome, Errno> {
        let owner = self.process(process);
        let (user, space) = (owner.user, owner.space.ok_or(Errno::ESRCH)?);
        let number = owner.threads.free_number().ok_or(Errno::EAGAIN)?;
        if owner.handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        self.check_thread(user)?;
        let page = self.memory.lock().map_message_page(space, number)?;
        self.more_threads -= 1;
        let thread = self.insert_thread(process, space, (number, page));
        let (priority, cpus) = (self.thread(creator).own_priority, self.thread(creator).cpus);
        self.thread(thread).cpus = cpus;
        self.set_own_priority(thread, priority);
        self.begin_thread(thread, create);
        Ok(self.answer_with_handles(creator, (number,), [Capability::to_thread(thread)]))
    }

    fn begin_thread(&mut self, thread: ThreadId, create: CreateThread) {
        let CreateThread {
            entry,
            stack,
            word,
            pointer,
        } = create;
        let registers = self.registers(thread);
        (registers.pc, registers.sp, registers.tpidr) = (entry, stack, pointer);
        let message = Message {
            tag: Tag::new(Label::DONE),
            words: &[word, 0, 0, 0, 0, 0],
        };
        self.deliver(thread, message, Badge(0));
        self.wake(thread);
    }

    /// Ends `thread`, which runs; if it is the last one, its process.
    pub(crate) fn exit_thread(
        &mut self,
        thread: ThreadId,
        process: ProcessId,
        status: i32,
    ) -> Result<Outcome, Errno> {
        if self.process(process).threads.living() == 1 {
            return self.exit(thread, process, status);
        }
        self.cut_ties(thread);
        self.finish_thread(thread, End::Exited(status));
        Ok(Outcome::Waits)
    }

    /// Does something for each thread of `process`, those included that have ended and are remembered.
    pub(crate) fn for_each_thread(&mut self, process: ProcessId, mut act: impl FnMut(&mut Self, ThreadId)) {
        let mut next = self.process(process).threads.first();
        while let Some(thread) = next {
            next = self.thread(thread).sibling;
            act(self, thread);
        }
    }

    /// Whether `thread` ends before it could go on, as its process does.
    pub(crate) fn is_leaving(&mut self, thread: ThreadId) -> bool {
        matches!(self.process_of(thread).1.stage, Stage::Ending(_))
    }

    /// The current thread has left, and ended in this way; those who wait for that learn of it.
    pub(super) fn finish_thread(&mut self, id: ThreadId, end: End) {
        self.settle_account(id);
        let number = self.thread(id).number;
        self.process_of(id).1.threads.end(number);
        self.cpu().current = None;
        let thread = self.thread(id);
        thread.state = State::Ended(end);
        // Kept until all have learned of it.
        thread.references += 1;
        self.tell_joining(id, end);
        self.release_thread(id);
    }

    /// One handle to a thread fewer. Without any, one that has ended is forgotten.
    pub(crate) fn release_thread(&mut self, id: ThreadId) {
        let thread = self.thread(id);
        thread.references -= 1;
        if thread.references == 0 && thread.has_ended() {
            self.forget_ended(id);
        }
    }

    fn forget_ended(&mut self, id: ThreadId) {
        let process = self.thread(id).process;
        if let Some(owner) = self.processes.get_mut(process) {
            owner.threads.remove(&mut self.threads, id);
            self.more_threads += u32::from(owner.threads.count() > 0);
        }
        self.threads.discard(id);
        self.forget_process(process);
    }
}
