//! A call to another process and its answer.

use crate::measure::{Row, each};
use abi::process::End;
use abi::{Badge, CpuSet, Handle, Label, Operation, WORDS, Words6};
use rt::archive::Archive;
use rt::ipc::Endpoint;
use rt::spawn::Command;
use rt::svc::trap;
use rt::sys::process::set_cpus;
use rt::{Error, Failure, Outcome, Start};

const COUNT: u64 = 2000;
const LABEL: Label = Label(0x7000);

/// Measures round trips with different numbers of words. All six travel in registers in any
/// case; what differs is what the program loads into them.
///
/// Both sides are processes made for it: this one has used FP/SIMD registers, which are saved and loaded at
/// each switch then.
pub fn measure(archive: Archive) -> Result<[Row; 4], Failure> {
    let row = |id, both, words| measure_one(archive, id, both, words);
    Ok([
        row("ipc_rtt_0w", [SERVE, CALL], "0")?,
        row("ipc_rtt_4w", [SERVE, CALL], "4")?,
        row("ipc_rtt_6w", [SERVE, CALL], "6")?,
        row("ipc_rtt_6w_fp", [SERVE_WITH_FP, CALL_WITH_FP], "6")?,
    ])
}

/// Measures them on a machine with several CPUs, of which each side has one for itself: what both execute together, since
/// one of them always waits.
pub fn measure_across(archive: Archive) -> Result<[Row; 2], Failure> {
    let row = |id, both| measure_one(archive, id, both, "6");
    Ok([
        row("ipc_rtt_6w_two_cpus", [SERVE_THERE, CALL_HERE])?,
        row("ipc_rtt_6w_smp", [SERVE, CALL_HERE])?,
    ])
}

fn measure_one(
    archive: Archive,
    id: &'static str,
    [server, client_does]: [&str; 2],
    words: &str,
) -> Result<Row, Failure> {
    let file = archive
        .program("bench")
        .ok_or_else(|| Failure::new("bench: not in the archive"))?;
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(Badge(1))?;
    let command = |does, handle| {
        let place = Handle::PARENT.index();
        Command::new("bench", file).arg(does).give(place, handle)
    };
    let server = command(server, endpoint.handle()).spawn()?;
    let ended = command(client_does, client.get()).arg(words).spawn()?.wait()?;
    server.kill()?;
    match ended {
        End::Exited(value) if value > 0 => Ok(Row::new(id, u64::from(value.cast_unsigned()))),
        _ => Err(Failure::new("bench: nobody measured the round trip")),
    }
}

/// The arguments with which this program is a server.
pub const SERVE: &str = "serve";
/// The same, of one that computes with FP/SIMD registers.
pub const SERVE_WITH_FP: &str = "serve-with-fp";
/// The argument with which it calls that server. Behind it, how many words it sends.
pub const CALL: &str = "call";
/// The same, of one that computes with FP/SIMD registers.
pub const CALL_WITH_FP: &str = "call-with-fp";

/// The argument with which it serves on the second CPU alone.
pub const SERVE_THERE: &str = "serve-there";
/// The argument with which it calls on the first CPU alone.
pub const CALL_HERE: &str = "call-here";

/// Runs on this CPU alone from now on.
pub fn stay_on(cpu: u32) -> Outcome {
    Ok(set_cpus(Handle::SELF, CpuSet::of(cpu))?)
}

/// So that the FP/SIMD registers are this program's when it goes on.
pub fn use_fp() {
    core::hint::black_box(core::hint::black_box(3.0) * 0.5);
}

/// The client: exits with what a round trip costs.
pub fn call(start: &Start, compute: impl Fn()) -> Outcome {
    let cost = match start.arg(1) {
        Some("4") => cost([1, 2, 3, 4, 0, 0], compute),
        Some("6") => cost([1, 2, 3, 4, 5, 6], compute),
        // Not known to be zero, since FP/SIMD registers zero arrays.
        _ => cost([core::hint::black_box(0); WORDS], compute),
    }?;
    rt::sys::process::exit(i32::try_from(cost).unwrap_or(i32::MAX))
}

#[inline(always)] // so that the words are constants, as in a program that asks for something
fn cost(words: Words6, compute: impl Fn()) -> Result<u64, Failure> {
    let [_, _, a0, a1, a2, a3, a4, a5, _] = round_trip(words)?;
    let [w0, w1, w2, w3, w4, w5] = words;
    if (a0, a1, a2, a3, a4, a5) != (w0, w1, w2, w3, w4, w5) {
        return Err(Failure::new("bench: the server answered something else"));
    }
    let cost = each(COUNT, || {
        compute();
        round_trip(words).map(|_| ())
    })?;
    Ok(cost)
}

/// Returns what the registers are afterwards.
#[inline(always)]
fn round_trip(words: Words6) -> Result<[u64; 9], Error> {
    let [w0, w1, w2, w3, w4, w5] = words;
    let (server, operation) = (Handle::PARENT.raw().into(), Operation::Call as u64);
    let answer = trap([server, LABEL.0.into(), w0, w1, w2, w3, w4, w5, operation]);
    if answer[0] == 0 {
        Ok(answer)
    } else {
        Err(Error::Garbled)
    }
}

/// The server: computes, and answers every message with its own words.
pub fn serve(compute: impl Fn()) -> Outcome {
    let object = Handle::PARENT.raw().into();
    let mut message = trap([object, 0, 0, 0, 0, 0, 0, 0, Operation::Receive as u64]);
    while message[0] == 0 {
        let [_, _, w0, w1, w2, w3, w4, w5, _] = message;
        compute();
        message = trap([object, 0, w0, w1, w2, w3, w4, w5, Operation::ReplyReceive as u64]);
    }
    Err(Failure::new("bench: the server received no message"))
}
