//! A line that is typed at a terminal, with the keys people know: see [`Editor`].
//!
//! Nothing here knows where bytes come from or go to, so that all of it is tested on the host.

mod history;
mod keys;

pub use history::History;
use keys::{Key, Keys};

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// Longest line that can be typed, in bytes.
const LINE_BYTES: usize = 256;

/// What a byte completed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Typed {
    /// A line, without its end.
    Line(String),
    /// Control-D on an empty line: no more will come.
    EndOfInput,
}

/// Says how a word may go on. It is given what stands before the word, and answers whole words; those that do
/// not begin like the word that is there are passed over.
pub type Complete<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// Completes nothing.
pub fn no_completion(_: &str) -> Vec<String> {
    Vec::new()
}

/// A line being typed.
///
/// | keys | |
/// | --- | --- |
/// | Left, Right, Home or Control-A, End or Control-E | move in the line |
/// | Backspace, Delete | delete the character before the cursor, or below it |
/// | Control-U, Control-K, Control-W | delete all before the cursor, all behind it, the word before it |
/// | Up, Down | earlier and later lines |
/// | Tab | completes a word, or shows how it may go on |
/// | Control-L, Control-C | clears the screen; gives the line up |
/// | Control-D | on an empty line: end of input; else as Delete |
///
/// What is not printable ASCII is passed over, and so is what does not fit into 256 bytes.
#[derive(Debug, Default)]
pub struct Editor {
    line: String,
    /// The character before which the cursor stands.
    cursor: usize,
    keys: Keys,
    history: History,
}

impl Editor {
    /// Without a line and without earlier ones.
    pub const fn new() -> Self {
        Self {
            line: String::new(),
            cursor: 0,
            keys: Keys::new(),
            history: History::new(),
        }
    }

    /// The lines typed so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Takes a byte. `screen` gets what the terminal is to show; `prompt` is there already.
    pub fn take(
        &mut self,
        byte: u8,
        prompt: &str,
        complete: Complete<'_>,
        screen: &mut String,
    ) -> Option<Typed> {
        let key = self.keys.take(byte)?;
        match key {
            Key::Enter => return Some(self.finish(screen, "\n")),
            Key::Cancel => {
                self.line.clear();
                return Some(self.finish(screen, "^C\n"));
            }
            Key::EndOfInput if self.line.is_empty() => {
                screen.push('\n');
                return Some(Typed::EndOfInput);
            }
            Key::Character(character) => self.insert(character, prompt, screen),
            Key::Backspace => self.delete(self.cursor.saturating_sub(1)..self.cursor, prompt, screen),
            Key::Delete | Key::EndOfInput => {
                let end = self.line.len().min(self.cursor + 1);
                self.delete(self.cursor..end, prompt, screen);
            }
            Key::DeleteToStart => self.delete(0..self.cursor, prompt, screen),
            Key::DeleteToEnd => self.delete(self.cursor..self.line.len(), prompt, screen),
            Key::DeleteWord => self.delete(self.start_of_word()..self.cursor, prompt, screen),
            Key::Left => self.move_to(self.cursor.saturating_sub(1), screen),
            Key::Right => self.move_to(self.line.len().min(self.cursor + 1), screen),
            Key::Home => self.move_to(0, screen),
            Key::End => self.move_to(self.line.len(), screen),
            Key::Up => {
                let earlier = self.history.earlier(&self.line);
                self.replace(earlier, prompt, screen);
            }
            Key::Down => {
                let later = self.history.later();
                self.replace(later, prompt, screen);
            }
            Key::Tab => self.complete(prompt, complete, screen),
            Key::ClearScreen => {
                screen.push_str("\x1b[H\x1b[2J");
                self.redraw(prompt, screen);
            }
        }
        None
    }

    fn finish(&mut self, screen: &mut String, end: &str) -> Typed {
        screen.push_str(end);
        self.cursor = 0;
        self.history.push(&self.line);
        Typed::Line(core::mem::take(&mut self.line))
    }

    fn insert(&mut self, character: char, prompt: &str, screen: &mut String) {
        if self.line.len() >= LINE_BYTES {
            return;
        }
        self.line.insert(self.cursor, character);
        self.cursor += 1;
        if self.cursor == self.line.len() {
            screen.push(character);
        } else {
            self.redraw(prompt, screen);
        }
    }

    fn delete(&mut self, range: core::ops::Range<usize>, prompt: &str, screen: &mut String) {
        if range.is_empty() {
            return;
        }
        let at_end = range.end == self.line.len() && range.end == self.cursor;
        self.cursor = range.start;
        let count = self.line.drain(range).count();
        if at_end {
            (0..count).for_each(|_| screen.push_str("\u{8} \u{8}"));
        } else {
            self.redraw(prompt, screen);
        }
    }

    fn move_to(&mut self, place: usize, screen: &mut String) {
        let (from, to) = (self.cursor, place);
        self.cursor = place;
        if to < from {
            move_cursor(screen, from - to, 'D');
        } else if from < to {
            move_cursor(screen, to - from, 'C');
        }
    }

    fn replace(&mut self, line: Option<String>, prompt: &str, screen: &mut String) {
        if let Some(line) = line {
            self.cursor = line.len();
            self.line = line;
            self.redraw(prompt, screen);
        }
    }

    /// The last word before the cursor, and blanks behind it.
    fn start_of_word(&self) -> usize {
        let before = self.line[..self.cursor].trim_end();
        before.rfind(' ').map_or(0, |blank| blank + 1)
    }

    fn complete(&mut self, prompt: &str, complete: Complete<'_>, screen: &mut String) {
        let before = &self.line[..self.cursor];
        let start = before.rfind([' ', '|', ';', '&']).map_or(0, |place| place + 1);
        let (before, word) = before.split_at(start);
        let mut fitting = complete(before);
        // The line is ASCII: each character of it is one byte and one column.
        fitting.retain(|candidate| candidate.is_ascii() && candidate.starts_with(word));
        fitting.sort();
        let common = common_start(&fitting);
        if let [_] = fitting[..] {
            self.append(&common[word.len()..], prompt, screen);
            self.insert(' ', prompt, screen);
        } else if common.len() > word.len() {
            self.append(&common[word.len()..], prompt, screen);
        } else if !fitting.is_empty() {
            screen.push('\n');
            screen.push_str(&fitting.join("  "));
            screen.push('\n');
            self.redraw(prompt, screen);
        }
    }

    fn append(&mut self, text: &str, prompt: &str, screen: &mut String) {
        text.chars()
            .for_each(|character| self.insert(character, prompt, screen));
    }

    /// Shows the line anew, whatever the terminal's cursor stands on in it.
    fn redraw(&self, prompt: &str, screen: &mut String) {
        for part in ["\r", prompt, &self.line, "\x1b[K"] {
            screen.push_str(part);
        }
        let behind = self.line.len() - self.cursor;
        if behind > 0 {
            move_cursor(screen, behind, 'D');
        }
    }
}

/// Cursor forward (`C`) or back (`D`): ECMA-48, "CUF" and "CUB".
fn move_cursor(screen: &mut String, count: usize, direction: char) {
    // A string takes all that is written to it; the result is the trait's.
    write!(screen, "\x1b[{count}{direction}").ok();
}

/// How all of them begin; nothing if there is none.
fn common_start(words: &[String]) -> String {
    let Some((first, others)) = words.split_first() else {
        return String::new();
    };
    let agree = |word: &String| {
        first
            .bytes()
            .zip(word.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let length = others.iter().map(agree).min().unwrap_or(first.len());
    first[..length].into()
}

#[cfg(test)]
mod tests;
