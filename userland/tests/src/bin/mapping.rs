//! Protects, replaces and grows mappings on the hardware, and starts itself again where an access is to
//! end the process.
//!
//! Prints a line for each thing it finds to be so.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::layout::STACK_GUARD;
use abi::memory::{LowerQuota, Map, MapFlags, Protection};
use abi::process::{End, FaultKind};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmId, ShmKey};
use abi::{Errno, Handle};
use alloc::format;
use alloc::string::ToString;
use rt::hazard::{read, write};
use rt::shm::Shm;
use rt::spawn::Ended;
use rt::sys::memory::{
    count_usage, lower_quota, map, map_stack, protect, relocate, shm_attach, shm_detach, shm_get, unmap,
};
use rt::{Error, Failure, Outcome, Start, call, hazard, println};
use tests::Family;

const PAGE: u64 = abi::layout::PAGE_BYTES;
/// Nothing is near.
const AT: u64 = 0x30_0000_0000;
/// A segment of two slots and a piece of a third.
const PAGES: u64 = 2 * 512 + 5;
/// `mov x0, #42; ret`
const CODE: u64 = 0xd65f_03c0_d280_0540;
const NONE: Protection = Protection::empty();
const READ: Protection = Protection::READ;
const WRITE: Protection = Protection::WRITE;
const EXEC: Protection = Protection::EXEC;

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match (start.arg(0), start.arg(1)) {
        (Some(part), Some(id)) => {
            let id = ShmId::from_raw(id.parse()?);
            play(part, id.ok_or_else(|| Failure::new("mapping: that is no shmid"))?)
        }
        _ => lead(&Family::new("mapping", start)?),
    }
}

fn lead(family: &Family) -> Outcome {
    let id = shm_get(
        ShmKey::PRIVATE,
        PAGES * PAGE,
        GetFlags::CREAT.with_mode(Mode::from_bits(0o600)),
    )?;
    faults(family, "write-read-only", id, FaultKind::NotPermitted, AT + PAGE)?;
    faults(family, "read-guard", id, FaultKind::NotPermitted, AT)?;
    code()?;
    println!("mapping: what is protected cannot be written, read or executed, and comes back whole");

    attachment(id)?;
    faults(
        family,
        "write-attached",
        id,
        FaultKind::NotPermitted,
        AT + 512 * PAGE,
    )?;
    println!("mapping: an attachment goes down to reading and back, for one process alone");

    relocation(id)?;
    println!("mapping: an attachment that moves stays one");

    replace()?;
    println!("mapping: what is mapped over something takes its place");

    stack()?;
    faults(family, "leave-stack", id, FaultKind::Unmapped, AT - 9 * PAGE)?;
    faults(family, "exceed-quota", id, FaultKind::OutOfMemory, AT - 8 * PAGE)?;
    expect("an array on this stack", deep(300 * 1024), 300 * 1024)?;
    println!("mapping: stacks grow as far as they may");

    Shm::from_id(id).remove()?;
    println!("mapping: done");
    Ok(())
}

/// What a child does.
fn play(part: &str, id: ShmId) -> Outcome {
    match part {
        "write-read-only" => {
            map(AT, 3 * PAGE, WRITE)?;
            write(AT + PAGE, 7);
            protect(AT, 3 * PAGE, READ)?;
            expect("a word", read(AT + PAGE), 7)?;
            write(AT + PAGE, 8);
        }
        "read-guard" => {
            map(AT, PAGE, WRITE)?;
            write(AT, 7);
            protect(AT, PAGE, NONE)?;
            read(AT);
        }
        "write-attached" => {
            shm_attach(id, AT, AttachFlags::empty())?;
            write(AT + 512 * PAGE, 1);
            protect(AT, PAGES * PAGE, READ)?;
            expect("a word", read(AT + 512 * PAGE), 1)?;
            write(AT + 512 * PAGE, 2);
        }
        "leave-stack" => {
            stack_below(AT)?;
            write(AT - 8 * PAGE, 1);
            read(AT - 9 * PAGE);
        }
        "exceed-quota" => {
            stack_below(AT)?;
            write(AT - 4 * PAGE, 1);
            let pages = count_usage()?.mapped;
            let mappings = u32::MAX;
            lower_quota(Handle::MEMORY, LowerQuota { pages, mappings })?;
            write(AT - 4 * PAGE, 2);
            write(AT - 8 * PAGE, 1);
        }
        _ => return Err(Failure::new(format!("mapping: there is no part {part}"))),
    }
    Err(Failure::new(format!("mapping: {part} is still alive")))
}

/// One page, and 7 that it may grow by.
fn stack_below(top: u64) -> Outcome {
    let request = Map {
        growth: 7 * PAGE,
        ..Map::new(top - PAGE, PAGE, READ | WRITE)
    };
    call(Handle::MEMORY, request)?;
    Ok(())
}

fn code() -> Outcome {
    let at = map(AT, 2 * PAGE, WRITE)?;
    for round in 0..3 {
        write(at + PAGE, CODE);
        hazard::publish_code(at + PAGE);
        protect(at, 2 * PAGE, EXEC)?;
        expect("the answer", hazard::call(at + PAGE), 42)?;
        protect(at, 2 * PAGE, WRITE)?;
        write(at, round);
        expect("the round", read(at), round)?;
    }
    refused(protect(at, 2 * PAGE, WRITE | EXEC), Errno::EINVAL)?;
    refused(protect(at, 3 * PAGE, READ), Errno::ENOMEM)?;
    expect("mappings that are one again", count_in(at, 2)?, 0)
}

/// Unmaps pages, and answers how many mappings more there are than there were with them, less one.
fn count_in(at: u64, pages: u64) -> Result<u64, Failure> {
    let before = count_usage()?.mappings;
    unmap(at, pages * PAGE)?;
    Ok(before - count_usage()?.mappings - 1)
}

fn attachment(id: ShmId) -> Outcome {
    shm_attach(id, AT, AttachFlags::empty())?;
    let theirs = shm_attach(id, 0, AttachFlags::empty())?;
    for page in [0, 511, 512, PAGES - 1] {
        write(AT + page * PAGE, page);
    }
    // All of it, a slot, and pages of one.
    for (page, pages) in [(0, PAGES), (512, 512), (510, 3)] {
        let (start, length) = (AT + page * PAGE, pages * PAGE);
        protect(start, length, READ)?;
        for page in [0, 511, 512, PAGES - 1] {
            expect("a word", read(AT + page * PAGE), page)?;
            write(theirs + page * PAGE, page);
        }
        protect(start, length, READ | WRITE)?;
        write(start, page);
    }
    refused(protect(AT, PAGE, EXEC), Errno::EACCES)?;
    shm_detach(AT)?;
    shm_detach(theirs)?;
    shm_attach(id, AT, AttachFlags::RDONLY)?;
    refused(protect(AT, PAGE, WRITE), Errno::EACCES)?;
    shm_detach(AT)?;
    Ok(())
}

fn relocation(id: ShmId) -> Outcome {
    let there = AT + (1 << 30);
    shm_attach(id, AT, AttachFlags::empty())?;
    write(AT + 512 * PAGE, 9);
    relocate(AT, there)?;
    expect("a word", read(there + 512 * PAGE), 9)?;
    expect("attachments", Shm::from_id(id).stat()?.shm_nattch, 1)?;
    refused(shm_detach(AT), Errno::EINVAL)?;
    refused(relocate(there, there), Errno::EINVAL)?;
    shm_detach(there)?;
    Ok(())
}

fn replace() -> Outcome {
    map(AT, 4 * PAGE, WRITE)?;
    for page in 0..4 {
        write(AT + page * PAGE, page + 1);
    }
    refused(map(AT + PAGE, 2 * PAGE, WRITE), Errno::EINVAL)?;
    let with = |flags| Map {
        flags,
        ..Map::new(AT + PAGE, 2 * PAGE, READ | WRITE)
    };
    let (elsewhere,) = call(Handle::MEMORY, with(MapFlags::HINT))?;
    unmap(elsewhere, 2 * PAGE)?;
    let (at,) = call(Handle::MEMORY, with(MapFlags::REPLACE))?;
    expect("where it is", at, AT + PAGE)?;
    for (page, word) in [(0, 1), (1, 0), (2, 0), (3, 4)] {
        expect("a word", read(AT + page * PAGE), word)?;
    }
    unmap(AT, 4 * PAGE)?;
    Ok(())
}

fn stack() -> Outcome {
    let at = map_stack(2 * PAGE, 100 * PAGE)?;
    let before = count_usage()?.mapped;
    write(at - 100 * PAGE, 5);
    expect("pages more", count_usage()?.mapped - before, 100)?;
    expect("a word between", read(at - 50 * PAGE), 0)?;
    let gap = at - 100 * PAGE - STACK_GUARD;
    refused(map(gap, PAGE, WRITE), Errno::EINVAL)?;
    unmap(at - 100 * PAGE, 102 * PAGE)?;
    expect("where nothing grows any more", map(gap, PAGE, WRITE)?, gap)?;
    unmap(gap, PAGE)?;
    Ok(())
}

/// Uses so many bytes of this program's own stack.
#[inline(never)]
fn deep(bytes: u64) -> u64 {
    let room = core::hint::black_box([1u8; 4096]);
    let used = room.iter().map(|&byte| u64::from(byte)).sum();
    match bytes.checked_sub(used).filter(|&rest| rest > 0) {
        Some(rest) => deep(rest) + u64::from(core::hint::black_box(&room)[0]) * used,
        None => used,
    }
}

fn ends(family: &Family, part: &str, id: ShmId, expected: End) -> Outcome {
    let end = family.start([part, id.raw().to_string().as_str()])?.wait()?;
    if end == expected {
        Ok(())
    } else {
        let (end, expected) = (Ended(end), Ended(expected));
        Err(Failure::new(format!("mapping: {part} {end}, not {expected}")))
    }
}

fn faults(family: &Family, part: &str, id: ShmId, kind: FaultKind, address: u64) -> Outcome {
    ends(family, part, id, End::Faulted(kind, address))
}

fn refused<T>(answer: Result<T, Error>, expected: Errno) -> Outcome {
    match answer {
        Err(error) if error == Error::Refused(expected) => Ok(()),
        Err(error) => Err(Failure::new(format!(
            "mapping: refused with {error}, not {expected}"
        ))),
        Ok(_) => Err(Failure::new(format!(
            "mapping: done, not refused with {expected}"
        ))),
    }
}

fn expect(what: &str, found: u64, expected: u64) -> Outcome {
    if found == expected {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "mapping: {what} is {found:#x}, not {expected:#x}"
        )))
    }
}
