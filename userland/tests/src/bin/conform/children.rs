//! Checks that need a second process, and what that process does.

use crate::expect::{KEY, PAGE, Temporary, dead, equal, holds};
use crate::{Rule, rule, users};
use abi::memory::Protection;
use abi::process::{End, FaultKind};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmId};
use alloc::format;
use alloc::string::ToString;
use core::sync::atomic::Ordering;
use rt::shm::Shm;
use rt::sys::memory::{map, shm_attach, shm_get};
use rt::{Failure, Outcome, hazard};
use tests::Family;

pub const RULES: &[Rule] = &[
    rule(&["G-47"], keys_name_the_same_segment_in_every_process),
    rule(&["A-44"], attachments_in_two_processes_are_coherent),
    rule(&["F-04", "F-13", "M-03"], the_end_of_a_process_detaches),
    rule(&["F-05"], being_ended_by_a_fault_detaches),
    rule(&["F-07"], segments_outlive_their_creator),
    rule(&["F-16"], the_last_attacher_takes_a_removed_segment_along),
];

/// What a child tells by its exit status.
const UNEXPECTED: &str = "conform: the child found something else";

/// Runs `part` in a child, for this segment.
pub fn child_ends(family: &Family, part: &str, id: ShmId) -> Result<End, Failure> {
    Ok(family.start([part, id.raw().to_string().as_str()])?.wait()?)
}

/// Checks that a process was ended for a fault of this kind.
pub fn expect_fault(end: End, kind: FaultKind) -> Outcome {
    let is_expected = matches!(end, End::Faulted(found, _) if found == kind);
    holds(is_expected, || {
        format!("the child ended as {end:?}, not by {kind:?}")
    })
}

fn run_child(family: &Family, part: &str, id: ShmId) -> Outcome {
    equal(
        "the end of the child",
        child_ends(family, part, id)?,
        End::Exited(0),
    )
}

/// What a child does: called in that child.
pub fn play(part: &str, id: Option<&str>) -> Outcome {
    let id = id.and_then(|id| id.parse().ok()).and_then(ShmId::from_raw);
    let shm = Shm::from_id(id.ok_or_else(|| Failure::new("conform: usage: conform PART SHMID"))?);
    match part {
        "write-read-only" => {
            let attachment = shm.attach_read_only()?;
            expect(attachment.word(0) == Some(11))?;
            hazard::write(attachment.address(), 12);
            Err(Failure::new("conform: could write"))
        }
        "execute" => execute(shm, AttachFlags::EXEC),
        "execute-without-asking" => execute(shm, AttachFlags::RDONLY),
        "read-detached" => {
            hazard::read(touch_and_detach(shm)?);
            Err(Failure::new("conform: could read"))
        }
        "write-detached" => {
            hazard::write(touch_and_detach(shm)?, 1);
            Err(Failure::new("conform: could write"))
        }
        "find" => expect(shm_get(KEY, 0, GetFlags::empty())? == shm.id()),
        "add" => {
            let attachment = shm.attach()?;
            for _ in 0..1000 {
                attachment.words()[0].fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
        "become-another" => users::become_another(shm),
        "leave-attached" => {
            let attachments = [shm.attach()?, shm.attach()?];
            attachments[1].words()[0].store(3, Ordering::Relaxed);
            core::mem::forget(attachments);
            Ok(())
        }
        "fault-attached" => {
            let attachment = shm.attach()?;
            attachment.words()[0].store(4, Ordering::Relaxed);
            hazard::read(0);
            drop(attachment);
            Err(Failure::new("conform: could read"))
        }
        "create" => {
            let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o600));
            let segment = Shm::from_id(shm_get(KEY, PAGE, flags)?);
            segment.attach()?.words()[0].store(6, Ordering::Relaxed);
            Ok(())
        }
        "execed" => crate::fork::execed(shm),
        "find-nothing" => Ok(()),
        _ => Err(Failure::new(format!("conform: there is no part {part}"))),
    }
}

fn expect(condition: bool) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Failure::new(UNEXPECTED))
    }
}

fn execute(shm: Shm, flags: AttachFlags) -> Outcome {
    let address = shm_attach(shm.id(), 0, flags)?;
    expect(hazard::call(address) == 42)
}

fn touch_and_detach(shm: Shm) -> Result<u64, Failure> {
    let attachment = shm.attach()?;
    attachment.words()[0].store(1, Ordering::Relaxed);
    let address = attachment.address();
    attachment.detach()?;
    // Something else there would hide the fault.
    map(0, PAGE, Protection::READ)
        .map(|other| if other == address { 0 } else { address })
        .map_err(Into::into)
}

fn keys_name_the_same_segment_in_every_process(family: &Family) -> Outcome {
    let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o600));
    let segment = Temporary::get(KEY, 1, flags)?;
    run_child(family, "find", segment.id())
}

fn attachments_in_two_processes_are_coherent(family: &Family) -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    let id = segment.id().raw().to_string();
    let children = [family.start(["add", &id])?, family.start(["add", &id])?];
    for child in &children {
        equal("the end of the child", child.wait()?, End::Exited(0))?;
    }
    equal("the sum", attachment.words()[0].load(Ordering::Relaxed), 2000)
}

fn the_end_of_a_process_detaches(family: &Family) -> Outcome {
    let segment = Temporary::private(PAGE)?;
    for _ in 0..20 {
        run_child(family, "leave-attached", segment.id())?;
        equal("shm_nattch", segment.attached()?, 0)?;
    }
    equal(
        "the word",
        segment.attach()?.words()[0].load(Ordering::Relaxed),
        3,
    )
}

fn being_ended_by_a_fault_detaches(family: &Family) -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let child = family.start(["fault-attached", segment.id().raw().to_string().as_str()])?;
    expect_fault(child.wait()?, FaultKind::Unmapped)?;
    let state = segment.stat()?;
    equal("shm_nattch", state.shm_nattch, 0)?;
    equal("shm_lpid", state.shm_lpid.cast_unsigned(), child.pid().0)
}

fn segments_outlive_their_creator(family: &Family) -> Outcome {
    let other = Temporary::private(1)?;
    run_child(family, "create", other.id())?;
    let segment = Temporary::get(KEY, 0, GetFlags::empty())?;
    equal(
        "the word",
        segment.attach()?.words()[0].load(Ordering::Relaxed),
        6,
    )
}

fn the_last_attacher_takes_a_removed_segment_along(family: &Family) -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    segment.remove()?;
    run_child(family, "leave-attached", segment.id())?;
    equal("shm_nattch", segment.attached()?, 1)?;
    attachment.detach()?;
    dead(segment.id())
}
