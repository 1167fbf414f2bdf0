//! The console server, and the copy of `init` that keeps it running.
//!
//! The copy makes the endpoint at which the console is called, and tells `init` a handle to it. While the server is
//! started again, callers wait at the endpoint; one that was being served is told that no answer comes.

use crate::SYSTEM;
use crate::programs::Programs;
use abi::console::Write;
use abi::process::End;
use abi::{Badge, Errno, Handle, Label};
use rt::archive::Archive;
use rt::device::Device;
use rt::handle::OwnedHandle;
use rt::ipc::{Endpoint, tell};
use rt::spawn::{Ended, fork};
use rt::time::{Duration, Instant};
use rt::{Error, Failure, Incoming, Outcome, Outgoing, call, println};

/// Where the server finds its device.
const DEVICE_PLACE: u32 = 5;
/// How long a copy of `init` takes at most to make an endpoint.
const PATIENCE: Duration = Duration::from_secs(60);
/// The message with the handle.
const HERE_IT_IS: Label = Label(1);

/// Starts the server. Answers a handle to call it with; `None` if the board's console has no driver among programs.
///
/// # Errors
/// It cannot be started.
pub fn start(archive: Archive) -> Result<Option<OwnedHandle>, Failure> {
    let device = match Device::open(SYSTEM, 0) {
        Ok((device, _)) => device,
        Err(Error::Refused(Errno::ENOENT)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let meeting = Endpoint::create()?;
    let to_init = meeting.client(Badge(0))?;
    fork(|| keep(archive, &device, to_init))?;
    let mut incoming = Incoming::new();
    meeting.receive_until(Instant::now().after(PATIENCE), &mut incoming)?;
    let &[console] = incoming.handles() else {
        return Err(Failure::new("there is no console server"));
    };
    wait_until_served(console)?;
    Ok(Some(OwnedHandle::new(console)))
}

/// Nothing is written, which is refused, by whoever serves.
fn wait_until_served(console: Handle) -> Outcome {
    match call(console, Write {}) {
        Err(Error::Refused(Errno::EMSGSIZE)) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(Error::Garbled.into()),
    }
}

/// Starts the server, and again whenever it ends.
fn keep(archive: Archive, device: &Device, to_init: OwnedHandle) -> Outcome {
    let endpoint = Endpoint::create()?;
    let console = endpoint.client(Badge(1))?;
    tell(
        to_init.get(),
        HERE_IT_IS,
        [0; 6],
        Outgoing::handles(&[console.get()]),
    )?;
    drop((to_init, console));
    let programs = Programs {
        archive,
        console: None,
    };
    let command = programs.find("console")?;
    let command = command
        .give(Handle::PARENT.index(), endpoint.handle())
        .give(DEVICE_PLACE, device.handle());
    loop {
        match command.spawn()?.wait()? {
            // It has said why it cannot work, and would only say it again.
            End::Exited(status) => {
                return Err(Failure::new(alloc::format!(
                    "the console server exited with {status}"
                )));
            }
            end => println!("init: the console server {}; it is started again", Ended(end)),
        }
    }
}
