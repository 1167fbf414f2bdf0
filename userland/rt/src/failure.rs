//! How a program says that it did not manage.

use alloc::string::{String, ToString};
use core::fmt;

/// What a program's main function returns: exit status 0, or 1 with a sentence on the console.
pub type Outcome = Result<(), Failure>;

/// A sentence for the person at the console. Made from any error by `?`, or from a string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure(String);

impl Failure {
    /// With this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: core::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
