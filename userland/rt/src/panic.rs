//! A panic: a line on the console, exit status 101.

use crate::{eprintln, sys};
use core::panic::PanicInfo;

/// What a program that panicked ends with.
const STATUS: i32 = 101;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(place) => eprintln!("panic at {}:{}: {}", place.file(), place.line(), info.message()),
        None => eprintln!("panic: {}", info.message()),
    }
    sys::process::exit(STATUS)
}
