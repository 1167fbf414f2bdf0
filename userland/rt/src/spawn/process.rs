//! A child, before and after its start.

use crate::Error;
use crate::handle::OwnedHandle;
use crate::sys::process;
use crate::time::{self, Duration};
use abi::process::{End, Pid, Start};
use abi::{Handle, IpcError};

/// A process that has not started, with nothing mapped. Dropping this ends it.
#[derive(Debug)]
pub struct Unstarted {
    process: OwnedHandle,
    memory: OwnedHandle,
    pid: Pid,
}

/// A process that was started. Dropping this does not end it.
#[derive(Debug)]
pub struct Child {
    process: OwnedHandle,
    pid: Pid,
}

impl Unstarted {
    /// Creates one.
    ///
    /// # Errors
    /// As [`abi::process::Create`].
    pub fn create(name: &str) -> Result<Self, Error> {
        let (process, memory, pid) = process::create(name)?;
        let (process, memory) = (OwnedHandle::new(process), OwnedHandle::new(memory));
        Ok(Self { process, memory, pid })
    }

    /// Its handle.
    pub fn handle(&self) -> Handle {
        self.process.get()
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Its memory manager.
    pub fn memory(&self) -> Handle {
        self.memory.get()
    }

    /// Lets it find this program's `handle` at `place`.
    ///
    /// # Errors
    /// As [`abi::process::Give`].
    pub fn give(&self, place: u32, handle: Handle) -> Result<(), Error> {
        process::give(self.handle(), place, handle)
    }

    /// Starts it, with these bytes in its message page.
    ///
    /// # Errors
    /// As [`Start`].
    pub fn start(self, request: Start, bytes: &[u8]) -> Result<Child, Error> {
        process::start(self.handle(), request, bytes)?;
        Ok(Child {
            process: self.process,
            pid: self.pid,
        })
    }
}

impl Child {
    pub(super) const fn new(process: OwnedHandle, pid: Pid) -> Self {
        Self { process, pid }
    }

    /// Its handle.
    pub fn handle(&self) -> Handle {
        self.process.get()
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As [`abi::process::Wait`].
    pub fn wait(&self) -> Result<End, Error> {
        process::wait(self.handle())
    }

    /// The same for who has no other use for it then. Nobody cancels it.
    ///
    /// # Errors
    /// As [`abi::process::WaitAndClose`].
    pub fn join(self) -> Result<End, Error> {
        loop {
            match process::wait_and_close(self.handle()) {
                // It would be lost.
                Err(Error::Ipc(IpcError::Cancelled)) => {}
                Err(error) => return Err(error),
                Ok(end) => {
                    self.process.forget();
                    return Ok(end);
                }
            }
        }
    }

    /// How long it has had a CPU, the kernel's work for it included; also when it has ended.
    ///
    /// # Errors
    /// As [`abi::process::CountTicks`].
    pub fn cpu_time(&self) -> Result<Duration, Error> {
        process::count_ticks(self.handle()).map(time::of_ticks)
    }

    /// Lets its end be a signal through `signaller`, which has the right to signal and to be passed on. [`wait`](Self::wait)
    /// does not wait then.
    ///
    /// # Errors
    /// As [`abi::process::SignalEnd`].
    pub fn signal_end(&self, signaller: Handle) -> Result<(), Error> {
        process::signal_end(self.handle(), signaller)
    }

    /// Ends it.
    ///
    /// # Errors
    /// As [`abi::process::Kill`].
    pub fn kill(&self) -> Result<(), Error> {
        process::kill(self.handle())
    }
}

#[cfg(test)]
mod tests {
    use super::Child;
    use crate::fake;
    use crate::handle::OwnedHandle;
    use abi::process::{End, Pid, WaitAndClose};
    use abi::{Handle, IpcError, Label, Request, Tag, Words};

    #[test]
    fn a_child_is_joined_though_the_wait_is_cancelled_and_its_handle_is_closed_once() {
        let mut cancels = 2;
        fake::install(move |sent, _| {
            let label = Tag::decode(sent[1]).expect("a tag").label();
            assert_eq!(label, WaitAndClose::LABEL, "that closes the handle");
            if cancels > 0 {
                cancels -= 1;
                return [IpcError::Cancelled as u64, 0, 0, 0, 0, 0, 0, 0, 0];
            }
            let [word0, word1, ..] = End::Exited(3).into_words();
            [0, Tag::new(Label::DONE).encode(), word0, word1, 0, 0, 0, 0, 0]
        });
        let child = Child::new(OwnedHandle::new(Handle::from_raw(5)), Pid(1));
        assert_eq!(child.join(), Ok(End::Exited(3)));
    }
}
