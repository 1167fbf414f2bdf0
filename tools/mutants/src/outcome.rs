//! What became of a mutant.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is still to be tried.
    Open,
    /// The compiler refuses it.
    DoesNotCompile,
    /// Why it could not be tried.
    NotTried(&'static str),
    /// This test failed.
    Caught(String),
    /// This test did not end in time.
    NeverEnds(String),
    /// No test failed.
    Survived,
    /// No test comes past it.
    Unreached,
}

const CAUGHT: &str = "caught by ";
const NEVER_ENDS: &str = "never ends in ";

impl Outcome {
    /// Whether somebody should look at it.
    pub fn is_missed(&self) -> bool {
        matches!(self, Self::Survived | Self::Unreached)
    }

    /// Whether nobody knows.
    pub fn is_left(&self) -> bool {
        matches!(self, Self::Open | Self::NotTried(_))
    }

    /// Reads the outcome of one that a test noticed.
    pub fn noticed(text: &str) -> Option<Self> {
        let caught = text
            .strip_prefix(CAUGHT)
            .map(|test| Self::Caught(test.to_owned()));
        caught.or_else(|| Some(Self::NeverEnds(text.strip_prefix(NEVER_ENDS)?.to_owned())))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => out.write_str("open"),
            Self::DoesNotCompile => out.write_str("does not compile"),
            Self::NotTried(why) => write!(out, "not tried, {why}"),
            Self::Caught(test) => write!(out, "{CAUGHT}{test}"),
            Self::NeverEnds(test) => write!(out, "{NEVER_ENDS}{test}"),
            Self::Survived => out.write_str("survived"),
            Self::Unreached => out.write_str("survived, no test comes there"),
        }
    }
}
