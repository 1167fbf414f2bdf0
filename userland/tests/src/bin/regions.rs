//! Segments by handles: given to a child, sent in a message, named later, and passed on by a parent that
//! stands in for the memory manager.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::process::{End, FaultKind};
use abi::shm::ShmKey;
use abi::{Badge, Errno, Handle, Label, Rights};
use alloc::format;
use core::sync::atomic::Ordering;
use rt::ipc::{Endpoint, ask};
use rt::shm::{Region, Shm, totals};
use rt::{Credential, Error, Failure, Incoming, Outcome, Outgoing, Start, hazard, println, sys};
use tests::{Family, Frames};

/// Bytes of most regions here: linked and unlinked tables, and a part of a page.
const BYTES: u64 = (5 << 20) + 100;
/// What the children tell with this.
const NEWS: Label = Label(0x7001);
const KEY: ShmKey = ShmKey(0x5245_4749);
/// Who owns nothing here.
const STRANGER: Credential = Credential::new(1000, 1000);

/// What is checked, and how.
type Part = (&'static str, fn(&Family) -> Outcome);

const PARTS: [Part; 5] = [
    ("a reader reads, and is ended when it writes", give_to_a_reader),
    (
        "a handle counts, whoever has it and whatever the mode",
        give_to_a_stranger,
    ),
    ("one that came in a message outlives who made it", receive_one),
    (
        "one that was published has a name, until that is removed",
        publish_one,
    ),
    ("a parent that is the memory manager passes them on", pass_them_on),
];

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match start.arg(0) {
        None => lead(&Family::new("regions", start)?),
        Some("read-then-write") => read_then_write(),
        Some("add-one") => add_one(),
        Some("make-and-send") => make_and_send(),
        Some("find") => find(),
        Some("use-one") => use_one(),
        Some(part) => Err(Failure::new(format!("regions: there is no part {part}"))),
    }
}

fn lead(family: &Family) -> Outcome {
    let before = totals()?;
    for (what, check) in PARTS {
        let frames = Frames::count();
        check(family)?;
        frames.check()?;
        expect(totals()? == before, "segments are left")?;
        println!("regions: {what}");
    }
    println!("regions: done");
    Ok(())
}

fn expect(condition: bool, otherwise: &str) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Failure::new(format!("regions: {otherwise}")))
    }
}

/// What its parent gave this child.
fn given() -> Region {
    Region::from_handle(Handle::PARENT)
}

fn give_to_a_reader(family: &Family) -> Outcome {
    let region = Region::create(BYTES)?;
    let attachment = region.attach()?;
    attachment.words()[1].store(11, Ordering::Release);
    let to_read = region.derive(Rights::READ | Rights::PASS)?;
    let place = Handle::PARENT.index();
    let reader = family
        .command(["read-then-write"])
        .give(place, to_read.handle())
        .spawn()?;
    let end = reader.wait()?;
    let is_expected = matches!(end, End::Faulted(FaultKind::NotPermitted, _));
    expect(is_expected, &format!("the reader ended as {end:?}"))?;
    let word = attachment.words()[1].load(Ordering::Acquire);
    expect(word == 11, "the reader has written")
}

fn read_then_write() -> Outcome {
    let region = given();
    let refused = region.attach().map(|_| ());
    expect(refused == Err(Error::Refused(Errno::EACCES)), "attached to write")?;
    let attachment = region.attach_read_only()?;
    expect(attachment.word(1) == Some(11), "something else is there")?;
    hazard::write(attachment.address() + 8, 12);
    Err(Failure::new("regions: could write"))
}

fn give_to_a_stranger(family: &Family) -> Outcome {
    let region = Region::create(BYTES)?;
    let place = Handle::PARENT.index();
    for _ in 0..2 {
        let child = family
            .command(["add-one"])
            .credential(STRANGER)
            .give(place, region.handle())
            .spawn()?;
        expect(child.wait()? == End::Exited(0), "the stranger could not use it")?;
    }
    let attachment = region.attach()?;
    let words = attachment.words();
    expect(words[words.len() - 1].load(Ordering::Relaxed) == 2, "wrong sum")
}

fn add_one() -> Outcome {
    let attachment = given().attach()?;
    let words = attachment.words();
    words[words.len() - 1].fetch_add(1, Ordering::Relaxed);
    Ok(())
}

fn receive_one(family: &Family) -> Outcome {
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(Badge(1))?;
    let place = Handle::PARENT.index();
    let child = family
        .command(["make-and-send"])
        .give(place, client.get())
        .spawn()?;
    let mut incoming = Incoming::new();
    endpoint.receive(&mut incoming)?;
    let &[handle] = incoming.handles() else {
        return Err(Failure::new("regions: no handle came"));
    };
    let region = Region::from_handle(handle);
    child.kill()?;
    let (state, id) = region.stat()?;
    expect(
        (state.shm_nattch, id) == (0, None),
        "it is attached, or has a name",
    )?;
    let attachment = region.attach()?;
    drop(region);
    let words = attachment.words();
    let sum = (0..words.len())
        .step_by(512)
        .map(|place| words[place].load(Ordering::Relaxed) - place as u64)
        .sum::<u64>();
    expect(sum == 0, "it was lost")
}

fn make_and_send() -> Outcome {
    let region = Region::create(BYTES)?;
    let attachment = region.attach()?;
    for (place, word) in attachment.words().iter().enumerate().step_by(512) {
        word.store(place as u64, Ordering::Relaxed);
    }
    let handles = [region.handle()];
    let outgoing = Outgoing::handles(&handles);
    // No answer comes: its parent ends it.
    ask(Handle::PARENT, NEWS, [0; 6], outgoing, &mut Incoming::new())?;
    Ok(())
}

fn publish_one(family: &Family) -> Outcome {
    let region = Region::create(BYTES)?;
    region.attach()?.words()[3].store(33, Ordering::Relaxed);
    let segment = region.publish(KEY)?;
    drop(region);
    let child = family.command(["find"]).spawn()?;
    expect(child.wait()? == End::Exited(0), "it was not found")?;
    let again = Region::open(segment, Rights::REGION)?;
    segment.remove()?;
    let dead = segment.stat().map(|_| ());
    expect(
        dead == Err(Error::Refused(Errno::EINVAL)),
        "its name is still good",
    )?;
    let word = again.attach_read_only()?.word(3);
    expect(word == Some(33), "a handle did not keep it")
}

fn find() -> Outcome {
    let attachment = Shm::open(KEY)?.attach()?;
    expect(attachment.words()[3].load(Ordering::Relaxed) == 33, "another one")
}

/// Does what its child asks of its memory manager, by the real one, handles included.
fn pass_them_on(family: &Family) -> Outcome {
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(Badge(1))?;
    let command = family.command(["use-one"]);
    let loaded = command.give(Handle::MEMORY.index(), client.get()).load()?;
    let memory = loaded.process().memory();
    let memory = sys::process::derive(memory, Rights::CALL | Rights::PASS, Badge(0))?;
    let child = loaded.start()?;
    let mut incoming = Incoming::new();
    let mut passed = 0;
    let mut message = endpoint.receive(&mut incoming)?;
    while message.label != NEWS {
        let outgoing = Outgoing {
            bytes: incoming.bytes(),
            handles: incoming.handles(),
        };
        let mut reply = Incoming::new();
        let done = ask(memory, message.label, message.words, outgoing, &mut reply);
        close_all(&incoming)?;
        let answer = match done {
            Ok(words) => {
                let (bytes, handles) = (reply.bytes(), reply.handles());
                Ok((words, Outgoing { bytes, handles }))
            }
            Err(Error::Refused(errno)) => Err(errno),
            Err(error) => return Err(error.into()),
        };
        passed += reply.handles().len();
        message = endpoint.reply_receive(answer, &mut incoming)?;
        close_all(&reply)?;
    }
    child.kill()?;
    sys::process::close(memory)?;
    expect(passed == 1, "no handle was passed on")
}

fn close_all(incoming: &Incoming) -> Result<(), Error> {
    incoming
        .handles()
        .iter()
        .try_for_each(|&handle| sys::process::close(handle))
}

fn use_one() -> Outcome {
    let region = Region::create(BYTES)?;
    let (one, other) = (region.attach()?, region.attach_read_only()?);
    one.words()[600].store(6, Ordering::Release);
    expect(other.word(600) == Some(6), "two segments")?;
    expect(region.stat()?.0.shm_nattch == 2, "wrong count")?;
    drop((one, other, region));
    ask(
        Handle::MEMORY,
        NEWS,
        [0; 6],
        Outgoing::NOTHING,
        &mut Incoming::new(),
    )?;
    Ok(())
}
