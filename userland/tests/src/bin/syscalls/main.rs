//! Anything at all that a program can put into the registers of a trap, from many processes at once.
//!
//! ```text
//! syscalls [MESSAGES [SEED]]     so many messages, those of the sequence SEED
//! ```
//!
//! Players are processes of ordinary users that send messages made up of what may make sense, what has made sense before,
//! and what has not. They make and end others, which play too, pass each other handles, and are ended at any moment. What
//! the kernel must keep is that nothing of all that stays: in the end every count is what it was at the start.
//!
//! What each player asks for follows from the seed; in which order several do it does not.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod broker;
mod message;
mod player;

use abi::process::Pid;
use abi::shm::ShmSetting;
use abi::{Badge, Errno, Handle};
use alloc::vec::Vec;
use player::Board;
use rt::ipc::Endpoint;
use rt::processes::processes;
use rt::shm::{Shm, segments, totals};
use rt::spawn::fork;
use rt::sys::memory::{change_shm_setting, read_shm_setting};
use rt::sys::system::kill_process;
use rt::time::{Duration, Instant, sleep};
use rt::{Error, Outcome, Start, println};
use tests::{Family, Frames, Random, expect};

const MESSAGES: u64 = 20_000;
const SEED: u64 = 1;
/// As many start; they make others.
const PLAYERS: usize = 8;
/// So often the leader looks, ends somebody, and starts somebody in their place.
const TURN: Duration = Duration::from_millis(2);
/// So often it says how far they are.
const REPORTS: u64 = 10;
/// Most pages of segments that a user's players have, so that there is memory for the leader.
const PAGES: u64 = 8192;

rt::program!(run);

fn run(start: &Start) -> Outcome {
    if start.arg(0) == Some(broker::PART) {
        return broker::serve();
    }
    let family = Family::new("syscalls", start)?;
    let messages = start.arg(0).map_or(Ok(MESSAGES), str::parse)?;
    let seed = start.arg(1).map_or(Ok(SEED), str::parse)?;
    println!("syscalls: {messages} messages of {PLAYERS} players and their children, seed {seed}");
    let before = totals()?;
    let frames = Frames::count();
    let others = others()?;
    let most_pages = read_shm_setting(ShmSetting::Shmuserall)?;
    change_shm_setting(ShmSetting::Shmuserall, PAGES)?;
    lead(&family, &others, messages, seed)?;
    change_shm_setting(ShmSetting::Shmuserall, most_pages)?;
    frames.check()?;
    let after = totals()?;
    expect("used_ids", after.used_ids as u64, before.used_ids as u64)?;
    expect("shm_tot", after.shm_tot, before.shm_tot)?;
    expect(
        "the number of processes",
        self::others()?.len() as u64,
        others.len() as u64,
    )?;
    println!("syscalls: everything is back");
    Ok(())
}

/// Has so many messages sent, then ends everybody and removes what they left.
fn lead(family: &Family, others: &[Pid], messages: u64, seed: u64) -> Outcome {
    let board = Board::create()?;
    let endpoint = Endpoint::create()?;
    let client = endpoint.client(Badge(0))?;
    let broker = family
        .command([broker::PART])
        .give(Handle::PARENT.index(), endpoint.handle())
        .spawn()?;
    let spared = [others, &[broker.pid()]].concat();
    play(&board, client.get(), &spared, messages, seed)?;
    // It holds processes that have ended.
    broker.kill()?;
    while end_all(players(&spared)?)? {}
    remove_segments()
}

fn play(board: &Board, broker: Handle, spared: &[Pid], messages: u64, seed: u64) -> Outcome {
    let (start, mut random) = (Instant::now(), Random::new(seed));
    let (mut lives, mut reported) = (0, 0);
    while board.sent() < messages {
        let players = players(spared)?;
        for _ in players.len()..PLAYERS {
            lives += 1;
            let number = seed << 32 | lives;
            // The leader keeps no handle: what becomes of players is their affair.
            match fork(|| player::live(board, broker, number, messages)) {
                // The others have everything.
                Err(Error::Refused(Errno::ENFILE | Errno::ENOMEM)) => break,
                player => drop(player?),
            }
        }
        if !players.is_empty() {
            end(random.one_of(&players))?;
        }
        sleep(TURN);
        let part = board.sent().min(messages) * REPORTS / messages;
        if part > reported {
            reported = part;
            let (percent, seconds) = (part * 100 / REPORTS, start.elapsed().as_secs());
            println!("syscalls: {percent} % after {seconds} s and {lives} lives");
        }
    }
    Ok(())
}

/// Processes that there are.
fn others() -> Result<Vec<Pid>, Error> {
    let all = processes(Handle::PARENT)?;
    Ok(all.into_iter().map(|process| process.facts.pid).collect())
}

/// All but these, among them those that players have made.
fn players(spared: &[Pid]) -> Result<Vec<Pid>, Error> {
    let mut all = others()?;
    all.retain(|pid| !spared.contains(pid));
    Ok(all)
}

/// Ends these. Answers whether there was anybody: then there may be more by now.
fn end_all(players: Vec<Pid>) -> Result<bool, rt::Failure> {
    let any = !players.is_empty();
    players.into_iter().try_for_each(end)?;
    Ok(any)
}

/// Ends a process, which may have ended by itself meanwhile.
fn end(pid: Pid) -> Outcome {
    match kill_process(Handle::PARENT, pid) {
        Err(Error::Refused(Errno::ESRCH)) => Ok(()),
        done => Ok(done?),
    }
}

/// Those of the players: they outlive whoever made them.
fn remove_segments() -> Outcome {
    let all = segments()?.collect::<Result<Vec<_>, _>>()?;
    let theirs = all
        .into_iter()
        .filter(|(_, state)| player::is_user(state.shm_perm.cuid));
    for (id, _) in theirs {
        Shm::from_id(id).remove()?;
    }
    Ok(())
}
