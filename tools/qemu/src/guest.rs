//! Plays a script against a running QEMU and keeps everything it prints.

use std::fmt;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::expect::{End, Ending, Failure, Script, Session};
use crate::machine::{cannot_start, shell_line};

/// After a failure the machine goes on this long, so that the log has the rest of a panic message.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What became of a machine.
#[derive(Debug)]
pub struct Report {
    /// The verdict of the script.
    pub verdict: Result<(), Failure>,
    /// Everything on the serial line.
    pub serial: String,
    /// Everything that QEMU itself said.
    pub complaints: String,
    /// The command that starts the same machine from a shell.
    pub command: String,
}

/// Starts the command and plays the script against it until it ends or fails.
///
/// # Errors
///
/// When the command cannot be started. Everything the machine does wrong is in the report.
pub fn play(command: &mut Command, script: &Script) -> Result<Report> {
    let line = shell_line(command);
    let mut guest = Guest::start(command)?;
    let mut session = Session::new(script);
    let ending = guest.converse(&mut session, script.deadline)?;
    Ok(Report {
        verdict: session.end(ending),
        serial: String::from_utf8_lossy(&guest.serial).replace('\r', ""),
        complaints: guest.complaints(),
        command: line,
    })
}

/// A running QEMU. Dropping it ends the process.
struct Guest {
    child: Child,
    keyboard: ChildStdin,
    output: Receiver<Vec<u8>>,
    errors: Option<JoinHandle<String>>,
    serial: Vec<u8>,
}

impl Guest {
    fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| cannot_start(command))?;
        let keyboard = child.stdin.take().expect("standard input is a pipe");
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let mut stderr = child.stderr.take().expect("standard error is a pipe");
        let errors = spawn(move || {
            let mut bytes = Vec::new();
            match stderr.read_to_end(&mut bytes) {
                Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) => format!("(cannot read standard error: {error})"),
            }
        });
        Ok(Self {
            child,
            keyboard,
            output: pump(stdout),
            errors: Some(errors),
            serial: Vec::new(),
        })
    }

    fn converse(&mut self, session: &mut Session, deadline: Duration) -> Result<Ending> {
        let started = Instant::now();
        let mut end = started + deadline;
        self.press(&session.feed(b""));
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => {
                    self.serial.extend(&bytes);
                    let before = session.failure().is_some();
                    let typed = session.feed(&bytes);
                    self.press(&typed);
                    if !before && session.failure().is_some() {
                        end = end.min(Instant::now() + LAST_WORDS);
                    }
                    if session.has_halted() {
                        self.stop()?;
                        return Ok(Ending::Ended(End::Halt));
                    }
                }
                Err(RecvTimeoutError::Timeout) => return self.stop_late(),
                Err(RecvTimeoutError::Disconnected) => return self.wait(end),
            }
        }
    }

    /// Types the text. A machine that is gone cannot be typed to; its ending says so better than an error here.
    fn press(&mut self, text: &str) {
        let typed = self.keyboard.write_all(text.as_bytes());
        if typed.and_then(|()| self.keyboard.flush()).is_err() {
            self.serial.extend(b"(the machine no longer takes input)\n");
        }
    }

    fn wait(&mut self, end: Instant) -> Result<Ending> {
        loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for QEMU")? {
                return Ok(status
                    .code()
                    .map_or(Ending::Killed, |status| Ending::Ended(End::Status(status))));
            }
            if Instant::now() >= end {
                return self.stop_late();
            }
            sleep(Duration::from_millis(5));
        }
    }

    fn stop_late(&mut self) -> Result<Ending> {
        self.stop()?;
        Ok(Ending::DeadlinePassed)
    }

    fn stop(&mut self) -> Result<()> {
        self.child.kill().context("cannot end QEMU")?;
        self.child.wait().context("cannot wait for QEMU")?;
        Ok(())
    }

    fn complaints(&mut self) -> String {
        let Some(thread) = self.errors.take() else {
            return String::new();
        };
        thread.join().unwrap_or_else(|_| "(lost)".into())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // An error means that the process has ended, which is what this is for.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// Forwards everything from `source`, piece by piece, until it ends.
fn pump(mut source: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = source.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Ok(()) => writeln!(f, "as expected")?,
            Err(failure) => writeln!(f, "{failure}")?,
        }
        writeln!(f, "---- serial log ----\n{}", self.serial.trim_end())?;
        if !self.complaints.trim().is_empty() {
            writeln!(f, "---- QEMU says ----\n{}", self.complaints.trim_end())?;
        }
        write!(f, "---- the same machine ----\n{}", self.command)
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, play};
    use crate::expect::{End, Failure, Script, Step};
    use std::process::Command;
    use std::time::{Duration, Instant};

    /// Plays against a shell script that stands in for QEMU.
    fn against(machine: &str, steps: Vec<Step>, deadline: Duration) -> Report {
        let script = Script {
            steps,
            anywhere: Vec::new(),
            forbidden: vec![regex::Regex::new("^panic:").unwrap()],
            end: End::Status(0),
            deadline,
        };
        play(Command::new("sh").args(["-c", machine]), &script).unwrap()
    }

    fn line(text: &str) -> Step {
        Step::Line(text.into())
    }

    const AMPLE: Duration = Duration::from_secs(60);

    #[test]
    fn a_dialogue_is_played_to_its_end() {
        let machine = r#"printf 'name? '; IFS= read -r name; echo "hello $name""#;
        let steps = vec![
            Step::Prompt("name? ".into()),
            Step::Keys("you\n".into()),
            line("hello you"),
        ];
        assert_eq!(against(machine, steps, AMPLE).verdict, Ok(()));
    }

    #[test]
    fn a_failure_shows_log_complaints_and_the_command() {
        let report = against("echo first; echo broken >&2", vec![line("second")], AMPLE);
        let text = report.to_string();
        for part in ["a line with `second`", "first", "broken", "sh -c 'echo first"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn the_exit_status_of_the_process_is_judged() {
        let report = against("echo done; exit 5", vec![line("done")], AMPLE);
        let expected = Failure::End {
            expected: End::Status(0),
            actual: End::Status(5),
        };
        assert_eq!(report.verdict, Err(expected));
    }

    #[test]
    fn a_machine_that_says_it_halted_is_stopped_and_judged_at_once() {
        let started = Instant::now();
        let report = against("echo bad; echo halted; exec sleep 600", vec![line("bad")], AMPLE);
        let expected = Failure::End {
            expected: End::Status(0),
            actual: End::Halt,
        };
        assert_eq!(report.verdict, Err(expected));
        assert!(started.elapsed() < AMPLE / 2);
    }

    #[test]
    fn a_silent_machine_is_stopped_at_the_deadline() {
        let report = against("exec sleep 600", vec![line("x")], Duration::from_millis(100));
        assert!(matches!(report.verdict, Err(Failure::Late(_))));
    }

    #[test]
    fn a_panic_is_reported_long_before_the_deadline_with_the_lines_behind_it() {
        let started = Instant::now();
        let machine = "echo 'panic: bad'; echo 'at kernel'; exec sleep 600";
        let report = against(machine, vec![line("never")], AMPLE);
        assert!(matches!(report.verdict, Err(Failure::Forbidden { .. })));
        assert!(report.serial.contains("at kernel"));
        assert!(started.elapsed() < AMPLE / 2);
    }
}
