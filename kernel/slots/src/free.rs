//! Which slots of a pool are free.

use crate::{Full, Reserved, Slot};

/// The slots of a pool that are free: those that were never used, and a list of those that were, each of which leads to the one that was
/// emptied before it.
pub struct Free {
    pub(crate) capacity: u32,
    /// Slots from here on were never used.
    pub(crate) fresh: u32,
    /// The one that was emptied last.
    pub(crate) first: Option<u32>,
    pub(crate) used: u32,
    pub(crate) reserved: u32,
}

impl Free {
    /// All of these.
    pub(crate) fn of<T>(slots: &[Slot<T>]) -> Self {
        Self {
            capacity: u32::try_from(slots.len()).unwrap_or(u32::MAX),
            fresh: 0,
            first: None,
            used: 0,
            reserved: 0,
        }
    }

    pub(crate) fn available(&self) -> u32 {
        self.capacity - self.used - self.reserved
    }

    pub(crate) fn reserve(&mut self, count: u32) -> Result<Reserved, Full> {
        if self.available() < count {
            return Err(Full);
        }
        self.reserved += count;
        Ok(Reserved { slots: count })
    }

    pub(crate) fn release(&mut self, reserved: Reserved) {
        self.reserved -= reserved.slots;
    }

    /// Takes one that is not reserved; `before` says which one was emptied before a free one.
    #[inline]
    pub(crate) fn take(&mut self, before: impl FnOnce(u32) -> Option<u32>) -> Result<u32, Full> {
        if self.available() == 0 {
            return Err(Full);
        }
        self.take_any(before)
    }

    /// Takes one that is reserved.
    ///
    /// # Panics
    /// If nothing is left of the reservation, or it was made for another pool.
    #[inline]
    pub(crate) fn take_reserved(
        &mut self,
        reserved: &mut Reserved,
        before: impl FnOnce(u32) -> Option<u32>,
    ) -> u32 {
        assert!(reserved.slots > 0, "nothing is left of the reservation");
        reserved.slots -= 1;
        self.reserved -= 1;
        match self.take_any(before) {
            Ok(index) => index,
            Err(Full) => panic!("the slot was reserved elsewhere"),
        }
    }

    #[inline]
    fn take_any(&mut self, before: impl FnOnce(u32) -> Option<u32>) -> Result<u32, Full> {
        let index = match self.first {
            Some(index) => {
                self.first = before(index);
                index
            }
            None if self.fresh == self.capacity => return Err(Full),
            None => {
                self.fresh += 1;
                self.fresh - 1
            }
        };
        self.used += 1;
        Ok(index)
    }

    /// That one was emptied, and is to lead to what was [first](Self::first).
    #[inline]
    pub(crate) fn give_back(&mut self, index: u32) {
        self.first = Some(index);
        self.used -= 1;
    }
}
