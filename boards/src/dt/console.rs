//! Which serial port to talk to.
//!
//! A word on the command line counts most, then `stdout-path` if it leads to a PL011, then any
//! PL011, then a mini UART. The detour is for the Raspberry Pi, whose trees name the mini UART: its
//! baud rate follows the clock of the graphics core, and under QEMU it is not the first port.

use super::chosen;
use super::interrupts::irq;
use super::ranges::registers;
use super::tree::{Node, Tree};
use crate::board::{Board, BoardKind, ConsoleDevice, ConsoleKind};
use crate::options::Options;
use crate::rpi4;
use crate::text::Text;

const PL011: &[&str] = &["arm,pl011"];
const MINI_UART: &[&str] = &["brcm,bcm2835-aux-uart"];

/// The serial port for messages and input.
///
/// On the command line, `console=` takes `pl011`, `mini-uart`, or an alias or path of the tree;
/// what leads to no port of ours (`ttyAMA0`) is passed over, and the last that does counts.
pub(super) fn console(
    tree: &Tree<'_>,
    board: BoardKind,
    bootargs: &Text<{ Board::MAX_BOOTARGS }>,
) -> Option<ConsoleDevice> {
    let port = |node: &Node<'_>| port(tree, board, node);
    let first = |kinds| tree.devices(kinds).find_map(|node| port(&node));
    let asked = Options::new(bootargs.as_str())
        .values("console")
        .filter_map(|word| match word {
            "pl011" => first(PL011),
            "mini-uart" => first(MINI_UART),
            path => port(&tree.at_path(path)?),
        });
    let stdout =
        || port(&tree.at_path(chosen::stdout_path(tree)?)?).filter(|it| it.kind == ConsoleKind::Pl011);
    asked
        .last()
        .or_else(stdout)
        .or_else(|| first(PL011))
        .or_else(|| first(MINI_UART))
}

/// The port at `node`, if it is one of ours, enabled and in reach.
fn port(tree: &Tree<'_>, board: BoardKind, node: &Node<'_>) -> Option<ConsoleDevice> {
    let kind = kind(node).filter(|_| node.is_enabled())?;
    let clock_hz = match (kind, board) {
        (ConsoleKind::Pl011, BoardKind::RaspberryPi4) => Some(rpi4::PL011_CLOCK_HZ),
        _ => clock(tree, node),
    };
    Some(ConsoleDevice {
        kind,
        registers: registers(node, 0)?,
        irq: irq(tree, node, 0),
        clock_hz,
    })
}

fn kind(node: &Node<'_>) -> Option<ConsoleKind> {
    if node.is_compatible(PL011) {
        Some(ConsoleKind::Pl011)
    } else if node.is_compatible(MINI_UART) {
        Some(ConsoleKind::MiniUart)
    } else {
        None
    }
}

/// The rate of the first clock, which for a PL011 is the one that divides down to the baud rate.
fn clock(tree: &Tree<'_>, node: &Node<'_>) -> Option<u32> {
    let clock = tree.by_phandle(node.cells("clocks").next_cell()?)?;
    let fixed = clock
        .is_compatible(&["fixed-clock"])
        .then(|| clock.cell("clock-frequency"))
        .flatten();
    fixed.filter(|hz| *hz > 0)
}
