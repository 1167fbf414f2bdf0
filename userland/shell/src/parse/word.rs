//! A word: text, and variables whose values are put in when the command runs.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A word of a command.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Word {
    pieces: Vec<Piece>,
    /// Whether a quotation mark is in it: then it is a word even without a character.
    quoted: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    /// Characters as they are; whether they were quoted.
    Text(String, bool),
    /// The value of a variable.
    Variable(String),
}

impl Word {
    /// A character more.
    pub(super) fn push(&mut self, character: char, quoted: bool) {
        self.quoted |= quoted;
        match self.pieces.last_mut() {
            Some(Piece::Text(text, before)) if *before == quoted => text.push(character),
            _ => self.pieces.push(Piece::Text(character.to_string(), quoted)),
        }
    }

    /// The value of a variable more.
    pub(super) fn push_variable(&mut self, name: String) {
        self.pieces.push(Piece::Variable(name));
    }

    /// It has a quotation mark in it.
    pub(super) fn quote(&mut self) {
        self.quoted = true;
    }

    /// Whether it is this, without quotation marks or variables.
    pub(super) fn is_text(&self, text: &str) -> bool {
        matches!(&self.pieces[..], [Piece::Text(own, false)] if own == text)
    }

    /// If it is `NAME=...`: the name, and the word behind the sign.
    pub(super) fn assignment(&self) -> Option<(String, Self)> {
        let Some(Piece::Text(text, false)) = self.pieces.first() else {
            return None;
        };
        let (name, value) = text.split_once('=').filter(|(name, _)| is_name(name))?;
        let mut pieces = self.pieces.clone();
        pieces[0] = Piece::Text(value.to_string(), false);
        let quoted = true;
        Some((name.to_string(), Self { pieces, quoted }))
    }

    /// What it stands for, with the values that `value` knows; `None` if that is no word: it has no character,
    /// and nothing in it was quoted.
    pub fn expand(&self, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let mut whole = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text, _) => whole.push_str(text),
                Piece::Variable(name) => whole.push_str(&value(name).unwrap_or_default()),
            }
        }
        (self.quoted || !whole.is_empty()).then_some(whole)
    }
}

/// Whether a variable can have this name.
fn is_name(text: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.chars().all(is_part) && text.starts_with(|first: char| !first.is_ascii_digit())
}
