//! More processes than CPUs do anything at all with the same few segments, at the same time: create, find, attach,
//! touch, detach, remove, fork, end children, send messages. In the end everything is back.
//!
//! Arguments: rounds of each process, and the seed. What one process does follows from the seed; in which order
//! several do it does not.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::memory::Protection;
use abi::process::End;
use abi::shm::{GetFlags, Mode, ShmKey};
use abi::{Badge, Errno, Handle, Label};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use rt::handle::OwnedHandle;
use rt::ipc::{Endpoint, ask};
use rt::processes::processes;
use rt::shm::{Attachment, Region, Shm, totals};
use rt::spawn::{Child, Ended, fork};
use rt::sys::memory::{self, shm_get};
use rt::{Error, Failure, Incoming, Outcome, Outgoing, Start, hazard, println, thread};
use tests::{Family, Frames, Random, expect};

/// More than there are CPUs.
const PROCESSES: u64 = 12;
const ROUNDS: u64 = 60;
const SEED: u64 = 1;
/// Keys that are fought for.
const KEYS: u64 = 4;
/// Attachments of a process, so that there is memory for all.
const MOST_ATTACHED: usize = 4;
/// In a row.
const MOST_CALLS: u64 = 500;
/// Handles that the server keeps.
const MOST_KEPT: usize = 4;
const FIRST_KEY: i32 = 0x534d_5000;
/// Pages of a segment: one has tables of its own, the other has tables that processes share.
const PAGES: [u64; 2] = [3, 520];

/// To the server: add one to the first word.
const ADD: Label = Label(0x7001);

rt::program!(run);

fn run(start: &Start) -> Outcome {
    if start.arg(0) == Some("serve") {
        return serve();
    }
    let family = Family::new("smp_stress", start)?;
    let rounds = start.arg(0).map_or(Ok(ROUNDS), str::parse)?;
    let seed = start.arg(1).map_or(Ok(SEED), str::parse)?;
    println!("smp_stress: {PROCESSES} processes, {rounds} rounds, seed {seed}");
    let before = totals()?;
    let frames = Frames::count();
    let processes = count_processes()?;
    lead(&family, rounds, seed)?;
    frames.check()?;
    let after = totals()?;
    expect("used_ids", after.used_ids as u64, before.used_ids as u64)?;
    expect("shm_tot", after.shm_tot, before.shm_tot)?;
    expect("the number of processes", count_processes()?, processes)?;
    println!("smp_stress: everything is back");
    Ok(())
}

/// Starts all, waits for them, and removes what they left.
fn lead(family: &Family, rounds: u64, seed: u64) -> Outcome {
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(Badge(0))?;
    let place = Handle::PARENT.index();
    let server = family.command(["serve"]).give(place, endpoint.handle()).spawn()?;
    let member = |number| Member::new(client.get(), seed * PROCESSES + number).live(rounds);
    let members = (0..PROCESSES).map(|number| fork(|| member(number)));
    for member in members.collect::<Result<Vec<_>, _>>()? {
        expect_end(&member, End::Exited(0))?;
    }
    server.kill()?;
    expect_end(&server, End::Killed)?;
    for key in (0..KEYS).map(key) {
        Shm::open(key)
            .and_then(Shm::remove)
            .or_else(|error| unless(error, &GONE))?;
    }
    Ok(())
}

/// Answers with one more than the first word, until this is ended.
fn serve() -> Outcome {
    let mut kept = VecDeque::new();
    Endpoint::from_handle(Handle::PARENT).serve(|message, incoming| {
        kept.extend(incoming.handles().iter().copied().map(OwnedHandle::new));
        while kept.len() > MOST_KEPT {
            kept.pop_front();
        }
        let mut words = message.words;
        words[0] = words[0].wrapping_add(1);
        Ok(words)
    })?;
    Ok(())
}

/// One of the processes.
struct Member {
    server: Handle,
    random: Random,
    attached: Vec<(Shm, Attachment)>,
}

impl Member {
    fn new(server: Handle, seed: u64) -> Self {
        let (random, attached) = (Random::new(seed), Vec::new());
        Self {
            server,
            random,
            attached,
        }
    }

    fn live(mut self, rounds: u64) -> Outcome {
        for _ in 0..rounds {
            match self.random.below(10) {
                0 | 1 => self.attach()?,
                2 => self.touch()?,
                3 => self.detach()?,
                4 => self.remove()?,
                5 => self.call_often()?,
                6 => self.pass()?,
                7 => map(&mut self.random)?,
                8 => self.child_that_ends()?,
                _ => self.child_that_is_ended()?,
            }
        }
        Ok(())
    }

    /// Creates or finds a segment and attaches it, unless it is removed in between.
    fn attach(&mut self) -> Outcome {
        if self.attached.len() == MOST_ATTACHED {
            return self.detach();
        }
        let number = self.random.below(KEYS);
        let bytes = PAGES[number as usize % PAGES.len()] * abi::layout::PAGE_BYTES;
        let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o600));
        let segment = Shm::from_id(shm_get(key(number), bytes, flags)?);
        match segment.attach() {
            Ok(attachment) => self.attached.push((segment, attachment)),
            Err(error) => unless(error, &GONE)?,
        }
        Ok(())
    }

    /// Writes to any page of any attachment. Only users of the same segment can have written there.
    fn touch(&mut self) -> Outcome {
        let Some(place) = self.any() else {
            return Ok(());
        };
        let (segment, attachment) = &self.attached[place];
        let words = attachment.words();
        let word = self.random.below(words.len() as u64) as usize & !511;
        let mark = u64::from(segment.id().raw().cast_unsigned()) << 1 | 1;
        let found = words[word].swap(mark, Relaxed);
        expect("a word", if found == 0 { mark } else { found }, mark)
    }

    fn detach(&mut self) -> Outcome {
        match self.any() {
            Some(place) => Ok(self.attached.swap_remove(place).1.detach()?),
            None => Ok(()),
        }
    }

    fn remove(&mut self) -> Outcome {
        let done = Shm::open(key(self.random.below(KEYS))).and_then(Shm::remove);
        done.or_else(|error| unless(error, &GONE))
    }

    fn call(&mut self) -> Outcome {
        let word = self.random.word();
        let answer = ask(
            self.server,
            ADD,
            [word; 6],
            Outgoing::NOTHING,
            &mut Incoming::new(),
        )?;
        expect("the answer", answer[0], word.wrapping_add(1))
    }

    /// Calls in a row, so that calls from several CPUs meet at the server.
    fn call_often(&mut self) -> Outcome {
        let times = self.random.below(MOST_CALLS);
        (0..times).try_for_each(|_| self.call())
    }

    /// Passes a segment without a name on, which its receiver keeps for a while.
    fn pass(&mut self) -> Outcome {
        let region = Region::create(self.random.one_of(&PAGES) * abi::layout::PAGE_BYTES)?;
        let attachment = region.attach()?;
        attachment.words()[0].store(1, Relaxed);
        let handles = [region.handle()];
        let outgoing = Outgoing::handles(&handles);
        ask(self.server, ADD, [0; 6], outgoing, &mut Incoming::new())?;
        Ok(())
    }

    /// A copy that uses what it has attached and leaves it so.
    fn child_that_ends(&mut self) -> Outcome {
        let child = fork(|| {
            self.touch()?;
            self.call()?;
            self.detach()
        })?;
        expect_end(&child, End::Exited(0))
    }

    /// A copy that is ended whatever it does: it runs, calls, touches memory with two threads, or attaches.
    fn child_that_is_ended(&mut self) -> Outcome {
        let what = self.random.below(4);
        let child = fork(|| {
            let mut another = Random::new(self.random.word());
            let _sibling = (what == 2).then(|| thread::spawn(move || map_for_ever(&mut another)));
            loop {
                match what {
                    0 => hazard::spin(),
                    1 => self.call()?,
                    2 => map_for_ever(&mut self.random)?,
                    _ => {
                        self.attach()?;
                        self.detach()?;
                    }
                }
            }
        })?;
        (0..self.random.below(20_000)).for_each(|_| core::hint::spin_loop());
        child.kill()?;
        expect_end(&child, End::Killed)
    }

    /// The place of an attachment, if there is one.
    fn any(&mut self) -> Option<usize> {
        let count = self.attached.len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }
}

/// Maps pages of its own, and unmaps some of those it has used.
fn map(random: &mut Random) -> Outcome {
    let pages = random.one_of(&PAGES);
    let protection = Protection::READ | Protection::WRITE;
    let address = memory::map(0, pages * abi::layout::PAGE_BYTES, protection)?;
    for page in 0..pages.min(8) {
        let word = address + page * abi::layout::PAGE_BYTES;
        expect("a new word", hazard::read(word), 0)?;
        hazard::write(word, page);
    }
    let half = pages / 2 * abi::layout::PAGE_BYTES;
    memory::unmap(address, half)?;
    Ok(memory::unmap(
        address + half,
        pages * abi::layout::PAGE_BYTES - half,
    )?)
}

fn map_for_ever(random: &mut Random) -> Outcome {
    loop {
        map(random)?;
    }
}

/// What is answered about a segment that somebody else has removed.
const GONE: [Error; 3] = [
    Error::Refused(Errno::ENOENT),
    Error::Refused(Errno::EINVAL),
    Error::Refused(Errno::EIDRM),
];

/// Processes that there are.
fn count_processes() -> Result<u64, Error> {
    Ok(processes(Handle::PARENT)?.len() as u64)
}

fn key(number: u64) -> ShmKey {
    ShmKey(FIRST_KEY + number as i32)
}

/// Fails unless it is one of these errors.
fn unless(error: Error, allowed: &[Error]) -> Outcome {
    if allowed.contains(&error) {
        Ok(())
    } else {
        Err(error.into())
    }
}

fn expect_end(child: &Child, expected: End) -> Outcome {
    let end = child.wait()?;
    if end == expected {
        Ok(())
    } else {
        let (end, expected) = (Ended(end), Ended(expected));
        Err(Failure::new(format!(
            "smp_stress: a process {end}, not {expected}"
        )))
    }
}
