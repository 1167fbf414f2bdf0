//! Memory accounting: section M, by counts that are exact.

use crate::expect::{CREAT, EXCL, KEY, PAGE, Temporary, attach, equal, never_issued, refused};
use crate::limits::Changed;
use crate::race::{Track, race, wait_until};
use crate::{Rule, alone, rule};
use abi::shm::{AttachFlags, GetFlags, ShmKey, ShmSetting};
use abi::{Errno, Handle};
use alloc::format;
use core::sync::atomic::Ordering::{Relaxed, Release};
use rt::shm::{Shm, limits, totals};
use rt::spawn::fork;
use rt::sys::memory::{shm_attach, shm_get};
use rt::{Credential, Failure, Outcome};
use tests::Frames;

pub const RULES: &[Rule] = &[
    rule(&["M-01"], |_| creating_and_removing_leaves_nothing_behind()),
    alone(&["M-02"], what_was_touched_comes_back_with_its_tables),
    rule(&["M-04"], |_| what_is_refused_takes_nothing()),
    rule(&["M-05"], |_| attachers_have_the_same_frames()),
];

fn creating_and_removing_leaves_nothing_behind() -> Outcome {
    let (frames, before) = (Frames::count(), totals()?);
    for round in 0..10_000 {
        let key = if round % 2 == 0 { KEY } else { ShmKey::PRIVATE };
        Shm::from_id(shm_get(key, PAGE, EXCL)?).remove()?;
    }
    equal("the totals", totals()?, before)?;
    frames.check()
}

fn what_was_touched_comes_back_with_its_tables() -> Outcome {
    for pages in [1, 2, 511, 512, 513, 1024, 4096, 16384] {
        let (frames, before) = (Frames::count(), totals()?);
        let segment = Temporary::private(pages * PAGE)?;
        let attachment = segment.attach()?;
        touch_all(attachment.words());
        equal("pages in memory", totals()?.shm_rss, before.shm_rss + pages)?;
        attachment.detach()?;
        segment.remove()?;
        equal("the totals", totals()?, before)?;
        let named = |failure| Failure::new(format!("{pages} pages: {failure}"));
        frames.check().map_err(named)?;
    }
    Ok(())
}

/// Writes to each page.
fn touch_all(words: &[core::sync::atomic::AtomicU64]) {
    let page = PAGE as usize / 8;
    words.iter().step_by(page).for_each(|word| word.store(1, Relaxed));
}

fn what_is_refused_takes_nothing() -> Outcome {
    const ROUNDS: u32 = 100;
    let segment = Temporary::get(KEY, PAGE, CREAT)?;
    let (frames, before) = (Frames::count(), totals()?);
    (0..ROUNDS).try_for_each(|_| refuse_creations(&segment))?;
    (0..ROUNDS).try_for_each(|_| refuse_attachments(&segment))?;
    let stranger = fork(|| {
        Credential::new(1000, 1000).give_to(Handle::SELF)?;
        (0..ROUNDS).try_for_each(|_| refuse_a_stranger(&segment))
    })?;
    equal(
        "the stranger's end",
        stranger.wait()?,
        abi::process::End::Exited(0),
    )?;
    drop(stranger);
    equal("shm_nattch", segment.attached()?, 0)?;
    equal("the totals", totals()?, before)?;
    frames.check()
}

fn refuse_creations(existing: &Shm) -> Outcome {
    let other = ShmKey(KEY.0 + 1);
    let most = limits()?.shmmax;
    refused(
        "one that is missing",
        shm_get(other, PAGE, GetFlags::empty()),
        Errno::ENOENT,
    )?;
    refused("one that is there", shm_get(KEY, PAGE, EXCL), Errno::EEXIST)?;
    refused("one of no size", shm_get(other, 0, CREAT), Errno::EINVAL)?;
    refused(
        "one that is too large",
        shm_get(other, most + 1, CREAT),
        Errno::EINVAL,
    )?;
    refused("more than there is", shm_get(KEY, PAGE + 1, CREAT), Errno::EINVAL)?;
    refused("more than memory", shm_get(other, 1 << 38, CREAT), Errno::ENOMEM)?;
    let used = totals()?;
    let _segments = Changed::to(ShmSetting::Shmmni, u64::try_from(used.used_ids)?)?;
    refused("one too many", shm_get(other, PAGE, CREAT), Errno::ENOSPC)?;
    let _pages = Changed::to(ShmSetting::Shmall, used.shm_tot)?;
    refused("a page too many", shm_get(other, PAGE, CREAT), Errno::ENOSPC)?;
    equal("the one that is there", shm_get(KEY, PAGE, CREAT)?, existing.id())
}

fn refuse_attachments(segment: &Shm) -> Outcome {
    let id = segment.id();
    refused("nothing", attach(never_issued(), 0), Errno::EINVAL)?;
    refused("an odd address", attach(id, 0x1000_0001), Errno::EINVAL)?;
    refused(
        "the kernel's address",
        attach(id, 0xffff_0000_0000_0000),
        Errno::EINVAL,
    )?;
    refused(
        "writing to code",
        shm_attach(id, 1, AttachFlags::EXEC),
        Errno::EINVAL,
    )?;
    let _limit = Changed::to(ShmSetting::Shmseg, 0)?;
    refused("one too many", attach(id, 0), Errno::EMFILE)
}

fn refuse_a_stranger(segment: &Shm) -> Outcome {
    let flags = GetFlags::from_bits_retain(0o600);
    refused("finding", shm_get(KEY, PAGE, flags), Errno::EACCES)?;
    refused("attaching", attach(segment.id(), 0), Errno::EACCES)?;
    let blocks = shm_get(ShmKey::PRIVATE, 1 << 21, CREAT | GetFlags::HUGETLB);
    refused("blocks", blocks, Errno::EPERM)
}

/// Racers say when they have touched everything, and wait until they may go.
const TOUCHED: usize = 0;
const MAY_GO: usize = 1;

fn attachers_have_the_same_frames() -> Outcome {
    for attachers in [1, 2, 16] {
        // One with tables of each attacher's own, one whose tables they share.
        for pages in [64, 1024] {
            let before = totals()?.shm_rss;
            let segment = Temporary::private(pages * PAGE)?;
            let part = |track: &Track| {
                wait_until(|| track.read(TOUCHED) == attachers);
                equal("shm_nattch", segment.attached()?, attachers)?;
                // The racers' own words are a page besides.
                equal("pages in memory", totals()?.shm_rss, before + pages + 1)?;
                track.word(MAY_GO).store(1, Release);
                Ok(())
            };
            race(
                attachers as usize,
                |track, _| attach_and_stay(track, &segment),
                part,
            )?;
            equal("pages in memory afterwards", totals()?.shm_rss, before + pages)?;
        }
    }
    Ok(())
}

fn attach_and_stay(track: &Track, segment: &Shm) -> Outcome {
    let attachment = segment.attach()?;
    touch_all(attachment.words());
    track.count(TOUCHED);
    wait_until(|| track.read(MAY_GO) != 0);
    Ok(attachment.detach()?)
}
