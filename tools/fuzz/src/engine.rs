//! libFuzzer, with the target that the environment variable names.
#![no_main]

use std::sync::LazyLock;

use granule_fuzz::{Target, by_name};

/// Set by the driver (`main.rs`): libFuzzer takes the command line for itself.
const VARIABLE: &str = "GRANULE_FUZZ_TARGET";

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    by_name(&name).unwrap_or_else(|| panic!("{VARIABLE} is `{name}`, which is no target"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
