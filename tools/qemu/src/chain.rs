//! Boots as no loader of QEMU's makes them: the kernel at any address, with anything in x0 and any bytes as device tree.
//!
//! QEMU starts a tiny kernel of ours, which loads x0 and jumps. The real kernel, the device tree and the initrd
//! are put into memory before that, byte by byte as they are, so `kernel8.img` cannot tell who loaded it.
//!
//! ```text
//!   RAM + 0       what a case asks for: `load-at`, `at`
//!       + 64 MiB  initrd
//!       + 80 MiB  device tree
//!       + 96 MiB  the tiny kernel; behind it, or at 128 MiB, a device tree of QEMU's that nobody reads
//! ```

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::board::Board;
use crate::build::replace;
use crate::machine::{Boot, Machine};
use crate::rpi4_boot;
use crate::tree::{self, Tree};
use crate::workspace::Workspace;

const INITRD: u64 = 64 << 20;
const TREE: u64 = 80 << 20;
const CHAIN: u64 = 96 << 20;
/// Where the kernel lies if the machine does not say: where QEMU's own loader puts it.
const KERNEL: u64 = 2 << 20;

/// A file that is in memory when the machine starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The file.
    pub file: PathBuf,
    /// The physical address of its first byte.
    pub at: u64,
}

/// The same boot, by another loader than QEMU's if the machine or the tree asks for what that cannot do.
///
/// The files for it get `name`, which no other machine that runs meanwhile has.
///
/// # Errors
///
/// When QEMU does not tell its device tree, a change does not fit that, or a file cannot be written.
pub fn boot(
    workspace: &Workspace,
    name: &str,
    machine: &Machine,
    tree: Option<&Tree>,
    boot: Boot,
) -> Result<Boot> {
    let unchanged = Tree::default();
    let changes = tree.unwrap_or(&unchanged);
    if let Board::Rpi4 { gib } = machine.board {
        return rpi4_boot::boot(workspace, name, gib, machine.load_at, changes, boot);
    }
    if tree.is_none() && machine.load_at.is_none() {
        return Ok(boot);
    }
    let ram = machine.board.ram_start();
    let kernel_at = machine.load_at.unwrap_or(ram + KERNEL);
    let initrd_at = ram + INITRD;
    let tree_at = ram + changes.at.unwrap_or(TREE);

    let file = |extension: &str| file_of(workspace, name, extension);
    let mut original = tree::of(machine, &boot, &file("original.dtb"))?;
    let mut placed = vec![Placed::new(&boot.image, kernel_at)];
    if let Some(initrd) = &boot.initrd {
        original.set_initrd(initrd_at, initrd)?;
        placed.push(Placed::new(initrd, initrd_at));
    }
    replace(&file("dtb"), &changes.blob(original)?)?;
    placed.push(Placed::new(&file("dtb"), tree_at));
    replace(
        &file("img"),
        &chain_image(kernel_at, changes.x0.unwrap_or(tree_at)),
    )?;
    Ok(Boot {
        image: file("img"),
        initrd: None,
        device_tree: None,
        bootargs: String::new(),
        placed,
    })
}

/// A file for the boot of this name alone.
pub(crate) fn file_of(workspace: &Workspace, name: &str, extension: &str) -> PathBuf {
    let name: String = name.chars().map(plain).collect();
    workspace.output(&format!("chain/{name}.{extension}"))
}

fn plain(letter: char) -> char {
    if letter.is_ascii_alphanumeric() {
        letter
    } else {
        '-'
    }
}

/// A kernel for QEMU's loader (Linux, "Booting AArch64 Linux") that does nothing but jump to `kernel` with `x0`.
fn chain_image(kernel: u64, x0: u64) -> Vec<u8> {
    const SIZE: u64 = 4096;
    const LITTLE_ENDIAN_4K_ANYWHERE: u64 = 0xa;
    let mut image = Vec::new();
    image.extend(0x1400_0010_u32.to_le_bytes()); // b code, behind the header
    image.extend(0_u32.to_le_bytes());
    for field in [CHAIN, SIZE, LITTLE_ENDIAN_4K_ANYWHERE, 0, 0, 0] {
        image.extend(field.to_le_bytes());
    }
    image.extend(b"ARM\x64");
    image.extend(0_u32.to_le_bytes());
    image.extend(jump(kernel, x0));
    image
}

/// Code that jumps to `kernel` with `x0`.
#[must_use]
pub fn jump(kernel: u64, x0: u64) -> Vec<u8> {
    const CODE: [u32; 4] = [
        0x5800_0080, // ldr x0, first
        0x5800_00b0, // ldr x16, second
        0xd61f_0200, // br x16
        0xd503_201f, // nop
    ];
    let literals = [x0, kernel];
    CODE.iter()
        .flat_map(|instruction| instruction.to_le_bytes())
        .chain(literals.iter().flat_map(|literal| literal.to_le_bytes()))
        .collect()
}

impl Placed {
    /// This file, there.
    #[must_use]
    pub fn new(file: &Path, at: u64) -> Self {
        let file = file.into();
        Self { file, at }
    }

    /// The value of QEMU's option `-device` that puts it there.
    #[must_use]
    pub fn option(&self) -> String {
        let file = file_name(&self.file);
        format!("loader,file={file},addr={:#x},force-raw=on", self.at)
    }
}

/// A file's name in a value of several parts, where a comma would end it.
#[must_use]
pub fn file_name(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::{CHAIN, Placed, chain_image};

    fn word(image: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(image[at..at + 4].try_into().unwrap())
    }

    /// The address that a literal load at `at` reads.
    fn literal(image: &[u8], at: usize) -> usize {
        at + ((word(image, at) >> 5) & 0x7_ffff) as usize * 4
    }

    #[test]
    fn the_chain_image_has_the_header_that_qemu_looks_for() {
        let image = chain_image(1, 2);
        assert_eq!(&image[56..60], b"ARM\x64");
        assert_eq!(u64::from(word(&image, 8)), CHAIN);
        assert_ne!(
            word(&image, 16),
            0,
            "without a size QEMU ignores where it should go"
        );
        assert_eq!(
            word(&image, 0) & 0x3ff_ffff,
            64 / 4,
            "the branch leads behind the header"
        );
    }

    #[test]
    fn its_literals_are_what_x0_and_the_jump_get() {
        let image = chain_image(0x1_2345_6000, 0x8765_4321_0fed_cba8);
        let first = literal(&image, 64);
        let second = literal(&image, 68);
        assert_eq!(image[first..first + 8], 0x8765_4321_0fed_cba8_u64.to_le_bytes());
        assert_eq!(image[second..second + 8], 0x1_2345_6000_u64.to_le_bytes());
    }

    #[test]
    fn commas_in_a_files_name_do_not_end_it() {
        let placed = Placed {
            file: "a,b.dtb".into(),
            at: 0x1000,
        };
        assert_eq!(placed.option(), "loader,file=a,,b.dtb,addr=0x1000,force-raw=on");
    }
}
