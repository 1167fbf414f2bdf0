//! How processes end: by exit, by a fault, by their parent, or because nobody can start them.
//!
//! Whatever the reason, each of its threads leaves, at home, where the registers are that are in no memory.
//! The last one that leaves takes the process apart, in pieces. Only after the last piece do those who
//! wait for the end learn of it.

use super::{ProcessId, Stage};
use crate::handle::Object;
use crate::kernel::Kernel;
use crate::object::Outcome;
use crate::platform::{Guarded, Platform};
use crate::sched::Stop;
use crate::thread::{EndAnswer, State, Thread, ThreadId, Work};
use abi::Errno;
use abi::process::End;

impl<P: Platform> Kernel<P> {
    /// Ends a process. What the kernel is in the middle of for one of its threads is finished first.
    /// Only queues are touched here, so that an end that causes others (of children that never
    /// started) needs no recursion.
    pub fn end_process(&mut self, id: ProcessId, end: End) {
        let process = self.process(id);
        if matches!(process.stage, Stage::Ending(_) | Stage::Ended(_)) {
            return;
        }
        process.stage = Stage::Ending(end);
        self.for_each_thread(id, Self::send_home);
    }

    /// Ends the process of `thread`, which runs and leaves at once: it is at home.
    pub(crate) fn exit(
        &mut self,
        thread: ThreadId,
        process: ProcessId,
        status: i32,
    ) -> Result<Outcome, Errno> {
        self.end_process(process, End::Exited(status));
        self.leave(thread);
        Ok(Outcome::Waits)
    }

    /// Lets a thread of an ending process leave, in its turn at home.
    fn send_home(&mut self, thread: ThreadId) {
        if matches!(self.thread(thread).state, State::Working(_) | State::Ended(_)) {
            return;
        }
        let waited_for = self.waited_for(thread);
        self.leave_queue(thread);
        self.thread(thread).state = State::Working(Work::Leave);
        self.thread(thread).fault = None;
        let home = self.thread(thread).home;
        if self.cpus[home].current != Some(thread) {
            self.make_ready(thread);
        } else if home == self.cpus.here {
            // It is in a trap that may answer it, as the close of what it has lent to a sibling's fault does, and would
            // go on.
            self.cpu().chooses = true;
        } else {
            self.interrupt_running(thread, home);
        }
        self.take_priority_back(waited_for);
    }

    /// Lets a thread leave, which is current, and whose process ends. The last one starts on what that has.
    pub(crate) fn leave(&mut self, thread: ThreadId) {
        self.cut_ties(thread);
        let (id, process) = self.process_of(thread);
        match process.stage {
            Stage::Ending(end) if process.threads.living() > 1 => self.finish_thread(thread, end),
            _ => self.take_apart(id, thread),
        }
    }

    /// Cuts the ties of a thread, which is current, to its caller and to this CPU.
    pub(super) fn cut_ties(&mut self, thread: ThreadId) {
        self.abandon_caller(thread);
        let cpu = self.cpu();
        // A CPU in whose address space no thread is prepared to go on would not learn of its end.
        if cpu.prepared == Some(thread) {
            (cpu.active, cpu.prepared) = (None, None);
            self.platform.deactivate();
        }
        // What a CPU has of it is here, if anywhere; another may do the rest, and does not know.
        self.platform.forget_thread(thread.index());
    }

    fn take_apart(&mut self, id: ProcessId, last: ThreadId) {
        while let Some(capability) = self.process(id).handles.remove_any() {
            self.release(id, capability);
        }
        let Some(space) = self.process(id).space.take() else {
            panic!("{id:?} ends without an address space");
        };
        let now = self.seconds();
        let job = self.memory.lock().destroy_space(space, now);
        self.thread(last).state = State::Working(Work::Teardown(job));
    }

    /// The last piece is done: the last thread goes, and everybody learns of the end.
    pub(crate) fn finish_end(&mut self, thread: ThreadId) {
        let (id, process) = self.process_of(thread);
        let Stage::Ending(end) = process.stage else {
            panic!("{id:?} was taken apart without a reason");
        };
        process.stage = Stage::Ended(end);
        // Kept until all have learned of it.
        process.references.add(1);
        let signal = process.end_signal.take();
        if self.first_process == Some(id) {
            self.stop = Some(Stop::FirstEnded(end));
        }
        self.finish_thread(thread, end);
        self.tell_waiters(id, end);
        if let Some(target) = signal {
            self.signal_to(target);
        }
        self.release_process(id);
    }

    /// One handle to a process fewer. Without any but its own, one that has not started never
    /// will; without any, one that has ended is forgotten.
    pub(crate) fn release_process(&mut self, id: ProcessId) {
        let process = self.process(id);
        process.references.take(1);
        match process.stage {
            Stage::Ended(_) => self.forget_process(id),
            Stage::New if process.references.get() == process.handles.count(Object::Process(id)) => {
                self.end_process(id, End::Killed);
            }
            _ => {}
        }
    }

    /// Forgets a process that has ended, if nothing names it or one of its threads.
    pub(super) fn forget_process(&mut self, id: ProcessId) {
        let process = self.process(id);
        let is_known = process.references.get() > 0 || process.threads.count() > 0;
        if matches!(process.stage, Stage::Ended(_)) && !is_known {
            self.processes.discard(id);
        }
    }

    fn tell_waiters(&mut self, id: ProcessId, end: End) {
        let mut goes_on = true;
        while let Some(waiter) = self
            .processes
            .get_mut(id)
            .and_then(|process| process.waiters.pop(&mut self.threads))
        {
            match self.thread(waiter).state {
                State::WaitingEnd(_, EndAnswer::How(handle)) => {
                    self.close_awaited(waiter, handle, Object::Process(id));
                    self.answer(waiter, end);
                }
                State::WaitingEnd(_, EndAnswer::Done) => {
                    self.answer(waiter, ());
                }
                _ => {}
            }
            self.follow(waiter, core::mem::take(&mut goes_on));
        }
    }

    /// Lets `waiter`, which has waited for the end of who ran here, go on: the first of them in its place, if nobody else does
    /// yet. However many there are, one is looked at as carefully.
    pub(super) fn follow(&mut self, waiter: ThreadId, is_first: bool) {
        if is_first {
            self.forget_deadline(waiter);
            self.resume(waiter);
        } else {
            self.wake(waiter);
        }
    }

    /// Takes `thread` out of the queue it is in, and lets its deadline not come.
    pub(crate) fn leave_queue(&mut self, id: ThreadId) {
        let is_current = self.is_current(id);
        let threads = &mut self.threads;
        let Some(&Thread {
            state, home, process, ..
        }) = threads.get(id)
        else {
            return;
        };
        match state {
            State::Ready if !is_current => self.cpus[home].ready.remove(threads, id),
            State::Calling { endpoint, .. } => {
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    endpoint.callers.remove(self.queued, id);
                }
            }
            State::Receiving(endpoint) => {
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    endpoint.receivers.remove(&mut self.queued, id);
                }
            }
            State::WaitingEnd(process, _) => {
                if let Some(process) = self.processes.get_mut(process) {
                    process.waiters.remove(threads, id);
                }
            }
            State::WaitingWord(word) => self.words.lock().remove(word, id),
            State::Joining(other, _) => self.stop_joining(id, other),
            State::Deferred(_) => {
                if let Some(process) = self.processes.get_mut(process) {
                    process.deferred.remove(threads, id);
                }
            }
            State::Reading(_) => self.console.forget_reader(id),
            // Running, new, working, sleeping, or waiting for an answer: in no queue. A server that still
            // holds this thread as its caller finds that it is gone.
            State::New
            | State::Ready
            | State::Working(_)
            | State::Sleeping
            | State::AwaitingAnswer { .. }
            | State::Faulted { .. }
            | State::AwaitingReply { .. }
            | State::Ended(_) => {}
        }
        self.forget_deadline(id);
    }
}
