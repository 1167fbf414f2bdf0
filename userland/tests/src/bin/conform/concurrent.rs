//! Rules of processes that race: section X, and S-07.
//!
//! Racers go through many keys or segments without waiting for each other, the slow ones being late for all that the
//! fast ones have done. Where everybody is told what they did, numbers alone show that each thing was done once.

use crate::expect::{CREAT, EXCL, KEY, PAGE, Temporary, attach, dead, detach, equal, holds};
use crate::race::{Track, race, race_alone, wait_until};
use crate::{Rule, rule};
use abi::shm::{GetFlags, ShmKey};
use abi::{Errno, Rights};
use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Relaxed, Release};
use rt::shm::{Region, Shm, totals};
use rt::spawn::fork;
use rt::sys::memory::shm_get;
use rt::{Error, Failure, Outcome, hazard};

pub const RULES: &[Rule] = &[
    rule(&["X-01"], |_| one_creates_and_all_others_are_too_late()),
    rule(&["X-02"], |_| all_get_what_one_created()),
    rule(&["X-03"], |_| one_removes_and_all_others_are_too_late()),
    rule(&["X-04"], |_| {
        a_removal_stops_those_who_attach_and_loses_nothing()
    }),
    rule(&["X-05"], |_| nothing_is_lost_between_attachments()),
    rule(&["X-06"], |_| attachments_are_counted_while_attachers_end()),
    rule(&["X-07"], |_| a_new_segment_shows_nothing_of_an_old_one()),
    rule(&["X-09"], |_| the_last_of_two_detachers_destroys()),
    rule(&["S-07"], |_| whoever_comes_too_late_is_told_so()),
];

/// Shared words: how many did it, how many were too late, and that the others may stop.
const DONE: usize = 0;
const LATE: usize = 1;
const STOP: usize = 2;
/// The first of those for each key.
const KEYS: usize = 8;

/// Keys that no other check uses at the same time.
fn keys(count: u32) -> impl Iterator<Item = ShmKey> {
    (0..count).map(|number| ShmKey(KEY.0 + number.cast_signed()))
}

/// So many segments.
fn segments(count: usize) -> Result<Vec<Temporary>, Error> {
    (0..count).map(|_| Temporary::private(PAGE)).collect()
}

/// What was done; `None` if the segment was removed before.
fn unless_removed<T>(done: Result<T, Error>) -> Result<Option<T>, Failure> {
    match done {
        Ok(result) => Ok(Some(result)),
        Err(Error::Refused(Errno::EINVAL | Errno::EIDRM)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

fn one_creates_and_all_others_are_too_late() -> Outcome {
    let track = race_alone(8, |track, _| {
        for key in keys(100) {
            match shm_get(key, PAGE, EXCL) {
                Ok(_) => track.count(DONE),
                Err(Error::Refused(Errno::EEXIST)) => track.count(LATE),
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    })?;
    for key in keys(100) {
        Shm::open(key)?.remove()?;
    }
    equal("how many were created", track.read(DONE), 100)?;
    equal("how many were there already", track.read(LATE), 700)
}

fn all_get_what_one_created() -> Outcome {
    race_alone(8, |track, _| {
        for (place, key) in keys(100).enumerate() {
            let id = u64::from(shm_get(key, PAGE, CREAT)?.raw().cast_unsigned());
            // So that identifier 0 is not taken for none.
            let first = track
                .word(KEYS + place)
                .compare_exchange(0, id + 1, Relaxed, Relaxed);
            equal("the identifier", id + 1, first.err().unwrap_or(id + 1))?;
        }
        Ok(())
    })?;
    keys(100).try_for_each(|key| Ok(Shm::open(key)?.remove()?))
}

fn one_removes_and_all_others_are_too_late() -> Outcome {
    let segments = segments(200)?;
    let track = race_alone(8, |track, _| {
        for segment in &segments {
            let done = unless_removed(segment.remove())?.is_some();
            track.count(if done { DONE } else { LATE });
        }
        Ok(())
    })?;
    equal("how often one was removed", track.read(DONE), 200)?;
    equal("how often it was too late", track.read(LATE), 1400)?;
    segments.iter().try_for_each(|segment| dead(segment.id()))
}

/// What is asked about a segment by its identifier.
type Question = fn(Shm) -> Result<(), Error>;

/// Racers ask about each segment, again and again, until they are told that it is gone. One of them removes it after
/// a few answers: who waited for the others first would have them a whole time slice each. How many answers the others
/// have by then is the machine's affair.
fn ask_until_removed(questions: [Question; 4]) -> Outcome {
    const REMOVER: usize = 0;
    const ANSWERS_BEFORE: u32 = 10;
    let before = totals()?;
    let segments = segments(100)?;
    race_alone(questions.len(), |_, racer| {
        for segment in &segments {
            let mut answers = 0;
            while unless_removed(questions[racer](**segment))?.is_some() {
                answers += 1;
                if racer == REMOVER && answers == ANSWERS_BEFORE {
                    segment.remove()?;
                }
            }
        }
        Ok(())
    })?;
    segments.iter().try_for_each(|segment| dead(segment.id()))?;
    equal("the totals", totals()?, before)
}

fn a_removal_stops_those_who_attach_and_loses_nothing() -> Outcome {
    ask_until_removed([attach_touch_and_detach; 4])
}

fn attach_touch_and_detach(segment: Shm) -> Result<(), Error> {
    let attachment = segment.attach()?;
    attachment.words()[0].fetch_add(1, Relaxed);
    attachment.detach()
}

fn whoever_comes_too_late_is_told_so() -> Outcome {
    ask_until_removed([
        |segment| segment.stat().map(|_| ()),
        |segment| segment.set(&segment.stat()?),
        attach_touch_and_detach,
        |segment| Region::open(segment, Rights::READ).map(|_| ()),
    ])
}

fn nothing_is_lost_between_attachments() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    race_alone(4, |_, _| {
        for _ in 0..1000 {
            attach_touch_and_detach(*segment)?;
        }
        Ok(())
    })?;
    equal("shm_nattch", segment.attached()?, 0)?;
    equal("the sum", segment.attach()?.words()[0].load(Relaxed), 4000)
}

fn attachments_are_counted_while_attachers_end() -> Outcome {
    const ATTACHERS: u64 = 4;
    const ATTACHMENTS: u64 = 3;
    let segment = Temporary::private(PAGE)?;
    let poll = |track: &Track, _| {
        while track.read(STOP) == 0 {
            let attached = segment.attached()?;
            holds(attached <= ATTACHERS * ATTACHMENTS, || {
                format!("shm_nattch is {attached}")
            })?;
            track.count(DONE);
        }
        Ok(())
    };
    let attach_and_end = |track: &Track, number: u64| {
        for _ in 0..ATTACHMENTS {
            attach(segment.id(), 0)?;
        }
        track.count(LATE);
        // Half of them end by themselves, and half are ended while they run.
        if number.is_multiple_of(2) {
            hazard::spin()
        }
        Ok(())
    };
    let track = race(1, poll, |track| {
        for round in 1..=10 {
            let attachers = (0..ATTACHERS).map(|number| fork(|| attach_and_end(track, number)));
            let attachers = attachers.collect::<Result<Vec<_>, _>>()?;
            wait_until(|| track.read(LATE) == round * ATTACHERS);
            for attacher in attachers.iter().step_by(2) {
                attacher.kill()?;
            }
            for attacher in &attachers {
                attacher.wait()?;
            }
            equal("shm_nattch", segment.attached()?, 0)?;
        }
        track.word(STOP).store(1, Release);
        Ok(())
    })?;
    holds(track.read(DONE) > 0, || "nobody polled".into())
}

/// Every word of a segment is 0, or the mark that its own users write.
fn a_new_segment_shows_nothing_of_an_old_one() -> Outcome {
    let before = totals()?;
    race_alone(4, |_, _| {
        for _ in 0..100 {
            let segment = Shm::from_id(shm_get(KEY, 3 * PAGE, CREAT)?);
            let Some(attachment) = unless_removed(segment.attach())? else {
                continue;
            };
            let mark = u64::from(segment.id().raw().cast_unsigned()) << 1 | 1;
            for word in attachment.words().iter().step_by(31) {
                let found = word.swap(mark, Relaxed);
                holds(found == 0 || found == mark, || {
                    format!("a new segment shows {found:#x}, of an old one")
                })?;
            }
            unless_removed(segment.remove())?;
        }
        Ok(())
    })?;
    // Who could not attach a segment any more, did not remove it; but somebody else had.
    equal("the totals", totals()?, before)?;
    let found = shm_get(KEY, 0, GetFlags::empty());
    equal("the key", found, Err(Error::Refused(Errno::ENOENT)))
}

fn the_last_of_two_detachers_destroys() -> Outcome {
    let before = totals()?;
    let segments = segments(200)?;
    let attach_and_detach = |track: &Track, _| {
        let attached = segments.iter().map(|segment| attach(segment.id(), 0));
        let attached = attached.collect::<Result<Vec<_>, _>>()?;
        track.count(DONE);
        wait_until(|| track.read(STOP) != 0);
        Ok(attached.into_iter().try_for_each(detach)?)
    };
    race(2, attach_and_detach, |track| {
        wait_until(|| track.read(DONE) == 2);
        for segment in &segments {
            segment.remove()?;
            equal("shm_nattch", segment.attached()?, 2)?;
        }
        track.word(STOP).store(1, Release);
        Ok(())
    })?;
    segments.iter().try_for_each(|segment| dead(segment.id()))?;
    equal("the totals", totals()?, before)
}
