//! Copies of address spaces: what is common to both, what is not, and what becomes of it.

mod common;

mod fork {
    mod attachments;
    mod meanwhile;
    mod shares;
    mod sharing;
}
