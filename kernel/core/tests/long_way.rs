//! The scripts, with traps that have all registers stored first, as with bootarg `shortcut=no`.

mod scripts;

const WAY: play::Way = play::Way::Long;
