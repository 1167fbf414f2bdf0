//! Threads in the order of a number: the lowest can be seen at once, any can be taken out.
//!
//! A leftist heap: a tree in which nobody has a lower key than their parent, and of two branches the right one
//! has the shorter way to its end. So a way that always goes to the right has log2(n + 1) steps at most among
//! n threads, and no operation goes any other way: what programs choose cannot make one long. The links are in
//! the threads' places, of which each has one in each kind of heap, so nothing is allocated.

use crate::thread::ThreadId;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use slots::Id;

/// A thread's place in a heap, or in a queue (`queue.rs`). Whoever has that changes it, whosever the thread is: so what it consists of are atomics,
/// whose order is the business of whoever hands the heap on.
pub struct Place {
    key: AtomicU64,
    /// How many steps to the right, this thread included, lead to the end: 0 for a thread that is in no heap.
    rank: AtomicU8,
    parent: Link,
    left: Link,
    right: Link,
}

impl Place {
    /// Of a thread that is in none.
    pub const fn free() -> Self {
        Self {
            key: AtomicU64::new(0),
            rank: AtomicU8::new(0),
            parent: Link::none(),
            left: Link::none(),
            right: Link::none(),
        }
    }

    /// Whether the thread is in a heap.
    #[inline]
    pub(crate) fn is_taken(&self) -> bool {
        self.rank() > 0
    }

    /// What the thread is ordered by.
    #[inline]
    pub(crate) fn key(&self) -> u64 {
        self.key.load(Ordering::Relaxed)
    }

    /// Who is next to the thread in a queue. There the parent is who comes before, of whom a heap asks nothing of who comes to it; and
    /// who comes next is on the right, where of those that are nowhere nobody is.
    #[inline]
    pub(crate) fn link(&self) -> crate::queue::Link {
        let (previous, next) = (self.parent.get(), self.right.get());
        crate::queue::Link { previous, next }
    }

    #[inline]
    pub(crate) fn set_previous(&self, to: Option<ThreadId>) {
        self.parent.set(to);
    }

    #[inline]
    pub(crate) fn set_next(&self, to: Option<ThreadId>) {
        self.right.set(to);
    }

    #[inline]
    fn rank(&self) -> u8 {
        self.rank.load(Ordering::Relaxed)
    }
}

/// A thread, or nobody.
struct Link(AtomicU64);

impl Link {
    /// No thread has this one: of the upper half one bit is left over.
    const NONE: u64 = u64::MAX;

    const fn none() -> Self {
        Self(AtomicU64::new(Self::NONE))
    }

    #[inline]
    fn get(&self) -> Option<ThreadId> {
        let bits = self.0.load(Ordering::Relaxed);
        (bits != Self::NONE).then(|| Id::from_parts(bits as u32, (bits >> u32::BITS) as u32))
    }

    #[inline]
    fn set(&self, to: Option<ThreadId>) {
        let bits = to.map_or(Self::NONE, |to| {
            u64::from(to.generation()) << u32::BITS | u64::from(to.index())
        });
        self.0.store(bits, Ordering::Relaxed);
    }

    fn take(&self) -> Option<ThreadId> {
        let was = self.get();
        self.set(None);
        was
    }
}

/// Where threads have their places in heaps of one kind.
pub(crate) trait Places {
    /// The place of `thread`. Threads leave their heaps before their slot is freed, so it is there.
    fn of(&mut self, thread: ThreadId) -> &Place;
}

/// Places that are apart from the threads, one for each that there can be.
impl Places for &[Place] {
    #[inline]
    fn of(&mut self, thread: ThreadId) -> &Place {
        &self[thread.index() as usize]
    }
}

/// A heap. A thread is in one of each kind at most.
#[derive(Default)]
pub(crate) struct Heap {
    top: Option<ThreadId>,
}

impl Heap {
    /// Without anybody.
    pub const EMPTY: Self = Self { top: None };

    /// Whether nobody is in it.
    pub const fn is_empty(&self) -> bool {
        self.top.is_none()
    }

    /// The thread with the lowest key.
    pub const fn top(&self) -> Option<ThreadId> {
        self.top
    }

    /// Puts `thread`, which is in no heap of this kind, in its place. O(log n).
    pub fn insert(&mut self, mut places: impl Places, thread: ThreadId, key: u64) {
        let place = places.of(thread);
        place.key.store(key, Ordering::Relaxed);
        place.rank.store(1, Ordering::Relaxed);
        self.top = merge(&mut places, self.top, Some(thread));
        if let Some(top) = self.top {
            places.of(top).parent.set(None);
        }
    }

    /// Takes `thread`, which is in this heap, out. O(log n).
    pub fn remove(&mut self, mut places: impl Places, thread: ThreadId) {
        let place = places.of(thread);
        place.rank.store(0, Ordering::Relaxed);
        let [parent, left, right] = [&place.parent, &place.left, &place.right].map(Link::take);
        // Of two branches the right one is the shorter.
        let rest = if right.is_some() {
            merge(&mut places, left, right)
        } else {
            left
        };
        if let Some(rest) = rest {
            places.of(rest).parent.set(parent);
        }
        match parent {
            None => self.top = rest,
            Some(parent) => {
                let above = places.of(parent);
                if above.left.get() == Some(thread) {
                    above.left.set(rest);
                } else {
                    above.right.set(rest);
                }
                lean_upwards(&mut places, parent);
            }
        }
    }

    /// Whether `thread` is in this heap and, with those next to it, where it should be. For checks.
    pub fn is_in_place(&self, mut places: impl Places, thread: ThreadId) -> bool {
        let mut look = |id: ThreadId| {
            let place = places.of(id);
            let links = [&place.parent, &place.left, &place.right].map(Link::get);
            (place.rank(), place.key(), links)
        };
        let (rank, key, [parent, left, right]) = look(thread);
        let [left_rank, right_rank] = [left, right].map(|id| id.map_or(0, |id| look(id).0));
        let mut below = left.into_iter().chain(right);
        let leans = left_rank >= right_rank && rank == right_rank + 1;
        let leads = below.all(|id| {
            let (rank, below, [parent, ..]) = look(id);
            rank > 0 && parent == Some(thread) && below >= key
        });
        let known = match parent {
            None => self.top == Some(thread),
            Some(parent) => {
                let (rank, _, [_, below @ ..]) = look(parent);
                rank > 0 && below.contains(&Some(thread))
            }
        };
        rank > 0 && leans && leads && known
    }

    /// How many of `threads` are in it, as far as the links lead: as many steps as `most` for each, at most. For checks.
    pub fn count(
        &self,
        mut places: impl Places,
        (threads, most): (impl Iterator<Item = ThreadId>, u32),
    ) -> usize {
        let is_in_it = |&id: &ThreadId| {
            let mut top = Some(id).filter(|&id| places.of(id).is_taken());
            for _ in 0..most {
                match top.and_then(|id| places.of(id).parent.get()) {
                    Some(parent) => top = Some(parent),
                    None => break,
                }
            }
            top.is_some() && top == self.top
        };
        threads.filter(is_in_it).count()
    }
}

/// Makes one tree of two. No deeper than the ways to the right of both together.
fn merge(places: &mut impl Places, one: Option<ThreadId>, other: Option<ThreadId>) -> Option<ThreadId> {
    let (Some(one), Some(other)) = (one, other) else {
        return one.or(other);
    };
    let in_order = places.of(one).key() <= places.of(other).key();
    let (top, below) = if in_order { (one, other) } else { (other, one) };
    let right = places.of(top).right.get();
    let right = merge(places, right, Some(below));
    if let Some(right) = right {
        places.of(right).parent.set(Some(top));
    }
    places.of(top).right.set(right);
    lean(places, top);
    Some(top)
}

/// Something below `thread` has changed. Whoever gets another rank passes one on that is higher by one, so
/// there are not many.
fn lean_upwards(places: &mut impl Places, thread: ThreadId) {
    let mut next = Some(thread);
    while let Some(thread) = next
        && lean(places, thread)
    {
        next = places.of(thread).parent.get();
    }
}

/// Has the shorter branch of `thread` on the right. Whether that changes its rank.
fn lean(places: &mut impl Places, thread: ThreadId) -> bool {
    let place = places.of(thread);
    let (left, right) = (place.left.get(), place.right.get());
    let [left_rank, right_rank] = [left, right].map(|id| id.map_or(0, |id| places.of(id).rank()));
    let place = places.of(thread);
    if left_rank < right_rank {
        place.left.set(right);
        place.right.set(left);
    }
    let rank = left_rank.min(right_rank) + 1;
    let changes = place.rank() != rank;
    place.rank.store(rank, Ordering::Relaxed);
    changes
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Heap, Place};
    use crate::thread::ThreadId;
    use proptest::prelude::{any, proptest};
    use slots::Id;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    fn threads(count: u32) -> (Vec<Place>, Vec<ThreadId>) {
        let ids = (0..count).map(|index| Id::from_parts(index, index % 3));
        ((0..count).map(|_| Place::free()).collect(), ids.collect())
    }

    proptest! {
        #[test]
        fn the_lowest_key_is_first_whoever_comes_and_goes(
            steps in proptest::collection::vec((0..40_usize, any::<u64>()), 1..300),
            keys in 1..100_u64,
        ) {
            let (places, ids) = threads(40);
            let (mut heap, mut model) = (Heap::EMPTY, BTreeSet::new());
            for (number, key) in steps {
                let (id, place) = (ids[number], &places[number]);
                if place.is_taken() {
                    assert!(model.remove(&(place.key(), number)));
                    heap.remove(&places[..], id);
                } else {
                    heap.insert(&places[..], id, key % keys);
                    model.insert((key % keys, number));
                }
                let first = heap.top().map(|id| (places[id.index() as usize].key(), id.index() as usize));
                assert_eq!(first.map(|(key, _)| key), model.first().map(|(key, _)| *key));
                assert!(first.is_none_or(|first| model.contains(&first)));
                assert!(model.iter().all(|&(_, number)| heap.is_in_place(&places[..], ids[number])));
                assert_eq!(heap.count(&places[..], (ids.iter().copied(), 40)), model.len());
            }
        }
    }

    #[test]
    fn no_order_of_keys_makes_the_way_to_the_right_long() {
        let orders: [fn(u64) -> u64; 3] =
            [|n| n, |n| 1 << 20 | !n & 0xfffff, |n| n.wrapping_mul(0x9e37_79b9)];
        for order in orders {
            let (places, ids) = threads(1000);
            let mut heap = Heap::EMPTY;
            for (&id, n) in ids.iter().zip(0..) {
                heap.insert(&places[..], id, order(n));
            }
            while let Some(first) = heap.top() {
                let place = |id: ThreadId| &places[id.index() as usize];
                let way = core::iter::successors(Some(first), |&id| place(id).right.get());
                assert!(way.count() <= 10, "two to the tenth are more than a thousand");
                heap.remove(&places[..], first);
            }
        }
    }
}
