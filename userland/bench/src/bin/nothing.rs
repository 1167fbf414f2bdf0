//! Does nothing, successfully: what starting a program costs at least.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use rt::{Outcome, Start};

rt::program!(nothing);

fn nothing(_: &Start) -> Outcome {
    Ok(())
}
