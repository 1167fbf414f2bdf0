//! `reg` and `ranges`: from a device's own address to the CPU's.
//!
//! A bus maps the addresses of its children to its parent's by `ranges`; without that property
//! they cannot be reached, an empty one means that they are the same (Devicetree Specification,
//! "ranges"). The Raspberry Pi's GIC is at 0x40041000 by its `reg` and at 0xff841000 for the CPU.

use super::tree::Node;
use crate::board::RegisterBlock;
use addr::PhysAddr;

/// The entry number `at` of `reg`, as the CPU addresses it.
pub(super) fn registers(node: &Node<'_>, at: usize) -> Option<RegisterBlock> {
    let (base, bytes) = reg(node).nth(at)?;
    let base = cpu_address(node, base, bytes)?;
    Some(RegisterBlock {
        base: PhysAddr::new(base),
        bytes,
    })
}

/// The entries of `reg` as they stand: address and size.
pub(super) fn reg<'a>(node: &Node<'a>) -> impl Iterator<Item = (u64, u64)> + use<'a> {
    let cells = node.parent().map(|bus| (bus.address_cells(), bus.size_cells()));
    let mut values = node.cells("reg");
    core::iter::from_fn(move || {
        // Entries without a cell would never use up the property.
        let (address_cells, size_cells) = cells.filter(|cells| *cells != (0, 0))?;
        if values.is_empty() {
            return None;
        }
        Some((values.take(address_cells)?, values.take(size_cells)?))
    })
}

/// Carries the `bytes` bytes at `address` on `node`'s bus up to the root.
pub(super) fn cpu_address(node: &Node<'_>, address: u64, bytes: u64) -> Option<u64> {
    let buses = node.with_ancestors().skip(1);
    buses
        .take_while(|bus| bus.parent().is_some())
        .try_fold(address, |address, bus| through(&bus, address, bytes))
}

/// From `bus`'s side of a bridge to its parent's.
fn through(bus: &Node<'_>, address: u64, bytes: u64) -> Option<u64> {
    bus.property("ranges")?;
    let mut ranges = bus.cells("ranges");
    if ranges.is_empty() {
        return Some(address);
    }
    let parent_cells = bus.parent()?.address_cells();
    let (child_cells, size_cells) = (bus.address_cells(), bus.size_cells());
    if size_cells == 0 {
        return None;
    }
    while !ranges.is_empty() {
        let child = ranges.take(child_cells)?;
        let parent = ranges.take(parent_cells)?;
        let size = ranges.take(size_cells)?;
        if let Some(offset) = offset_within(address, bytes, child, size) {
            return parent.checked_add(offset);
        }
    }
    None
}

/// How far `address` lies behind `start`, if all `bytes` bytes lie in the `size` bytes there.
fn offset_within(address: u64, bytes: u64, start: u64, size: u64) -> Option<u64> {
    let offset = address.checked_sub(start)?;
    let room = size.checked_sub(offset)?;
    (bytes <= room).then_some(offset)
}
