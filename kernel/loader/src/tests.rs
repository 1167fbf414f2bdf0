//! What is loaded and what is refused, on ELF files made by hand.

extern crate std;

use crate::{LoadError, Segment, plan};
use abi::layout::{PROGRAM_BASE, USER_END};
use abi::memory::Protection;
use proptest::prelude::{any, proptest};
use std::vec::Vec;

const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;
const NOTE: u32 = 4;
const TLS: u32 = 7;
const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
const READ: u32 = 4;

/// Offsets of fields in the ELF header.
const CLASS: usize = 4;
const ENDIANNESS: usize = 5;
const TYPE: usize = 16;
const MACHINE: usize = 18;
const ENTRY: usize = 24;

#[derive(Clone)]
struct Part {
    kind: u32,
    flags: u32,
    address: u64,
    bytes: Vec<u8>,
    memory: u64,
}

fn part(kind: u32, flags: u32, address: u64, bytes: &[u8], memory: u64) -> Part {
    let bytes = bytes.to_vec();
    Part {
        kind,
        flags,
        address,
        bytes,
        memory,
    }
}

fn text() -> Part {
    part(LOAD, READ | EXECUTE, PROGRAM_BASE, &[0x1f, 0x20, 0x03, 0xd5], 4)
}

fn version_note(version: u32) -> Part {
    let mut bytes = Vec::new();
    for field in [8, 4, abi::NOTE_TYPE] {
        bytes.extend(u32::to_le_bytes(field));
    }
    bytes.extend(b"Granule\0");
    bytes.extend(version.to_le_bytes());
    part(NOTE, READ, 0, &bytes, 0)
}

/// A file with these program headers, entered at [`PROGRAM_BASE`].
fn elf(parts: &[Part]) -> Vec<u8> {
    let mut offset = 64 + 56 * parts.len();
    let (mut table, mut data) = (Vec::<u8>::new(), Vec::<u8>::new());
    for part in parts {
        table.extend(part.kind.to_le_bytes());
        table.extend(part.flags.to_le_bytes());
        let length = part.bytes.len() as u64;
        for field in [offset as u64, part.address, part.address, length, part.memory, 4] {
            table.extend(field.to_le_bytes());
        }
        data.extend(&part.bytes);
        offset += part.bytes.len();
    }
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for field in [2u16, 183] {
        file.extend(field.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    for field in [PROGRAM_BASE, 64, 0] {
        file.extend(field.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for field in [64, 56, u16::try_from(parts.len()).unwrap(), 0, 0, 0] {
        file.extend(field.to_le_bytes());
    }
    file.extend(table);
    file.extend(data);
    file
}

/// A program with these parts beside its version and its text.
fn program(more: &[Part]) -> Vec<u8> {
    let mut parts = std::vec![version_note(abi::VERSION), text()];
    parts.extend_from_slice(more);
    elf(&parts)
}

fn refusal(file: &[u8]) -> LoadError {
    plan(file).expect_err("must be refused")
}

#[test]
fn a_program_becomes_its_segments_in_order() {
    let data = part(LOAD, READ | WRITE, PROGRAM_BASE + 0x2010, b"data", 0x1800);
    let constants = part(LOAD, READ, PROGRAM_BASE + 0x1000, b"constants", 9);
    let file = program(&[constants, data]);
    let plan = plan(&file).expect("a good program");
    assert_eq!(plan.entry().raw(), PROGRAM_BASE);

    let segments: Vec<Segment<'_>> = plan.segments().collect();
    let shape = |s: &Segment<'_>| (s.pages.start().start().raw(), s.pages.count().get(), s.offset);
    let shapes: Vec<_> = segments.iter().map(shape).collect();
    let expected = [
        (PROGRAM_BASE, 1, 0),
        (PROGRAM_BASE + 0x1000, 1, 0),
        (PROGRAM_BASE + 0x2000, 2, 0x10),
    ];
    assert_eq!(shapes, expected);
    let protections: Vec<_> = segments.iter().map(|s| s.protection).collect();
    let (r, w, x) = (Protection::READ, Protection::WRITE, Protection::EXEC);
    assert_eq!(protections, [r | x, r, r | w]);
    assert_eq!(segments[1].bytes, b"constants");
    assert_eq!(segments[2].bytes, b"data");
}

#[test]
fn empty_program_segments_are_left_out() {
    let file = program(&[part(LOAD, READ, 0, b"", 0)]);
    assert_eq!(plan(&file).expect("a good program").segments().count(), 1);
}

#[test]
fn what_can_only_be_written_or_executed_can_also_be_read() {
    let file = program(&[part(LOAD, WRITE, PROGRAM_BASE + 0x1000, b"d", 1)]);
    let plan = plan(&file).expect("a good program");
    let data = plan.segments().last().expect("two segments");
    assert_eq!(data.protection, Protection::READ | Protection::WRITE);
}

#[test]
fn files_that_are_no_programs_are_refused() {
    assert_eq!(refusal(b""), LoadError::NotElf);
    assert_eq!(refusal(b"#!/bin/sh\n"), LoadError::NotElf);
    assert_eq!(refusal(&elf(&[version_note(abi::VERSION)])), LoadError::Empty);
    assert_eq!(refusal(&program(&[])[..100]), LoadError::NotElf);
    let mut whole = program(&[]);
    whole.pop();
    assert_eq!(refusal(&whole), LoadError::Truncated);
}

#[test]
fn programs_for_other_machines_are_refused() {
    for (place, value) in [(ENDIANNESS, 2), (MACHINE, 62)] {
        let mut file = program(&[]);
        file[place] = value;
        assert_eq!(refusal(&file), LoadError::WrongMachine);
    }
    let mut file = program(&[]);
    file[CLASS] = 1;
    assert!(plan(&file).is_err());
}

#[test]
fn position_independent_programs_are_refused_with_advice() {
    let mut file = program(&[]);
    file[TYPE] = 3;
    assert_eq!(refusal(&file), LoadError::PositionIndependent);
    assert!(std::format!("{}", refusal(&file)).contains("-no-pie"));
    file[TYPE] = 1;
    assert_eq!(refusal(&file), LoadError::NotExecutable);
}

#[test]
fn programs_that_need_a_dynamic_linker_or_thread_local_storage_are_refused() {
    let needs = |kind| refusal(&program(&[part(kind, READ, 0, b"", 0)]));
    assert_eq!(needs(INTERPRETER), LoadError::Dynamic);
    assert_eq!(needs(DYNAMIC), LoadError::Dynamic);
    assert_eq!(needs(TLS), LoadError::ThreadLocal);
}

#[test]
fn another_abi_version_or_none_is_refused() {
    let found = abi::VERSION + 1;
    let file = elf(&[version_note(found), text()]);
    assert_eq!(refusal(&file), LoadError::WrongVersion { found });
    assert_eq!(refusal(&elf(&[text()])), LoadError::NoVersion);
    let mut other = version_note(abi::VERSION);
    other.bytes[12] = b'X';
    assert_eq!(refusal(&elf(&[other, text()])), LoadError::NoVersion);
}

#[test]
fn segments_outside_of_user_space_are_refused() {
    let places = [
        (0, 1),
        (PROGRAM_BASE - 1, 1),
        (USER_END - 1, 2),
        (USER_END, 1),
        (0xffff_0000_0000_0000, 1),
        (u64::MAX, 1),
        (PROGRAM_BASE + 0x1000, u64::MAX),
    ];
    for (address, memory) in places {
        let file = program(&[part(LOAD, READ, address, b"", memory)]);
        assert_eq!(refusal(&file), LoadError::OutsideUserSpace { address });
    }
    assert!(plan(&program(&[part(LOAD, READ, USER_END - 1, b"", 1)])).is_ok());
}

#[test]
fn segments_that_share_a_page_or_come_out_of_order_are_refused() {
    let last = PROGRAM_BASE + 0x4000;
    for address in [last + 0xfff, last, PROGRAM_BASE + 0x1000] {
        let file = program(&[last, address].map(|address| part(LOAD, READ, address, b"x", 1)));
        assert_eq!(refusal(&file), LoadError::Overlapping { address });
    }
}

#[test]
fn segments_with_impossible_access_or_sizes_are_refused() {
    let address = PROGRAM_BASE + 0x1000;
    let with = |flags, memory| refusal(&program(&[part(LOAD, flags, address, b"xy", memory)]));
    assert_eq!(
        with(READ | WRITE | EXECUTE, 2),
        LoadError::WritableAndExecutable { address }
    );
    assert_eq!(
        with(WRITE | EXECUTE, 2),
        LoadError::WritableAndExecutable { address }
    );
    assert_eq!(with(0, 2), LoadError::NoAccess { address });
    assert_eq!(with(READ, 1), LoadError::LargerThanMemory { address });
}

#[test]
fn the_entry_must_be_an_instruction() {
    let data = part(LOAD, READ, PROGRAM_BASE + 0x1000, &[0; 8], 8);
    for entry in [
        0,
        PROGRAM_BASE + 2,
        PROGRAM_BASE + 4,
        PROGRAM_BASE + 0x1000,
        u64::MAX,
    ] {
        let mut file = program(std::slice::from_ref(&data));
        file[ENTRY..ENTRY + 8].copy_from_slice(&entry.to_le_bytes());
        assert_eq!(refusal(&file), LoadError::BadEntry { entry });
    }
}

/// Numbers on which sums and shifts like to go wrong.
const EXTREMES: &[u64] = &[0, 1, 4095, 4096, 0xffff_ffff, 1 << 47, u64::MAX - 4095, u64::MAX];

/// What a plan promises to those who carry it out.
fn check_promises(file: &[u8]) {
    let Ok(plan) = plan(file) else { return };
    let mut entered = false;
    let mut below = PROGRAM_BASE;
    for segment in plan.segments() {
        let start = segment.pages.start().start().raw();
        let end = segment.pages.end().start().raw();
        assert!(below <= start && start < end && end <= USER_END);
        assert!(segment.offset + segment.bytes.len() as u64 <= end - start);
        let both = Protection::WRITE | Protection::EXEC;
        assert!(!segment.protection.contains(both));
        entered |=
            segment.protection.contains(Protection::EXEC) && (start..end).contains(&plan.entry().raw());
        below = end;
    }
    assert!(entered);
}

proptest! {
    #[test]
    fn no_bytes_whatever_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        check_promises(&bytes);
    }

    #[test]
    fn a_damaged_program_is_refused_or_still_a_sound_plan(
        places in proptest::collection::vec((0usize..400, any::<u8>()), 1..6),
        length in 0usize..400,
    ) {
        let data = part(LOAD, READ | WRITE, PROGRAM_BASE + 0x1000, b"data", 0x1800);
        let mut file = program(&[data]);
        for (place, value) in places {
            let place = place % file.len();
            file[place] = value;
        }
        if length > 200 {
            file.truncate(length);
        }
        check_promises(&file);
    }

    #[test]
    fn extreme_numbers_in_the_program_headers_are_refused_or_sound(
        field in 0usize..8,
        which in 0usize..3,
        value in proptest::sample::select(EXTREMES),
    ) {
        let data = part(LOAD, READ | WRITE, PROGRAM_BASE + 0x1000, b"data", 0x1800);
        let mut file = program(&[data]);
        let place = 64 + 56 * which + [0, 8, 16, 24, 32, 40, 48, 0][field];
        file[place..place + 8].copy_from_slice(&value.to_le_bytes());
        check_promises(&file);
    }
}
