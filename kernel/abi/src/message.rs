//! The parts of a message: tag, words, bytes, handles.

use crate::{Handle, IpcError};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Words in registers.
pub const WORDS: usize = 6;
/// The six words of a message.
pub type Words6 = [u64; WORDS];
/// Most bytes in a message.
pub const BUFFER_BYTES: usize = 512;
/// Most handles in a message.
pub const MAX_HANDLES: usize = 4;

/// Which request a message is; in an answer, an [`Errno`](crate::Errno) or 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(transparent)]
pub struct Label(pub u16);

impl Label {
    /// In an answer: done.
    pub const DONE: Self = Self(0);
}

/// What a message consists of: label in bits 0-15, bytes in bits 16-31, handles in bits 32-35.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    label: Label,
    bytes: u16,
    handles: u8,
}

impl Tag {
    /// A message of words only.
    pub const fn new(label: Label) -> Self {
        Self {
            label,
            bytes: 0,
            handles: 0,
        }
    }

    /// The same with `bytes` bytes in the message page; `None` beyond [`BUFFER_BYTES`].
    pub fn with_bytes(self, bytes: usize) -> Option<Self> {
        let bytes = u16::try_from(bytes)
            .ok()
            .filter(|&b| usize::from(b) <= BUFFER_BYTES)?;
        Some(Self { bytes, ..self })
    }

    /// The same with `handles` handles in the message page; `None` beyond [`MAX_HANDLES`].
    pub fn with_handles(self, handles: usize) -> Option<Self> {
        let handles = u8::try_from(handles)
            .ok()
            .filter(|&h| usize::from(h) <= MAX_HANDLES)?;
        Some(Self { handles, ..self })
    }

    /// The label.
    pub const fn label(self) -> Label {
        self.label
    }

    /// Bytes in the message page, at most [`BUFFER_BYTES`].
    pub const fn bytes(self) -> usize {
        self.bytes as usize
    }

    /// Handles in the message page, at most [`MAX_HANDLES`].
    pub const fn handles(self) -> usize {
        self.handles as usize
    }

    /// As it stands in x1.
    pub const fn encode(self) -> u64 {
        self.label.0 as u64 | (self.bytes as u64) << 16 | (self.handles as u64) << 32
    }

    /// Reads x1.
    ///
    /// # Errors
    /// [`IpcError::BadTag`] if a count is too large or an unused bit is set.
    pub const fn decode(raw: u64) -> Result<Self, IpcError> {
        let (label, bytes, handles) = (raw as u16, (raw >> 16) as u16, raw >> 32);
        if bytes as usize > BUFFER_BYTES || handles > MAX_HANDLES as u64 {
            return Err(IpcError::BadTag);
        }
        Ok(Self {
            label: Label(label),
            bytes,
            handles: handles as u8,
        })
    }
}

/// What of a message does not fit in registers. Each thread has one page, mapped read-write;
/// the kernel reads and writes its frame by another way.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MessagePage {
    /// The bytes; as many count as the tag says.
    pub bytes: [u8; BUFFER_BYTES],
    /// Raw handles; as many count as the tag says. The receiver finds its own names here.
    pub handles: [u32; MAX_HANDLES],
}

impl MessagePage {
    /// An empty one.
    pub const EMPTY: Self = Self {
        bytes: [0; BUFFER_BYTES],
        handles: [Handle::NONE.raw(); MAX_HANDLES],
    };
}

const _: () = assert!(size_of::<MessagePage>() == 528);

#[cfg(test)]
mod tests {
    use super::{Label, Tag};
    use crate::IpcError;

    #[test]
    fn a_tag_survives_its_register() {
        let tag = Tag::new(Label(0x203))
            .with_bytes(512)
            .and_then(|t| t.with_handles(4))
            .expect("within limits");
        assert_eq!(Tag::decode(tag.encode()), Ok(tag));
    }

    #[test]
    fn counts_too_large_and_unused_bits_are_refused() {
        assert_eq!(Tag::decode(513 << 16), Err(IpcError::BadTag));
        assert_eq!(Tag::decode(5 << 32), Err(IpcError::BadTag));
        for bit in 36..64 {
            assert_eq!(Tag::decode(1 << bit), Err(IpcError::BadTag), "bit {bit}");
        }
        assert_eq!(Tag::new(Label(1)).with_bytes(513), None);
        assert_eq!(Tag::new(Label(1)).with_handles(5), None);
    }
}
