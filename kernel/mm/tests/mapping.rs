//! Private memory, message pages, memory of others, and what is told about all of them.

mod common;

mod mapping {
    mod ahead;
    mod around;
    mod change;
    mod edges;
    mod inspect;
    mod map;
    mod map_copy;
    mod meanwhile;
    mod message_page;
    mod moving;
    mod physical;
    mod quota;
    mod replace;
    mod stack;
    mod steps;
    mod transfer;
    mod unmap;
    mod words;
}
