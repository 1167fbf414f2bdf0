//! What the firmware of a Raspberry Pi 4 makes of the tree on the card before it starts the kernel.
//!
//! Its edits are those that logs of boards and the firmware's documentation tell of: memory filled in for the
//! board's size, the words of `cmdline.txt` behind its own, the initramfs, revision and serial number. No
//! board was at hand.

use super::fixture;
use dtoolkit::fdt::Fdt;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

/// GiB of RAM of the boards that are sold.
pub const SIZES: [u32; 4] = [1, 2, 4, 8];

/// The size of an address in `/chosen`: older firmware writes one cell, newer two.
#[derive(Clone, Copy, Debug)]
pub enum Width {
    OneCell,
    TwoCells,
}

/// Where the firmware puts the initramfs, in all these trees.
pub const INITRD: (u64, u64) = (0x2e5a_5000, 0x2e5b_d6a6);

/// The firmware's own words, which come first.
const OWN_WORDS: &str = "coherent_pool=1M 8250.nr_uarts=1 snd_bcm2835.enable_headphones=0 \
    bcm2708_fb.fbwidth=0 bcm2708_fb.fbheight=0 smsc95xx.macaddr=DC:A6:32:00:00:00 \
    vc_mem.mem_base=0x3ec00000 vc_mem.mem_size=0x40000000  console=ttyS0,115200";

/// Cells of `/memory@0:reg`, two for an address and one for a size: what the graphics core and the devices below
/// 4 GiB leave of the RAM.
fn memory(gib: u32) -> Vec<u32> {
    let entries: &[[u32; 3]] = match gib {
        1 => &[[0, 0, 0x3b40_0000]],
        2 => &[[0, 0, 0x3b40_0000], [0, 0x4000_0000, 0x4000_0000]],
        4 => &[[0, 0, 0x3b40_0000], [0, 0x4000_0000, 0xbc00_0000]],
        8 => &[
            [0, 0, 0x3b40_0000],
            [0, 0x4000_0000, 0xbc00_0000],
            [1, 0, 0x8000_0000],
            [1, 0x8000_0000, 0x8000_0000],
        ],
        _ => panic!("no board has {gib} GiB"),
    };
    entries.concat()
}

/// The tree that the kernel gets on a board with so many GiB of RAM, with `words` in its `cmdline.txt`.
pub fn patched(gib: u32, width: Width, words: &str) -> Vec<u8> {
    let mut tree = card();
    set_cells(&mut tree, "/memory@0", "reg", &memory(gib));
    let (start, end) = INITRD;
    for (name, address) in [("linux,initrd-start", start), ("linux,initrd-end", end)] {
        let cells = [(address >> 32) as u32, address as u32];
        match width {
            Width::OneCell => set_cells(&mut tree, "/chosen", name, &cells[1..]),
            Width::TwoCells => set_cells(&mut tree, "/chosen", name, &cells),
        }
    }
    set_text(&mut tree, "/chosen", "bootargs", &format!("{OWN_WORDS} {words}"));
    set_cells(&mut tree, "/chosen", "kaslr-seed", &[0, 0]);
    set_text(&mut tree, "/", "model", "Raspberry Pi 4 Model B Rev 1.4");
    set_text(&mut tree, "/", "serial-number", "100000000000000f");
    tree.root.add_child(DeviceTreeNode::new_unchecked("system"));
    set_cells(&mut tree, "/system", "linux,revision", &[0x00d0_3114]);
    tree.to_dtb()
}

/// The tree on the card, to be changed.
pub fn card() -> DeviceTree {
    parse(&fixture("rpi4"))
}

/// A blob as a tree that can be changed.
pub fn parse(blob: &[u8]) -> DeviceTree {
    DeviceTree::from_fdt(&Fdt::new(blob).expect("a tree in order"))
}

pub fn set_cells(tree: &mut DeviceTree, path: &str, name: &str, cells: &[u32]) {
    let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
    set(tree, path, name, bytes);
}

pub fn set_text(tree: &mut DeviceTree, path: &str, name: &str, text: &str) {
    set(tree, path, name, [text.as_bytes(), b"\0"].concat());
}

fn set(tree: &mut DeviceTree, path: &str, name: &str, bytes: Vec<u8>) {
    let node = tree
        .find_node_mut(path)
        .unwrap_or_else(|| panic!("no node {path}"));
    node.add_property(DeviceTreeProperty::new_unchecked(name, bytes));
}
