//! Device tree to facts (Devicetree Specification, release 0.4).
//!
//! `header` and `blob` make sure that the bytes are a tree at all, `fdt-rs` builds an index over
//! the checked copy, `tree` and `ranges` add what the index lacks (paths, cells, `reg`, bus
//! translation, status), and one file per subject asks the questions.

mod blob;
mod chosen;
mod console;
mod cpus;
mod devices;
mod error;
mod header;
mod interrupts;
mod memory;
mod name;
mod ranges;
mod tree;

pub use blob::CheckedBlob;
pub use error::{Block, DtError};
pub use fdt_rs::base::DevTree;
pub use fdt_rs::error::DevTreeError;
pub use header::{MAX_BLOB_BYTES, total_size};

use crate::board::Board;
use crate::options::Options;
use crate::text::Text;
use fdt_rs::index::DevTreeIndex;
use header::Header;
use tree::Tree;

/// Scratch memory that [`read`] can always work with for trees of our boards: the copy of the
/// blob and `fdt-rs`'s index over it. That is about twice the blob: 20 KiB for QEMU's `virt`, 80 KiB
/// for Linux' tree of the Raspberry Pi 4. Trees with symbols for overlays take more.
pub const SCRATCH_BYTES: usize = 256 * 1024;

/// Hands a checked blob to the parser.
///
/// `fdt-rs` marks its one constructor, [`DevTree::new`], `unsafe`: the slice must be aligned to
/// 4 bytes and exactly as long as its header says. A [`CheckedBlob`] is proof of both, but this crate
/// forbids `unsafe`, so whoever may write it does, and the function is the same everywhere:
///
/// ```
/// fn open(blob: boards::CheckedBlob<'_>) -> Result<boards::DevTree<'_>, boards::DevTreeError> {
///     // SAFETY: a checked blob is aligned and as long as its header says.
///     unsafe { boards::DevTree::new(blob.bytes()) }
/// }
/// ```
pub type OpenTree = for<'a> fn(CheckedBlob<'a>) -> Result<DevTree<'a>, DevTreeError>;

/// Reads the facts about a board out of the device tree `dtb`.
///
/// `dtb` may be longer than the tree. `scratch` is overwritten and free again afterwards:
/// [`SCRATCH_BYTES`] of it, any alignment. Time is linear in the size of the tree, but for a few
/// questions that look at each node's ancestors.
///
/// What a tree lacks is `None` or empty in the answer: it is the caller who knows what can be
/// done without.
///
/// # Errors
/// A [`DtError`] if the blob is damaged or larger than [`MAX_BLOB_BYTES`], and if `scratch` is too small.
pub fn read(dtb: &[u8], scratch: &mut [u8], open: OpenTree) -> Result<Board, DtError> {
    let header = Header::check(dtb)?;
    let (blob, rest) = blob::check_and_copy(dtb, &header, scratch)?;
    let copied = blob.bytes().len();
    let parser_tree = open(blob)?;
    let index_bytes = index_bytes(&parser_tree)?;
    if rest.len() < index_bytes {
        return Err(DtError::ScratchTooSmall {
            needed: copied + blob::ALIGNMENT + index_bytes,
        });
    }
    let index = DevTreeIndex::new(parser_tree, rest)?;
    Ok(facts(&Tree::new(&index), header.reservations(dtb)))
}

/// One line per subject.
fn facts(tree: &Tree<'_>, reservations: header::Reservations<'_>) -> Board {
    let root = tree.root();
    let kind = devices::board_kind(&root);
    let bootargs = chosen::bootargs(tree);
    let mut memory = memory::memory(tree, reservations);
    if let Some(bytes) = Options::new(bootargs.as_str()).memory() {
        memory.keep_lowest(bytes);
    }
    Board {
        model: Text::cut(root.string("model").unwrap_or_default()),
        kind,
        memory,
        initrd: chosen::initrd(tree),
        console: console::console(tree, kind, &bootargs),
        bootargs,
        gic: interrupts::gic(tree),
        timer: interrupts::timer(tree),
        cpus: cpus::cpus(tree),
        psci: cpus::psci(tree),
        rtc: devices::rtc(tree),
        gpio: devices::gpio(tree),
        watchdog: devices::watchdog(tree),
    }
}

/// What the parser's index needs, wherever it begins.
fn index_bytes(tree: &DevTree<'_>) -> Result<usize, DtError> {
    let layout = DevTreeIndex::get_layout(tree)?;
    Ok(layout.size() + layout.align())
}
