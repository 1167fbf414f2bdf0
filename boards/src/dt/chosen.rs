//! `/chosen`: what the loader passes on.

use super::tree::{Node, Tree};
use crate::board::{BadInitrd, Board};
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

/// Where the loader put the initrd. One without a byte is none.
pub(super) fn initrd(tree: &Tree<'_>) -> Result<Option<MemoryRange>, BadInitrd> {
    const START: &str = "linux,initrd-start";
    const END: &str = "linux,initrd-end";
    let chosen = tree.root().child("chosen");
    let Some(chosen) = chosen.filter(|it| it.property(START).or(it.property(END)).is_some()) else {
        return Ok(None);
    };
    let start = address(&chosen, START).ok_or(BadInitrd::NoPlace)?;
    let end = address(&chosen, END).ok_or(BadInitrd::NoPlace)?;
    if end < start {
        return Err(BadInitrd::Backward { start, end });
    }
    Ok(MemoryRange::between(start, end))
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
