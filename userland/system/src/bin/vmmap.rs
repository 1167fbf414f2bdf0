//! Lists what a process has mapped: `vmmap PID`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::{Errno, Handle};
use alloc::format;
use rt::processes::mappings;
use rt::{Error, Failure, Outcome, Start, println};
use system::MappingLine;
use tools::names;
use tools::options::{Options, Usage};

/// The system, which the shell gives to programs of this folder.
const SYSTEM: Handle = Handle::PARENT;

const USAGE: Usage = Usage {
    line: "vmmap PID",
    letters: "",
    help: "Lists what a process has mapped: addresses, access (s: shared, p: private), size, whose translation \
           tables, and the segment's key and identifier.",
};

rt::program!(vmmap);

fn vmmap(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    let [pid] = &options.operands[..] else {
        return Err(USAGE.failure("it takes one process number"));
    };
    let number = names::process(pid).map_err(|wrong| USAGE.failure(&wrong))?;
    let mappings = mappings(SYSTEM, number).map_err(|error| match error {
        Error::Refused(Errno::ESRCH) => Failure::new(format!("vmmap: no process has number {pid}")),
        other => other.into(),
    })?;
    for mapping in mappings {
        println!("{}", MappingLine(mapping));
    }
    Ok(())
}
