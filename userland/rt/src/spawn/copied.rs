//! Bytes of this program that a child begins with.

use crate::{Error, sys};
use abi::layout::PAGE_BYTES;
use abi::memory::{MapCopy, Protection};
use abi::{Errno, Handle};

/// Most bytes of a request whose copy begins with a page.
const MOST_BYTES: u64 = MapCopy::MOST_PAGES * PAGE_BYTES;

/// Maps `length` bytes in the address space of `memory`, from `address` on, that begin with `bytes`; what is behind these
/// is zero. In as many requests as that takes.
///
/// # Errors
/// As [`MapCopy`]. What the requests before have mapped stays.
pub(super) fn map(
    memory: Handle,
    mut address: u64,
    mut bytes: &[u8],
    mut length: u64,
    protection: Protection,
) -> Result<(), Error> {
    loop {
        let most = (MOST_BYTES - address % PAGE_BYTES) as usize;
        let Some((piece, rest)) = bytes.split_at_checked(most).filter(|(_, rest)| !rest.is_empty()) else {
            return map_piece(memory, bytes, address, length, protection);
        };
        map_piece(memory, piece, address, most as u64, protection)?;
        (address, bytes, length) = (address + most as u64, rest, length - most as u64);
    }
}

/// One request, again until it can be done: bytes that this program has not looked at yet may have no translation, which
/// one look gives them.
fn map_piece(
    memory: Handle,
    bytes: &[u8],
    address: u64,
    length: u64,
    protection: Protection,
) -> Result<(), Error> {
    loop {
        match sys::memory::map_copy(memory, bytes, address, length, protection) {
            Err(Error::Refused(Errno::EAGAIN)) => {
                let pages = bytes.iter().step_by(PAGE_BYTES as usize).chain(bytes.last());
                pages.for_each(|byte| {
                    core::hint::black_box(*byte);
                });
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_BYTES, map};
    use crate::fake;
    use abi::memory::Protection;
    use abi::{Errno, Handle};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    const MAP_COPY: u64 = 0x231;
    const CHILD: Handle = Handle::from_parts(20, 0);

    /// What was asked: how far into the bytes, how many, to where, and how long a mapping.
    type Asked = Rc<RefCell<Vec<[u64; 4]>>>;

    /// A kernel that is asked for copies of `bytes`, and refuses those from the second on if it shall.
    fn kernel(bytes: &[u8], refuses: bool) -> Asked {
        let asked = Asked::default();
        let (seen, first) = (Rc::clone(&asked), bytes.as_ptr().addr() as u64);
        fake::install(move |sent, page| {
            assert_eq!((sent[0], sent[1] & 0xffff), (u64::from(CHILD.raw()), MAP_COPY));
            assert_eq!((sent[1] >> 32, page.handles[0]), (1, Handle::MEMORY.raw()));
            assert_eq!(sent[6], u64::from(Protection::READ.bits()));
            let is_refused = refuses && !seen.borrow().is_empty();
            seen.borrow_mut()
                .push([sent[2] - first, sent[3], sent[4], sent[5]]);
            let errno = if is_refused { Errno::ENOMEM.number() } else { 0 };
            [0, errno.into(), 0, 0, 0, 0, 0, 0, 0]
        });
        asked
    }

    #[test]
    fn few_bytes_and_the_zeroes_behind_them_are_one_request() {
        let asked = kernel(b"program", false);
        let program = &b"program"[..];
        assert_eq!(map(CHILD, 0x40_0010, program, 9000, Protection::READ), Ok(()));
        assert_eq!(asked.borrow()[0][1..], [7, 0x40_0010, 9000]);
        assert_eq!(asked.borrow().len(), 1);
    }

    #[test]
    fn what_is_large_goes_in_pieces_that_lie_one_behind_the_other() {
        let bytes: Vec<u8> = std::vec![1; 2 * MOST_BYTES as usize];
        let asked = kernel(&bytes, false);
        assert_eq!(
            map(CHILD, 0x40_0010, &bytes, 3 * MOST_BYTES, Protection::READ),
            Ok(())
        );
        let first = MOST_BYTES - 0x10;
        let expected = [
            [0, first, 0x40_0010, first],
            [first, MOST_BYTES, 0x40_0000 + MOST_BYTES, MOST_BYTES],
            [
                first + MOST_BYTES,
                0x10,
                0x40_0000 + 2 * MOST_BYTES,
                MOST_BYTES + 0x10,
            ],
        ];
        assert_eq!(*asked.borrow(), expected);
    }

    #[test]
    fn what_fills_a_request_is_one() {
        let bytes: Vec<u8> = std::vec![1; MOST_BYTES as usize];
        let asked = kernel(&bytes, false);
        assert_eq!(
            map(CHILD, 0x40_0000, &bytes, MOST_BYTES, Protection::READ),
            Ok(())
        );
        assert_eq!(*asked.borrow(), [[0, MOST_BYTES, 0x40_0000, MOST_BYTES]]);
    }

    #[test]
    fn what_is_to_be_asked_again_is() {
        let asked = Rc::new(RefCell::new(0));
        let count = Rc::clone(&asked);
        fake::install(move |_, _| {
            *count.borrow_mut() += 1;
            let errno = if *count.borrow() < 4 {
                Errno::EAGAIN.number()
            } else {
                0
            };
            [0, errno.into(), 0, 0, 0, 0, 0, 0, 0]
        });
        assert_eq!(map(CHILD, 0x40_0000, b"program", 7, Protection::READ), Ok(()));
        assert_eq!(*asked.borrow(), 4);
    }

    #[test]
    fn a_refusal_ends_it() {
        let bytes: Vec<u8> = std::vec![1; 3 * MOST_BYTES as usize];
        let asked = kernel(&bytes, true);
        let refused = map(CHILD, 0, &bytes, 3 * MOST_BYTES, Protection::READ);
        assert_eq!(refused, Err(crate::Error::Refused(Errno::ENOMEM)));
        assert_eq!(asked.borrow().len(), 2);
    }
}
