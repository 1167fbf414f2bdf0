//! Acts against memory: the kernel's, other processes', and what W^X protects.

use abi::Errno;
use abi::layout::{MESSAGE_PAGES, PAGE_BYTES, USER_START};
use abi::memory::Protection;
use abi::process::{End, FaultKind};
use abi::shm::{AttachFlags, Mode, ShmKey};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use rt::shm::Shm;
use rt::{Error, Failure, Outcome, hazard, println, sys};
use tests::Family;

/// `ret`: comes back at once, should it be executed.
const RETURN: u32 = 0xd65f_03c0;
/// Where [`read_other_process`] keeps its secret. Nothing else is there in any process.
const SECRET_ADDRESS: u64 = 0x5000_0000;
const SECRET: u64 = 0x5ec3_e700_5ec3_e700;

static CONSTANT: u64 = 1;

pub fn read(address: u64) -> Outcome {
    let value = hazard::read(address);
    Err(Failure::new(format!("hostile: read {value:#x} at {address:#x}")))
}

pub fn write(address: u64) -> Outcome {
    hazard::write(address, 0);
    Err(Failure::new(format!("hostile: could write at {address:#x}")))
}

pub fn jump(address: u64) -> Outcome {
    hazard::call(address);
    Err(Failure::new(format!(
        "hostile: could execute what is at {address:#x}"
    )))
}

pub fn write_text() -> Outcome {
    write(hazard::text().start)
}

pub fn write_constant() -> Outcome {
    write((&raw const CONSTANT).addr() as u64)
}

pub fn jump_unaligned() -> Outcome {
    jump(hazard::text().start + 2)
}

pub fn jump_to_data() -> Outcome {
    jump(hazard::data().start)
}

pub fn jump_to_stack() -> Outcome {
    let code = core::hint::black_box([RETURN; 2]);
    jump((&raw const code).expose_provenance() as u64)
}

pub fn jump_to_heap() -> Outcome {
    let code = Box::new([RETURN; 2]);
    jump((&raw const *code).expose_provenance() as u64)
}

pub fn overflow_stack() -> Outcome {
    let depth = hazard::overflow_stack(0);
    Err(Failure::new(format!("hostile: the stack has no end ({depth})")))
}

/// Puts a secret into memory of its own, and lets another process try to read it.
pub fn read_other_process(family: &Family) -> Outcome {
    let protection = Protection::READ | Protection::WRITE;
    sys::memory::map(SECRET_ADDRESS, PAGE_BYTES, protection)?;
    hazard::write(SECRET_ADDRESS, SECRET);
    let end = family
        .start(["read-at", SECRET_ADDRESS.to_string().as_str()])?
        .wait()?;
    let kept = hazard::read(SECRET_ADDRESS) == SECRET;
    match end {
        End::Faulted(FaultKind::Unmapped, SECRET_ADDRESS) if kept => Ok(()),
        _ => Err(Failure::new(format!("hostile: the spy ended as {end:?}"))),
    }
}

/// The spy of [`read_other_process`].
pub fn read_at(address: Option<&str>) -> Outcome {
    let address = address.and_then(|address| address.parse().ok());
    read(address.ok_or_else(|| Failure::new("hostile: usage: hostile read-at ADDRESS"))?)
}

/// The kernel writes to the message page, so nothing may take its place.
pub fn take_message_page() -> Outcome {
    refused("unmapping it", hazard::unmap_message_page().map(|()| 0))?;
    let protection = Protection::READ;
    refused(
        "mapping over it",
        sys::memory::map(MESSAGE_PAGES, PAGE_BYTES, protection),
    )?;
    let around = sys::memory::unmap(MESSAGE_PAGES - PAGE_BYTES, 3 * PAGE_BYTES);
    refused("unmapping around it", around.map(|()| 0))?;
    let border = sys::memory::unmap(USER_START - PAGE_BYTES, 2 * PAGE_BYTES);
    refused("unmapping the last of its kind from above", border.map(|()| 0))?;
    refused(
        "mapping over that",
        sys::memory::map(USER_START - PAGE_BYTES, PAGE_BYTES, protection),
    )?;

    let segment = Shm::create(ShmKey::PRIVATE, PAGE_BYTES, Mode::from_bits(0o600))?;
    let replaced = sys::memory::shm_attach(segment.id(), MESSAGE_PAGES, AttachFlags::REMAP);
    segment.remove()?;
    refused("attaching over it", replaced)
}

fn refused(what: &str, done: Result<u64, Error>) -> Outcome {
    match done {
        Err(Error::Refused(Errno::EINVAL)) => {
            println!("hostile: {what}: refused");
            Ok(())
        }
        other => Err(Failure::new(format!("hostile: {what}: {other:?}"))),
    }
}
