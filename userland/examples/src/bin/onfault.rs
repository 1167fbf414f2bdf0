//! Shows what a program has done that ends it: `onfault PROGRAM [ARGUMENT...]`.
//!
//! A debugger that asks nothing: it receives the faults of the program and its end at one endpoint, prints the registers,
//! and lets the program end.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use abi::thread::ThreadRegisters;
use abi::{Badge, Errno, IpcError};
use rt::fault::{self, Fault, Received};
use rt::ipc::Endpoint;
use rt::spawn::Ended;
use rt::{Error, Incoming, Outcome, Start, println};
use tools::launch;
use tools::options::Usage;

const USAGE: Usage = Usage {
    line: "onfault PROGRAM [ARGUMENT...]",
    letters: "",
    help: "Runs a program and, if it does what the machine does not allow, shows what that was, and its registers.",
};

rt::program!(onfault);

fn onfault(start: &Start) -> Outcome {
    let words = USAGE.words(start);
    let [name, arguments @ ..] = &words[..] else {
        return Err(USAGE.failure("no program is named"));
    };
    let mut endpoint = Endpoint::create()?;
    let loaded = launch::command(&USAGE, start, name, arguments)?.load()?;
    fault::handle(loaded.process().handle(), &endpoint, Badge(1))?;
    let child = loaded.start()?;
    child.signal_end(endpoint.signaller(Badge(1))?.get())?;
    let mut incoming = Incoming::new();
    while let Received::Fault(fault) = fault::receive(&mut endpoint, &mut incoming)? {
        unless_gone(show(&fault))?;
        unless_gone(fault.end())?;
    }
    let end = child.wait()?;
    println!("+++ {} +++", Ended(end));
    launch::end_as(name, end)
}

/// A program that somebody has killed meanwhile has no thread that waits, to be shown or answered. Its end comes next.
fn unless_gone(done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(Error::Refused(Errno::ESRCH | Errno::EBUSY) | Error::Ipc(IpcError::PeerGone)) => Ok(()),
        other => other,
    }
}

fn show(fault: &Fault<'_>) -> Result<(), Error> {
    let what = fault.what;
    println!("{:?}: {:?} at {:#x}", what.kind, what.access, what.address);
    let ThreadRegisters {
        x,
        sp,
        pc,
        pstate,
        pointer,
    } = fault.open()?.registers()?;
    for (row, registers) in x.chunks(4).enumerate() {
        for (column, register) in registers.iter().enumerate() {
            rt::print!("x{:<2} {register:016x}  ", 4 * row + column);
        }
        println!();
    }
    println!("sp  {sp:016x}  pc  {pc:016x}  pstate {pstate:08x}  tpidr {pointer:016x}");
    Ok(())
}
