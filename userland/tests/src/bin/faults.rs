//! Faults that are handled: by a debugger, by a pager, by nobody any more.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::fault::FaultAccess;
use abi::layout::PAGE_BYTES;
use abi::memory::Protection;
use abi::process::{End, FaultKind};
use abi::{Badge, Handle};
use rt::fault::{self, Fault, Received};
use rt::hazard::{self, Instruction};
use rt::ipc::Endpoint;
use rt::spawn::{Child, Ended, fork};
use rt::sys::memory::{map, unmap};
use rt::{Error, Failure, Incoming, Outcome, Start, println, thread};
use tests::{Frames, expect};

/// Nothing is mapped there, and many pages can be.
const AREA: u64 = 0x50_0000_0000;
const PAGES: u64 = 100;
const BADGE: Badge = Badge(5);
/// Every instruction has so many bytes.
const INSTRUCTION: u64 = 4;

rt::program!(run);

type Part = fn() -> Outcome;

fn run(_: &Start) -> Outcome {
    let parts: [(&str, Part); 7] = [
        ("the handler learns what has happened", is_told),
        ("registers are read and written", registers),
        ("a pager maps what is touched", pager),
        ("several threads wait for their pager", crowd),
        ("a copy has its handler", copies),
        ("without an answer the process ends", unanswered),
        ("without a handler it ends as well", nobody),
    ];
    for (what, part) in parts {
        let frames = Frames::count();
        part()?;
        frames.check()?;
        println!("faults: {what}");
    }
    Ok(())
}

/// A copy of this program that does `deed`, whose faults come to the endpoint.
fn child(endpoint: &Endpoint, deed: fn()) -> Result<Child, Error> {
    // A copy has the handler that this program has when it is made, so none of its faults comes too early.
    fault::handle(Handle::SELF, endpoint, BADGE)?;
    let child = fork(|| {
        deed();
        Ok(())
    })?;
    fault::leave_alone(Handle::SELF)?;
    Ok(child)
}

/// The next fault.
fn next(endpoint: &mut Endpoint) -> Result<Fault<'_>, Failure> {
    match fault::receive(endpoint, &mut Incoming::new())? {
        Received::Fault(fault) => Ok(fault),
        Received::Other(_) => Err(Failure::new("that was no fault")),
    }
}

fn ends(child: &Child, expected: End) -> Outcome {
    match child.wait()? {
        end if end == expected => Ok(()),
        end => Err(Failure::new(alloc::format!("a child {}", Ended(end)))),
    }
}

fn write_to_area() {
    hazard::write(AREA + 8, 77);
}

fn is_told() -> Outcome {
    let mut endpoint = Endpoint::create()?;
    let child = child(&endpoint, write_to_area)?;
    let fault = next(&mut endpoint)?;
    let what = fault.what;
    expect("the kind", what.kind as u64, FaultKind::Unmapped as u64)?;
    expect("the access", what.access as u64, FaultAccess::Write as u64)?;
    expect("the address", what.address, AREA + 8)?;
    expect("the process", what.pid.0.into(), child.pid().0.into())?;
    expect("the thread", what.thread.into(), 0)?;
    expect("the badge", fault.badge.0, BADGE.0)?;
    let is_code = hazard::text().contains(&what.pc);
    expect("a pc in the program", is_code.into(), 1)?;
    fault.end()?;
    ends(&child, End::Faulted(FaultKind::Unmapped, AREA + 8))
}

/// The child goes on behind what it cannot do, with other registers, and finds them.
fn registers() -> Outcome {
    let mut endpoint = Endpoint::create()?;
    let child = child(&endpoint, || {
        Instruction::Breakpoint.execute();
        let value = hazard::read(AREA);
        assert_eq!(value, 1234, "a register was to be written");
    })?;
    let fault = next(&mut endpoint)?;
    expect(
        "a breakpoint",
        fault.what.kind as u64,
        FaultKind::Breakpoint as u64,
    )?;
    skip(&fault, None)?;
    fault.resume()?;
    let fault = next(&mut endpoint)?;
    expect("a read", fault.what.access as u64, FaultAccess::Read as u64)?;
    skip(&fault, Some(1234))?;
    fault.resume()?;
    ends(&child, End::Exited(0))
}

/// Lets the thread go on behind its instruction, with a value in the register that this loads, if it loads one.
fn skip(fault: &Fault<'_>, value: Option<u64>) -> Outcome {
    /// The register that a load names (Arm ARM, "LDR (immediate)": Rt).
    const RT: u64 = 0x1f;
    let stopped = fault.open()?;
    let mut registers = stopped.registers()?;
    expect("pc", registers.pc, fault.what.pc)?;
    if let Some(value) = value {
        // The child's code is this program's own.
        let aligned = registers.pc & !7;
        let instruction = hazard::read(aligned) >> ((registers.pc - aligned) * 8);
        registers.x[(instruction & RT) as usize] = value;
    }
    registers.pc += INSTRUCTION;
    Ok(stopped.set_registers(&registers)?)
}

/// Maps a page wherever one is touched, until something else comes.
fn page_in(endpoint: &mut Endpoint) -> Result<u64, Error> {
    let mut mapped = 0;
    loop {
        let Received::Fault(fault) = fault::receive(endpoint, &mut Incoming::new())? else {
            return Ok(mapped);
        };
        let page = fault.what.address & !(PAGE_BYTES - 1);
        // Another thread may have touched it as well.
        if map(page, PAGE_BYTES, Protection::READ | Protection::WRITE).is_ok() {
            mapped += 1;
        }
        fault.resume()?;
    }
}

/// Does `work` with a thread beside it that maps what is touched. Answers how many pages it has mapped.
fn with_pager(work: impl FnOnce() -> Outcome) -> Result<u64, Failure> {
    let mut endpoint = Endpoint::create()?;
    fault::handle(Handle::SELF, &endpoint, BADGE)?;
    let stop = endpoint.signaller(Badge(1))?;
    let pager = thread::spawn(move || page_in(&mut endpoint))?;
    let worked = work();
    rt::ipc::signal(stop.get(), 0)?;
    let mapped = pager.join().ok_or_else(|| Failure::new("the pager has ended"))?;
    fault::leave_alone(Handle::SELF)?;
    unmap(AREA, PAGES * PAGE_BYTES)?;
    worked?;
    Ok(mapped?)
}

fn touch_all() -> Outcome {
    for page in 0..PAGES {
        let address = AREA + page * PAGE_BYTES;
        hazard::write(address, page);
        expect("what was written", hazard::read(address), page)?;
    }
    Ok(())
}

fn pager() -> Outcome {
    let mapped = with_pager(touch_all)?;
    expect("pages", mapped, PAGES)
}

fn crowd() -> Outcome {
    let mapped = with_pager(|| {
        let others: Result<alloc::vec::Vec<_>, Error> =
            (0..3).map(|_| thread::spawn(|| touch_all().is_ok())).collect();
        let done = others?.into_iter().filter_map(thread::JoinHandle::join);
        expect(
            "threads that are done",
            done.filter(|&done| done).count() as u64,
            3,
        )
    })?;
    expect("pages", mapped, PAGES)
}

fn copies() -> Outcome {
    let mut endpoint = Endpoint::create()?;
    let child = child(&endpoint, || {
        let grandchild = fork(|| {
            write_to_area();
            Ok(())
        });
        let grandchild = grandchild.expect("a copy");
        let end = grandchild.wait().expect("an end");
        assert_eq!(end, End::Faulted(FaultKind::Unmapped, AREA + 8));
    })?;
    let fault = next(&mut endpoint)?;
    let is_childs = fault.what.pid == child.pid();
    expect("the child's own faults", is_childs.into(), 0)?;
    fault.end()?;
    ends(&child, End::Exited(0))
}

/// A handler that looks elsewhere, or goes away.
fn unanswered() -> Outcome {
    for receives in [false, true] {
        let mut endpoint = Endpoint::create()?;
        let child = child(&endpoint, write_to_area)?;
        if receives {
            next(&mut endpoint)?;
        }
        drop(endpoint);
        ends(&child, End::Faulted(FaultKind::Unmapped, AREA + 8))?;
    }
    let mut endpoint = Endpoint::create()?;
    let child = child(&endpoint, write_to_area)?;
    next(&mut endpoint)?;
    let caller = endpoint.take_caller()?;
    drop(caller);
    ends(&child, End::Faulted(FaultKind::Unmapped, AREA + 8))
}

fn nobody() -> Outcome {
    let endpoint = Endpoint::create()?;
    fault::handle(Handle::SELF, &endpoint, BADGE)?;
    fault::leave_alone(Handle::SELF)?;
    let child = fork(|| {
        write_to_area();
        Ok(())
    })?;
    ends(&child, End::Faulted(FaultKind::Unmapped, AREA + 8))
}
