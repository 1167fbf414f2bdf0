//! A `virt` without firmware: it begins at its highest exception level, EL3 with `secure`.
//!
//! QEMU takes the part of the firmware whenever it is given a kernel, and enters it at EL1 or EL2. So here the
//! kernel is not a kernel to QEMU but bytes in RAM, as a boot ROM or a debug probe would have put them there.
//! Where things have to be, QEMU says itself in the device tree that it makes for its own way of booting.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::build::replace;
use crate::chain::{self, Placed};
use crate::machine::{Boot, Console, Machine};
use crate::tree;
use crate::workspace::Workspace;

/// Where the kernel goes.
const KERNEL_AT: u64 = 0x4020_0000;
/// Where QEMU's device tree says that the initrd is, on a machine of 512 MiB.
const INITRD_AT: u64 = 0x4800_0000;
/// Far from both.
const TREE_AT: u64 = 0x5f00_0000;
const START_AT: u64 = 0x5e00_0000;

/// Returns the command that boots `machine`, which has one CPU and 512 MiB.
///
/// # Errors
///
/// When QEMU does not make a device tree for it, or it is to boot in another unusual way.
pub fn command(workspace: &Workspace, machine: &Machine, boot: &Boot) -> Result<Command> {
    ensure!(
        boot.placed.is_empty(),
        "a machine without firmware takes neither `load-at` nor a changed device tree"
    );
    let usual = machine.command(boot, Console::Stream);
    let name = format!("bare-{}", machine.label());
    let tree = workspace.output(&format!("{name}.dtb"));
    let start = workspace.output(&format!("{name}.bin"));
    tree::dump(&usual, &tree)?;
    replace(&start, &chain::jump(KERNEL_AT, TREE_AT))?;

    let mut command = Command::new(usual.get_program());
    command.args(usual.get_args().take_while(|argument| *argument != "-kernel"));
    let mut place = |file: &Path, at: u64| {
        command.args(["-device", &Placed::new(file, at).option()]);
    };
    place(&boot.image, KERNEL_AT);
    if let Some(initrd) = &boot.initrd {
        place(initrd, INITRD_AT);
    }
    place(&tree, TREE_AT);
    place(&start, START_AT);
    command.args(["-device", &format!("loader,addr={START_AT:#x},cpu-num=0")]);
    Ok(command)
}
