//! IPC_INFO, SHM_INFO, SHM_STAT: section I.

use crate::expect::{PAGE, Temporary, equal, holds, refused};
use crate::{Rule, alone};
use abi::Errno;
use abi::shm::ShmCommand;
use alloc::format;
use rt::shm::{limits, segments, totals};
use rt::sys::memory::shm_control;
use rt::{Incoming, Outcome};

pub const RULES: &[Rule] = &[
    alone(&["I-01"], the_limits_make_sense),
    alone(&["I-03"], the_totals_count_segments_and_pages),
    alone(&["I-04", "I-05", "I-08"], segments_are_found_by_index),
    alone(
        &["I-07", "I-09"],
        information_needs_an_identifier_that_is_not_negative,
    ),
    alone(&["I-13"], pages_in_memory_are_counted),
];

fn the_limits_make_sense() -> Outcome {
    let limits = limits()?;
    equal("shmmin", limits.shmmin, 1)?;
    let positive = [limits.shmmax, limits.shmmni, limits.shmall, limits.shmseg];
    holds(positive.iter().all(|&limit| limit > 0), || format!("{limits:?}"))
}

fn the_totals_count_segments_and_pages() -> Outcome {
    let before = totals()?;
    let three = [
        Temporary::private(PAGE + 1)?,
        Temporary::private(1)?,
        Temporary::private(PAGE)?,
    ];
    let after = totals()?;
    equal("segments", after.used_ids - before.used_ids, 3)?;
    equal("pages", after.shm_tot - before.shm_tot, 4)?;
    drop(three);
    equal("the totals", totals()?, before)
}

fn segments_are_found_by_index() -> Outcome {
    let segment = Temporary::private(77)?;
    let found = segments()?.collect::<Result<alloc::vec::Vec<_>, _>>()?;
    equal("their number", found.len(), usize::try_from(totals()?.used_ids)?)?;
    let own = found.iter().find(|(id, _)| *id == segment.id());
    equal("shm_segsz", own.map(|(_, state)| state.shm_segsz), Some(77))?;

    let mut incoming = Incoming::new();
    let index = i32::try_from(segment.id().index())?;
    let command = ShmCommand::StatIndex as i32;
    let id = shm_control(index, command, &[], &mut incoming)?;
    equal("the identifier", id, u64::try_from(segment.id().raw())?)?;
    let beyond = shm_control(32767, command, &[], &mut incoming);
    refused("beyond the end", beyond, Errno::EINVAL)
}

fn information_needs_an_identifier_that_is_not_negative() -> Outcome {
    let mut incoming = Incoming::new();
    for command in [ShmCommand::Limits, ShmCommand::Totals] {
        shm_control(0, command as i32, &[], &mut incoming)?;
        let done = shm_control(-1, command as i32, &[], &mut incoming);
        refused("a negative identifier", done, Errno::EINVAL)?;
    }
    Ok(())
}

fn pages_in_memory_are_counted() -> Outcome {
    let segment = Temporary::private(3 * PAGE)?;
    let attachment = segment.attach()?;
    let before = totals()?.shm_rss;
    attachment.write(PAGE as usize, &[1]);
    equal("pages in memory", totals()?.shm_rss, before + 1)
}
