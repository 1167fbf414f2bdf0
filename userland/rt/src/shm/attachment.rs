//! Attached segments, and the views of them that stay sound while others write.

use crate::Error;
use crate::sys::memory::shm_detach;
use abi::shm::AttachFlags;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A segment attached for reading and writing, until this value is dropped.
#[derive(Debug)]
pub struct Attachment {
    place: Place,
}

/// A segment attached for reading only, until this value is dropped. The MMU sees to it.
#[derive(Debug)]
pub struct ReadOnly {
    place: Place,
}

/// What can be attached, however it is found.
pub(super) trait Segment {
    /// Its size.
    fn bytes(&self) -> Result<u64, Error>;
    /// `shmat`.
    fn attach(&self, address: u64, flags: AttachFlags) -> Result<u64, Error>;
}

/// Where a segment is attached. The bytes stay mapped as long as this value lives.
#[derive(Debug)]
struct Place {
    address: u64,
    length: usize,
}

impl Attachment {
    pub(super) fn new(segment: &impl Segment, address: u64) -> Result<Self, Error> {
        Place::attach(segment, address, AttachFlags::empty()).map(|place| Self { place })
    }

    /// Where it is.
    pub fn address(&self) -> u64 {
        self.place.address
    }

    /// Bytes of the segment.
    pub fn length(&self) -> usize {
        self.place.length
    }

    /// All whole 64-bit words of it.
    pub fn words(&self) -> &[AtomicU64] {
        self.place.view()
    }

    /// All whole 32-bit words of it. Processes should agree on the size of the words they use:
    /// what a race between accesses of different sizes gives, nobody says.
    pub fn half_words(&self) -> &[AtomicU32] {
        self.place.view()
    }

    /// Copies bytes out of it, from `offset` on.
    ///
    /// # Panics
    /// If they are not all inside.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.place.read(offset, bytes);
    }

    /// Copies bytes into it, from `offset` on.
    ///
    /// # Panics
    /// If there is no room for them.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let places: &[AtomicU8] = self.place.view();
        for (place, byte) in places[offset..][..bytes.len()].iter().zip(bytes) {
            place.store(*byte, Ordering::Relaxed);
        }
    }

    /// Detaches it. Dropping it does the same, but cannot tell of an error.
    ///
    /// # Errors
    /// As [`abi::memory::ShmDetach`].
    pub fn detach(self) -> Result<(), Error> {
        self.place.detach()
    }
}

impl ReadOnly {
    pub(super) fn new(segment: &impl Segment) -> Result<Self, Error> {
        Place::attach(segment, 0, AttachFlags::RDONLY).map(|place| Self { place })
    }

    /// Where it is.
    pub fn address(&self) -> u64 {
        self.place.address
    }

    /// Bytes of the segment.
    pub fn length(&self) -> usize {
        self.place.length
    }

    /// The 64-bit word at `place`, counted in words; `None` behind the end.
    pub fn word(&self, place: usize) -> Option<u64> {
        // Atomic loads of up to 64 bits are plain loads, which read-only memory allows.
        let words: &[AtomicU64] = self.place.view();
        words.get(place).map(|word| word.load(Ordering::Acquire))
    }

    /// Copies bytes out of it, from `offset` on.
    ///
    /// # Panics
    /// If they are not all inside.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.place.read(offset, bytes);
    }

    /// Detaches it. Dropping it does the same, but cannot tell of an error.
    ///
    /// # Errors
    /// As [`abi::memory::ShmDetach`].
    pub fn detach(self) -> Result<(), Error> {
        self.place.detach()
    }
}

/// Integers of which every bit pattern is valid and which others may change at any time.
///
/// # Safety
/// As it says.
unsafe trait Shared {}
// SAFETY: atomic integers.
unsafe impl Shared for AtomicU8 {}
// SAFETY: atomic integers.
unsafe impl Shared for AtomicU32 {}
// SAFETY: atomic integers.
unsafe impl Shared for AtomicU64 {}

impl Place {
    fn attach(segment: &impl Segment, address: u64, flags: AttachFlags) -> Result<Self, Error> {
        // A segment's size never changes, so it does not matter which comes first.
        let length = usize::try_from(segment.bytes()?).map_err(|_| Error::Garbled)?;
        let address = segment.attach(address, flags)?;
        Ok(Self { address, length })
    }

    /// As many values of type `T` as fit.
    fn view<T: Shared>(&self) -> &[T] {
        let first = core::ptr::with_exposed_provenance(self.address as usize);
        // SAFETY: the segment is attached from `address`, which is page-aligned, for `length`
        // bytes, until `self` is dropped; no other reference to it is ever made but to atomics.
        unsafe { core::slice::from_raw_parts(first, self.length / size_of::<T>()) }
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        let places: &[AtomicU8] = self.view();
        for (place, byte) in places[offset..][..bytes.len()].iter().zip(bytes) {
            *byte = place.load(Ordering::Relaxed);
        }
    }

    fn detach(self) -> Result<(), Error> {
        let address = self.address;
        core::mem::forget(self);
        shm_detach(address)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It can only fail if the program undid the attachment by another way.
        shm_detach(self.address).ok();
    }
}

#[cfg(test)]
mod tests {
    use crate::fake;
    use crate::shm::Shm;
    use abi::Tag;
    use abi::shm::{ShmId, ShmidDs};
    use std::boxed::Box;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::atomic::Ordering;
    use std::vec::Vec;
    use zerocopy::IntoBytes;

    const GET: u64 = 0x200;
    const ATTACH: u64 = 0x201;
    const DETACH: u64 = 0x202;
    const CONTROL: u64 = 0x203;

    /// A kernel with one segment of 20 bytes; returns the labels it was sent.
    fn kernel() -> Rc<RefCell<Vec<u64>>> {
        let memory: &'static mut [u64; 512] = Box::leak(Box::new([0; 512]));
        let address = memory.as_mut_ptr().expose_provenance() as u64;
        let labels = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&labels);
        fake::install(move |sent, page| {
            let label = sent[1] & 0xffff;
            seen.borrow_mut().push(label);
            match label {
                ATTACH => [0, 0, address, 0, 0, 0, 0, 0, 0],
                CONTROL => {
                    let state = ShmidDs {
                        shm_segsz: 20,
                        ..ShmidDs::default()
                    };
                    page.bytes[..112].copy_from_slice(state.as_bytes());
                    let tag = Tag::decode(112 << 16).expect("a good tag");
                    [0, tag.encode(), 0, 0, 0, 0, 0, 0, 0]
                }
                _ => [0; 9],
            }
        });
        labels
    }

    fn segment() -> Shm {
        Shm::from_id(ShmId::from_raw(3).expect("valid"))
    }

    #[test]
    fn an_attachment_detaches_once_when_it_is_dropped_or_told_to() {
        let labels = kernel();
        drop(segment().attach());
        assert_eq!(labels.take(), [CONTROL, ATTACH, DETACH]);
        segment()
            .attach()
            .and_then(super::Attachment::detach)
            .expect("attached");
        assert_eq!(labels.take(), [CONTROL, ATTACH, DETACH]);
        drop(segment().attach_read_only());
        assert_eq!(labels.take(), [CONTROL, ATTACH, DETACH]);
        Shm::open(abi::shm::ShmKey(1)).expect("found");
        assert_eq!(labels.take(), [GET]);
    }

    #[test]
    fn views_show_the_same_memory_and_end_with_the_segment() {
        kernel();
        let attachment = segment().attach().expect("attached");
        assert_eq!(attachment.words().len(), 2);
        assert_eq!(attachment.half_words().len(), 5);
        attachment.words()[1].store(0x0807_0605_0403_0201, Ordering::Relaxed);
        let mut bytes = [0; 4];
        attachment.read(10, &mut bytes);
        assert_eq!(bytes, [3, 4, 5, 6]);
        attachment.write(16, &[9, 9, 9, 9]);
        assert_eq!(attachment.half_words()[4].load(Ordering::Relaxed), 0x0909_0909);
    }

    #[test]
    #[should_panic = "out of range"]
    fn bytes_behind_the_end_cannot_be_read() {
        kernel();
        let attachment = segment().attach().expect("attached");
        attachment.read(17, &mut [0; 4]);
    }
}
