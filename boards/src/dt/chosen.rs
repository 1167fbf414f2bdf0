//! `/chosen`: what the loader passes on.

use super::tree::{Node, Tree};
use crate::board::Board;
use crate::memory::MemoryRange;
use crate::text::Text;
use addr::PhysAddr;

/// The kernel command line.
pub(super) fn bootargs(tree: &Tree<'_>) -> Text<{ Board::MAX_BOOTARGS }> {
    let line = tree
        .root()
        .child("chosen")
        .and_then(|chosen| chosen.string("bootargs"));
    Text::cut_to_words(line.unwrap_or_default())
}

/// Where the loader put the initrd; none if start and end do not enclose anything.
pub(super) fn initrd(tree: &Tree<'_>) -> Option<MemoryRange> {
    let chosen = tree.root().child("chosen")?;
    let start = address(&chosen, "linux,initrd-start")?;
    let end = address(&chosen, "linux,initrd-end")?;
    MemoryRange::between(start, end)
}

/// The path or alias of the serial port for messages, without the `:options` behind it.
pub(super) fn stdout_path<'a>(tree: &Tree<'a>) -> Option<&'a str> {
    tree.root()
        .child("chosen")?
        .string("stdout-path")?
        .split(':')
        .next()
}

/// An address of one or two cells: loaders write both.
fn address(chosen: &Node<'_>, name: &str) -> Option<PhysAddr> {
    let bytes = chosen.property(name)?;
    let cells = u32::try_from(bytes.len() / 4).ok()?;
    let whole = bytes.len() == 4 || bytes.len() == 8;
    whole
        .then(|| chosen.cells(name).take(cells))
        .flatten()
        .map(PhysAddr::new)
}
