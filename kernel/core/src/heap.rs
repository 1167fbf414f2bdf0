//! Threads in the order of a number: the lowest can be seen at once, any can be taken out.
//!
//! A leftist heap: a tree in which nobody has a lower key than their parent, and of two branches the right one
//! has the shorter way to its end. So a way that always goes to the right has log2(n + 1) steps at most among
//! n threads, and no operation goes any other way: what programs choose cannot make one long. The links are in
//! the threads, so nothing is allocated.

use crate::thread::{Thread, ThreadId, Threads};
use core::marker::PhantomData;
use slots::Slots;

/// Which heap: a thread has a place in one of each kind.
pub(crate) trait Kind {
    fn place(thread: &Thread) -> &Place;
    fn place_mut(thread: &mut Thread) -> &mut Place;
}

/// A thread's place in a heap.
#[derive(Default)]
pub(crate) struct Place {
    key: u64,
    /// How many steps to the right, this thread included, lead to the end: 0 for a thread that is in no heap.
    rank: u8,
    parent: Option<ThreadId>,
    left: Option<ThreadId>,
    right: Option<ThreadId>,
}

impl Place {
    /// Whether the thread is in a heap.
    pub const fn is_taken(&self) -> bool {
        self.rank > 0
    }

    /// What the thread is ordered by.
    pub const fn key(&self) -> u64 {
        self.key
    }
}

/// A heap. A thread is in one of each kind at most.
pub(crate) struct Heap<K> {
    top: Option<ThreadId>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Default for Heap<K> {
    fn default() -> Self {
        Self {
            top: None,
            kind: PhantomData,
        }
    }
}

impl<K: Kind> Heap<K> {
    /// Without anybody.
    pub const EMPTY: Self = Self {
        top: None,
        kind: PhantomData,
    };

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.top.is_none()
    }

    /// The thread with the lowest key.
    pub const fn top(&self) -> Option<ThreadId> {
        self.top
    }

    /// The same, and that key.
    pub fn first(&self, threads: &Slots<Thread>) -> Option<(ThreadId, u64)> {
        let top = self.top?;
        threads.get(top).map(|thread| (top, K::place(thread).key))
    }

    /// Puts `thread`, which is in no heap of this kind, in its place. O(log n).
    pub fn insert(&mut self, threads: &mut impl Threads, thread: ThreadId, key: u64) {
        *place::<K>(threads, thread) = Place {
            key,
            rank: 1,
            ..Place::default()
        };
        self.top = merge::<K>(threads, self.top, Some(thread));
        if let Some(top) = self.top {
            place::<K>(threads, top).parent = None;
        }
    }

    /// Takes `thread`, which is in this heap, out. O(log n).
    pub fn remove(&mut self, threads: &mut impl Threads, thread: ThreadId) {
        let Place {
            parent, left, right, ..
        } = core::mem::take(place::<K>(threads, thread));
        // Of two branches the right one is the shorter.
        let rest = if right.is_some() {
            merge::<K>(threads, left, right)
        } else {
            left
        };
        if let Some(rest) = rest {
            place::<K>(threads, rest).parent = parent;
        }
        match parent {
            None => self.top = rest,
            Some(parent) => {
                let above = place::<K>(threads, parent);
                if above.left == Some(thread) {
                    above.left = rest;
                } else {
                    above.right = rest;
                }
                lean_upwards::<K>(threads, parent);
            }
        }
    }

    /// Whether `thread` is in this heap and, with those next to it, where it should be. For checks.
    pub fn is_in_place(&self, threads: &Slots<Thread>, thread: ThreadId) -> bool {
        let place = |id: ThreadId| threads.get(id).map(K::place).filter(|place| place.is_taken());
        let rank = |id: Option<ThreadId>| id.and_then(place).map_or(0, |place| place.rank);
        let Some(own) = place(thread) else {
            return false;
        };
        let mut below = own.left.into_iter().chain(own.right);
        let leans = rank(own.left) >= rank(own.right) && own.rank == rank(own.right) + 1;
        let leads = below.all(|id| place(id).is_some_and(|p| p.parent == Some(thread) && p.key >= own.key));
        let known = match own.parent.map(place) {
            None => self.top == Some(thread),
            Some(parent) => parent.is_some_and(|p| [p.left, p.right].contains(&Some(thread))),
        };
        leans && leads && known
    }

    /// The threads in it, as far as the links lead. For checks: takes steps for each of `threads`.
    pub fn count(&self, threads: &Slots<Thread>) -> usize {
        let parent = |id: ThreadId| threads.get(id).and_then(|thread| K::place(thread).parent);
        let tops = threads.iter().filter(|(_, thread)| K::place(thread).is_taken());
        tops.filter(|&(id, _)| {
            let mut way = core::iter::successors(Some(id), |&id| parent(id)).take(threads.used() as usize);
            way.any(|id| Some(id) == self.top)
        })
        .count()
    }
}

/// Makes one tree of two. No deeper than the ways to the right of both together.
fn merge<K: Kind>(
    threads: &mut impl Threads,
    one: Option<ThreadId>,
    other: Option<ThreadId>,
) -> Option<ThreadId> {
    let (Some(one), Some(other)) = (one, other) else {
        return one.or(other);
    };
    let in_order = place::<K>(threads, one).key <= place::<K>(threads, other).key;
    let (top, below) = if in_order { (one, other) } else { (other, one) };
    let right = place::<K>(threads, top).right;
    let right = merge::<K>(threads, right, Some(below));
    if let Some(right) = right {
        place::<K>(threads, right).parent = Some(top);
    }
    place::<K>(threads, top).right = right;
    lean::<K>(threads, top);
    Some(top)
}

/// Something below `thread` has changed. Whoever gets another rank passes one on that is higher by one, so
/// there are not many.
fn lean_upwards<K: Kind>(threads: &mut impl Threads, thread: ThreadId) {
    let mut next = Some(thread);
    while let Some(thread) = next
        && lean::<K>(threads, thread)
    {
        next = place::<K>(threads, thread).parent;
    }
}

/// Has the shorter branch of `thread` on the right. Whether that changes its rank.
fn lean<K: Kind>(threads: &mut impl Threads, thread: ThreadId) -> bool {
    let Place { left, right, .. } = *place::<K>(threads, thread);
    let [left_rank, right_rank] = [left, right].map(|id| id.map_or(0, |id| place::<K>(threads, id).rank));
    let place = place::<K>(threads, thread);
    if left_rank < right_rank {
        (place.left, place.right) = (right, left);
    }
    let rank = left_rank.min(right_rank) + 1;
    core::mem::replace(&mut place.rank, rank) != rank
}

/// Threads leave their heaps before their slot is freed.
fn place<K: Kind>(threads: &mut impl Threads, thread: ThreadId) -> &mut Place {
    match threads.find(thread) {
        Some(thread) => K::place_mut(thread),
        None => panic!("a heap holds a thread that is gone: {thread:?}"),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Heap, Kind};
    use crate::sched::{ByDeadline, CpuId};
    use crate::thread::{Thread, ThreadId};
    use addr::Frame;
    use proptest::prelude::{any, proptest};
    use slots::{Id, Slot, Slots};
    use std::collections::BTreeSet;
    use std::vec::Vec;

    fn threads(count: usize) -> (Slots<Thread>, Vec<ThreadId>) {
        let slots: Vec<Slot<Thread>> = (0..count).map(|_| Slot::empty()).collect();
        let mut threads = Slots::new(slots.leak());
        let new = || {
            let (process, space) = (Id::from_parts(0, 0), Id::from_parts(0, 0));
            Thread::new((process, 0), space, Frame::from_number(0), CpuId::BOOT)
        };
        let ids = (0..count).map(|_| threads.insert(new()).expect("room"));
        let ids = ids.collect();
        (threads, ids)
    }

    proptest! {
        #[test]
        fn the_lowest_key_is_first_whoever_comes_and_goes(
            steps in proptest::collection::vec((0..40_usize, any::<u64>()), 1..300),
            keys in 1..100_u64,
        ) {
            let (mut threads, ids) = threads(40);
            let (mut heap, mut model) = (Heap::<ByDeadline>::EMPTY, BTreeSet::new());
            for (place, key) in steps {
                let (id, taken) = (ids[place], ByDeadline::place(threads.get(ids[place]).expect("there")));
                if taken.is_taken() {
                    assert!(model.remove(&(taken.key, place)));
                    heap.remove(&mut threads, id);
                } else {
                    heap.insert(&mut threads, id, key % keys);
                    model.insert((key % keys, place));
                }
                let first = heap.first(&threads);
                assert_eq!(first.map(|(_, key)| key), model.first().map(|(key, _)| *key));
                assert!(first.is_none_or(|(id, key)| model.contains(&(key, id.index() as usize))));
                assert!(model.iter().all(|&(_, place)| heap.is_in_place(&threads, ids[place])));
                assert_eq!(heap.count(&threads), model.len());
            }
        }
    }

    #[test]
    fn no_order_of_keys_makes_the_way_to_the_right_long() {
        let orders: [fn(u64) -> u64; 3] =
            [|n| n, |n| 1 << 20 | !n & 0xfffff, |n| n.wrapping_mul(0x9e37_79b9)];
        for order in orders {
            let (mut threads, ids) = threads(1000);
            let mut heap = Heap::<ByDeadline>::EMPTY;
            for (&id, n) in ids.iter().zip(0..) {
                heap.insert(&mut threads, id, order(n));
            }
            while let Some((first, _)) = heap.first(&threads) {
                let place = |id| ByDeadline::place(threads.get(id).expect("there"));
                let way = core::iter::successors(Some(first), |&id| place(id).right);
                assert!(way.count() <= 10, "two to the tenth are more than a thousand");
                heap.remove(&mut threads, first);
            }
        }
    }
}
