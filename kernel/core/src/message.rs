//! A message, as far as it is in registers.

use abi::{Arrival, IpcError, Label, Tag, Words6};

/// What travels in registers. Bytes and handles that the tag announces are in the sender's message
/// page.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Label and counts.
    pub tag: Tag,
    /// The six words.
    pub words: &'a Words6,
}

impl<'a> Message<'a> {
    /// Words that say nothing, under `label`.
    pub const fn empty(label: Label) -> Self {
        Self {
            tag: Tag::new(label),
            words: &[0; 6],
        }
    }

    /// What signals are received as.
    pub const fn signals(bits: &'a Words6) -> Self {
        let tag = Tag::new(Label::DONE).arriving(Arrival::Signals);
        Self { tag, words: bits }
    }

    /// The same message, as it is received.
    #[must_use]
    pub const fn arriving(self, arrival: Arrival) -> Self {
        let tag = self.tag.arriving(arrival);
        Self { tag, ..self }
    }

    /// A message as a program's registers hold it.
    ///
    /// # Errors
    /// [`IpcError::BadTag`] if `tag` announces too much.
    pub const fn decode(tag: u64, words: &'a Words6) -> Result<Self, IpcError> {
        match Tag::decode(tag) {
            Ok(tag) => Ok(Self { tag, words }),
            Err(error) => Err(error),
        }
    }

    /// Whether there is nothing in the message page.
    pub const fn is_in_registers(&self) -> bool {
        self.tag.bytes() + self.tag.handles() == 0
    }
}
