//! Names the linker script, and what else the linker must know.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rustc-link-arg-bins=-T{folder}/link.ld");
    println!("cargo:rustc-link-arg-bins=--no-eh-frame-hdr");
    // On a Cortex-A53 up to r0p4, ADRP at the end of a page can give a wrong address. The linker mends the few
    // places that could meet that, and leaves all others as they are.
    println!("cargo:rustc-link-arg-bins=--fix-cortex-a53-843419");
    println!("cargo:rerun-if-changed=link.ld");
}
