//! shmat: section A.

use crate::children::{child_ends, expect_fault};
use crate::expect::{PAGE, Temporary, attach, dead, detach, equal, holds, never_issued, refused};
use crate::{Rule, alone, rule};
use abi::layout::{AREA_START, PROGRAM_BASE, USER_END};
use abi::memory::Protection;
use abi::process::{End, FaultKind};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmKey};
use abi::{Errno, Handle};
use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use rt::sys::memory::{map, shm_attach, unmap};
use rt::{Error, Outcome, hazard, sys};
use tests::Family;

pub const RULES: &[Rule] = &[
    alone(&["A-01", "A-02"], without_an_address_the_kernel_chooses),
    alone(
        &["A-03", "A-04", "A-05", "A-06"],
        an_address_must_be_aligned_or_rounded,
    ),
    alone(&["A-07", "A-08", "A-09", "A-10"], occupied_addresses_are_refused),
    alone(&["A-11", "M-10"], remapping_replaces_what_is_there),
    alone(&["A-12", "A-13", "A-14", "A-39"], nothing_is_attached_at_null),
    alone(&["A-15", "A-16"], addresses_outside_of_user_space_are_refused),
    rule(&["A-17"], writes_to_read_only_attachments_fault),
    alone(&["A-18", "A-29"], attachments_of_one_segment_share_its_bytes),
    alone(&["A-22"], execution_needs_the_mode_bit_or_uid_0),
    rule(&["A-23"], instructions_run_only_where_execution_was_asked_for),
    alone(&["A-26", "A-27", "A-28"], identifiers_of_nothing_are_refused),
    alone(&["A-30"], a_removed_segment_can_be_attached_while_it_lives),
    alone(&["A-31", "A-32"], only_success_is_recorded),
    alone(&["A-34"], a_segment_larger_than_the_area_has_no_room),
    alone(&["A-43"], many_attachments_are_all_distinct),
];

/// Free in this program.
const FREE: u64 = 0x30_0000_0000;

fn at(segment: &Temporary, address: u64, flags: AttachFlags) -> Result<u64, Error> {
    shm_attach(segment.id(), address, flags)
}

fn without_an_address_the_kernel_chooses() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    for flags in [AttachFlags::empty(), AttachFlags::RND] {
        let address = at(&segment, 0, flags)?;
        let good = address != 0 && address.is_multiple_of(PAGE) && address < USER_END;
        holds(good, || format!("attached at {address:#x}"))?;
        hazard::write(address, 1);
        detach(address)?;
    }
    Ok(())
}

fn an_address_must_be_aligned_or_rounded() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    for address in [FREE + 1, FREE + PAGE - 1] {
        let done = at(&segment, address, AttachFlags::empty());
        refused("an unaligned address", done, Errno::EINVAL)?;
    }
    let rounded = [(FREE, AttachFlags::empty()), (FREE + PAGE - 1, AttachFlags::RND)];
    for (address, flags) in rounded.into_iter().chain([(FREE, AttachFlags::RND)]) {
        equal("the address", at(&segment, address, flags)?, FREE)?;
        detach(FREE)?;
    }
    Ok(())
}

fn occupied_addresses_are_refused() -> Outcome {
    let segment = Temporary::private(2 * PAGE)?;
    map(FREE, PAGE, Protection::READ | Protection::WRITE)?;
    hazard::write(FREE, 5);
    let tail = FREE - PAGE;
    let tries = [(FREE, AttachFlags::empty()), (FREE + 1, AttachFlags::RND)];
    for (address, flags) in tries.into_iter().chain([(tail, AttachFlags::empty())]) {
        refused("an occupied address", at(&segment, address, flags), Errno::EINVAL)?;
    }
    equal("the word there", hazard::read(FREE), 5)?;
    equal("shm_nattch", segment.attached()?, 0)?;
    // The head, which was free, still is.
    equal("the address", map(tail, PAGE, Protection::READ)?, tail)?;
    unmap(tail, 2 * PAGE)?;

    at(&segment, FREE, AttachFlags::empty())?;
    for address in [FREE, FREE + PAGE] {
        refused("its own address", attach(segment.id(), address), Errno::EINVAL)?;
    }
    detach(FREE)?;
    Ok(())
}

fn remapping_replaces_what_is_there() -> Outcome {
    let old = Temporary::private(PAGE)?;
    let new = Temporary::private(PAGE)?;
    map(FREE, PAGE, Protection::READ)?;
    equal("over a mapping", at(&old, FREE, AttachFlags::REMAP)?, FREE)?;
    hazard::write(FREE, 7);
    // Its last attachment is about to go, and it with that.
    old.remove()?;
    equal("over an attachment", at(&new, FREE, AttachFlags::REMAP)?, FREE)?;
    equal("the word there", hazard::read(FREE), 0)?;
    dead(old.id())?;
    equal("shm_nattch", new.attached()?, 1)?;
    detach(FREE)?;
    equal("shm_nattch", new.attached()?, 0)
}

fn nothing_is_attached_at_null() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let (remap, round) = (AttachFlags::REMAP, AttachFlags::RND);
    let all = AttachFlags::from_bits_retain(u32::MAX);
    for (address, flags) in [(0, remap), (1, round | remap), (1, round), (0, all)] {
        refused("at address 0", at(&segment, address, flags), Errno::EINVAL)?;
    }
    let unknown = at(&segment, 0, AttachFlags::from_bits_retain(1 << 25))?;
    detach(unknown).map_err(Into::into)
}

fn addresses_outside_of_user_space_are_refused() -> Outcome {
    let segment = Temporary::private(2 * PAGE)?;
    let places = [USER_END, USER_END - PAGE, 0xffff_0000_0000_0000, !(PAGE - 1)];
    for address in places {
        let done = attach(segment.id(), address);
        let is_refused = matches!(done, Err(Error::Refused(Errno::EINVAL | Errno::ENOMEM)));
        holds(is_refused, || format!("at {address:#x}: {done:?}"))?;
    }
    equal("shm_nattch", segment.attached()?, 0)
}

fn writes_to_read_only_attachments_fault(family: &Family) -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    attachment.words()[0].store(11, Ordering::Relaxed);
    // The child reads the word first, and exits if it is not 11.
    let end = child_ends(family, "write-read-only", segment.id())?;
    expect_fault(end, FaultKind::NotPermitted)?;
    equal("the word", attachment.words()[0].load(Ordering::Relaxed), 11)
}

fn attachments_of_one_segment_share_its_bytes() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let (one, other) = (segment.attach()?, segment.attach()?);
    let read_only = segment.attach_read_only()?;
    holds(one.address() != other.address(), || {
        "two attachments at one address".into()
    })?;
    equal("shm_nattch", segment.attached()?, 3)?;
    one.words()[3].store(33, Ordering::Release);
    equal("the word", other.words()[3].load(Ordering::Acquire), 33)?;
    equal("the word", read_only.word(3), Some(33))
}

fn execution_needs_the_mode_bit_or_uid_0() -> Outcome {
    let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o700));
    let segment = Temporary::get(ShmKey::PRIVATE, PAGE, flags)?;
    let address = at(&segment, 0, AttachFlags::EXEC)?;
    detach(address).map_err(Into::into)
}

fn instructions_run_only_where_execution_was_asked_for(family: &Family) -> Outcome {
    let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o700));
    let segment = Temporary::get(ShmKey::PRIVATE, PAGE, flags)?;
    let attachment = segment.attach()?;
    // mov x0, #42; ret
    attachment.words()[0].store(0xd65f_03c0_d280_0540, Ordering::Relaxed);
    hazard::publish_code(attachment.address());
    let end = child_ends(family, "execute", segment.id())?;
    equal("the end of the child that may", end, End::Exited(0))?;
    let end = child_ends(family, "execute-without-asking", segment.id())?;
    expect_fault(end, FaultKind::NotPermitted)
}

fn identifiers_of_nothing_are_refused() -> Outcome {
    dead(never_issued())?;
    let segment = Temporary::private(PAGE)?;
    segment.remove()?;
    dead(segment.id())?;
    for number in [-1, i32::MIN] {
        let request = abi::memory::ShmControl {
            id: abi::memory::ShmIdArgument(number),
            command: 2,
        };
        let done = rt::call(Handle::MEMORY, request);
        refused("a negative identifier", done, Errno::EINVAL)?;
    }
    Ok(())
}

fn a_removed_segment_can_be_attached_while_it_lives() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let first = segment.attach()?;
    first.words()[0].store(5, Ordering::Release);
    segment.remove()?;
    let second = segment.attach()?;
    equal("the word", second.words()[0].load(Ordering::Acquire), 5)?;
    drop((first, second));
    dead(segment.id())
}

fn only_success_is_recorded() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let fresh = segment.stat()?;
    for address in [FREE + 1, PROGRAM_BASE, USER_END] {
        holds(attach(segment.id(), address).is_err(), || {
            format!("at {address:#x}")
        })?;
    }
    equal("the state after failures", segment.stat()?, fresh)?;
    let attachment = segment.attach()?;
    let state = segment.stat()?;
    let own = sys::process::identify(Handle::SELF)?.0;
    equal("shm_nattch", state.shm_nattch, 1)?;
    equal("shm_lpid", state.shm_lpid.cast_unsigned(), own)?;
    equal("shm_dtime", state.shm_dtime, 0)?;
    equal("shm_ctime", state.shm_ctime, fresh.shm_ctime)?;
    holds(state.shm_atime >= fresh.shm_ctime, || {
        format!("shm_atime is {}", state.shm_atime)
    })?;
    drop(attachment);
    Ok(())
}

fn a_segment_larger_than_the_area_has_no_room() -> Outcome {
    // As large as one can be without frames; attached until the area is full.
    let size = rt::shm::limits()?.shmmax;
    let flags = GetFlags::NORESERVE.with_mode(Mode::from_bits(0o600));
    let Ok(segment) = Temporary::get(ShmKey::PRIVATE, size & !(PAGE - 1), flags) else {
        // Smaller than the area in any case, then: as much of it as the limits allow.
        return fill_the_area(&Temporary::private(PAGE)?);
    };
    fill_the_area(&segment)
}

fn fill_the_area(segment: &Temporary) -> Outcome {
    let mut attached: Vec<u64> = Vec::new();
    let error = loop {
        match attach(segment.id(), 0) {
            Ok(address) => attached.push(address),
            Err(error) => break error,
        }
    };
    for address in attached {
        detach(address)?;
    }
    let good = matches!(error, Error::Refused(Errno::ENOMEM | Errno::EMFILE));
    holds(good, || format!("the last attachment was refused with {error}"))?;
    equal("shm_nattch", segment.attached()?, 0)
}

fn many_attachments_are_all_distinct() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let count = rt::shm::limits()?.shmseg.min(200);
    let mut attached: Vec<u64> = Vec::new();
    for _ in 0..count {
        attached.push(attach(segment.id(), 0)?);
    }
    equal("shm_nattch", segment.attached()?, count)?;
    attached.sort_unstable();
    attached.dedup();
    equal("addresses", attached.len() as u64, count)?;
    holds(attached[0] >= AREA_START, || "below the area".into())?;
    for address in attached {
        detach(address)?;
    }
    equal("shm_nattch", segment.attached()?, 0)
}
