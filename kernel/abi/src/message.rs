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

/// What was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Arrival {
    /// A call: its sender waits for an answer. An answer, too, is marked so.
    Call = 0,
    /// A message whose sender wants no answer.
    Message = 1,
    /// Signals: the bits are in x2.
    Signals = 2,
    /// A fault of a thread, told by the kernel: the thread waits for an answer as a caller does.
    Fault = 3,
}

/// What a message consists of, as it stands in x1: label in bits 0-15, bytes in bits 16-31, handles in
/// bits 32-35. The counts are in bounds. Bits 36-37 are the kernel's: an [`Arrival`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Tag(u64);

impl Tag {
    const BYTES_SHIFT: u32 = 16;
    const HANDLES_SHIFT: u32 = 32;
    const ARRIVAL_SHIFT: u32 = 36;
    const HANDLES_MASK: u64 = 0xf;

    /// A message of words only.
    pub const fn new(label: Label) -> Self {
        Self(label.0 as u64)
    }

    /// The same with `bytes` bytes in the message page; `None` beyond [`BUFFER_BYTES`].
    pub fn with_bytes(self, bytes: usize) -> Option<Self> {
        let others = self.0 & !(0xffff << Self::BYTES_SHIFT);
        (bytes <= BUFFER_BYTES).then_some(Self(others | (bytes as u64) << Self::BYTES_SHIFT))
    }

    /// The same with `handles` handles in the message page; `None` beyond [`MAX_HANDLES`].
    pub fn with_handles(self, handles: usize) -> Option<Self> {
        let others = self.0 & !(Self::HANDLES_MASK << Self::HANDLES_SHIFT);
        (handles <= MAX_HANDLES).then_some(Self(others | (handles as u64) << Self::HANDLES_SHIFT))
    }

    /// The label.
    pub const fn label(self) -> Label {
        Label(self.0 as u16)
    }

    /// Bytes in the message page, at most [`BUFFER_BYTES`].
    pub const fn bytes(self) -> usize {
        (self.0 >> Self::BYTES_SHIFT) as u16 as usize
    }

    /// Handles in the message page, at most [`MAX_HANDLES`].
    pub const fn handles(self) -> usize {
        (self.0 >> Self::HANDLES_SHIFT & Self::HANDLES_MASK) as usize
    }

    /// The same, as it is received.
    #[must_use]
    pub const fn arriving(self, arrival: Arrival) -> Self {
        Self(self.0 | (arrival as u64) << Self::ARRIVAL_SHIFT)
    }

    /// What was received.
    pub const fn arrival(self) -> Arrival {
        match self.0 >> Self::ARRIVAL_SHIFT {
            0 => Arrival::Call,
            1 => Arrival::Message,
            2 => Arrival::Signals,
            _ => Arrival::Fault,
        }
    }

    /// As it stands in x1.
    pub const fn encode(self) -> u64 {
        self.0
    }

    /// Reads x1 as a program sends it.
    ///
    /// # Errors
    /// [`IpcError::BadTag`] if a count is too large or any other bit is set.
    pub const fn decode(raw: u64) -> Result<Self, IpcError> {
        let tag = Self(raw);
        if tag.bytes() > BUFFER_BYTES || raw >> Self::HANDLES_SHIFT > MAX_HANDLES as u64 {
            return Err(IpcError::BadTag);
        }
        Ok(tag)
    }

    /// Reads x1 as a program receives it.
    ///
    /// # Errors
    /// [`IpcError::BadTag`] if a count is too large or an unused bit is set.
    pub const fn decode_received(raw: u64) -> Result<Self, IpcError> {
        let arrival = raw >> Self::ARRIVAL_SHIFT;
        match Self::decode(raw & !(u64::MAX << Self::ARRIVAL_SHIFT)) {
            Ok(_) if arrival <= Arrival::Fault as u64 => Ok(Self(raw)),
            _ => Err(IpcError::BadTag),
        }
    }
}

/// What of a message does not fit in registers. Each thread has one page, mapped read-write;
/// the kernel reads and writes its frame by another way.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))] // as it is in a page, so that what is in it is copied by words
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
    use super::{Arrival, Label, Tag};
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
    fn what_arrives_is_marked_and_no_program_can_send_such_a_mark() {
        let tag = Tag::new(Label(5)).with_handles(4).expect("within limits");
        for arrival in [Arrival::Call, Arrival::Message, Arrival::Signals, Arrival::Fault] {
            let received = tag.arriving(arrival);
            assert_eq!(Tag::decode_received(received.encode()), Ok(received));
            assert_eq!((received.arrival(), received.handles()), (arrival, 4));
            let is_sent = Tag::decode(received.encode()).is_ok();
            assert_eq!(is_sent, arrival == Arrival::Call);
        }
        for raw in [1 << 38, 1 << 63, 5 << 32, 513 << 16] {
            assert_eq!(Tag::decode_received(raw), Err(IpcError::BadTag), "{raw:#x}");
        }
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
