//! The handle table of a process: a flat array, checked by generation.

use super::{Capability, Object};
use abi::{Handle, IpcError, Rights};

/// Handles a process can have; place 0 is never used.
pub const HANDLES: usize = 64;

/// Handles of one process.
pub struct HandleTable {
    places: [Place; HANDLES],
    used: u16,
}

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
        used: 0,
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
        HANDLES - 1 - usize::from(self.used)
    }

    /// How many of the handles name `object`.
    pub fn count(&self, object: Object) -> u32 {
        let named = self
            .places
            .iter()
            .filter(|place| place.capability.is_some_and(|c| c.object == object));
        named.fold(0, |count, _| count + 1)
    }

    /// What all its handles stand for.
    pub fn iter(&self) -> impl Iterator<Item = Capability> {
        self.places.iter().filter_map(|place| place.capability)
    }

    /// A table for another process with what `of` makes of each handle, at the same places. A handle
    /// without a counterpart is stale there.
    pub(crate) fn map(&self, of: impl Fn(Capability) -> Option<Capability>) -> Self {
        let mut table = Self::EMPTY;
        for (new, old) in table.places.iter_mut().zip(&self.places) {
            *new = *old;
            new.capability = old.capability.and_then(&of);
            if old.capability.is_some() && new.capability.is_none() {
                new.generation = (old.generation + 1) % GENERATIONS;
            }
            table.used += u16::from(new.capability.is_some());
        }
        table
    }

    /// Lets all handles that name one object name another one. Answers how many these are.
    pub(crate) fn rename(&mut self, from: Object, to: Object) -> u32 {
        let capabilities = self
            .places
            .iter_mut()
            .filter_map(|place| place.capability.as_mut());
        let named = capabilities.filter(|capability| capability.object == from);
        named.fold(0, |count, capability| {
            capability.object = to;
            count + 1
        })
    }

    /// Whether as many handles are there as are counted, and none at place 0. For checks.
    pub(crate) fn is_counted(&self) -> bool {
        self.places[0].capability.is_none() && self.iter().count() == usize::from(self.used)
    }

    /// Adds a handle at the lowest free place; `None` if there is no room.
    pub fn add(&mut self, capability: Capability) -> Option<Handle> {
        let index = (1..HANDLES).find(|&index| self.places[index].capability.is_none())?;
        self.places[index].capability = Some(capability);
        self.used += 1;
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
                let before = place.capability.replace(capability);
                self.used += u16::from(before.is_none());
                Ok(before)
            }
            _ => Err(capability),
        }
    }

    /// Takes a handle out; it is stale from now on.
    pub fn remove(&mut self, handle: Handle) -> Option<Capability> {
        self.find(handle, Rights::empty()).ok()?;
        self.remove_at(handle.index() as usize)
    }

    /// Takes any handle out, until there is none.
    pub fn remove_any(&mut self) -> Option<Capability> {
        let index = (1..HANDLES).find(|&index| self.places[index].capability.is_some())?;
        self.remove_at(index)
    }

    fn remove_at(&mut self, index: usize) -> Option<Capability> {
        let place = &mut self.places[index];
        let capability = place.capability.take()?;
        place.generation = (place.generation + 1) % GENERATIONS;
        self.used -= 1;
        Some(capability)
    }
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
