//! A value that is made once.

use crate::sync::Once;
use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::AtomicU32;

/// A value that whichever thread needs it first makes, of a `static` for instance.
///
/// ```
/// use rt::sync::OnceLock;
///
/// static SQUARES: OnceLock<[u32; 4]> = OnceLock::new();
///
/// fn square(of: usize) -> u32 {
///     SQUARES.get_or_init(|| [0, 1, 4, 9])[of]
/// }
/// assert_eq!((square(2), square(3)), (4, 9));
/// ```
pub struct OnceLock<T> {
    once: AtomicU32,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: whoever makes the value is alone with it, and all others have shared references, so it can be dropped by
// another thread than the one that made it, and be used by several.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// Without a value yet.
    pub const fn new() -> Self {
        Self {
            once: AtomicU32::new(0),
            value: UnsafeCell::new(None),
        }
    }

    /// The value, if it has been made.
    pub fn get(&self) -> Option<&T> {
        if !Once::new(&self.once).is_done() {
            return None;
        }
        // SAFETY: nobody changes it any more.
        unsafe { &*self.value.get() }.as_ref()
    }

    /// The value, which `make` makes unless another thread does or has done so.
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        let mut make = Some(make);
        loop {
            if let Some(value) = self.get() {
                return value;
            }
            // SAFETY: what is called once is alone, and nobody looks before it is done.
            let fill = || unsafe { *self.value.get() = make.take().map(|make| make()) };
            // Without memory to wait with there is nothing better than to ask again.
            Once::new(&self.once).call_once(fill).ok();
        }
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceLock").field(&self.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::OnceLock;
    use core::cell::Cell;

    #[test]
    fn a_value_is_made_when_it_is_needed_first_and_never_again() {
        let (value, made) = (OnceLock::new(), Cell::new(0));
        assert_eq!(value.get(), None);
        for _ in 0..2 {
            let get = value.get_or_init(|| {
                made.set(made.get() + 1);
                7
            });
            assert_eq!(*get, 7);
        }
        assert_eq!((made.get(), value.get()), (1, Some(&7)));
    }

    #[test]
    fn threads_that_come_together_get_one_value() {
        let value = OnceLock::new();
        let addresses = std::thread::scope(|scope| {
            let threads = [1, 2, 3].map(|own| {
                let value = &value;
                scope.spawn(move || core::ptr::from_ref(value.get_or_init(|| own)).addr())
            });
            threads.map(|thread| thread.join().expect("nothing fails"))
        });
        assert!(addresses.iter().all(|&address| address == addresses[0]));
    }
}
