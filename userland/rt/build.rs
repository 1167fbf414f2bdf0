//! Completes the link script of programs with numbers from `abi` and tells dependents its place.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=program.ld");
    let layout = fs::read_to_string("program.ld").expect("program.ld lies beside build.rs");
    let base = abi::layout::PROGRAM_BASE;
    let script = format!("PROGRAM_BASE = {base:#x};\n{layout}");
    let path = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join("program.ld");
    fs::write(&path, script).expect("cargo's output folder can be written");
    // Build scripts of dependents see these as DEP_GRANULE_RT_LINK_SCRIPT and so on.
    println!("cargo::metadata=link_script={}", path.display());
    println!("cargo::metadata=page_bytes={}", abi::layout::PAGE_BYTES);
}
