//! Executing what is linked: all that is in a table can be fetched, so all of it is published.

use super::look::{AT, SLOT, SLOT_BYTES, attach, is_linked, seen, world};
use crate::common::{PAGE, create_with};
use abi::shm::AttachFlags;
use addr::{Perms, VirtAddr};
use mm::{Access, FaultCause, STEP_FRAMES};

/// Proves: A-23
#[test]
fn a_linked_segment_is_executed_by_one_and_written_by_another() {
    let mut world = world();
    let (writer, runner) = (world.process(), world.process());
    let id = world
        .get(writer, 7, 2 * SLOT_BYTES, create_with(0o700))
        .expect("created");
    attach(&mut world, writer, id);
    world.attach(runner, id, AT, AttachFlags::EXEC).expect("free");
    world.fill(writer, AT, 200, 1);
    world.store(writer, AT + SLOT_BYTES, 1).expect("writable");
    world.jump(runner, AT + 150 * PAGE).expect("executable");
    assert_eq!(
        seen(&mut world, runner, AT).map(|leaf| leaf.1),
        Some(Perms::READ_EXECUTE)
    );
    assert_eq!(
        seen(&mut world, writer, AT).map(|leaf| leaf.1),
        Some(Perms::READ_WRITE)
    );
    assert_eq!(world.jump(writer, AT), Err(FaultCause::NotPermitted));
    assert_eq!(world.store(runner, AT, 1), Err(FaultCause::NotPermitted));
    for page in 0..200 {
        world
            .jump(runner, AT + page * PAGE)
            .expect("all of the table is published");
    }
    // What comes later is there without a fault, so it is published when it comes.
    world.store(writer, AT + 300 * PAGE, 1).expect("writable");
    assert!(seen(&mut world, runner, AT + 300 * PAGE).is_some());
    world.jump(runner, AT + 300 * PAGE).expect("executable");
    // So is what was there before in a slot that is not linked yet, and what its runner touches first.
    world.jump(runner, AT + SLOT_BYTES).expect("executable");
    world.jump(runner, AT + SLOT_BYTES + PAGE).expect("executable");
}

#[test]
fn publishing_a_large_table_takes_several_faults_of_a_bounded_step_each() {
    let mut world = world();
    let (writer, runner) = (world.process(), world.process());
    let id = world
        .get(writer, 7, SLOT_BYTES, create_with(0o700))
        .expect("created");
    attach(&mut world, writer, id);
    world.touch(writer, AT, SLOT);
    world.attach(runner, id, AT, AttachFlags::EXEC).expect("free");
    let mut faults = 0;
    while !is_linked(&mut world, runner, AT) {
        let served = world.mm.fault(runner, VirtAddr::new(AT), Access::Execute);
        assert_eq!(served, Ok(()));
        world.check();
        faults += 1;
    }
    assert_eq!(faults, SLOT as usize / STEP_FRAMES + 1);
    // The next one who executes finds it done.
    let third = world.process();
    world.attach(third, id, AT, AttachFlags::EXEC).expect("free");
    assert_eq!(world.mm.fault(third, VirtAddr::new(AT), Access::Execute), Ok(()));
    assert!(is_linked(&mut world, third, AT));
    world.jump(third, AT + 511 * PAGE).expect("executable");
}

#[test]
fn publishing_scattered_pages_counts_the_empty_entries_between_them() {
    let mut world = world();
    let (writer, runner) = (world.process(), world.process());
    let slots = 8;
    let id = world
        .get(writer, 7, slots * SLOT_BYTES, create_with(0o700))
        .expect("created");
    attach(&mut world, writer, id);
    for slot in 0..slots {
        world.touch(writer, AT + slot * SLOT_BYTES + 511 * PAGE, 1);
    }
    world.attach(runner, id, AT, AttachFlags::EXEC).expect("free");
    let last = AT + (slots - 1) * SLOT_BYTES + 511 * PAGE;
    let mut faults = 0;
    while !is_linked(&mut world, runner, last) {
        let served = world.mm.fault(runner, VirtAddr::new(last), Access::Execute);
        assert_eq!(served, Ok(()));
        world.check();
        faults += 1;
    }
    // The way from one page to the next, 512 entries, takes as long as 32 of the 64 frames of a step.
    assert_eq!(faults, slots / 2 + 1);
    world.jump(runner, last).expect("executable");
}

#[test]
fn an_unshared_slot_stays_executable_and_is_published_page_by_page() {
    let mut world = world();
    let (writer, runner) = (world.process(), world.process());
    let id = world
        .get(writer, 7, SLOT_BYTES, create_with(0o700))
        .expect("created");
    attach(&mut world, writer, id);
    world.attach(runner, id, AT, AttachFlags::EXEC).expect("free");
    world.unmap(runner, AT + 5 * PAGE, PAGE).expect("attached");
    world.store(writer, AT + 9 * PAGE, 1).expect("writable");
    world.jump(runner, AT + 9 * PAGE).expect("executable");
    world.jump(runner, AT).expect("executable");
    assert!(!is_linked(&mut world, runner, AT));
    assert_eq!(world.jump(runner, AT + 5 * PAGE), Err(FaultCause::Unmapped));
    assert_eq!(
        world.store(runner, AT + 9 * PAGE, 1),
        Err(FaultCause::NotPermitted)
    );
}
