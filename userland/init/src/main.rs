//! The first program: shows the machine, runs the demonstration, then a shell; then it powers
//! the machine off.
//!
//! What it does is chosen by words among the boot arguments: see [`options`].
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod banner;
mod demonstration;
mod measure;
mod options;

use abi::Handle;
use abi::process::End;
use abi::system::MachineEnd;
use options::Purpose;
use rt::archive::Archive;
use rt::log::KernelLog;
use rt::spawn::{Child, Command, Ended};
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
    match options::read(start.text()) {
        Purpose::Script { file, args } => return script(archive, file, args),
        Purpose::Test { name, args } => test(archive, name, args)?,
        Purpose::Benchmark => {
            measure::print(archive, started)?;
            test(archive, "bench", core::iter::empty())?;
        }
        Purpose::Demonstration => show(archive)?,
        Purpose::Session => {
            show(archive)?;
            session(archive)?;
        }
    }
    Ok(0)
}

fn show(archive: Archive) -> Outcome {
    banner::print()?;
    demonstration::run(archive)
}

/// Runs a shell until somebody leaves it, whatever the last command was worth.
fn session(archive: Archive) -> Outcome {
    println!("\nType `help` for a list of commands.");
    match with_archive(archive, "shell")?.spawn()?.wait()? {
        End::Exited(_) => Ok(()),
        end => Err(Failure::new(alloc::format!("shell {}", Ended(end)))),
    }
}

/// Runs a script; its status is the machine's.
fn script<'a>(archive: Archive, file: &str, args: impl Iterator<Item = &'a str>) -> Result<u32, Failure> {
    let shell = with_archive(archive, "shell")?.arg(file).args(args).spawn()?;
    match shell.wait()? {
        End::Exited(status) => Ok(status.unsigned_abs()),
        end => Err(Failure::new(alloc::format!("shell {}", Ended(end)))),
    }
}

/// Runs one program instead of everything else.
fn test<'a>(archive: Archive, name: &str, args: impl Iterator<Item = &'a str>) -> Outcome {
    let mut log = KernelLog::from_now_on(SYSTEM);
    let child = with_archive(archive, name)?.args(args).spawn()?;
    // What the kernel has to say belongs to the explanation of a failure.
    expect_success(name, &child).inspect_err(|_| log.print_new())
}

/// A program that may start others and ask the system.
fn with_archive(archive: Archive, name: &str) -> Result<Command<'_>, Failure> {
    let command = find(archive, name)?;
    Ok(command.archive(archive).give(Handle::PARENT.index(), SYSTEM))
}

fn find(archive: Archive, name: &str) -> Result<Command<'_>, Failure> {
    let file = archive.program(name);
    let file = file.ok_or_else(|| Failure::new(alloc::format!("there is no program {name}")))?;
    Ok(Command::new(name, file))
}

fn expect_success(name: &str, child: &Child) -> Outcome {
    match child.wait()? {
        End::Exited(0) => Ok(()),
        end => Err(Failure::new(alloc::format!("{name} {}", Ended(end)))),
    }
}
