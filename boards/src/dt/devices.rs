//! The board's name and its small devices.

use super::ranges::registers;
use super::tree::{Node, Tree};
use crate::board::{BoardKind, RegisterBlock};
use crate::{qemu_virt, rpi4};

/// Which board it is, by the root's `compatible`.
pub(super) fn board_kind(root: &Node<'_>) -> BoardKind {
    if root.is_compatible(qemu_virt::COMPATIBLE) {
        BoardKind::QemuVirt
    } else if root.is_compatible(rpi4::COMPATIBLE) {
        BoardKind::RaspberryPi4
    } else {
        BoardKind::Other
    }
}

/// The PL031 real-time clock.
pub(super) fn rtc(tree: &Tree<'_>) -> Option<RegisterBlock> {
    first(tree, &["arm,pl031"])
}

/// The BCM2711's GPIO block.
pub(super) fn gpio(tree: &Tree<'_>) -> Option<RegisterBlock> {
    first(tree, &["brcm,bcm2711-gpio"])
}

/// The BCM2711's power management block.
pub(super) fn watchdog(tree: &Tree<'_>) -> Option<RegisterBlock> {
    first(
        tree,
        &["brcm,bcm2711-pm", "brcm,bcm2835-pm", "brcm,bcm2835-pm-wdt"],
    )
}

fn first(tree: &Tree<'_>, kinds: &[&str]) -> Option<RegisterBlock> {
    tree.devices(kinds).find_map(|node| registers(&node, 0))
}
