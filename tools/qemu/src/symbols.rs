//! Names for the addresses of a panic: which functions, in which lines.
//!
//! The kernel prints each return address on its stack on a line of its own, `  at 0xffff800000018078`. What runs on the
//! host has the kernel's file with its symbols, and puts the name behind it.

use std::cell::OnceCell;
use std::io::{Read, Result, Write};
use std::path::PathBuf;

use addr2line::Loader;
use regex::Regex;

use crate::workspace::Workspace;

/// The symbols of a kernel. They are read when they are needed; without any, nothing gets a name.
pub struct Symbols {
    kernel: PathBuf,
    file: OnceCell<Option<Loader>>,
    /// What the names of files begin with that nobody needs to read.
    root: String,
    address: Regex,
}

impl Symbols {
    /// Those of the kernel that was built last.
    #[must_use]
    pub fn of_kernel(workspace: &Workspace) -> Self {
        Self {
            kernel: workspace.kernel_elf(),
            file: OnceCell::new(),
            root: format!("{}/", workspace.root().display()),
            address: Regex::new(r"^  at 0x([0-9a-f]{1,16})\r?$").expect("the pattern is valid"),
        }
    }

    /// A text with names behind the addresses of a panic.
    #[must_use]
    pub fn explain(&self, text: &str) -> String {
        let lines = text.split('\n').map(|line| match self.name_in(line) {
            Some(name) => format!("{} {name}", line.trim_end()),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Passes on what a machine prints, as it comes, in the same way.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written.
    pub fn pass_on(&self, mut from: impl Read, mut to: impl Write) -> Result<()> {
        let mut buffer = [0; 4096];
        let mut line = Vec::new();
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            for &byte in &buffer[..length] {
                let name = self.name_before(byte, &line);
                write!(to, "{}", name.unwrap_or_default())?;
                // A carriage return waits for what follows it: the name may have to go before it.
                if line.ends_with(b"\r") {
                    to.write_all(b"\r")?;
                }
                if byte != b'\r' {
                    to.write_all(&[byte])?;
                }
                if byte == b'\n' {
                    line.clear()
                } else {
                    line.push(byte)
                }
            }
            to.flush()?;
        }
    }

    /// What belongs between a line so far and the byte that follows.
    fn name_before(&self, byte: u8, line: &[u8]) -> Option<String> {
        let line = (byte == b'\n').then(|| String::from_utf8_lossy(line))?;
        self.name_in(&line).map(|name| format!(" {name}"))
    }

    /// What belongs behind a line.
    fn name_in(&self, line: &str) -> Option<String> {
        let address = u64::from_str_radix(&self.address.captures(line)?[1], 16).ok()?;
        // The call is what comes before the instruction that it returns to.
        self.name(address.checked_sub(4)?)
    }

    /// The function that an address belongs to; if it was put in line into others, all of them, the innermost first.
    fn name(&self, address: u64) -> Option<String> {
        let mut names = Vec::new();
        let file = self
            .file
            .get_or_init(|| Loader::new(&self.kernel).ok())
            .as_ref()?;
        // Nothing else returns anywhere, and the last symbol would be found for all that follows it.
        let code = file.get_section_range(b".text")?;
        if !(code.begin..code.end).contains(&address) {
            return None;
        }
        let mut frames = file.find_frames(address).ok()?;
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.as_ref()?.demangle().ok()?.into_owned();
            let place = frame.location.and_then(|location| {
                let file = location.file?;
                let file = file.strip_prefix(&self.root).unwrap_or(file);
                Some(format!(" ({file}:{})", location.line?))
            });
            names.push(function + &place.unwrap_or_default());
        }
        if names.is_empty() {
            names.push(file.find_symbol(address)?.to_owned());
        }
        Some(names.join(" in "))
    }
}

#[cfg(test)]
mod tests {
    use super::Symbols;
    use regex::Regex;
    use std::cell::OnceCell;

    /// Of this very test, which has symbols too.
    fn own() -> Symbols {
        Symbols {
            kernel: std::env::current_exe().unwrap(),
            file: OnceCell::new(),
            root: String::new(),
            address: Regex::new(r"^  at 0x([0-9a-f]{1,16})\r?$").unwrap(),
        }
    }

    #[test]
    fn what_is_no_address_of_a_panic_is_passed_on_as_it_comes() {
        for text in [
            "",
            "prompt> ",
            "a\r\nb\rc\n",
            "  at 0x\n",
            "at 0x10\n",
            "  at 0x10 already\n",
        ] {
            let mut passed = Vec::new();
            own().pass_on(text.as_bytes(), &mut passed).unwrap();
            assert_eq!(String::from_utf8(passed).unwrap(), text);
            assert_eq!(own().explain(text), text);
        }
    }

    #[test]
    fn an_address_that_is_nowhere_gets_no_name() {
        assert_eq!(
            own().explain("  at 0xffffffffffffffff\r\n"),
            "  at 0xffffffffffffffff\r\n"
        );
    }
}
