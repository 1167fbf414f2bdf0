//! The bounded pass that makes untrusted bytes safe to parse.
//!
//! It walks the structure block once, token by token, and writes a copy that holds nothing
//! surprising: aligned, blocks where they belong, no gaps, names that the parser can read, one well-nested tree of
//! bounded depth, property names inside the strings block. Each token takes at least four bytes,
//! so the walk ends.

use super::error::DtError;
use super::header::{HEADER_BYTES, Header, LAST_COMPATIBLE, MAGIC, VERSION};
use super::name::ShortName;

/// Where a blob begins (Devicetree Specification, "Alignment").
pub(super) const ALIGNMENT: usize = 8;

/// The deepest nesting we follow. Real trees need about ten; code that asks a node's ancestors may
/// take this many steps.
const MAX_DEPTH: usize = 32;

/// Structure block tokens (Devicetree Specification, "Lexical structure").
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// A device tree blob that was checked: its first byte is aligned to 8 bytes, its length is what its
/// header says, and walking it never leaves it. Only [`crate::read`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct CheckedBlob<'a>(&'a [u8]);

impl<'a> CheckedBlob<'a> {
    /// The whole blob.
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Checks the tree in `dtb` and copies it to the start of `scratch`; gives the copy, and the rest of
/// `scratch`.
pub(super) fn check_and_copy<'s>(
    dtb: &[u8],
    header: &Header,
    scratch: &'s mut [u8],
) -> Result<(CheckedBlob<'s>, &'s mut [u8]), DtError> {
    let (structure, strings) = (&dtb[header.structure.clone()], &dtb[header.strings.clone()]);
    // Names only get shorter, so the copy of a structure block is no longer than the block.
    let most = STRUCTURE_AT + structure.len() + strings.len() + TAIL_BYTES;
    let too_small = DtError::ScratchTooSmall {
        needed: most + ALIGNMENT,
    };
    let skip = scratch.as_ptr().align_offset(ALIGNMENT);
    let aligned = scratch
        .get_mut(skip..)
        .filter(|aligned| aligned.len() >= most)
        .ok_or(too_small)?;
    let copy = Copy {
        out: aligned,
        at: STRUCTURE_AT,
    };
    let used = Walk {
        structure,
        strings_bytes: strings.len(),
        at: 0,
        copy,
    }
    .run(strings)?;
    let (copy, rest) = aligned.split_at_mut(used);
    Ok((CheckedBlob(copy), rest))
}

/// Where the copy has its structure block: behind the header and an empty reservation block.
const STRUCTURE_AT: usize = HEADER_BYTES + 16;
/// Zeros at the very end: they end the last name, and keep the parser's reads of whole words inside.
const TAIL_BYTES: usize = 8;

/// The copy as it grows.
struct Copy<'s> {
    out: &'s mut [u8],
    at: usize,
}

impl Copy<'_> {
    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// Zeros up to the next word.
    fn pad(&mut self) {
        while !self.at.is_multiple_of(4) {
            self.bytes(&[0]);
        }
    }

    /// Strings, tail and, now that all sizes are known, the header. Returns the size of it all.
    fn finish(mut self, strings: &[u8]) -> usize {
        let strings_at = self.at;
        self.bytes(strings);
        self.bytes(&[0; TAIL_BYTES]);
        self.pad();
        let total = core::mem::replace(&mut self.at, 0);
        let sizes = [
            total,
            STRUCTURE_AT,
            strings_at,
            HEADER_BYTES,
            strings.len(),
            strings_at - STRUCTURE_AT,
        ];
        // None exceeds the size of the original, which was a 32-bit number.
        let [
            total_word,
            structure_word,
            strings_word,
            reservations_word,
            strings_bytes,
            structure_bytes,
        ] = sizes.map(|size| size as u32);
        for word in [MAGIC, total_word, structure_word, strings_word, reservations_word] {
            self.word(word);
        }
        for word in [VERSION, LAST_COMPATIBLE, 0, strings_bytes, structure_bytes] {
            self.word(word);
        }
        self.bytes(&[0; STRUCTURE_AT - HEADER_BYTES]);
        total
    }
}

/// The walk over a structure block.
struct Walk<'a, 's> {
    structure: &'a [u8],
    strings_bytes: usize,
    at: usize,
    copy: Copy<'s>,
}

/// Where the walk is in the tree.
enum Place {
    /// Before the root.
    Before,
    /// In a node at this depth (the root's is 1), with only properties so far.
    InHead(usize),
    /// In a node at this depth, behind a child.
    InTail(usize),
    /// Behind the root.
    After,
}

impl<'a> Walk<'a, '_> {
    /// Walks to the end; returns the size of the finished copy.
    fn run(mut self, strings: &[u8]) -> Result<usize, DtError> {
        let mut place = Place::Before;
        loop {
            let offset = self.at;
            place = match (self.word()?, place) {
                (NOP, place) => place,
                (BEGIN_NODE, place) => self.begin_node(place, offset)?,
                (END_NODE, Place::InHead(depth) | Place::InTail(depth)) => {
                    self.copy.word(END_NODE);
                    if depth == 1 {
                        Place::After
                    } else {
                        Place::InTail(depth - 1)
                    }
                }
                (PROPERTY, Place::InHead(depth)) => {
                    self.property(offset)?;
                    Place::InHead(depth)
                }
                (PROPERTY, _) => return Err(DtError::StrayProperty { offset }),
                (END, Place::After) => {
                    self.copy.word(END);
                    return Ok(self.copy.finish(strings));
                }
                (END | END_NODE, _) => return Err(DtError::Unbalanced { offset }),
                (token, _) => return Err(DtError::UnknownToken { token, offset }),
            };
        }
    }

    fn begin_node(&mut self, place: Place, offset: usize) -> Result<Place, DtError> {
        let depth = match place {
            Place::Before => 1,
            Place::InHead(depth) | Place::InTail(depth) if depth < MAX_DEPTH => depth + 1,
            Place::InHead(_) | Place::InTail(_) => return Err(DtError::TooDeep { offset }),
            Place::After => return Err(DtError::Unbalanced { offset }),
        };
        let rest = &self.structure[self.at..];
        let len = rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(DtError::StructureCutShort)?;
        let name = self.take(len + 1)?;
        let short = ShortName::of(&name[..len]);
        self.copy.word(BEGIN_NODE);
        self.copy.bytes(short.as_bytes());
        self.copy.bytes(&[0]);
        self.copy.pad();
        Ok(Place::InHead(depth))
    }

    fn property(&mut self, offset: usize) -> Result<(), DtError> {
        let (len, name) = (self.word()?, self.word()?);
        let value = self.take(len as usize)?;
        if name as usize >= self.strings_bytes {
            return Err(DtError::PropertyName { offset });
        }
        for word in [PROPERTY, len, name] {
            self.copy.word(word);
        }
        self.copy.bytes(value);
        self.copy.pad();
        Ok(())
    }

    fn word(&mut self) -> Result<u32, DtError> {
        let rest = self.structure.get(self.at..).unwrap_or_default();
        let bytes = rest.first_chunk::<4>().ok_or(DtError::StructureCutShort)?;
        self.at += 4;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// The next `len` bytes; moves on to the word behind them.
    fn take(&mut self, len: usize) -> Result<&'a [u8], DtError> {
        let end = self.at.checked_add(len).ok_or(DtError::StructureCutShort)?;
        let taken = self
            .structure
            .get(self.at..end)
            .ok_or(DtError::StructureCutShort)?;
        self.at = end.next_multiple_of(4);
        Ok(taken)
    }
}
