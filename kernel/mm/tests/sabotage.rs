//! Deliberate mistakes of the hardware side, to show that these tests would notice them.

mod common;

mod sabotage {
    mod noticed;
}
