//! `granule soak`: a machine on which programs send messages made up of anything, for as long as one likes.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::machine::Machine;
use crate::run::run_alone;
use crate::suite::patient;
use crate::workspace::Workspace;

/// How long, and which messages.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many messages are sent.
    #[arg(long, default_value_t = 10_000_000)]
    messages: u64,
    /// What the messages follow from; the program prints it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Minutes that it may take.
    #[arg(long, default_value_t = 240)]
    minutes: u64,
}

/// Boots the machine, shows how far it is, and returns success if the kernel has kept all its promises.
///
/// # Errors
///
/// When QEMU cannot be started, or time is over.
pub fn soak(workspace: &Workspace, machine: &Machine, options: &Options) -> Result<ExitCode> {
    let words = format!("test=syscalls {} {}", options.messages, options.seed);
    let deadline = patient(Duration::from_secs(options.minutes * 60))?;
    let status = run_alone(workspace, machine, &words, deadline)?;
    if status != 0 {
        eprintln!(
            "granule: the soak failed; `--seed {}` has the same messages sent again",
            options.seed
        );
    }
    Ok(ExitCode::from(status))
}
