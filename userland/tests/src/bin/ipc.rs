//! Messages between processes: an echo, a console and a memory manager that are programs, and
//! servers that end too early.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::console::{Read, Write};
use abi::memory::ShmGet;
use abi::process::{End, Exit};
use abi::shm::{GetFlags, ShmKey};
use abi::{Badge, Errno, Handle, IpcError, Label, Request, Rights, Words, Words6};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rt::io::{Input, write};
use rt::ipc::{Endpoint, ask};
use rt::pipeline::{Event, Pipeline};
use rt::spawn::{Child, Command};
use rt::{Error, Failure, Incoming, Outcome, Outgoing, Start, println, sys};
use tests::{Family, Frames};

/// What the echo is asked.
const ECHO: Label = Label(0x7001);
/// The badge of this program's messages.
const BADGE: Badge = Badge(0x1234_5678_9abc_def0);
const SENTENCE: &str = "printed through the parent";

/// What is checked, and how.
type Part = (&'static str, fn(&Family) -> Outcome);

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match start.arg(0) {
        None => lead(&Family::new("ipc", start)?),
        Some("echo") => echo(),
        Some("leave") => Ok(receive_and_leave()?),
        Some("print") => print_and_leave(),
        Some("allocate") => allocate(),
        Some("upper") => write_in_upper_case(),
        Some(part) => Err(Failure::new(format!("ipc: there is no part {part}"))),
    }
}

fn lead(family: &Family) -> Outcome {
    let parts: [Part; 5] = [
        (
            "words, bytes and handles come back from another process",
            words_bytes_and_handles,
        ),
        (
            "a server that ends without an answer fails its caller",
            a_server_that_leaves,
        ),
        ("a parent can be its child's console", be_a_console),
        ("a pipeline passes on whatever its programs write", be_a_pipeline),
        ("a parent can be its child's memory manager", be_a_memory_manager),
    ];
    for (what, check) in parts {
        let frames = Frames::count();
        check(family)?;
        frames.check()?;
        println!("ipc: {what}");
    }
    println!("ipc: done");
    Ok(())
}

fn expect(condition: bool, otherwise: &str) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Failure::new(format!("ipc: {otherwise}")))
    }
}

/// More than a pipe holds, and more than a message.
fn be_a_pipeline(family: &Family) -> Outcome {
    let text = SENTENCE.repeat(300);
    let (end, output) = family.command(["upper"]).output(text.as_bytes())?;
    let upper = text.to_ascii_uppercase();
    expect(
        end == End::Exited(0) && output == upper.as_bytes(),
        "that is not the text in upper case",
    )?;

    let mut pipeline = Pipeline::new(3, text.as_bytes())?;
    for _ in 0..3 {
        let console = pipeline.console()?;
        pipeline.add(Some(family.command(["upper"]).console(console.get()).spawn()?))?;
    }
    let (mut ended, mut output) = ([false; 3], Vec::<u8>::new());
    while let Some(event) = pipeline.next_event()? {
        match event {
            Event::Written(bytes) => output.extend(bytes),
            Event::Ended(place, _, end) => ended[place] = end == End::Exited(0),
            Event::Signals(_) => return expect(false, "nobody has signalled"),
        }
    }
    expect(
        ended == [true; 3] && output == upper.as_bytes(),
        "something was lost on the way",
    )
}

fn write_in_upper_case() -> Outcome {
    let mut input = Input::new();
    loop {
        match input.next_piece()? {
            [] => return Ok(()),
            piece => write(&piece.to_ascii_uppercase())?,
        }
    }
}

/// A child that serves an endpoint, and the client's end of that.
fn server(family: &Family, part: &str) -> Result<(Child, rt::handle::OwnedHandle), Failure> {
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(BADGE)?;
    let place = Handle::PARENT.index();
    let child = family.command([part]).give(place, endpoint.handle()).spawn()?;
    // This program's own right to receive goes here: the child is the only server.
    Ok((child, client))
}

fn words_bytes_and_handles(family: &Family) -> Outcome {
    let (child, client) = server(family, "echo")?;
    let own = sys::process::derive(Handle::SELF, Rights::CALL | Rights::PASS, Badge(0))?;
    let mut incoming = Incoming::new();
    for length in [0, 1, 7, abi::BUFFER_BYTES] {
        let bytes: Vec<u8> = (0..length).map(|place| place as u8).collect();
        let words = [1, 2, u64::MAX, 4, 5, length as u64];
        let handles = [own];
        let outgoing = Outgoing {
            bytes: &bytes,
            handles: &handles,
        };
        let answer = ask(client.get(), ECHO, words, outgoing, &mut incoming)?;
        expect(
            answer == [words[5], words[4], words[3], words[2], words[1], BADGE.0],
            "wrong words",
        )?;
        expect(bytes.iter().rev().eq(incoming.bytes()), "wrong bytes")?;
        let [back] = *incoming.handles() else {
            return Err(Failure::new("ipc: wrong handles"));
        };
        let same = sys::process::identify(back)? == sys::process::identify(Handle::SELF)?;
        expect(same, "the handle names another process")?;
        sys::process::close(back)?;
    }
    sys::process::close(own)?;
    let unknown = ask(client.get(), Label(1), [0; 6], Outgoing::NOTHING, &mut incoming);
    expect(
        unknown == Err(Error::Refused(Errno::ENOSYS)),
        "an unknown label was answered",
    )?;
    child.kill()?;
    let gone = ask(client.get(), ECHO, [0; 6], Outgoing::NOTHING, &mut incoming);
    expect(
        gone == Err(Error::Ipc(IpcError::PeerGone)),
        "a dead server was called",
    )
}

/// Answers words and bytes in reverse, the last word being the sender's badge, and handles as
/// they came.
fn echo() -> Outcome {
    let endpoint = Endpoint::from_handle(Handle::PARENT);
    let mut incoming = Incoming::new();
    let mut message = endpoint.receive(&mut incoming)?;
    loop {
        let bytes: Vec<u8> = incoming.bytes().iter().rev().copied().collect();
        let handles = Vec::from(incoming.handles());
        let mut words = message.words;
        words.reverse();
        words[5] = message.badge.0;
        let answer = match message.label {
            ECHO => Ok((
                words,
                Outgoing {
                    bytes: &bytes,
                    handles: &handles,
                },
            )),
            _ => Err(Errno::ENOSYS),
        };
        message = endpoint.reply_receive(answer, &mut incoming)?;
    }
}

fn a_server_that_leaves(family: &Family) -> Outcome {
    let (child, client) = server(family, "leave")?;
    let mut incoming = Incoming::new();
    for moment in ["while it worked", "afterwards"] {
        let done = ask(client.get(), ECHO, [0; 6], Outgoing::NOTHING, &mut incoming);
        let failed = done == Err(Error::Ipc(IpcError::PeerGone));
        expect(failed, &format!("a server that left answered {moment}: {done:?}"))?;
    }
    child.wait()?;
    Ok(())
}

fn receive_and_leave() -> Result<(), Error> {
    Endpoint::from_handle(Handle::PARENT)
        .receive(&mut Incoming::new())
        .map(|_| ())
}

/// Plays the console of a child, which prints and does not know.
fn be_a_console(family: &Family) -> Outcome {
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(BADGE)?;
    let child = family
        .command(["print"])
        .give(Handle::CONSOLE.index(), client.get())
        .spawn()?;
    let mut incoming = Incoming::new();
    let mut printed = Vec::new();
    let mut message = endpoint.receive(&mut incoming)?;
    while message.label == Write::LABEL {
        // A slow one, that takes a few bytes at a time.
        let taken = incoming.bytes().len().min(10);
        printed.extend_from_slice(&incoming.bytes()[..taken]);
        let answer: Words6 = [taken as u64, 0, 0, 0, 0, 0];
        message = endpoint.reply_receive(Ok((answer, Outgoing::NOTHING)), &mut incoming)?;
    }
    expect(
        message.label == Read::LABEL && message.badge == BADGE,
        "the child did not read",
    )?;
    // Its end, as seen by the one whom it waits for.
    child.kill()?;
    let printed = String::from_utf8(printed)?;
    expect(
        printed == format!("{SENTENCE}\n"),
        &format!("the child printed {printed:?}"),
    )
}

fn print_and_leave() -> Outcome {
    println!("{SENTENCE}");
    // Tells the parent that all is printed; no answer comes.
    sys::console::read(Handle::CONSOLE, 1, &mut Incoming::new())?;
    Ok(())
}

/// Plays the memory manager of a child: does what it asks, by the real one, but refuses segments.
fn be_a_memory_manager(family: &Family) -> Outcome {
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(BADGE)?;
    let command: Command<'_> = family.command(["allocate"]);
    let loaded = command.give(Handle::MEMORY.index(), client.get()).load()?;
    let rights = Rights::CALL | Rights::PASS;
    let memory = sys::process::derive(loaded.process().memory(), rights, Badge(0))?;
    // The child says its end with a message too, as nobody tells this program otherwise.
    loaded.process().give(Handle::SELF.index(), client.get())?;
    let child = loaded.start()?;

    let (mut incoming, mut reply) = (Incoming::new(), Incoming::new());
    let mut forwarded = 0;
    let mut message = endpoint.receive(&mut incoming)?;
    while message.label != Exit::LABEL {
        let outgoing = Outgoing {
            bytes: incoming.bytes(),
            handles: incoming.handles(),
        };
        let answer = match message.label {
            ShmGet::LABEL => Err(Errno::ENOSPC),
            label => match ask(memory, label, message.words, outgoing, &mut reply) {
                Ok(words) => {
                    forwarded += 1;
                    Ok((words, Outgoing::bytes(reply.bytes())))
                }
                Err(Error::Refused(errno)) => Err(errno),
                Err(error) => return Err(error.into()),
            },
        };
        message = endpoint.reply_receive(answer, &mut incoming)?;
    }
    let status = Exit::from_words(&message.words).map(|exit| exit.status);
    child.kill()?;
    sys::process::close(memory)?;
    expect(status == Ok(0), &format!("the child ended with {status:?}"))?;
    expect(forwarded > 0, "the child asked for nothing")
}

/// Uses the heap, and asks for a segment, which its parent does not want it to have.
fn allocate() -> Outcome {
    let numbers: Vec<u64> = (0..50_000).collect();
    expect(numbers.iter().sum::<u64>() == 1_249_975_000, "the heap forgets")?;
    let done = sys::memory::shm_get(ShmKey::PRIVATE, 1, GetFlags::CREAT);
    expect(
        done == Err(Error::Refused(Errno::ENOSPC)),
        &format!("shmget: {done:?}"),
    )?;
    let usage = sys::memory::count_usage()?;
    // Its handle to itself is the parent's endpoint too: its exit is a message there.
    expect(usage.private > 50, "the parent counts nothing")
}
