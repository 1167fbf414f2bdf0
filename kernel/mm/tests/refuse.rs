//! Every operation with too few frames, and with too few slots, down to none: it is refused,
//! and everything is as before.

mod common;

mod refuse {
    mod frames;
    mod many;
    mod operation;
    mod slots;
    mod state;
}
