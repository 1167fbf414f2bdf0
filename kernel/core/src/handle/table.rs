//! The handle table of a process: a flat array, checked by generation.

use super::{Capability, Object};
use abi::{Handle, IpcError, Rights};

/// Handles a process can have; place 0 is never used.
pub const HANDLES: usize = 64;

/// Handles of one process.
pub struct HandleTable {
    places: [Place; HANDLES],
    /// One bit for each place with a handle.
    held: u64,
}

const _: () = assert!(HANDLES == u64::BITS as usize);

#[derive(Clone, Copy)]
struct Place {
    generation: u32,
    capability: Option<Capability>,
}

/// Generations wrap as they do in [`Handle`].
const GENERATIONS: u32 = 1 << 22;

impl HandleTable {
    /// No handle.
    pub const EMPTY: Self = Self {
        places: [Place {
            generation: 0,
            capability: None,
        }; HANDLES],
        held: 0,
    };

    /// What `handle` stands for.
    ///
    /// # Errors
    /// [`IpcError::BadHandle`] if it stands for nothing, [`IpcError::NotPermitted`] if it lacks
    /// one of `rights`.
    pub fn find(&self, handle: Handle, rights: Rights) -> Result<Capability, IpcError> {
        let place = self
            .places
            .get(handle.index() as usize)
            .ok_or(IpcError::BadHandle)?;
        match place.capability {
            Some(_) if place.generation != handle.generation() => Err(IpcError::BadHandle),
            Some(capability) if capability.rights.contains(rights) => Ok(capability),
            Some(_) => Err(IpcError::NotPermitted),
            None => Err(IpcError::BadHandle),
        }
    }

    /// How many more handles fit.
    pub fn room(&self) -> usize {
        HANDLES - 1 - self.held.count_ones() as usize
    }

    /// How many of the handles name `object`.
    pub fn count(&self, object: Object) -> u32 {
        let named = self.iter().filter(|capability| capability.object == object);
        named.fold(0, |count, _| count + 1)
    }

    /// What all its handles stand for.
    pub fn iter(&self) -> impl Iterator<Item = Capability> {
        places_in(self.held).filter_map(|index| self.places[index].capability)
    }

    /// The places where handles are.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> + use<> {
        places_in(self.held)
    }

    /// What the handle at `place` stands for.
    pub(crate) fn at(&self, place: usize) -> Option<Capability> {
        self.places.get(place)?.capability
    }

    /// Takes into this table, which is empty, what `of` makes of each handle of `other`, at the same places. A
    /// handle without a counterpart is stale here.
    pub(crate) fn inherit(&mut self, other: &Self, of: impl Fn(Capability) -> Option<Capability>) {
        for (new, old) in self.places.iter_mut().zip(&other.places) {
            new.generation = old.generation;
        }
        for index in places_in(other.held) {
            let place = &mut self.places[index];
            place.capability = other.places[index].capability.and_then(&of);
            match place.capability {
                Some(_) => self.held |= 1 << index,
                None => place.generation = (place.generation + 1) % GENERATIONS,
            }
        }
    }

    /// Lets all handles that name one object name another one. Answers how many these are.
    pub(crate) fn rename(&mut self, from: Object, to: Object) -> u32 {
        let mut renamed = 0;
        for index in places_in(self.held) {
            if let Some(capability) = &mut self.places[index].capability
                && capability.object == from
            {
                capability.object = to;
                renamed += 1;
            }
        }
        renamed
    }

    /// Whether as many handles are there as are counted, and none at place 0. For checks.
    pub(crate) fn is_counted(&self) -> bool {
        let is_right =
            |(index, place): (usize, &Place)| place.capability.is_some() == (self.held >> index & 1 != 0);
        self.places[0].capability.is_none() && self.places.iter().enumerate().all(is_right)
    }

    /// Adds a handle at the lowest free place; `None` if there is no room.
    pub fn add(&mut self, capability: Capability) -> Option<Handle> {
        let index = (self.held | 1).trailing_ones() as usize;
        self.places.get_mut(index)?.capability = Some(capability);
        self.held |= 1 << index;
        Some(Handle::from_parts(
            u32::try_from(index).ok()?,
            self.places[index].generation,
        ))
    }

    /// Puts a capability at `index` of a table whose process has not started, so that no handle
    /// can be stale yet, and returns what was there.
    ///
    /// # Errors
    /// Returns the capability if there is no such place.
    pub fn place(&mut self, index: u32, capability: Capability) -> Result<Option<Capability>, Capability> {
        match self.places.get_mut(index as usize) {
            Some(place) if index != 0 => {
                self.held |= 1 << index;
                Ok(place.capability.replace(capability))
            }
            _ => Err(capability),
        }
    }

    /// Takes a handle out; it is stale from now on.
    pub fn remove(&mut self, handle: Handle) -> Option<Capability> {
        self.find(handle, Rights::empty()).ok()?;
        self.remove_at(handle.index() as usize)
    }

    /// Takes a handle out if it names `object`.
    pub(crate) fn remove_named(&mut self, handle: Handle, object: Object) -> Option<Capability> {
        let named = self.find(handle, Rights::empty()).ok()?;
        (named.object == object).then(|| self.remove_at(handle.index() as usize))?
    }

    /// Takes any handle out, until there is none.
    pub fn remove_any(&mut self) -> Option<Capability> {
        let index = places_in(self.held).next()?;
        self.remove_at(index)
    }

    fn remove_at(&mut self, index: usize) -> Option<Capability> {
        let place = &mut self.places[index];
        let capability = place.capability.take()?;
        place.generation = (place.generation + 1) % GENERATIONS;
        self.held &= !(1 << index);
        Some(capability)
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
    use super::{Capability, HANDLES, HandleTable};
    use crate::handle::Object;
    use abi::{Handle, IpcError, Rights};

    const CONSOLE: Capability = Capability::to(Object::Console);

    #[test]
    fn a_closed_handle_stays_dead_when_its_place_is_used_again() {
        let mut table = HandleTable::EMPTY;
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
        let mut table = HandleTable::EMPTY;
        let handle = table.add(CONSOLE).expect("room");
        assert_eq!(table.find(handle, Rights::RECEIVE), Err(IpcError::NotPermitted));
    }

    #[test]
    fn a_full_table_takes_no_more_and_a_wild_handle_finds_nothing() {
        let mut table = HandleTable::EMPTY;
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
}
