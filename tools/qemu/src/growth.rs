//! `granule bench --growth`: how costs grow with what there is, as tables and plots in `docs/costs.md`.
//!
//! Program `bench` prints a line `growth: SWEEP COUNT CURVE VALUE` for each point. Values are counted instructions,
//! so that a plot changes when the code does, and not otherwise.

mod plot;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::bench::{Measures, measure};
use crate::workspace::Workspace;

/// Something there is more and more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sweep {
    /// What the program calls it.
    name: &'static str,
    /// What the horizontal axis counts.
    counts: &'static str,
    title: &'static str,
}

/// In the order of the program's.
const SWEEPS: [Sweep; 4] = [
    Sweep {
        name: "regions",
        counts: "segments that exist",
        title: "More and more segments",
    },
    Sweep {
        name: "sizes",
        counts: "pages of 4 KiB of the segment",
        title: "Larger and larger segments",
    },
    Sweep {
        name: "mappings",
        counts: "mappings of the process",
        title: "More and more mappings of one process",
    },
    Sweep {
        name: "attachers",
        counts: "processes that have it attached",
        title: "More and more attachers of one segment",
    },
];

/// What one operation costs, the more there is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Curve {
    name: String,
    /// Counts, ascending, and instructions.
    points: Vec<(u64, u64)>,
}

/// The page with the tables, each between two comments.
const PAGE: &str = "docs/costs.md";

/// Measures, and for each sweep prints a table, puts it into its place in the page, and draws its plot.
///
/// # Errors
///
/// When the program does not measure everything, or page or plots cannot be written.
pub fn growth(workspace: &Workspace) -> Result<ExitCode> {
    eprintln!("Measuring with one CPU and counted instructions; this takes some minutes.");
    let serial = measure(workspace, &Measures::GROWTH)?;
    let path = workspace.root().join(PAGE);
    let mut page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    for sweep in SWEEPS {
        let curves = curves_of(&serial, sweep.name);
        ensure!(!curves.is_empty(), "the program has not measured {}", sweep.name);
        let table = table(sweep, &curves);
        println!("{}\n{table}", sweep.title);
        page = with_table(&page, sweep.name, &table)?;
        let plot = workspace.root().join("docs/costs").join(sweep.name);
        plot::draw(&plot.with_extension("svg"), sweep, &curves)?;
    }
    fs::write(path, page).with_context(|| format!("cannot write {PAGE}"))?;
    println!("{PAGE} has these tables, and plots of them.");
    Ok(ExitCode::SUCCESS)
}

/// The page with `table` between the comments that name it.
fn with_table(page: &str, name: &str, table: &str) -> Result<String> {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let parts = page
        .split_once(&start)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.with_context(|| format!("{PAGE} has no place for the table of {name}"))?;
    Ok(format!("{before}{start}{table}{end}{after}"))
}

fn curves_of(serial: &str, sweep: &str) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for (name, point) in serial.lines().filter_map(|line| point(line, sweep)) {
        match curves.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve {
                name,
                points: vec![point],
            }),
        }
    }
    curves
}

fn point(line: &str, sweep: &str) -> Option<(String, (u64, u64))> {
    let mut words = line.strip_prefix("growth: ")?.split_whitespace();
    let (name, count, curve, value) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let curve = curve.replace('-', " ");
    (name == sweep).then_some((curve, (count.parse().ok()?, value.parse().ok()?)))
}

/// A table in Markdown, a line for each count.
fn table(sweep: Sweep, curves: &[Curve]) -> String {
    let names = curves.iter().map(|curve| curve.name.clone());
    let mut lines = vec![
        row(sweep.counts, names),
        row("---:", curves.iter().map(|_| "---:".into())),
    ];
    let counts = curves.first().map_or(&[][..], |curve| &curve.points);
    for (place, (count, _)) in counts.iter().enumerate() {
        let values = curves.iter().map(|curve| curve.points.get(place));
        let values = values.map(|point| point.map_or_else(String::new, |(_, value)| value.to_string()));
        lines.push(row(&count.to_string(), values));
    }
    lines.concat()
}

fn row(first: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {first} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

#[cfg(test)]
mod tests {
    use super::{Curve, SWEEPS, curves_of, table, with_table};

    const SERIAL: &str = "Granule
growth: regions 1 shmget 140
growth: regions 1 IPC_STAT 240
growth: sizes 1 first-touch-a-page 700
growth: regions 10 shmget 142
growth: regions 10 IPC_STAT
growth: done
";

    #[test]
    fn points_of_one_operation_are_a_curve() {
        let curve = |name: &str, points: &[(u64, u64)]| Curve {
            name: name.into(),
            points: points.to_vec(),
        };
        assert_eq!(
            curves_of(SERIAL, "regions"),
            [
                curve("shmget", &[(1, 140), (10, 142)]),
                curve("IPC_STAT", &[(1, 240)])
            ]
        );
        assert_eq!(
            curves_of(SERIAL, "sizes"),
            [curve("first touch a page", &[(1, 700)])]
        );
    }

    #[test]
    fn a_table_takes_the_place_of_the_last_one_with_its_name() {
        let page = "a\n<!-- sizes -->\n| old |\n<!-- end of sizes -->\nb\n";
        let new = with_table(page, "sizes", "| new |\n").expect("it has a place");
        assert_eq!(new, page.replace("old", "new"));
        assert!(with_table(page, "regions", "").is_err());
    }

    #[test]
    fn a_table_has_a_line_for_each_count_and_a_column_for_each_curve() {
        let table = table(SWEEPS[0], &curves_of(SERIAL, "regions"));
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[0], "| segments that exist | shmget | IPC_STAT |");
        assert_eq!(lines[2..], ["| 1 | 140 | 240 |", "| 10 | 142 |  |"]);
    }
}
