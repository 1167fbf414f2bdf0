//! The kernel's log: the newest text, in a ring. After boot nothing else of the kernel's prints.

use core::fmt;

/// Bytes that the kernel's keeps.
pub const LOG_BYTES: usize = 8192;

/// The ring. Its bytes are elsewhere, so that it can be handed on.
pub struct Log {
    bytes: &'static mut [u8],
    /// Bytes ever written.
    written: u64,
}

impl Log {
    /// One without text that keeps as much as there is room for in `bytes`.
    pub const fn new(bytes: &'static mut [u8]) -> Self {
        Self { bytes, written: 0 }
    }

    /// One that keeps nothing.
    pub const fn none() -> Self {
        Self::new(&mut [])
    }

    fn place(&self, position: u64) -> usize {
        (position % self.bytes.len() as u64) as usize
    }

    /// Copies text from `position` (bytes since the start) on. Text that is no longer kept is
    /// skipped. Returns the position behind what was copied and how many bytes it was.
    pub fn read(&self, position: u64, to: &mut [u8]) -> (u64, usize) {
        let oldest = self.written.saturating_sub(self.bytes.len() as u64);
        let start = position.clamp(oldest, self.written);
        let count = usize::try_from(self.written - start).map_or(to.len(), |kept| kept.min(to.len()));
        for (place, byte) in (start..).zip(&mut to[..count]) {
            *byte = self.bytes[self.place(place)];
        }
        (start + count as u64, count)
    }

    /// Bytes ever written: the position where the next text will be.
    pub fn end(&self) -> u64 {
        self.written
    }
}

impl fmt::Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.bytes.is_empty() {
            return Ok(());
        }
        for byte in text.bytes() {
            let place = self.place(self.written);
            self.bytes[place] = byte;
            self.written += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::Log;
    use core::fmt::Write;
    use std::vec;

    const BYTES: usize = 100;

    fn log() -> Log {
        Log::new(vec![0; BYTES].leak())
    }

    #[test]
    fn text_is_read_in_pieces_from_any_position() {
        let mut log = log();
        log.write_str("hello world").expect("never fails");
        let mut buffer = [0; 6];
        assert_eq!(log.read(0, &mut buffer), (6, 6));
        assert_eq!(&buffer, b"hello ");
        assert_eq!(log.read(6, &mut buffer), (11, 5));
        assert_eq!(&buffer[..5], b"world");
        assert_eq!(log.read(11, &mut buffer), (11, 0));
        assert_eq!(log.read(u64::MAX, &mut buffer), (11, 0));
    }

    #[test]
    fn old_text_makes_room_and_a_late_reader_starts_with_the_oldest_kept() {
        let mut log = log();
        for _ in 0..BYTES {
            log.write_str("ab").expect("never fails");
        }
        let mut buffer = [0; 2];
        let oldest = log.end() - BYTES as u64;
        assert_eq!(log.read(0, &mut buffer), (oldest + 2, 2));
        assert_eq!(&buffer, b"ab");
    }

    #[test]
    fn one_that_keeps_nothing_has_nothing() {
        let mut log = Log::none();
        log.write_str("lost").expect("never fails");
        assert_eq!((log.read(0, &mut [0; 4]), log.end()), ((0, 0), 0));
    }
}
