//! Signals: to send them, and an endpoint that is for nothing else.

use super::{Endpoint, done, found};
use crate::Error;
use crate::handle::OwnedHandle;
use crate::svc::{Registers, trap, trap_until};
use crate::time::Instant;
use abi::{Badge, Handle, Operation};

/// A word of bits that others signal and this program waits for: an [`Endpoint`] that nobody calls.
///
/// ```no_run
/// use rt::ipc::{Notification, signal};
///
/// # fn main() -> Result<(), rt::Error> {
/// let notification = Notification::create()?;
/// let (disk, network) = (notification.signaller(1)?, notification.signaller(2)?);
/// // Others have these handles; each signals its own bit, and neither waits.
/// signal(disk.get(), 0)?;
/// signal(network.get(), 0)?;
/// assert_eq!(notification.wait()?, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Notification(Endpoint);

impl Notification {
    /// Creates one; no bit is set.
    ///
    /// # Errors
    /// As [`abi::process::CreateEndpoint`].
    pub fn create() -> Result<Self, Error> {
        Endpoint::create().map(Self)
    }

    /// A handle for somebody who signals these bits, or any if `bits` is 0.
    ///
    /// # Errors
    /// As [`abi::process::Derive`].
    pub fn signaller(&self, bits: u64) -> Result<OwnedHandle, Error> {
        self.0.signaller(Badge(bits))
    }

    /// Waits until a bit is set. Answers all that are, and clears them.
    ///
    /// # Errors
    /// As [`Endpoint::receive`].
    pub fn wait(&self) -> Result<u64, Error> {
        bits(trap(self.0.receiving()))
    }

    /// The same, but waits no longer than until `deadline`; 0 if no bit was set by then.
    ///
    /// # Errors
    /// As [`Endpoint::receive`].
    pub fn wait_until(&self, deadline: Instant) -> Result<u64, Error> {
        found(bits(trap_until(self.0.receiving(), deadline.ticks()))).map(Option::unwrap_or_default)
    }

    /// The bits that are set, 0 if none is; clears them.
    ///
    /// # Errors
    /// As [`Endpoint::receive`].
    pub fn poll(&self) -> Result<u64, Error> {
        found(bits(trap_until(self.0.receiving(), 0))).map(Option::unwrap_or_default)
    }
}

/// What is received where nobody calls: never anything in the message page.
fn bits(back: Registers) -> Result<u64, Error> {
    done(back).map(|()| back[2])
}

/// Signals through a handle: the bits of its badge, or, if it has none, `bits`. Waits for nobody.
///
/// # Errors
/// [`NotPermitted`](abi::IpcError::NotPermitted) the handle is not one to signal with;
/// [`PeerGone`](abi::IpcError::PeerGone) nobody can ever receive there.
pub fn signal(handle: Handle, bits: u64) -> Result<(), Error> {
    let (object, operation) = (handle.raw().into(), Operation::Signal as u64);
    done(trap([object, bits, 0, 0, 0, 0, 0, 0, operation]))
}

#[cfg(test)]
mod tests {
    use super::{Notification, signal};
    use crate::ipc::Endpoint;
    use crate::time::Instant;
    use crate::{Error, fake};
    use abi::{Arrival, Handle, IpcError, Label, Tag};
    use core::mem::ManuallyDrop;

    const HANDLE: Handle = Handle::from_parts(9, 0);

    #[test]
    fn a_signal_is_a_handle_and_bits() {
        fake::install(|sent, _| {
            assert_eq!(sent, [9, 5, 0, 0, 0, 0, 0, 0, 5]);
            [0; 9]
        });
        assert_eq!(signal(HANDLE, 5), Ok(()));
        fake::install(|_, _| [IpcError::NotPermitted as u64, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(signal(HANDLE, 5), Err(Error::Ipc(IpcError::NotPermitted)));
    }

    #[test]
    fn who_waits_gets_the_bits() {
        fake::install(|_, _| {
            let tag = Tag::new(Label::DONE).arriving(Arrival::Signals);
            [0, tag.encode(), 6, 0, 0, 0, 0, 0, 0]
        });
        let notification = ManuallyDrop::new(Notification(Endpoint::from_handle(HANDLE)));
        assert_eq!(notification.wait(), Ok(6));
        assert_eq!(notification.poll(), Ok(6));
        fake::install(|_, _| [IpcError::TimedOut as u64, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(notification.poll(), Ok(0));
        assert_eq!(notification.wait_until(Instant::now()), Ok(0));
    }
}
