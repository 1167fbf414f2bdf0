//! A process as an object: what it asks about itself, and its parent about it.

use super::{Call, Outcome};
use crate::handle::{Capability, Object};
use crate::here::Here;
use crate::ipc::{Direct, Endpoint};
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::{Guarded, Local, MemoryLock, Platform};
use crate::process::{Name, Process, ProcessId, Stage};
use crate::thread::{EndAnswer, State, ThreadId};
use abi::process::{CountTicks, Create, Derive, End, Give, ProcessRequest, Start};
use abi::{Errno, Handle, Label, Request, Rights, Tag, Words, Words6};

/// `Errno` that a handle named in a request deserves.
pub(crate) fn bad_handle(error: abi::IpcError) -> Errno {
    match error {
        abi::IpcError::NotPermitted => Errno::EPERM,
        _ => Errno::EBADF,
    }
}

/// Whether a request is one that may be [served](Here::ask_process) while CPUs share the kernel.
#[inline]
pub fn may_share(tag: u64) -> bool {
    [Give::LABEL, CountTicks::LABEL].contains(&Label(tag as u16))
}

impl<L: Local> Here<'_, L> {
    /// Serves a call of the running thread that [`Self::serve`] has found to be for this process: one that has not started is given a
    /// handle, or one that has no thread any more is asked how long it had a CPU.
    #[inline(never)] // so that there is one of it
    pub fn ask_process(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        (thread, process): (ThreadId, ProcessId),
        tag: u64,
        words: &Words6,
    ) -> Direct<L::Place> {
        let served = match (Message::decode(tag, words), self.processes.get(process)) {
            (Ok(message), Some(process)) if message.tag.label() == Give::LABEL => {
                self.give_one(memory, thread, process, message)
            }
            (Ok(message), Some(process))
                if message.tag.label() == CountTicks::LABEL
                    && message.is_in_registers()
                    && process.threads.count() == 0 =>
            {
                let words = &(process.ticks,).into_words();
                let tag = Tag::new(Label::DONE);
                Some(self.answer(thread, Message { tag, words }))
            }
            _ => None,
        };
        served.map_or(Direct::Not, Direct::Stays)
    }

    /// Gives `child` a handle at a place that is free.
    fn give_one(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        thread: ThreadId,
        child: &Process,
        Message { tag, words }: Message<'_>,
    ) -> Option<L::Place> {
        let give = Give::from_words(words).ok()?;
        if tag.handles() != 1 || self.take_in(thread, tag).is_err() || child.stage != Stage::New {
            return None;
        }
        let [given, ..] = self.cpu.passed;
        let given = given?;
        if let Object::Process(given) = given.object
            && self.processes.get(given)?.could_close_ring(child)
        {
            return None;
        }
        let place = child.handles.claim_at(give.place)?;
        self.retain((memory, None), given).ok()?;
        place.put(given);
        Some(self.answer(thread, Message::empty(Label::DONE)))
    }
}

impl Process {
    /// Whether it, given to `child`, might make a ring of processes that have not started,
    /// each held by the next and none by anybody who could start it: such a ring would stay for
    /// ever. Among those that have not started, the younger may hold the older, so there is none.
    fn could_close_ring(&self, child: &Self) -> bool {
        self.stage == Stage::New && self.serial > child.serial
    }
}

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(crate) fn call_process(&mut self, call: &Call<'_>, target: ProcessId) -> Result<Outcome, Errno> {
        let request = ProcessRequest::decode(call.tag.label(), call.words)?;
        let own = self.thread(call.thread).process == target;
        match request {
            ProcessRequest::Give(give) => self.give(call, target, give),
            ProcessRequest::Start(start) => self.start(call, target, start),
            ProcessRequest::Wait(_) if !own => self.wait(call.thread, target, Handle::NONE),
            ProcessRequest::WaitAndClose(wait) if !own => {
                self.wait_and_close(call.thread, target, wait.handle)
            }
            ProcessRequest::Kill(_) if !own => self.kill(call.thread, target),
            ProcessRequest::SignalEnd(_) if !own => self.signal_end(call, target),
            ProcessRequest::HandleFaults(_) => self.handle_faults(call, target),
            ProcessRequest::Wait(_)
            | ProcessRequest::WaitAndClose(_)
            | ProcessRequest::Kill(_)
            | ProcessRequest::SignalEnd(_) => Err(Errno::EINVAL),
            ProcessRequest::ReadClock(_) => {
                let reading = self.facts.clock.read(self.platform.ticks());
                Ok(self.answer(call.thread, reading))
            }
            ProcessRequest::Identify(_) => {
                let pid = self.process(target).pid;
                Ok(self.answer(call.thread, (pid,)))
            }
            ProcessRequest::CountTicks(_) => {
                let ticks = self.ticks_of(target);
                Ok(self.answer(call.thread, (ticks,)))
            }
            ProcessRequest::SetPriority(set) => self.set_priority(call.thread, target, set),
            ProcessRequest::ReadPriority(_) => self.read_priority(call.thread, target),
            ProcessRequest::SetCpus(set) => self.set_cpus(call.thread, target, set.cpus),
            ProcessRequest::ReadCpus(_) => self.read_cpus(call.thread, target),
            ProcessRequest::SetCredential(set) => self.set_credential(call, target, set),
            ProcessRequest::ReadCredential(_) => self.read_credential(call.thread, target),
            _ if !own => Err(Errno::EPERM),
            ProcessRequest::Fork(_) => self.fork(call.thread, target),
            ProcessRequest::Become(request) => self.become_prepared(call, target, request),
            ProcessRequest::Create(create) => self.create(call, target, create),
            ProcessRequest::Exit(exit) => self.exit(call.thread, target, exit.status),
            ProcessRequest::CreateThread(create) => self.create_thread(call.thread, target, create),
            ProcessRequest::ExitThread(exit) => self.exit_thread(call.thread, target, exit.status),
            ProcessRequest::CreateEndpoint(_) => self.create_endpoint(call.thread),
            ProcessRequest::Derive(derive) => self.derive(call.thread, derive),
            ProcessRequest::Close(close) => self.close(call.thread, close.handle),
            ProcessRequest::Sleep(sleep) => self.sleep(call.thread, sleep.deadline),
            ProcessRequest::TakeCaller(_) => self.take_caller(call.thread),
            ProcessRequest::OpenFaulted(_) => self.open_faulted(call.thread),
        }
    }

    fn create(&mut self, call: &Call<'_>, parent: ProcessId, _: Create) -> Result<Outcome, Errno> {
        let Some(name) = Name::new(&self.message().bytes[..call.tag.bytes()]) else {
            return Err(Errno::EINVAL);
        };
        if self.process(parent).handles.room() < 2 {
            return Err(Errno::EMFILE);
        }
        let credential = self.credential_of(parent).ok_or(Errno::ESRCH)?;
        let parent_pid = self.process(parent).pid;
        let (child, space) = self.new_process(name, parent_pid, credential)?;
        if let Some(own) = self.process(parent).space {
            self.memory.lock().inherit_quota(space, own);
        }
        self.inherit_scheduling(call.thread, child);
        let pid = self.process(child).pid;
        let capabilities = [
            Capability::to(Object::Process(child)),
            Capability::to(Object::Memory(space)),
        ];
        Ok(self.answer_with_handles(call.thread, (pid,), capabilities))
    }

    fn give(&mut self, call: &Call<'_>, child: ProcessId, give: Give) -> Result<Outcome, Errno> {
        if call.tag.handles() != 1 {
            return Err(Errno::EINVAL);
        }
        let handle = Handle::from_raw(self.message().handles[0]);
        let capability = self
            .capability(call.thread, handle, Rights::PASS)
            .map_err(bad_handle)?;
        if self.process(child).stage != Stage::New {
            return Err(Errno::EBUSY);
        }
        if let Object::Process(given) = capability.object
            && let [Some(given), Some(child)] = [given, child].map(|id| self.processes.get(id))
            && given.could_close_ring(child)
        {
            return Err(Errno::EINVAL);
        }
        let before = self
            .process(child)
            .handles
            .place(give.place, capability)
            .map_err(|_| Errno::EINVAL)?;
        self.retain(capability);
        self.answer(call.thread, ());
        let Some(before) = before else {
            return Ok(Outcome::Answered);
        };
        let (giver, _) = self.process_of(call.thread);
        self.release(giver, before);
        Ok(self.after_release(call.thread, giver, before.object))
    }

    fn start(&mut self, call: &Call<'_>, child: ProcessId, start: Start) -> Result<Outcome, Errno> {
        let process = self.process(child);
        if process.stage != Stage::New {
            return Err(Errno::EBUSY);
        }
        process.stage = Stage::Alive;
        let thread = process.threads.first().ok_or(Errno::EBUSY)?;
        let words = [start.word0, start.word1, start.word2, start.word3, 0, 0];
        self.write_message(thread, call.tag.bytes(), 0);
        self.start_thread(thread, start.entry, start.stack, words, call.tag.bytes());
        Ok(self.answer(call.thread, ()))
    }

    fn wait(&mut self, thread: ThreadId, child: ProcessId, handle: Handle) -> Result<Outcome, Errno> {
        match self.process(child).stage {
            Stage::Ended(end) => {
                self.close_awaited(thread, handle, Object::Process(child));
                Ok(self.answer(thread, end))
            }
            _ => Ok(self.wait_for_end(thread, child, EndAnswer::How(handle))),
        }
    }

    fn wait_and_close(
        &mut self,
        thread: ThreadId,
        child: ProcessId,
        handle: Handle,
    ) -> Result<Outcome, Errno> {
        if !self.names(thread, handle, Object::Process(child)) {
            return Err(Errno::EBADF);
        }
        self.wait(thread, child, handle)
    }

    fn signal_end(&mut self, call: &Call<'_>, child: ProcessId) -> Result<Outcome, Errno> {
        let target = self.signal_target(call)?;
        match self.process(child).stage {
            Stage::Ended(_) => self.signal_to(target),
            _ => self.process(child).end_signal = Some(target),
        }
        Ok(self.answer(call.thread, ()))
    }

    pub(super) fn kill(&mut self, thread: ThreadId, child: ProcessId) -> Result<Outcome, Errno> {
        if let Stage::Ended(_) = self.process(child).stage {
            return Ok(self.answer(thread, ()));
        }
        let outcome = self.wait_for_end(thread, child, EndAnswer::Done);
        self.hasten_end(thread, child);
        self.end_process(child, End::Killed);
        Ok(outcome)
    }

    fn wait_for_end(&mut self, thread: ThreadId, child: ProcessId, answer: EndAnswer) -> Outcome {
        self.thread(thread).state = State::WaitingEnd(child, answer);
        if let Some(child) = self.processes.get_mut(child) {
            child.waiters.push(&mut self.threads, thread);
        }
        self.cpu().current = None;
        Outcome::Waits
    }

    fn create_endpoint(&mut self, thread: ThreadId) -> Result<Outcome, Errno> {
        let (process, Process { handles, .. }) = self.process_of(thread);
        if handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        let maker = self.maker(process);
        self.check_endpoint(maker)?;
        let endpoint = self
            .endpoints
            .insert(Endpoint::new(maker))
            .map_err(|_| Errno::ENFILE)?;
        let capability = Capability::to_new_endpoint(endpoint);
        Ok(self.answer_with_handles(thread, (), [capability]))
    }

    fn derive(&mut self, thread: ThreadId, derive: Derive) -> Result<Outcome, Errno> {
        let from = self
            .capability(thread, derive.handle, Rights::PASS | derive.rights)
            .map_err(bad_handle)?;
        let derived = from.derived(derive.rights, derive.badge).ok_or(Errno::EINVAL)?;
        if self.process_of(thread).1.handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        Ok(self.answer_with_handles(thread, (), [derived]))
    }

    fn close(&mut self, thread: ThreadId, handle: Handle) -> Result<Outcome, Errno> {
        let (holder, process) = self.process_of(thread);
        let capability = process.handles.remove(handle).ok_or(Errno::EBADF)?;
        self.release(holder, capability);
        self.abandon_caller_of_closed(thread, capability.object);
        self.answer(thread, ());
        Ok(self.after_release(thread, holder, capability.object))
    }

    fn sleep(&mut self, thread: ThreadId, deadline: u64) -> Result<Outcome, Errno> {
        if deadline <= self.platform.ticks() {
            return Ok(self.answer(thread, ()));
        }
        self.thread(thread).state = State::Sleeping;
        self.wait_until(thread, deadline);
        self.cpu().current = None;
        Ok(Outcome::Waits)
    }
}
