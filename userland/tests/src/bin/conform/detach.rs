//! shmdt: section D.

use crate::children::{child_ends, expect_fault};
use crate::expect::{PAGE, Temporary, attach, dead, detach, equal, holds, refused};
use crate::{Rule, alone, rule};
use abi::memory::Protection;
use abi::process::FaultKind;
use abi::{Errno, Handle};
use alloc::format;
use core::sync::atomic::Ordering;
use rt::sys::memory::{map, unmap};
use rt::{Outcome, hazard, sys};
use tests::Family;

pub const RULES: &[Rule] = &[
    alone(
        &["D-01", "D-02", "D-03", "D-04", "D-05"],
        only_the_start_address_detaches,
    ),
    alone(&["D-06", "D-20"], impossible_addresses_are_refused),
    alone(&["D-07"], other_memory_is_not_detached),
    rule(&["D-08"], detached_memory_faults),
    alone(&["D-09", "D-11", "D-13"], only_success_is_recorded),
    alone(&["D-10"], only_one_of_two_attachments_goes),
    alone(&["D-12"], data_outlives_the_last_detach),
    alone(&["D-14", "M-09"], what_partial_unmapping_left_is_detached_at_once),
    alone(&["D-15"], unmapping_all_of_it_detaches),
    alone(&["D-16"], the_start_address_stays_when_the_first_page_is_gone),
    alone(&["D-19"], the_last_detach_of_a_removed_segment_destroys_it),
    alone(&["D-22"], neighbours_stay_attached),
];

/// Free in this program, with room behind.
const FREE: u64 = 0x31_0000_0000;

fn only_the_start_address_detaches() -> Outcome {
    let segment = Temporary::private(2 * PAGE)?;
    let address = attach(segment.id(), 0)?;
    for wrong in [address + 1, address + PAGE, address - PAGE, FREE] {
        refused("a wrong address", detach(wrong), Errno::EINVAL)?;
    }
    equal("shm_nattch", segment.attached()?, 1)?;
    detach(address)?;
    equal("shm_nattch", segment.attached()?, 0)?;
    refused("the same address again", detach(address), Errno::EINVAL)
}

fn impossible_addresses_are_refused() -> Outcome {
    for address in [0, 0xffff_0000_0000_0000, u64::MAX, u64::MAX - PAGE + 1] {
        refused(&format!("{address:#x}"), detach(address), Errno::EINVAL)?;
    }
    Ok(())
}

fn other_memory_is_not_detached() -> Outcome {
    map(FREE, PAGE, Protection::READ | Protection::WRITE)?;
    hazard::write(FREE, 9);
    refused("a private mapping", detach(FREE), Errno::EINVAL)?;
    equal("the word there", hazard::read(FREE), 9)?;
    unmap(FREE, PAGE)?;
    refused("the stack", detach(hazard::stack().start), Errno::EINVAL)
}

fn detached_memory_faults(family: &Family) -> Outcome {
    for part in ["read-detached", "write-detached"] {
        let segment = Temporary::private(PAGE)?;
        let end = child_ends(family, part, segment.id())?;
        expect_fault(end, FaultKind::Unmapped)?;
    }
    Ok(())
}

fn only_success_is_recorded() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let address = attach(segment.id(), 0)?;
    let before = segment.stat()?;
    refused("a wrong address", detach(address + 8), Errno::EINVAL)?;
    equal("the state after a failure", segment.stat()?, before)?;
    detach(address)?;
    let after = segment.stat()?;
    let own = sys::process::identify(Handle::SELF)?.0;
    equal("shm_nattch", after.shm_nattch, 0)?;
    equal("shm_lpid", after.shm_lpid.cast_unsigned(), own)?;
    equal(
        "times",
        [after.shm_atime, after.shm_ctime],
        [before.shm_atime, before.shm_ctime],
    )?;
    holds(after.shm_dtime >= before.shm_atime, || {
        format!("shm_dtime is {}", after.shm_dtime)
    })
}

fn only_one_of_two_attachments_goes() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let (one, other) = (segment.attach()?, segment.attach()?);
    other.words()[0].store(4, Ordering::Relaxed);
    one.detach()?;
    equal("shm_nattch", segment.attached()?, 1)?;
    equal("the word", other.words()[0].load(Ordering::Relaxed), 4)
}

fn data_outlives_the_last_detach() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    attachment.words()[1].store(0x1234, Ordering::Relaxed);
    attachment.detach()?;
    let again = segment.attach()?;
    equal("the word", again.words()[1].load(Ordering::Relaxed), 0x1234)
}

fn what_partial_unmapping_left_is_detached_at_once() -> Outcome {
    let segment = Temporary::private(3 * PAGE)?;
    let address = attach(segment.id(), 0)?;
    for page in 0..3 {
        hazard::write(address + page * PAGE, page);
    }
    unmap(address + PAGE, PAGE)?;
    equal("the last page", hazard::read(address + 2 * PAGE), 2)?;
    detach(address)?;
    equal("shm_nattch", segment.attached()?, 0)?;
    // All three pages are free again.
    equal("the address", map(address, 3 * PAGE, Protection::READ)?, address)?;
    unmap(address, 3 * PAGE).map_err(Into::into)
}

fn unmapping_all_of_it_detaches() -> Outcome {
    let segment = Temporary::private(2 * PAGE)?;
    let address = attach(segment.id(), 0)?;
    unmap(address, 2 * PAGE)?;
    equal("shm_nattch", segment.attached()?, 0)?;
    refused("detaching it then", detach(address), Errno::EINVAL)
}

fn the_start_address_stays_when_the_first_page_is_gone() -> Outcome {
    let segment = Temporary::private(2 * PAGE)?;
    let address = attach(segment.id(), 0)?;
    unmap(address, PAGE)?;
    refused("the second page", detach(address + PAGE), Errno::EINVAL)?;
    detach(address)?;
    equal("shm_nattch", segment.attached()?, 0)
}

fn the_last_detach_of_a_removed_segment_destroys_it() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    segment.remove()?;
    attachment.detach()?;
    dead(segment.id())
}

fn neighbours_stay_attached() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let other = Temporary::private(PAGE)?;
    attach(segment.id(), FREE)?;
    attach(other.id(), FREE + PAGE)?;
    attach(segment.id(), FREE + 2 * PAGE)?;
    detach(FREE)?;
    equal("attachments", [segment.attached()?, other.attached()?], [1, 1])?;
    hazard::write(FREE + PAGE, 1);
    hazard::write(FREE + 2 * PAGE, 2);
    detach(FREE + PAGE)?;
    detach(FREE + 2 * PAGE).map_err(Into::into)
}
