//! Options of a command, as POSIX has them ("Utility Syntax Guidelines"), and `--help`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rt::{Failure, Outcome, Start, eprintln, println, sys};

/// How a program is used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Its name and all it takes, in one line.
    pub line: &'static str,
    /// The letters of its options; `:` behind one says that a value follows it.
    pub letters: &'static str,
    /// What `--help` says below that line.
    pub help: &'static str,
}

/// What stands behind the name of a command.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    options: Vec<(char, String)>,
    /// What is no option, in order.
    pub operands: Vec<String>,
}

impl Options {
    /// Reads a program's arguments. `--help` is done at once, and ends the program.
    ///
    /// # Errors
    /// What is wrong with them, and how the program is used.
    pub fn of(start: &Start, usage: &Usage) -> Result<Self, Failure> {
        let arguments: Vec<&str> = start.args().collect();
        if arguments.contains(&"--help") {
            usage.help();
        }
        Self::parse(&arguments, usage.letters).map_err(|wrong| usage.failure(&wrong))
    }

    /// Reads arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(arguments: &[&str], letters: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter().copied();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix('-') {
                Some("-") => options
                    .operands
                    .extend(arguments.by_ref().map(ToString::to_string)),
                None | Some("") => options.operands.push(argument.to_string()),
                Some(group) => options.take_group(group, letters, &mut arguments)?,
            }
        }
        Ok(options)
    }

    /// `mt`, `n5`, or `n` with the value in the next argument.
    fn take_group<'a>(
        &mut self,
        group: &str,
        letters: &str,
        arguments: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        for (place, letter) in group.char_indices() {
            let known = letters.find(letter).filter(|_| letter != ':');
            let known = known.ok_or_else(|| format!("there is no option -{letter}"))?;
            if !letters[known + letter.len_utf8()..].starts_with(':') {
                self.options.push((letter, String::new()));
                continue;
            }
            let value = match &group[place + letter.len_utf8()..] {
                "" => arguments
                    .next()
                    .ok_or_else(|| format!("-{letter} needs a value"))?,
                value => value,
            };
            self.options.push((letter, value.to_string()));
            break;
        }
        Ok(())
    }

    /// Whether the option is there.
    pub fn has(&self, letter: char) -> bool {
        self.value(letter).is_some()
    }

    /// The value of an option; the last one counts.
    pub fn value(&self, letter: char) -> Option<&str> {
        self.values(letter).last()
    }

    /// All values of an option, in order.
    pub fn values(&self, letter: char) -> impl Iterator<Item = &str> {
        let options = self.options.iter().filter(move |(own, _)| *own == letter);
        options.map(|(_, value)| value.as_str())
    }

    /// The options and their values, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (char, &str)> {
        self.options
            .iter()
            .map(|(letter, value)| (*letter, value.as_str()))
    }
}

impl Usage {
    /// The arguments of a program that runs another one, whose options are its own affair. `--help` in front of
    /// all is done at once, and ends the program.
    pub fn words<'a>(&self, start: &'a Start) -> Vec<&'a str> {
        let words: Vec<&str> = start.args().collect();
        if words.first() == Some(&"--help") {
            self.help();
        }
        words
    }

    fn help(&self) -> ! {
        println!("usage: {}\n{}", self.line, self.help);
        sys::process::exit(0)
    }

    /// The program's name.
    pub fn name(&self) -> &'static str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// The failure of a program that is used in another way.
    pub fn failure(&self, wrong: &str) -> Failure {
        Failure::new(format!("{}: {wrong}\nusage: {}", self.name(), self.line))
    }
}

/// Does something with each; goes on after a failure, which it says at once. If there was one, the program ends with
/// status 1.
pub fn each<T>(all: impl IntoIterator<Item = T>, act: impl FnMut(T) -> Outcome) {
    let failures = all.into_iter().map(act).filter_map(Result::err);
    if failures.inspect(|failure| eprintln!("{failure}")).count() > 0 {
        sys::process::exit(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;
    use alloc::vec::Vec;

    /// Options with their values, and operands.
    type Parsed = (Vec<(char, &'static str)>, Vec<&'static str>);

    fn parse(line: &str) -> Result<Parsed, &'static str> {
        let words: Vec<&str> = line.split(' ').collect();
        let options = Options::parse(&words, "mti:l").map_err(|wrong| &*wrong.leak())?;
        let options: &'static Options = alloc::boxed::Box::leak(alloc::boxed::Box::new(options));
        Ok((
            options.iter().collect(),
            options.operands.iter().map(|word| &**word).collect(),
        ))
    }

    #[test]
    fn options_may_stand_together_or_alone_and_between_operands() {
        let expected = (
            Vec::from([('m', ""), ('t', ""), ('l', "")]),
            Vec::from(["a", "b"]),
        );
        assert_eq!(parse("-mt a -l b"), Ok(expected.clone()));
        assert_eq!(parse("-m -t -l -- a b"), Ok(expected));
        assert_eq!(
            parse("-m -- -t -"),
            Ok((Vec::from([('m', "")]), Vec::from(["-t", "-"])))
        );
    }

    #[test]
    fn a_value_follows_in_the_same_word_or_in_the_next() {
        let expected = (Vec::from([('m', ""), ('i', "5")]), Vec::from(["x"]));
        assert_eq!(parse("-mi5 x"), Ok(expected.clone()));
        assert_eq!(parse("-m -i 5 x"), Ok(expected));
    }

    #[test]
    fn what_is_unknown_or_missing_is_said() {
        assert_eq!(parse("-x"), Err("there is no option -x"));
        assert_eq!(parse("-m:"), Err("there is no option -:"));
        assert_eq!(parse("-i"), Err("-i needs a value"));
    }
}
