//! The reference of the boundary, `docs/syscalls.md`, written from `kernel/abi` alone.
//!
//! Requests come from the compiled tables (`MemoryRequest::TABLE` and so on). What the tables do
//! not hold, the words between them and the meaning of flags and structures, is what the
//! sources of `kernel/abi` say in their documentation comments: [`source`] finds it there. So no
//! sentence about the boundary is written twice.
//!
//! `cargo run -p abigen` writes the page; a test fails when it is not what would be written.

#![forbid(unsafe_code)]

mod markdown;
mod request;
pub mod source;
mod structure;
mod value;

use std::path::PathBuf;

/// Where the page lies.
#[must_use]
pub fn page_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/syscalls.md")
}

/// The page.
#[must_use]
pub fn reference() -> String {
    let chapters = [
        opening(),
        source::chapters(source::LIB)
            .map(markdown::plain)
            .unwrap_or_default(),
        value::message(),
        request::all(),
        value::chapter(),
        structure::chapter(),
        value::layout(),
    ];
    let mut page = chapters.join("\n");
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn opening() -> String {
    format!(
        "# System calls\n\n\
        <!-- Written by `cargo run -p abigen` from kernel/abi. Change it there. -->\n\n\
        What programs and the kernel say to each other, ABI version {}. The types are those of the crate `abi`\n\
        (`kernel/abi`), which both sides use; programs in Rust call the functions of `userland/rt` instead.\n",
        abi::VERSION
    )
}
