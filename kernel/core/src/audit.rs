//! Checks what must be true of the kernel between any two traps.
//!
//! Every count that is kept is counted anew, and every thread is looked for in every queue. For
//! tests, and for a kernel that suspects itself; the cost grows with the square of what there is.

use crate::handle::{Capability, Object};
use crate::ipc::Endpoint;
use crate::kernel::Kernel;
use crate::object::word::AwaitedWords;
use crate::platform::{Local, Platform};
use crate::process::{Process, ProcessId, Stage};
use crate::queue::{Queue, Queued};
use crate::sched::{Cpu, CpuId, DeadlinesOf, NEVER};
use crate::thread::{State, Thread, ThreadId, Work};
use abi::{Arrival, Rights};
use mm::mmu::Mmu;
use mm::{MemoryManager, SpaceId};
use slots::{Id, Slots};

/// An invariant that does not hold: a sentence about what should be.
pub type Broken = &'static str;

type Memory<P> = MemoryManager<<P as Local>::Mmu>;

fn check(holds: bool, sentence: Broken) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(sentence) }
}

/// How many objects there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Population {
    /// Processes, ended ones that somebody remembers included.
    pub processes: u32,
    /// Threads.
    pub threads: u32,
    /// Endpoints.
    pub endpoints: u32,
}

impl<P: Platform> Kernel<P> {
    /// Checks all invariants, those of `memory`, its memory manager, and of `words`, which are waited for, included. To be called when
    /// [`Kernel::run`] has said what the CPU does.
    ///
    /// # Errors
    /// The first one that does not hold.
    pub fn audit(&self, memory: &Memory<P>, words: &AwaitedWords) -> Result<(), Broken> {
        memory.audit()?;
        self.audit_regions(memory)?;
        for (id, thread) in self.threads.iter() {
            self.audit_place(id, thread, words)?;
            self.audit_ties(id, thread, memory)?;
        }
        self.audit_queues(words)?;
        self.audit_console()?;
        self.audit_devices()?;
        check(
            words.are_in_order(),
            "a word that somebody waits for is found by its name, and no other is",
        )?;
        for (id, endpoint) in self.endpoints.iter() {
            self.audit_endpoint(id, endpoint)?;
        }
        for (id, process) in self.processes.iter() {
            self.audit_process(id, process)?;
            self.audit_stage(id, process, memory)?;
        }
        for id in self.cpus.ids() {
            self.audit_cpu(id, memory)?;
            self.audit_waiting(id)?;
        }
        Ok(())
    }

    /// Whether a thread waits for `cpu`: then it runs, has something to do, or has been alerted.
    pub fn is_wanted(&self, cpu: CpuId) -> bool {
        self.stop.is_none() && !self.cpus[cpu].ready.is_empty()
    }

    /// How many objects there are.
    pub fn population(&self) -> Population {
        Population {
            processes: self.processes.used(),
            threads: self.threads.used(),
            endpoints: self.endpoints.used(),
        }
    }

    /// All processes.
    pub fn processes(&self) -> impl Iterator<Item = (ProcessId, &Process)> {
        self.processes.iter()
    }

    /// All threads.
    pub fn threads(&self) -> impl Iterator<Item = (ThreadId, &Thread)> {
        self.threads.iter()
    }

    /// A thread is once in the queue its state names, or there is none for it.
    fn audit_place(&self, id: ThreadId, thread: &Thread, words: &AwaitedWords) -> Result<(), Broken> {
        check(
            self.threads.owner(id) == Some(thread.home.owner()),
            "a thread is its home's",
        )?;
        if let State::Calling { endpoint, .. } = thread.state {
            let endpoint = self.endpoints.get(endpoint);
            let endpoint = endpoint.ok_or("the endpoint a thread waits at exists")?;
            return check(
                endpoint.has_in_place(self.queued, id, thread.priority),
                "who waits for a message to be received is in its place",
            );
        }
        let Some(queue) = self.queue_of(id, thread, words)? else {
            return Ok(());
        };
        let times = queue.members().filter(|&member| member == id).count();
        check(times == 1, "a thread is once in the queue its state names")
    }

    /// The queue a thread's state names.
    fn queue_of<'a>(
        &'a self,
        id: ThreadId,
        thread: &Thread,
        words: &'a AwaitedWords,
    ) -> Result<Option<Linked<'a>>, Broken> {
        let in_threads = |queue| Linked::InThreads(queue, &self.threads);
        let in_places = |queue| Linked::InPlaces(queue, self.queued);
        let endpoint = |id| {
            self.endpoints
                .get(id)
                .ok_or("the endpoint a thread waits at exists")
        };
        Ok(match thread.state {
            State::Ready | State::Working(_) => (!self.is_current(id))
                .then(|| in_threads(self.cpus[thread.home].ready.queue(thread.priority))),
            State::Receiving(at) => Some(in_places(&endpoint(at)?.receivers)),
            State::WaitingWord(word) => {
                let word = words.get(word).ok_or("the word a thread waits for exists")?;
                Some(in_places(&word.waiters))
            }
            State::WaitingEnd(process, _) => {
                let process = self.processes.get(process);
                let process = process.ok_or("the process whose end a thread waits for exists")?;
                Some(in_threads(&process.waiters))
            }
            State::Joining(other, _) => {
                let other = self.threads.get(other);
                let other = other.ok_or("the thread whose end a thread waits for exists")?;
                Some(in_threads(&other.waiters))
            }
            State::Deferred(_) => {
                let process = self.processes.get(thread.process);
                Some(in_threads(
                    &process.ok_or("the process of a thread exists")?.deferred,
                ))
            }
            State::New
            | State::AwaitingAnswer { .. }
            | State::Faulted { .. }
            | State::AwaitingReply { .. }
            | State::Calling { .. }
            | State::Reading(_)
            | State::Sleeping
            | State::Ended(_) => None,
        })
    }

    /// No queue holds anybody else, so that no thread is in two.
    fn audit_queues(&self, words: &AwaitedWords) -> Result<(), Broken> {
        let in_threads = |queue| Linked::InThreads(queue, &self.threads);
        let in_places = |queue| Linked::InPlaces(queue, self.queued);
        let of_endpoints = self.endpoints.iter().map(|(_, endpoint)| &endpoint.receivers);
        let of_processes = self
            .processes
            .iter()
            .flat_map(|(_, process)| [&process.waiters, &process.deferred]);
        let of_threads = self.threads.iter().map(|(_, thread)| &thread.waiters);
        let mut members = 0;
        let of_words = words.queues();
        for id in self.cpus.ids() {
            members += self.cpus[id].ready.members(&self.threads).count();
        }
        let apart = of_endpoints.chain(of_words).map(in_places);
        for queue in of_processes.chain(of_threads).map(in_threads).chain(apart) {
            check(queue.leads_to_its_end(), "a queue can be followed to its end")?;
            members += queue.members().count();
        }
        let queued = self
            .threads
            .iter()
            .filter(|(id, thread)| matches!(self.queue_of(*id, thread, words), Ok(Some(_))));
        check(members == queued.count(), "a thread is in one queue at most")
    }

    /// The console knows who waits for its input.
    fn audit_console(&self) -> Result<(), Broken> {
        let reads = |thread: &Thread| matches!(thread.state, State::Reading(_));
        let readers = self.threads.iter().filter(|(_, thread)| reads(thread)).count();
        let known = self
            .console
            .reader()
            .map(|reader| self.threads.get(reader).is_some_and(reads));
        check(
            (readers, known) == (0, None) || (readers, known) == (1, Some(true)),
            "the console knows who waits for its input",
        )
    }

    /// Who waits for an answer, and who is to give it, know each other.
    fn audit_ties(&self, id: ThreadId, thread: &Thread, memory: &Memory<P>) -> Result<(), Broken> {
        let ends = self
            .processes
            .get(thread.process)
            .is_none_or(|process| matches!(process.stage, Stage::Ending(_)));
        check(
            ends || thread.priority == self.due_priority(id),
            "a thread is as important as itself or the most important that waits for it",
        )?;
        let has_deadline = thread.deadline.is_taken();
        check(
            match thread.state {
                State::Sleeping => has_deadline,
                State::WaitingWord(_) => true,
                state => !has_deadline || state.can_give_up(),
            },
            "who sleeps has a deadline, and who has one waits",
        )?;
        check(
            match thread.state {
                State::Calling { arrival, .. } => (arrival == Arrival::Fault) == thread.fault.is_some(),
                State::Faulted { .. } => thread.fault.is_some(),
                State::AwaitingReply { .. } => true,
                _ => thread.fault.is_none(),
            },
            "who has faulted waits for whoever handles that, and nobody else does",
        )?;
        if let State::AwaitingAnswer { server, .. } | State::Faulted { server, .. } = thread.state {
            let server = self.threads.get(server).ok_or("who is to answer exists")?;
            check(server.caller == Some(id), "who is to answer knows who waits")?;
        }
        if let State::AwaitingReply { number, handles } = thread.state {
            let naming = self
                .handles()
                .filter(|held| held.object == Object::Reply(id) && held.badge == number);
            check(
                handles > 0 && handles as usize == naming.count(),
                "somebody can answer, and handles to do it are counted",
            )?;
        }
        let process = self
            .processes
            .get(thread.process)
            .ok_or("the process of a thread exists")?;
        let times = process
            .threads
            .iter(&self.threads)
            .filter(|(listed, _)| *listed == id);
        check(times.count() == 1, "a process knows its threads")?;
        check(
            process.space.is_none() || !memory.is_free(thread.page),
            "a message page stays as long as its address space",
        )?;
        self.audit_end(id, thread, process)
    }

    /// A thread that has ended is remembered for those who name it, and keeps nobody waiting.
    fn audit_end(&self, id: ThreadId, thread: &Thread, process: &Process) -> Result<(), Broken> {
        let naming = self.handles().filter(|held| held.object == Object::Thread(id));
        check(
            thread.references as usize == naming.count(),
            "handles to a thread are counted",
        )?;
        let waits_in_vain = matches!(thread.state, State::Deferred(_))
            && !process
                .threads
                .iter(&self.threads)
                .any(|(_, other)| matches!(other.state, State::Working(Work::Memory(_) | Work::Fork(..))));
        check(!waits_in_vain, "who is deferred waits for another one's work")?;
        check(
            !thread.has_ended()
                || thread.references > 0 && thread.waiters.is_empty() && thread.caller.is_none(),
            "a thread that has ended is forgotten with its last handle, and keeps nobody waiting",
        )
    }

    fn audit_endpoint(&self, id: Id<Endpoint>, endpoint: &Endpoint) -> Result<(), Broken> {
        let calls =
            |thread: &Thread| matches!(thread.state, State::Calling { endpoint, .. } if endpoint == id);
        let calling = self.threads.iter().filter(|(_, thread)| calls(thread));
        let waiting = endpoint.callers.count(self.queued, self.ids_of_threads());
        check(waiting == calling.count(), "who waits at an endpoint calls there")?;
        let naming = || {
            self.handles()
                .filter(|capability| capability.object == Object::Endpoint(id))
        };
        let receiving = naming().filter(|capability| capability.rights.contains(Rights::RECEIVE));
        check(
            endpoint.references as usize == naming().count(),
            "handles to an endpoint are counted",
        )?;
        check(
            endpoint.receiving as usize == receiving.count(),
            "handles that can receive are counted",
        )?;
        check(endpoint.references > 0, "an endpoint goes with its last handle")?;
        let server = endpoint.server.and_then(|server| self.threads.get(server));
        let serves = server.filter(|server| server.serves == Some(id));
        check(
            serves.is_none_or(|server| server.own_priority == endpoint.servers_own),
            "an endpoint says how important its server is by itself",
        )?;
        let (callers, receivers) = (&endpoint.callers, &endpoint.receivers);
        check(
            callers.is_empty() || receivers.is_empty(),
            "callers and receivers do not wait for each other",
        )?;
        check(
            endpoint.signals == 0 || receivers.is_empty(),
            "signals and receivers do not wait for each other",
        )?;
        let in_vain = endpoint.receiving == 0 && !(callers.is_empty() && receivers.is_empty());
        check(
            !in_vain,
            "nobody waits at an endpoint that nobody can receive from",
        )
    }

    /// Interrupts are signalled where they can be received.
    fn audit_devices(&self) -> Result<(), Broken> {
        let mut listeners = self.devices.iter().filter_map(|(_, device)| device.listener);
        let receives = |id| {
            self.endpoints
                .get(id)
                .is_some_and(|endpoint| endpoint.receiving > 0)
        };
        check(
            listeners.all(|target| receives(target.endpoint())),
            "an interrupt is signalled where somebody can receive",
        )
    }

    fn audit_regions(&self, memory: &Memory<P>) -> Result<(), Broken> {
        let named = |id| move |held: &Capability| held.object == Object::Region(id);
        let mut counted = 0;
        for (id, handles) in memory.handles_to_regions() {
            let naming = self.handles().filter(named(id)).count();
            check(handles as usize == naming, "handles to a region are counted")?;
            counted += naming;
        }
        let all = self
            .handles()
            .filter(|held| matches!(held.object, Object::Region(_)));
        check(counted == all.count(), "a region stays while a handle names it")
    }

    fn audit_process(&self, id: ProcessId, process: &Process) -> Result<(), Broken> {
        let naming = self
            .handles()
            .filter(|capability| capability.object == Object::Process(id));
        check(
            process.references.get() as usize == naming.count(),
            "handles to a process are counted",
        )?;
        check(
            process.handles.is_counted(),
            "the handles of a process are counted",
        )?;
        check(
            process.threads.is_counted(&self.threads),
            "the threads of a process are counted",
        )?;
        let same_number = self
            .processes
            .iter()
            .filter(|(_, other)| other.pid == process.pid);
        check(
            process.pid.0 != 0 && same_number.count() == 1,
            "a process has a number of its own",
        )
    }

    /// A process has what belongs to its stage of life, and nothing else.
    fn audit_stage(&self, id: ProcessId, process: &Process, memory: &Memory<P>) -> Result<(), Broken> {
        let has_space = process.space.is_some_and(|space| exists(memory, space));
        let living = process.threads.living();
        match process.stage {
            Stage::New => {
                let is_new = |thread: &Thread| matches!(thread.state, State::New);
                check(
                    living == 1 && self.all_living(process, is_new) && has_space,
                    "a new process can be started",
                )?;
                check(
                    self.can_be_started(id, process),
                    "a process that nobody can start any more ends",
                )
            }
            Stage::Alive => check(
                living > 0 && self.all_living(process, is_alive) && has_space,
                "a living process has a thread and an address space",
            ),
            Stage::Ending(_) => {
                check(
                    living > 0 && self.all_living(process, works_on_its_end),
                    "the threads of an ending process work on its end",
                )?;
                let is_taken_apart = !self.all_living(process, |thread| !is_taking_apart(thread));
                let holds_nothing = process.space.is_none() && process.handles.iter().next().is_none();
                check(
                    if is_taken_apart {
                        living == 1 && holds_nothing
                    } else {
                        has_space
                    },
                    "an ending process keeps what it has until all its threads have left, and then holds nothing",
                )
            }
            Stage::Ended(_) => {
                check(
                    process.references.get() > 0 || process.threads.count() > 0,
                    "an ended process is forgotten with its last handle",
                )?;
                let holds = living > 0 || process.space.is_some() || process.handles.iter().next().is_some();
                check(
                    !holds && process.waiters.is_empty() && process.deferred.is_empty(),
                    "an ended process holds nothing and keeps nobody waiting",
                )
            }
        }
    }

    /// Whether something is true of all threads of a process that have not ended.
    fn all_living(&self, process: &Process, is_true: impl Fn(&Thread) -> bool) -> bool {
        let mut threads = process.threads.iter(&self.threads);
        threads.all(|(_, thread)| thread.has_ended() || is_true(thread))
    }

    /// Whether a process that has not started is named by one that has, or by a younger one that
    /// has not: as those have no ring among them, somebody who runs holds the first of them.
    fn can_be_started(&self, id: ProcessId, process: &Process) -> bool {
        self.processes.iter().any(|(holder_id, holder)| {
            let names_it = holder_id != id && holder.handles.count(Object::Process(id)) > 0;
            names_it && (holder.stage != Stage::New || holder.serial > process.serial)
        })
    }

    fn audit_cpu(&self, id: CpuId, memory: &Memory<P>) -> Result<(), Broken> {
        let cpu = &self.cpus[id];
        check(
            self.is_as_shown(id),
            "each CPU shows how important is who runs and who waits",
        )?;
        let waiting = cpu.ready.members(&self.threads);
        check(
            waiting
                .chain(cpu.current)
                .all(|thread| self.threads.get(thread).is_some_and(|thread| thread.home == id)),
            "a thread runs and waits at home",
        )?;
        check(
            cpu.ready.is_in_order(&self.threads),
            "threads that wait for a CPU do so by priority",
        )?;
        if let Some(current) = cpu.current {
            let thread = self.threads.get(current).ok_or("the running thread exists")?;
            let runs = matches!(thread.state, State::Ready | State::Working(_));
            check(runs, "the running thread waits for nothing")?;
            check(
                !cpu.needs_slice() || !cpu.is_settled(),
                "who runs while others wait does so on a time slice, or is told",
            )?;
        }
        let charged = cpu.charged.and_then(|thread| self.threads.get(thread));
        check(
            !cpu.is_settled() || charged.is_none_or(|thread| thread.home == id),
            "a CPU's time is charged to somebody who is at home there, or it is to choose",
        )?;
        let deadline = cpu.deadlines.top().and_then(|first| self.threads.get(first));
        let deadline = deadline.map_or(NEVER, |first| first.deadline.key());
        check(
            cpu.timer <= deadline.min(cpu.slice_end),
            "the timer comes when a slice ends or a deadline passes, or earlier",
        )?;
        self.audit_deadlines(id)?;
        check(
            cpu.active.is_none_or(|space| exists(memory, space)),
            "an active address space exists",
        )?;
        check(
            cpu.active.is_some() == cpu.prepared.is_some(),
            "a CPU is in the address space of the thread that it is prepared for",
        )?;
        cpu.prepared
            .map_or(Ok(()), |thread| self.audit_prepared(id, thread, cpu))
    }

    /// Whoever waits for a CPU could not go on sooner elsewhere. Those that are to look around may have to see to that.
    fn audit_waiting(&self, home: CpuId) -> Result<(), Broken> {
        // One that is alone has nobody to let go for.
        if !self.has_chosen(home) || self.cpus.is_alone() {
            return Ok(());
        }
        for (thread, priority) in self.first_waiting(home) {
            check(self.cpus[home].lets_go(thread), "who waits is let go")?;
            check(
                self.goes_on_at(thread, home),
                "who waits for a CPU may go on there",
            )?;
            let mut settled = self.cpus.ids().filter(|&id| self.cpus[id].is_settled());
            check(
                settled
                    .all(|id| !self.goes_on_at(thread, id) || !priority.outranks(self.current_priority(id))),
                "nobody who waits is more important than who runs, on any CPU that it may run on",
            )?;
        }
        Ok(())
    }

    /// Whether a CPU goes on as it is. One that is settled and not prepared for its thread, nor works for that, is on its way to
    /// activate its address space, or to have the whole kernel choose.
    fn has_chosen(&self, cpu: CpuId) -> bool {
        let cpu = &self.cpus[cpu];
        let current = cpu.current.and_then(|current| self.threads.get(current));
        let is_entered =
            cpu.prepared == cpu.current || current.is_none_or(|it| !matches!(it.state, State::Ready));
        cpu.is_settled() && is_entered
    }

    /// All threads, and how many these are.
    fn ids_of_threads(&self) -> (impl Iterator<Item = ThreadId>, u32) {
        (self.threads.iter().map(|(id, _)| id), self.threads.used())
    }

    /// The heap of those that wait until a time has those of this home, each where it should be.
    fn audit_deadlines(&self, id: CpuId) -> Result<(), Broken> {
        let heap = &self.cpus[id].deadlines;
        let waits = |thread: &Thread| thread.deadline.is_taken() && thread.home == id;
        let mut waiting = self.threads.iter().filter(|(_, thread)| waits(thread));
        let count = self.threads.iter().filter(|(_, thread)| waits(thread)).count();
        check(
            waiting.all(|(thread, _)| heap.is_in_place(DeadlinesOf(&self.threads), thread)),
            "who waits until a time is in its place",
        )?;
        check(
            heap.count(DeadlinesOf(&self.threads), self.ids_of_threads()) == count,
            "who waits until a time does so at home",
        )
    }

    /// Going on with this thread takes nothing but loading its registers.
    fn audit_prepared(&self, at: CpuId, id: ThreadId, cpu: &Cpu) -> Result<(), Broken> {
        let thread = self.threads.get(id).ok_or("the prepared thread exists")?;
        check(
            thread.home == at && !thread.has_ended(),
            "the prepared thread is at home",
        )?;
        let process = self.processes.get(thread.process);
        let space = process.and_then(|process| process.space);
        check(
            space.is_some() && space == cpu.active,
            "the prepared thread's address space is the active one",
        )
    }

    /// What all handles of all processes stand for.
    fn handles(&self) -> impl Iterator<Item = Capability> {
        self.processes
            .iter()
            .flat_map(|(_, process)| process.handles.iter())
    }
}

/// Whether it may be a thread of a process whose end is not decided.
fn exists<M: Mmu>(memory: &MemoryManager<M>, space: SpaceId) -> bool {
    memory.usage(space).is_some()
}

fn is_alive(thread: &Thread) -> bool {
    !matches!(
        thread.state,
        State::New | State::Working(Work::Leave | Work::Teardown(_))
    )
}

fn works_on_its_end(thread: &Thread) -> bool {
    matches!(thread.state, State::Working(_))
}

fn is_taking_apart(thread: &Thread) -> bool {
    matches!(thread.state, State::Working(Work::Teardown(_)))
}

/// A queue, and where its links are.
enum Linked<'a> {
    InThreads(&'a Queue, &'a Slots<Thread>),
    InPlaces(&'a Queue, Queued),
}

impl<'a> Linked<'a> {
    /// The threads in it, as far as the links lead.
    fn members(&self) -> impl Iterator<Item = ThreadId> + use<'a> {
        let (in_threads, in_places) = match *self {
            Self::InThreads(queue, threads) => (Some(queue.members(threads)), None),
            Self::InPlaces(queue, places) => (None, Some(queue.members_at(places))),
        };
        in_threads
            .into_iter()
            .flatten()
            .chain(in_places.into_iter().flatten())
    }

    fn leads_to_its_end(&self) -> bool {
        let (Self::InThreads(queue, _) | Self::InPlaces(queue, _)) = self;
        queue.ends_with(self.members().last())
    }
}
