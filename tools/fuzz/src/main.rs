//! `just fuzz [TARGET] [SECONDS]`: looks for bytes that break something, and sums up what it tried.
//!
//! libFuzzer comes as source in the crate `libfuzzer-sys`, and the instrumentation it steers by is part of every
//! rustc: an LLVM pass that is switched on by codegen options. So a stable compiler will do; what it takes besides
//! is a C++ compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use granule_fuzz::{Memory, TARGETS, Target, by_name, root};

/// Feeds a reader of untrusted bytes with whatever mutation comes up with.
#[derive(Parser)]
#[command(name = "granule-fuzz", after_help = list())]
struct Arguments {
    /// What to fuzz.
    #[arg(default_value = "device-tree")]
    target: String,
    /// How long to look, in seconds.
    #[arg(default_value_t = 60)]
    seconds: u32,
}

fn list() -> String {
    let lines = TARGETS
        .iter()
        .map(|target| format!("\n  {:<12} {}", target.name, target.summary));
    format!("Targets:{}", lines.collect::<String>())
}

fn main() -> ExitCode {
    match fuzz(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("granule-fuzz: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn fuzz(arguments: &Arguments) -> Result<ExitCode> {
    let Some(target) = by_name(&arguments.target) else {
        bail!("there is no target `{}`\n{}", arguments.target, list());
    };
    let engine = build()?;
    let work = Work::prepare(target)?;
    let before = work.inputs()?;
    let log = work.folder.join("log");
    println!(
        "Fuzzing {} for {} s; the log is {}",
        target.name,
        arguments.seconds,
        log.display()
    );
    let ended = engine_command(&engine, &work, arguments.seconds)
        .stderr(fs::File::create(&log)?)
        .status()
        .context("cannot start the engine")?;
    let log = fs::read_to_string(&log)?;
    println!("{}", Summary::of(&log)?.line(before, work.inputs()?));
    if ended.success() {
        return Ok(ExitCode::SUCCESS);
    }
    work.tell_of_crash(&log)
}

/// The folders of a run.
struct Work {
    target: Target,
    folder: PathBuf,
    corpus: PathBuf,
    dictionary: Option<PathBuf>,
}

impl Work {
    /// Copies the checked-in inputs to the corpus, which keeps what earlier runs have found.
    fn prepare(target: Target) -> Result<Self> {
        let folder = target_folder()?.join("granule/fuzz").join(target.name);
        let corpus = folder.join("corpus");
        fs::create_dir_all(&corpus)?;
        let mut words = Vec::new();
        for path in target.inputs()? {
            let bytes = fs::read(&path)?;
            words.extend(printable_words(&bytes));
            let name = path.file_name().context("an input has a name")?;
            fs::write(corpus.join(name), bytes)?;
        }
        words.sort();
        words.dedup();
        let dictionary = folder.join("dictionary");
        fs::write(&dictionary, words.concat())?;
        Ok(Self {
            target,
            folder,
            corpus,
            // libFuzzer refuses an empty one.
            dictionary: (!words.is_empty()).then_some(dictionary),
        })
    }

    fn inputs(&self) -> Result<usize> {
        Ok(fs::read_dir(&self.corpus)?.count())
    }

    fn tell_of_crash(&self, log: &str) -> Result<ExitCode> {
        let found = log
            .lines()
            .find_map(|line| line.split_once("Test unit written to "));
        let Some((_, input)) = found else {
            bail!("the engine failed; see {}", self.folder.join("log").display());
        };
        let reason = log.lines().skip_while(|line| !line.contains("panicked at"));
        for line in reason.take(3) {
            eprintln!("{line}");
        }
        let place = root().join("tools/fuzz/crashes").join(self.target.name);
        eprintln!("What broke it is {input}");
        eprintln!(
            "Copy it to {}/ under a name that says what is wrong; then `cargo test -p granule-fuzz` fails until that is mended.",
            place.display()
        );
        Ok(ExitCode::FAILURE)
    }
}

/// Text in an input, as lines of a libFuzzer dictionary: names that mutation alone would hardly find.
fn printable_words(bytes: &[u8]) -> Vec<String> {
    let is_text = |byte: &u8| byte.is_ascii_graphic() && *byte != b'"' && *byte != b'\\';
    let words = bytes.split(|byte| !is_text(byte));
    let long_enough = words.filter(|word| (4..=64).contains(&word.len()));
    long_enough
        .map(|word| format!("\"{}\"\n", String::from_utf8_lossy(word)))
        .collect()
}

fn engine_command(engine: &Path, work: &Work, seconds: u32) -> Command {
    let mut command = Command::new(engine);
    command.env("GRANULE_FUZZ_TARGET", work.target.name);
    command.arg(&work.corpus);
    if let Some(dictionary) = &work.dictionary {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command.arg(format!("-artifact_prefix={}/", work.folder.display()));
    command.arg(format!("-max_total_time={seconds}"));
    command.args([
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-max_len=16384",
        "-print_final_stats=1",
    ]);
    if work.target.memory == Memory::Kept {
        command.arg("-fork=1");
    }
    command
}

/// Builds the engine, with an eye on every branch, and on what is compared with what.
fn build() -> Result<PathBuf> {
    const FLAGS: &str = "-Cpasses=sancov-module -Ccodegen-units=1 \
        -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";
    let host = host()?;
    let status = cargo()
        .args([
            "build",
            "--quiet",
            "--package",
            "granule-fuzz",
            "--bin",
            "engine",
            "--features",
            "engine",
        ])
        // With a target named, the flags are not for build scripts, which libFuzzer is not linked to.
        .args(["--profile", "fuzz", "--target", &host])
        .env("RUSTFLAGS", FLAGS)
        .status()
        .context("cannot start cargo")?;
    ensure!(
        status.success(),
        "the engine cannot be built. It needs a C++ compiler (on Debian the package g++) and, \
         the first time, the crate libfuzzer-sys from the network"
    );
    Ok(target_folder()?.join(host).join("fuzz/engine"))
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The name of this machine, as rustc calls it.
fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc does not say what it runs on")?.to_owned())
}

/// Where cargo puts what it builds: this program is in it.
fn target_folder() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own
        .ancestors()
        .nth(2)
        .context("a program lies in a profile's folder")?
        .into())
}

/// What libFuzzer says in the end.
struct Summary {
    executions: u64,
    edges: u64,
    features: u64,
}

impl Summary {
    fn of(log: &str) -> Result<Self> {
        let number = |line: &str, name: &str| -> Option<u64> {
            let rest = line.split_once(name)?.1;
            rest.split_whitespace().next()?.parse().ok()
        };
        let status = log.lines().rev().find(|line| line.contains(" cov: "));
        let status = status.with_context(|| format!("the engine has not begun; its log says:\n{log}"))?;
        let executions = log
            .lines()
            .find_map(|line| number(line, "stat::number_of_executed_units:"));
        // With processes of its own, the engine only says so at the start of each line.
        let so_far = || number(&status.replace(':', " "), "#");
        Ok(Self {
            executions: executions.or_else(so_far).unwrap_or_default(),
            edges: number(status, " cov: ").unwrap_or_default(),
            features: number(status, " ft: ").unwrap_or_default(),
        })
    }

    fn line(&self, before: usize, after: usize) -> String {
        let Self {
            executions,
            edges,
            features,
        } = self;
        format!(
            "{executions} executions; {edges} branches and {features} combinations seen; {after} inputs in the corpus, {} of them new",
            after - before
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Summary, printable_words};

    const LOG: &str = "#2\tINITED cov: 10 ft: 12 corp: 1/1b exec/s: 0 rss: 30Mb
#4096\tpulse  cov: 634 ft: 2181 corp: 84/110Kb lim: 800 exec/s: 2048 rss: 60Mb
Done 4242 runs in 2 second(s)
stat::number_of_executed_units: 4242
stat::average_exec_per_sec:     2121
";

    #[test]
    fn the_summary_is_that_of_the_last_lines() {
        let line = Summary::of(LOG).unwrap().line(3, 5);
        assert_eq!(
            line,
            "4242 executions; 634 branches and 2181 combinations seen; 5 inputs in the corpus, 2 of them new"
        );
        assert!(Summary::of("cannot load library").is_err());
    }

    #[test]
    fn the_summary_of_an_engine_in_processes_is_that_of_its_last_report() {
        let log = "#185: cov: 2492 ft: 11431 corp: 614 exec/s: 92 job: 1\n\
                   #400: cov: 2493 ft: 11444 corp: 619 exec/s: 71 job: 2\nINFO: exiting: 0 time: 33s\n";
        let line = Summary::of(log).unwrap().line(614, 620);
        assert!(
            line.starts_with("400 executions; 2493 branches and 11444 combinations"),
            "{line}"
        );
    }

    #[test]
    fn text_becomes_a_dictionary_and_noise_does_not() {
        let words = printable_words(b"\0\x01arm,pl011\0ab\0#size-cells\xff\"quoted\"");
        assert_eq!(words, ["\"arm,pl011\"\n", "\"#size-cells\"\n", "\"quoted\"\n"]);
    }
}
