//! Limits and switches: sections Q and N. Each is put back as it was.

use crate::expect::{CREAT, EXCL, KEY, PAGE, Temporary, dead, equal, refused};
use crate::{Rule, alone};
use abi::Errno;
use abi::shm::{GetFlags, ShmKey, ShmSetting};
use alloc::vec::Vec;
use rt::shm::totals;
use rt::sys::memory::{change_shm_setting, read_shm_setting, shm_get};
use rt::{Error, Outcome};

pub const RULES: &[Rule] = &[
    alone(
        &["Q-01", "Q-02", "M-11"],
        at_the_limit_nothing_is_created_and_everything_is_found,
    ),
    alone(&["Q-03"], a_removed_segment_counts_until_its_last_detach),
    alone(&["Q-04"], the_pages_of_all_segments_are_bounded),
    alone(&["Q-05", "Q-06"], lower_limits_touch_nothing_that_exists),
    alone(&["N-03"], a_segment_may_go_with_its_last_attachment),
];

/// A setting that is changed until this is dropped.
pub struct Changed {
    setting: ShmSetting,
    before: u64,
}

impl Changed {
    /// To this value.
    pub fn to(setting: ShmSetting, value: u64) -> Result<Self, Error> {
        let before = read_shm_setting(setting)?;
        change_shm_setting(setting, value)?;
        Ok(Self { setting, before })
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        // It was that before, so it can be that.
        change_shm_setting(self.setting, self.before).ok();
    }
}

/// Room for `more` segments besides those there are.
fn room_for(more: u64) -> Result<Changed, rt::Failure> {
    let used = u64::try_from(totals()?.used_ids)?;
    Ok(Changed::to(ShmSetting::Shmmni, used + more)?)
}

fn at_the_limit_nothing_is_created_and_everything_is_found() -> Outcome {
    let _limit = room_for(4)?;
    for _ in 0..2 {
        let found = Temporary::get(KEY, PAGE, CREAT)?;
        let others = (0..3).map(|_| Temporary::private(PAGE));
        let others = others.collect::<Result<Vec<_>, _>>()?;
        refused("one more", Temporary::private(PAGE), Errno::ENOSPC)?;
        refused(
            "one more with a key",
            shm_get(ShmKey(KEY.0 + 1), PAGE, CREAT),
            Errno::ENOSPC,
        )?;
        for flags in [GetFlags::empty(), CREAT] {
            equal("the identifier found", shm_get(KEY, PAGE, flags)?, found.id())?;
        }
        refused("creating it again", shm_get(KEY, PAGE, EXCL), Errno::EEXIST)?;
        drop(others);
    }
    Ok(())
}

fn a_removed_segment_counts_until_its_last_detach() -> Outcome {
    let _limit = room_for(1)?;
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    segment.remove()?;
    refused("one more", Temporary::private(PAGE), Errno::ENOSPC)?;
    attachment.detach()?;
    Temporary::private(PAGE)?;
    Ok(())
}

fn the_pages_of_all_segments_are_bounded() -> Outcome {
    let _limit = Changed::to(ShmSetting::Shmall, totals()?.shm_tot + 10)?;
    let _small = [Temporary::private(1)?, Temporary::private(1)?];
    refused("a page too many", Temporary::private(8 * PAGE + 1), Errno::ENOSPC)?;
    let rest = Temporary::private(8 * PAGE)?;
    let attachment = rest.attach()?;
    rest.remove()?;
    refused("a page more", Temporary::private(1), Errno::ENOSPC)?;
    attachment.detach()?;
    Temporary::private(8 * PAGE)?;
    Ok(())
}

fn lower_limits_touch_nothing_that_exists() -> Outcome {
    let _limit = Changed::to(ShmSetting::Shmmax, 4 * PAGE)?;
    let segment = Temporary::get(KEY, 4 * PAGE, CREAT)?;
    refused("a byte more", Temporary::private(4 * PAGE + 1), Errno::EINVAL)?;
    let attachment = segment.attach()?;
    let lower = [
        (ShmSetting::Shmmax, PAGE),
        (ShmSetting::Shmmni, 0),
        (ShmSetting::Shmall, 0),
    ];
    let _lower = lower
        .map(|(setting, value)| Changed::to(setting, value))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    equal(
        "the identifier found",
        shm_get(KEY, 4 * PAGE, CREAT)?,
        segment.id(),
    )?;
    attachment.write(3 * PAGE as usize, &[1]);
    equal("shm_nattch", segment.attached()?, 1)
}

fn a_segment_may_go_with_its_last_attachment() -> Outcome {
    let segment = Temporary::get(KEY, PAGE, CREAT)?;
    let _switch = Changed::to(ShmSetting::ShmRmidForced, 1)?;
    let (one, other) = (segment.attach()?, segment.attach()?);
    one.detach()?;
    equal("shm_nattch", segment.attached()?, 1)?;
    other.detach()?;
    refused("finding it", shm_get(KEY, 0, GetFlags::empty()), Errno::ENOENT)?;
    dead(segment.id())
}
