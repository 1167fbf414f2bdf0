//! The tokens of a structure block that is in order.

use super::writer::header;

pub const BEGIN_NODE: u32 = 1;
pub const END_NODE: u32 = 2;
pub const PROPERTY: u32 = 3;
pub const NOP: u32 = 4;
pub const END: u32 = 9;
/// All there are.
pub const TOKENS: [u32; 5] = [BEGIN_NODE, END_NODE, PROPERTY, NOP, END];

/// A token, and where in the blob it is.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    pub at: usize,
    pub kind: u32,
}

/// Every token of `blob`, the last one being the end.
pub fn tokens(blob: &[u8]) -> Vec<Token> {
    let mut at = header(blob, 2);
    let mut tokens = Vec::new();
    loop {
        let kind = word(blob, at);
        tokens.push(Token { at, kind });
        at += match kind {
            BEGIN_NODE => 4 + (name(blob, at + 4).len() + 1).next_multiple_of(4),
            PROPERTY => 12 + (word(blob, at + 4) as usize).next_multiple_of(4),
            END => return tokens,
            _ => 4,
        };
    }
}

/// The name of the node whose token is at `at`.
pub fn name(blob: &[u8], at: usize) -> &str {
    let bytes = blob[at..].split(|byte| *byte == 0).next().expect("an end");
    std::str::from_utf8(bytes).expect("text")
}

/// The big-endian word at `at`.
pub fn word(blob: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(blob[at..at + 4].try_into().expect("four bytes"))
}

/// Writes `word` at `at`.
pub fn set_word(blob: &mut [u8], at: usize, word: u32) {
    blob[at..at + 4].copy_from_slice(&word.to_be_bytes());
}
