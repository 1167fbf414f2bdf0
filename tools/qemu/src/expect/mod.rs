//! Judges what a machine prints: lines in order, forbidden lines, and how it ends.
//!
//! A [`Session`] is a state machine without a clock or a process: it takes bytes as they come, says what to
//! type, and gives its verdict at the end. So its own tests feed it made-up transcripts.
//!
//! Each complete line satisfies at most one step. A prompt has no line ending: it is matched as soon as its last
//! character arrives, and nothing is typed before.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use regex::Regex;

/// What a case demands of the machine.
#[derive(Debug, Clone)]
pub struct Script {
    /// Steps, in order.
    pub steps: Vec<Step>,
    /// Lines that must appear, in any order.
    pub anywhere: Vec<Regex>,
    /// Lines that must not appear.
    pub forbidden: Vec<Regex>,
    /// How the machine must end.
    pub end: End,
    /// The longest that all of this may take.
    pub deadline: Duration,
}

/// How a guest ends its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this exit status.
    Status(i32),
    /// Not at all: it says `halted` and stands still.
    Halt,
}

/// How the kernel's last line begins, if it must leave the machine on.
const HALTED: &str = "halted";

/// One step of a script.
#[derive(Debug, Clone)]
pub enum Step {
    /// A line that contains this text.
    Line(String),
    /// A line that this expression matches; its named groups are remembered.
    Regex(String),
    /// This text in a line that is not finished yet.
    Prompt(String),
    /// Types this text and the Enter key.
    Send(String),
    /// Types this text alone.
    Keys(String),
}

/// How a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As the guest chose; one that halts is then stopped.
    Ended(End),
    /// By a signal that was not ours.
    Killed,
    /// It was still running at the deadline.
    DeadlinePassed,
}

/// Why a transcript is not the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The machine ended before this step.
    Missing(String),
    /// A line that must appear somewhere did not.
    NeverSeen(String),
    /// A line that must not appear did.
    Forbidden {
        /// The expression that forbids it.
        pattern: String,
        /// The line.
        line: String,
    },
    /// The deadline passed; this is what the script was waiting for.
    Late(String),
    /// QEMU was ended by a signal.
    Killed,
    /// The machine ended in another way.
    End {
        /// The way that the script demands.
        expected: End,
        /// The way that the guest chose.
        actual: End,
    },
    /// The guest took an exception, or reached for memory that is not there.
    Wild(String),
    /// A step that came from a captured text is not a valid expression.
    BadStep(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(step) => write!(f, "the machine ended before {step}"),
            Self::NeverSeen(pattern) => write!(f, "no line matches /{pattern}/"),
            Self::Forbidden { pattern, line } => {
                write!(f, "a line matches the forbidden /{pattern}/: {line}")
            }
            Self::Late(waiting) => write!(f, "the deadline passed while waiting for {waiting}"),
            Self::Killed => write!(f, "QEMU was ended by a signal"),
            Self::End { expected, actual } => write!(f, "the machine ended by {actual}, expected {expected}"),
            Self::Wild(why) => write!(f, "{why}"),
            Self::BadStep(why) => write!(f, "{why}"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Halt => write!(f, "a halt"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(text) => write!(f, "a line with `{text}`"),
            Self::Regex(pattern) => write!(f, "a line that matches /{pattern}/"),
            Self::Prompt(text) => write!(f, "the prompt `{text}`"),
            Self::Send(text) => write!(f, "typing `{text}`"),
            Self::Keys(text) => write!(f, "typing {text:?}"),
        }
    }
}

/// A script being played against a running machine.
#[derive(Debug)]
pub struct Session<'script> {
    script: &'script Script,
    next: usize,
    unfinished: Vec<u8>,
    /// How much of `unfinished` an earlier prompt has used up.
    prompted: usize,
    captures: BTreeMap<String, String>,
    seen: Vec<bool>,
    halted: bool,
    failure: Option<Failure>,
}

impl<'script> Session<'script> {
    /// Begins at the first step.
    #[must_use]
    pub fn new(script: &'script Script) -> Self {
        Self {
            script,
            next: 0,
            unfinished: Vec::new(),
            prompted: 0,
            captures: BTreeMap::new(),
            seen: vec![false; script.anywhere.len()],
            halted: false,
            failure: None,
        }
    }

    /// Takes output and returns what to type now.
    pub fn feed(&mut self, output: &[u8]) -> String {
        let mut typed = self.type_due();
        for &byte in output {
            if byte == b'\n' {
                self.take_line();
            } else {
                self.unfinished.push(byte);
                self.try_prompt();
            }
            typed.push_str(&self.type_due());
        }
        typed
    }

    /// Says why the script has failed, as soon as it has.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Whether the machine has said that it halted: nothing more will come.
    #[must_use]
    pub fn has_halted(&self) -> bool {
        self.halted
    }

    /// Gives the verdict on a machine that ended.
    ///
    /// # Errors
    ///
    /// The first thing that was not as demanded.
    pub fn end(mut self, ending: Ending) -> Result<(), Failure> {
        if !self.unfinished.is_empty() {
            self.take_line();
        }
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let step = self.script.steps.get(self.next);
        match ending {
            Ending::DeadlinePassed => Err(Failure::Late(
                step.map_or("the machine to end".into(), Step::to_string),
            )),
            Ending::Killed => Err(Failure::Killed),
            Ending::Ended(actual) => {
                if let Some(step) = step {
                    return Err(Failure::Missing(step.to_string()));
                }
                self.check_seen()?;
                let expected = self.script.end;
                if actual == expected {
                    Ok(())
                } else {
                    Err(Failure::End { expected, actual })
                }
            }
        }
    }

    fn check_seen(&self) -> Result<(), Failure> {
        let mut patterns = self.script.anywhere.iter().zip(&self.seen);
        match patterns.find(|(_, seen)| !**seen) {
            Some((pattern, _)) => Err(Failure::NeverSeen(pattern.to_string())),
            None => Ok(()),
        }
    }

    fn take_line(&mut self) {
        let bytes = std::mem::take(&mut self.unfinished);
        self.prompted = 0;
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches('\r');
        self.check_forbidden(line);
        self.halted |= line.starts_with(HALTED);
        for (seen, pattern) in self.seen.iter_mut().zip(&self.script.anywhere) {
            *seen |= pattern.is_match(line);
        }
        match self.script.steps.get(self.next) {
            Some(Step::Line(text)) if line.contains(&self.filled(text, str::to_owned)) => {
                self.next += 1;
            }
            Some(Step::Regex(pattern)) => self.try_regex(pattern, line),
            _ => {}
        }
    }

    fn check_forbidden(&mut self, line: &str) {
        let found = self.script.forbidden.iter().find(|p| p.is_match(line));
        if let (Some(pattern), None) = (found, &self.failure) {
            self.failure = Some(Failure::Forbidden {
                pattern: pattern.to_string(),
                line: line.into(),
            });
        }
    }

    fn try_regex(&mut self, pattern: &str, line: &str) {
        let regex = match Regex::new(&self.filled(pattern, regex::escape)) {
            Ok(regex) => regex,
            Err(error) => {
                self.failure = Some(Failure::BadStep(error.to_string()));
                return;
            }
        };
        let Some(found) = regex.captures(line) else {
            return;
        };
        for name in regex.capture_names().flatten() {
            if let Some(text) = found.name(name) {
                self.captures.insert(name.into(), text.as_str().into());
            }
        }
        self.next += 1;
    }

    fn try_prompt(&mut self) {
        let Some(Step::Prompt(text)) = self.script.steps.get(self.next) else {
            return;
        };
        if self.unfinished[self.prompted..].ends_with(text.as_bytes()) {
            self.prompted = self.unfinished.len();
            self.next += 1;
        }
    }

    /// Returns the text of all typing steps that are next.
    fn type_due(&mut self) -> String {
        let mut typed = String::new();
        if self.failure.is_some() {
            return typed;
        }
        loop {
            match self.script.steps.get(self.next) {
                // A terminal in raw mode sends a carriage return for the Enter key.
                Some(Step::Send(text)) => typed.push_str(&(self.filled(text, str::to_owned) + "\r")),
                Some(Step::Keys(text)) => typed.push_str(&self.filled(text, str::to_owned)),
                _ => return typed,
            }
            self.next += 1;
        }
    }

    /// Replaces `{name}` by what was captured under that name, protected by `escape`.
    fn filled(&self, text: &str, escape: impl Fn(&str) -> String) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.captures {
            filled = filled.replace(&format!("{{{name}}}"), &escape(value));
        }
        filled
    }
}

#[cfg(test)]
mod tests;
