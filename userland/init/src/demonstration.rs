//! The demonstration: two processes that cannot reach each other's memory exchange data through
//! a segment that both attach, and a third is kept from writing to it.

use crate::programs::Programs;
use crate::{SYSTEM, expect_success};
use abi::process::{End, FaultKind};
use abi::shm::ShmKey;
use rt::log::KernelLog;
use rt::shm::Shm;
use rt::spawn::Ended;
use rt::{Error, Failure, Outcome, println, sys};

const KEY: &str = "4711";
const MIB: &str = "8";

/// Runs it.
pub fn run(programs: Programs) -> Outcome {
    println!("\nTwo processes share memory:");
    let before = unused_by_others()?;
    println!("init: free frames before: {before}");
    pass_data(programs)?;
    write_protected(programs)?;
    remove()?;
    let after = unused_by_others()?;
    println!("init: free frames after: {after}");
    if before == after {
        println!("init: the demonstration succeeded");
        Ok(())
    } else {
        Err(Failure::new("frames were lost"))
    }
}

fn pass_data(programs: Programs) -> Outcome {
    let producer = programs.find("producer")?.args([KEY, MIB]).spawn()?;
    let consumer = programs.find("consumer")?.arg(KEY).spawn()?;
    expect_success("producer", &producer)?;
    expect_success("consumer", &consumer)
}

/// Shows that a process that attached for reading cannot write, and what becomes of it.
fn write_protected(programs: Programs) -> Outcome {
    let mut log = KernelLog::from_now_on(SYSTEM);
    let end = programs.find("reader")?.arg(KEY).spawn()?.wait()?;
    log.print_new();
    println!("init: reader {}", Ended(end));
    match end {
        End::Faulted(FaultKind::NotPermitted, _) => Ok(()),
        _ => Err(Failure::new(
            "the write to a read-only attachment was not stopped",
        )),
    }
}

/// All three have detached, one of them by being ended, so that this takes the last of it.
fn remove() -> Outcome {
    let segment = Shm::open(ShmKey(KEY.parse()?))?;
    let attached = segment.stat()?.shm_nattch;
    segment.remove()?;
    println!(
        "init: segment {} had {attached} attachments left and is removed",
        segment.id().raw()
    );
    if attached == 0 {
        Ok(())
    } else {
        Err(Failure::new("an attachment outlived its process"))
    }
}

/// Frames that are free, or this program's own: what it touches itself meanwhile (a page more of
/// its stack or heap) is not lost.
fn unused_by_others() -> Result<u64, Error> {
    let own = sys::memory::count_usage()?;
    Ok(sys::system::count_frames(SYSTEM)?.free + own.private + own.tables)
}
