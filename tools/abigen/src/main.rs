//! Writes `docs/syscalls.md`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let page = abigen::page_path();
    match std::fs::write(&page, abigen::reference()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("abigen: cannot write {}: {error}", page.display());
            ExitCode::FAILURE
        }
    }
}
