//! The scripts, with traps that have all registers stored first, as with bootarg `shortcut=no`.

mod common;
mod scripts;
mod setup;

const WAY: common::Way = common::Way::Long;
