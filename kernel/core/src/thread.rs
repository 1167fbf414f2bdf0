//! Threads: what the kernel knows of one besides its registers, and the queues they wait in.

use crate::fault::Fault;
use crate::handle::Object;
use crate::heap::Place;
use crate::ipc::Endpoint;
use crate::object::word::AwaitedWord;
use crate::process::Process;
use crate::queue::{Link, Queue};
use crate::sched::CpuId;
use abi::process::{End, Priority};
use abi::{Arrival, Badge, CpuSet, Handle, Label};
use addr::Frame;
use mm::SpaceId;
use slots::{Id, Mine, Slots};

/// Names a thread.
pub type ThreadId = Id<Thread>;

/// A thread of a process.
pub struct Thread {
    /// Whose it is.
    pub process: Id<Process>,
    /// Which one of that process: says where its message page is ([`abi::layout::message_page`]). When
    /// it has ended, another one may have it.
    pub number: u32,
    /// The address space that it runs in, as long as it lives.
    pub space: SpaceId,
    /// What it does.
    pub state: State,
    /// The frame of its message page.
    pub page: Frame,
    /// The CPU that it runs on, or waits for; changed together with whose it is: `Kernel::set_home`, `There::give`, `sched::exchange`.
    pub home: CpuId,
    /// The CPUs that it may run on.
    pub cpus: CpuSet,
    /// Whose call it received last and has not answered.
    pub caller: Option<ThreadId>,
    /// What it has done, while it waits for whoever handles that: to receive it, or to answer.
    pub fault: Option<Fault>,
    /// The endpoint at which it waited last for a message.
    pub(crate) serves: Option<Id<Endpoint>>,
    /// How many of its calls were taken along as handles.
    pub(crate) calls_taken: u64,
    /// How important it is by itself.
    pub own_priority: Priority,
    /// The same, or what it has been lent by those who wait for it.
    pub priority: Priority,
    /// Until when it waits at most, if it does: its place among those of its home that wait until a time.
    pub(crate) deadline: Place,
    /// Handles that name it. One that has ended is forgotten when there is none.
    pub references: u32,
    /// Threads that wait for its end.
    pub waiters: Queue,
    /// The next one in the list of its process.
    pub(crate) sibling: Option<ThreadId>,
    /// For how many ticks of the system counter it has had a CPU; see `sched/account.rs`.
    pub(crate) account: u64,
    /// How many ticks it has left of the time slice in which it had to make way for somebody more important.
    pub(crate) rest_of_slice: Option<u64>,
    pub(crate) link: Link,
}

/// What a thread does.
#[derive(Clone, Copy, Debug)]
pub enum State {
    /// Not started.
    New,
    /// Runs, or is in the ready queue.
    Ready,
    /// As `Ready`, but the kernel has something to finish before the thread goes on.
    Working(Work),
    /// Waits in the endpoint's queue until its message is received.
    Calling {
        /// Where.
        endpoint: Id<Endpoint>,
        /// The mark of the handle it used.
        badge: Badge,
        /// What its message arrives as: only a call waits for an answer then.
        arrival: Arrival,
    },
    /// Its message was received; waits for the answer.
    AwaitingAnswer {
        /// From this thread.
        server: ThreadId,
        /// Where it was received.
        endpoint: Id<Endpoint>,
    },
    /// Its fault was received; waits for whoever handles that. All of its registers stay as they are.
    Faulted {
        /// This thread.
        server: ThreadId,
        /// Where it was received.
        endpoint: Id<Endpoint>,
    },
    /// Waits for an answer that whoever holds one of its reply handles may give.
    AwaitingReply {
        /// Which of its calls that were taken along it is: reply handles are marked with it.
        number: Badge,
        /// How many reply handles there are.
        handles: u32,
    },
    /// Waits in the endpoint's queue for a message.
    Receiving(Id<Endpoint>),
    /// Waits for console input of at most so many bytes.
    Reading(usize),
    /// Waits for a time.
    Sleeping,
    /// Waits in the word's queue until somebody wakes it. It has its answer.
    WaitingWord(Id<AwaitedWord>),
    /// Waits in the process's queue for its end.
    WaitingEnd(Id<Process>, EndAnswer),
    /// Waits in the thread's queue for its end, when this handle is closed if it still names it.
    Joining(ThreadId, Handle),
    /// Waits in its process's queue until another thread's work on the address space is done; then it asks
    /// this object once more, or does once more what has faulted.
    Deferred(Option<Object>),
    /// It has ended, and is remembered because a handle names it.
    Ended(End),
}

impl State {
    /// Whether it waits for something that others do, and is in no queue of a CPU.
    pub(crate) const fn waits_for_others(&self) -> bool {
        !matches!(self, Self::New | Self::Ready | Self::Working(_) | Self::Ended(_))
    }
}

/// What somebody who waits for the end of a process is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndAnswer {
    /// How it ended, when this handle is closed if it still names it.
    How(Handle),
    /// That it ended.
    Done,
    /// Nothing: the thread has not started, and does so then.
    Nothing,
}

/// Something long that the kernel does for a thread, piece by piece.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// A memory operation that is committed and has pieces left; then the thread goes on, with the
    /// answer that it has already.
    Memory(mm::Job),
    /// The same, at the end of which this child starts, a copy of the thread's process.
    Fork(mm::Job, Id<Process>),
    /// Asks this object once more what it has asked already: its registers still say it.
    Ask(Object),
    /// The end of the thread: first its ties to others are cut.
    Leave,
    /// If it is the last one of its process, the address space is taken apart then.
    Teardown(mm::Job),
}

impl Work {
    /// The memory manager's part of it.
    pub(crate) const fn job(self) -> Option<mm::Job> {
        match self {
            Self::Memory(job) | Self::Fork(job, _) | Self::Teardown(job) => Some(job),
            Self::Ask(_) | Self::Leave => None,
        }
    }

    /// The same with so much left of the memory manager's part.
    pub(crate) const fn with(self, rest: mm::Job) -> Self {
        match self {
            Self::Memory(_) => Self::Memory(rest),
            Self::Fork(_, child) => Self::Fork(rest, child),
            Self::Teardown(_) => Self::Teardown(rest),
            Self::Ask(_) | Self::Leave => self,
        }
    }
}

impl State {
    /// Whether it waits for an answer of `awaited` and has it with this label: who has faulted waits for one that lets it go on.
    pub(crate) fn is_answered_by(self, awaited: ThreadId, label: Label) -> bool {
        match self {
            Self::AwaitingAnswer { server, .. } => server == awaited,
            Self::Faulted { server, .. } => server == awaited && label == Label::DONE,
            _ => false,
        }
    }

    /// Whether it waits for somebody else, which may last for ever unless the thread gives up. Who waits for a
    /// word has said until when in the request.
    pub(crate) const fn can_give_up(self) -> bool {
        match self {
            Self::New
            | Self::Ready
            | Self::Working(_)
            | Self::Faulted { .. }
            | Self::Sleeping
            | Self::WaitingWord(_)
            | Self::Deferred(_)
            | Self::Ended(_) => false,
            Self::WaitingEnd(_, answer) => !matches!(answer, EndAnswer::Nothing),
            Self::Joining(..)
            | Self::Calling { .. }
            | Self::AwaitingAnswer { .. }
            | Self::AwaitingReply { .. }
            | Self::Receiving(_)
            | Self::Reading(_) => true,
        }
    }
}

impl Thread {
    /// Thread `number` of a process, which has not started; `page` is its message page, in `space`.
    pub fn new((process, number): (Id<Process>, u32), space: SpaceId, page: Frame, home: CpuId) -> Self {
        Self {
            process,
            number,
            space,
            state: State::New,
            page,
            home,
            cpus: CpuSet::ALL,
            caller: None,
            fault: None,
            serves: None,
            calls_taken: 0,
            own_priority: Priority::USUAL,
            priority: Priority::USUAL,
            deadline: Place::free(),
            references: 0,
            waiters: Queue::EMPTY,
            sibling: None,
            account: 0,
            rest_of_slice: None,
            link: Link::default(),
        }
    }
}

impl Thread {
    /// Whether it waits for what somebody else may decide that it waits for no longer.
    pub(crate) const fn can_be_cancelled(&self) -> bool {
        let waits = self.state.can_give_up() || matches!(self.state, State::Sleeping | State::WaitingWord(_));
        waits && self.fault.is_none()
    }

    /// It is as important as this at least, as somebody who is waits for it. It is in no queue of those that wait for a CPU.
    #[inline(always)] // into what is to be short
    pub(crate) fn lend(&mut self, priority: Priority) {
        if priority.outranks(Some(self.priority)) {
            self.priority = priority;
        }
    }

    /// Whether it is only remembered.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }
}

/// Threads that can be found by name.
pub trait Threads {
    /// The one that is called `thread`, if it is among them.
    fn find(&mut self, thread: ThreadId) -> Option<&mut Thread>;
}

impl Threads for Slots<Thread> {
    #[inline(always)]
    fn find(&mut self, thread: ThreadId) -> Option<&mut Thread> {
        self.get_mut(thread)
    }
}

impl Threads for Mine<'_, Thread> {
    #[inline(always)]
    fn find(&mut self, thread: ThreadId) -> Option<&mut Thread> {
        self.get_mut(thread)
    }
}
