//! First-in first-out queues of threads.
//!
//! Each thread has a link in itself, for the queue of a CPU or of whatever else only its home or the whole kernel changes, and one in
//! its [place](crate::Place) apart from it, for the queue of something that CPUs take in turn. It is in one queue at most, so nothing
//! is allocated, and every operation takes constant time.

use crate::heap::Place;
use crate::kernel::gone;
use crate::thread::{Thread, ThreadId, Threads};
use slots::Slots;

/// Each thread's place among those that wait at an endpoint or for a word: whoever has that changes the places of those that wait there.
pub type Queued = &'static [Place];

/// Who is next to a thread in a queue. Of a thread that is in none `next` leads nowhere.
#[derive(Clone, Copy, Default)]
pub struct Link {
    /// Says nothing about who comes first: so to take out that one changes nothing of the one behind it, which may be
    /// another CPU's.
    pub(crate) previous: Option<ThreadId>,
    /// Who comes next.
    pub(crate) next: Option<ThreadId>,
}

/// Where the links of a queue are.
pub trait Links {
    /// That of `thread`.
    fn link(&mut self, thread: ThreadId) -> Link;
    /// Another one is before `thread` from now on.
    fn set_previous(&mut self, thread: ThreadId, to: Option<ThreadId>);
    /// Another one is behind `thread` from now on.
    fn set_next(&mut self, thread: ThreadId, to: Option<ThreadId>);
}

/// Threads leave their queue before their slot is freed, so a linked thread exists.
#[inline(always)] // so that whose threads these are is not in memory for it
fn linked(threads: &mut impl Threads, thread: ThreadId) -> &mut Link {
    match threads.find(thread) {
        Some(thread) => &mut thread.link,
        None => gone(thread),
    }
}

impl<T: Threads> Links for T {
    #[inline(always)] // this and the next, as above
    fn link(&mut self, thread: ThreadId) -> Link {
        *linked(self, thread)
    }

    #[inline(always)]
    fn set_previous(&mut self, thread: ThreadId, to: Option<ThreadId>) {
        linked(self, thread).previous = to;
    }

    #[inline(always)]
    fn set_next(&mut self, thread: ThreadId, to: Option<ThreadId>) {
        linked(self, thread).next = to;
    }
}

impl Links for Queued {
    #[inline]
    fn link(&mut self, thread: ThreadId) -> Link {
        self[thread.index() as usize].link()
    }

    #[inline]
    fn set_previous(&mut self, thread: ThreadId, to: Option<ThreadId>) {
        self[thread.index() as usize].set_previous(to);
    }

    #[inline]
    fn set_next(&mut self, thread: ThreadId, to: Option<ThreadId>) {
        self[thread.index() as usize].set_next(to);
    }
}

/// A queue.
#[derive(Default)]
pub struct Queue {
    first: Option<ThreadId>,
    last: Option<ThreadId>,
}

impl Queue {
    /// An empty queue.
    pub const EMPTY: Self = Self {
        first: None,
        last: None,
    };

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The thread that came first.
    pub fn first(&self) -> Option<ThreadId> {
        self.first
    }

    /// Whether there are several.
    pub(crate) fn has_several(&self) -> bool {
        self.first != self.last
    }

    /// Appends `thread`, which is in no queue.
    #[inline(always)]
    pub fn push(&mut self, links: &mut impl Links, thread: ThreadId) {
        match self.last.replace(thread) {
            Some(previous) => {
                links.set_previous(thread, Some(previous));
                links.set_next(previous, Some(thread));
            }
            None => self.first = Some(thread),
        }
    }

    /// Puts `thread`, which is in no queue, before all others.
    #[inline(always)] // as above
    pub fn push_first(&mut self, links: &mut impl Links, thread: ThreadId) {
        let next = self.first.replace(thread);
        links.set_next(thread, next);
        match next {
            Some(next) => links.set_previous(next, Some(thread)),
            None => self.last = Some(thread),
        }
    }

    /// Takes out the first thread, which is this one, and has its link in itself.
    #[inline]
    pub(crate) fn take_first(&mut self, first: &mut Thread) {
        self.first = first.link.next.take();
        if self.first.is_none() {
            self.last = None;
        }
    }

    /// Takes the first thread out.
    #[inline(always)] // as above
    pub fn pop(&mut self, links: &mut impl Links) -> Option<ThreadId> {
        let first = self.first?;
        // Mostly it is the only one. A slot has one thread at a time.
        if self.last.is_some_and(|last| last.index() == first.index()) {
            *self = Self::EMPTY;
        } else {
            self.go_to_next(links, first);
        }
        Some(first)
    }

    #[cold]
    fn go_to_next(&mut self, links: &mut impl Links, first: ThreadId) {
        self.first = links.link(first).next;
        links.set_next(first, None);
    }

    /// Takes `thread`, which is in this queue, out.
    pub fn remove(&mut self, links: &mut impl Links, thread: ThreadId) {
        let Link { previous, next } = links.link(thread);
        links.set_next(thread, None);
        let previous = previous.filter(|_| self.first != Some(thread));
        match previous {
            Some(previous) => links.set_next(previous, next),
            None => self.first = next,
        }
        match next {
            Some(next) => links.set_previous(next, previous),
            None => self.last = previous,
        }
    }

    /// The threads in it, first to last, as far as the links lead, which are in these threads.
    pub(crate) fn members<'a>(&self, threads: &'a Slots<Thread>) -> impl Iterator<Item = ThreadId> + use<'a> {
        in_order(self.first, |id| threads.get(id).map(|thread| thread.link))
    }

    /// The same, where they are in places.
    pub(crate) fn members_at(&self, places: Queued) -> impl Iterator<Item = ThreadId> + use<> {
        in_order(self.first, |id| places.get(id.index() as usize).map(Place::link))
    }

    /// Whether this is the last. For checks.
    pub(crate) fn ends_with(&self, last: Option<ThreadId>) -> bool {
        self.last == last
    }
}

fn in_order(
    first: Option<ThreadId>,
    link: impl Fn(ThreadId) -> Option<Link>,
) -> impl Iterator<Item = ThreadId> {
    let (mut previous, mut next) = (None, first);
    core::iter::from_fn(move || {
        let id = next?;
        let link = link(id)?;
        // So that a ring ends, too.
        if previous.is_some() && (link.previous != previous || Some(id) == first) {
            return None;
        }
        (previous, next) = (Some(id), link.next);
        Some(id)
    })
}
