//! The device tree of a Raspberry Pi 4, which comes from outside.

use std::path::PathBuf;

use anyhow::Result;

use crate::workspace::Workspace;

/// Returns a file with the tree: the one that `GRANULE_RPI4_DTB` names, else the hand-written one of the tests.
///
/// # Errors
///
/// None yet.
pub fn obtain(workspace: &Workspace) -> Result<PathBuf> {
    let named = std::env::var_os("GRANULE_RPI4_DTB").map(PathBuf::from);
    Ok(named.unwrap_or_else(|| workspace.root().join("boards/testdata/rpi4.dtb")))
}
