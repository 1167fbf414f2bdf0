//! The console: lines out, lines in.

use crate::sys::console;
use crate::{Error, Incoming};
use abi::{BUFFER_BYTES, Handle};
use alloc::string::String;
use core::fmt::{self, Write as _};

/// Prints to the console.
#[macro_export]
macro_rules! print {
    ($($arguments:tt)*) => { $crate::io::print(::core::format_args!($($arguments)*)) };
}

/// Prints a line to the console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arguments:tt)*) => {
        $crate::io::print(::core::format_args!("{}\n", ::core::format_args!($($arguments)*)))
    };
}

/// Prints a line about something that went wrong. There is one console for both.
#[macro_export]
macro_rules! eprintln {
    ($($arguments:tt)*) => { $crate::println!($($arguments)*) };
}

/// What [`print!`](crate::print) calls.
///
/// Nothing is allocated, so that a panic can print. A console that fails is a console nobody
/// reads: that is no reason for a program to fail too.
pub fn print(arguments: fmt::Arguments<'_>) {
    let mut buffer = Buffer {
        bytes: [0; BUFFER_BYTES],
        used: 0,
    };
    buffer.write_fmt(arguments).and_then(|()| buffer.flush()).ok();
}

/// Collects text, so that a line goes out as one message and stays in one piece among the lines
/// of other programs.
struct Buffer {
    bytes: [u8; BUFFER_BYTES],
    used: usize,
}

impl Buffer {
    fn flush(&mut self) -> fmt::Result {
        let used = core::mem::take(&mut self.used);
        console::write_all(Handle::CONSOLE, &self.bytes[..used]).map_err(|_| fmt::Error)
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.used == self.bytes.len() {
                self.flush()?;
            }
            self.bytes[self.used] = byte;
            self.used += 1;
        }
        Ok(())
    }
}

/// Longest line that can be typed, in bytes.
const LINE_BYTES: usize = 256;
const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
/// Control-U: start over.
const KILL: u8 = 0x15;
/// What keys without a character send first.
const ESCAPE: u8 = 0x1b;

/// Reads lines from the console, with echo and backspace. Keys that are no characters (arrows, F1) are passed
/// over.
#[derive(Debug, Default)]
pub struct LineReader {
    input: Incoming,
    /// How much of the input is used up.
    used: usize,
    escape: Escape,
}

/// How much of an escape sequence has come (ECMA-48, "Control functions").
#[derive(Debug, Default, Clone, Copy)]
enum Escape {
    #[default]
    Nothing,
    /// ESC.
    Begun,
    /// ESC and `[`: ends with a byte from `@` on.
    Sequence,
    /// ESC and `O`: ends with the next byte.
    OneMore,
}

impl Escape {
    /// What there is of a sequence when `byte` has come too; `None` if `byte` does not belong to one.
    fn follow(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (_, ESCAPE) => Some(Self::Begun),
            // Control characters end whatever was begun, and keep their meaning.
            (_, ..b' ') | (Self::Nothing, _) => None,
            (Self::Begun, b'[') => Some(Self::Sequence),
            (Self::Begun, b'O') => Some(Self::OneMore),
            (Self::Sequence, b' '..b'@') => Some(Self::Sequence),
            (Self::Begun | Self::OneMore | Self::Sequence, _) => Some(Self::Nothing),
        }
    }
}

impl LineReader {
    /// With nothing read yet.
    pub const fn new() -> Self {
        Self {
            input: Incoming::new(),
            used: 0,
            escape: Escape::Nothing,
        }
    }

    /// Waits for a line. What does not fit into 256 bytes is not echoed and lost, and so is what
    /// is not printable ASCII.
    ///
    /// # Errors
    /// The console cannot be read.
    pub fn read_line(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        loop {
            match self.next_typed()? {
                b'\r' | b'\n' => {
                    print!("\n");
                    return Ok(line);
                }
                BACKSPACE | DELETE => erase(&mut line, 1),
                KILL => erase(&mut line, LINE_BYTES),
                byte @ b' '..=b'~' if line.len() < LINE_BYTES => {
                    let typed = char::from(byte);
                    line.push(typed);
                    print!("{typed}");
                }
                _ => {}
            }
        }
    }

    /// The next byte that is no part of an escape sequence.
    fn next_typed(&mut self) -> Result<u8, Error> {
        loop {
            let byte = self.next_byte()?;
            let escape = self.escape.follow(byte);
            self.escape = escape.unwrap_or_default();
            if escape.is_none() {
                return Ok(byte);
            }
        }
    }

    fn next_byte(&mut self) -> Result<u8, Error> {
        loop {
            if let Some(&byte) = self.input.bytes().get(self.used) {
                self.used += 1;
                return Ok(byte);
            }
            self.used = 0;
            console::read(Handle::CONSOLE, BUFFER_BYTES as u64, &mut self.input)?;
        }
    }
}

/// Takes up to `count` characters back, on the screen too.
fn erase(line: &mut String, count: usize) {
    for _ in 0..count {
        if line.pop().is_none() {
            return;
        }
        print!("\u{8} \u{8}");
    }
}

#[cfg(test)]
mod tests {
    use super::LineReader;
    use crate::{Error, fake, sys};
    use abi::{Handle, Tag};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::string::String;

    const READ: u64 = 0x301;

    /// A terminal on which `typed` is typed, a few keys at a time; returns what it shows.
    fn terminal(typed: &'static str) -> Rc<RefCell<String>> {
        let screen = Rc::new(RefCell::new(String::new()));
        let shown = Rc::clone(&screen);
        let mut keys = typed.as_bytes().chunks(3);
        fake::install(move |sent, page| {
            let bytes = (sent[1] >> 16 & 0xffff) as usize;
            if sent[1] & 0xffff != READ {
                let text = std::str::from_utf8(&page.bytes[..bytes]).expect("text");
                shown.borrow_mut().push_str(text);
                return [0, 0, bytes as u64, 0, 0, 0, 0, 0, 0];
            }
            let Some(keys) = keys.next() else {
                return [6, 0, 0, 0, 0, 0, 0, 0, 0];
            };
            page.bytes[..keys.len()].copy_from_slice(keys);
            let tag = Tag::decode((keys.len() as u64) << 16).expect("a good tag");
            [0, tag.encode(), keys.len() as u64, 0, 0, 0, 0, 0, 0]
        });
        screen
    }

    #[test]
    fn lines_come_one_by_one_however_the_keys_arrive() {
        let screen = terminal("help\rrun producer\n");
        let mut reader = LineReader::new();
        assert_eq!(reader.read_line().as_deref(), Ok("help"));
        assert_eq!(reader.read_line().as_deref(), Ok("run producer"));
        assert!(matches!(reader.read_line(), Err(Error::Ipc(_))));
        assert_eq!(screen.borrow().as_str(), "help\nrun producer\n");
    }

    #[test]
    fn keys_without_a_character_leave_nothing_in_the_line() {
        let typed = "a\u{1b}[Ab\u{1b}OPc\u{1b}[15~d\u{1b}[1;5De\u{1b}xf\u{1b}\u{1b}[Bg\r";
        let screen = terminal(typed);
        assert_eq!(LineReader::new().read_line().as_deref(), Ok("abcdefg"));
        assert_eq!(screen.borrow().as_str(), "abcdefg\n");
    }

    #[test]
    fn enter_ends_a_line_in_the_middle_of_an_escape_sequence() {
        let screen = terminal("a\u{1b}\rb\u{1b}[\r[x\r");
        let mut reader = LineReader::new();
        let lines = [(); 3].map(|()| reader.read_line().expect("a line"));
        assert_eq!(lines, ["a", "b", "[x"]);
        assert_eq!(screen.borrow().as_str(), "a\nb\n[x\n");
    }

    #[test]
    fn backspace_takes_one_character_back_and_control_u_all() {
        let screen = terminal("ab\u{7f}c\u{15}\u{8}x\r");
        assert_eq!(LineReader::new().read_line().as_deref(), Ok("x"));
        assert_eq!(
            screen.borrow().as_str(),
            "ab\u{8} \u{8}c\u{8} \u{8}\u{8} \u{8}x\n"
        );
    }

    #[test]
    fn a_long_text_is_printed_whole() {
        let screen = terminal("");
        let text = "granule ".repeat(200);
        crate::println!("{text}");
        assert_eq!(screen.borrow().as_str(), text + "\n");
        assert!(sys::console::write_all(Handle::CONSOLE, b"").is_ok());
    }
}
