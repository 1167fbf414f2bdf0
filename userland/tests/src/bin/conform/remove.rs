//! shmctl, IPC_RMID: section C; and what identifiers become: section S.

use crate::expect::{CREAT, EXCL, KEY, PAGE, Temporary, dead, equal, holds, refused};
use crate::{Rule, alone};
use abi::shm::{GetFlags, SHM_DEST, ShmCommand};
use abi::{BUFFER_BYTES, Errno};
use core::sync::atomic::Ordering;
use rt::shm::totals;
use rt::sys::memory::{shm_control, shm_get};
use rt::{Incoming, Outcome};

pub const RULES: &[Rule] = &[
    alone(&["C-40", "C-45", "S-04"], an_unattached_segment_goes_at_once),
    alone(&["C-41", "C-42", "C-50", "S-06"], an_attached_segment_lives_on),
    alone(&["C-43"], the_key_is_free_at_once),
    alone(&["C-44"], removing_twice_does_no_harm),
    alone(&["C-47"], bytes_along_with_a_removal_are_ignored),
    alone(&["M-07", "M-08"], pages_are_counted_until_the_last_detach),
    alone(&["S-01", "S-02", "S-03"], identifiers_are_not_used_again),
];

fn an_unattached_segment_goes_at_once() -> Outcome {
    let segment = Temporary::get(KEY, 1, CREAT)?;
    segment.remove()?;
    dead(segment.id())?;
    refused("its key", shm_get(KEY, 0, GetFlags::empty()), Errno::ENOENT)
}

fn an_attached_segment_lives_on() -> Outcome {
    let segment = Temporary::get(KEY, PAGE, CREAT)?;
    let attachment = segment.attach()?;
    attachment.words()[0].store(1, Ordering::Relaxed);
    let before = segment.stat()?;
    segment.remove()?;
    let after = segment.stat()?;
    equal("SHM_DEST", after.shm_perm.mode & SHM_DEST, SHM_DEST)?;
    equal("key", after.shm_perm.key, 0)?;
    equal("shm_ctime", after.shm_ctime, before.shm_ctime)?;
    equal("the word", attachment.words()[0].load(Ordering::Relaxed), 1)?;
    attachment.words()[0].store(2, Ordering::Relaxed);
    attachment.detach().map_err(Into::into)
}

fn the_key_is_free_at_once() -> Outcome {
    let old = Temporary::get(KEY, PAGE, CREAT)?;
    let attachment = old.attach()?;
    old.remove()?;
    refused("its key", shm_get(KEY, 0, GetFlags::empty()), Errno::ENOENT)?;
    let new = Temporary::get(KEY, PAGE, EXCL)?;
    holds(new.id() != old.id(), || "the new segment is the old one".into())?;
    drop(attachment);
    equal(
        "the identifier found",
        shm_get(KEY, 0, GetFlags::empty())?,
        new.id(),
    )
}

fn removing_twice_does_no_harm() -> Outcome {
    let old = Temporary::get(KEY, PAGE, CREAT)?;
    let attachment = old.attach()?;
    old.remove()?;
    let new = Temporary::get(KEY, PAGE, EXCL)?;
    old.remove()?;
    old.remove()?;
    equal("shm_nattch", old.attached()?, 1)?;
    equal(
        "the identifier found",
        shm_get(KEY, 0, GetFlags::empty())?,
        new.id(),
    )?;
    attachment.detach()?;
    dead(old.id())
}

fn bytes_along_with_a_removal_are_ignored() -> Outcome {
    let segment = Temporary::private(1)?;
    let garbage = [0xa5; BUFFER_BYTES];
    let mut incoming = Incoming::new();
    shm_control(
        segment.id().raw(),
        ShmCommand::Remove as i32,
        &garbage,
        &mut incoming,
    )?;
    dead(segment.id())
}

fn pages_are_counted_until_the_last_detach() -> Outcome {
    let before = totals()?;
    let (one, other) = (Temporary::private(1)?, Temporary::private(1)?);
    equal("pages", totals()?.shm_tot, before.shm_tot + 2)?;
    let attachment = one.attach()?;
    one.remove()?;
    equal("pages", totals()?.shm_tot, before.shm_tot + 2)?;
    attachment.detach()?;
    equal("pages", totals()?.shm_tot, before.shm_tot + 1)?;
    drop(other);
    equal("the totals", totals()?, before)
}

fn identifiers_are_not_used_again() -> Outcome {
    let mut ids = alloc::vec![];
    for _ in 0..200 {
        let segment = Temporary::private(1)?;
        holds(segment.id().raw() >= 0, || "a negative identifier".into())?;
        holds(!ids.contains(&segment.id()), || "an identifier came again".into())?;
        // Those before are dead, whoever has their place now.
        if let Some(&id) = ids.last() {
            dead(id)?;
        }
        ids.push(segment.id());
    }
    Ok(())
}
