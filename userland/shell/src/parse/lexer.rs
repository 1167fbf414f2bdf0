//! From characters to words and operators.

use super::{ParseError, Word};
use alloc::string::String;
use alloc::vec::Vec;
use core::iter::Peekable;
use core::str::CharIndices;

/// A word or an operator, and where in the line it begins.
pub(super) struct Token {
    pub start: usize,
    kind: Kind,
}

enum Kind {
    Word(Word),
    Operator(Operator),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    End,
    Background,
    And,
    Or,
    Pipe,
}

impl Operator {
    pub fn text(self) -> &'static str {
        match self {
            Self::End => ";",
            Self::Background => "&",
            Self::And => "&&",
            Self::Or => "||",
            Self::Pipe => "|",
        }
    }
}

impl Token {
    pub fn word(&self) -> Option<&Word> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Operator(_) => None,
        }
    }

    pub fn operator(&self) -> Option<Operator> {
        match self.kind {
            Kind::Word(_) => None,
            Kind::Operator(operator) => Some(operator),
        }
    }
}

/// All tokens of a line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn tokens(line: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer {
        characters: line.char_indices().peekable(),
    };
    let mut tokens = Vec::new();
    while let Some((start, first)) = lexer.characters.next_if(|_| true) {
        let kind = match first {
            _ if first.is_ascii_whitespace() => continue,
            '#' => return Ok(tokens),
            ';' => Kind::Operator(Operator::End),
            '&' if lexer.takes('&') => Kind::Operator(Operator::And),
            '&' => Kind::Operator(Operator::Background),
            '|' if lexer.takes('|') => Kind::Operator(Operator::Or),
            '|' => Kind::Operator(Operator::Pipe),
            '<' | '>' | '(' | ')' | '`' => return Err(ParseError::NotSupported(first)),
            _ => Kind::Word(lexer.word(first)?),
        };
        tokens.push(Token { start, kind });
    }
    Ok(tokens)
}

struct Lexer<'a> {
    characters: Peekable<CharIndices<'a>>,
}

impl Lexer<'_> {
    fn takes(&mut self, wanted: char) -> bool {
        self.characters
            .next_if(|(_, character)| *character == wanted)
            .is_some()
    }

    fn next(&mut self) -> Option<char> {
        self.characters.next().map(|(_, character)| character)
    }

    fn next_if(&mut self, is_wanted: impl Fn(char) -> bool) -> Option<char> {
        let next = self.characters.next_if(|(_, character)| is_wanted(*character));
        next.map(|(_, character)| character)
    }

    fn word(&mut self, first: char) -> Result<Word, ParseError> {
        let mut word = Word::default();
        let mut next = Some(first);
        while let Some(character) = next {
            match character {
                '\\' => word.push(self.next().ok_or(ParseError::NothingToQuote)?, true),
                '\'' => self.single_quoted(&mut word)?,
                '"' => self.double_quoted(&mut word)?,
                '$' => self.variable(&mut word, false)?,
                _ => word.push(character, false),
            }
            next = self.next_if(|next| !next.is_ascii_whitespace() && !";&|<>()`".contains(next));
        }
        Ok(word)
    }

    fn single_quoted(&mut self, word: &mut Word) -> Result<(), ParseError> {
        word.quote();
        loop {
            match self.next().ok_or(ParseError::Unclosed('\''))? {
                '\'' => return Ok(()),
                other => word.push(other, true),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word) -> Result<(), ParseError> {
        word.quote();
        loop {
            match self.next().ok_or(ParseError::Unclosed('"'))? {
                '"' => return Ok(()),
                '$' => self.variable(word, true)?,
                '\\' => {
                    let quoted = self.next_if(|next| "$\"\\".contains(next));
                    word.push(quoted.unwrap_or('\\'), true);
                }
                other => word.push(other, true),
            }
        }
    }

    /// What follows a `$`, which is a character like others if no name does.
    fn variable(&mut self, word: &mut Word, quoted: bool) -> Result<(), ParseError> {
        if self.takes('{') {
            let name = self.name();
            let closed = self.takes('}');
            word.push_variable(name);
            return closed.then_some(()).ok_or(ParseError::Unclosed('{'));
        }
        match self.name() {
            name if name.is_empty() => word.push('$', quoted),
            name => word.push_variable(name),
        }
        Ok(())
    }

    /// A name, `?`, or one digit.
    fn name(&mut self) -> String {
        if let Some(single) = self.next_if(|next| next == '?' || next.is_ascii_digit()) {
            return single.into();
        }
        let mut name = String::new();
        while let Some(part) = self.next_if(|next| next.is_ascii_alphanumeric() || next == '_') {
            name.push(part);
        }
        name
    }
}
