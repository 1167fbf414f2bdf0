//! Looks at all registers around traps of every kind, and around interruptions: the answer is right, x9 to x17
//! are zero after a trap, and everything else is kept.
//!
//! ```text
//! registers                the whole test
//! registers serve MANNER   answers who calls, `at-once` or `later`
//! registers call SEED      calls
//! registers spin           never lets go of the CPU
//! ```
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::memory::{Protection, Unmap};
use abi::process::{End, Identify};
use abi::{Badge, Handle, IpcError, Label, Operation, Request, Tag, Words6};
use alloc::format;
use core::array;
use rt::hazard::{self, Changed, spin_watched, trap_watched};
use rt::ipc::Endpoint;
use rt::log::KernelLog;
use rt::spawn::{Child, Ended};
use rt::svc::Registers;
use rt::{Failure, Outcome, Start, println, sys};
use tests::{Family, Random};

/// How often each kind of trap is tried, with other words each time.
const ROUNDS: usize = 100;
/// Turns of a loop: now and then a time slice ends in between.
const SPINS: u64 = 5_000_000;
/// More than the kernel gives back in one piece.
const MANY_PAGES: u64 = 200;
const BADGE: Badge = Badge(0xabcd_ef01_2345_6789);
/// What is called, and served, by processes other than the first.
const ENDPOINT: Handle = Handle::PARENT;

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match (start.arg(0), start.arg(1)) {
        (None, _) => lead(&Family::new("registers", start)?),
        (Some("serve"), Some(manner)) => serve(manner == "later"),
        (Some("call"), Some(seed)) => call_often(&mut Random::new(seed.parse()?), ENDPOINT),
        (Some("spin"), _) => spin_for_ever(&mut Random::new(0)),
        (Some(part), _) => Err(Failure::new(format!("registers: there is no part {part}"))),
    }
}

fn lead(family: &Family) -> Outcome {
    // It says so if messages take the long way through the vectors.
    KernelLog::from_the_beginning(Handle::PARENT).print_new();
    let mut random = Random::new(1);
    answers_that_come_at_once(&mut random)?;
    println!("registers: right when the answer comes at once");
    let spinning = family.start(["spin"])?;
    others_in_between(&mut random)?;
    println!("registers: right when others run in between");
    for manner in ["at-once", "later"] {
        messages(family, &mut random, manner)?;
        println!("registers: right when another process answers, {manner}");
    }
    kill(&spinning)?;
    println!("registers: all as they must be");
    Ok(())
}

/// What can be wrong about a request: a register, what is in it instead, and what the kernel says to that.
const MISTAKES: &[(usize, u64, IpcError)] = &[
    (0, u64::MAX, IpcError::BadHandle),
    (1, u64::MAX, IpcError::BadTag),
    (8, Operation::Receive as u64, IpcError::NotPermitted),
    (8, Operation::ReplyReceive as u64, IpcError::NotPermitted),
    (8, 77, IpcError::NoSuchOperation),
];

fn answers_that_come_at_once(random: &mut Random) -> Outcome {
    let pid = u64::from(sys::process::identify(Handle::SELF)?.0);
    let right = request(Handle::SELF, Identify {});
    for _ in 0..ROUNDS {
        expect("request", random, right, [0, 0, pid, 0, 0, 0, 0, 0, 0])?;
        for &(place, word, error) in MISTAKES {
            let mut wrong = right;
            wrong[place] = word;
            expect("mistake", random, wrong, refused(error))?;
        }
    }
    Ok(())
}

const YIELD: Registers = [0, 0, 0, 0, 0, 0, 0, 0, Operation::Yield as u64];

fn others_in_between(random: &mut Random) -> Outcome {
    for _ in 0..ROUNDS / 4 {
        expect("yield", random, YIELD, [0; 9])?;
        expect("unmap", random, request(Handle::MEMORY, touched_pages()?), [0; 9])?;
        spin(random)?;
    }
    Ok(())
}

/// Takes the kernel a while.
fn touched_pages() -> Result<Unmap, Failure> {
    let length = MANY_PAGES * abi::layout::PAGE_BYTES;
    let address = sys::memory::map(0, length, Protection::READ | Protection::WRITE)?;
    for page in (address..address + length).step_by(abi::layout::PAGE_BYTES as usize) {
        hazard::write(page, 1);
    }
    Ok(Unmap { address, length })
}

/// Three processes call a fourth.
fn messages(family: &Family, random: &mut Random, manner: &str) -> Outcome {
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(BADGE)?;
    let place = ENDPOINT.index();
    let server = family.command(["serve", manner]).give(place, endpoint.handle());
    let server = server.spawn()?;
    // This program's own right to receive goes here.
    drop(endpoint);
    let caller = |seed| family.command(["call", seed]).give(place, client.get()).spawn();
    let callers = [caller("2")?, caller("3")?];
    call_often(random, client.get())?;
    for caller in &callers {
        expect_end(caller, End::Exited(0))?;
    }
    kill(&server)?;
    let call = message(client.get(), Operation::Call, [0; 6]);
    expect("call to nobody", random, call, refused(IpcError::PeerGone))
}

fn call_often(random: &mut Random, server: Handle) -> Outcome {
    for _ in 0..ROUNDS {
        let words = array::from_fn(|_| random.word());
        let [a, b, c, d, e, f] = echo(words, BADGE.0);
        let call = message(server, Operation::Call, words);
        expect("call", random, call, [0, 0, a, b, c, d, e, f, 0])?;
        perhaps_yield(random)?;
    }
    Ok(())
}

fn serve(later: bool) -> Outcome {
    let mut random = Random::new(4);
    let receive = message(ENDPOINT, Operation::Receive, array::from_fn(|_| random.word()));
    let mut received = trap(&mut random, receive)?;
    loop {
        let [outcome, tag, words @ .., badge] = received;
        if [outcome, tag, badge] != [0, echo_tag(), BADGE.0] {
            return Err(Failure::new(format!("registers: received {received:x?}")));
        }
        if later {
            perhaps_yield(&mut random)?;
        }
        let mut answer = message(ENDPOINT, Operation::ReplyReceive, echo(words, badge));
        answer[1] = 0;
        received = trap(&mut random, answer)?;
    }
}

/// What the server answers.
fn echo(mut words: Words6, badge: u64) -> Words6 {
    words.reverse();
    words[5] ^= badge;
    words
}

fn perhaps_yield(random: &mut Random) -> Outcome {
    if random.below(4) > 0 {
        return Ok(());
    }
    expect("yield", random, YIELD, [0; 9])
}

fn spin_for_ever(random: &mut Random) -> Outcome {
    loop {
        spin(random)?;
    }
}

fn spin(random: &mut Random) -> Outcome {
    spin_watched(SPINS, random.word()).map_err(|changed| wrong("interruption", changed))
}

fn request<R: Request>(object: Handle, request: R) -> Registers {
    let mut registers = message(object, Operation::Call, request.into_words());
    registers[1] = Tag::new(R::LABEL).encode();
    registers
}

fn message(to: Handle, operation: Operation, words: Words6) -> Registers {
    let [a, b, c, d, e, f] = words;
    let handle = to.raw().into();
    [handle, echo_tag(), a, b, c, d, e, f, operation as u64]
}

fn echo_tag() -> u64 {
    Tag::new(Label(0x7001)).encode()
}

fn refused(error: IpcError) -> Registers {
    [error as u64, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Traps, and demands this answer.
fn expect(what: &str, random: &mut Random, registers: Registers, answer: Registers) -> Outcome {
    let found = trap_watched(registers, random.word()).map_err(|changed| wrong(what, changed))?;
    if found == answer {
        return Ok(());
    }
    Err(Failure::new(format!(
        "registers: {what}: {found:x?} came in place of {answer:x?}"
    )))
}

/// Traps to wait for a message.
fn trap(random: &mut Random, registers: Registers) -> Result<Registers, Failure> {
    trap_watched(registers, random.word()).map_err(|changed| wrong("message", changed))
}

fn wrong(what: &str, changed: Changed) -> Failure {
    Failure::new(format!("registers: {what}: {changed}"))
}

fn kill(child: &Child) -> Outcome {
    child.kill()?;
    expect_end(child, End::Killed)
}

fn expect_end(child: &Child, end: End) -> Outcome {
    let found = child.wait()?;
    if found == end {
        return Ok(());
    }
    let pid = child.pid().0;
    Err(Failure::new(format!("registers: process {pid} {}", Ended(found))))
}
