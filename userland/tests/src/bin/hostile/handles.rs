//! Acts with handles: those of others, old ones, made-up ones.

use abi::process::{Identify, Kill, Wait};
use abi::{Badge, Errno, Handle, IpcError, Rights};
use alloc::format;
use rt::spawn::Unstarted;
use rt::{Error, Failure, Outcome, call, println, sys};

/// Tries to kill everything this program has a handle to, itself included.
pub fn kill_strangers() -> Outcome {
    let strangers = [
        Handle::SELF,
        Handle::MEMORY,
        Handle::CONSOLE,
        Handle::PARENT,
        Handle::NONE,
    ];
    for handle in strangers {
        match call(handle, Kill {}) {
            Err(error) => println!("hostile: killing {handle:?}: {error}"),
            Ok(()) => return Err(Failure::new(format!("hostile: {handle:?} could be killed"))),
        }
    }
    Ok(())
}

/// Tries handles that it was never given.
pub fn guess() -> Outcome {
    let known = [Handle::SELF, Handle::MEMORY, Handle::CONSOLE, Handle::PARENT];
    for index in 0..=Handle::MAX_INDEX {
        for generation in [0, 1, 2, 1 << 21, (1 << 22) - 1] {
            let handle = Handle::from_parts(index, generation);
            if known.contains(&handle) {
                continue;
            }
            match call(handle, Identify {}) {
                Err(Error::Ipc(IpcError::BadHandle)) => {}
                other => return Err(Failure::new(format!("hostile: {handle:?}: {other:?}"))),
            }
        }
    }
    Ok(())
}

/// Tries a handle that was closed, after its place was used again.
pub fn use_closed() -> Outcome {
    let derive = || sys::process::derive(Handle::SELF, Rights::CALL, Badge(0));
    let mut closed = derive()?;
    for _ in 0..2000 {
        sys::process::close(closed)?;
        let next = derive()?;
        if next == closed || call(closed, Identify {}) != Err(Error::Ipc(IpcError::BadHandle)) {
            return Err(Failure::new(format!("hostile: {closed:?} is alive again")));
        }
        closed = next;
    }
    let twice = sys::process::close(closed).and_then(|()| sys::process::close(closed));
    expect("closing twice", twice, Error::Refused(Errno::EBADF))
}

/// Gives a child everything at every place, itself included, and forgets about it.
pub fn give_everything() -> Outcome {
    let child = Unstarted::create("heir")?;
    let own = [
        Handle::SELF,
        Handle::MEMORY,
        Handle::CONSOLE,
        child.handle(),
        child.memory(),
    ];
    for place in (0..=Handle::MAX_INDEX).chain([Handle::MAX_INDEX + 1, u32::MAX]) {
        let handle = own[place as usize % own.len()];
        match child.give(place, handle) {
            Ok(()) | Err(Error::Refused(Errno::EINVAL)) => {}
            Err(error) => return Err(Failure::new(format!("hostile: place {place}: {error}"))),
        }
    }
    let weak = sys::process::derive(Handle::SELF, Rights::CALL, Badge(0))?;
    let passed = child.give(9, weak);
    expect(
        "giving what may not be passed on",
        passed,
        Error::Ipc(IpcError::NotPermitted),
    )?;
    let nothing = child.give(9, Handle::NONE);
    if nothing.is_ok() {
        return Err(Failure::new("hostile: could give nothing"));
    }
    call(child.handle(), Kill {})?;
    let end = call(child.handle(), Wait {})?;
    println!("hostile: the heir ended as {end:?}");
    Ok(())
}

fn expect(what: &str, done: Result<(), Error>, error: Error) -> Outcome {
    if done == Err(error) {
        Ok(())
    } else {
        Err(Failure::new(format!("hostile: {what}: {done:?}")))
    }
}
