//! CPUs, and the ways to start them.

use super::ranges;
use super::tree::{Node, Tree};
use crate::board::{Board, Cpu, EnableMethod, Mpidr, PsciConduit};
use crate::list::List;
use addr::PhysAddr;

/// The CPUs in use. Those that find no room are left out: they stay parked.
pub(super) fn cpus(tree: &Tree<'_>) -> List<Cpu, { Board::MAX_CPUS }> {
    let mut list = List::new();
    let parent = tree.root().child("cpus");
    let found = parent
        .into_iter()
        .flat_map(|node| node.children())
        .filter_map(|node| cpu(&node));
    for cpu in found {
        if list.push(cpu).is_err() {
            break;
        }
    }
    list
}

/// How PSCI firmware is entered. The functions of PSCI 0.1 have other numbers, so it does not count.
pub(super) fn psci(tree: &Tree<'_>) -> Option<PsciConduit> {
    let node = tree.devices(&["arm,psci-0.2", "arm,psci-1.0"]).next()?;
    match node.string("method")? {
        "hvc" => Some(PsciConduit::Hvc),
        "smc" => Some(PsciConduit::Smc),
        _ => None,
    }
}

fn cpu(node: &Node<'_>) -> Option<Cpu> {
    if node.string("device_type") != Some("cpu") || !node.is_enabled() {
        return None;
    }
    // `/cpus` has no size cells, so an entry is an address alone.
    let (mpidr, _) = ranges::reg(node).next()?;
    Some(Cpu {
        mpidr: Mpidr::from_raw(mpidr),
        enable: enable_method(node),
    })
}

/// Each CPU's own method counts; the Pi's `/cpus` has one besides, for 32-bit kernels.
fn enable_method(node: &Node<'_>) -> EnableMethod {
    match node.string("enable-method") {
        Some("psci") => EnableMethod::Psci,
        Some("spin-table") => spin_table(node).unwrap_or(EnableMethod::Unknown),
        _ => EnableMethod::Unknown,
    }
}

fn spin_table(node: &Node<'_>) -> Option<EnableMethod> {
    let release = node.cells("cpu-release-addr").take(2)?;
    Some(EnableMethod::SpinTable {
        release: PhysAddr::new(release),
    })
}
