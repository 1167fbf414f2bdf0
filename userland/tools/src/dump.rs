//! Bytes as `hexdump -C` shows them.

use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

/// Bytes in a line.
pub const LINE_BYTES: usize = 16;

/// Makes lines of bytes, and one `*` of any number that are the same as the one before.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    last: Option<[u8; LINE_BYTES]>,
    skipping: bool,
}

impl Dump {
    /// The line for `bytes`, up to sixteen, at `offset`; `None` if it is not to be shown.
    pub fn line(&mut self, offset: u64, bytes: &[u8]) -> Option<String> {
        let whole: Option<[u8; LINE_BYTES]> = bytes.try_into().ok();
        if whole.is_some() && whole == self.last {
            let begins = !core::mem::replace(&mut self.skipping, true);
            return begins.then(|| "*".into());
        }
        self.last = whole;
        self.skipping = false;
        Some(line(offset, bytes))
    }
}

fn line(offset: u64, bytes: &[u8]) -> String {
    let mut text = format!("{offset:08x}");
    for place in 0..LINE_BYTES {
        if place % 8 == 0 {
            text.push(' ');
        }
        // A string takes all that is written to it; the result is the trait's.
        match bytes.get(place) {
            Some(byte) => write!(text, " {byte:02x}").ok(),
            None => write!(text, "   ").ok(),
        };
    }
    text.push_str("  |");
    text.extend(bytes.iter().map(|&byte| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }));
    text.push('|');
    text
}

#[cfg(test)]
mod tests {
    use super::Dump;

    #[test]
    fn a_line_has_the_offset_the_bytes_and_the_characters() {
        let line = Dump::default().line(0x10, b"shared memory\0\xff!");
        let expected = "00000010  73 68 61 72 65 64 20 6d  65 6d 6f 72 79 00 ff 21  |shared memory..!|";
        assert_eq!(line.as_deref(), Some(expected));
        let short = Dump::default().line(0, b"ab").expect("a line");
        assert_eq!(
            short.trim_end(),
            "00000000  61 62                                             |ab|"
        );
    }

    #[test]
    fn lines_that_repeat_the_one_before_are_one_star() {
        let mut dump = Dump::default();
        assert!(
            dump.line(0, &[0; 16])
                .is_some_and(|line| line.starts_with("00000000"))
        );
        assert_eq!(dump.line(16, &[0; 16]).as_deref(), Some("*"));
        assert_eq!(dump.line(32, &[0; 16]), None);
        assert!(
            dump.line(48, &[1; 16])
                .is_some_and(|line| line.starts_with("00000030"))
        );
        assert!(
            dump.line(64, &[0; 16])
                .is_some_and(|line| line.starts_with("00000040"))
        );
    }
}
