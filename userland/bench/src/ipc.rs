//! A call to another process and its answer.

use crate::measure::Row;
use abi::{Badge, Handle, Label, Operation, Words6};
use rt::archive::Archive;
use rt::ipc::Endpoint;
use rt::spawn::Command;
use rt::svc::trap;
use rt::{Error, Failure, Outcome};

const COUNT: u64 = 2000;
const LABEL: Label = Label(0x7000);

/// Measures round trips with different numbers of words. All six travel in registers in any
/// case; what differs is what the program loads into them.
pub fn measure(archive: Archive) -> Result<[Row; 4], Failure> {
    let file = archive
        .program("bench")
        .ok_or_else(|| Failure::new("bench: not in the archive"))?;
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(Badge(1))?;
    let serve = |how| {
        Command::new("bench", file)
            .arg(how)
            .give(Handle::PARENT.index(), endpoint.handle())
            .spawn()
    };
    let server = serve(SERVE)?;
    let [none, four, six] = [
        round_trip("ipc_rtt_0w", client.get(), [0; 6], || ())?,
        round_trip("ipc_rtt_4w", client.get(), [1, 2, 3, 4, 0, 0], || ())?,
        round_trip("ipc_rtt_6w", client.get(), SIX, || ())?,
    ];
    server.kill()?;
    let server = serve(SERVE_WITH_FP)?;
    let six_with_fp = round_trip("ipc_rtt_6w_fp", client.get(), SIX, use_fp)?;
    server.kill()?;
    Ok([none, four, six, six_with_fp])
}

const SIX: Words6 = [1, 2, 3, 4, 5, 6];
/// The arguments with which this program is a server.
pub const SERVE: &str = "serve";
/// The same, of one that computes with FP/SIMD registers.
pub const SERVE_WITH_FP: &str = "serve-with-fp";

/// So that the FP/SIMD registers are this program's when it goes on.
pub fn use_fp() {
    core::hint::black_box(core::hint::black_box(3.0) * 0.5);
}

fn round_trip(id: &'static str, server: Handle, words: Words6, compute: impl Fn()) -> Result<Row, Error> {
    let object = server.raw().into();
    let [w0, w1, w2, w3, w4, w5] = words;
    let operation = Operation::Call as u64;
    Row::measure(id, COUNT, || {
        compute();
        let answer = trap([object, LABEL.0.into(), w0, w1, w2, w3, w4, w5, operation]);
        // Not a comparison of slices, which is a call that takes longer than what is measured.
        let is_echo = answer[0] == 0 && (0..6).all(|word| answer[2 + word] == words[word]);
        if is_echo { Ok(()) } else { Err(Error::Garbled) }
    })
}

/// The server: computes, and answers every message with its own words.
pub fn serve(compute: impl Fn()) -> Outcome {
    let object = Handle::PARENT.raw().into();
    let mut message = trap([object, 0, 0, 0, 0, 0, 0, 0, Operation::Receive as u64]);
    loop {
        if message[0] != 0 {
            return Err(Failure::new("bench: the server received no message"));
        }
        message[0] = object;
        message[1] = 0;
        message[8] = Operation::ReplyReceive as u64;
        compute();
        message = trap(message);
    }
}
