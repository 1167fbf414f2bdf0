//! Programs that run while the shell goes on.

use crate::SYSTEM;
use abi::process::{End, Pid};
use abi::system::ProcessState;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rt::spawn::{Child, Ended};
use rt::{println, processes};

/// A program that runs by itself, or has ended and nobody was told.
pub struct Job {
    number: u32,
    /// As it was typed.
    text: String,
    child: Child,
}

/// All of them.
#[derive(Default)]
pub struct Jobs {
    jobs: Vec<Job>,
}

impl Job {
    fn has_ended(&self) -> bool {
        match processes::process(SYSTEM, self.child.pid()) {
            Ok(Some(process)) => process.facts.state == ProcessState::Ended,
            Ok(None) => true,
            // Nobody can tell: it is looked at again.
            Err(_) => false,
        }
    }

    /// The program.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Says how it has ended.
    pub fn print_end(&self, end: End) {
        let how = match end {
            End::Exited(0) => "Done".to_string(),
            End::Exited(status) => format!("Exit {status}"),
            end => Ended(end).to_string(),
        };
        println!("[{}]+ {how:<24} {}", self.number, self.text);
    }
}

impl Jobs {
    /// Prints the number of the next one, which is process `pid`.
    pub fn announce(&self, pid: Pid) {
        println!("[{}] {}", self.next_number(), pid.0);
    }

    /// One more.
    pub fn add(&mut self, text: String, child: Child) {
        let number = self.next_number();
        self.jobs.push(Job { number, text, child });
    }

    fn next_number(&self) -> u32 {
        self.jobs.last().map_or(1, |last| last.number + 1)
    }

    /// Prints all.
    pub fn list(&self) {
        for job in &self.jobs {
            println!("[{}]+ {:<24} {}", job.number, "Running", job.text);
        }
    }

    /// Prints those that have ended, and forgets them.
    pub fn tell_ended(&mut self) {
        self.jobs.retain(|job| {
            let end = if job.has_ended() {
                job.child.wait().ok()
            } else {
                None
            };
            end.inspect(|&end| job.print_end(end)).is_none()
        });
    }

    /// Takes one out, by its process number, or the one started last; `None` if it is no job.
    pub fn take(&mut self, pid: Option<&str>) -> Option<Job> {
        let is_meant = |job: &Job| pid.is_none_or(|pid| job.child.pid().0.to_string() == pid);
        let place = self.jobs.iter().rposition(is_meant)?;
        Some(self.jobs.remove(place))
    }

    /// Puts one back that goes on.
    pub fn put_back(&mut self, job: Job) {
        self.jobs.push(job);
        self.jobs.sort_by_key(|job| job.number);
    }

    /// The process number of the job that `%N` names.
    pub fn number_of(&self, word: &str) -> Option<String> {
        let number = word.strip_prefix('%')?.parse().ok()?;
        let job = self.jobs.iter().find(|job| job.number == number)?;
        Some(job.child.pid().0.to_string())
    }
}
