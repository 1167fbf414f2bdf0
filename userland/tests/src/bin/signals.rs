//! Signals, messages that want no answer, and callers that are answered late, or by somebody else.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::process::End;
use abi::{Arrival, Badge, Errno, Handle, IpcError, Label};
use alloc::format;
use alloc::vec::Vec;
use rt::ipc::{Caller, Endpoint, Notification, ask, ask_until, signal, tell};
use rt::spawn::Child;
use rt::time::{Duration, Instant};
use rt::{Error, Failure, Incoming, Outcome, Outgoing, Start, println};
use tests::{Family, Frames};

const LABEL: Label = Label(0x7002);
/// What a client's status is when it was told that no answer will come.
const UNANSWERED: i32 = 99;

/// What is checked, and how.
type Part = (&'static str, fn(&Family) -> Outcome);

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match start.arg(0) {
        None => lead(&Family::new("signals", start)?),
        Some("signal") => Ok(signal(Handle::PARENT, 0)?),
        Some("tell") => Ok(tell(Handle::PARENT, LABEL, [5; 6], Outgoing::NOTHING)?),
        Some("call") => call(),
        Some("insist") => insist(),
        Some("answer") => Ok(Caller::from_handle(Handle::PARENT).reply(word(77))?),
        Some(part) => Err(Failure::new(format!("signals: there is no part {part}"))),
    }
}

fn lead(family: &Family) -> Outcome {
    let parts: [Part; 7] = [
        ("signals wait and add up", signals_add_up),
        (
            "calls, messages and signals come to one receiver, who knows which is which",
            all_in_one_loop,
        ),
        ("callers are answered in any order", in_any_order),
        ("a third process answers", by_somebody_else),
        ("a caller that nobody can answer any more is told", by_nobody),
        ("nobody waits longer than they want", until_a_deadline),
        ("an answer that comes too late goes nowhere", too_late),
    ];
    for (what, check) in parts {
        let frames = Frames::count();
        check(family)?;
        frames.check()?;
        println!("signals: {what}");
    }
    println!("signals: done");
    Ok(())
}

fn expect(condition: bool, otherwise: &str) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Failure::new(format!("signals: {otherwise}")))
    }
}

fn word(word: u64) -> rt::ipc::Answer<'static> {
    Ok(([word, 0, 0, 0, 0, 0], Outgoing::NOTHING))
}

fn ends_well(child: Child) -> Outcome {
    let end = child.wait()?;
    expect(end == End::Exited(0), &format!("a child ended with {end:?}"))
}

fn signals_add_up(family: &Family) -> Outcome {
    let notification = Notification::create()?;
    let mut children = Vec::new();
    for bit in [1, 4, 16] {
        let signaller = notification.signaller(bit)?;
        let place = Handle::PARENT.index();
        children.push(family.command(["signal"]).give(place, signaller.get()).spawn()?);
    }
    let mut seen = 0;
    while seen != 1 | 4 | 16 {
        let bits = notification.wait()?;
        expect(
            bits != 0 && seen & bits == 0,
            "a signal came twice, or none woke who waits",
        )?;
        seen |= bits;
    }
    children.into_iter().try_for_each(ends_well)?;
    // Nobody else signals: all that is there was signalled here.
    let own = notification.signaller(0)?;
    signal(own.get(), 2)?;
    signal(own.get(), 8)?;
    expect(notification.wait()? == 2 | 8, "bits were lost")
}

fn all_in_one_loop(family: &Family) -> Outcome {
    let endpoint = Endpoint::create()?;
    let (client, signaller) = (endpoint.client(Badge(3))?, endpoint.signaller(Badge(8))?);
    let place = Handle::PARENT.index();
    let start = |part, handle| family.command([part]).give(place, handle).spawn();
    let children = [
        start("call", client.get())?,
        start("tell", client.get())?,
        start("signal", signaller.get())?,
    ];
    let (mut incoming, mut calls, mut messages, mut signals) = (Incoming::new(), 0, 0, 0);
    while (calls, messages, signals) != (1, 1, 1) {
        let message = endpoint.receive(&mut incoming)?;
        match message.arrival {
            Arrival::Call => {
                calls += 1;
                expect(
                    message.badge == Badge(3) && message.label == LABEL,
                    "a wrong call",
                )?;
                endpoint.reply(word(0))?;
            }
            Arrival::Message => {
                messages += 1;
                let is_right = message.badge == Badge(3) && message.words == [5; 6];
                expect(is_right, "a wrong message")?;
                let done = endpoint.reply(word(0));
                let nobody = done == Err(Error::Ipc(IpcError::NoCaller));
                expect(nobody, "a message that wants no answer was answered")?;
            }
            Arrival::Signals => {
                signals += 1;
                expect(message.words == [8, 0, 0, 0, 0, 0], "wrong signals")?;
            }
            Arrival::Fault => return Err(Failure::new("nobody has faulted")),
        }
    }
    children.into_iter().try_for_each(ends_well)
}

/// Exits with what it is answered.
fn call() -> Outcome {
    let answer = ask(
        Handle::PARENT,
        LABEL,
        [0; 6],
        Outgoing::NOTHING,
        &mut Incoming::new(),
    );
    let status = match answer {
        Ok(words) => words[0] as i32,
        Err(Error::Ipc(IpcError::PeerGone)) => UNANSWERED,
        Err(error) => return Err(error.into()),
    };
    rt::sys::process::exit(status)
}

/// A child that calls `endpoint` with this badge.
fn client(family: &Family, endpoint: &Endpoint, badge: u64) -> Result<Child, Failure> {
    let client = endpoint.client(Badge(badge))?;
    let place = Handle::PARENT.index();
    Ok(family.command(["call"]).give(place, client.get()).spawn()?)
}

fn in_any_order(family: &Family) -> Outcome {
    let endpoint = Endpoint::create()?;
    let mut clients = Vec::new();
    for badge in 1..=4 {
        clients.push(client(family, &endpoint, badge)?);
    }
    let (mut incoming, mut callers) = (Incoming::new(), Vec::new());
    for _ in &clients {
        let message = endpoint.receive(&mut incoming)?;
        callers.push((message.badge.0, endpoint.take_caller()?));
    }
    for (badge, caller) in callers.into_iter().rev() {
        caller.reply(word(10 * badge))?;
    }
    for (client, badge) in clients.into_iter().zip(1..) {
        let end = client.wait()?;
        let is_right = end == End::Exited(10 * badge);
        expect(is_right, &format!("client {badge} ended with {end:?}"))?;
    }
    Ok(())
}

fn by_somebody_else(family: &Family) -> Outcome {
    let endpoint = Endpoint::create()?;
    let client = client(family, &endpoint, 1)?;
    endpoint.receive(&mut Incoming::new())?;
    let caller = endpoint.take_caller()?;
    let place = Handle::PARENT.index();
    let other = family.command(["answer"]).give(place, caller.handle()).spawn()?;
    ends_well(other)?;
    expect(client.wait()? == End::Exited(77), "a wrong answer")?;
    let late = caller.reply(word(0));
    let is_told = late == Err(Error::Ipc(IpcError::PeerGone));
    expect(is_told, &format!("a second answer: {late:?}"))
}

fn by_nobody(family: &Family) -> Outcome {
    let endpoint = Endpoint::create()?;
    let first = client(family, &endpoint, 1)?;
    endpoint.receive(&mut Incoming::new())?;
    drop(endpoint.take_caller()?);
    let told = End::Exited(UNANSWERED);
    expect(first.wait()? == told, "a caller waits for nobody")?;
    let second = client(family, &endpoint, 2)?;
    endpoint.receive(&mut Incoming::new())?;
    drop(endpoint);
    expect(second.wait()? == told, "a caller waits at no endpoint")
}

fn until_a_deadline(_: &Family) -> Outcome {
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(Badge(1))?;
    let mut incoming = Incoming::new();
    let late = Error::Ipc(IpcError::TimedOut);
    let deadline = Instant::now().after(BRIEFLY);
    let received = endpoint.receive_until(deadline, &mut incoming);
    expect(received == Err(late), "something was received")?;
    expect(Instant::now() >= deadline, "the deadline came early")?;
    let deadline = Instant::now().after(BRIEFLY);
    let nothing = Outgoing::NOTHING;
    let asked = ask_until(deadline, client.get(), LABEL, [0; 6], nothing, &mut incoming);
    expect(asked == Err(late), "somebody answered")?;
    expect(Instant::now() >= deadline, "the caller's deadline came early")?;
    expect(
        endpoint.poll(&mut incoming) == Ok(None),
        "the call is still there",
    )?;
    signal(endpoint.signaller(Badge(0))?.get(), 6)?;
    let signals = endpoint.poll(&mut incoming)?;
    let is_right = signals.is_some_and(|message| message.words[0] == 6);
    expect(is_right, "a look finds no signals")
}

const BRIEFLY: Duration = Duration::from_millis(5);

/// The child asks again and again, more patiently each time.
fn too_late(family: &Family) -> Outcome {
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(Badge(1))?;
    let place = Handle::PARENT.index();
    let child = family.command(["insist"]).give(place, client.get()).spawn()?;
    let mut incoming = Incoming::new();
    // It may have given up before it is taken along, if this process has waited for a CPU; it is more patient then.
    let first = loop {
        endpoint.receive(&mut incoming)?;
        match endpoint.take_caller() {
            Err(Error::Refused(Errno::ESRCH)) => {}
            taken => break taken?,
        }
    };
    // That it asks again shows that it has given up before.
    endpoint.receive(&mut incoming)?;
    let late = Err(Error::Ipc(IpcError::PeerGone));
    expect(first.reply(word(1)) == late, "the late answer went somewhere")?;
    while endpoint.reply(word(2)) == late {
        endpoint.receive(&mut incoming)?;
    }
    ends_well(child)
}

fn insist() -> Outcome {
    let (nothing, mut incoming) = (Outgoing::NOTHING, Incoming::new());
    let mut patience = BRIEFLY;
    loop {
        let deadline = Instant::now().after(patience);
        match ask_until(deadline, Handle::PARENT, LABEL, [0; 6], nothing, &mut incoming) {
            Err(Error::Ipc(IpcError::TimedOut)) => patience *= 2,
            answer => return expect(answer?[0] == 2, "a wrong answer"),
        }
    }
}
