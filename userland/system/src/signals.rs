//! The names of signals as `kill` knows them elsewhere, and what there is of them here: the end of a process.

use alloc::format;
use alloc::string::String;

/// Those whose default action is that a process ends: POSIX, `<signal.h>`. Names without `SIG`, and numbers.
pub const DEADLY: [(&str, u32); 6] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ABRT", 6),
    ("KILL", 9),
    ("TERM", 15),
];

/// What `kill` is to do with a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// End it.
    End,
    /// Say whether it exists: signal 0.
    Existence,
}

/// Takes what is wanted off the arguments of `kill`. Returns it, and the others, which name processes.
///
/// # Errors
/// What is wrong with it.
pub fn wanted<'w, 'a>(words: &'w [&'a str]) -> Result<(Wanted, &'w [&'a str]), String> {
    match words {
        ["-s"] => Err("-s needs a value".into()),
        ["-s", name, rest @ ..] => signal(name).map(|wanted| (wanted, rest)),
        ["--", rest @ ..] => Ok((Wanted::End, rest)),
        [first, rest @ ..] => match first.strip_prefix('-') {
            Some(name) => signal(name).map(|wanted| (wanted, rest)),
            None => Ok((Wanted::End, words)),
        },
        [] => Ok((Wanted::End, words)),
    }
}

fn signal(name: &str) -> Result<Wanted, String> {
    if name == "0" {
        return Ok(Wanted::Existence);
    }
    let upper = name.to_ascii_uppercase();
    let upper = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = name.parse().ok();
    let is_it = |&(own, own_number): &(&str, u32)| own == upper || Some(own_number) == number;
    if DEADLY.iter().any(is_it) {
        return Ok(Wanted::End);
    }
    Err(format!("{name} is none of the signals that -l lists"))
}

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};

    #[test]
    fn what_ends_a_process_elsewhere_ends_it_here() {
        for word in ["-9", "-KILL", "-SIGTERM", "-term", "-15", "-2"] {
            assert_eq!(wanted(&[word, "5"]), Ok((Wanted::End, &["5"][..])), "{word}");
        }
        assert_eq!(wanted(&["-s", "KILL", "5"]), Ok((Wanted::End, &["5"][..])));
        assert_eq!(wanted(&["5", "6"]), Ok((Wanted::End, &["5", "6"][..])));
        assert_eq!(wanted(&["--", "5"]), Ok((Wanted::End, &["5"][..])));
    }

    #[test]
    fn nothing_that_leaves_a_process_alive_elsewhere_ends_it_here() {
        assert_eq!(wanted(&["-0", "5"]), Ok((Wanted::Existence, &["5"][..])));
        for word in ["-STOP", "-19", "-CONT", "-x", "-", "-s"] {
            assert!(wanted(&[word]).is_err(), "{word}");
        }
    }
}
