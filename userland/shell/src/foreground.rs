//! Waiting for programs, which Control-C ends.
//!
//! As long as the shell waits, Control-C is a signal to it instead of input for whoever reads: also while the
//! program that it waits for reads the console itself. A program that a Control-C ended has status 130, and the
//! rest of its line is not run. Programs in the background go on.

use abi::process::End;
use abi::{Badge, Handle};
use rt::handle::OwnedHandle;
use rt::ipc::Endpoint;
use rt::spawn::Child;
use rt::sys::console::signal_interrupt;
use rt::time::Duration;
use rt::{Error, Incoming, println};

/// The signal that says that Control-C was typed. Others are for ends.
pub const INTERRUPT: u64 = 1 << 63;
const ENDED: u64 = 1;

/// How what ran in the foreground has ended.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// As the kernel tells it.
    pub end: End,
    /// Whether Control-C did it.
    pub interrupted: bool,
    /// How long it has had a CPU.
    pub cpu_time: Duration,
}

/// As long as it lives, Control-C is a signal to an endpoint.
#[derive(Debug)]
pub struct Interrupts {
    _signaller: OwnedHandle,
}

impl Interrupts {
    /// Signals [`INTERRUPT`] to `endpoint`. A console that cannot, as a pipe, is left as it is.
    ///
    /// # Errors
    /// There is no room for another handle.
    pub fn to(endpoint: &Endpoint) -> Result<Self, Error> {
        let signaller = endpoint.signaller(Badge(INTERRUPT))?;
        signal_interrupt(Handle::CONSOLE, Some(signaller.get())).ok();
        Ok(Self {
            _signaller: signaller,
        })
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // It was refused already, if it is.
        signal_interrupt(Handle::CONSOLE, None).ok();
    }
}

/// What the shell waits with, from before a program starts: ends, and Control-C if that is for the shell.
#[derive(Debug)]
pub struct Watch {
    endpoint: Endpoint,
    _interrupts: Option<Interrupts>,
}

impl Watch {
    /// Of Control-C, too, if the shell is in the foreground.
    ///
    /// # Errors
    /// There is no room for an endpoint.
    pub fn new(in_foreground: bool) -> Result<Self, Error> {
        let endpoint = Endpoint::create()?;
        let interrupts = in_foreground.then(|| Interrupts::to(&endpoint));
        Ok(Self {
            endpoint,
            _interrupts: interrupts.transpose()?,
        })
    }

    /// Waits for the end of `child`; `None` if Control-C is typed before.
    ///
    /// # Errors
    /// There is no room for a handle, or the kernel does not let the shell wait.
    pub fn wait(&self, child: &Child) -> Result<Option<End>, Error> {
        child.signal_end(self.endpoint.signaller(Badge(ENDED))?.get())?;
        // Nobody else has the endpoint, so there are no messages.
        let signals = self.endpoint.receive(&mut Incoming::new())?.words[0];
        if signals & INTERRUPT != 0 {
            println!("^C");
            return Ok(None);
        }
        child.wait().map(Some)
    }

    /// Waits for the end of `child`, which Control-C brings about.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn finish(&self, child: &Child) -> Result<Finished, Error> {
        let end = self.wait(child)?;
        if end.is_none() {
            child.kill()?;
        }
        Ok(Finished {
            end: end.map_or_else(|| child.wait(), Ok)?,
            interrupted: end.is_none(),
            cpu_time: child.cpu_time()?,
        })
    }
}
