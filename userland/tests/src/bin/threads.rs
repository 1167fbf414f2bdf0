//! Threads of one process: what they share, what each has alone, and how all of it ends.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::layout::{MOST_THREADS, PAGE_BYTES};
use abi::memory::Protection;
use abi::process::{End, FaultKind};
use abi::shm::{AttachFlags, Mode, ShmKey};
use abi::{Badge, Errno, Handle, IpcError, Rights};
use alloc::format;
use alloc::vec::Vec;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};
use rt::hazard::{read, spin, write};
use rt::ipc::{Endpoint, signal};
use rt::shm::Shm;
use rt::spawn::{Ended, fork};
use rt::sys::process::derive;
use rt::thread::{self, JoinHandle, spawn, yield_now};
use rt::{Error, Failure, Incoming, Outcome, Start, println, sys};
use tests::{Frames, expect};

/// More than there are CPUs.
const CROWD: u32 = 6;
const ROUNDS: u32 = 50;
const REGION_BYTES: u64 = 4 << 20;
/// Nothing is ever mapped there.
const NOWHERE: u64 = 8;

rt::program!(run);

type Part = fn() -> Outcome;

fn run(_: &Start) -> Outcome {
    let parts: [(&str, Part); 13] = [
        ("results come back", results),
        ("one has the stack of the one before", one_after_the_other),
        ("each has its own message page", message_pages),
        ("all derive, use and close the same handles", exchange_handles),
        ("there are as many as there may be", many),
        ("a scope lends what is on a stack", borrow),
        ("all touch one region", touch_one_region),
        ("one of two detaches", detach_once),
        ("a fork meets a detach", fork_and_detach),
        (
            "parent and child write at a time to what both have",
            write_after_fork,
        ),
        ("an exit takes all along", exit_with_siblings),
        ("a kill takes all along", kill_with_siblings),
        ("a fault takes all along", fault_with_siblings),
    ];
    for (what, part) in parts {
        let frames = Frames::count();
        part()?;
        frames.check()?;
        println!("threads: {what}");
    }
    Ok(())
}

/// A crowd of threads that do the same.
fn crowd<T: Send + 'static>(work: impl Fn(u32) -> T + Copy + Send + 'static) -> Result<Vec<T>, Failure> {
    let spawned: Result<Vec<_>, Error> = (0..CROWD).map(|place| spawn(move || work(place))).collect();
    let results = spawned?.into_iter().map(JoinHandle::join);
    let results: Option<Vec<_>> = results.collect();
    results.ok_or_else(|| Failure::new("threads: one had no result"))
}

fn results() -> Outcome {
    for _ in 0..ROUNDS {
        let numbers = crowd(|place| (place, thread::number()))?;
        for (place, (said, number)) in numbers.into_iter().enumerate() {
            expect("a result", said.into(), place as u64)?;
            expect("a thread that is the first", u64::from(number == 0), 0)?;
        }
    }
    expect("this thread's number", thread::number().into(), 0)
}

/// What a thread costs is not to include a stack each time.
fn one_after_the_other() -> Outcome {
    let place_on_stack = || {
        spawn(|| (&raw const *black_box(&0_u8)).addr())?
            .join()
            .ok_or(Error::Garbled)
    };
    let first = place_on_stack()?;
    expect("the next one's stack", place_on_stack()? as u64, first as u64)
}

/// Handles travel in message pages: who found those of another thread would close what that has.
fn message_pages() -> Outcome {
    let failed = crowd(|_| (0..ROUNDS).filter(|_| create_and_close().is_err()).count())?;
    expect("closed by others", failed.iter().sum::<usize>() as u64, 0)
}

fn create_and_close() -> Result<(), Error> {
    sys::process::close(sys::process::create_endpoint()?)
}

/// Each leaves handles where others find them, who use them and close them at the same time: of those who close one, one does.
fn exchange_handles() -> Outcome {
    static LEFT: AtomicU32 = AtomicU32::new(Handle::NONE.raw());
    let endpoint = Endpoint::create()?;
    let source = endpoint.handle();
    let closed = crowd(move |place| {
        let rounds = (0..20 * ROUNDS).map(|_| exchange_handle(source, &LEFT, Badge(1 << place)));
        rounds.sum::<Result<u32, Error>>()
    })?;
    let closed: u32 = closed.into_iter().sum::<Result<u32, Error>>()?;
    let last = close_if_there(Handle::from_raw(LEFT.load(Ordering::Relaxed)))?;
    expect(
        "handles closed",
        (closed + last).into(),
        (20 * ROUNDS * CROWD).into(),
    )?;
    let signals = endpoint.receive(&mut Incoming::new())?;
    expect("signals", signals.words[0], (1 << CROWD) - 1)
}

/// Leaves a handle to `source`, and closes the one that was left before. Answers how many it has closed.
fn exchange_handle(source: Handle, left: &AtomicU32, badge: Badge) -> Result<u32, Error> {
    let own = derive(source, Rights::SIGNAL | Rights::PASS, badge)?;
    let used = [
        signal(own, 0),
        signal(Handle::from_raw(left.load(Ordering::Relaxed)), 0),
    ];
    let before = Handle::from_raw(left.swap(own.raw(), Ordering::Relaxed));
    let someones = Handle::from_raw(left.load(Ordering::Relaxed));
    for used in used {
        used.or_else(|error| {
            (error == Error::Ipc(IpcError::BadHandle))
                .then_some(())
                .ok_or(error)
        })?;
    }
    Ok(close_if_there(before)? + close_if_there(someones)?)
}

/// How many it has closed: none, if another thread was first.
fn close_if_there(handle: Handle) -> Result<u32, Error> {
    match sys::process::close(handle) {
        Ok(()) => Ok(1),
        Err(Error::Refused(Errno::EBADF)) => Ok(0),
        Err(error) => Err(error),
    }
}

fn many() -> Outcome {
    static GATE: AtomicU32 = AtomicU32::new(0);
    GATE.store(0, Ordering::Relaxed);
    let mut all = Vec::new();
    let refused = loop {
        match spawn(|| wait_for(&GATE, 1)) {
            Ok(thread) => all.push(thread),
            Err(error) => break error,
        }
    };
    GATE.store(1, Ordering::Relaxed);
    // Two of the handles are the process itself and its memory; some are its parent's gifts.
    let few = all.len() + 10 < MOST_THREADS as usize;
    let full = [Errno::EAGAIN, Errno::EMFILE]
        .map(Error::Refused)
        .contains(&refused);
    if few || !full {
        return Err(Failure::new(format!(
            "threads: only {}, then {refused}",
            all.len()
        )));
    }
    drop(all);
    Ok(())
}

/// Those that nobody joins are gone with the scope as well.
fn borrow() -> Outcome {
    for _ in 0..ROUNDS {
        let (mut own, sum) = ([1, 2, 3, 4], AtomicU32::new(0));
        let joined = thread::scope(|scope| {
            for number in &mut own {
                let sum = &sum;
                scope.spawn(move || {
                    yield_now();
                    sum.fetch_add(core::mem::take(number), Ordering::Relaxed);
                })?;
            }
            scope
                .spawn(|| borrow_from_a_thread(&sum))
                .map(thread::ScopedJoinHandle::join)
        })?;
        expect(
            "what a nested scope made",
            joined.flatten().unwrap_or(0).into(),
            100,
        )?;
        expect("a number that was taken", own.iter().sum::<u32>().into(), 0)?;
        expect("the sum", sum.into_inner().into(), 110)?;
    }
    Ok(())
}

/// In a scope of a thread that lends what is on its own stack. Answers what its threads have added to `sum`.
fn borrow_from_a_thread(sum: &AtomicU32) -> Option<u32> {
    let parts = [30, 70];
    let added = AtomicU32::new(0);
    let spawned = thread::scope(|scope| {
        for part in &parts {
            scope.spawn(|| {
                sum.fetch_add(*part, Ordering::Relaxed);
                added.fetch_add(*part, Ordering::Relaxed);
            })?;
        }
        Ok::<_, Error>(())
    });
    spawned.is_ok().then(|| added.into_inner())
}

fn wait_for(gate: &AtomicU32, value: u32) {
    while gate.load(Ordering::Acquire) < value {
        yield_now();
    }
}

/// Every page comes once, whoever touches it first, and everybody finds what all have added. To begin and to
/// end is no attachment, and none is lost by it.
fn touch_one_region() -> Outcome {
    let segment = Shm::create(ShmKey::PRIVATE, REGION_BYTES, Mode::from_bits(0o600))?;
    let attachment = segment.attach()?;
    let address = attachment.address();
    let attached = crowd(move |_| {
        let own = segment.attach_at(0).map(|own| {
            let pages = own.words().chunks(PAGE_BYTES as usize / 8);
            for page in pages {
                page[0].fetch_add(1, Ordering::Relaxed);
            }
            own.address()
        });
        own.is_ok_and(|own| own != address)
    })?;
    expect(
        "threads that attached it elsewhere",
        attached.iter().filter(|&&it| it).count() as u64,
        CROWD.into(),
    )?;
    for page in attachment.words().chunks(PAGE_BYTES as usize / 8) {
        expect(
            "a word that each has added to",
            page[0].load(Ordering::Relaxed),
            CROWD.into(),
        )?;
    }
    expect("attachments", segment.stat()?.shm_nattch, 1)?;
    let spawned = spawn(|| ())?;
    expect("attachments beside a thread", segment.stat()?.shm_nattch, 1)?;
    drop(spawned);
    expect("attachments after it", segment.stat()?.shm_nattch, 1)?;
    segment.remove()?;
    Ok(attachment.detach()?)
}

fn detach_once() -> Outcome {
    static GATE: AtomicU32 = AtomicU32::new(0);
    GATE.store(0, Ordering::Relaxed);
    let segment = Shm::create(ShmKey::PRIVATE, REGION_BYTES, Mode::from_bits(0o600))?;
    let kept = segment.attach()?;
    for round in 1..=ROUNDS {
        let address = sys::memory::shm_attach(segment.id(), 0, AttachFlags::empty())?;
        let other = spawn(move || {
            wait_for(&GATE, round);
            sys::memory::shm_detach(address)
        })?;
        GATE.store(round, Ordering::Release);
        let results = [sys::memory::shm_detach(address), other.join().unwrap_or(Ok(()))];
        let refused = Err(Error::Refused(Errno::EINVAL));
        if results != [Ok(()), refused] && results != [refused, Ok(())] {
            return Err(Failure::new(format!("threads: two detach: {results:?}")));
        }
        expect("attachments", segment.stat()?.shm_nattch, 1)?;
    }
    segment.remove()?;
    Ok(kept.detach()?)
}

/// What is in each page before a fork, and what parent and child write there after it.
const BEFORE: u64 = 1;
const OF_PARENT: u64 = 2;
const OF_CHILD: u64 = 3;

/// Of two who have a frame since a fork, each finds there what it was and what it wrote itself, on however many CPUs, while both write.
fn write_after_fork() -> Outcome {
    const PAGES: u64 = 48;
    static DONE: AtomicU32 = AtomicU32::new(0);
    DONE.store(0, Ordering::Relaxed);
    let control = Shm::create(ShmKey::PRIVATE, PAGE_BYTES, Mode::from_bits(0o600))?;
    let ready = control.attach()?;
    for round in 1..=ROUNDS {
        let bytes = PAGES * PAGE_BYTES;
        let start = sys::memory::map(0, bytes, Protection::READ | Protection::WRITE)?;
        let words = (0..PAGES).map(move |page| start + page * PAGE_BYTES);
        words.clone().for_each(|word| write(word, BEFORE));
        // Another thread of the parent, whose CPU may know the frames from before.
        let looker = words.clone();
        let looks = spawn(move || {
            while DONE.load(Ordering::Acquire) < round {
                if looker
                    .clone()
                    .any(|word| ![BEFORE, OF_PARENT].contains(&read(word)))
                {
                    return false;
                }
            }
            true
        })?;
        // Both begin at once, so they come to each page at about the same time.
        let both_ready = || {
            ready.words()[0].fetch_add(1, Ordering::AcqRel);
            while ready.words()[0].load(Ordering::Acquire) < 2 * u64::from(round) {
                core::hint::spin_loop();
            }
        };
        let child = fork(|| {
            both_ready();
            change_all(words.clone(), OF_CHILD)
        })?;
        both_ready();
        let changed = change_all(words, OF_PARENT);
        let end = child.wait()?;
        DONE.store(round, Ordering::Release);
        let looked = looks.join();
        changed?;
        if end != End::Exited(0) || looked != Some(true) {
            let end = Ended(end);
            return Err(Failure::new(format!(
                "threads: the child {end}, who looked saw {looked:?}"
            )));
        }
        sys::memory::unmap(start, bytes)?;
    }
    ready.detach()?;
    control.remove()?;
    Ok(())
}

/// Writes this to all words, in which nobody else has written.
fn change_all(words: impl Iterator<Item = u64> + Clone, value: u64) -> Outcome {
    for word in words.clone() {
        expect("a word from before the fork", read(word), BEFORE)?;
        write(word, value);
    }
    for word in words {
        expect("a word after it", read(word), value)?;
    }
    Ok(())
}

/// The child has it, and is counted, or has it not.
fn fork_and_detach() -> Outcome {
    static GATE: AtomicU32 = AtomicU32::new(0);
    GATE.store(0, Ordering::Relaxed);
    let control = Shm::create(ShmKey::PRIVATE, PAGE_BYTES, Mode::from_bits(0o600))?;
    let flags = control.attach()?;
    let segment = Shm::create(ShmKey::PRIVATE, REGION_BYTES, Mode::from_bits(0o600))?;
    for round in 1..=ROUNDS {
        let address = sys::memory::shm_attach(segment.id(), 0, AttachFlags::empty())?;
        let other = spawn(move || {
            wait_for(&GATE, round);
            sys::memory::shm_detach(address)
        })?;
        GATE.store(round, Ordering::Release);
        let child = fork(|| {
            while flags.words()[0].load(Ordering::Acquire) < u64::from(round) {
                yield_now();
            }
            sys::process::exit(sys::memory::shm_detach(address).is_ok().into())
        })?;
        let detached = other.join();
        let attached = segment.stat()?.shm_nattch;
        flags.words()[0].store(round.into(), Ordering::Release);
        let end = child.wait()?;
        if detached != Some(Ok(())) || end != End::Exited(attached as i32) || attached > 1 {
            let end = Ended(end);
            return Err(Failure::new(format!(
                "threads: {detached:?}, {attached} attached, the child {end}"
            )));
        }
        expect("attachments", segment.stat()?.shm_nattch, 0)?;
    }
    segment.remove()?;
    control.remove()?;
    Ok(flags.detach()?)
}

fn exit_with_siblings() -> Outcome {
    ends_with_siblings(End::Exited(7), || sys::process::exit(7))
}

fn fault_with_siblings() -> Outcome {
    ends_with_siblings(End::Faulted(FaultKind::Unmapped, NOWHERE), || {
        rt::hazard::read(NOWHERE);
        sys::process::exit(1)
    })
}

/// Of a child of many threads that never wait for anything, one does `last`.
fn ends_with_siblings(expected: End, last: fn() -> !) -> Outcome {
    for _ in 0..ROUNDS / 5 {
        let end = fork(|| busy_crowd(last))?.wait()?;
        if end != expected {
            return Err(Failure::new(format!("threads: the crowd {}", Ended(end))));
        }
    }
    Ok(())
}

fn kill_with_siblings() -> Outcome {
    let control = Shm::create(ShmKey::PRIVATE, PAGE_BYTES, Mode::from_bits(0o600))?;
    let flags = control.attach()?;
    for round in 1..=u64::from(ROUNDS / 5) {
        let child = fork(|| busy_crowd_with(&|| flags.words()[0].store(round, Ordering::Release), spin))?;
        while flags.words()[0].load(Ordering::Acquire) < round {
            yield_now();
        }
        child.kill()?;
    }
    control.remove()?;
    Ok(flags.detach()?)
}

fn busy_crowd(last: fn() -> !) -> Outcome {
    busy_crowd_with(&|| (), last)
}

/// Threads that count for ever, and when all do, `ready` and `last`.
fn busy_crowd_with(ready: &dyn Fn(), last: fn() -> !) -> Outcome {
    static BUSY: AtomicU32 = AtomicU32::new(0);
    let mut all = Vec::new();
    for _ in 0..CROWD {
        all.push(spawn(|| {
            BUSY.fetch_add(1, Ordering::Relaxed);
            spin()
        })?);
    }
    wait_for(&BUSY, CROWD);
    ready();
    last()
}
