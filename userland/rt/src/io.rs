//! The console: lines out, lines in.

use crate::line::{self, Complete, Typed};
use crate::sys::{console, process};
use crate::time::{Duration, sleep};
use crate::{Error, Incoming};
use abi::{BUFFER_BYTES, Errno, Handle};
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
/// reads: that is no reason for a program to fail too. But where the program is part of a pipeline whose next
/// part has ended, it has no work left, and ends.
pub fn print(arguments: fmt::Arguments<'_>) {
    let mut buffer = Buffer {
        bytes: [0; BUFFER_BYTES],
        used: 0,
    };
    buffer.write_fmt(arguments).and_then(|()| buffer.flush()).ok();
}

/// Writes bytes as they are, text or not, under the same conditions as [`print()`].
///
/// # Errors
/// The console fails.
pub fn write(bytes: &[u8]) -> Result<(), Error> {
    let written = console::write_all(Handle::CONSOLE, bytes);
    if written == Err(Error::Refused(Errno::EPIPE)) {
        process::exit(BROKEN_PIPE);
    }
    written
}

/// What a program ends with whose output nobody reads any more: what shells report for `SIGPIPE`.
const BROKEN_PIPE: i32 = 128 + 13;

/// Collects text, so that a line goes out as one message and stays in one piece among the lines
/// of other programs.
struct Buffer {
    bytes: [u8; BUFFER_BYTES],
    used: usize,
}

impl Buffer {
    fn flush(&mut self) -> fmt::Result {
        let used = core::mem::take(&mut self.used);
        write(&self.bytes[..used]).map_err(|_| fmt::Error)
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

/// How long a prompt leaves the console to another program that reads it.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Reads lines from the console, with echo and the keys of [`line::Editor`].
#[derive(Debug, Default)]
pub struct LineReader {
    input: Input,
    editor: line::Editor,
}

impl LineReader {
    /// With nothing read yet.
    pub const fn new() -> Self {
        Self {
            input: Input::new(),
            editor: line::Editor::new(),
        }
    }

    /// Waits for a line; `None` at the end of the input.
    ///
    /// # Errors
    /// The console cannot be read.
    pub fn read_line(&mut self) -> Result<Option<String>, Error> {
        self.read_line_at("", &line::no_completion)
    }

    /// The same behind a prompt, with words that Tab completes.
    ///
    /// # Errors
    /// The console cannot be read.
    pub fn read_line_at(&mut self, prompt: &str, complete: Complete<'_>) -> Result<Option<String>, Error> {
        print!("{prompt}");
        let mut screen = String::new();
        while let Some(byte) = self.next_byte()? {
            let typed = self.editor.take(byte, prompt, complete, &mut screen);
            print!("{screen}");
            screen.clear();
            match typed {
                Some(Typed::Line(line)) => return Ok(Some(line)),
                Some(Typed::EndOfInput) => return Ok(None),
                None => {}
            }
        }
        Ok(None)
    }

    /// Waits for a byte, and asks again if another program, one in the background for instance, reads this console:
    /// that is no reason for a prompt to end.
    fn next_byte(&mut self) -> Result<Option<u8>, Error> {
        loop {
            match self.input.next_byte() {
                Err(Error::Refused(Errno::EBUSY)) => sleep(READ_AGAIN_AFTER),
                done => return done,
            }
        }
    }

    /// The lines read so far.
    pub fn history(&self) -> &line::History {
        self.editor.history()
    }
}

/// What comes from the console, as it comes.
#[derive(Debug, Default)]
pub struct Input {
    piece: Incoming,
    /// How much of the piece is used up.
    used: usize,
}

impl Input {
    /// With nothing read yet.
    pub const fn new() -> Self {
        Self {
            piece: Incoming::new(),
            used: 0,
        }
    }

    /// Waits for more; none at the end of the input.
    ///
    /// # Errors
    /// The console cannot be read.
    pub fn next_piece(&mut self) -> Result<&[u8], Error> {
        self.fill(BUFFER_BYTES as u64)?;
        let used = core::mem::replace(&mut self.used, self.piece.bytes().len());
        Ok(&self.piece.bytes()[used..])
    }

    /// Waits for a byte; `None` at the end of the input. What was typed behind it is left for whoever reads next,
    /// a program that a shell starts for instance.
    ///
    /// # Errors
    /// The console cannot be read.
    pub fn next_byte(&mut self) -> Result<Option<u8>, Error> {
        self.fill(1)?;
        let byte = self.piece.bytes().get(self.used).copied();
        self.used += usize::from(byte.is_some());
        Ok(byte)
    }

    /// Waits for more, up to `most` bytes, if there is nothing left.
    fn fill(&mut self, most: u64) -> Result<(), Error> {
        if self.used == self.piece.bytes().len() {
            console::read(Handle::CONSOLE, most, &mut self.piece)?;
            self.used = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Input, LineReader};
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
        assert_eq!(reader.read_line(), Ok(Some("help".into())));
        assert_eq!(reader.read_line(), Ok(Some("run producer".into())));
        assert!(matches!(reader.read_line(), Err(Error::Ipc(_))));
        assert_eq!(screen.borrow().as_str(), "help\nrun producer\n");
    }

    #[test]
    fn the_end_of_a_pipe_is_the_end_of_the_input() {
        fake::install(|_, _| [0; 9]);
        assert_eq!(LineReader::new().read_line(), Ok(None));
        assert_eq!(Input::new().next_piece(), Ok(&[][..]));
    }

    #[test]
    fn keys_without_a_character_leave_nothing_in_the_line() {
        let typed = "a\u{1b}[Bb\u{1b}OPc\u{1b}[15~d\u{1b}[1;5De\u{1b}xf\u{1b}\u{1b}[Bg\r";
        let screen = terminal(typed);
        assert_eq!(LineReader::new().read_line(), Ok(Some("abcdefg".into())));
        assert_eq!(screen.borrow().as_str(), "abcdefg\n");
    }

    #[test]
    fn enter_ends_a_line_in_the_middle_of_an_escape_sequence() {
        let screen = terminal("a\u{1b}\rb\u{1b}[\r[x\r");
        let mut reader = LineReader::new();
        let lines = [(); 3].map(|()| reader.read_line().expect("a line").expect("a line"));
        assert_eq!(lines, ["a", "b", "[x"]);
        assert_eq!(screen.borrow().as_str(), "a\nb\n[x\n");
    }

    #[test]
    fn backspace_takes_one_character_back_and_control_u_all() {
        let screen = terminal("ab\u{7f}c\u{15}\u{8}x\r");
        assert_eq!(LineReader::new().read_line(), Ok(Some("x".into())));
        assert_eq!(
            screen.borrow().as_str(),
            "ab\u{8} \u{8}c\u{8} \u{8}\u{8} \u{8}x\n"
        );
    }

    #[test]
    fn input_comes_in_pieces_as_it_was_typed() {
        terminal("abcd");
        let mut input = Input::new();
        assert_eq!(input.next_byte(), Ok(Some(b'a')));
        assert_eq!(input.next_piece(), Ok(&b"bc"[..]));
        assert_eq!(input.next_piece(), Ok(&b"d"[..]));
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
