//! The tool behind `just`: builds, runs, tests, measures and debugs Granule.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use granule_qemu::debug::Debugger;
use granule_qemu::machine::{Machine, ensure_qemu};
use granule_qemu::run::{Audience, run};
use granule_qemu::settings::Settings;
use granule_qemu::workspace::Workspace;
use granule_qemu::{bench, build, card, conformance, debug, flash, growth, soak, suite};

/// Builds, runs, tests, measures and debugs Granule.
#[derive(Parser)]
#[command(name = "granule", after_help = ENVIRONMENT)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

const ENVIRONMENT: &str = "Environment:
  GRANULE_QEMU           the QEMU to start instead of qemu-system-aarch64
  GRANULE_PATIENCE       how many times longer every deadline is, for a slow or busy host
  GRANULE_RPI4_DTB       the device tree of a Raspberry Pi 4, bcm2711-rpi-4-b.dtb
  GRANULE_RPI4_FIRMWARE  a folder with its firmware: start4.elf, fixup4.dat, LICENCE.broadcom";

#[derive(Subcommand)]
enum Verb {
    /// Build kernel8.img and initrd.cpio, and with rpi4 an SD card for a Raspberry Pi 4 with them.
    #[command(visible_alias = "build")]
    Image {
        /// The board to make a card for.
        board: Option<CardBoard>,
    },
    /// Build a card for a Raspberry Pi 4 and write it to DEVICE, after asking.
    Flash {
        /// The card, as `lsblk` lists it: /dev/sdb or /dev/mmcblk0, for instance.
        device: PathBuf,
        /// An image that was made before, so that nothing is built.
        #[arg(long)]
        image: Option<PathBuf>,
    },
    /// Build, then boot a machine; without a terminal at standard input it ends by itself.
    Run {
        #[command(flatten)]
        machine: Settings,
        /// Seconds that a run without a terminal may take.
        #[arg(long, default_value_t = 120)]
        deadline: u64,
        /// Show every call of a program as it happens.
        #[arg(long)]
        trace: bool,
        /// Words for the kernel's command line.
        #[arg(last = true)]
        bootargs: Vec<String>,
    },
    /// Build, then run the QEMU cases whose name contains FILTER.
    Test {
        /// Part of a case's name, and other options of the standard test runner.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filter: Vec<String>,
    },
    /// Run all tests that prove a row of docs/conformance.tsv and print every row's result.
    Conformance,
    /// Build, then start a halted machine with gdb attached.
    Debug {
        #[command(flatten)]
        machine: Settings,
        #[command(flatten)]
        options: debug::Options,
        /// Words for the kernel's command line.
        #[arg(last = true)]
        bootargs: Vec<String>,
    },
    /// Build, then have many programs send messages made up of anything.
    Soak {
        #[command(flatten)]
        machine: Settings,
        #[command(flatten)]
        options: soak::Options,
    },
    /// Build, then measure in executed instructions, one CPU.
    Bench {
        /// Print tab-separated id and value alone.
        #[arg(long)]
        tsv: bool,
        /// Measure how costs grow with what there is instead, and draw plots of it in docs/costs.
        #[arg(long, conflicts_with = "tsv")]
        growth: bool,
    },
}

/// A board that boots from a card.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum CardBoard {
    /// Raspberry Pi 4.
    Rpi4,
}

fn main() -> ExitCode {
    match execute(Arguments::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("granule: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Image { board } => build_and_tell(board),
        Verb::Flash { device, image } => {
            flash::ensure_card(&device)?;
            let image = match image {
                Some(image) => image,
                None => card::write(&built()?)?,
            };
            flash::flash(&device, &image)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Run {
            machine,
            deadline,
            trace,
            mut bootargs,
        } => {
            let machine = Machine::try_from(machine)?;
            let workspace = ready_for(&machine)?;
            let deadline = suite::patient(Duration::from_secs(deadline))?;
            bootargs.extend(trace.then(|| "trace=calls".into()));
            let bootargs = bootargs.join(" ");
            let code = run(&workspace, &machine, &bootargs, Audience::present(), deadline)?;
            Ok(ExitCode::from(code))
        }
        Verb::Test { filter } => suite::run(filter),
        Verb::Conformance => conformance::report(&Workspace::locate()?),
        Verb::Debug {
            machine,
            options,
            bootargs,
        } => {
            let machine = Machine::try_from(machine)?;
            let debugger = Debugger::find()?;
            debug::debug(
                &ready_for(&machine)?,
                debugger,
                &machine,
                &bootargs.join(" "),
                &options,
            )
        }
        Verb::Soak { machine, options } => {
            let machine = Machine::try_from(machine)?;
            soak::soak(&ready_for(&machine)?, &machine, &options)
        }
        Verb::Bench { growth: true, .. } => {
            ensure_qemu()?;
            growth::growth(&built()?)
        }
        Verb::Bench { tsv, .. } => {
            ensure_qemu()?;
            let form = if tsv { bench::Form::Tsv } else { bench::Form::Table };
            bench::bench(&built()?, form)
        }
    }
}

/// Looks first for all that the machine needs from outside, then builds.
fn ready_for(machine: &Machine) -> Result<Workspace> {
    ensure_qemu()?;
    machine.fetch(&Workspace::locate()?)?;
    built()
}

fn built() -> Result<Workspace> {
    let workspace = Workspace::locate()?;
    build::build(&workspace)?;
    Ok(workspace)
}

fn build_and_tell(board: Option<CardBoard>) -> Result<ExitCode> {
    let workspace = built()?;
    let mut paths = vec![workspace.image(), workspace.initrd()];
    if let Some(CardBoard::Rpi4) = board {
        paths.push(card::write(&workspace)?);
    }
    for path in paths {
        let bytes = std::fs::metadata(&path)?.len();
        println!("{} ({bytes} bytes)", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
