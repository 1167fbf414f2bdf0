//! The start and the end of a program.
//!
//! 1. `_start`, the entry, finds the start message in x0-x7 and the message page. It has nothing
//!    to set up: the stack pointer is its parent's gift, zeroes are zero, nothing is relocated.
//! 2. [`enter`] keeps the message and calls the program's function.
//! 3. What that returns becomes the exit status.
//!
//! # Arguments and environment
//!
//! Programs started by [`spawn`](crate::spawn) find both in the text of their start message: each argument, then
//! each variable as `NAME=VALUE`, with a NUL character behind each. Word 2 (x4) says how many are arguments. All
//! of it must fit into a message, so that no memory has to be found for it.

use crate::message::Incoming;
use crate::{Outcome, eprintln, sys};
use abi::Words6;

/// The message a program starts with.
#[derive(Clone, Debug)]
pub struct Start {
    words: Words6,
    incoming: Incoming,
}

impl Start {
    /// The first four words, chosen by the parent. Those started by [`spawn`](crate::spawn) find
    /// what [`Archive::from_start`](crate::archive::Archive::from_start) reads.
    pub fn words(&self) -> [u64; 4] {
        let [w0, w1, w2, w3, _, _] = self.words;
        [w0, w1, w2, w3]
    }

    /// The message's text; for `init`, the arguments the machine was booted with. Empty if it is
    /// not UTF-8.
    pub fn text(&self) -> &str {
        core::str::from_utf8(self.incoming.bytes()).unwrap_or("")
    }

    /// The arguments.
    pub fn args(&self) -> impl Iterator<Item = &str> {
        self.strings().take(self.argument_count())
    }

    /// Argument `place`, from 0 on; the program's own name is none of them.
    pub fn arg(&self, place: usize) -> Option<&str> {
        self.args().nth(place)
    }

    /// The environment: names and values.
    pub fn vars(&self) -> impl Iterator<Item = (&str, &str)> {
        let behind = self.strings().skip(self.argument_count());
        behind.filter_map(|string| string.split_once('='))
    }

    fn strings(&self) -> impl Iterator<Item = &str> {
        self.text().split_terminator('\0')
    }

    fn argument_count(&self) -> usize {
        usize::try_from(self.words()[ARGUMENTS]).unwrap_or(usize::MAX)
    }
}

/// Which of the words says how many arguments there are.
const ARGUMENTS: usize = 2;

/// Makes `$main`, a function from [`&Start`](Start) to [`Outcome`](crate::Outcome), the program.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        /// Called by the runtime once the start message is read.
        #[cfg(target_os = "none")]
        #[unsafe(no_mangle)]
        fn granule_main(start: &$crate::Start) -> $crate::Outcome {
            $main(start)
        }

        /// On the host, a program that runs on Granule alone has nothing to do.
        #[cfg(not(target_os = "none"))]
        fn main() {
            let _: fn(&$crate::Start) -> $crate::Outcome = $main;
        }
    };
}

/// Ends this process with what its program, or its part of one, returned.
pub(crate) fn end(outcome: Outcome) -> ! {
    match outcome {
        Ok(()) => sys::process::exit(0),
        Err(failure) => {
            eprintln!("{failure}");
            sys::process::exit(1)
        }
    }
}

#[cfg(target_os = "none")]
mod entry {
    use super::Start;
    use crate::Outcome;
    use crate::message::Incoming;
    use abi::Tag;
    use core::arch::global_asm;

    // The note and the entry are in one place, so that one cannot be linked without the other.
    global_asm!(
        ".pushsection .note.granule, \"a\", %note",
        ".balign 4",
        ".word 2f - 1f", // length of the name
        ".word 4",       // length of the description
        ".word {note_type}",
        "1: .asciz \"Granule\"",
        "2: .balign 4",
        ".word {version}",
        ".popsection",
        ".pushsection .text._start, \"ax\", %progbits",
        ".global _start",
        ".type _start, %function",
        "_start:",
        ".cfi_startproc",
        ".cfi_undefined x30", // a backtrace ends here
        "mov x29, xzr",
        "bl {enter}",
        ".cfi_endproc",
        ".size _start, . - _start",
        ".popsection",
        note_type = const abi::NOTE_TYPE,
        version = const abi::VERSION,
        enter = sym enter,
    );

    const _: () = assert!(matches!(abi::NOTE_NAME.as_bytes(), b"Granule"));

    unsafe extern "Rust" {
        /// Made by [`program!`](crate::program).
        safe fn granule_main(start: &Start) -> Outcome;
    }

    extern "C" fn enter(_: u64, tag: u64, w0: u64, w1: u64, w2: u64, w3: u64, w4: u64, w5: u64) -> ! {
        let mut incoming = Incoming::new();
        if let Ok(tag) = Tag::decode(tag) {
            incoming.take(tag);
        }
        let words = [w0, w1, w2, w3, w4, w5];
        super::end(granule_main(&Start { words, incoming }))
    }
}

#[cfg(test)]
mod tests {
    use super::Start;
    use crate::message::{Incoming, Outgoing};
    use abi::Label;
    use std::vec::Vec;

    fn start(text: &[u8], arguments: u64) -> Start {
        let tag = Outgoing::bytes(text).put(Label::DONE).expect("fits");
        let mut incoming = Incoming::new();
        incoming.take(tag);
        Start {
            words: [1, 2, arguments, 4, 0, 0],
            incoming,
        }
    }

    #[test]
    fn arguments_come_first_and_then_variables() {
        let start = start(b"one\0\0two words\0A=1\0B=x=y\0", 3);
        assert_eq!(start.args().collect::<Vec<_>>(), ["one", "", "two words"]);
        assert_eq!((start.arg(2), start.arg(3)), (Some("two words"), None));
        assert_eq!(start.vars().collect::<Vec<_>>(), [("A", "1"), ("B", "x=y")]);
    }

    #[test]
    fn nothing_is_made_of_text_that_nobody_counted() {
        assert_eq!(start(b"exit=psci bench", 0).args().count(), 0);
        assert_eq!(start(b"", 0).args().count(), 0);
        assert_eq!(start(b"one\0", u64::MAX).args().count(), 1);
    }

    #[test]
    fn text_that_is_not_utf_8_is_no_text() {
        assert_eq!(start(&[0xff, 0xfe], 0).text(), "");
    }
}
