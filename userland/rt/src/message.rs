//! What of a message does not fit in registers: bytes and handles, to and from the message page.

use crate::svc::message_page;
use abi::{BUFFER_BYTES, Handle, IpcError, Label, MAX_HANDLES, Tag};
use core::ptr::NonNull;

/// Bytes and handles to send along. Handles are copied: the sender keeps its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    /// At most [`BUFFER_BYTES`].
    pub bytes: &'a [u8],
    /// At most [`MAX_HANDLES`].
    pub handles: &'a [Handle],
}

impl<'a> Outgoing<'a> {
    /// Neither bytes nor handles.
    pub const NOTHING: Self = Self {
        bytes: &[],
        handles: &[],
    };

    /// Bytes only.
    pub const fn bytes(bytes: &'a [u8]) -> Self {
        Self { bytes, handles: &[] }
    }

    /// Handles only.
    pub const fn handles(handles: &'a [Handle]) -> Self {
        Self { bytes: &[], handles }
    }

    /// Puts them into the message page and makes the tag that announces them.
    ///
    /// # Errors
    /// What the kernel would say to such a tag.
    pub(crate) fn put(self, label: Label) -> Result<Tag, IpcError> {
        let tag = Tag::new(label)
            .with_bytes(self.bytes.len())
            .and_then(|tag| tag.with_handles(self.handles.len()))
            .ok_or(IpcError::BadTag)?;
        if !self.bytes.is_empty() {
            put_bytes(self.bytes);
        }
        for (place, handle) in self.handles.iter().enumerate() {
            put_handle(place, *handle);
        }
        Ok(tag)
    }
}

/// Bytes and handles that came along.
#[derive(Clone, Debug)]
pub struct Incoming {
    bytes: [u8; BUFFER_BYTES],
    length: usize,
    handles: Handles,
}

/// Handles that came along: those alone, where nobody wants bytes.
#[derive(Clone, Debug)]
pub(crate) struct Handles {
    all: [Handle; MAX_HANDLES],
    count: usize,
}

impl Incoming {
    /// Room for what will come.
    pub const fn new() -> Self {
        Self {
            bytes: [0; BUFFER_BYTES],
            length: 0,
            handles: Handles::NONE,
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The handles. They are the receiver's now, to use and to close.
    pub fn handles(&self) -> &[Handle] {
        self.handles.as_slice()
    }

    /// Copies what `tag` announces out of the message page.
    pub(crate) fn take(&mut self, tag: Tag) {
        self.length = tag.bytes();
        if self.length != 0 {
            take_bytes(&mut self.bytes[..self.length]);
        }
        self.handles = Handles::take(tag);
    }
}

impl Handles {
    const NONE: Self = Self {
        all: [Handle::NONE; MAX_HANDLES],
        count: 0,
    };

    /// Copies what `tag` announces out of the message page.
    pub fn take(tag: Tag) -> Self {
        let mut taken = Self {
            count: tag.handles(),
            ..Self::NONE
        };
        for (place, handle) in taken.all.iter_mut().enumerate().take(taken.count) {
            *handle = take_handle(place);
        }
        taken
    }

    pub fn as_slice(&self) -> &[Handle] {
        &self.all[..self.count]
    }
}

impl Default for Incoming {
    fn default() -> Self {
        Self::new()
    }
}

fn put_bytes(bytes: &[u8]) {
    assert!(bytes.len() <= BUFFER_BYTES);
    let page: NonNull<u8> = message_page().cast();
    // SAFETY: the page is this thread's, no reference to it exists, and the bytes, which come
    // first in it, have room for as many.
    unsafe { page.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) }
}

fn take_bytes(bytes: &mut [u8]) {
    assert!(bytes.len() <= BUFFER_BYTES);
    let page: NonNull<u8> = message_page().cast();
    // SAFETY: as in `put_bytes`; the kernel writes the page in traps of this thread only.
    unsafe { page.copy_to_nonoverlapping(NonNull::from(&mut *bytes).cast(), bytes.len()) }
}

fn put_handle(place: usize, handle: Handle) {
    // SAFETY: as in `put_bytes`; `handle_slot` stays inside.
    unsafe { handle_slot(place).write(handle.raw()) }
}

fn take_handle(place: usize) -> Handle {
    // SAFETY: as in `put_bytes`; `handle_slot` stays inside.
    Handle::from_raw(unsafe { handle_slot(place).read() })
}

fn handle_slot(place: usize) -> NonNull<u32> {
    assert!(place < MAX_HANDLES);
    let handles: NonNull<u32> = message_page().cast();
    // SAFETY: the handles follow the bytes (the layout is `repr(C)` and has no gap).
    unsafe { handles.add(BUFFER_BYTES / 4 + place) }
}

#[cfg(test)]
mod tests {
    use super::{Incoming, Outgoing};
    use abi::{Handle, IpcError, Label};

    #[test]
    fn what_was_put_into_the_page_can_be_taken_out() {
        let handles = [Handle::from_parts(7, 1), Handle::from_parts(8, 2)];
        let sent = Outgoing {
            bytes: b"granule",
            handles: &handles,
        };
        let tag = sent.put(Label(5)).expect("fits");
        let mut received = Incoming::new();
        received.take(tag);
        assert_eq!(received.bytes(), b"granule");
        assert_eq!(received.handles(), handles);
    }

    #[test]
    fn what_does_not_fit_is_refused_before_the_page_is_touched() {
        assert_eq!(Outgoing::bytes(&[0; 513]).put(Label(5)), Err(IpcError::BadTag));
        assert_eq!(
            Outgoing::handles(&[Handle::SELF; 5]).put(Label(5)),
            Err(IpcError::BadTag)
        );
    }
}
