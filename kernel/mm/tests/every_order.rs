//! Every order in which a few processes can take their turns, a step of a long operation being a turn.
//!
//! Random orders (`model`) go through much, these go through all of what is short: how a region lives and dies, and
//! who comes first to a page.

mod common;

mod every_order {
    mod lifetime;
    mod scene;
    mod touches;
}
