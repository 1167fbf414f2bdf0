//! Where a source can be other than it is, and how it says so itself.
//!
//! A site is a piece of source with everything that mutants make of it. In its place comes an expression that asks
//! which mutant the process is.

use std::collections::HashMap;
use std::ops::Range;

use anyhow::{Context, Result};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, BinOp, Expr, ExprBinary, ExprMatch, ExprStruct, ExprUnary, Member, Pat};

use crate::mutant::{Genre, Mutant};

/// A piece of source, and what takes its place.
#[derive(Debug)]
pub struct Site {
    pub range: Range<usize>,
    pub parts: Vec<Part>,
    pub mutants: Vec<usize>,
}

/// What takes the place of a site, from left to right.
#[derive(Debug)]
pub enum Part {
    Text(String),
    /// Source, with the sites that are in it.
    Source(Range<usize>),
    /// What is this mutant's alone.
    Mutant(usize, Vec<Part>),
}

/// What is known of the mutants of one file.
#[derive(Debug, Default)]
pub struct Sites {
    /// Those around others first.
    pub found: Vec<Site>,
    /// Mutants that the compiler would refuse.
    pub refused: Vec<usize>,
    /// Mutants for which there is no site.
    pub left: Vec<usize>,
}

/// The sites of one file.
///
/// # Errors
///
/// The text is not Rust.
pub fn sites(text: &str, mutants: &[(usize, &Mutant)]) -> Result<Sites> {
    let file = syn::parse_file(text).context("it cannot be parsed")?;
    let mut wanted: HashMap<_, Wanted> = HashMap::new();
    for &(number, mutant) in mutants {
        let place = (mutant.genre, mutant.span.start.offset(text));
        wanted.entry(place).or_default().push((number, mutant));
    }
    let sites = Sites::default();
    let mut finder = Finder { text, wanted, sites };
    finder.functions();
    finder.visit_file(&file);
    let Finder {
        wanted, mut sites, ..
    } = finder;
    sites.left.extend(wanted.values().flat_map(numbers));
    // The order of those with the same range stays.
    sites
        .found
        .sort_by_key(|site| (site.range.start, usize::MAX - site.range.end));
    Ok(sites)
}

type Wanted<'a> = Vec<(usize, &'a Mutant)>;

struct Finder<'a> {
    text: &'a str,
    wanted: HashMap<(Genre, usize), Wanted<'a>>,
    sites: Sites,
}

impl<'a> Finder<'a> {
    fn take(&mut self, genre: Genre, place: usize) -> Wanted<'a> {
        self.wanted.remove(&(genre, place)).unwrap_or_default()
    }

    fn add(&mut self, range: Range<usize>, mutants: &[usize], parts: Vec<Part>) {
        let mutants = mutants.to_vec();
        self.sites.found.push(Site {
            range,
            mutants,
            parts,
        });
    }

    /// A function returns at its start what the mutant says.
    fn functions(&mut self) {
        let places: Vec<_> = self
            .wanted
            .keys()
            .filter(|place| place.0 == Genre::FnValue)
            .copied()
            .collect();
        for (genre, start) in places {
            let wanted = self.take(genre, start);
            let range = start..wanted[0].1.span.end.offset(self.text);
            let mut parts = Vec::new();
            for &(number, mutant) in &wanted {
                let value = vec![text(format!("return {};", value(mutant)))];
                let if_it_is = text(format!("if {} {{ ", is(number)));
                parts.extend([if_it_is, Part::Mutant(number, value), text(" } ")]);
            }
            let body = Part::Source(range.clone());
            if gives_iterator(wanted[0].1) {
                parts.extend([text("crate::mutant::Iter::Usual({ "), body, text(" })")]);
            } else {
                parts.push(body);
            }
            self.add(range, &numbers(&wanted), parts);
        }
    }

    fn binary(&mut self, binary: &ExprBinary) {
        let wanted = self.take(Genre::BinaryOperator, start(&binary.op));
        if wanted.is_empty() {
            return;
        }
        if has_let(&binary.left) || has_let(&binary.right) {
            // A chain with `let` in it knows no other operator.
            return self.sites.refused.extend(numbers(&wanted));
        }
        let (left, right) = (bytes(&*binary.left), bytes(&*binary.right));
        let operator = &self.text[bytes(&binary.op)];
        let with = |operator: &str| {
            let source = [Part::Source(left.clone()), Part::Source(right.clone())];
            let [left, right] = source;
            vec![text("("), left, text(format!(") {operator} (")), right, text(")")]
        };
        let parts = match (&binary.op, &wanted[..]) {
            (BinOp::And(_), [(number, mutant)]) if mutant.replacement == "||" => {
                short_circuit(*number, left.clone(), right.clone(), "")
            }
            (BinOp::Or(_), [(number, mutant)]) if mutant.replacement == "&&" => {
                short_circuit(*number, left.clone(), right.clone(), "!")
            }
            _ => {
                let others = wanted
                    .iter()
                    .map(|(number, mutant)| (*number, with(&mutant.replacement)));
                choice(others, with(operator))
            }
        };
        self.add(bytes(binary), &numbers(&wanted), parts);
    }

    fn unary(&mut self, unary: &ExprUnary) {
        let operand = bytes(&*unary.expr);
        for (number, _) in self.take(Genre::UnaryOperator, start(&unary.op)) {
            let operator = self.text[bytes(&unary.op)].to_owned();
            let without = vec![text("("), Part::Source(operand.clone()), text(")")];
            let with = vec![
                text(operator),
                text("("),
                Part::Source(operand.clone()),
                text(")"),
            ];
            self.add(bytes(unary), &[number], choice([(number, without)], with));
        }
    }

    /// An arm that is deleted is one whose guard says no.
    fn arm(&mut self, arm: &Arm, others: bool) {
        for (number, _) in self.take(Genre::MatchArm, start(&arm.pat)) {
            if !others {
                self.sites.refused.push(number);
            } else if let Some((_, guard)) = &arm.guard {
                let before = text(format!("!{} && (", is(number)));
                self.add(
                    bytes(&**guard),
                    &[number],
                    vec![before, Part::Source(bytes(&**guard)), text(")")],
                );
            } else {
                let guard = text(format!(" if !{}", is(number)));
                self.add(
                    bytes(&arm.pat),
                    &[number],
                    vec![Part::Source(bytes(&arm.pat)), guard],
                );
            }
        }
        let Some((_, guard)) = &arm.guard else { return };
        for (number, mutant) in self.take(Genre::MatchArmGuard, start(&**guard)) {
            let other = vec![text(mutant.replacement.clone())];
            let parts = choice([(number, other)], vec![Part::Source(bytes(&**guard))]);
            self.add(bytes(&**guard), &[number], parts);
        }
    }

    /// A field that is deleted has the value that the rest of the expression gives it.
    fn fields(&mut self, of: &ExprStruct) {
        let Some(rest) = &of.rest else { return };
        for field in &of.fields {
            let (Member::Named(name), value) = (&field.member, &field.expr) else {
                continue;
            };
            for (number, _) in self.take(Genre::StructField, start(field)) {
                let path = &self.text[bytes(&of.path)];
                let default = matches!(&**rest, Expr::Call(call) if call.args.is_empty()
                    && &self.text[bytes(&*call.func)] == "Default::default");
                let other = if default {
                    vec![text(format!("<{path} as Default>::default().{name}"))]
                } else {
                    vec![text("("), Part::Source(bytes(&**rest)), text(format!(").{name}"))]
                };
                let mut parts = choice([(number, other)], vec![Part::Source(bytes(value))]);
                parts.insert(0, text(format!("{name}: ")));
                self.add(bytes(field), &[number], parts);
            }
        }
    }
}

impl Visit<'_> for Finder<'_> {
    fn visit_expr_binary(&mut self, binary: &ExprBinary) {
        self.binary(binary);
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &ExprUnary) {
        self.unary(unary);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, of: &ExprMatch) {
        let others = of.arms.iter().any(takes_all);
        for arm in &of.arms {
            self.arm(arm, others);
        }
        visit::visit_expr_match(self, of);
    }

    fn visit_expr_struct(&mut self, of: &ExprStruct) {
        self.fields(of);
        visit::visit_expr_struct(self, of);
    }
}

/// What a function returns, for whom all iterators must be of one type.
fn value(mutant: &Mutant) -> String {
    let replacement = &mutant.replacement;
    if !gives_iterator(mutant) {
        return replacement.clone();
    }
    let once = replacement.replacen("::std::iter::once", "Some", 1);
    format!(
        "crate::mutant::Iter::Other({})",
        once.replacen("::std::iter::empty()", "None", 1)
    )
}

/// Whether it is of a function that gives some iterator.
pub fn gives_iterator(mutant: &Mutant) -> bool {
    let function = mutant.function.as_ref();
    function.is_some_and(|function| function.return_type.starts_with("-> impl Iterator"))
}

fn numbers(wanted: &Wanted<'_>) -> Vec<usize> {
    wanted.iter().map(|(number, _)| *number).collect()
}

/// Whether an arm has a pattern that is all others, too. A name that begins with a capital letter is no variable.
fn takes_all(arm: &Arm) -> bool {
    let matches_all = match &arm.pat {
        Pat::Wild(_) => true,
        Pat::Ident(name) => name.ident.to_string().starts_with(char::is_lowercase),
        _ => false,
    };
    matches_all && arm.guard.is_none()
}

fn has_let(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

/// `(if 1 { } else if 2 { } else { })`
fn choice(others: impl IntoIterator<Item = (usize, Vec<Part>)>, usual: Vec<Part>) -> Vec<Part> {
    let mut parts = vec![text("(")];
    for (number, other) in others {
        let if_it_is = text(format!("if {} {{ ", is(number)));
        parts.extend([if_it_is, Part::Mutant(number, other), text(" } else ")]);
    }
    parts.push(text("{ "));
    parts.extend(usual);
    parts.push(text(" })"));
    parts
}

/// `left && right` and `left || right` in one, so that long chains stay short: with `not` empty it is `&&`, and `||` for the
/// mutant; with `!` the other way round.
fn short_circuit(number: usize, left: Range<usize>, right: Range<usize>, not: &str) -> Vec<Part> {
    let other_way = text(format!(
        ") == ({not}{}) {{ {not}{} }} else {{ ",
        is(number),
        is(number)
    ));
    vec![
        text("(if ("),
        Part::Source(left),
        other_way,
        Part::Source(right),
        text(" })"),
    ]
}

fn is(number: usize) -> String {
    format!("crate::mutant::is({number})")
}

fn text(text: impl Into<String>) -> Part {
    Part::Text(text.into())
}

fn bytes(what: &impl Spanned) -> Range<usize> {
    what.span().byte_range()
}

fn start(what: &impl Spanned) -> usize {
    bytes(what).start
}
