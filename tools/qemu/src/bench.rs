//! `granule bench`: figures that repeat, because they count instructions instead of time.
//!
//! Under `-icount shift=0,sleep=off` one executed instruction is one nanosecond of the guest's clock, so what the
//! guest measures with its counter is the same on every host and in every run. The guest prints a
//! line `bench: ID VALUE` for each figure; the size of the image is read from the file.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use regex::Regex;

use crate::board::{Board, Virt};
use crate::expect::{End, Script, Step};
use crate::guest::play;
use crate::machine::{Boot, Console, Machine};
use crate::suite::patient;
use crate::workspace::Workspace;

/// How figures are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Aligned, for a person.
    Table,
    /// Identifier, tab, value.
    Tsv,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    id: String,
    value: String,
}

/// Runs the benchmark machine and prints its figures.
///
/// # Errors
///
/// When the program does not measure everything, or the machine does not end with status 0.
pub fn bench(workspace: &Workspace, form: Form) -> Result<ExitCode> {
    let image = fs::metadata(workspace.image()).context("cannot read the size of kernel8.img")?;
    let mut rows = vec![Row {
        id: "image_bytes".into(),
        value: image.len().to_string(),
    }];
    eprintln!("Measuring with one CPU and counted instructions; this takes a while.");
    rows.extend(guest_rows(&measure(workspace)?));
    for row in rows {
        match form {
            Form::Table => println!("{:<28} {:>12}", row.id, row.value),
            Form::Tsv => println!("{}\t{}", row.id, row.value),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(workspace: &Workspace) -> Result<String> {
    let one_cpu = Virt {
        smp: 1,
        ..Virt::default()
    };
    let machine = Machine {
        board: Board::Virt(one_cpu),
        icount: Some("shift=0,sleep=off".into()),
        ..Machine::default()
    };
    let boot = Boot::new(workspace, &machine, &["exit=semihosting bench"])?;
    let script = Script {
        // So that figures which did not come are an error, not a shorter table.
        steps: vec![Step::Line("bench: done".into())],
        anywhere: Vec::new(),
        forbidden: vec![Regex::new("^panic:")?],
        end: End::Status(0),
        deadline: patient(Duration::from_secs(300))?,
    };
    let report = play(&mut machine.command(&boot, Console::Stream), &script)?;
    ensure!(report.verdict.is_ok(), "the benchmark run failed: {report}");
    Ok(report.serial)
}

fn guest_rows(serial: &str) -> Vec<Row> {
    serial.lines().filter_map(guest_row).collect()
}

fn guest_row(line: &str) -> Option<Row> {
    let mut words = line.strip_prefix("bench: ")?.split_whitespace();
    let (id, value) = (words.next()?, words.next()?);
    Some(Row {
        id: id.into(),
        value: value.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::guest_rows;

    #[test]
    fn figures_are_the_lines_that_say_bench_with_an_id_and_a_value() {
        let serial =
            "Granule\nbench: boot_to_init 81234\nno bench: x 1\nbench: half\nbench: free_kib 12.5 KiB\n";
        let rows: Vec<_> = guest_rows(serial)
            .into_iter()
            .map(|row| (row.id, row.value))
            .collect();
        let expected = [("boot_to_init", "81234"), ("free_kib", "12.5")];
        assert_eq!(rows, expected.map(|(id, value)| (id.into(), value.into())));
    }
}
