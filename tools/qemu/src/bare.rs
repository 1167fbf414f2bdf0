//! A `virt` without firmware: it begins at its highest exception level, EL3 with `secure`.
//!
//! QEMU takes the part of the firmware whenever it is given a kernel, and enters it at EL1 or EL2. So here the
//! kernel is not a kernel to QEMU but bytes in RAM, as a boot ROM or a debug probe would have put them there.
//! Where things have to be, QEMU says itself in the device tree that it makes for its own way of booting.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::build::replace;
use crate::machine::{Boot, Console, Machine, cannot_start, shell_line};
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
/// When QEMU does not make a device tree for it.
pub fn command(workspace: &Workspace, machine: &Machine, boot: &Boot) -> Result<Command> {
    let usual = machine.command(boot, Console::Stream);
    let name = format!("bare-{}", machine.label());
    let tree = workspace.output(&format!("{name}.dtb"));
    let start = workspace.output(&format!("{name}.bin"));
    dump_tree(&usual, &tree)?;
    replace(&start, &start_code())?;

    let mut command = Command::new(usual.get_program());
    command.args(usual.get_args().take_while(|argument| *argument != "-kernel"));
    let mut place = |file: &Path, at: u64| {
        let file = in_option(file);
        command.args([
            "-device",
            &format!("loader,file={file},addr={at:#x},force-raw=on"),
        ]);
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

/// Has QEMU write the tree with which it would boot in its usual way.
fn dump_tree(usual: &Command, to: &Path) -> Result<()> {
    let mut command = Command::new(usual.get_program());
    command.args(usual.get_args());
    command.args(["-M", &format!("dumpdtb={}", in_option(to))]);
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| cannot_start(&command))?;
    ensure!(
        status.success(),
        "QEMU makes no device tree: {}",
        shell_line(&command)
    );
    Ok(())
}

/// As QEMU wants it, to whom a comma ends it.
fn in_option(file: &Path) -> String {
    file.display().to_string().replace(',', ",,")
}

/// x0 = device tree, then to the kernel.
fn start_code() -> Vec<u8> {
    const LOAD_X0_16_ON: u32 = 0x5800_0080;
    const LOAD_X1_20_ON: u32 = 0x5800_00a1;
    const BRANCH_TO_X1: u32 = 0xd61f_0020;
    const NOTHING: u32 = 0xd503_201f;
    let code = [LOAD_X0_16_ON, LOAD_X1_20_ON, BRANCH_TO_X1, NOTHING];
    let words = [TREE_AT, KERNEL_AT];
    code.iter()
        .flat_map(|instruction| instruction.to_le_bytes())
        .chain(words.iter().flat_map(|word| word.to_le_bytes()))
        .collect()
}
