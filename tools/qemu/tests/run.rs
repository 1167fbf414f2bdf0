//! What `just run` does where nobody is at a terminal, as a person types it.

use std::process::{Command, Stdio};

use granule_qemu::machine::ensure_qemu;

#[test]
fn run_with_trace_shows_the_calls_of_the_demonstration_and_ends_with_it() {
    ensure_qemu().unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_granule"));
    let output = run
        .args(["run", "virt", "--trace", "--smp", "2"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    let call = |of: &str| {
        shown
            .lines()
            .any(|line| line.starts_with("trace: ") && line.contains(of))
    };
    assert!(call(" producer memory.ShmGet key=4711 "), "{shown}");
    assert!(call(" reader memory.ShmAttach "), "{shown}");
    assert!(shown.contains("init: the demonstration succeeded"), "{shown}");
}
