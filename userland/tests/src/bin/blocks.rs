//! Attaches a segment of 2 MiB blocks (`SHM_HUGETLB`) in several processes, some of which touch the same block
//! at once.
//!
//! Prints a line for each thing it finds to be so.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::Errno;
use abi::process::{End, FaultKind};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmId, ShmKey};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use rt::hazard::{read, write};
use rt::shm::Shm;
use rt::spawn::Child;
use rt::sys::memory::{count_usage, shm_attach, shm_detach, shm_get, unmap};
use rt::{Error, Failure, Outcome, Start, hazard, println};
use tests::{Family, Frames, expect};

const PAGE: u64 = abi::layout::PAGE_BYTES;
const BLOCK: u64 = 512 * PAGE;
const BLOCKS: u64 = 6;
/// A slot starts here, and nothing is near.
const AT: u64 = 0x30_0000_0000;
/// `mov x0, #42; ret`
const CODE: u64 = 0xd65f_03c0_d280_0540;
/// How many touch the same blocks at once.
const RIVALS: usize = 4;

const WRITE: AttachFlags = AttachFlags::empty();
const READ: AttachFlags = AttachFlags::RDONLY;
const FLAGS: GetFlags = GetFlags::CREAT
    .union(GetFlags::HUGETLB)
    .with_mode(Mode::from_bits(0o700));

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match (start.arg(0), start.arg(1)) {
        (Some(part), Some(id)) => {
            let id = ShmId::from_raw(id.parse()?);
            play(part, id.ok_or_else(|| Failure::new("blocks: that is no shmid"))?)
        }
        _ => lead(&Family::new("blocks", start)?),
    }
}

fn lead(family: &Family) -> Outcome {
    let frames = Frames::count();
    let id = shm_get(ShmKey::PRIVATE, BLOCKS * BLOCK - 100, FLAGS)?;
    let tables = count_usage()?.tables;
    shm_attach(id, AT, WRITE)?;
    // Half of them; the others are left to the rivals.
    pages(0..BLOCKS / 2).for_each(|page| write(page, page));
    // A table of level 2: the one above it is there for the program itself.
    expect("tables the first one pays for", count_usage()?.tables - tables, 1)?;
    for page in pages(0..BLOCKS / 2) {
        expect("a word", read(page), page)?;
        expect("the word beside it", read(page + 8), 0)?;
    }
    println!(
        "blocks: {} blocks are written without a table of level 3",
        BLOCKS / 2
    );

    refusals(id)?;
    println!("blocks: other sizes, and parts of blocks, are refused");

    compete(family, id)?;
    println!("blocks: {RIVALS} who touch the same blocks at once all find them zeroed");

    write(AT + 8, CODE);
    hazard::publish_code(AT + 8);
    family.ends("execute", id, End::Exited(0))?;
    family.faults("write-as-reader", id, FaultKind::NotPermitted, AT + BLOCK)?;
    family.faults("read-hole", id, FaultKind::Unmapped, AT + BLOCK + PAGE)?;
    println!("blocks: what a descriptor of a block does not allow is not done");

    Shm::from_id(id).remove()?;
    expect("the first page", read(AT), AT)?;
    shm_detach(AT)?;
    frames.check()?;
    println!("blocks: all frames are back");
    Ok(())
}

/// What a child does.
fn play(part: &str, id: ShmId) -> Outcome {
    match part {
        "touch" => touch(id),
        "execute" => {
            shm_attach(id, AT, AttachFlags::EXEC)?;
            expect("the answer", hazard::call(AT + 8), 42)
        }
        "write-as-reader" => {
            shm_attach(id, AT, READ)?;
            expect("a word", read(AT + BLOCK), AT + BLOCK)?;
            write(AT + BLOCK, 1);
            Err(Failure::new("blocks: could write"))
        }
        "read-hole" => {
            shm_attach(id, AT, READ)?;
            unmap(AT + BLOCK, BLOCK)?;
            expect("the block above", read(AT + 2 * BLOCK), AT + 2 * BLOCK)?;
            read(AT + BLOCK + PAGE);
            Err(Failure::new("blocks: could read in a hole"))
        }
        _ => Err(Failure::new(format!("blocks: there is no part {part}"))),
    }
}

fn refusals(id: ShmId) -> Outcome {
    let gibibyte = GetFlags::from_bits_retain(FLAGS.bits() | 30 << 26);
    let refused = [
        shm_get(ShmKey::PRIVATE, BLOCK, gibibyte).err(),
        shm_attach(id, AT + 64 * BLOCK + PAGE, WRITE).err(),
        unmap(AT, PAGE).err(),
        unmap(AT + PAGE, 2 * BLOCK).err(),
    ];
    if refused
        .iter()
        .all(|error| *error == Some(Error::Refused(Errno::EINVAL)))
    {
        Ok(())
    } else {
        Err(Failure::new(format!("blocks: not all refused: {refused:?}")))
    }
}

/// Starts several children that touch the blocks which nobody has touched yet.
fn compete(family: &Family, id: ShmId) -> Outcome {
    let id = id.raw().to_string();
    let rivals: Vec<Child> = (0..RIVALS)
        .map(|_| family.start(["touch", &id]))
        .collect::<Result<_, _>>()?;
    for rival in rivals {
        let end = rival.wait()?;
        if end != End::Exited(0) {
            return Err(Failure::new(format!("blocks: a rival ended with {end:?}")));
        }
    }
    pages(BLOCKS / 2..BLOCKS).try_for_each(|page| expect("what the rivals left", read(page), 0))
}

/// Sees zeroes in every page of the upper half.
fn touch(id: ShmId) -> Outcome {
    shm_attach(id, AT, READ)?;
    pages(BLOCKS / 2..BLOCKS).try_for_each(|page| expect("a word", read(page), 0))
}

/// The first address of every page in these blocks.
fn pages(blocks: core::ops::Range<u64>) -> impl Iterator<Item = u64> {
    (blocks.start * 512..blocks.end * 512).map(|page| AT + page * PAGE)
}
