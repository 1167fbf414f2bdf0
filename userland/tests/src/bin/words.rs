//! Processes that wait for words of memory and wake each other there: by hand, with locks and conditions, through rings.
//!
//! Prints a line for each thing it finds to be so.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::process::End;
use abi::shm::{Mode, ShmId, ShmKey};
use abi::{Errno, Handle};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use rt::ring::{Reader, Writer};
use rt::shm::{Attachment, Shm};
use rt::spawn::{Child, fork};
use rt::sync::{Condvar, Lock, Once, wait, wait_until, wake, wake_all, wake_and_wait};
use rt::sys::process::{identify, yield_now};
use rt::time::Instant;
use rt::{Error, Failure, Outcome, Start, println};
use tests::{Family, Frames, expect};

/// Where one that is started has the segment; who started it has it elsewhere.
const AT: u64 = 0x30_0000_0000;
const ROUNDS: u32 = 500;
const COUNTERS: u32 = 6;
const COUNTS: u32 = 200;
const SLEEPERS: u32 = 20;
const NUMBERS: u64 = 5000;

/// What is checked, and how.
type Part = (&'static str, fn(&Family, &Shm, &Attachment) -> Outcome);

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match (start.arg(0), start.arg(1)) {
        (Some(part), Some(id)) => {
            let id = ShmId::from_raw(id.parse()?);
            let segment = Shm::from_id(id.ok_or_else(|| Failure::new("words: that is no shmid"))?);
            play(part, &segment.attach_at(AT)?)
        }
        _ => lead(&Family::new("words", start)?),
    }
}

fn lead(family: &Family) -> Outcome {
    let parts: [Part; 8] = [
        ("two processes wake each other by turns", take_turns),
        ("many sleep, and all are woken", wake_everybody),
        ("many count under a lock, and no count is lost", count_together),
        ("many take from a store that one fills", fill_a_store),
        ("what is to be done once is done by the first", do_once),
        ("numbers come through a ring with room for three", pass_numbers),
        (
            "who is killed while waiting for a lock leaves it to others",
            be_killed,
        ),
        ("who is not woken goes on when it is time", wait_in_vain),
    ];
    for (what, check) in parts {
        let frames = Frames::count();
        let segment = Shm::create(ShmKey::PRIVATE, 4096, Mode::from_bits(0o600))?;
        let memory = segment.attach()?;
        check(family, &segment, &memory)?;
        memory.detach()?;
        segment.remove()?;
        frames.check()?;
        println!("words: {what}");
    }
    println!("words: done");
    Ok(())
}

fn play(part: &str, memory: &Attachment) -> Outcome {
    let words = memory.half_words();
    match part {
        "turns" => turns(&words[0], 1),
        "sleep" => sleep(words),
        "count" => count(words),
        "take" => take(words),
        "once" => once(words),
        "read" => read(memory),
        "hold" => hold(words),
        part => Err(Failure::new(format!("words: there is no part {part}"))),
    }
}

/// One more that plays `part` with the segment.
fn start(family: &Family, part: &str, segment: &Shm) -> Result<Child, Failure> {
    family.start([part, segment.id().raw().to_string().as_str()])
}

/// Waits until all have done their part.
fn join(children: &[Child]) -> Outcome {
    for child in children {
        let end = child.wait()?;
        if end != End::Exited(0) {
            return Err(Failure::new(format!("words: {}", rt::spawn::Ended(end))));
        }
    }
    Ok(())
}

/// Waits until `word` is not `value` any more.
fn while_it_is(word: &AtomicU32, value: u32) -> Result<(), Error> {
    while word.load(Ordering::Acquire) == value {
        wait(word, value)?;
    }
    Ok(())
}

fn take_turns(family: &Family, segment: &Shm, memory: &Attachment) -> Outcome {
    let other = start(family, "turns", segment)?;
    let turn = &memory.half_words()[0];
    turns(turn, 0)?;
    join(&[other])?;
    expect(
        "the number of turns",
        turn.load(Ordering::Relaxed).into(),
        (2 * ROUNDS).into(),
    )
}

/// Does something each time it is the turn of those with this remainder.
fn turns(turn: &AtomicU32, own: u32) -> Outcome {
    for round in 0..ROUNDS {
        let mine = 2 * round + own;
        if mine > 0 {
            while_it_is(turn, mine - 1)?;
        }
        turn.store(mine + 1, Ordering::Release);
        if round.is_multiple_of(2) {
            // Not in the last round, after which nobody wakes this one.
            wake_and_wait(turn, turn, mine + 1)?;
        } else {
            wake(turn, 1)?;
        }
    }
    Ok(())
}

fn wake_everybody(family: &Family, segment: &Shm, memory: &Attachment) -> Outcome {
    let words = memory.half_words();
    let children = (0..SLEEPERS).map(|_| start(family, "sleep", segment));
    let children: Vec<Child> = children.collect::<Result<_, _>>()?;
    while words[1].load(Ordering::Acquire) < SLEEPERS {
        yield_now();
    }
    words[0].store(1, Ordering::Release);
    wake_all(&words[0])?;
    join(&children)?;
    expect("how many are still there", wake(&words[0], 1)?.into(), 0)
}

fn sleep(words: &[AtomicU32]) -> Outcome {
    words[1].fetch_add(1, Ordering::AcqRel);
    Ok(while_it_is(&words[0], 0)?)
}

fn count_together(family: &Family, segment: &Shm, memory: &Attachment) -> Outcome {
    let children = (0..COUNTERS).map(|_| start(family, "count", segment));
    let children: Vec<Child> = children.collect::<Result<_, _>>()?;
    join(&children)?;
    let words = memory.half_words();
    expect(
        "the count",
        words[1].load(Ordering::Relaxed).into(),
        (COUNTERS * COUNTS).into(),
    )?;
    expect("the lock", words[0].load(Ordering::Relaxed).into(), 0)
}

/// Counts in steps that others would disturb, also while others have the CPU.
fn count(words: &[AtomicU32]) -> Outcome {
    let lock = Lock::new(&words[0], identify(Handle::SELF)?);
    for round in 0..COUNTS {
        let held = lock.lock()?;
        let before = words[1].load(Ordering::Relaxed);
        if round.is_multiple_of(16) {
            yield_now();
        }
        words[1].store(before + 1, Ordering::Relaxed);
        drop(held);
    }
    Ok(())
}

/// The store is a number under a lock, with a condition variable between the two.
fn fill_a_store(family: &Family, segment: &Shm, memory: &Attachment) -> Outcome {
    let words = memory.half_words();
    let takers = (0..COUNTERS).map(|_| start(family, "take", segment));
    let takers: Vec<Child> = takers.collect::<Result<_, _>>()?;
    let (lock, filled) = store(words)?;
    for round in 0..COUNTS {
        let held = lock.lock()?;
        words[2].fetch_add(COUNTERS, Ordering::Relaxed);
        // With the lock or without it.
        let held = round.is_multiple_of(2).then_some(held);
        filled.notify_all()?;
        drop(held);
    }
    join(&takers)?;
    expect("what is left", words[2].load(Ordering::Relaxed).into(), 0)?;
    let late = Instant::now().after(Duration::from_millis(20));
    let (held, in_time) = filled.wait_until(lock.lock()?, late)?;
    expect("a notification that nobody sent", in_time.into(), 0)?;
    expect("the lock", lock.try_lock().is_some().into(), 0)?;
    drop(held);
    Ok(())
}

fn store(words: &[AtomicU32]) -> Result<(Lock<'_>, Condvar<'_>), Error> {
    let own = identify(Handle::SELF)?;
    Ok((Lock::new(&words[0], own), Condvar::new(&words[1])))
}

fn take(words: &[AtomicU32]) -> Outcome {
    let (lock, filled) = store(words)?;
    for _ in 0..COUNTS {
        let held = lock.lock()?;
        let held = filled.wait_while(held, || words[2].load(Ordering::Relaxed) == 0)?;
        words[2].fetch_sub(1, Ordering::Relaxed);
        drop(held);
    }
    Ok(())
}

fn do_once(family: &Family, segment: &Shm, memory: &Attachment) -> Outcome {
    let children = (0..SLEEPERS).map(|_| start(family, "once", segment));
    let children: Vec<Child> = children.collect::<Result<_, _>>()?;
    join(&children)?;
    let times = memory.half_words()[1].load(Ordering::Relaxed);
    expect("how often it was done", times.into(), 1)
}

fn once(words: &[AtomicU32]) -> Outcome {
    Once::new(&words[0]).call_once(|| {
        yield_now();
        words[1].fetch_add(1, Ordering::Relaxed);
    })?;
    expect("what is seen of it", words[1].load(Ordering::Relaxed).into(), 1)
}

fn pass_numbers(family: &Family, segment: &Shm, memory: &Attachment) -> Outcome {
    let reader = start(family, "read", segment)?;
    let mut ring = Writer::new(small_ring(memory)).ok_or_else(|| Failure::new("words: no room"))?;
    for number in 0..NUMBERS {
        ring.send(number)?;
    }
    join(&[reader])
}

fn read(memory: &Attachment) -> Outcome {
    let mut ring = Reader::new(small_ring(memory)).ok_or_else(|| Failure::new("words: no room"))?;
    for number in 0..NUMBERS {
        expect("a number", ring.receive()?, number)?;
    }
    Ok(())
}

fn small_ring(memory: &Attachment) -> &[core::sync::atomic::AtomicU64] {
    &memory.words()[..16 + 3]
}

/// One child holds a lock for ever, and another one waits for it: both are killed.
fn be_killed(family: &Family, segment: &Shm, memory: &Attachment) -> Outcome {
    let words = memory.half_words();
    let own = Lock::new(&words[0], identify(Handle::SELF)?);
    let holder = start(family, "hold", segment)?;
    while_it_is(&words[1], 0)?;
    let waiter = start(family, "hold", segment)?;
    // Until it has said that it waits.
    while words[0].load(Ordering::Acquire) == holder.pid().0 {
        yield_now();
    }
    waiter.kill()?;
    expect("an end of somebody else", own.release_of(waiter.pid())?.into(), 0)?;
    holder.kill()?;
    expect("a lock that can be taken", own.try_lock().is_some().into(), 0)?;
    expect("the holder's end", own.release_of(holder.pid())?.into(), 1)?;
    drop(own.lock()?);
    Ok(())
}

fn hold(words: &[AtomicU32]) -> Outcome {
    let _held = Lock::new(&words[0], identify(Handle::SELF)?).lock()?;
    words[1].store(1, Ordering::Release);
    wake(&words[1], 1)?;
    Ok(while_it_is(&words[2], 0)?)
}

/// Nobody wakes a private word but the process itself: its copy has another one.
fn wait_in_vain(_: &Family, _: &Shm, _: &Attachment) -> Outcome {
    let private = AtomicU32::new(0);
    let copy = fork(|| {
        wake(&private, 1)?;
        Ok(())
    })?;
    let moment = Instant::now().after(Duration::from_millis(20));
    let waited = wait_until(&private, 0, moment);
    if waited != Err(Error::Refused(Errno::ETIMEDOUT)) || Instant::now() < moment {
        return Err(Failure::new(format!("words: waited in vain, and got {waited:?}")));
    }
    join(&[copy])
}
