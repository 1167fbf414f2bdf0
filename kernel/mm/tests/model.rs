//! Random operations by several processes, against a small reference that keeps pages in maps.

mod common;

mod model {
    mod action;
    mod interleaved;
    mod reference;
    mod run;
}
