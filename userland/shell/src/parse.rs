//! The shell's language: a line becomes lists of commands, or a sentence about what is wrong with it.
//!
//! ```text
//!   list      chain { ; chain | & chain } [ ; | & ]          & lets the chain before it run by itself
//!   chain     pipeline { && pipeline | || pipeline }
//!   pipeline  [ time ] command { | command }
//!   command   { NAME=word } { word }
//! ```
//!
//! Words are quoted as in POSIX ("Shell Command Language", "Quoting"): `\` for one character, `'...'` for all, `"..."`
//! for all but `$`, `\` and `"`. `$NAME`, `${NAME}`, `$?` and `$1` stand for values, which are never split into
//! several words. `#` at the beginning of a word makes the rest of the line a comment.

mod lexer;
mod word;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use lexer::{Operator, Token, tokens};
pub use word::Word;

/// Pipelines of which each runs or not as the one before it succeeded or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// The first, which always runs.
    pub first: Pipeline,
    /// The others.
    pub rest: Vec<(Link, Pipeline)>,
    /// Whether the shell goes on without waiting for it.
    pub background: bool,
    /// As it was written.
    pub text: String,
}

/// When the pipeline behind it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// `&&`: if the one before it succeeded.
    And,
    /// `||`: if it did not.
    Or,
}

/// Commands of which each reads what the one before it writes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pipeline {
    /// Whether it is to be said how long it took.
    pub timed: bool,
    /// At least one.
    pub commands: Vec<Command>,
}

/// A command.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Command {
    /// Variables that get values.
    pub assignments: Vec<(String, Word)>,
    /// Its name and its arguments; none if it only assigns.
    pub words: Vec<Word>,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// A quotation mark, or the brace of a variable, that nothing closes.
    Unclosed(char),
    /// The line ends with `\`.
    NothingToQuote,
    /// A command is missing before this.
    NoCommandBefore(&'static str),
    /// A command is missing behind this.
    NoCommandBehind(&'static str),
    /// A character with a meaning that this shell does not know.
    NotSupported(char),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed(mark) => write!(f, "nothing closes the {mark}"),
            Self::NothingToQuote => f.write_str("there is nothing behind the last \\"),
            Self::NoCommandBefore(operator) => write!(f, "there is no command before {operator}"),
            Self::NoCommandBehind(operator) => write!(f, "there is no command behind {operator}"),
            Self::NotSupported(character) => {
                write!(
                    f,
                    "this shell does not know {character}; quote it if you mean the character"
                )
            }
        }
    }
}

impl core::error::Error for ParseError {}

/// Reads a line.
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &str) -> Result<Vec<Chain>, ParseError> {
    let mut reader = Reader {
        line,
        tokens: tokens(line)?,
        next: 0,
    };
    let mut chains = Vec::new();
    while reader.next < reader.tokens.len() {
        chains.push(reader.chain()?);
    }
    Ok(chains)
}

struct Reader<'a> {
    line: &'a str,
    tokens: Vec<Token>,
    next: usize,
}

impl Reader<'_> {
    fn chain(&mut self) -> Result<Chain, ParseError> {
        let start = self.tokens.get(self.next).map_or(0, |token| token.start);
        let first = self.pipeline(None)?;
        let mut rest = Vec::new();
        loop {
            let end = self
                .tokens
                .get(self.next)
                .map_or(self.line.len(), |token| token.start);
            let operator = self.operator();
            let link = match operator {
                Some(Operator::And) => Link::And,
                Some(Operator::Or) => Link::Or,
                _ => {
                    let background = operator == Some(Operator::Background);
                    let text = self.line[start..end].trim_ascii().to_string();
                    return Ok(Chain {
                        first,
                        rest,
                        background,
                        text,
                    });
                }
            };
            rest.push((link, self.pipeline(operator)?));
        }
    }

    /// `before` is the operator that makes a pipeline necessary.
    fn pipeline(&mut self, mut before: Option<Operator>) -> Result<Pipeline, ParseError> {
        let mut pipeline = Pipeline::default();
        loop {
            let mut command = self.command();
            if pipeline.commands.is_empty() && command.words.first().is_some_and(|word| word.is_text("time"))
            {
                command.words.remove(0);
                pipeline.timed = true;
            }
            let is_nothing = command == Command::default();
            let next = self.tokens.get(self.next).and_then(Token::operator);
            match (is_nothing, before, next) {
                (true, Some(before), _) => return Err(ParseError::NoCommandBehind(before.text())),
                (true, None, Some(next)) if !pipeline.timed => {
                    return Err(ParseError::NoCommandBefore(next.text()));
                }
                _ => {}
            }
            pipeline.commands.push(command);
            if next != Some(Operator::Pipe) {
                return Ok(pipeline);
            }
            before = self.operator();
        }
    }

    fn command(&mut self) -> Command {
        let mut command = Command::default();
        while let Some(word) = self.tokens.get(self.next).and_then(Token::word) {
            self.next += 1;
            match word.assignment() {
                Some(assignment) if command.words.is_empty() => command.assignments.push(assignment),
                _ => command.words.push(word.clone()),
            }
        }
        command
    }

    /// Takes the operator that comes next, if one does.
    fn operator(&mut self) -> Option<Operator> {
        let operator = self.tokens.get(self.next)?.operator()?;
        self.next += 1;
        Some(operator)
    }
}

#[cfg(test)]
mod tests;
