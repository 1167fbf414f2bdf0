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
use crate::peers::{self, Peers, Verdict};
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
    eprintln!("Measuring with one CPU, then with two, and counted instructions; this takes a while.");
    rows.extend(guest_rows(&measure(workspace, &Measures::ONE_BY_ONE)?));
    rows.extend(guest_rows(&measure(workspace, &Measures::ACROSS)?));
    match form {
        Form::Table => print!("{}", table(&rows)),
        Form::Tsv => rows.iter().for_each(|row| println!("{}\t{}", row.id, row.value)),
    }
    Ok(ExitCode::SUCCESS)
}

/// The figures beside those of other kernels and the goals, and what nobody measures yet.
fn table(rows: &[Row]) -> String {
    let heads = ["", "Granule", "seL4", "Linux", "NuttX", "reach", "stretch", ""];
    let mut table = line(heads);
    for row in rows {
        table += &match peers::of(&row.id) {
            Some(peers) => beside(row, peers),
            None => line([&row.id, &row.value, "", "", "", "", "", ""]),
        };
    }
    let measured = |id: &str| rows.iter().any(|row| row.id == id);
    let missing: Vec<_> = peers::all()
        .map(|peers| peers.id)
        .filter(|id| !measured(id))
        .collect();
    if !missing.is_empty() {
        table += &format!("\nNot measured yet: {}.\n", missing.join(", "));
    }
    table
}

fn beside(row: &Row, peers: Peers) -> String {
    let verdict = match peers.judge(&row.value) {
        Some(Verdict::Stretch) => "stretch",
        Some(Verdict::Reached) => "reached",
        Some(Verdict::Short) | None => "",
    };
    let Peers {
        nuttx,
        linux,
        sel4,
        reach,
        stretch,
        ..
    } = peers;
    line([&row.id, &row.value, sel4, linux, nuttx, reach, stretch, verdict])
}

fn line(cells: [&str; 8]) -> String {
    let [id, figures @ .., verdict] = cells;
    let figures = figures.map(|figure| format!("{figure:>9}")).join(" ");
    format!("{}\n", format!("{id:<26} {figures}  {verdict}").trim_end())
}

/// What program `bench` is to measure, and on what machine.
pub(crate) struct Measures {
    cpus: u32,
    /// As QEMU takes it.
    memory: &'static str,
    bootargs: &'static str,
    /// The last line, so that figures which did not come are an error, not a shorter table.
    last_line: &'static str,
}

impl Measures {
    const ONE_BY_ONE: Self = Self {
        cpus: 1,
        memory: "512M",
        bootargs: "exit=semihosting bench",
        last_line: "bench: done",
    };

    /// What two CPUs do together. Their instructions are counted as one time, as QEMU lets them run by turns.
    const ACROSS: Self = Self {
        cpus: 2,
        bootargs: "exit=semihosting test=bench cpus",
        ..Self::ONE_BY_ONE
    };

    /// Room for 10,000 segments, 5,000 mappings of one process, and 1 GiB of shared memory.
    pub(crate) const GROWTH: Self = Self {
        cpus: 1,
        memory: "4G",
        bootargs: "exit=semihosting test=bench growth",
        last_line: "growth: done",
    };
}

/// What a machine whose time is counted instructions prints.
pub(crate) fn measure(workspace: &Workspace, measures: &Measures) -> Result<String> {
    let virt = Virt {
        smp: measures.cpus,
        memory: measures.memory.into(),
        ..Virt::default()
    };
    let machine = Machine {
        board: Board::Virt(virt),
        icount: Some("shift=0,sleep=off".into()),
        ..Machine::default()
    };
    let boot = Boot::new(workspace, &machine, &[measures.bootargs])?;
    let script = Script {
        steps: vec![Step::Line(measures.last_line.into())],
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
    use super::{Row, guest_rows, table};

    fn row(id: &str, value: &str) -> Row {
        Row {
            id: id.into(),
            value: value.into(),
        }
    }

    #[test]
    fn the_table_has_what_others_cost_and_says_what_is_reached_and_what_is_missing() {
        let table = table(&[row("ipc_null_call", "50"), row("another", "7")]);
        let lines: Vec<Vec<_>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let expected = ["ipc_null_call", "50", "92", "238", "271", "60", "45", "reached"];
        assert_eq!(lines[1], expected);
        assert_eq!(lines[2], ["another", "7"]);
        assert!(table.contains("Not measured yet: ipc_rtt_0w,"), "{table}");
    }

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
