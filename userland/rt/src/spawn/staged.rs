//! Pages on their way into a child: mapped here, filled, moved.

use crate::sys::memory::{move_to, unmap};
use crate::{Error, call, place};
use abi::Handle;
use abi::layout::PAGE_BYTES;
use abi::memory::{Map, MapFlags, Move, Protection};
use core::ptr::NonNull;

/// Bytes that are moved at a time; a memory manager may refuse more than 4 MiB.
const PIECE: usize = place::STAGE_BYTES as usize;

/// Puts `offset` zeroes and then `bytes` into the address space of `memory`, at `address`, which
/// is page-aligned. Returns how many bytes were mapped there: whole pages, 0 if there are no
/// bytes.
pub(super) fn put(
    memory: Handle,
    address: u64,
    offset: u64,
    bytes: &[u8],
    protection: Protection,
) -> Result<u64, Error> {
    let mut mapped = 0;
    let mut offset = offset as usize;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(PIECE - offset));
        let staged = Staged::new(offset + piece.len())?;
        staged.fill(offset, piece);
        mapped += staged.move_to(memory, address + mapped, protection)?;
        (rest, offset) = (behind, 0);
    }
    Ok(mapped)
}

/// Private pages that nothing else refers to.
struct Staged {
    address: u64,
    length: u64,
}

impl Staged {
    fn new(bytes: usize) -> Result<Self, Error> {
        let length = (bytes as u64).next_multiple_of(PAGE_BYTES);
        let request = Map {
            // Another thread may be using it.
            flags: MapFlags::HINT,
            ..Map::new(place::STAGE, length, Protection::READ | Protection::WRITE)
        };
        let (address,) = call(Handle::MEMORY, request)?;
        Ok(Self { address, length })
    }

    fn fill(&self, offset: usize, bytes: &[u8]) {
        assert!((offset + bytes.len()) as u64 <= self.length);
        let start = core::ptr::with_exposed_provenance_mut::<u8>(self.address as usize + offset);
        let source = NonNull::from(bytes).cast().as_ptr();
        // SAFETY: both ranges are mapped, as the check says; the pages are new, so no reference
        // to them exists, and they do not overlap with `bytes`.
        unsafe { core::ptr::copy_nonoverlapping(source, start, bytes.len()) }
    }

    /// Hands the pages on. Returns their length.
    fn move_to(self, memory: Handle, to: u64, protection: Protection) -> Result<u64, Error> {
        let (source, length, destination) = (self.address, self.length, to);
        move_to(
            memory,
            Move {
                source,
                length,
                destination,
                protection,
            },
        )?;
        core::mem::forget(self);
        Ok(length)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // It was mapped by `new`, so this works.
        unmap(self.address, self.length).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, put};
    use crate::fake;
    use abi::Handle;
    use abi::memory::Protection;
    use std::alloc::{Layout, alloc_zeroed};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    const MAP: u64 = 0x204;
    const MOVE: u64 = 0x206;
    const CHILD: Handle = Handle::from_parts(20, 0);

    /// What was moved: to where, and the bytes.
    type Moved = Rc<RefCell<Vec<(u64, Vec<u8>)>>>;

    /// A kernel that maps memory of the host.
    fn kernel() -> Moved {
        let moved = Moved::default();
        let seen = Rc::clone(&moved);
        fake::install(move |sent, page| match sent[1] & 0xffff {
            MAP => {
                let layout = Layout::from_size_align(sent[3] as usize, 4096).expect("a size");
                // SAFETY: the size is not zero.
                let pages = unsafe { alloc_zeroed(layout) };
                [0, 0, pages.expose_provenance() as u64, 0, 0, 0, 0, 0, 0]
            }
            MOVE => {
                assert_eq!(sent[0], u64::from(CHILD.raw()));
                assert_eq!((sent[1] >> 32, page.handles[0]), (1, Handle::MEMORY.raw()));
                assert_eq!(sent[5], u64::from(Protection::READ.bits()));
                let pages = std::ptr::with_exposed_provenance::<u8>(sent[2] as usize);
                // SAFETY: made above, that long, never freed.
                let pages = unsafe { std::slice::from_raw_parts(pages, sent[3] as usize) };
                seen.borrow_mut().push((sent[4], pages.to_vec()));
                [0; 9]
            }
            label => panic!("label {label:#x}"),
        });
        moved
    }

    #[test]
    fn bytes_arrive_behind_their_offset_and_zeroes_fill_the_page() {
        let moved = kernel();
        assert_eq!(put(CHILD, 0x40_0000, 16, b"program", Protection::READ), Ok(4096));
        let (address, page) = moved.borrow_mut().pop().expect("moved");
        assert_eq!(address, 0x40_0000);
        assert_eq!(&page[16..23], b"program");
        assert!(page[..16].iter().chain(&page[23..]).all(|&byte| byte == 0));
    }

    #[test]
    fn what_is_large_goes_in_pieces_that_lie_one_behind_the_other() {
        let moved = kernel();
        let bytes: Vec<u8> = (0..PIECE + 5000).map(|place| place as u8).collect();
        assert_eq!(
            put(CHILD, 0, 100, &bytes, Protection::READ),
            Ok((PIECE + 8192) as u64)
        );
        let whole: Vec<u8> = moved
            .borrow()
            .iter()
            .flat_map(|(_, pages)| pages.clone())
            .collect();
        assert_eq!(whole[100..][..bytes.len()], bytes);
        let addresses: Vec<u64> = moved.borrow().iter().map(|(address, _)| *address).collect();
        assert_eq!(addresses, [0, PIECE as u64]);
    }

    #[test]
    fn nothing_is_mapped_for_no_bytes() {
        assert_eq!(put(CHILD, 0, 0, b"", Protection::READ), Ok(0));
    }
}
