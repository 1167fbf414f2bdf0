//! shmget: section G.

use crate::expect::{CREAT, EXCL, KEY, PAGE, RW, Temporary, equal, holds, refused, without_history};
use crate::{Rule, alone};
use abi::shm::{GetFlags, Mode, ShmKey};
use abi::{Errno, Handle};
use alloc::format;
use rt::shm::{limits, totals};
use rt::sys::memory::shm_get;
use rt::{Outcome, hazard, sys};

pub const RULES: &[Rule] = &[
    alone(&["G-01", "G-02", "G-03", "G-04"], private_segments_are_always_new),
    alone(
        &["G-05", "G-06", "G-07", "G-22"],
        a_missing_key_is_created_only_if_asked,
    ),
    alone(&["G-08", "G-09", "G-10", "G-11"], an_existing_key_is_found),
    alone(&["G-12", "G-13", "G-14"], a_found_segment_keeps_its_size),
    alone(&["G-15", "G-16", "G-17"], impossible_sizes_are_refused),
    alone(&["G-19", "G-29"], any_other_size_is_kept_and_rounded_up_to_pages),
    alone(&["G-20"], existence_is_looked_at_first),
    alone(
        &["G-23", "G-24", "G-25", "G-26", "G-27", "G-28"],
        a_fresh_segment_is_described,
    ),
    alone(&["G-30", "A-35"], all_bytes_are_zero_to_the_end_of_the_page),
    alone(&["G-31"], recycled_frames_are_zero),
    alone(&["G-32"], negative_keys_are_keys),
    alone(&["G-43"], a_failed_creation_leaves_no_trace),
    alone(&["G-45", "G-46"], other_flags_are_accepted),
    alone(&["G-48"], looking_changes_nothing),
];

fn private_segments_are_always_new() -> Outcome {
    let one = Temporary::private(1)?;
    let other = Temporary::get(ShmKey::PRIVATE, 1, EXCL)?;
    holds(one.id() != other.id(), || "two private segments are one".into())?;
    let none = shm_get(ShmKey::PRIVATE, 0, GetFlags::empty());
    refused("a private segment of no size", none, Errno::EINVAL)
}

fn a_missing_key_is_created_only_if_asked() -> Outcome {
    let get = |size, flags| shm_get(KEY, size, flags);
    refused("without IPC_CREAT", get(1, GetFlags::empty()), Errno::ENOENT)?;
    refused("with IPC_EXCL alone", get(1, GetFlags::EXCL), Errno::ENOENT)?;
    refused("without a size", get(0, GetFlags::empty()), Errno::ENOENT)?;
    let segment = Temporary::get(KEY, 1, CREAT)?;
    holds(segment.id().raw() >= 0, || "a negative identifier".into())
}

fn an_existing_key_is_found() -> Outcome {
    let segment = Temporary::get(KEY, 100, CREAT)?;
    refused("creating it again", shm_get(KEY, 100, EXCL), Errno::EEXIST)?;
    for flags in [CREAT, GetFlags::EXCL, GetFlags::empty()] {
        equal("the identifier found", shm_get(KEY, 100, flags)?, segment.id())?;
    }
    equal(
        "the identifier found",
        shm_get(KEY, 0, GetFlags::empty())?,
        segment.id(),
    )
}

fn a_found_segment_keeps_its_size() -> Outcome {
    let segment = Temporary::get(KEY, 100, CREAT)?;
    equal(
        "the identifier found",
        shm_get(KEY, 1, GetFlags::empty())?,
        segment.id(),
    )?;
    equal("shm_segsz", segment.stat()?.shm_segsz, 100)?;
    refused(
        "one byte more",
        shm_get(KEY, 101, GetFlags::empty()),
        Errno::EINVAL,
    )?;
    refused(
        "a page more",
        shm_get(KEY, 100 + PAGE, GetFlags::empty()),
        Errno::EINVAL,
    )
}

fn impossible_sizes_are_refused() -> Outcome {
    let limit = limits()?.shmmax;
    for size in [Some(0), limit.checked_add(1), Some(u64::MAX)]
        .into_iter()
        .flatten()
    {
        refused(&format!("{size} bytes"), shm_get(KEY, size, CREAT), Errno::EINVAL)?;
    }
    Ok(())
}

fn any_other_size_is_kept_and_rounded_up_to_pages() -> Outcome {
    for (size, pages) in [(1, 1), (PAGE - 1, 1), (PAGE, 1), (PAGE + 1, 2)] {
        let before = totals()?.shm_tot;
        let segment = Temporary::private(size)?;
        equal("shm_segsz", segment.stat()?.shm_segsz, size)?;
        equal("pages", totals()?.shm_tot - before, pages)?;
    }
    Ok(())
}

fn existence_is_looked_at_first() -> Outcome {
    let _segment = Temporary::get(KEY, 100, CREAT)?;
    refused(
        "creating it again, larger",
        shm_get(KEY, PAGE * 10, EXCL),
        Errno::EEXIST,
    )
}

fn a_fresh_segment_is_described() -> Outcome {
    let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o640));
    let state = Temporary::get(KEY, 100, flags)?.stat()?;
    let perm = state.shm_perm;
    equal("mode", perm.mode, 0o640)?;
    equal("owner and creator", [perm.uid, perm.gid], [perm.cuid, perm.cgid])?;
    equal("times", [state.shm_atime, state.shm_dtime], [0, 0])?;
    equal("shm_lpid", state.shm_lpid, 0)?;
    equal("shm_nattch", state.shm_nattch, 0)?;
    let own = sys::process::identify(Handle::SELF)?.0;
    equal("shm_cpid", state.shm_cpid.cast_unsigned(), own)?;
    // The clock may stand at its first second.
    holds(state.shm_ctime >= 0, || {
        format!("shm_ctime is {}", state.shm_ctime)
    })
}

fn all_bytes_are_zero_to_the_end_of_the_page() -> Outcome {
    let segment = Temporary::private(10)?;
    let attachment = segment.attach()?;
    for place in 0..PAGE / 8 {
        let address = attachment.address() + place * 8;
        equal("a word of a fresh segment", hazard::read(address), 0)?;
        hazard::write(address, u64::MAX);
    }
    Ok(())
}

fn recycled_frames_are_zero() -> Outcome {
    const PAGES: u64 = 16;
    for round in 0..50 {
        let segment = Temporary::private(PAGES * PAGE)?;
        let attachment = segment.attach()?;
        for (place, word) in attachment.words().iter().enumerate().step_by(61) {
            let found = word.swap(u64::MAX, core::sync::atomic::Ordering::Relaxed);
            holds(found == 0, || {
                format!("round {round}: word {place} is {found:#x}")
            })?;
        }
    }
    Ok(())
}

fn negative_keys_are_keys() -> Outcome {
    for key in [ShmKey(i32::MIN), ShmKey(-1)] {
        let segment = Temporary::get(key, 1, EXCL)?;
        equal(
            "the identifier found",
            shm_get(key, 0, GetFlags::empty())?,
            segment.id(),
        )?;
        equal("the key", segment.stat()?.shm_perm.key, key.0)?;
    }
    Ok(())
}

fn a_failed_creation_leaves_no_trace() -> Outcome {
    let _segment = Temporary::get(KEY, 100, CREAT)?;
    let before = totals()?;
    for (size, flags) in [(u64::MAX, CREAT), (101, CREAT), (1, EXCL)] {
        holds(shm_get(KEY, size, flags).is_err(), || {
            format!("{size} bytes were had")
        })?;
    }
    for size in [0, u64::MAX] {
        refused(
            "an impossible size",
            shm_get(ShmKey::PRIVATE, size, CREAT),
            Errno::EINVAL,
        )?;
    }
    equal("the totals", totals()?, before)
}

fn other_flags_are_accepted() -> Outcome {
    for flags in [
        CREAT | GetFlags::NORESERVE,
        CREAT | GetFlags::from_bits_retain(1 << 20),
    ] {
        let segment = Temporary::get(KEY, 1, flags)?;
        equal("mode", segment.stat()?.shm_perm.mode, RW.bits())?;
    }
    Ok(())
}

fn looking_changes_nothing() -> Outcome {
    let segment = Temporary::get(KEY, 100, CREAT)?;
    let before = segment.stat()?;
    shm_get(KEY, 0, GetFlags::empty())?;
    equal("the state after looking", segment.stat()?, before)?;
    segment.attach()?.detach()?;
    equal(
        "what an attachment leaves",
        without_history(segment.stat()?),
        before,
    )
}
