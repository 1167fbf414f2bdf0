//! Measures the kernel from a program's side.
//!
//! `bench [GROUP...]` prints `bench: ID VALUE` for each operation, of all groups if none is named; `bench cpus` for what takes
//! two CPUs. Values are nanoseconds
//! of the system counter, which are executed instructions where the machine counts those as its time (QEMU with
//! `-icount shift=0`). The counter ticks every 16 of them or so, hence the batches.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod basics;
mod faults;
mod growth;
mod ipc;
mod masked;
mod measure;
mod private;
mod processes;
mod shared;
mod signals;
mod switches;
mod tables;
mod threads;
mod words;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use measure::{Row, on_one_cpu};
use rt::archive::Archive;
use rt::{Failure, Outcome, Start, println};

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match start.arg(0) {
        Some("--help") => {
            println!(
                "{}\nMeasures operations, in nanoseconds: those of the groups, or all.",
                usage()
            );
            return Ok(());
        }
        Some(ipc::SERVE) => return ipc::serve(|| ()),
        Some(ipc::SERVE_WITH_FP) => return ipc::serve(ipc::use_fp),
        Some(ipc::SERVE_THERE) => {
            ipc::stay_on(1)?;
            return ipc::serve(|| ());
        }
        Some(ipc::CALL_HERE) => {
            ipc::stay_on(0)?;
            return ipc::call(start, || ());
        }
        Some(ipc::CALL) => return ipc::call(start, || ()),
        Some(ipc::CALL_WITH_FP) => return ipc::call(start, ipc::use_fp),
        Some("yield") => return processes::yield_forever(),
        Some("yields") => return processes::count_yields(),
        Some("fork") => return print_all(&processes::fork_many()?),
        Some(faults::ARGUMENT) => return print_all(&[faults::measure()?]),
        Some(switches::ARGUMENT) => return print_all(&on_one_cpu(switches::measure)?),
        Some(words::ARGUMENT) => return words::answer(start),
        Some("touch") => return tables::touch(start),
        Some(growth::attachers::ARGUMENT) => return growth::attachers::attach(start),
        _ => {}
    }
    let archive = Archive::from_start(start).ok_or_else(|| Failure::new("bench: no archive"))?;
    if start.arg(0) == Some("growth") {
        return growth::measure(archive);
    }
    if start.arg(0) == Some("cpus") {
        print_all(&ipc::measure_across(archive)?)?;
        println!("bench: done");
        return Ok(());
    }
    let groups: Vec<&Group> = if start.arg(0).is_none() {
        GROUPS.iter().collect()
    } else {
        start.args().map(group).collect::<Result<_, _>>()?
    };
    for (_, measure) in groups {
        measure(archive)?;
    }
    println!("bench: done");
    Ok(())
}

/// Its name, and what measures and prints it.
type Group = (&'static str, fn(Archive) -> Outcome);

/// What can be measured alone.
const GROUPS: &[Group] = &[
    ("basics", |_| print_all(&basics::measure()?)),
    ("ipc", |archive| print_all(&ipc::measure(archive)?)),
    ("signals", |_| print_all(&signals::measure()?)),
    ("switches", |archive| {
        processes::measure_alone(archive, switches::ARGUMENT)
    }),
    ("faults", |archive| {
        processes::measure_alone(archive, faults::ARGUMENT)
    }),
    ("words", |archive| print_all(&words::measure(archive)?)),
    ("processes", |archive| print_all(&processes::measure(archive)?)),
    ("forks", |archive| processes::measure_alone(archive, "fork")),
    ("threads", |_| print_all(&[threads::measure()?])),
    ("shared", |_| print_all(&shared::measure()?)),
    ("tables", |archive| print_all(&[tables::measure(archive)?])),
    ("private", |_| print_all(&private::measure()?)),
    ("masked", |archive| {
        print_all(&on_one_cpu(|| masked::measure(archive))?)
    }),
];

fn group(name: &str) -> Result<&'static Group, Failure> {
    let found = GROUPS.iter().find(|(own, _)| *own == name);
    found.ok_or_else(|| Failure::new(format!("bench: {name} is no group\n{}", usage())))
}

fn usage() -> String {
    let names: Vec<&str> = GROUPS.iter().map(|(own, _)| *own).collect();
    format!("usage: bench [{}]...", names.join(" | "))
}

fn print_all(rows: &[Row]) -> Outcome {
    rows.iter().for_each(print);
    Ok(())
}

fn print(row: &Row) {
    match row.hundredths {
        0 => println!("bench: {} {}", row.id, row.value),
        hundredths => println!("bench: {} {}.{hundredths:02}", row.id, row.value),
    }
}
