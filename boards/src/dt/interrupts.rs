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

/// The interrupt number `at` of a device, if it goes straight to a GIC.
pub(super) fn irq(tree: &Tree<'_>, node: &Node<'_>, at: usize) -> Option<Irq> {
    if node.property("interrupts-extended").is_some() {
        return extended_irq(tree, node, at);
    }
    let phandle = node
        .with_ancestors()
        .find_map(|node| node.cell("interrupt-parent"))?;
    let width = interrupt_cells(&tree.by_phandle(phandle)?)?;
    let mut cells = node.cells("interrupts");
    skip(&mut cells, width.checked_mul(at)?)?;
    intid(cells)
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
