//! The interrupt controller, and which interrupt a device raises.
//!
//! The GIC's binding has three cells per interrupt: kind (0 shared, 1 private), number, flags
//! (devicetree bindings, "ARM Generic Interrupt Controller").

use super::ranges::registers;
use super::tree::{Cells, Node, Tree};
use crate::board::{Gic, TimerIrqs};
use crate::irq::Irq;

const GIC_V2: &[&str] = &[
    "arm,gic-400",
    "arm,cortex-a15-gic",
    "arm,cortex-a9-gic",
    "arm,cortex-a7-gic",
];
const GIC_V3: &[&str] = &["arm,gic-v3"];

/// The first GIC with both its register blocks in reach.
pub(super) fn gic(tree: &Tree<'_>) -> Option<Gic> {
    tree.nodes()
        .filter(Node::is_enabled)
        .find_map(|node| gic_at(&node))
}

/// The EL1 interrupts of the generic timer. By the binding ("ARM architected timer") their order is
/// secure physical, physical, virtual, hypervisor, unless `interrupt-names` gives another.
pub(super) fn timer(tree: &Tree<'_>) -> Option<TimerIrqs> {
    let node = tree.devices(&["arm,armv8-timer"]).next()?;
    let place = |name, otherwise| {
        let named = node.property("interrupt-names").is_some();
        if named {
            node.strings("interrupt-names").position(|it| it == name)
        } else {
            Some(otherwise)
        }
    };
    Some(TimerIrqs {
        physical: irq(tree, &node, place("phys", 1)?)?,
        virt: irq(tree, &node, place("virt", 2)?)?,
    })
}

/// The interrupt number `at` of a device, if it goes to a GIC, straight or by way of one map.
pub(super) fn irq(tree: &Tree<'_>, node: &Node<'_>, at: usize) -> Option<Irq> {
    if node.property("interrupts-extended").is_some() {
        return extended_irq(tree, node, at);
    }
    let parent = interrupt_parent(tree, node)?;
    let width = usize::try_from(parent.cell("#interrupt-cells")?).ok()?;
    let mut cells = node.cells("interrupts");
    skip(&mut cells, width.checked_mul(at)?)?;
    if interrupt_cells(&parent).is_some() {
        intid(cells)
    } else {
        mapped(tree, &parent, cells)
    }
}

/// The controller that the node or one above it names, or the bus with a map of interrupts that comes before.
fn interrupt_parent<'a>(tree: &Tree<'a>, node: &Node<'a>) -> Option<Node<'a>> {
    let is_map = |above: &Node<'a>| above != node && above.property("interrupt-map").is_some();
    let names = |above: &Node<'a>| above.property("interrupt-parent").is_some();
    let above = node
        .with_ancestors()
        .find(|above| is_map(above) || names(above))?;
    if is_map(&above) {
        return Some(above);
    }
    tree.by_phandle(above.cell("interrupt-parent")?)
}

/// What a bus between device and GIC makes of `interrupt` (Devicetree Specification, "Interrupt Nexus and Interrupt
/// Mapping"). Maps that go by a device's address as well are for PCI, and those to several controllers are not
/// followed.
fn mapped(tree: &Tree<'_>, bus: &Node<'_>, interrupt: Cells<'_>) -> Option<Irq> {
    let address = usize::try_from(bus.address_cells()).ok()?;
    let width = usize::try_from(bus.cell("#interrupt-cells")?).ok()?;
    let mut mask = bus.cells("interrupt-map-mask");
    (0..address).try_for_each(|_| (mask.next_cell()? == 0).then_some(()))?;

    let mut map = bus.cells("interrupt-map");
    let mut first = map;
    skip(&mut first, address.checked_add(width)?)?;
    let phandle = first.next_cell()?;
    let controller = tree.by_phandle(phandle)?;
    let controller_address = usize::try_from(controller.cell("#address-cells").unwrap_or(0)).ok()?;
    let controller_width = interrupt_cells(&controller)?;
    while !map.is_empty() {
        skip(&mut map, address)?;
        let is_wanted = matches(&mut map, width, interrupt, mask)?;
        if map.next_cell()? != phandle {
            return None;
        }
        skip(&mut map, controller_address)?;
        if is_wanted {
            return intid(map);
        }
        skip(&mut map, controller_width)?;
    }
    None
}

/// Whether the next `width` cells of `map` are `wanted`, as far as `mask` goes.
fn matches(map: &mut Cells<'_>, width: usize, mut wanted: Cells<'_>, mut mask: Cells<'_>) -> Option<bool> {
    (0..width).try_fold(true, |same, _| {
        Some(same & (map.next_cell()? == wanted.next_cell()? & mask.next_cell()?))
    })
}

/// As above, where each interrupt names its own controller.
fn extended_irq(tree: &Tree<'_>, node: &Node<'_>, at: usize) -> Option<Irq> {
    let mut cells = node.cells("interrupts-extended");
    for _ in 0..at {
        let controller = tree.by_phandle(cells.next_cell()?)?;
        // Any controller will do here: it is only stepped over.
        let width = usize::try_from(controller.cell("#interrupt-cells")?).ok()?;
        skip(&mut cells, width)?;
    }
    interrupt_cells(&tree.by_phandle(cells.next_cell()?)?)?;
    intid(cells)
}

fn gic_at(node: &Node<'_>) -> Option<Gic> {
    if node.is_compatible(GIC_V2) {
        Some(Gic::V2 {
            distributor: registers(node, 0)?,
            cpu_interface: registers(node, 1)?,
        })
    } else if node.is_compatible(GIC_V3) {
        Some(Gic::V3 {
            distributor: registers(node, 0)?,
            redistributors: registers(node, 1)?,
        })
    } else {
        None
    }
}

/// How many cells an interrupt of this GIC takes; `None` if it is no GIC.
fn interrupt_cells(controller: &Node<'_>) -> Option<usize> {
    let is_gic = controller.is_compatible(GIC_V2) || controller.is_compatible(GIC_V3);
    let cells = usize::try_from(controller.cell("#interrupt-cells")?).ok()?;
    (is_gic && cells >= 3).then_some(cells)
}

fn intid(mut cells: Cells<'_>) -> Option<Irq> {
    let (kind, number, _flags) = (cells.next_cell()?, cells.next_cell()?, cells.next_cell()?);
    match kind {
        0 => Irq::shared(number),
        1 => Irq::private(number),
        _ => None,
    }
}

fn skip(cells: &mut Cells<'_>, count: usize) -> Option<()> {
    (0..count).try_for_each(|_| cells.next_cell().map(|_| ()))
}
