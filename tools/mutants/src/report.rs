//! What became of all mutants: for people, and for a file.

use std::collections::{BTreeSet, HashMap};

use crate::mutant::Mutant;
use crate::outcome::Outcome;

const HEAD: &str = "| file | mutants | do not compile | caught | never end | not tried | survived |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
";

/// A line for each mutant: what became of it, a tabulator, its name.
pub fn lines(mutants: &[Mutant], outcomes: &[Outcome]) -> String {
    let lines = mutants.iter().zip(outcomes);
    lines
        .map(|(mutant, outcome)| format!("{outcome}\t{}\n", mutant.name))
        .collect()
}

/// A row of docs/mutants.md for each file, and those that need a test or a reason.
pub fn summary(mutants: &[Mutant], outcomes: &[Outcome]) -> String {
    let all = || mutants.iter().zip(outcomes);
    let files: BTreeSet<&str> = mutants.iter().map(|mutant| &*mutant.file).collect();
    let rows = files.into_iter().map(|file| {
        let here = all().filter(|(mutant, _)| mutant.file == file);
        row(file, &here.map(|(_, outcome)| outcome).collect::<Vec<_>>())
    });
    let wanting = all().filter(|(_, outcome)| outcome.is_missed() || outcome.is_left());
    let wanting = wanting.map(|(mutant, outcome)| format!("{outcome}: {}\n", mutant.name));
    HEAD.to_owned() + &rows.collect::<String>() + &wanting.collect::<String>()
}

fn row(file: &str, outcomes: &[&Outcome]) -> String {
    let count = |is: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count();
    format!(
        "| `{file}` | {} | {} | {} | {} | {} | {} |\n",
        outcomes.len(),
        count(|outcome| *outcome == Outcome::DoesNotCompile),
        count(|outcome| matches!(outcome, Outcome::Caught(_))),
        count(|outcome| matches!(outcome, Outcome::NeverEnds(_))),
        count(Outcome::is_left),
        count(Outcome::is_missed),
    )
}

/// Takes over what was noticed in an earlier run, by its lines.
pub fn keep_noticed(before: &str, mutants: &[Mutant], outcomes: &mut [Outcome]) {
    let lines = before.lines().filter_map(|line| line.split_once('\t'));
    let before: HashMap<&str, &str> = lines.map(|(outcome, name)| (name, outcome)).collect();
    for (mutant, outcome) in mutants.iter().zip(outcomes) {
        let noticed = before.get(&*mutant.name).and_then(|text| Outcome::noticed(text));
        if let Some(noticed) = noticed
            && *outcome == Outcome::Open
        {
            *outcome = noticed;
        }
    }
}
