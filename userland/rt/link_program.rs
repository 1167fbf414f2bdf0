//! The build script of every program: links it as `program.ld` says.
//!
//! A program names it in its `Cargo.toml`: `build = "../rt/link_program.rs"`.

use std::env;

fn main() {
    // Built for the host, for the tests of its library, a program is linked as the host does it.
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        let script = env::var("DEP_GRANULE_RT_LINK_SCRIPT").expect("the program depends on rt");
        println!("cargo::rustc-link-arg-bins=-T{script}");
        // Smaller files: by default parts are put 64 KiB apart.
        println!(
            "cargo::rustc-link-arg-bins=-zmax-page-size={}",
            abi::layout::PAGE_BYTES
        );
    }
}
