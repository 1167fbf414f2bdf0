//! Questions to the index that `fdt-rs` builds: paths, phandles, cells, status.

use super::name::ShortName;
use fdt_rs::index::{DevTreeIndex, DevTreeIndexNode};
use fdt_rs::prelude::PropReader;

/// A whole tree.
pub(super) struct Tree<'a> {
    index: &'a DevTreeIndex<'a, 'a>,
}

/// One node of it.
#[derive(Clone, PartialEq)]
pub(super) struct Node<'a>(DevTreeIndexNode<'a, 'a, 'a>);

impl<'a> Tree<'a> {
    pub(super) fn new(index: &'a DevTreeIndex<'a, 'a>) -> Self {
        Self { index }
    }

    pub(super) fn root(&self) -> Node<'a> {
        Node(self.index.root())
    }

    /// All nodes, parents before children, in the order of the tree.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        self.index.nodes().map(Node)
    }

    /// The enabled nodes that are compatible with one of `kinds`.
    pub(super) fn devices<'k>(&self, kinds: &'k [&'k str]) -> impl Iterator<Item = Node<'a>> + use<'a, 'k> {
        self.nodes()
            .filter(move |node| node.is_compatible(kinds) && node.is_enabled())
    }

    /// The node at `path`, which begins with `/` or with an alias. Unit addresses may be left out,
    /// where the first match will do (Devicetree Specification, "Path Names").
    pub(super) fn at_path(&self, path: &str) -> Option<Node<'a>> {
        if path.starts_with('/') {
            return self.at_full_path(path);
        }
        let (alias, below) = path.split_once('/').unwrap_or((path, ""));
        let start = self.at_full_path(self.root().child("aliases")?.string(alias)?)?;
        start.descend(below)
    }

    /// The node that others call `phandle`.
    pub(super) fn by_phandle(&self, phandle: u32) -> Option<Node<'a>> {
        self.nodes().find(|node| node.cell("phandle") == Some(phandle))
    }

    fn at_full_path(&self, path: &str) -> Option<Node<'a>> {
        path.starts_with('/').then(|| self.root().descend(path)).flatten()
    }
}

impl<'a> Node<'a> {
    /// The name with its unit address; a name that is no text is empty.
    pub(super) fn name(&self) -> &'a str {
        self.0.name().unwrap_or_default()
    }

    pub(super) fn parent(&self) -> Option<Self> {
        self.0.parent().map(Self)
    }

    /// The node, its parent, and so on up to the root.
    pub(super) fn with_ancestors(&self) -> impl Iterator<Item = Self> + use<'a> {
        core::iter::successors(Some(self.clone()), Self::parent)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = Self> + use<'a> {
        self.0.children().map(Self)
    }

    /// The child called `name`; without a unit address, the first whose name has that front part.
    pub(super) fn child(&self, name: &str) -> Option<Self> {
        let short = ShortName::of(name.as_bytes());
        let front = |node: &Self| node.name().split('@').next().map(str::as_bytes) == Some(short.as_bytes());
        let mut exact = self
            .children()
            .filter(|node| node.name().as_bytes() == short.as_bytes());
        exact.next().or_else(|| self.children().find(front))
    }

    /// The value of a property.
    pub(super) fn property(&self, name: &str) -> Option<&'a [u8]> {
        self.0
            .props()
            .find(|property| is_called(property, name))
            .map(|property| property.raw())
    }

    /// The strings of a property; one that is no text ends them.
    pub(super) fn strings(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let value = self.property(name).unwrap_or_default();
        let terminated = value.strip_suffix(&[0]);
        let parts = terminated.map(|strings| strings.split(|byte| *byte == 0));
        parts
            .into_iter()
            .flatten()
            .map_while(|bytes| core::str::from_utf8(bytes).ok())
    }

    /// The first string of a property.
    pub(super) fn string(&self, name: &str) -> Option<&'a str> {
        self.strings(name).next()
    }

    /// A property of one cell.
    pub(super) fn cell(&self, name: &str) -> Option<u32> {
        let bytes = self.property(name)?;
        bytes.try_into().ok().map(u32::from_be_bytes)
    }

    /// The cells of a property; none if it is absent.
    pub(super) fn cells(&self, name: &str) -> Cells<'a> {
        Cells(self.property(name).unwrap_or_default())
    }

    /// Whether `compatible` has one of `kinds`.
    pub(super) fn is_compatible(&self, kinds: &[&str]) -> bool {
        self.strings("compatible").any(|kind| kinds.contains(&kind))
    }

    /// Whether the node and all it is part of are in use (Devicetree Specification, "status").
    pub(super) fn is_enabled(&self) -> bool {
        self.with_ancestors().all(|node| node.status_is_okay())
    }

    /// Whether this very node is in use.
    pub(super) fn status_is_okay(&self) -> bool {
        self.property("status").is_none() || matches!(self.string("status"), Some("okay" | "ok"))
    }

    /// How many cells an address of its children takes.
    pub(super) fn address_cells(&self) -> u32 {
        self.cell("#address-cells").unwrap_or(2)
    }

    /// How many cells a size of its children takes.
    pub(super) fn size_cells(&self) -> u32 {
        self.cell("#size-cells").unwrap_or(1)
    }

    fn descend(&self, path: &str) -> Option<Self> {
        let steps = path.split('/').filter(|step| !step.is_empty());
        steps
            .into_iter()
            .try_fold(self.clone(), |node, step| node.child(step))
    }
}

/// Whether `property` has that name. Most of boot is this question, so bytes are compared, and no name is read to
/// its end that begins differently.
fn is_called<'a>(property: &impl PropReader<'a>, name: &str) -> bool {
    let tree = property.fdt();
    let names = tree.buf().get(tree.off_dt_strings() + property.nameoff()..);
    let behind = names.and_then(|names| names.strip_prefix(name.as_bytes()));
    behind.is_some_and(|behind| behind.first() == Some(&0))
}

/// The cells of a property, taken from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells<'a>(&'a [u8]);

impl Cells<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number in the next `count` cells, the more significant first. `None` if there are fewer,
    /// or if the number has more than 64 bits (PCI's addresses do: their first cell is no address).
    pub(super) fn take(&mut self, count: u32) -> Option<u64> {
        if count > 2 {
            return None;
        }
        (0..count).try_fold(0, |number, _| Some(number << 32 | u64::from(self.next_cell()?)))
    }

    /// The next cell.
    pub(super) fn next_cell(&mut self) -> Option<u32> {
        let (cell, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*cell))
    }
}
