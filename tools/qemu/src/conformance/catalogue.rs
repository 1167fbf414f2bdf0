//! The catalogue of behaviour: `docs/conformance.tsv`.
//!
//! One row a line: identifier, mark (`MUST`, `LINUX`, `EXTRA`), section, scope (`now`, `later: reason`, `n/a: reason`),
//! and the statement, separated by tabs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// All rows, in the order of the file.
#[derive(Debug, Clone)]
pub struct Catalogue {
    rows: Vec<Row>,
}

/// One demanded behaviour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `G-01` and the like.
    pub id: String,
    /// `MUST`, `LINUX` or `EXTRA`.
    pub mark: String,
    /// The section's letter and title.
    pub section: String,
    /// When it must hold.
    pub scope: Scope,
    /// What must hold.
    pub statement: String,
}

/// When a row must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Now.
    Now,
    /// Not yet, for this reason.
    Later(String),
    /// Never on this system, for this reason.
    NotApplicable(String),
}

const HEADER: &str = "id\tmark\tsection\tscope\tstatement";

impl Catalogue {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// When it is missing or a line is not a row.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    ///
    /// When a line is not a row, or an identifier comes twice.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        ensure!(
            lines.next() == Some(HEADER),
            "the first line must name the columns id, mark, section, scope, statement, separated by tabs"
        );
        let rows: Vec<Row> = (2..)
            .zip(lines)
            .map(|(number, line)| row(line).with_context(|| format!("line {number}")))
            .collect::<Result<_>>()?;
        let mut known = BTreeSet::new();
        for row in &rows {
            ensure!(known.insert(&row.id), "{} is listed twice", row.id);
        }
        Ok(Self { rows })
    }

    /// All rows, in the order of the file.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

fn row(line: &str) -> Result<Row> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [id, mark, section, scope, statement] = columns[..] else {
        bail!("{} columns instead of 5: {line}", columns.len());
    };
    ensure!(
        ["MUST", "LINUX", "EXTRA"].contains(&mark),
        "`{mark}` is no mark; use MUST, LINUX or EXTRA"
    );
    Ok(Row {
        id: id.into(),
        mark: mark.into(),
        section: section.into(),
        scope: parse_scope(scope)?,
        statement: statement.into(),
    })
}

fn parse_scope(text: &str) -> Result<Scope> {
    if text == "now" {
        return Ok(Scope::Now);
    }
    match text.split_once(": ") {
        Some(("later", reason)) => Ok(Scope::Later(reason.into())),
        Some(("n/a", reason)) => Ok(Scope::NotApplicable(reason.into())),
        _ => bail!("`{text}` is no scope; use `now`, `later: reason` or `n/a: reason`"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Catalogue, HEADER, Scope};

    fn parse(rows: &str) -> anyhow::Result<Catalogue> {
        Catalogue::parse(&format!("{HEADER}\n{rows}"))
    }

    #[test]
    fn a_row_has_five_columns_and_a_scope_with_its_reason() {
        let rows = "G-01\tMUST\tG shmget\tnow\tx\nF-01\tMUST\tF fork\tlater: needs fork\ty\n";
        let catalogue = parse(rows).unwrap();
        assert_eq!(catalogue.rows()[0].scope, Scope::Now);
        assert_eq!(catalogue.rows()[1].scope, Scope::Later("needs fork".into()));
        assert_eq!(catalogue.rows()[1].statement, "y");
    }

    #[test]
    fn lines_that_are_not_rows_are_refused() {
        for wrong in [
            "G-01\tMUST\tG\tnow",
            "G-01\tMAY\tG\tnow\tx",
            "G-01\tMUST\tG\tlater\tx",
            "G-01\tMUST\tG\tnow\tx\nG-01\tMUST\tG\tnow\tx",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_checked_in_catalogue_has_all_235_rows() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let catalogue = Catalogue::read(&path.join("../../docs/conformance.tsv")).unwrap();
        assert_eq!(catalogue.rows().len(), 235);
    }
}
