//! The first program: shows the machine, runs the demonstration, then a shell; then it powers
//! the machine off.
//!
//! What it does is chosen by words among the boot arguments: see [`options`].
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod banner;
mod console;
mod demonstration;
mod measure;
mod options;
mod programs;

use abi::Handle;
use abi::process::End;
use abi::system::MachineEnd;
use options::Purpose;
use programs::Programs;
use rt::archive::Archive;
use rt::handle::OwnedHandle;
use rt::log::KernelLog;
use rt::spawn::{Child, Ended};
use rt::time::Instant;
use rt::{Failure, Outcome, Start, println, sys};

/// The system, which the kernel gives to its first program alone.
const SYSTEM: Handle = Handle::PARENT;

rt::program!(init);

fn init(start: &Start) -> Outcome {
    let started = Instant::now();
    let status = match run(start, started) {
        Ok(status) => status,
        Err(failure) => {
            println!("init: {failure}");
            1
        }
    };
    sys::system::shut_down(SYSTEM, MachineEnd::PowerOff, status)?;
    Ok(())
}

/// Does what this boot is for, and answers the machine's status.
fn run(start: &Start, started: Instant) -> Result<u32, Failure> {
    let archive = Archive::from_start(start)
        .ok_or_else(|| Failure::new("there is no archive of programs: boot with an initrd"))?;
    let console = if options::want_console_server(start.text()) {
        console::start(archive)?
    } else {
        None
    };
    let console = console.as_ref().map(OwnedHandle::get);
    let programs = Programs { archive, console };
    match options::read(start.text()) {
        Purpose::Script { file, args } => return script(programs, file, args),
        Purpose::Test { name, args } => test(programs, name, args)?,
        Purpose::Benchmark => {
            measure::print(archive, started)?;
            test(programs, "bench", core::iter::empty())?;
        }
        Purpose::Demonstration => show(programs)?,
        Purpose::Session => {
            show(programs)?;
            session(programs)?;
        }
    }
    Ok(0)
}

fn show(programs: Programs) -> Outcome {
    banner::print()?;
    demonstration::run(programs)
}

/// Runs a shell until somebody leaves it, whatever the last command was worth.
fn session(programs: Programs) -> Outcome {
    println!("\nType `help` for a list of commands.");
    match programs.with_archive("shell")?.spawn()?.wait()? {
        End::Exited(_) => Ok(()),
        end => Err(Failure::new(alloc::format!("shell {}", Ended(end)))),
    }
}

/// Runs a script; its status is the machine's.
fn script<'a>(programs: Programs, file: &str, args: impl Iterator<Item = &'a str>) -> Result<u32, Failure> {
    let shell = programs.with_archive("shell")?.arg(file).args(args).spawn()?;
    match shell.wait()? {
        End::Exited(status) => Ok(status.unsigned_abs()),
        end => Err(Failure::new(alloc::format!("shell {}", Ended(end)))),
    }
}

/// Runs one program instead of everything else.
fn test<'a>(programs: Programs, name: &str, args: impl Iterator<Item = &'a str>) -> Outcome {
    let mut log = KernelLog::from_now_on(SYSTEM);
    let child = programs.with_archive(name)?.args(args).spawn()?;
    // What the kernel has to say belongs to the explanation of a failure.
    expect_success(name, &child).inspect_err(|_| log.print_new())
}

fn expect_success(name: &str, child: &Child) -> Outcome {
    match child.wait()? {
        End::Exited(0) => Ok(()),
        end => Err(Failure::new(alloc::format!("{name} {}", Ended(end)))),
    }
}
