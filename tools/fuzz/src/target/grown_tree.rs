//! Well-formed trees that say anything: bytes are instructions to a gardener who knows the words that we look for.
//!
//! Mutating a blob breaks it more often than not. A tree made this way gets past the checks of the blob each
//! time, so the search goes on in what reads the facts: buses, cells, references, ranges.

use super::device_tree;
use dtoolkit::memreserve::MemoryReservation;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

/// Names of nodes: those that mean something, and others.
const NODES: &[&str] = &[
    "chosen",
    "aliases",
    "cpus",
    "reserved-memory",
    "memory@0",
    "memory@40000000",
    "soc",
    "bus@1",
    "cpu@0",
    "cpu@1",
    "serial@0",
    "serial@1000",
    "timer",
    "psci",
    "gic@0",
    "gic@1000",
    "clock",
    "a",
    "b@0",
    "region@1000",
    "a-name-longer-than-the-parser-takes-at-once@1000",
];

/// Names of properties that we read.
const PROPERTIES: &[&str] = &[
    "#address-cells",
    "#size-cells",
    "reg",
    "ranges",
    "status",
    "compatible",
    "device_type",
    "phandle",
    "interrupt-parent",
    "interrupts",
    "interrupts-extended",
    "#interrupt-cells",
    "interrupt-names",
    "clocks",
    "clock-frequency",
    "enable-method",
    "cpu-release-addr",
    "method",
    "bootargs",
    "stdout-path",
    "linux,initrd-start",
    "linux,initrd-end",
    "model",
    "serial0",
    "serial1",
];

/// Texts that mean something somewhere.
const TEXTS: &[&str] = &[
    "okay",
    "disabled",
    "memory",
    "cpu",
    "arm,pl011",
    "brcm,bcm2835-aux-uart",
    "arm,gic-400",
    "arm,gic-v3",
    "arm,armv8-timer",
    "arm,psci-1.0",
    "hvc",
    "smc",
    "psci",
    "spin-table",
    "fixed-clock",
    "brcm,bcm2711",
    "linux,dummy-virt",
    "brcm,bcm2711-gpio",
    "arm,pl031",
    "serial0",
    "serial1:115200",
    "/soc/serial@0",
    "/serial@1000",
    "/bus@1/serial",
    "console=mini-uart console=serial1",
    "console=/soc/serial@0",
    "phys",
    "virt",
    "",
];

/// Numbers that are near something.
const NUMBERS: &[u32] = &[
    0,
    1,
    2,
    3,
    4,
    0x1000,
    0x8000,
    0x4000_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_f000,
    0xffff_ffff,
];

pub fn run(bytes: &[u8]) {
    device_tree::run(&Gardener(bytes).tree().to_dtb());
}

/// Reads instructions; when they are used up, everything is 0.
struct Gardener<'a>(&'a [u8]);

impl Gardener<'_> {
    fn tree(&mut self) -> DeviceTree {
        let mut tree = DeviceTree::new();
        for _ in 0..self.below(4) {
            let (start, bytes) = (self.number(), self.number());
            tree.memory_reservations
                .push(MemoryReservation::new(start.into(), u64::from(bytes) << 4));
        }
        self.fill(&mut tree.root, 0);
        tree
    }

    /// Adds properties and children until told to stop.
    fn fill(&mut self, node: &mut DeviceTreeNode, depth: u32) {
        loop {
            match self.below(4) {
                0 => return,
                1 if depth < 6 => {
                    let mut child = DeviceTreeNode::new_unchecked(self.choose(NODES));
                    self.fill(&mut child, depth + 1);
                    node.add_child(child);
                }
                _ => {
                    let name = self.choose(PROPERTIES);
                    node.add_property(DeviceTreeProperty::new_unchecked(name, self.value()));
                }
            }
        }
    }

    fn value(&mut self) -> Vec<u8> {
        let count = self.below(8);
        match self.below(3) {
            0 => (0..count).flat_map(|_| self.number().to_be_bytes()).collect(),
            1 => (0..count)
                .flat_map(|_| [self.choose(TEXTS).as_bytes(), b"\0"].concat())
                .collect(),
            _ => (0..count).map(|_| self.byte()).collect(),
        }
    }

    fn number(&mut self) -> u32 {
        match self.byte() {
            near @ ..128 => NUMBERS[usize::from(near) % NUMBERS.len()],
            exact => u32::from(exact) << self.below(32),
        }
    }

    fn choose<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[usize::from(self.byte()) % from.len()]
    }

    fn below(&mut self, limit: u8) -> u8 {
        self.byte() % limit
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }
}
