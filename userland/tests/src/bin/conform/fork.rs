//! Rules of copies of a process, and of a process that becomes another one.

use crate::expect::{PAGE, RW, Temporary, equal, holds};
use crate::{Rule, rule};
use abi::Errno;
use abi::layout::PAGE_BYTES;
use abi::memory::Protection;
use abi::process::{End, FaultKind};
use abi::shm::{AttachFlags, GetFlags, ShmKey};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use rt::shm::Shm;
use rt::spawn::{Command, fork};
use rt::sys::memory::{count_usage, map, shm_attach, shm_detach, shm_get, unmap};
use rt::{Error, Failure, Outcome, hazard};
use tests::Family;

pub const RULES: &[Rule] = &[
    rule(&["F-01"], children_have_attachments_at_the_same_addresses),
    rule(&["F-02", "M-06"], attachments_are_never_copied),
    rule(&["F-08"], read_only_stays_read_only),
    rule(&["F-10"], forks_change_no_change_time),
    rule(&["F-15"], refused_forks_attach_nothing),
    rule(&["F-06"], exec_detaches_before_the_new_program_runs),
    rule(&["F-14"], refused_execs_leave_attachments_alone),
    rule(&["D-21"], children_detach_for_themselves),
    rule(&["C-53"], removed_segments_outlive_a_childs_attachment),
    rule(&["M-03"], every_way_out_gives_back_a_removed_segment),
];

/// Pages of a segment whose tables are linked, and a bit.
const LARGE: u64 = 520;

/// Waits for a child that checks something itself.
fn succeeds(part: impl FnOnce() -> Outcome) -> Outcome {
    equal("the end of the child", fork(part)?.wait()?, End::Exited(0))
}

fn children_have_attachments_at_the_same_addresses(_: &Family) -> Outcome {
    let segment = Temporary::private(LARGE * PAGE)?;
    let attachments = [segment.attach()?, segment.attach()?];
    attachments[0].words()[0].store(5, Relaxed);
    let addresses = attachments.each_ref().map(|attachment| attachment.address());
    succeeds(|| {
        equal("shm_nattch", segment.attached()?, 4)?;
        for (attachment, address) in attachments.iter().zip(addresses) {
            equal("the word", attachment.words()[0].load(Relaxed), 5)?;
            shm_detach(address)?;
        }
        equal("shm_nattch", segment.attached()?, 2)
    })?;
    equal("shm_nattch", segment.attached()?, 2)
}

fn attachments_are_never_copied(_: &Family) -> Outcome {
    for pages in [3, LARGE] {
        let segment = Temporary::private(pages * PAGE)?;
        let attachment = segment.attach()?;
        let first_words = || attachment.words().iter().step_by(PAGE_BYTES as usize / 8);
        first_words().for_each(|word| word.store(1, Relaxed));
        let private = count_usage()?.private;
        let child = fork(|| {
            first_words().for_each(|word| word.store(2, Relaxed));
            Ok(())
        })?;
        equal("the end of the child", child.wait()?, End::Exited(0))?;
        let all_changed = first_words().all(|word| word.load(Relaxed) == 2);
        holds(all_changed, || "a child's words did not arrive".to_string())?;
        let more = count_usage()?.private.saturating_sub(private);
        // A page or two of the stack may have been copied.
        holds(more < 3, || alloc::format!("{more} pages were copied"))?;
    }
    Ok(())
}

fn read_only_stays_read_only(_: &Family) -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach_read_only()?;
    let address = attachment.address();
    let child = fork(|| {
        equal("the word", attachment.word(0), Some(0))?;
        hazard::write(address, 1);
        Err(Failure::new("conform: a child could write"))
    })?;
    crate::children::expect_fault(child.wait()?, FaultKind::NotPermitted)
}

fn forks_change_no_change_time(_: &Family) -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    let before = segment.stat()?.shm_ctime;
    succeeds(|| Ok(()))?;
    drop(attachment);
    equal("shm_ctime", segment.stat()?.shm_ctime, before)
}

/// More than half of all memory cannot be promised twice.
fn refused_forks_attach_nothing(_: &Family) -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    let hogs = hog();
    let refused = fork(|| Ok(()));
    for (address, length) in hogs {
        unmap(address, length)?;
    }
    equal(
        "a fork without memory",
        refused.err(),
        Some(Error::Refused(Errno::ENOMEM)),
    )?;
    equal("shm_nattch", segment.attached()?, 1)?;
    Ok(attachment.detach()?)
}

/// Maps private memory until less is left than was mapped.
fn hog() -> Vec<(u64, u64)> {
    // So that nothing has to be found for the list itself.
    let mut hogs = Vec::with_capacity(100);
    let mut length = 1 << 40;
    while length >= PAGE {
        match map(0, length, Protection::READ | Protection::WRITE) {
            Ok(address) => hogs.push((address, length)),
            Err(_) => length /= 2,
        }
    }
    hogs
}

fn exec_detaches_before_the_new_program_runs(family: &Family) -> Outcome {
    let segment = Temporary::private(LARGE * PAGE)?;
    segment.attach()?.words()[0].store(9, Relaxed);
    let id = segment.id().raw().to_string();
    let command = family.command(["execed", &id]).give(4, abi::Handle::PARENT);
    let child = fork(|| {
        let attached = [segment.attach()?, segment.attach()?];
        equal("the word", attached[0].words()[0].load(Relaxed), 9)?;
        Err(Failure::from(failure_of(&command)))
    })?;
    equal("the end of the new program", child.wait()?, End::Exited(0))
}

/// Becomes the program. Comes back with the reason why not.
fn failure_of(command: &Command<'_>) -> rt::spawn::SpawnError {
    match command.exec() {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

/// What the new program looks at: who it was has detached, and it has nothing attached.
pub fn execed(shm: Shm) -> Outcome {
    equal("shm_nattch", shm.stat()?.shm_nattch, 0)?;
    equal("the word", shm.attach()?.words()[0].load(Relaxed), 9)?;
    equal("shm_lpid", shm.stat()?.shm_lpid.cast_unsigned(), own_pid()?)
}

fn own_pid() -> Result<u32, Error> {
    rt::sys::process::identify(abi::Handle::SELF).map(|pid| pid.0)
}

fn refused_execs_leave_attachments_alone(family: &Family) -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    attachment.words()[0].store(3, Relaxed);
    succeeds(|| {
        let no_program = Command::new("nobody", b"this is no program");
        failure_of(&no_program);
        let too_long = "x".repeat(abi::BUFFER_BYTES + 1);
        failure_of(&family.command([too_long.as_str()]));
        // A process that has started can be nobody else any more.
        let started = family.start(["add", segment.id().raw().to_string().as_str()])?;
        let request = abi::process::Become {
            entry: 0,
            stack: 0,
            word0: 0,
            word1: 0,
            word2: 0,
            word3: 0,
        };
        let refused = rt::sys::process::become_prepared(started.handle(), request, &[]);
        equal("becoming it", refused.err(), Some(Error::Refused(Errno::EBUSY)))?;
        equal("the end of that", started.wait()?, End::Exited(0))?;
        equal("shm_nattch", segment.attached()?, 2)?;
        equal("the word", attachment.words()[0].load(Relaxed), 1003)
    })
}

fn children_detach_for_themselves(_: &Family) -> Outcome {
    let segment = Temporary::private(LARGE * PAGE)?;
    let attachment = segment.attach()?;
    attachment.words()[0].store(8, Relaxed);
    let address = attachment.address();
    let child = fork(|| {
        shm_detach(address)?;
        hazard::read(address);
        Err(Failure::new("conform: a child could read what it had detached"))
    })?;
    crate::children::expect_fault(child.wait()?, FaultKind::Unmapped)?;
    equal("shm_nattch", segment.attached()?, 1)?;
    equal("the word", attachment.words()[0].load(Relaxed), 8)
}

fn removed_segments_outlive_a_childs_attachment(_: &Family) -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    attachment.words()[0].store(4, Relaxed);
    let address = attachment.address();
    let child = fork(|| Ok(shm_detach(address)?))?;
    segment.remove()?;
    equal("the end of the child", child.wait()?, End::Exited(0))?;
    equal("the word", attachment.words()[0].load(Relaxed), 4)?;
    equal("shm_nattch", segment.attached()?, 1)
}

/// The caller of this counts frames before and after.
fn every_way_out_gives_back_a_removed_segment(family: &Family) -> Outcome {
    let doomed = || -> Result<_, Failure> {
        let flags = GetFlags::empty().with_mode(RW);
        let shm = Shm::from_id(shm_get(ShmKey::PRIVATE, LARGE * PAGE, flags)?);
        let address = shm_attach(shm.id(), 0, AttachFlags::empty())?;
        hazard::write(address, 1);
        shm.remove()?;
        Ok(())
    };
    succeeds(doomed)?;
    let faulting = fork(|| {
        doomed()?;
        hazard::read(0);
        Ok(())
    })?;
    crate::children::expect_fault(faulting.wait()?, FaultKind::Unmapped)?;
    let other = Temporary::private(PAGE)?;
    let id = other.id().raw().to_string();
    let becoming = fork(|| {
        doomed()?;
        Err(failure_of(&family.command(["find-nothing", &id])).into())
    })?;
    equal("the end of the new program", becoming.wait()?, End::Exited(0))?;
    let waiting = fork(|| {
        doomed()?;
        other.attach()?.words()[0].store(1, Relaxed);
        loop {
            rt::sys::process::yield_now();
        }
    })?;
    let signal = other.attach()?;
    while signal.words()[0].load(Relaxed) == 0 {
        rt::sys::process::yield_now();
    }
    Ok(waiting.kill()?)
}
