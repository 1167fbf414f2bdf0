//! Shows what a program does with shared memory: `shmtrace PROGRAM [ARGUMENT...]`.
//!
//! The program has this one for a memory manager and cannot tell: each request is passed on as it came, and each
//! answer too.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use abi::{Errno, Words6};
use rt::interpose::{self, Asked, Memory};
use rt::spawn::Ended;
use rt::{Outcome, Start, println};
use tools::launch;
use tools::options::Usage;
use tools::shmcall::ShmCall;

const USAGE: Usage = Usage {
    line: "shmtrace PROGRAM [ARGUMENT...]",
    letters: "",
    help: "Runs a program and shows each of its calls of shared memory with the result, as strace does.\nThe program \
           cannot start others.",
};

rt::program!(shmtrace);

fn shmtrace(start: &Start) -> Outcome {
    let words = USAGE.words(start);
    let [name, arguments @ ..] = &words[..] else {
        return Err(USAGE.failure("no program is named"));
    };
    let command = launch::command(&USAGE, start, name, arguments)?;
    let end = interpose::run(&command, trace)?;
    println!("+++ {} +++", Ended(end));
    launch::end_as(name, end)
}

fn trace(asked: &Asked<'_>, memory: &mut Memory) -> Result<Words6, Errno> {
    let answer = memory.forward(asked);
    let question = (asked.label, asked.words, asked.sent.bytes());
    if let Some(call) = ShmCall::new(question, (answer, memory.replied())) {
        println!("{call}");
    }
    answer
}
