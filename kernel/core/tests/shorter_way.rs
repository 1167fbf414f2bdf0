//! The scripts, with traps that take the vectors' shorter way where they can: the message is handed over in
//! registers, and what else is in memory is stale.

mod common;
mod scripts;
mod setup;

const WAY: common::Way = common::Way::Shorter;
