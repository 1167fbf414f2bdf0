//! How processes end: by exit, by a fault, by their parent, or because nobody can start them.
//!
//! Whatever the reason, the process's own thread takes it apart, in pieces. Only after the last
//! piece do those who wait for the end learn of it.

use super::{ProcessId, Stage};
use crate::handle::Object;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::sched::Stop;
use crate::thread::{EndAnswer, State, ThreadId, Work};
use abi::process::End;

impl<P: Platform> Kernel<P> {
    /// Ends a process. If the kernel is in the middle of something for its thread, that is
    /// finished first. Only queues are touched here, so that an end that causes others (of
    /// children that never started) needs no recursion.
    pub fn end_process(&mut self, id: ProcessId, end: End) {
        let process = self.process(id);
        let Some(thread) = process.thread else { return };
        if matches!(process.stage, Stage::Ending(_) | Stage::Ended(_)) {
            return;
        }
        process.stage = Stage::Ending(end);
        if matches!(self.thread(thread).state, State::Working(_)) {
            return;
        }
        self.leave_queue(thread);
        self.thread(thread).state = State::Working(Work::Leave);
        let home = self.thread(thread).home;
        if self.cpus[home].current != Some(thread) {
            self.make_ready(thread);
        } else if home != self.cpus.here {
            self.interrupt_running(thread, home);
        }
    }

    /// Cuts the ties of an ending process, whose thread is current, and starts on its memory.
    pub(crate) fn leave(&mut self, thread: ThreadId) {
        self.abandon_caller(thread);
        let process = self.thread(thread).process;
        while let Some(capability) = self.process(process).handles.remove_any() {
            self.release(process, capability);
        }
        let Some(space) = self.process(process).space.take() else {
            panic!("{process:?} ends without an address space");
        };
        let cpu = self.cpu();
        if cpu.active == Some(space) {
            (cpu.active, cpu.prepared) = (None, None);
            self.platform.deactivate(self.memory.mmu_mut());
        }
        // What a CPU has of it is here, if anywhere; another may do the rest, and does not know.
        self.platform.forget_thread(thread.index());
        let now = self.seconds();
        let job = self.memory.destroy_space(space, now);
        self.thread(thread).state = State::Working(Work::Teardown(job));
    }

    /// The last piece is done: the thread goes, and everybody learns of the end.
    pub(crate) fn finish_end(&mut self, thread: ThreadId) {
        let id = self.thread(thread).process;
        self.threads.remove(thread);
        self.cpu().current = None;
        let process = self.process(id);
        process.thread = None;
        let Stage::Ending(end) = process.stage else {
            panic!("{id:?} was taken apart without a reason");
        };
        process.stage = Stage::Ended(end);
        let forgotten = process.references == 0;
        if self.first_process == Some(id) {
            self.stop = Some(Stop::FirstEnded(end));
        }
        self.tell_waiters(id, end);
        if forgotten {
            self.processes.remove(id);
        }
    }

    /// One handle to a process fewer. Without any but its own, one that has not started never
    /// will; without any, one that has ended is forgotten.
    pub(crate) fn release_process(&mut self, id: ProcessId) {
        let process = self.process(id);
        process.references -= 1;
        match process.stage {
            Stage::Ended(_) if process.references == 0 => {
                self.processes.remove(id);
            }
            Stage::New if process.references == process.handles.count(Object::Process(id)) => {
                self.end_process(id, End::Killed);
            }
            _ => {}
        }
    }

    fn tell_waiters(&mut self, id: ProcessId, end: End) {
        while let Some(waiter) = self
            .processes
            .get_mut(id)
            .and_then(|process| process.waiters.pop(&mut self.threads))
        {
            match self.thread(waiter).state {
                State::WaitingEnd(_, EndAnswer::How) => {
                    self.answer(waiter, end);
                }
                State::WaitingEnd(_, EndAnswer::Done) => {
                    self.answer(waiter, ());
                }
                _ => {}
            }
            self.wake(waiter);
        }
    }

    /// Takes `thread` out of the queue it is in, and lets its deadline not come.
    pub(crate) fn leave_queue(&mut self, id: ThreadId) {
        let is_current = self.is_current(id);
        let threads = &mut self.threads;
        let Some((state, home)) = threads.get(id).map(|thread| (thread.state, thread.home)) else {
            return;
        };
        match state {
            State::Ready if !is_current => self.cpus[home].ready.remove(threads, id),
            State::Calling { endpoint, .. } => {
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    endpoint.callers.remove(threads, id);
                }
            }
            State::Receiving(endpoint) => {
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    endpoint.receivers.remove(threads, id);
                }
            }
            State::WaitingEnd(process, _) => {
                if let Some(process) = self.processes.get_mut(process) {
                    process.waiters.remove(threads, id);
                }
            }
            State::WaitingWord(word) => self.words.remove(threads, word, id),
            State::Reading(_) => self.console.forget_reader(id),
            // Running, new, working, sleeping, or waiting for an answer: in no queue. A server that still
            // holds this thread as its caller finds that it is gone.
            State::New
            | State::Ready
            | State::Working(_)
            | State::Sleeping
            | State::AwaitingAnswer { .. }
            | State::AwaitingReply { .. } => {}
        }
        self.forget_deadline(id);
    }
}
