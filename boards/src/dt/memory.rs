//! RAM and reserved memory.

use super::header::Reservations;
use super::ranges;
use super::tree::{Node, Tree};
use crate::memory::{MemoryMap, MemoryRange};
use addr::PhysAddr;

/// RAM from the memory nodes; what must be kept from the reservation block and `/reserved-memory`.
pub(super) fn memory(tree: &Tree<'_>, reservations: Reservations<'_>) -> MemoryMap {
    let mut map = MemoryMap::new();
    for range in tree
        .root()
        .children()
        .filter(is_ram)
        .flat_map(|node| ram_ranges(&node))
    {
        map.add_ram(range);
    }
    for range in reservations.chain(reserved_ranges(tree)) {
        map.add_reserved(range);
    }
    map
}

/// A memory node (Devicetree Specification, "/memory node"). The secure world's is disabled.
fn is_ram(node: &Node<'_>) -> bool {
    node.string("device_type") == Some("memory") && node.is_enabled()
}

/// Its ranges. Memory nodes have places for banks that are not fitted (size zero); a range that
/// wraps is no memory.
fn ram_ranges<'a>(node: &Node<'a>) -> impl Iterator<Item = MemoryRange> + use<'a> {
    ranges::reg(node).filter_map(|(start, bytes)| MemoryRange::new(PhysAddr::new(start), bytes))
}

/// The children of `/reserved-memory` that have a place. Those with a size only ask for memory
/// anywhere: for drivers that we do not have.
fn reserved_ranges<'a>(tree: &Tree<'a>) -> impl Iterator<Item = MemoryRange> + use<'a> {
    let parent = tree.root().child("reserved-memory").filter(Node::is_enabled);
    let children = parent.into_iter().flat_map(|node| node.children());
    children.filter(Node::is_enabled).flat_map(|node| places(&node))
}

/// All places of one child. One that cannot be translated is taken as it stands, and one that wraps
/// keeps everything up to the end: too much kept does less harm than too little.
fn places<'a>(node: &Node<'a>) -> impl Iterator<Item = MemoryRange> + use<'a> {
    let node = node.clone();
    ranges::reg(&node).filter_map(move |(start, bytes)| {
        let start = ranges::cpu_address(&node, start, bytes).unwrap_or(start);
        MemoryRange::between(PhysAddr::new(start), PhysAddr::new(start.saturating_add(bytes)))
    })
}
