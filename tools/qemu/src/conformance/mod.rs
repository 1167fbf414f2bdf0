//! `granule conformance`: every row of the catalogue with the tests that prove it and their result.
//!
//! [`catalogue`] reads `docs/conformance.tsv`. A test claims rows by a comment line `/// Proves: G-01, G-02` above
//! it, a QEMU case by its key `proves`; [`claims`] finds both. [`results`] runs the test programs concerned.
//! Here they are joined and judged.

pub mod catalogue;
pub mod claims;
pub mod results;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::ExitCode;

use anyhow::{Result, bail};

use catalogue::{Catalogue, Row, Scope};
use claims::Claim;
use results::{Outcome, TestResult};

use crate::suite;
use crate::workspace::Workspace;

/// What is known about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// All tests that claim it pass.
    Pass,
    /// At least one test that claims it does not; it is named.
    Fail(String),
    /// It must hold now, but no test claims it.
    Untested,
    /// It need not hold yet, for this reason.
    NotYet(String),
    /// It does not apply to this system, for this reason.
    NotApplicable(String),
}

/// Runs the tests and prints every row.
///
/// The exit status is 1 when a row that must hold now fails or has no test, or when any claimed test fails.
///
/// # Errors
///
/// When the catalogue or a claim is wrong, or the tests cannot be built.
pub fn report(workspace: &Workspace) -> Result<ExitCode> {
    let catalogue = Catalogue::read(&workspace.root().join("docs/conformance.tsv"))?;
    let mut claims = claims::in_sources(workspace)?;
    claims.extend(claims::in_cases(&suite::cases(workspace)?));
    check_ids(&catalogue, &claims)?;
    eprintln!("{} claims; running the tests behind them.", claims.len());
    let results = results::run(workspace, &claims)?;
    let verdicts: Vec<(&Row, Vec<&Claim>, Verdict)> = catalogue
        .rows()
        .iter()
        .map(|row| {
            let proofs = claims.iter().filter(|claim| claim.id == row.id).collect();
            let verdict = judge(row, &proofs, &results);
            (row, proofs, verdict)
        })
        .collect();
    for (row, proofs, verdict) in &verdicts {
        print_row(row, proofs, verdict);
    }
    print_counts(verdicts.iter().map(|(row, _, verdict)| (*row, verdict)));
    let bad = |verdict: &Verdict| matches!(verdict, Verdict::Fail(_) | Verdict::Untested);
    Ok(if verdicts.iter().any(|(_, _, verdict)| bad(verdict)) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn check_ids(catalogue: &Catalogue, claims: &[Claim]) -> Result<()> {
    let known: BTreeSet<&str> = catalogue.rows().iter().map(|row| row.id.as_str()).collect();
    match claims.iter().find(|claim| !known.contains(claim.id.as_str())) {
        Some(claim) => bail!(
            "{} claims to prove {}, which docs/conformance.tsv does not list",
            claim.proof,
            claim.id
        ),
        None => Ok(()),
    }
}

fn judge(row: &Row, proofs: &Vec<&Claim>, results: &[TestResult]) -> Verdict {
    for claim in proofs {
        if let Err(why) = proved(claim, results) {
            return Verdict::Fail(format!("{} {why}", claim.proof));
        }
    }
    if !proofs.is_empty() {
        return Verdict::Pass;
    }
    match &row.scope {
        Scope::Now => Verdict::Untested,
        Scope::Later(reason) => Verdict::NotYet(reason.clone()),
        Scope::NotApplicable(reason) => Verdict::NotApplicable(reason.clone()),
    }
}

/// A case is ignored on a machine that cannot be had here; the other machines prove what it claims.
fn proved(claim: &Claim, results: &[TestResult]) -> Result<(), String> {
    let own = results.iter().filter(|result| claim.proof.is_result(result));
    let outcomes: Vec<Outcome> = own.map(|result| result.outcome).collect();
    if outcomes.contains(&Outcome::Failed) {
        Err(Outcome::Failed.to_string())
    } else if outcomes.contains(&Outcome::Passed) {
        Ok(())
    } else {
        Err(outcomes.first().map_or("did not run".into(), Outcome::to_string))
    }
}

fn print_row(row: &Row, proofs: &[&Claim], verdict: &Verdict) {
    let detail = match verdict {
        Verdict::Pass => {
            let names: Vec<String> = proofs.iter().map(|claim| claim.proof.to_string()).collect();
            names.join(", ")
        }
        Verdict::Fail(why) | Verdict::NotYet(why) | Verdict::NotApplicable(why) => why.clone(),
        Verdict::Untested => format!("no test proves: {}", row.statement),
    };
    let line = format!(
        "{:<5} {:<5} {:<14} {detail}",
        row.id,
        row.mark,
        verdict.to_string()
    );
    println!("{}", line.trim_end());
}

fn print_counts<'a>(verdicts: impl Iterator<Item = (&'a Row, &'a Verdict)>) {
    const COLUMNS: [&str; 5] = ["pass", "FAIL", "no test", "not yet", "not applicable"];
    let mut sections: BTreeMap<&str, [usize; COLUMNS.len()]> = BTreeMap::new();
    let mut total = [0; COLUMNS.len()];
    for (row, verdict) in verdicts {
        let name = verdict.to_string();
        let column = COLUMNS.iter().position(|column| *column == name);
        let column = column.expect("every verdict has a column");
        sections.entry(&row.section).or_default()[column] += 1;
        total[column] += 1;
    }
    println!();
    println!(
        "{:<42} {}",
        "section",
        COLUMNS.map(|c| format!("{c:>14}")).join(" ")
    );
    for (section, counts) in sections {
        println!("{section:<42} {}", counts.map(|n| format!("{n:>14}")).join(" "));
    }
    println!("{:<42} {}", "total", total.map(|n| format!("{n:>14}")).join(" "));
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail(_) => "FAIL",
            Self::Untested => "no test",
            Self::NotYet(_) => "not yet",
            Self::NotApplicable(_) => "not applicable",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, check_ids, judge};
    use crate::conformance::catalogue::Catalogue;
    use crate::conformance::claims::{Claim, Proof};
    use crate::conformance::results::{Outcome, TestResult};

    const CATALOGUE: &str = "id\tmark\tsection\tscope\tstatement\n\
        G-01\tMUST\tG shmget\tnow\tcreates\n\
        F-01\tMUST\tF fork\tlater: needs fork\tinherits\n\
        N-01\tEXTRA\tN switches\tn/a: no such file\tswitch\n";

    fn claim(id: &str, case: &str) -> Claim {
        Claim {
            id: id.into(),
            proof: Proof::Case(case.into()),
        }
    }

    fn result(name: &str, outcome: Outcome) -> TestResult {
        TestResult {
            package: "granule-qemu".into(),
            target: "qemu".into(),
            name: name.into(),
            outcome,
        }
    }

    fn verdict(id: &str, claims: &[Claim], results: &[TestResult]) -> Verdict {
        let catalogue = Catalogue::parse(CATALOGUE).unwrap();
        let row = catalogue.rows().iter().find(|row| row.id == id).unwrap();
        judge(row, &claims.iter().collect(), results)
    }

    #[test]
    fn a_row_passes_when_all_its_tests_pass() {
        let claims = [claim("G-01", "demo"), claim("G-01", "other")];
        let passing = [result("demo", Outcome::Passed), result("other", Outcome::Passed)];
        assert_eq!(verdict("G-01", &claims, &passing), Verdict::Pass);
        let failing = [result("demo", Outcome::Passed), result("other", Outcome::Failed)];
        assert!(matches!(verdict("G-01", &claims, &failing), Verdict::Fail(_)));
    }

    #[test]
    fn a_case_proves_a_row_only_if_it_passes_on_every_machine() {
        let results = [
            result("demo", Outcome::Passed),
            result("demo[cpu=max]", Outcome::Failed),
        ];
        assert!(matches!(
            verdict("G-01", &[claim("G-01", "demo")], &results),
            Verdict::Fail(_)
        ));
    }

    #[test]
    fn a_machine_that_cannot_be_had_does_not_take_the_proof_of_the_others_away() {
        let claims = [claim("G-01", "demo")];
        let ignored = result("demo[raspi4b]", Outcome::Ignored);
        let passed = result("demo", Outcome::Passed);
        let verdict = verdict("G-01", &claims, &[ignored, passed]);
        assert_eq!(verdict, Verdict::Pass);
    }

    #[test]
    fn a_claimed_test_that_did_not_run_or_was_ignored_proves_nothing() {
        let claims = [claim("G-01", "demo")];
        assert!(matches!(verdict("G-01", &claims, &[]), Verdict::Fail(_)));
        let ignored = [result("demo", Outcome::Ignored)];
        assert!(matches!(verdict("G-01", &claims, &ignored), Verdict::Fail(_)));
    }

    #[test]
    fn a_row_without_a_test_is_judged_by_its_scope() {
        assert_eq!(verdict("G-01", &[], &[]), Verdict::Untested);
        assert_eq!(verdict("F-01", &[], &[]), Verdict::NotYet("needs fork".into()));
        assert_eq!(
            verdict("N-01", &[], &[]),
            Verdict::NotApplicable("no such file".into())
        );
    }

    #[test]
    fn a_claim_of_an_unknown_row_is_refused() {
        let catalogue = Catalogue::parse(CATALOGUE).unwrap();
        assert!(check_ids(&catalogue, &[claim("G-01", "demo")]).is_ok());
        assert!(check_ids(&catalogue, &[claim("G-99", "demo")]).is_err());
    }
}
