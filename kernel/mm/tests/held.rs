//! Regions that are found by a handle: what keeps them, who may do what with them, and what a name adds.

mod common;

mod held {
    mod lives;
    mod rights;
    mod setup;
}
