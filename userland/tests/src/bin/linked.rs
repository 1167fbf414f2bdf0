//! Attaches a segment of several 2 MiB slots in many processes, which share its translation tables
//! where they link them, and checks that none of them can tell.
//!
//! Prints a line for each thing it finds to be so.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::memory::Protection;
use abi::process::{End, FaultKind};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmId, ShmKey};
use alloc::format;
use rt::hazard::{read, write};
use rt::shm::Shm;
use rt::sys::memory::{count_usage, map, shm_attach, shm_detach, shm_get, unmap};
use rt::{Failure, Outcome, Start, hazard, println};
use tests::{Family, Frames, expect};

const PAGE: u64 = abi::layout::PAGE_BYTES;
const SLOT: u64 = 512 * PAGE;
/// Slots that the segment fills; it ends some pages into another one.
const SLOTS: u64 = 8;
const PAGES: u64 = SLOTS * 512 + 3;
/// A slot starts here, and nothing is near.
const AT: u64 = 0x30_0000_0000;
/// The first byte behind the segment.
const END: u64 = AT + PAGES * PAGE;
/// A page that nobody touches before it is needed.
const UNTOUCHED: u64 = AT + 3 * SLOT + 77 * PAGE;
/// `mov x0, #42; ret`
const CODE: u64 = 0xd65f_03c0_d280_0540;
const READERS: usize = 8;

const WRITE: AttachFlags = AttachFlags::empty();
const READ: AttachFlags = AttachFlags::RDONLY;

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match (start.arg(0), start.arg(1)) {
        (Some(part), Some(id)) => {
            let id = ShmId::from_raw(id.parse()?);
            play(part, id.ok_or_else(|| Failure::new("linked: that is no shmid"))?)
        }
        _ => lead(&Family::new("linked", start)?),
    }
}

fn lead(family: &Family) -> Outcome {
    let frames = Frames::count();
    let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o700));
    let id = shm_get(ShmKey::PRIVATE, PAGES * PAGE - 100, flags)?;
    let tables = count_usage()?.tables;
    shm_attach(id, AT, WRITE)?;
    pages()
        .filter(|&page| page != UNTOUCHED)
        .for_each(|page| write(page, page));
    write(AT + 8, CODE);
    hazard::publish_code(AT + 8);
    // A table of level 2: the one above it is there for the program itself.
    expect("tables the first one pays for", count_usage()?.tables - tables, 1)?;

    for _ in 0..READERS {
        family.ends("read", id, End::Exited(0))?;
    }
    println!("linked: {READERS} readers saw every page and paid for no table of level 3");
    family.faults("write-as-reader", id, FaultKind::NotPermitted, AT + SLOT)?;
    family.faults("read-behind", id, FaultKind::Unmapped, END)?;
    family.faults("write-behind", id, FaultKind::Unmapped, END)?;
    println!("linked: readers cannot write, and nobody sees what is behind the end");

    family.ends("execute", id, End::Exited(0))?;
    family.faults("execute-as-writer", id, FaultKind::NotPermitted, AT + 8)?;
    println!("linked: one executes what another one wrote");

    family.ends("touch", id, End::Exited(0))?;
    expect("what a child touched first", read(UNTOUCHED), 5)?;
    family.faults("read-detached", id, FaultKind::Unmapped, AT + SLOT)?;
    println!("linked: a first touch is seen by all, a detach by one");

    family.ends("cut", id, End::Exited(0))?;
    family.faults("read-hole", id, FaultKind::Unmapped, AT + SLOT + PAGE)?;
    cut_here()?;
    family.ends("read", id, End::Exited(0))?;
    println!("linked: slots that one cuts are whole for the others");

    Shm::from_id(id).remove()?;
    expect("the first page", read(AT), AT)?;
    shm_detach(AT)?;
    frames.check()?;
    println!("linked: all frames are back");
    Ok(())
}

/// What a child does.
fn play(part: &str, id: ShmId) -> Outcome {
    match part {
        "read" => read_all(id),
        "write-as-reader" => {
            shm_attach(id, AT, READ)?;
            expect("a word", read(AT + SLOT), AT + SLOT)?;
            write(AT + SLOT, 1);
            Err(Failure::new("linked: could write"))
        }
        "read-behind" => {
            shm_attach(id, AT, READ)?;
            expect("the last page", read(END - PAGE), END - PAGE)?;
            read(END);
            Err(Failure::new("linked: could read behind the end"))
        }
        "write-behind" => {
            shm_attach(id, AT, WRITE)?;
            write(END - PAGE, END - PAGE);
            write(END, 1);
            Err(Failure::new("linked: could write behind the end"))
        }
        "execute" => {
            shm_attach(id, AT, AttachFlags::EXEC)?;
            expect("the answer", hazard::call(AT + 8), 42)
        }
        "execute-as-writer" => {
            shm_attach(id, AT, WRITE)?;
            hazard::call(AT + 8);
            Err(Failure::new("linked: could execute"))
        }
        "touch" => {
            shm_attach(id, AT, WRITE)?;
            write(UNTOUCHED, 5);
            Ok(())
        }
        "read-detached" => {
            shm_attach(id, AT, READ)?;
            read(AT + SLOT);
            shm_detach(AT)?;
            read(AT + SLOT);
            Err(Failure::new("linked: could read what is detached"))
        }
        "cut" => {
            shm_attach(id, AT, WRITE)?;
            cut_here()?;
            shm_detach(AT)?;
            expect("a neighbour", read(END), 3)
        }
        "read-hole" => {
            shm_attach(id, AT, READ)?;
            read(AT + SLOT);
            unmap(AT + SLOT + PAGE, PAGE)?;
            expect("the page below", read(AT + SLOT), AT + SLOT)?;
            expect("the page above", read(AT + SLOT + 2 * PAGE), AT + SLOT + 2 * PAGE)?;
            read(AT + SLOT + PAGE);
            Err(Failure::new("linked: could read in a hole"))
        }
        _ => Err(Failure::new(format!("linked: there is no part {part}"))),
    }
}

/// Reads a word of every page, at an address that the kernel chooses.
fn read_all(id: ShmId) -> Outcome {
    let before = count_usage()?.tables;
    let at = shm_attach(id, 0, READ)?;
    for page in pages().filter(|&page| page != UNTOUCHED) {
        expect("a word", read(at + (page - AT)), page)?;
    }
    let tables = count_usage()?.tables - before;
    if tables <= 1 {
        Ok(())
    } else {
        Err(Failure::new(format!("linked: a reader pays for {tables} tables")))
    }
}

/// Cuts holes of several kinds into what is attached at [`AT`], and puts something behind its end.
fn cut_here() -> Outcome {
    unmap(AT + 2 * SLOT + 5 * PAGE, PAGE)?;
    unmap(AT + 4 * SLOT - PAGE, 2 * PAGE)?;
    unmap(AT + 6 * SLOT, SLOT)?;
    map(END, PAGE, Protection::WRITE)?;
    write(END, 3);
    let holes = [2 * SLOT + 5 * PAGE, 4 * SLOT - PAGE, 4 * SLOT];
    let is_left = |page: &u64| {
        let offset = page - AT;
        !holes.contains(&offset) && !(6 * SLOT..7 * SLOT).contains(&offset) && *page != UNTOUCHED
    };
    for page in pages().filter(is_left) {
        expect("a word beside a hole", read(page), page)?;
    }
    expect("the word behind the end", read(END), 3)
}

fn pages() -> impl Iterator<Item = u64> {
    (0..PAGES).map(|page| AT + page * PAGE)
}
