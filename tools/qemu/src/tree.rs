//! Device trees that are wrong, or unusual: the machine's own, with the changes that a case file lists.
//!
//! ```toml
//! [[trees]]
//! name = "no-timer"                                   # part of the trial's name
//! says = "the device tree has no generic timer"       # why the kernel cannot start; without it, it starts
//! halts = true                                        # and then it halts; without it, it ends with status 1
//! remove = ["/timer", "/chosen:stdout-path"]          # nodes and properties
//! set = { "/memory:reg" = [0, 0x4000_0000, 0, 0] }    # cells, a text, or several; missing nodes are made
//! nest = 40                                           # that many nodes, one in the other
//! reserve = [[0x4000_0000, 0x1000]]                   # entries of the memory reservation block
//! header = { totalsize = 0x100 }                      # words of the header, by the specification's names
//! cut = 1000                                          # only so many bytes reach memory
//! pad = 4096                                          # so many zeros follow, and totalsize counts them
//! at = 0x100_0008                                     # where the tree lies, counted from the start of RAM
//! x0 = 0                                              # what the kernel gets instead of its address
//! aborts = 1                                          # exceptions that the kernel may take before it gives up
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use dtoolkit::fdt::Fdt;
use dtoolkit::memreserve::MemoryReservation;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use serde::Deserialize;

use crate::chain::file_name;
use crate::machine::{Boot, Console, Machine, cannot_start, shell_line};

/// Changes to a device tree, and where it goes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tree {
    /// Part of the trial's name.
    pub name: String,
    /// What the kernel says instead of starting.
    pub says: Option<String>,
    /// It cannot end the machine after that.
    pub halts: bool,
    /// So many exceptions are in order before that.
    pub aborts: usize,
    remove: Vec<String>,
    set: BTreeMap<String, Value>,
    nest: usize,
    reserve: Vec<(u64, u64)>,
    header: BTreeMap<Field, u32>,
    cut: Option<usize>,
    pad: usize,
    /// How far behind the start of RAM it lies, if not at the usual place.
    pub at: Option<u64>,
    /// What x0 holds, if not its address.
    pub x0: Option<u64>,
}

/// A property's value.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Texts(Vec<String>),
    Cells(Vec<u32>),
}

/// The words of a header, in order (Devicetree Specification, "Header").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Field {
    Magic,
    Totalsize,
    OffDtStruct,
    OffDtStrings,
    OffMemRsvmap,
    Version,
    LastCompVersion,
    BootCpuidPhys,
    SizeDtStrings,
    SizeDtStruct,
}

/// A device tree that is in order.
pub struct Original(DeviceTree);

/// The tree that QEMU would give this machine.
///
/// # Errors
///
/// When QEMU does not write it to `file`.
pub fn of(machine: &Machine, boot: &Boot, file: &Path) -> Result<Original> {
    dump(&machine.command(boot, Console::Stream), file)?;
    let blob = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Original::read(&blob)
}

/// Has QEMU write the tree that it would boot with.
///
/// # Errors
///
/// When it does not.
pub fn dump(usual: &Command, file: &Path) -> Result<()> {
    let folder = file.parent().expect("an output file lies in a folder");
    fs::create_dir_all(folder)?;
    let mut command = Command::new(usual.get_program());
    command.args(usual.get_args());
    command.args(["-M", &format!("dumpdtb={}", file_name(file))]);
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| cannot_start(&command))?;
    ensure!(
        output.status.success(),
        "QEMU does not tell its device tree:\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        shell_line(&command)
    );
    Ok(())
}

impl Original {
    /// Reads a blob.
    ///
    /// # Errors
    ///
    /// When it is damaged.
    pub fn read(blob: &[u8]) -> Result<Self> {
        let tree = Fdt::new(blob).context("the device tree is not in order")?;
        Ok(Self(DeviceTree::from_fdt(&tree)))
    }

    /// Sets a property to cells; a missing node is made.
    pub fn set_cells(&mut self, path: &str, name: &str, cells: &[u32]) {
        self.set(path, name, &Value::Cells(cells.to_vec()));
    }

    /// Sets a property to a text; a missing node is made.
    pub fn set_text(&mut self, path: &str, name: &str, text: &str) {
        self.set(path, name, &Value::Text(text.into()));
    }

    fn set(&mut self, path: &str, name: &str, value: &Value) {
        node(&mut self.0, path).add_property(DeviceTreeProperty::new_unchecked(name, value.bytes()));
    }

    /// Says that the initrd, which is `file`, is at `at`.
    ///
    /// # Errors
    ///
    /// When the file is not there.
    pub fn set_initrd(&mut self, at: u64, file: &Path) -> Result<()> {
        let bytes = fs::metadata(file)
            .with_context(|| format!("cannot read {}", file.display()))?
            .len();
        let chosen = node(&mut self.0, "/chosen");
        for (name, address) in [("linux,initrd-start", at), ("linux,initrd-end", at + bytes)] {
            chosen.add_property(DeviceTreeProperty::new_unchecked(
                name,
                address.to_be_bytes().as_slice(),
            ));
        }
        Ok(())
    }
}

impl Tree {
    /// The bytes that go into memory.
    ///
    /// # Errors
    ///
    /// When something to be removed is not there.
    pub fn blob(&self, original: Original) -> Result<Vec<u8>> {
        let mut tree = original.0;
        for path in &self.remove {
            remove(&mut tree, path)?;
        }
        for (path, value) in &self.set {
            let (path, name) = path
                .split_once(':')
                .with_context(|| format!("`{path}` names no property"))?;
            node(&mut tree, path).add_property(DeviceTreeProperty::new_unchecked(name, value.bytes()));
        }
        if self.nest > 0 {
            node(&mut tree, &"/nested".repeat(self.nest));
        }
        let reservations = self
            .reserve
            .iter()
            .map(|(start, bytes)| MemoryReservation::new(*start, *bytes));
        tree.memory_reservations.extend(reservations);
        Ok(self.damage(tree.to_dtb()))
    }

    fn damage(&self, mut blob: Vec<u8>) -> Vec<u8> {
        blob.resize(blob.len() + self.pad, 0);
        let total = u32::try_from(blob.len()).unwrap_or(u32::MAX);
        set_word(&mut blob, Field::Totalsize, total);
        for (field, value) in &self.header {
            set_word(&mut blob, *field, *value);
        }
        blob.truncate(self.cut.unwrap_or(usize::MAX));
        blob
    }
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => [text.as_bytes(), b"\0"].concat(),
            Self::Texts(texts) => texts
                .iter()
                .flat_map(|text| Self::Text(text.clone()).bytes())
                .collect(),
            Self::Cells(cells) => cells.iter().flat_map(|cell| cell.to_be_bytes()).collect(),
        }
    }
}

fn set_word(blob: &mut [u8], field: Field, value: u32) {
    let at = field as usize * 4;
    blob[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// The node at `path`, which is made if it is not there.
fn node<'t>(tree: &'t mut DeviceTree, path: &str) -> &'t mut DeviceTreeNode {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.fold(&mut tree.root, |node, name| {
        if node.child_mut(name).is_none() {
            node.add_child(DeviceTreeNode::new_unchecked(name));
        }
        node.child_mut(name).expect("it was there, or just made")
    })
}

/// Takes out the node `/a/b`, or the property `/a/b:name`.
fn remove(tree: &mut DeviceTree, path: &str) -> Result<()> {
    let (parent, name, is_property) = match path.split_once(':') {
        Some((node, property)) => (node, property, true),
        None => {
            let (parent, name) = path
                .rsplit_once('/')
                .with_context(|| format!("`{path}` is no path"))?;
            (parent, name, false)
        }
    };
    let Some(parent) = tree.find_node_mut(if parent.is_empty() { "/" } else { parent }) else {
        bail!("the device tree has no node `{parent}`");
    };
    let removed = if is_property {
        parent.remove_property(name).is_some()
    } else {
        parent.remove_child(name).is_some()
    };
    ensure!(removed, "the device tree has no `{path}` that could be removed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Original, Tree};
    use dtoolkit::fdt::Fdt;
    use dtoolkit::model::DeviceTree;
    use dtoolkit::{Node, Property};

    const FIXTURE: &[u8] = include_bytes!("../../../boards/testdata/virt-4cpu.dtb");

    fn changed(changes: &str) -> Vec<u8> {
        let tree: Tree = toml::from_str(changes).unwrap();
        tree.blob(Original::read(FIXTURE).unwrap()).unwrap()
    }

    fn read(blob: &[u8]) -> DeviceTree {
        DeviceTree::from_fdt(&Fdt::new(blob).unwrap())
    }

    fn property(blob: &[u8], path: &str, name: &str) -> Option<Vec<u8>> {
        let tree = read(blob);
        let node = tree.find_node(path)?;
        node.property(name).map(|property| property.value().to_vec())
    }

    #[test]
    fn a_tree_without_changes_says_what_it_said() {
        assert_eq!(read(&changed("")), read(FIXTURE));
    }

    #[test]
    fn nodes_and_properties_can_be_removed_set_and_made() {
        let blob = changed(
            r#"
            remove = ["/timer", "/chosen:bootargs"]
            set = { "/chosen:a" = "b", "/chosen:c" = ["d", "e"], "/new/node:f" = [1, 0xffff_ffff] }
            "#,
        );
        assert!(read(&blob).find_node("/timer").is_none());
        assert_eq!(property(&blob, "/chosen", "bootargs"), None);
        assert_eq!(property(&blob, "/chosen", "a").unwrap(), b"b\0");
        assert_eq!(property(&blob, "/chosen", "c").unwrap(), b"d\0e\0");
        assert_eq!(
            property(&blob, "/new/node", "f").unwrap(),
            [0, 0, 0, 1, 255, 255, 255, 255]
        );
    }

    #[test]
    fn what_is_not_there_cannot_be_removed() {
        for path in ["/nobody", "/timer/nobody", "/timer:nobody", "/nobody:x"] {
            let tree: Tree = toml::from_str(&format!("remove = ['{path}']")).unwrap();
            assert!(tree.blob(Original::read(FIXTURE).unwrap()).is_err(), "{path}");
        }
    }

    #[test]
    fn the_header_is_damaged_last_and_the_end_cut_off_after_that() {
        let blob = changed("header = { magic = 1, size_dt_struct = 2 }\npad = 8\ncut = 44");
        assert_eq!(
            (&blob[..4], &blob[36..40], blob.len()),
            (&[0, 0, 0, 1][..], &[0, 0, 0, 2][..], 44)
        );
    }

    #[test]
    fn padding_counts_in_the_total_size() {
        let blob = changed("pad = 1000");
        let total = u32::from_be_bytes(blob[4..8].try_into().unwrap());
        assert_eq!(total as usize, blob.len());
        assert_eq!(blob.len(), changed("").len() + 1000);
    }
}
