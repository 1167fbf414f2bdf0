//! What the firmware of a Raspberry Pi 4 does before a kernel runs, for QEMU's `raspi4b`, which does it differently.
//!
//! QEMU hands a kernel over at EL2 by code of its own, tells it of 960 MiB of RAM, and gives it the whole interrupt
//! controller. Here the four CPUs start at EL3 in the firmware's own code ([`armstub`](mod@crate::armstub)), which is
//! told of kernel and device tree as on the board. What the firmware makes of the tree is rebuilt from its
//! documentation and from logs of boards.
//!
//! ```text
//!   0             armstub, and the spin table in it
//!     2 MiB       kernel
//!   752 MiB       below it, the device tree; below that, the initrd
//!     2 GiB       end of the RAM that QEMU has, whatever the board's
//! ```

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::armstub::armstub;
use crate::build::replace;
use crate::chain::{Placed, file_of};
use crate::machine::Boot;
use crate::tree::{Original, Tree};
use crate::workspace::Workspace;
use crate::{rpi4_firmware, rpi4_tree};

const KERNEL: u64 = 2 << 20;
/// Where the firmware stops: the tree ends below it, and starts at a multiple of [`TREE_ALIGNMENT`].
const TOP: u64 = 752 << 20;
const TREE_ALIGNMENT: u64 = 256;
/// More than it ever takes.
const TREE_ROOM: u64 = 64 << 10;
const PAGE: u64 = 4096;

/// The firmware's own words, which come before those of `cmdline.txt`.
const OWN_WORDS: &str = "coherent_pool=1M 8250.nr_uarts=1 snd_bcm2835.enable_headphones=0 bcm2708_fb.fbwidth=0 \
                         bcm2708_fb.fbheight=0 vc_mem.mem_base=0x3ec00000 vc_mem.mem_size=0x40000000";
const CMDLINE: &str = "boards/rpi4/cmdline.txt";

/// RAM of the boards, as the firmware writes it into the tree: two cells for an address and one for a size. Below
/// 1 GiB the last 76 MiB are the graphics processor's, and below 4 GiB the last 64 MiB are devices.
const RAM: [[u32; 3]; 4] = [
    [0, 0, 0x3b40_0000],
    [0, 0x4000_0000, 0xbc00_0000],
    [1, 0, 0x8000_0000],
    [1, 0x8000_0000, 0x8000_0000],
];
/// The second GiB, where a board has no third.
const SECOND_GIB: [u32; 3] = [0, 0x4000_0000, 0x4000_0000];
/// QEMU has no more than 2 GiB. A kernel that touched what a larger board would have gets an abort.
const QEMU_RAM: u64 = 0x3b40_0000 + 0x4000_0000;

/// Boots as on a board with so many GiB of RAM. The files for it get `name`.
///
/// # Errors
///
/// When firmware or device tree cannot be had, or a file cannot be read or written.
pub fn boot(
    workspace: &Workspace,
    name: &str,
    gib: u32,
    load_at: Option<u64>,
    changes: &Tree,
    boot: Boot,
) -> Result<Boot> {
    let kernel_at = load_at.unwrap_or(KERNEL);
    let mut tree = Original::read(&fs::read(rpi4_tree::obtain(workspace)?)?)?;
    edit(&mut tree, gib, &words(&cmdline(workspace)?, gib, &boot.bootargs));
    let initrd = place_initrd(&mut tree, boot.initrd.as_deref())?;

    let blob = changes.blob(tree)?;
    let highest = (TOP - blob.len() as u64) & !(TREE_ALIGNMENT - 1);
    let tree_at = changes.at.unwrap_or(highest);
    let tree_file = file_of(workspace, name, "dtb");
    replace(&tree_file, &blob)?;

    let firmware = rpi4_firmware::obtain(workspace)?;
    let x0 = changes.x0.unwrap_or(tree_at);
    let stub = armstub(
        &firmware[rpi4_firmware::START],
        kernel_at.try_into()?,
        x0.try_into()?,
    )?;
    let stub_file = file_of(workspace, name, "stub");
    replace(&stub_file, &stub)?;

    let mut placed = vec![
        Placed::new(&stub_file, 0),
        Placed::new(&boot.image, kernel_at),
        Placed::new(&tree_file, tree_at),
    ];
    placed.extend(initrd);
    Ok(Boot {
        initrd: None,
        device_tree: None,
        bootargs: String::new(),
        placed,
        ..boot
    })
}

/// As high as the firmware puts it, and the tree told.
fn place_initrd(tree: &mut Original, initrd: Option<&Path>) -> Result<Option<Placed>> {
    let Some(file) = initrd else {
        return Ok(None);
    };
    let bytes = fs::metadata(file)
        .with_context(|| format!("cannot read {}", file.display()))?
        .len();
    let at = (TOP - TREE_ROOM - bytes) & !(PAGE - 1);
    tree.set_initrd(at, file)?;
    Ok(Some(Placed::new(file, at)))
}

fn cmdline(workspace: &Workspace) -> Result<String> {
    let path = workspace.root().join(CMDLINE);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The command line: the firmware's words, those of the card, and ours.
fn words(card: &str, gib: u32, ours: &str) -> String {
    let limit = match gib {
        1 | 2 => String::new(),
        _ => format!("mem={QEMU_RAM}"),
    };
    format!("{OWN_WORDS} {} {limit} {ours}", card.trim())
}

/// The firmware's changes to the tree.
fn edit(tree: &mut Original, gib: u32, words: &str) {
    let ram = match gib {
        1 => vec![RAM[0]],
        2 => vec![RAM[0], SECOND_GIB],
        4 => RAM[..2].to_vec(),
        _ => RAM.to_vec(),
    };
    tree.set_cells("/memory@0", "reg", &ram.concat());
    tree.set_text("/chosen", "bootargs", words);
    tree.set_cells("/chosen", "kaslr-seed", &[0, 0]);
    tree.set_text("/", "model", "Raspberry Pi 4 Model B Rev 1.4");
    tree.set_text("/", "serial-number", "100000000000000f");
    tree.set_cells("/system", "linux,revision", &[0x00d0_3114]);
}

#[cfg(test)]
mod tests {
    use super::{QEMU_RAM, edit, words};
    use crate::tree::{Original, Tree};
    use dtoolkit::fdt::Fdt;
    use dtoolkit::model::DeviceTree;
    use dtoolkit::{Node, Property};

    const FIXTURE: &[u8] = include_bytes!("../../../boards/testdata/rpi4.dtb");

    fn property(gib: u32, path: &str, name: &str) -> Vec<u8> {
        let mut tree = Original::read(FIXTURE).unwrap();
        edit(&mut tree, gib, "some words");
        let blob = Tree::default().blob(tree).unwrap();
        let tree = DeviceTree::from_fdt(&Fdt::new(&blob).unwrap());
        let node = tree.find_node(path).unwrap();
        node.property(name).unwrap().value().to_vec()
    }

    #[test]
    fn the_tree_tells_of_all_ram_but_what_graphics_and_devices_keep() {
        for (gib, mib) in [(1, 948), (2, 1972), (4, 3956), (8, 8052)] {
            let cells: Vec<u32> = property(gib, "/memory@0", "reg")
                .chunks(4)
                .map(|cell| u32::from_be_bytes(cell.try_into().unwrap()))
                .collect();
            let bytes: u64 = cells.chunks(3).map(|range| u64::from(range[2])).sum();
            assert_eq!(bytes, mib << 20, "{gib} GiB");
        }
        assert_eq!(QEMU_RAM, 1972 << 20);
    }

    #[test]
    fn the_tree_has_the_command_line_and_a_model_with_a_revision() {
        assert_eq!(property(2, "/chosen", "bootargs"), b"some words\0");
        assert!(property(2, "/", "model").starts_with(b"Raspberry Pi 4 Model B Rev "));
    }

    #[test]
    fn our_words_come_last_and_ram_that_qemu_has_not_got_is_not_to_be_touched() {
        let line = |gib| words("console=pl011\n", gib, "interactive=no");
        assert!(line(1).ends_with("console=pl011  interactive=no"));
        assert!(!line(2).contains(" mem="));
        assert!(
            line(8).ends_with("console=pl011 mem=2067791872 interactive=no"),
            "{}",
            line(8)
        );
    }
}
