//! The build script of every program: links it as `program.ld` says.
//!
//! A program names it in its `Cargo.toml`: `build = "../rt/link_program.rs"`.

use std::env;

fn main() {
    // Built for the host, for its tests, a program is linked as the host does it.
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        println!("cargo::rustc-link-arg-bins=-T{}", from_runtime("LINK_SCRIPT"));
        // Smaller files: by default parts are put 64 KiB apart.
        println!(
            "cargo::rustc-link-arg-bins=-zmax-page-size={}",
            from_runtime("PAGE_BYTES")
        );
        // On a Cortex-A53 up to r0p4, ADRP at the end of a page can give a wrong address.
        println!("cargo::rustc-link-arg-bins=--fix-cortex-a53-843419");
    }
}

/// What the runtime's own build script has to say.
fn from_runtime(name: &str) -> String {
    env::var(format!("DEP_GRANULE_RT_{name}")).expect("a program depends on rt")
}
