//! Attachments of 2 MiB and more: linked where they start with a slot, and unshared where they are cut.

mod common;

mod linked {
    mod blocks;
    mod detach;
    mod execute;
    mod look;
    mod touch;
    mod unshare;
}
