//! Measures the kernel from a program's side.
//!
//! Prints `bench: ID VALUE` for each operation. Values are nanoseconds of the system counter,
//! which are executed instructions where the machine counts those as its time (QEMU with
//! `-icount shift=0`). The counter ticks every 16 of them or so, hence the batches.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod basics;
mod growth;
mod ipc;
mod measure;
mod private;
mod processes;
mod shared;
mod signals;
mod tables;
mod threads;
mod words;

use measure::Row;
use rt::archive::Archive;
use rt::{Failure, Outcome, Start, println};

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match start.arg(0) {
        Some(ipc::SERVE) => return ipc::serve(|| ()),
        Some(ipc::SERVE_WITH_FP) => return ipc::serve(ipc::use_fp),
        Some(ipc::CALL) => return ipc::call(start, || ()),
        Some(ipc::CALL_WITH_FP) => return ipc::call(start, ipc::use_fp),
        Some("yield") => return processes::yield_forever(),
        Some("yields") => return processes::count_yields(),
        Some("fork") => {
            processes::fork_many()?.iter().for_each(print);
            return Ok(());
        }
        Some(words::ARGUMENT) => return words::answer(start),
        Some("touch") => return tables::touch(start),
        Some(growth::attachers::ARGUMENT) => return growth::attachers::attach(start),
        _ => {}
    }
    let archive = Archive::from_start(start).ok_or_else(|| Failure::new("bench: no archive"))?;
    if start.arg(0) == Some("growth") {
        return growth::measure(archive);
    }
    basics::measure()?.iter().for_each(print);
    ipc::measure(archive)?.iter().for_each(print);
    signals::measure()?.iter().for_each(print);
    words::measure(archive)?.iter().for_each(print);
    processes::measure(archive)?.iter().for_each(print);
    processes::measure_forks(archive)?;
    print(&threads::measure()?);
    shared::measure()?.iter().for_each(print);
    print(&tables::measure(archive)?);
    private::measure()?.iter().for_each(print);
    println!("bench: done");
    Ok(())
}

fn print(row: &Row) {
    match row.hundredths {
        0 => println!("bench: {} {}", row.id, row.value),
        hundredths => println!("bench: {} {}.{hundredths:02}", row.id, row.value),
    }
}
