//! Which test claims to prove which row.
//!
//! In Rust sources a claim is a comment line `/// Proves: G-01, G-02` among the comments and attributes
//! directly above a test function.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;

use super::results::TestResult;
use crate::case::Case;
use crate::workspace::Workspace;

/// A row and one test said to prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The row.
    pub id: String,
    /// The test.
    pub proof: Proof,
}

/// A test, as far as its source tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A QEMU case, on all its machines.
    Case(String),
    /// A test function.
    Function {
        /// The package it belongs to.
        package: String,
        /// The test program it is linked into: the package's own name, or that of a file under `tests/`.
        target: String,
        /// The function's name, without its module.
        name: String,
    },
}

impl Proof {
    /// Tells whether the result is this test's.
    #[must_use]
    pub fn is_result(&self, result: &TestResult) -> bool {
        match self {
            Self::Case(case) => {
                let name = result.name.split('[').next();
                result.package == CASES.0 && result.target == CASES.1 && name == Some(case)
            }
            Self::Function {
                package,
                target,
                name,
            } => {
                let last = result.name.rsplit("::").next();
                result.package == *package && result.target == *target && last == Some(name)
            }
        }
    }

    /// The package whose tests contain it.
    #[must_use]
    pub fn package(&self) -> &str {
        match self {
            Self::Case(_) => CASES.0,
            Self::Function { package, .. } => package,
        }
    }

    /// The test program that contains it.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::Case(_) => CASES.1,
            Self::Function { target, .. } => target,
        }
    }
}

/// Package and target of the test program that runs the QEMU cases.
const CASES: (&str, &str) = ("granule-qemu", "qemu");

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Case(case) => write!(f, "case {case}"),
            Self::Function {
                package,
                target,
                name,
            } if package == target => write!(f, "{package}: {name}"),
            Self::Function {
                package,
                target,
                name,
            } => write!(f, "{package}/{target}: {name}"),
        }
    }
}

/// The claims of QEMU cases.
#[must_use]
pub fn in_cases(cases: &[Case]) -> Vec<Claim> {
    let of_case = |case: &Case| {
        let claim = |id: &String| Claim {
            id: id.clone(),
            proof: Proof::Case(case.name.clone()),
        };
        case.proves.iter().map(claim).collect::<Vec<_>>()
    };
    cases.iter().flat_map(of_case).collect()
}

/// The claims of test functions in all packages.
///
/// # Errors
///
/// When a source cannot be read, or a claim is not above a test.
pub fn in_sources(workspace: &Workspace) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for package in workspace.packages() {
        for (folder, own_targets) in [("src", false), ("tests", true)] {
            let folder = package.folder().join(folder);
            for path in sources(&folder)? {
                let target = if own_targets {
                    target_of(&folder, &path)
                } else {
                    package.name.clone()
                };
                let text =
                    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let found = scan(&text).with_context(|| format!("in {}", path.display()))?;
                claims.extend(found.into_iter().map(|(id, name)| Claim {
                    id,
                    proof: Proof::Function {
                        package: package.name.clone(),
                        target: target.clone(),
                        name,
                    },
                }));
            }
        }
    }
    Ok(claims)
}

/// All Rust files below the folder, sorted; none if there is no such folder.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// `tests/posix.rs` and `tests/posix/attach.rs` both belong to the target `posix`.
fn target_of(tests: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(tests).unwrap_or(path);
    let first = inside.components().next().map(|part| Path::new(part.as_os_str()));
    let stem = first.and_then(Path::file_stem).unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Finds pairs of row and function name in a source.
fn scan(source: &str) -> Result<Vec<(String, String)>> {
    let function = Regex::new(r"^(?:pub )?fn (\w+)").expect("the pattern is valid");
    let mut claims = Vec::new();
    let mut pending = Above::default();
    for (number, line) in (1..).zip(source.lines().map(str::trim)) {
        if let Some(ids) = claimed_ids(line) {
            pending.line = number;
            pending.ids.extend(ids);
        } else if let Some(found) = function.captures(line) {
            ensure!(
                pending.ids.is_empty() || pending.is_test,
                "line {}: `Proves:` stands above {}, which is no test",
                pending.line,
                &found[1]
            );
            let name = &found[1];
            let ids = std::mem::take(&mut pending).ids;
            claims.extend(ids.into_iter().map(|id| (id, name.to_owned())));
        } else if line.starts_with("#[") {
            pending.is_test |= line.contains("test]");
        } else if !line.starts_with("//") && !line.is_empty() {
            if !pending.ids.is_empty() {
                bail!("line {}: `Proves:` is not directly above a test", pending.line);
            }
            pending = Above::default();
        }
    }
    ensure!(
        pending.ids.is_empty(),
        "line {}: `Proves:` is not directly above a test",
        pending.line
    );
    Ok(claims)
}

/// What the lines above a function have said so far.
#[derive(Default)]
struct Above {
    ids: Vec<String>,
    is_test: bool,
    line: u32,
}

/// The rows that a comment line claims, if it is one that does.
fn claimed_ids(line: &str) -> Option<Vec<String>> {
    let comment = line.strip_prefix("//")?.trim_start_matches('/').trim_start();
    let ids = comment.strip_prefix("Proves:")?;
    let words = ids.split([',', ' ']).map(|word| word.trim_end_matches('.'));
    Some(words.filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::{Proof, scan, target_of};
    use crate::conformance::results::{Outcome, TestResult};
    use std::path::Path;

    // In pieces, so that this file does not itself look like one that claims rows.
    fn claim(ids: &str) -> String {
        format!("/// {}: {ids}\n", "Proves")
    }

    #[test]
    fn a_claim_belongs_to_the_test_below_it_alone() {
        let source = claim("G-01, G-02") + "#[test]\nfn first() {\n}\n\n#[test]\nfn second() {}\n";
        let expected = [("G-01", "first"), ("G-02", "first")];
        assert_eq!(
            scan(&source).unwrap(),
            expected.map(|(a, b)| (a.into(), b.into()))
        );
    }

    #[test]
    fn comments_and_attributes_may_stand_between_claim_and_test() {
        let source = claim("A-01") + "/// Text.\n#[test]\n" + &claim("A-02") + "// why\nfn both() {}";
        let expected = [("A-01", "both"), ("A-02", "both")];
        assert_eq!(
            scan(&source).unwrap(),
            expected.map(|(a, b)| (a.into(), b.into()))
        );
    }

    #[test]
    fn a_claim_above_something_else_is_refused() {
        for below in ["fn helper() {}", "struct S;\n#[test]\nfn t() {}", ""] {
            assert!(scan(&(claim("A-01") + below)).is_err(), "{below}");
        }
    }

    #[test]
    fn files_of_a_folder_under_tests_belong_to_the_target_of_that_name() {
        let tests = Path::new("/p/tests");
        assert_eq!(target_of(tests, Path::new("/p/tests/posix.rs")), "posix");
        assert_eq!(target_of(tests, Path::new("/p/tests/posix/attach.rs")), "posix");
    }

    #[test]
    fn a_function_is_found_in_its_own_test_program_only() {
        let proof = Proof::Function {
            package: "mm".into(),
            target: "posix".into(),
            name: "attaches".into(),
        };
        let result = |target: &str, name: &str| TestResult {
            package: "mm".into(),
            target: target.into(),
            name: name.into(),
            outcome: Outcome::Passed,
        };
        assert!(proof.is_result(&result("posix", "attach::attaches")));
        assert!(!proof.is_result(&result("posix", "never_attaches")));
        assert!(!proof.is_result(&result("mm", "attaches")));
    }
}
