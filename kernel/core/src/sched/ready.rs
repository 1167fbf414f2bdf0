//! The threads that wait for one CPU: the most important first, and of equals who came first.

use crate::queue::Queue;
use crate::thread::{Thread, ThreadId, Threads};
use abi::process::Priority;
use core::iter::successors;
use slots::Slots;

/// A queue for each priority, and which of them have anybody in it: whatever waits, every operation takes the
/// same few steps.
#[repr(C)] // what is looked at most comes first
pub(crate) struct ReadyQueue {
    most: Rank,
    count: u32,
    /// A bit for each queue with somebody in it, the lowest of the first word for the least important.
    filled: [u64; WORDS],
    queues: [Queue; Priority::COUNT],
}

/// Where somebody stands among those who want a CPU: behind all that have a greater one.
///
/// The priority, above a bit that says that there is somebody, and one for those who [are due](ReadyQueue::are_due).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(u16);

impl Rank {
    const NOBODY: Self = Self(0);
    const SOMEBODY: u16 = 0b01;
    const DUE: u16 = 0b11;

    #[inline]
    const fn of(priority: Priority) -> Self {
        Self((priority.0 as u16) << 8 | Self::SOMEBODY)
    }

    #[inline]
    fn priority(self) -> Option<Priority> {
        let [priority, _] = self.0.to_be_bytes();
        (self != Self::NOBODY).then_some(Priority(priority))
    }
}

/// How many of those who wait for a CPU others look at, first to last. Each may be confined to other CPUs.
pub(super) const MOST_LOOKED_AT: usize = 64;

const BITS: usize = u64::BITS as usize;
const WORDS: usize = Priority::COUNT / BITS;

impl ReadyQueue {
    /// Without anybody.
    pub const EMPTY: Self = Self {
        queues: [const { Queue::EMPTY }; Priority::COUNT],
        filled: [0; WORDS],
        most: Rank::NOBODY,
        count: 0,
    };

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many wait.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How important the most important of those are that wait.
    #[inline]
    pub fn most(&self) -> Option<Priority> {
        self.most.priority()
    }

    /// Those who wait with this priority.
    pub fn queue(&self, priority: Priority) -> &Queue {
        &self.queues[priority.index()]
    }

    /// Whether somebody waits who goes before `other`, whose turn it may be: nobody is outranked by an equal, unless
    /// that one [is due](Self::are_due).
    #[inline]
    pub fn outranks(&self, other: Option<Priority>) -> bool {
        self.most > other.map_or(Rank::NOBODY, Rank::of)
    }

    /// Whether somebody waits who takes turns with one of this `priority`, or goes first.
    #[inline]
    pub fn rivals(&self, priority: Priority) -> bool {
        self.most >= Rank::of(priority)
    }

    /// A time slice has gone by: the most important of those who wait go before their equals, until one of them has its
    /// turn or somebody more important waits.
    pub fn are_due(&mut self) {
        if !self.is_empty() {
            self.most.0 |= Rank::DUE;
        }
    }

    /// Lets `thread`, which is in no queue, wait behind its equals.
    #[inline(always)] // into what is to be short
    pub fn push(&mut self, threads: &mut impl Threads, thread: ThreadId) {
        let priority = self.fill(threads, thread);
        self.queues[priority.index()].push(threads, thread);
    }

    /// The same before its equals.
    #[inline(always)] // as above
    pub fn push_first(&mut self, threads: &mut impl Threads, thread: ThreadId) {
        let priority = self.fill(threads, thread);
        self.queues[priority.index()].push_first(threads, thread);
    }

    /// Who goes first.
    #[inline]
    pub fn first(&self) -> Option<ThreadId> {
        self.queues[self.most()?.index()].first()
    }

    /// Takes out who goes first, which is this one.
    #[inline(always)] // into what is to be short
    pub fn take_first(&mut self, first: &mut Thread) {
        self.queues[first.priority.index()].take_first(first);
        self.most = Rank::of(first.priority);
        self.forget_one(first.priority);
    }

    /// Takes out who goes first.
    #[inline]
    pub fn pop(&mut self, threads: &mut Slots<Thread>) -> Option<ThreadId> {
        let first = self.first()?;
        self.take_first(threads.get_mut(first)?);
        Some(first)
    }

    /// Takes `thread`, which waits here, out.
    pub fn remove(&mut self, threads: &mut impl Threads, thread: ThreadId) {
        let priority = priority_of(threads, thread);
        self.queues[priority.index()].remove(threads, thread);
        self.forget_one(priority);
    }

    /// Somebody has left the queue of this priority.
    #[inline]
    fn forget_one(&mut self, priority: Priority) {
        self.count -= 1;
        if self.queues[priority.index()].is_empty() {
            self.filled[priority.index() / BITS] &= !(1 << (priority.index() % BITS));
            if self.most() == Some(priority) {
                self.most = most(&self.filled).map_or(Rank::NOBODY, Rank::of);
            }
        }
    }

    #[inline(always)] // as above
    fn fill(&mut self, threads: &mut impl Threads, thread: ThreadId) -> Priority {
        let priority = priority_of(threads, thread);
        self.filled[priority.index() / BITS] |= 1 << (priority.index() % BITS);
        self.count += 1;
        if self.most < Rank::of(priority) {
            self.most = Rank::of(priority);
        }
        priority
    }

    /// What `look` finds first of those who are more important than `above`. As many are looked at as are to find one that
    /// can go elsewhere.
    pub fn find<T>(
        &self,
        threads: &mut impl Threads,
        above: Option<Priority>,
        mut look: impl FnMut(ThreadId, &Thread) -> Option<T>,
    ) -> Option<T> {
        let mut left = MOST_LOOKED_AT;
        let mut priority = self.most();
        while let Some(of_these) = priority.filter(|priority| priority.outranks(above)) {
            let mut next = self.queue(of_these).first();
            while let Some(id) = next {
                left = left.checked_sub(1)?;
                let thread = threads.find(id)?;
                if let Some(found) = look(id, thread) {
                    return Some(found);
                }
                next = thread.link.next;
            }
            priority = self.next_below(of_these);
        }
        None
    }

    /// Everybody who waits, as they come one after the other.
    pub fn in_order<'a>(&'a self, threads: &'a Slots<Thread>) -> impl Iterator<Item = ThreadId> + use<'a> {
        let priorities = successors(self.most(), |&last| self.next_below(last));
        priorities.flat_map(|priority| self.queue(priority).members(threads))
    }

    /// The highest priority below this one that somebody waits with.
    pub(super) fn next_below(&self, priority: Priority) -> Option<Priority> {
        let mut filled = self.filled;
        filled[priority.index() / BITS] &= (1 << (priority.index() % BITS)) - 1;
        filled[priority.index() / BITS + 1..].fill(0);
        most(&filled)
    }

    /// Everybody who waits. For checks.
    pub fn members<'a>(&'a self, threads: &'a Slots<Thread>) -> impl Iterator<Item = ThreadId> + use<'a> {
        self.queues.iter().flat_map(|queue| queue.members(threads))
    }

    /// Whether every thread is in the queue of its priority, and count, bits and the most important are right.
    /// For checks.
    pub fn is_in_order(&self, threads: &Slots<Thread>) -> bool {
        let mut all = (0..=u8::MAX)
            .map(Priority)
            .map(|priority| (priority, self.queue(priority)));
        let queues_are_right = all.all(|(priority, queue)| {
            let bit = self.filled[priority.index() / BITS] >> (priority.index() % BITS) & 1;
            let belongs = |id| threads.get(id).is_some_and(|thread| thread.priority == priority);
            queue.ends_with(queue.members(threads).last())
                && queue.members(threads).all(belongs)
                && (bit == 1) != queue.is_empty()
        });
        queues_are_right
            && self.members(threads).count() == self.count as usize
            && self.most() == most(&self.filled)
            && self.is_empty() == (self.most == Rank::NOBODY)
    }
}

/// The highest bit, as a priority.
fn most(filled: &[u64; WORDS]) -> Option<Priority> {
    let word = filled.iter().rposition(|&bits| bits != 0)?;
    let bit = BITS - 1 - filled[word].leading_zeros() as usize;
    u8::try_from(word * BITS + bit).ok().map(Priority)
}

#[inline(always)] // as above
fn priority_of(threads: &mut impl Threads, thread: ThreadId) -> Priority {
    match threads.find(thread) {
        Some(thread) => thread.priority,
        None => panic!("a thread waits that is gone: {thread:?}"),
    }
}
