//! Lists the processes: `ps [-efA]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use abi::Handle;
use rt::processes::processes;
use rt::{Outcome, Start, println};
use system::ProcessLine;
use tools::options::{Options, Usage};

/// The system, which the shell gives to programs of this folder.
const SYSTEM: Handle = Handle::PARENT;

const USAGE: Usage = Usage {
    line: "ps [-efA]",
    letters: "efAaux",
    help: "Lists all processes: number, parent, state, KiB mapped and KiB that are its alone, address space \
           identifier, time that it had a CPU.\nStates: R runs or could, S waits, Z has ended and its parent was not told, N is not started.",
};

rt::program!(ps);

fn ps(start: &Start) -> Outcome {
    // All options mean what is done anyway.
    Options::of(start, &USAGE)?;
    println!("  PID  PPID S      VSZ     RSS ASID      TIME COMMAND");
    for process in processes(SYSTEM)? {
        println!("{}", ProcessLine(&process));
    }
    Ok(())
}
