//! The behaviour catalogue of System V shared memory, row by row.
//!
//! The comment above a test names the rows it proves.

mod common;

mod posix {
    mod attach;
    mod attach_limits;
    mod control;
    mod detach;
    mod exit;
    mod get;
    mod identifier;
    mod info;
    mod limit;
    mod memory;
    mod orphan;
    mod permission;
    mod protect;
    mod share;
}
