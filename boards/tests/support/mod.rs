//! What the tests of the board layer share: reading fixtures, and writing trees that are wrong.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod firmware;
pub mod tokens;
pub mod writer;

use boards::{Board, CheckedBlob, DevTree, DevTreeError, DtError, SCRATCH_BYTES};

/// Reads a tree with all the scratch memory it may want.
pub fn read(dtb: &[u8]) -> Result<Board, DtError> {
    boards::read(dtb, &mut vec![0xa5; SCRATCH_BYTES], open)
}

/// Reads a tree that must be in order.
pub fn board(dtb: &[u8]) -> Board {
    read(dtb).unwrap_or_else(|error| panic!("{error}"))
}

/// Hands a checked blob to the parser.
pub fn open(blob: CheckedBlob<'_>) -> Result<DevTree<'_>, DevTreeError> {
    // SAFETY: a checked blob is aligned and as long as its header says.
    unsafe { DevTree::new(blob.bytes()) }
}

/// The fixture with this name.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/testdata/{name}.dtb", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every tree that is in order, with its name: the fixtures, and those that a firmware has changed.
pub fn trees() -> Vec<(String, Vec<u8>)> {
    let fixtures = fixtures().into_iter().map(|name| (name.clone(), fixture(&name)));
    let patched = firmware::SIZES.map(|gib| {
        let blob = firmware::patched(gib, firmware::Width::OneCell, "init=demo");
        (format!("rpi4 with {gib} GiB"), blob)
    });
    fixtures.chain(patched).collect()
}

/// The names of all fixtures.
fn fixtures() -> Vec<String> {
    let folder = format!("{}/testdata", env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(folder).expect("the folder of fixtures");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let blobs = paths.filter(|path| path.extension().is_some_and(|it| it == "dtb"));
    let mut names: Vec<_> = blobs
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
