//! The boot arguments that are meant for `init`.
//!
//! | word | |
//! | --- | --- |
//! | `interactive=no` | no prompt after the demonstration |
//! | `test=NAME` | run program NAME with the words behind this one, and nothing else |
//! | `script=FILE` | run a script of the archive with the words behind this one, and nothing else |
//! | `console-server` | a program drives the serial port, and all others are given it as their console |
//! | `bench` | print what booting cost, then run program bench, and nothing else |
//!
//! All others are the kernel's.

/// What this boot is for.
#[derive(Clone, Debug)]
pub enum Purpose<'a, A> {
    /// Somebody wants to use the machine.
    Session,
    /// The demonstration only.
    Demonstration,
    /// What booting cost, then the program `bench`.
    Benchmark,
    /// A script for the shell only.
    Script {
        /// Its path in the archive.
        file: &'a str,
        /// Its arguments.
        args: A,
    },
    /// One program only.
    Test {
        /// Its name.
        name: &'a str,
        /// Its arguments.
        args: A,
    },
}

/// Reads the boot arguments.
pub fn read(text: &str) -> Purpose<'_, impl Iterator<Item = &str>> {
    let mut words = text.split_ascii_whitespace();
    let mut purpose = Purpose::Session;
    while let Some(word) = words.next() {
        if word == "interactive=no" {
            purpose = Purpose::Demonstration;
        } else if word == "bench" {
            return Purpose::Benchmark;
        } else if let Some(file) = word.strip_prefix("script=") {
            return Purpose::Script { file, args: words };
        } else if let Some(name) = word.strip_prefix("test=") {
            return Purpose::Test { name, args: words };
        }
    }
    purpose
}

/// Whether the console is to be a program.
pub fn want_console_server(text: &str) -> bool {
    text.split_ascii_whitespace().any(|word| word == "console-server")
}

#[cfg(test)]
mod tests {
    use super::{Purpose, read, want_console_server};

    #[test]
    fn without_a_word_for_init_there_will_be_a_prompt() {
        assert!(matches!(read(""), Purpose::Session));
        assert!(matches!(read("exit=semihosting asid-bits=4"), Purpose::Session));
    }

    #[test]
    fn nobody_at_the_console_means_no_prompt() {
        assert!(matches!(read("exit=psci interactive=no"), Purpose::Demonstration));
        assert!(matches!(read("interactive=yes"), Purpose::Session));
    }

    #[test]
    fn the_console_is_the_kernels_unless_a_server_is_asked_for() {
        assert!(want_console_server("exit=psci console-server interactive=no"));
        assert!(!want_console_server("console=ttyAMA0"));
        assert!(!want_console_server(""));
    }

    #[test]
    fn what_follows_the_name_of_a_script_is_its_arguments() {
        let Purpose::Script { file, args } = read("exit=psci script=etc/script a b") else {
            panic!("not a script");
        };
        assert_eq!((file, args.collect::<Vec<_>>()), ("etc/script", vec!["a", "b"]));
    }

    #[test]
    fn what_follows_the_name_of_a_test_is_its_arguments() {
        let Purpose::Test { name, args } = read("interactive=no test=hostile random 7") else {
            panic!("not a test");
        };
        assert_eq!(name, "hostile");
        assert_eq!(args.collect::<Vec<_>>(), ["random", "7"]);
        assert!(matches!(read("test=bench"), Purpose::Test { name: "bench", .. }));
        assert!(matches!(read("interactive=no bench"), Purpose::Benchmark));
    }
}
