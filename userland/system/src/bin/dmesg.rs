//! Prints the kernel's log: `dmesg`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use abi::Handle;
use rt::io::write;
use rt::log::KernelLog;
use rt::{Outcome, Start};
use tools::options::{Options, Usage};

/// The system, which the shell gives to programs of this folder.
const SYSTEM: Handle = Handle::PARENT;

const USAGE: Usage = Usage {
    line: "dmesg",
    letters: "",
    help: "Prints what the kernel has to say, as far as it is kept.",
};

rt::program!(dmesg);

fn dmesg(start: &Start) -> Outcome {
    Options::of(start, &USAGE)?;
    Ok(write(&KernelLog::from_the_beginning(SYSTEM).read_new())?)
}
