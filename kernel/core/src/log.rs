//! The kernel's log: the newest text, in a ring. After boot nothing else of the kernel's prints.

use core::fmt;

/// Bytes kept.
pub const LOG_BYTES: usize = 8192;

/// The ring.
pub struct Log {
    bytes: [u8; LOG_BYTES],
    /// Bytes ever written.
    written: u64,
}

impl Log {
    /// No text.
    pub const EMPTY: Self = Self {
        bytes: [0; LOG_BYTES],
        written: 0,
    };

    /// Copies text from `position` (bytes since the start) on. Text that is no longer kept is
    /// skipped. Returns the position behind what was copied and how many bytes it was.
    pub fn read(&self, position: u64, to: &mut [u8]) -> (u64, usize) {
        let oldest = self.written.saturating_sub(LOG_BYTES as u64);
        let start = position.clamp(oldest, self.written);
        let count = usize::try_from(self.written - start).map_or(to.len(), |kept| kept.min(to.len()));
        for (place, byte) in (start..).zip(&mut to[..count]) {
            *byte = self.bytes[(place % LOG_BYTES as u64) as usize];
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
        for byte in text.bytes() {
            self.bytes[(self.written % LOG_BYTES as u64) as usize] = byte;
            self.written += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LOG_BYTES, Log};
    use core::fmt::Write;

    #[test]
    fn text_is_read_in_pieces_from_any_position() {
        let mut log = Log::EMPTY;
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
        let mut log = Log::EMPTY;
        for _ in 0..LOG_BYTES {
            log.write_str("ab").expect("never fails");
        }
        let mut buffer = [0; 2];
        let oldest = log.end() - LOG_BYTES as u64;
        assert_eq!(log.read(0, &mut buffer), (oldest + 2, 2));
        assert_eq!(&buffer, b"ab");
    }
}
