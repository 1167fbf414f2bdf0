//! A file's source with all of its mutants in it.

use std::ops::Range;

use crate::site::{Part, Site};

/// What the compiler is given, and where in it which mutant is.
#[derive(Debug, Default)]
pub struct Rewritten {
    pub text: String,
    mutants: Vec<(usize, Range<usize>)>,
    sites: Vec<(Vec<usize>, Range<usize>)>,
}

/// Who must be left out for a piece of the text to be compiled.
#[derive(Debug, PartialEq, Eq)]
pub enum Blame {
    /// What this mutant alone says.
    Mutant(usize),
    /// How these are chosen from.
    Choice(Vec<usize>),
}

impl Rewritten {
    pub fn new(before: &str, source: &str, sites: &[Site]) -> Self {
        let mut new = Self {
            text: before.to_owned(),
            ..Self::default()
        };
        new.put(source, 0..source.len(), sites);
        new
    }

    /// Puts a piece of source, in which sites may be.
    fn put(&mut self, source: &str, range: Range<usize>, sites: &[Site]) {
        let mut done = range.start;
        for (index, site) in sites.iter().enumerate() {
            if site.range.start < done || site.range.end > range.end {
                continue;
            }
            self.text.push_str(&source[done..site.range.start]);
            let start = self.text.len();
            self.put_parts(source, &site.parts, &sites[index + 1..]);
            self.sites.push((site.mutants.clone(), start..self.text.len()));
            done = site.range.end;
        }
        self.text.push_str(&source[done..range.end]);
    }

    fn put_parts(&mut self, source: &str, parts: &[Part], inner: &[Site]) {
        for part in parts {
            self.put_part(source, part, inner);
        }
    }

    fn put_part(&mut self, source: &str, part: &Part, inner: &[Site]) {
        match part {
            Part::Text(text) => self.text.push_str(text),
            Part::Source(range) => self.put(source, range.clone(), inner),
            Part::Mutant(number, parts) => {
                let start = self.text.len();
                self.put_parts(source, parts, inner);
                self.mutants.push((*number, start..self.text.len()));
            }
        }
    }

    /// Whose fault an error in a piece of the text is: of everything that has it in itself, the least.
    pub fn blame(&self, piece: &Range<usize>) -> Option<Blame> {
        let has = |range: &Range<usize>| range.start <= piece.start && piece.end <= range.end;
        let mutants = self.mutants.iter().filter(|(_, range)| has(range));
        let sites = self.sites.iter().filter(|(_, range)| has(range));
        let mutants = mutants.map(|(number, range)| (range.len(), Blame::Mutant(*number)));
        let sites = sites.map(|(numbers, range)| (range.len(), Blame::Choice(numbers.clone())));
        Some(mutants.chain(sites).min_by_key(|(length, _)| *length)?.1)
    }
}
