//! Runs programs of which each reads what the one before it writes; what the last one writes goes to the console.

use crate::foreground::{Finished, INTERRUPT, Interrupts};
use crate::session::{Argv, NOT_FOUND, Session};
use crate::{builtin, launch};
use abi::Handle;
use abi::process::End;
use alloc::format;
use rt::pipeline::{Event, MOST_PROGRAMS, Pipeline};
use rt::spawn::Ended;
use rt::time::Duration;
use rt::{Error, Failure, println, sys};

/// Runs programs with their arguments; answers how the last one ended.
///
/// # Errors
/// One of them is no program, there are too many, or messages do not arrive.
pub fn run(session: &Session, stages: &[Argv]) -> Result<Finished, Failure> {
    check(stages)?;
    let mut pipeline = Pipeline::new(stages.len(), b"")?;
    let interrupts = session
        .controls_console()
        .then(|| Interrupts::to(pipeline.endpoint()));
    let _interrupts = interrupts.transpose()?;
    let mut finished = Finished {
        end: End::Exited(0),
        interrupted: false,
        cpu_time: Duration::ZERO,
    };
    for argv in stages {
        let console = pipeline.console()?;
        let child = launch::start(session, argv, Some(console.get()));
        let child = child.inspect_err(|failure| println!("shell: {failure}")).ok();
        if child.is_none() {
            finished.end = End::Exited(NOT_FOUND);
        }
        pipeline.add(child)?;
    }
    follow(&mut pipeline, stages, &mut finished)?;
    Ok(finished)
}

fn check(stages: &[Argv]) -> Result<(), Failure> {
    if stages.len() > MOST_PROGRAMS {
        return Err(Failure::new(format!(
            "a pipeline has {MOST_PROGRAMS} programs at most"
        )));
    }
    for name in stages.iter().filter_map(|argv| argv.first()) {
        if builtin::BUILTINS.iter().any(|(builtin, ..)| builtin == name) {
            return Err(Failure::new(format!(
                "{name} is the shell's own and cannot be part of a pipeline"
            )));
        }
    }
    Ok(())
}

/// Until all programs have ended, or Control-C has ended them.
fn follow(pipeline: &mut Pipeline, stages: &[Argv], finished: &mut Finished) -> Result<(), Error> {
    while let Some(event) = pipeline.next_event()? {
        match event {
            Event::Written(bytes) => {
                if sys::console::write_all(Handle::CONSOLE, bytes).is_err() {
                    // A console that fails is nobody's who would read it.
                    pipeline.stop_reading();
                }
            }
            Event::Ended(place, child, end) => {
                finished.cpu_time += child.cpu_time()?;
                if !finished.interrupted && !matches!(end, End::Exited(_)) {
                    println!("{} {}", stages[place][0], Ended(end));
                }
                if place + 1 == stages.len() {
                    finished.end = end;
                }
            }
            Event::Signals(signals) if signals & INTERRUPT != 0 => {
                println!("^C");
                finished.interrupted = true;
                pipeline.kill()?;
            }
            Event::Signals(_) => {}
        }
    }
    Ok(())
}
