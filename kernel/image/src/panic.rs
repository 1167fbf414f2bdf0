//! A mistake of the kernel's: last words, then the end.

use crate::console::say;
use crate::cpus;
use crate::exit;
use aarch64::cpu::backtrace::return_addresses;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // Others must not go on with what is broken, nor talk in between.
    cpus::stop_others();
    // A panic while the first is reported must not report itself for ever.
    if PANICKING.swap(true, Ordering::Relaxed) {
        exit::power_off(exit::PANIC_STATUS);
    }
    match info.location() {
        Some(at) => say(format_args!(
            "panic: {} ({}:{})",
            info.message(),
            at.file(),
            at.line()
        )),
        None => say(format_args!("panic: {}", info.message())),
    }
    say_who_called();
    exit::power_off(exit::PANIC_STATUS)
}

/// More than calls are ever nested.
const MOST_ADDRESSES: usize = 48;

/// The tools on the host put names behind the addresses.
fn say_who_called() {
    say(format_args!(
        "return addresses on the stack, some perhaps left from earlier calls:"
    ));
    for address in return_addresses().take(MOST_ADDRESSES) {
        say(format_args!("  at {address:#x}"));
    }
}
