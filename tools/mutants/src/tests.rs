//! Small programs, with mutants in them.

use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use crate::copy::{CHOOSER, FEATURES};
use crate::mutant::{Function, Genre, Mutant, Position, Span};
use crate::outcome::Outcome;
use crate::rewrite::{Blame, Rewritten};
use crate::site::sites;

/// A mutant of the piece that stands between `«` and `»` in `around`, which is in the source once.
fn mutant(genre: Genre, source: &str, around: &str, replacement: &str) -> Mutant {
    let (before, rest) = around.split_once('«').unwrap();
    let (piece, after) = rest.split_once('»').unwrap();
    let place = source.find(&format!("{before}{piece}{after}")).unwrap() + before.len();
    Mutant {
        name: String::new(),
        file: String::new(),
        genre,
        span: Span {
            start: position(source, place),
            end: position(source, place + piece.len()),
        },
        replacement: replacement.to_owned(),
        function: Some(Function {
            return_type: if source.contains("-> impl") {
                "-> impl Iterator<Item = u32>"
            } else {
                ""
            }
            .into(),
        }),
    }
}

fn position(source: &str, offset: usize) -> Position {
    let before = &source[..offset];
    let line = before.rsplit('\n').next().unwrap();
    Position {
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
    }
}

fn rewritten(source: &str, mutants: &[Mutant]) -> Rewritten {
    let numbered: Vec<_> = mutants.iter().enumerate().collect();
    let sites = sites(source, &numbered).unwrap();
    assert_eq!((sites.refused, sites.left), (vec![], vec![]));
    Rewritten::new("", source, &sites.found)
}

/// A program that prints what `result` of the source gives.
fn program(name: &str, source: &str) -> PathBuf {
    let folder = env::current_exe().unwrap().parent().unwrap().join("mutants");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("mutant.rs"), CHOOSER).unwrap();
    let (file, program) = (folder.join(format!("{name}.rs")), folder.join(name));
    let main = "mod mutant; fn main() { println!(\"{}\", result()); }";
    fs::write(&file, format!("{FEATURES}{source}{main}")).unwrap();
    let mut rustc = Command::new("rustc");
    let rustc = rustc.args(["--crate-name", name, "--edition=2024", "--cap-lints=allow", "-o"]);
    let rustc = rustc.arg(&program).arg(&file).env("RUSTC_BOOTSTRAP", name);
    assert!(rustc.status().unwrap().success());
    program
}

fn output(program: &PathBuf, mutant: &str) -> String {
    let output = Command::new(program)
        .env("GRANULE_MUTANT", mutant)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Each of these mutants gives the result that stands beside it, and no mutant the first.
fn behaves(name: &str, source: &str, unchanged: &str, mutants: &[(Genre, &str, &str, &str)]) {
    let made = mutants
        .iter()
        .map(|(genre, around, replacement, _)| mutant(*genre, source, around, replacement));
    let program = program(name, &rewritten(source, &made.collect::<Vec<_>>()).text);
    assert_eq!(output(&program, "none"), unchanged);
    for (number, (_, around, replacement, expected)) in mutants.iter().enumerate() {
        assert_eq!(
            output(&program, &number.to_string()),
            *expected,
            "{around} {replacement}"
        );
    }
}

#[test]
fn operators_are_others_also_within_each_other() {
    let source = "fn result() -> String {
        let (a, b) = (7_i32, 2_i32);
        let mut c = 5;
        c += a - b * 3;
        let d = a as u8 == 7 && c < 9 && !(b > 4);
        let é = \"é\".len() == 2 || c == 0;
        format!(\"{c} {d} {é}\")
    }";
    behaves(
        "operators",
        source,
        "6 true true",
        &[
            (Genre::BinaryOperator, "c «+=» a", "-=", "4 true true"),
            (Genre::BinaryOperator, "a «-» b", "+", "18 false true"),
            (Genre::BinaryOperator, "b «*» 3", "-", "13 false true"),
            (Genre::BinaryOperator, "b «*» 3", "/", "12 false true"),
            (Genre::BinaryOperator, "as u8 «==» 7", "!=", "6 false true"),
            (Genre::BinaryOperator, "as u8 «==» 7", "<", "6 false true"),
            (Genre::BinaryOperator, "7 «&&» c", "||", "6 true true"),
            (Genre::BinaryOperator, "c «<» 9", ">", "6 false true"),
            (Genre::UnaryOperator, "«!»(b", "", "6 false true"),
            (Genre::BinaryOperator, "2 «||» c", "&&", "6 true false"),
        ],
    );
}

#[test]
fn a_chain_of_conditions_knows_each_of_both_ways() {
    let source = "fn result() -> String {
        let all = [(false, false), (false, true), (true, false), (true, true)];
        let both = all.map(|(a, b)| a && b);
        let either = all.map(|(a, b)| a || b);
        format!(\"{both:?} {either:?}\")
    }";
    let (both, either) = ("[false, false, false, true]", "[false, true, true, true]");
    behaves(
        "chain",
        source,
        &format!("{both} {either}"),
        &[
            (
                Genre::BinaryOperator,
                "a «&&» b",
                "||",
                &format!("{either} {either}"),
            ),
            (Genre::BinaryOperator, "a «||» b", "&&", &format!("{both} {both}")),
        ],
    );
}

#[test]
fn functions_arms_guards_and_fields_are_others() {
    let source = "#[derive(Default)]
    struct Two { a: u32, b: u32 }
    fn one() -> u32 {
        1
    }
    fn name(number: u32) -> &'static str {
        match number {
            0 => \"none\",
            _ if number > 5 => \"many\",
            _ => \"some\",
        }
    }
    fn result() -> String {
        let b = one() + 1;
        let two = Two { b, ..Default::default() };
        let four = Two { a: 4, ..two };
        format!(\"{} {} {} {} {}\", name(0), name(9), four.a, four.b, one())
    }";
    behaves(
        "functions",
        source,
        "none many 4 2 1",
        &[
            (Genre::FnValue, "{\n        «1»\n", "0", "none many 4 1 0"),
            (Genre::FnValue, "{\n        «1»\n", "3", "none many 4 4 3"),
            (Genre::MatchArm, "«0 => \"none\"»", "", "some many 4 2 1"),
            (
                Genre::MatchArm,
                "«_ if number > 5 => \"many\"»",
                "",
                "none some 4 2 1",
            ),
            (Genre::MatchArmGuard, "if «number > 5»", "true", "none many 4 2 1"),
            (
                Genre::MatchArmGuard,
                "if «number > 5»",
                "false",
                "none some 4 2 1",
            ),
            (Genre::BinaryOperator, "number «>» 5", "<", "none some 4 2 1"),
            (Genre::StructField, "Two { «b», ..", "", "none many 4 0 1"),
            (Genre::StructField, "{ «a: 4», ..two", "", "none many 0 2 1"),
        ],
    );
}

#[test]
fn what_gives_some_iterator_gives_another_one() {
    let source = "fn some() -> impl Iterator<Item = u32> {
        let all = [1, 2, 3];
        all.into_iter().skip(1)
    }
    fn result() -> String { format!(\"{:?}\", some().collect::<Vec<_>>()) }";
    let body = "«let all = [1, 2, 3];\n        all.into_iter().skip(1)»";
    behaves(
        "iterator",
        source,
        "[2, 3]",
        &[
            (Genre::FnValue, body, "::std::iter::empty()", "[]"),
            (Genre::FnValue, body, "::std::iter::once(7)", "[7]"),
        ],
    );
}

#[test]
fn an_error_is_the_fault_of_the_mutant_that_has_it_in_itself() {
    let source = "fn f(a: u32, b: u32) -> u32 { (a + b) * 2 }";
    let mutants = [
        mutant(Genre::BinaryOperator, source, "a «+» b", "-"),
        mutant(Genre::BinaryOperator, source, ") «*» 2", "%"),
        mutant(Genre::FnValue, source, "«(a + b) * 2»", "\"text\""),
    ];
    let new = rewritten(source, &mutants);
    let place = |piece: &str| -> Range<usize> {
        let start = new.text.find(piece).unwrap();
        start..start + piece.len()
    };
    assert_eq!(new.blame(&place("\"text\"")), Some(Blame::Mutant(2)));
    assert_eq!(new.blame(&place("(a) - (b)")), Some(Blame::Mutant(0)));
    assert_eq!(new.blame(&place(" % ")), Some(Blame::Mutant(1)));
    assert_eq!(new.blame(&place("is(1)")), Some(Blame::Choice(vec![1])));
    assert_eq!(new.blame(&place("fn f")), None);
}

#[test]
fn what_the_compiler_would_refuse_is_not_put_in() {
    let source = "fn f(a: Option<bool>) -> bool {
        if let Some(b) = a && b && let None = a { return true; }
        match a { None => false, Some(true) => true, Some(false) => false }
    }";
    let mutants = [
        mutant(Genre::BinaryOperator, source, "a «&&» b", "||"),
        mutant(Genre::BinaryOperator, source, "b «&&» let", "||"),
        mutant(Genre::MatchArm, source, "«None => false»", ""),
    ];
    let numbered: Vec<_> = mutants.iter().enumerate().collect();
    let sites = sites(source, &numbered).unwrap();
    assert_eq!(sites.refused, [1, 0, 2]);
    assert!(sites.found.is_empty());
}

#[test]
fn what_a_test_noticed_is_read_again() {
    for outcome in [Outcome::Caught("a::b".into()), Outcome::NeverEnds("c".into())] {
        assert_eq!(Outcome::noticed(&outcome.to_string()), Some(outcome));
    }
    assert_eq!(Outcome::noticed(&Outcome::Survived.to_string()), None);
}
