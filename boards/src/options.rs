//! The words of the kernel command line.

/// The command line: words between blanks, each `name=value` or a bare `name`.
///
/// A firmware may add words of its own, so unknown ones are no error; where a name comes twice the
/// later word counts, since a person's words follow the firmware's.
///
/// ```
/// let options = boards::Options::new("quiet asid-bits=4 init=demo");
/// assert_eq!(options.asid_bits(), Some(4));
/// assert_eq!(options.option("init"), Some("demo"));
/// assert!(options.flag("quiet"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options<'a> {
    line: &'a str,
}

impl<'a> Options<'a> {
    /// The words of `line`.
    pub const fn new(line: &'a str) -> Self {
        Self { line }
    }

    /// The value of `name=value`; may be empty.
    pub fn option(self, name: &str) -> Option<&'a str> {
        self.values(name).last()
    }

    /// Whether the bare word `name` is there.
    pub fn flag(self, name: &str) -> bool {
        self.words().any(|word| word == name)
    }

    /// `asid-bits=N`, N from 1 to 16: use fewer ASIDs than the CPU has. Anything else is ignored.
    pub fn asid_bits(self) -> Option<u8> {
        self.option("asid-bits")?
            .parse()
            .ok()
            .filter(|bits| (1..=16).contains(bits))
    }

    /// `cpus=N`, or `maxcpus=N` as Linux calls it: run on so many CPUs at most, one at least.
    pub fn cpus(self) -> Option<usize> {
        let wanted = self.option("cpus").or_else(|| self.option("maxcpus"))?;
        wanted.parse().ok().filter(|&count| count > 0)
    }

    /// `mem=SIZE`: bytes of RAM to use, in all. SIZE is a number that K, M or G may follow.
    pub fn memory(self) -> Option<u64> {
        let size = self.option("mem")?;
        let unit = match size.bytes().last()? {
            b'K' | b'k' => 1 << 10,
            b'M' | b'm' => 1 << 20,
            b'G' | b'g' => 1 << 30,
            _ => return size.parse().ok(),
        };
        size[..size.len() - 1].parse::<u64>().ok()?.checked_mul(unit)
    }

    /// `time=N`: seconds since 1970 at boot, for boards without a clock.
    pub fn time(self) -> Option<i64> {
        self.option("time")?.parse().ok().filter(|&seconds| seconds >= 0)
    }

    /// `init=NAME`: the first program.
    pub fn init(self) -> Option<&'a str> {
        self.option("init").filter(|name| !name.is_empty())
    }

    /// Every value of `name=value`, in order.
    pub fn values<'n>(self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.words()
            .filter_map(move |word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn words(self) -> impl Iterator<Item = &'a str> {
        self.line.split_ascii_whitespace()
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn the_later_word_counts() {
        let options = Options::new("console=a init=x\tconsole=b ");
        assert_eq!(options.option("console"), Some("b"));
        assert!(options.values("console").eq(["a", "b"]));
    }

    #[test]
    fn a_name_must_match_whole() {
        let options = Options::new("xinit=1 init2=2 init");
        assert_eq!(options.option("init"), None);
        assert!(options.flag("init"));
        assert!(!options.flag("init2"));
        assert_eq!(Options::new("init=").init(), None);
        assert_eq!(Options::new("a=b=c").option("a"), Some("b=c"));
    }

    #[test]
    fn numbers_that_make_no_sense_are_ignored() {
        for line in [
            "asid-bits=0",
            "asid-bits=17",
            "asid-bits=-4",
            "asid-bits=x",
            "asid-bits=",
            "asid-bits",
        ] {
            assert_eq!(Options::new(line).asid_bits(), None, "{line}");
        }
        assert_eq!(Options::new("asid-bits=16").asid_bits(), Some(16));
        assert_eq!(Options::new("time=1700000000").time(), Some(1_700_000_000));
        for line in ["time=99999999999999999999", "time=-1", "time=now", "time="] {
            assert_eq!(Options::new(line).time(), None, "{line}");
        }
    }
}
