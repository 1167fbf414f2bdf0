//! Lines that were typed before.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Lines kept.
const MOST_LINES: usize = 100;

/// The lines, oldest first, and which of them is looked at.
#[derive(Clone, Debug, Default)]
pub struct History {
    lines: Vec<String>,
    /// Place of the line that is shown; behind the last is the one being typed.
    place: usize,
    /// What was typed before an earlier line was looked at.
    draft: String,
}

impl History {
    /// Without a line.
    pub const fn new() -> Self {
        Self {
            lines: Vec::new(),
            place: 0,
            draft: String::new(),
        }
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Keeps a line, unless it is blank or the same as the last one.
    pub(super) fn push(&mut self, line: &str) {
        let is_new = self.lines.last().is_none_or(|last| last != line);
        if !line.trim().is_empty() && is_new {
            if self.lines.len() == MOST_LINES {
                self.lines.remove(0);
            }
            self.lines.push(line.to_string());
        }
        self.place = self.lines.len();
    }

    /// The line before the one that is shown; `typed` is what stands at the prompt now.
    pub(super) fn earlier(&mut self, typed: &str) -> Option<String> {
        let place = self.place.checked_sub(1)?;
        if self.place == self.lines.len() {
            self.draft = typed.to_string();
        }
        self.place = place;
        self.lines.get(place).cloned()
    }

    /// The line behind the one that is shown; in the end what was being typed.
    pub(super) fn later(&mut self) -> Option<String> {
        if self.place >= self.lines.len() {
            return None;
        }
        self.place += 1;
        Some(self.lines.get(self.place).unwrap_or(&self.draft).clone())
    }
}
