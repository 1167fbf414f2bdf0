//! The scripts, with traps that take the vectors' shorter way where they can: the message is handed over in
//! registers, and what else is in memory is stale.

mod scripts;

const WAY: play::Way = play::Way::Shorter;
