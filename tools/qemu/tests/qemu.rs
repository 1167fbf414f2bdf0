//! The QEMU cases under `cargo test`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match granule_qemu::suite::run(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
