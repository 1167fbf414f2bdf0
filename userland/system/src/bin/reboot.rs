//! Restarts the machine: `reboot`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use abi::Handle;
use abi::system::MachineEnd;
use rt::sys::system::shut_down;
use rt::{Outcome, Start};
use tools::options::{Options, Usage};

/// The system, which the shell gives to programs of this folder.
const SYSTEM: Handle = Handle::PARENT;

const USAGE: Usage = Usage {
    line: "reboot",
    letters: "",
    help: "Restarts the machine at once.",
};

rt::program!(reboot);

fn reboot(start: &Start) -> Outcome {
    Options::of(start, &USAGE)?;
    // Comes back only if it is refused.
    Ok(shut_down(SYSTEM, MachineEnd::Restart, 0)?)
}
