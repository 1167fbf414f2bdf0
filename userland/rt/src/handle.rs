//! Handles with an owner.

use crate::sys;
use abi::Handle;

/// A handle that is closed when its owner is done with it.
#[derive(Debug)]
pub struct OwnedHandle(Handle);

impl OwnedHandle {
    /// Takes care of this handle from now on.
    pub const fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// The handle, still owned.
    pub const fn get(&self) -> Handle {
        self.0
    }

    /// Takes care of it no longer: somebody else has closed it.
    pub(crate) const fn forget(self) {
        core::mem::forget(self);
    }
}

impl Drop for OwnedHandle {
    fn drop(&mut self) {
        // A handle that is closed already is as closed as it can be.
        sys::process::close(self.0).ok();
    }
}
