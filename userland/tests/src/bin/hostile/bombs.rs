//! Acts that ask for more and more until something runs out. What they got comes back when they
//! end, or before.

use abi::layout::PAGE_BYTES;
use abi::memory::Protection;
use abi::shm::{AttachFlags, Mode, ShmKey};
use abi::{Badge, Errno, Handle, Rights};
use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use rt::shm::{Attachment, Region, Shm};
use rt::spawn::{self, Unstarted};
use rt::{Credential, Error, Failure, Outcome, println, sys};

/// More than anybody should get.
const ENOUGH: usize = 100_000;
const READ_WRITE: Protection = Protection::READ.union(Protection::WRITE);

pub fn map() -> Outcome {
    // Neighbours that differ, so that they cannot become one.
    let mut kinds = [Protection::READ, READ_WRITE].into_iter().cycle();
    exhaust("mappings", &[Errno::EMFILE, Errno::ENOMEM], || {
        sys::memory::map(0, PAGE_BYTES, kinds.next().unwrap_or(READ_WRITE))
    })
    .map(|_| ())
}

pub fn map_large() -> Outcome {
    const LARGE: u64 = 64 << 20;
    exhaust("large mappings", &[Errno::EMFILE, Errno::ENOMEM], || {
        sys::memory::map(0, LARGE, READ_WRITE)
    })?;
    match sys::memory::map(0, u64::MAX, READ_WRITE) {
        Err(Error::Refused(_)) => Ok(()),
        other => Err(Failure::new(format!("hostile: mapping everything: {other:?}"))),
    }
}

pub fn create_segments() -> Outcome {
    for size in [1, 1 << 30, u64::MAX >> 1] {
        let limits = [Errno::ENOSPC, Errno::ENOMEM, Errno::EINVAL];
        let create = || Shm::create(ShmKey::PRIVATE, size, Mode::from_bits(0o600));
        for segment in exhaust("segments", &limits, create)? {
            segment.remove()?;
        }
    }
    Ok(())
}

pub fn attach() -> Outcome {
    let segment = Shm::create(ShmKey::PRIVATE, PAGE_BYTES, Mode::from_bits(0o600))?;
    let attached = exhaust("attachments", &[Errno::EMFILE, Errno::ENOMEM], || {
        sys::memory::shm_attach(segment.id(), 0, AttachFlags::empty())
    });
    segment.remove()?;
    attached.map(|_| ())
}

pub fn derive_handles() -> Outcome {
    let derive = || sys::process::derive(Handle::SELF, Rights::CALL, Badge(0));
    let handles = exhaust("handles", &[Errno::EMFILE], derive)?;
    refused_without_room()?;
    for handle in handles {
        sys::process::close(handle)?;
    }
    derive().map(|_| ()).map_err(Failure::from)
}

/// Requests that would answer with a handle must fail before they do anything.
fn refused_without_room() -> Outcome {
    for done in [sys::process::create("one too many").map(|_| ()), endpoint()] {
        if done != Err(Error::Refused(Errno::EMFILE)) {
            return Err(Failure::new(format!(
                "hostile: without room for handles: {done:?}"
            )));
        }
    }
    Ok(())
}

pub fn create_endpoints() -> Outcome {
    let create = || sys::process::create_endpoint();
    for handle in exhaust("endpoints", &[Errno::ENFILE, Errno::EMFILE], create)? {
        sys::process::close(handle)?;
    }
    endpoint().map_err(Failure::from)
}

fn endpoint() -> Result<(), Error> {
    sys::process::create_endpoint().map(|_| ())
}

pub fn create_processes() -> Outcome {
    let limits = [Errno::ENFILE, Errno::EMFILE, Errno::ENOMEM];
    let create = || Unstarted::create("bomb");
    let children = exhaust("processes", &limits, create)?;
    drop(children);
    // Those that never started are gone with the last handle to them.
    create().map(|_| ()).map_err(Failure::from)
}

pub fn create_regions() -> Outcome {
    let limits = [Errno::EMFILE, Errno::ENOSPC, Errno::ENOMEM];
    exhaust("regions", &limits, || Region::create(PAGE_BYTES)).map(drop)
}

/// What the processes of a fork bomb and their parent tell each other.
const REFUSED: usize = 0;
const MAY_END: usize = 1;

/// Another user forks as often as it can, and so do all its children. What this program does works as before.
pub fn fork() -> Outcome {
    let board = Region::create(PAGE_BYTES)?.attach()?;
    let bomb = spawn::fork(|| {
        Credential::new(1000, 1000).give_to(Handle::SELF)?;
        explode(&board)
    })?;
    while board.words()[REFUSED].load(Relaxed) == 0 {
        sys::process::yield_now();
    }
    let still = [Unstarted::create("still").map(drop), endpoint(), map_a_page()];
    board.words()[MAY_END].store(1, Relaxed);
    bomb.wait()?;
    match still.into_iter().find_map(Result::err) {
        None => Ok(()),
        Some(error) => Err(Failure::new(format!("hostile: beside a fork bomb: {error}"))),
    }
}

/// Forks until that is refused, and stays until it may end.
fn explode(board: &Attachment) -> Outcome {
    let mut children = Vec::new();
    let [refused, may_end, ..] = board.words() else {
        return Err(Failure::new("hostile: there is no board"));
    };
    while may_end.load(Relaxed) == 0 {
        match spawn::fork(|| explode(board)) {
            Ok(child) => children.push(child),
            Err(Error::Refused(Errno::ENFILE | Errno::EMFILE | Errno::ENOMEM)) => {
                refused.store(1, Relaxed);
                sys::process::yield_now();
            }
            Err(error) => return Err(error.into()),
        }
    }
    children.iter().try_for_each(|child| Ok(child.wait().map(drop)?))
}

fn map_a_page() -> Result<(), Error> {
    let address = sys::memory::map(0, PAGE_BYTES, READ_WRITE)?;
    sys::memory::unmap(address, PAGE_BYTES)
}

/// Repeats `ask` until it is refused, which must happen, for one of these reasons.
fn exhaust<T>(
    what: &str,
    limits: &[Errno],
    mut ask: impl FnMut() -> Result<T, Error>,
) -> Result<Vec<T>, Failure> {
    let mut got = Vec::new();
    while got.len() < ENOUGH {
        match ask() {
            Ok(one_more) => got.push(one_more),
            Err(Error::Refused(errno)) if limits.contains(&errno) => {
                println!("hostile: got {} {what}, then {errno}", got.len());
                return Ok(got);
            }
            Err(error) => return Err(Failure::new(format!("hostile: {what}: {error}"))),
        }
    }
    Err(Failure::new(format!("hostile: there is no limit to {what}")))
}
