//! The handle table of a process: a flat array, checked by generation.
//!
//! All threads of the process look at it, on any CPU and without a lock, while others of them add handles and take some out, and
//! messages bring some. A [place](super::place) tells whether it is as it was a moment ago, and whoever has claimed one puts something there alone.

use super::place::{Found, Place};
use super::{Capability, Object};
use crate::ipc::Endpoint;
use abi::{Badge, Handle, IpcError, Rights};
use core::sync::atomic::{AtomicU64, Ordering};
use slots::Id;

/// Handles a process can have; place 0 is never used.
pub const HANDLES: usize = 64;

/// Handles of one process.
pub struct HandleTable {
    places: [Place; HANDLES],
    /// One bit for each place that has a handle, or that somebody has claimed.
    held: AtomicU64,
}

const _: () = assert!(HANDLES == u64::BITS as usize);

/// A free place, for one handle. It is free for others again if this is dropped.
#[must_use = "a place that nothing is put into is free for others at once"]
pub(crate) struct Claim<'a> {
    table: &'a HandleTable,
    index: usize,
}

/// Free places, for several handles. Those that nothing is put into are free for others again if this is dropped.
#[must_use = "places that nothing is put into are free for others at once"]
pub(crate) struct Claims<'a> {
    table: &'a HandleTable,
    places: u64,
}

impl HandleTable {
    /// No handle: nothing but zeroes.
    pub const fn empty() -> Self {
        Self {
            places: [const { Place::free() }; HANDLES],
            held: AtomicU64::new(0),
        }
    }

    /// What `handle` stands for.
    ///
    /// # Errors
    /// [`IpcError::BadHandle`] if it stands for nothing, [`IpcError::NotPermitted`] if it lacks
    /// one of `rights`.
    pub fn find(&self, handle: Handle, rights: Rights) -> Result<Capability, IpcError> {
        let capability = self.look_up(handle).and_then(Found::capability);
        match capability {
            Some(capability) if capability.rights.contains(rights) => Ok(capability),
            Some(_) => Err(IpcError::NotPermitted),
            None => Err(IpcError::BadHandle),
        }
    }

    /// The same if it has all of these rights.
    #[inline(always)] // this and the next two, into what is to be short
    pub(crate) fn find_with(&self, handle: Handle, rights: Rights) -> Option<Found> {
        self.look_up(handle)
            .filter(|found| found.rights().contains(rights))
    }

    /// The endpoint that `handle` names, with its mark, if it has all of these rights.
    #[inline(always)]
    pub(crate) fn endpoint(&self, handle: Handle, rights: Rights) -> Option<(Id<Endpoint>, Badge)> {
        let found = self.find_with(handle, rights)?;
        Some((found.endpoint()?, found.badge))
    }

    #[inline(always)]
    fn look_up(&self, handle: Handle) -> Option<Found> {
        let place = self.places.get(handle.index() as usize)?;
        place.find(handle.generation())
    }

    /// How many more handles fit.
    pub fn room(&self) -> usize {
        HANDLES - 1 - self.held().count_ones() as usize
    }

    fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// How many of the handles name `object`.
    pub fn count(&self, object: Object) -> u32 {
        let named = self.iter().filter(|capability| capability.object == object);
        named.fold(0, |count, _| count + 1)
    }

    /// What all its handles stand for.
    pub fn iter(&self) -> impl Iterator<Item = Capability> {
        places_in(self.held()).filter_map(|index| self.places[index].get())
    }

    /// The places where handles are.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> + use<> {
        places_in(self.held())
    }

    /// What the handle at `place` stands for.
    pub(crate) fn at(&self, place: usize) -> Option<Capability> {
        self.places.get(place)?.get()
    }

    /// Takes into this table, which is empty, what `of` makes of each handle of `other`, at the same places. A
    /// handle without a counterpart is stale here.
    pub(crate) fn inherit(&mut self, other: &Self, of: impl Fn(Capability) -> Option<Capability>) {
        for (new, old) in self.places.iter_mut().zip(&other.places) {
            new.follow(old);
        }
        for index in places_in(other.held()) {
            match other.places[index].get().and_then(&of) {
                Some(capability) => {
                    self.places[index].put(capability);
                    *self.held.get_mut() |= 1 << index;
                }
                None => self.places[index].pass_over(),
            }
        }
    }

    /// Lets all handles that name one object name another one. Answers how many these are.
    pub(crate) fn rename(&mut self, from: Object, to: Object) -> u32 {
        let mut renamed = 0;
        for index in places_in(self.held()) {
            let place = &self.places[index];
            if let Some(capability) = place.get()
                && capability.object == from
            {
                place.put(Capability {
                    object: to,
                    ..capability
                });
                renamed += 1;
            }
        }
        renamed
    }

    /// Whether as many handles are there as are counted, and none at place 0. For checks.
    pub(crate) fn is_counted(&self) -> bool {
        let held = self.held();
        let is_right = |(index, place): (usize, &Place)| place.get().is_some() == (held >> index & 1 != 0);
        self.places[0].get().is_none() && self.places.iter().enumerate().all(is_right)
    }

    /// Adds a handle at the lowest free place; `None` if there is no room.
    pub fn add(&self, capability: Capability) -> Option<Handle> {
        Some(self.claim()?.put(capability))
    }

    /// The lowest free place, to put a handle there; `None` if there is no room.
    pub(crate) fn claim(&self) -> Option<Claim<'_>> {
        loop {
            let index = (self.held() | 1).trailing_ones();
            let place = 1_u64.checked_shl(index)?;
            // Whoever has put something there before has taken it out.
            if self.held.fetch_or(place, Ordering::Acquire) & place == 0 {
                let index = index as usize;
                return Some(Claim { table: self, index });
            }
        }
    }

    /// As many free places; `None` if there are not so many.
    pub(crate) fn claim_several(&self, count: usize) -> Option<Claims<'_>> {
        let mut claims = self.claims(0);
        for _ in 0..count {
            claims.places |= 1 << self.claim()?.keep();
        }
        Some(claims)
    }

    /// The places that were claimed before and [kept](Claims::keep).
    pub(crate) fn claims(&self, places: u64) -> Claims<'_> {
        Claims { table: self, places }
    }

    /// The place with this number, if there is such and it is free.
    pub(crate) fn claim_at(&self, index: u32) -> Option<Claim<'_>> {
        let place = 1_u64.checked_shl(index).filter(|_| index != 0)?;
        let is_free = self.held.fetch_or(place, Ordering::Acquire) & place == 0;
        // Only then is there one, which would free the place if it were dropped.
        is_free.then(|| Claim {
            table: self,
            index: index as usize,
        })
    }

    /// Nothing is at `index`, and others may claim it.
    fn free(&self, index: usize) {
        self.free_all(1 << index);
    }

    /// Nothing is at these places.
    fn free_all(&self, places: u64) {
        self.held.fetch_and(!places, Ordering::Release);
    }

    /// Puts a capability at `index` of a table whose process has not started, so that no handle
    /// can be stale yet, and returns what was there.
    ///
    /// # Errors
    /// Returns the capability if there is no such place.
    pub fn place(&mut self, index: u32, capability: Capability) -> Result<Option<Capability>, Capability> {
        match self.places.get(index as usize) {
            Some(place) if index != 0 => {
                *self.held.get_mut() |= 1 << index;
                let before = place.get();
                place.put(capability);
                Ok(before)
            }
            _ => Err(capability),
        }
    }

    /// Takes a handle out; it is stale from now on. `None` if it stands for nothing, or a sibling was first.
    pub fn remove(&self, handle: Handle) -> Option<Capability> {
        self.remove_if(handle, |_| true)
    }

    /// Takes a handle out if it names `object`.
    pub(crate) fn remove_named(&self, handle: Handle, object: Object) -> Option<Capability> {
        self.remove_if(handle, |named| named.object == object)
    }

    fn remove_if(&self, handle: Handle, is_meant: impl FnOnce(Capability) -> bool) -> Option<Capability> {
        let found = self.look_up(handle)?;
        let (capability, index) = (found.capability()?, handle.index() as usize);
        if !is_meant(capability) || !self.places[index].take(found) {
            return None;
        }
        self.free(index);
        Some(capability)
    }

    /// Takes any handle out, until there is none.
    pub fn remove_any(&mut self) -> Option<Capability> {
        let index = places_in(self.held()).next()?;
        self.free(index);
        self.places[index].vacate()
    }
}

impl Claim<'_> {
    /// Puts a handle there.
    pub(crate) fn put(self, capability: Capability) -> Handle {
        let generation = self.table.places[self.index].put(capability);
        Handle::from_parts(self.keep() as u32, generation)
    }

    /// Which place it is, which is not free from now on.
    fn keep(self) -> usize {
        let index = self.index;
        core::mem::forget(self);
        index
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.table.free(self.index);
    }
}

impl Claims<'_> {
    /// Which places they are, by their bits. They are not free before they are [somebody's](HandleTable::claims) again.
    #[must_use = "these places would never be free again"]
    pub(crate) fn keep(mut self) -> u64 {
        core::mem::take(&mut self.places)
    }
}

impl<'a> Iterator for Claims<'a> {
    type Item = Claim<'a>;

    /// The lowest of the places.
    fn next(&mut self) -> Option<Claim<'a>> {
        let index = places_in(self.places).next()?;
        self.places &= !(1 << index);
        Some(Claim {
            table: self.table,
            index,
        })
    }
}

impl Drop for Claims<'_> {
    fn drop(&mut self) {
        if self.places != 0 {
            self.table.free_all(self.places);
        }
    }
}

/// The places whose bits are in `held`, lowest first.
fn places_in(mut held: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = held.trailing_zeros() as usize;
        held &= held.checked_sub(1)?;
        Some(place)
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Capability, Claims, HANDLES, HandleTable};
    use crate::handle::Object;
    use abi::{Badge, Handle, IpcError, Rights};
    use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use slots::Id;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    const CONSOLE: Capability = Capability::to(Object::Console);

    #[test]
    fn a_closed_handle_stays_dead_when_its_place_is_used_again() {
        let table = HandleTable::empty();
        let first = table.add(CONSOLE).expect("room");
        assert_eq!(table.remove(first), Some(CONSOLE));
        let second = table.add(CONSOLE).expect("room");
        assert_eq!(first.index(), second.index());
        assert_eq!(table.find(first, Rights::CALL), Err(IpcError::BadHandle));
        assert_eq!(table.find(second, Rights::CALL), Ok(CONSOLE));
        assert_eq!(table.remove(first), None);
    }

    #[test]
    fn rights_are_asked_for() {
        let table = HandleTable::empty();
        let handle = table.add(CONSOLE).expect("room");
        assert_eq!(table.find(handle, Rights::RECEIVE), Err(IpcError::NotPermitted));
    }

    #[test]
    fn a_full_table_takes_no_more_and_a_wild_handle_finds_nothing() {
        let mut table = HandleTable::empty();
        for _ in 1..HANDLES {
            assert!(table.add(CONSOLE).is_some());
        }
        assert_eq!((table.room(), table.add(CONSOLE)), (0, None));
        for raw in [0, u32::MAX, HANDLES as u32, 1 << 10 | 1] {
            assert_eq!(
                table.find(Handle::from_raw(raw), Rights::empty()),
                Err(IpcError::BadHandle)
            );
        }
        assert_eq!(table.place(0, CONSOLE), Err(CONSOLE));
        assert_eq!(table.place(HANDLES as u32, CONSOLE), Err(CONSOLE));
    }

    #[test]
    fn a_claimed_place_is_nobody_elses_until_it_is_given_back() {
        let table = HandleTable::empty();
        let claim = table.claim().expect("room");
        let handle = table.add(CONSOLE).expect("room beside it");
        assert_eq!((handle.index(), table.room()), (2, HANDLES - 3));
        assert_eq!(
            table.find(Handle::from_parts(1, 0), Rights::empty()),
            Err(IpcError::BadHandle),
            "nothing is there yet"
        );
        drop(claim);
        assert_eq!(table.add(CONSOLE), Some(Handle::from_parts(1, 0)));
        assert!(table.is_counted());
    }

    /// An endpoint with a badge and rights that follow from its number.
    fn marked(number: u32) -> Capability {
        let rights = if number.is_multiple_of(2) {
            Rights::ENDPOINT
        } else {
            Rights::PASS
        };
        Capability {
            object: Object::Endpoint(Id::from_parts(number, number + 7)),
            rights,
            badge: Badge(u64::from(number) << 20),
        }
    }

    fn is_whole(found: Capability) -> bool {
        matches!(found.object, Object::Endpoint(id) if found == marked(id.index()))
    }

    const THREADS: u32 = 4;
    const ROUNDS: u32 = 30_000;

    #[test]
    fn of_all_who_take_the_same_handle_out_one_has_it() {
        let table = HandleTable::empty();
        // Which handle all close, and how many have it.
        let (handle, taken) = (AtomicU64::new(0), AtomicU64::new(0));
        let barrier = std::sync::Barrier::new(THREADS as usize);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (table, handle, taken, barrier) = (&table, &handle, &taken, &barrier);
                scope.spawn(move || {
                    for round in 0..ROUNDS / 20 {
                        if thread == 0 {
                            let added = table.add(marked(round)).expect("room");
                            handle.store(added.raw().into(), Ordering::Relaxed);
                        }
                        barrier.wait();
                        let handle = Handle::from_raw(handle.load(Ordering::Relaxed) as u32);
                        if let Some(found) = table.remove(handle) {
                            assert_eq!(found, marked(round));
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                        barrier.wait();
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), u64::from(ROUNDS / 20));
        assert_eq!(table.room(), HANDLES - 1);
    }

    #[test]
    fn who_looks_while_siblings_add_and_close_finds_nothing_that_never_was() {
        let table = HandleTable::empty();
        let ends = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let looks = scope.spawn(|| {
                for index in (1..THREADS).cycle() {
                    let generation = table.places[index as usize].generation();
                    let handle = Handle::from_parts(index, generation);
                    let found = table.find(handle, Rights::empty());
                    assert!(
                        found.is_ok_and(is_whole) || found == Err(IpcError::BadHandle),
                        "{found:?}"
                    );
                    if ends.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let siblings: Vec<_> = (0..THREADS - 1)
                .map(|thread| {
                    let table = &table;
                    scope.spawn(move || {
                        for round in 0..ROUNDS {
                            let capability = marked(round * THREADS + thread);
                            let handle = table.add(capability).expect("room");
                            assert_eq!(table.find(handle, Rights::PASS), Ok(capability));
                            assert_eq!(table.remove(handle), Some(capability));
                        }
                    })
                })
                .collect();
            for sibling in siblings {
                sibling.join().expect("it finds what it has added");
            }
            ends.store(true, Ordering::Relaxed);
            looks.join().expect("it finds nothing else");
        });
        assert!(table.is_counted() && table.room() == HANDLES - 1);
    }

    #[test]
    fn a_place_that_is_held_or_is_none_is_not_claimed_and_stays_as_it_is() {
        let table = HandleTable::empty();
        let handle = table.claim_at(7).expect("it is free").put(marked(1));
        for index in [0, 7, 64, u32::MAX] {
            assert!(table.claim_at(index).is_none(), "{index}");
        }
        assert!(table.is_counted());
        assert_eq!(table.iter().count(), 1);
        assert_eq!(table.remove(handle), Some(marked(1)));
        drop(table.claim_at(7));
        assert!(table.is_counted());
    }

    #[test]
    fn whoever_claims_several_places_has_all_of_them_or_none() {
        for _ in 0..ROUNDS / 100 {
            let table = HandleTable::empty();
            let count = std::thread::scope(|scope| {
                let claimers = [3, 4, 3, 4].map(|count| {
                    let table = &table;
                    scope.spawn(move || {
                        let put = |claims: Claims<'_>| {
                            claims.fold(0, |sum, place| {
                                sum + usize::from(place.put(marked(count)) != Handle::NONE)
                            })
                        };
                        core::iter::from_fn(|| table.claim_several(count as usize).map(put)).sum::<usize>()
                    })
                });
                claimers
                    .map(|claimer| claimer.join().expect("it ends"))
                    .iter()
                    .sum::<usize>()
            });
            assert!((1..HANDLES).contains(&count));
            assert_eq!((table.iter().count(), table.room()), (count, HANDLES - 1 - count));
        }
    }

    #[test]
    fn siblings_that_fill_the_table_have_each_place_once() {
        for _ in 0..ROUNDS / 100 {
            let table = HandleTable::empty();
            let all = std::thread::scope(|scope| {
                let siblings = (0..THREADS).map(|thread| {
                    let table = &table;
                    scope.spawn(move || core::iter::from_fn(|| table.add(marked(thread))).collect::<Vec<_>>())
                });
                let siblings: Vec<_> = siblings.collect();
                let handles = siblings
                    .into_iter()
                    .map(|sibling| sibling.join().expect("it ends"));
                handles.flatten().map(|handle| handle.index()).collect::<Vec<_>>()
            });
            assert_eq!(all.len(), HANDLES - 1);
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), HANDLES - 1);
        }
    }
}
