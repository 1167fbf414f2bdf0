//! Loom's atomics in the form of those of `core`, which can be made in a constant.

use std::sync::OnceLock;

pub use loom::sync::atomic::Ordering;

macro_rules! atomic {
    ($name:ident, $of:ty) => {
        /// Made when it is first used; the allocator uses all of its own before there is a second thread.
        #[derive(Debug)]
        pub struct $name {
            first: $of,
            inner: OnceLock<loom::sync::atomic::$name>,
        }

        impl $name {
            pub const fn new(first: $of) -> Self {
                let inner = OnceLock::new();
                Self { first, inner }
            }

            fn inner(&self) -> &loom::sync::atomic::$name {
                self.inner
                    .get_or_init(|| loom::sync::atomic::$name::new(self.first))
            }

            pub fn load(&self, order: Ordering) -> $of {
                self.inner().load(order)
            }

            pub fn store(&self, value: $of, order: Ordering) {
                self.inner().store(value, order);
            }

            pub fn swap(&self, value: $of, order: Ordering) -> $of {
                self.inner().swap(value, order)
            }

            pub fn compare_exchange(
                &self,
                old: $of,
                new: $of,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$of, $of> {
                self.inner().compare_exchange(old, new, success, failure)
            }

            pub fn fetch_and(&self, value: $of, order: Ordering) -> $of {
                self.inner().fetch_and(value, order)
            }
        }
    };
}

atomic!(AtomicU64, u64);
atomic!(AtomicBool, bool);
