//! Private pages of a parent and its child.

use crate::common::{PAGE, World};
use abi::memory::Protection;
use abi::{Errno, layout};
use mm::FaultCause;

#[test]
fn a_child_finds_what_its_parent_wrote_and_neither_sees_what_the_other_writes_afterwards() {
    let mut world = World::new();
    let parent = world.process();
    let at = world.map_anywhere(parent, 4 * PAGE);
    world.fill(parent, at, 3, 10);
    let child = world.fork(parent).expect("room");
    assert_eq!(world.load(child, at), Ok(10));
    world.store(child, at, 77).expect("writable");
    world.store(parent, at + PAGE, 88).expect("writable");
    world
        .store(child, at + 3 * PAGE, 99)
        .expect("never touched before");
    let pages =
        |world: &mut World, p| [0, 1, 2, 3].map(|page| world.load(p, at + page * PAGE).expect("mapped"));
    assert_eq!(pages(&mut world, parent), [10, 88, 12, 0]);
    assert_eq!(pages(&mut world, child), [77, 11, 12, 99]);
}

#[test]
fn a_frame_is_copied_only_as_long_as_somebody_else_has_it() {
    let mut world = World::new();
    let parent = world.process();
    let at = world.map_anywhere(parent, PAGE);
    world.store(parent, at, 1).expect("writable");
    let child = world.fork(parent).expect("room");
    let free = world.mm.frame_counts().free;
    world.store(parent, at, 2).expect("copied");
    assert_eq!(world.mm.frame_counts().free, free - 1);
    world.store(child, at, 3).expect("the only one who has it");
    assert_eq!(world.mm.frame_counts().free, free - 1);
    assert_eq!((world.load(parent, at), world.load(child, at)), (Ok(2), Ok(3)));
}

#[test]
fn what_a_parent_has_written_to_since_the_last_fork_is_copied_by_the_next() {
    let mut world = World::new();
    let parent = world.process();
    let at = world.map_anywhere(parent, 20 * PAGE);
    world.fill(parent, at, 20, 1);
    let taken_by_fork = |world: &mut World, written: u64| {
        (0..written).for_each(|page| {
            world
                .store(parent, at + page * PAGE, 100 + page)
                .expect("writable")
        });
        let before = world.mm.frame_counts().free;
        let child = world.fork(parent).expect("room");
        let taken = before - world.mm.frame_counts().free;
        // Either writes to what it has, and the other one does not see it.
        world.store(parent, at, 200).expect("writable");
        world.store(child, at + PAGE, 300).expect("writable");
        let (first, second) = if written > 0 { (100, 101) } else { (1, 2) };
        assert_eq!(
            (world.load(child, at), world.load(parent, at + PAGE)),
            (Ok(first), Ok(second))
        );
        world.store(parent, at, first).expect("writable");
        world.exit(child);
        taken
    };
    let tables = taken_by_fork(&mut world, 0);
    // The first one of all knows nothing; then the page counts that was written to meanwhile.
    assert_eq!(taken_by_fork(&mut world, 0), tables + 1);
    assert_eq!(taken_by_fork(&mut world, 3), tables + 3);
    assert_eq!(taken_by_fork(&mut world, 20), tables + 8, "no more than a few");
}

#[test]
fn a_child_may_do_with_a_page_what_its_mapping_allows_even_if_its_parent_has_not_yet() {
    let mut world = World::new();
    let parent = world.process();
    let at = world.map_anywhere(parent, 3 * PAGE);
    world.fill(parent, at, 3, 1);
    for (page, protection) in [
        (0, Protection::EXEC),
        (1, Protection::empty()),
        (2, Protection::READ),
    ] {
        world
            .protect(parent, at + page * PAGE, PAGE, protection)
            .expect("mapped");
    }
    let child = world.fork(parent).expect("room");
    assert_eq!(world.jump(child, at), Ok(()));
    assert_eq!(world.load(child, at + PAGE), Err(FaultCause::NotPermitted));
    assert_eq!(
        world.store(child, at + 2 * PAGE, 1),
        Err(FaultCause::NotPermitted)
    );
    world
        .protect(child, at + PAGE, 2 * PAGE, Protection::WRITE)
        .expect("mapped");
    assert_eq!(world.store(child, at + PAGE, 9), Ok(()));
    assert_eq!(world.load(parent, at + 2 * PAGE), Ok(3));
    assert_eq!(world.load(parent, at + PAGE), Err(FaultCause::NotPermitted));
}

#[test]
fn the_last_sharer_keeps_the_frame_when_the_others_have_ended() {
    let mut world = World::new();
    let parent = world.process();
    let at = world.map_anywhere(parent, 100 * PAGE);
    world.fill(parent, at, 100, 1);
    let before = world.mm.frame_counts();
    let children = [(); 3].map(|()| world.fork(parent).expect("room"));
    children.into_iter().for_each(|child| world.exit(child));
    assert_eq!(world.mm.frame_counts(), before);
    world.store(parent, at, 5).expect("its own again");
    assert_eq!(world.mm.frame_counts(), before);
    let child = world.fork(parent).expect("room");
    world.exit(parent);
    assert_eq!(
        (world.load(child, at), world.load(child, at + PAGE)),
        (Ok(5), Ok(2))
    );
    world.store(child, at + PAGE, 6).expect("its own now");
}

#[test]
fn a_childs_child_shares_with_both() {
    let mut world = World::new();
    let p = world.process();
    let at = world.map_anywhere(p, 2 * PAGE);
    world.fill(p, at, 2, 1);
    let c = world.fork(p).expect("room");
    world.store(c, at, 20).expect("copied");
    let g = world.fork(c).expect("room");
    world.store(p, at + PAGE, 30).expect("copied");
    world.store(c, at + PAGE, 40).expect("copied");
    let both = |world: &mut World, p| {
        [world.load(p, at), world.load(p, at + PAGE)].map(|word| word.expect("mapped"))
    };
    assert_eq!(both(&mut world, p), [1, 30]);
    assert_eq!(both(&mut world, c), [20, 40]);
    assert_eq!(both(&mut world, g), [20, 2]);
}

#[test]
fn a_child_may_do_what_its_parent_may_and_no_more() {
    let mut world = World::new();
    let (parent, other) = (world.process(), world.process());
    let constant = world.map(parent, 0, PAGE, Protection::READ).expect("room");
    world.load(parent, constant).expect("readable");
    let staged = world.map_anywhere(other, PAGE);
    world.store(other, staged, 7).expect("writable");
    let code = layout::PROGRAM_BASE;
    let request = abi::memory::Move {
        source: staged,
        length: PAGE,
        destination: code,
        protection: Protection::EXEC,
    };
    world.transfer(parent, Some(other), request).expect("moved");
    let child = world.fork(parent).expect("room");
    for p in [parent, child] {
        assert_eq!(world.store(p, constant, 1), Err(FaultCause::NotPermitted));
        assert_eq!(world.jump(p, constant), Err(FaultCause::NotPermitted));
        assert_eq!(world.store(p, code, 1), Err(FaultCause::NotPermitted));
        assert_eq!((world.jump(p, code), world.load(p, code)), (Ok(()), Ok(7)));
    }
}

#[test]
fn mappings_that_were_cut_are_inherited_as_they_are() {
    let mut world = World::new();
    let parent = world.process();
    let at = world.map_anywhere(parent, 10 * PAGE);
    world.fill(parent, at, 10, 1);
    world.unmap(parent, at + 3 * PAGE, 2 * PAGE).expect("mapped");
    let child = world.fork(parent).expect("room");
    assert_eq!(world.load(child, at + 3 * PAGE), Err(FaultCause::Unmapped));
    assert_eq!(world.load(child, at + 5 * PAGE), Ok(6));
    let (theirs, own) = (world.usage(parent), world.usage(child));
    assert_eq!(
        (own.mapped, own.mappings, own.private),
        (theirs.mapped, theirs.mappings, 8)
    );
    world.unmap(child, at, 10 * PAGE).expect("mapped");
    assert_eq!(world.load(parent, at), Ok(1));
}

#[test]
fn a_message_page_is_not_shared() {
    let mut world = World::new();
    let (parent, child) = (world.process(), world.process());
    let theirs = world.mm.map_message_page(parent, 0).expect("room");
    let own = world.mm.map_message_page(child, 0).expect("room");
    world.store(parent, layout::MESSAGE_PAGES, 5).expect("writable");
    let job = world.mm.fork(parent, child).expect("room");
    world.finish(Some(job));
    assert_ne!(own, theirs);
    assert_eq!(world.load(child, layout::MESSAGE_PAGES), Ok(0));
    world
        .store(parent, layout::MESSAGE_PAGES, 6)
        .expect("its own still");
}

#[test]
fn memory_of_the_machine_is_the_same_for_both() {
    let mut world = World::new();
    let parent = world.process();
    let frames = crate::common::Size::USUAL.kept();
    let (perms, kind) = (addr::Perms::READ_WRITE, addr::MemoryKind::Normal);
    let at = world
        .mm
        .map_physical(parent, frames, perms, kind)
        .expect("room")
        .raw();
    world.store(parent, at, 5).expect("writable");
    let child = world.fork(parent).expect("room");
    assert_eq!(world.load(child, at), Ok(5));
    world.store(child, at, 6).expect("writable");
    assert_eq!(world.load(parent, at), Ok(6));
}

#[test]
fn who_would_be_one_sharer_too_many_gets_a_copy_at_once() {
    let mut world = World::new();
    let parent = world.process();
    let at = world.map_anywhere(parent, PAGE);
    world.store(parent, at, 9).expect("writable");
    let start = world.mm.frame_counts();
    let children: Vec<_> = (0..18).map(|_| world.fork(parent).expect("room")).collect();
    for (value, child) in (0..).zip(&children) {
        assert_eq!(world.load(*child, at), Ok(9));
        world.store(*child, at, value).expect("writable");
    }
    for (value, child) in (0..).zip(&children) {
        assert_eq!(world.load(*child, at), Ok(value));
    }
    assert_eq!(world.load(parent, at), Ok(9));
    children.into_iter().for_each(|child| world.exit(child));
    assert_eq!(world.mm.frame_counts(), start);
}

#[test]
fn a_fork_promises_every_page_that_may_be_copied() {
    let mut world = World::new();
    let parent = world.process();
    let at = world.map_anywhere(parent, 8 * PAGE);
    world.fill(parent, at, 3, 1);
    let before = world.mm.frame_counts();
    let child = world.fork(parent).expect("room");
    let after = world.mm.frame_counts();
    // A root and three tables to the pages; of the pages none was copied.
    assert_eq!(before.free - after.free, 4);
    assert_eq!(after.promised - before.promised, 8);
    world.fill(child, at, 8, 1);
    world.fill(parent, at, 8, 1);
    assert_eq!(world.mm.frame_counts().promised, before.promised - 5);
}

#[test]
fn a_process_that_is_gone_cannot_be_copied() {
    let mut world = World::new();
    let (parent, child) = (world.process(), world.process());
    world.exit(parent);
    assert_eq!(world.mm.fork(parent, child), Err(Errno::ESRCH));
}

#[test]
fn a_page_that_may_be_read_again_is_shared_as_before() {
    let mut world = World::new();
    let parent = world.process();
    let at = world.map_anywhere(parent, PAGE);
    world.store(parent, at, 5).expect("writable");
    let child = world.fork(parent).expect("room");
    world
        .protect(child, at, PAGE, Protection::empty())
        .expect("mapped");
    assert_eq!(world.load(child, at), Err(FaultCause::NotPermitted));
    let protection = Protection::READ | Protection::WRITE;
    world.protect(child, at, PAGE, protection).expect("mapped");
    let free = world.mm.frame_counts().free;
    assert_eq!(world.load(child, at), Ok(5));
    assert_eq!(world.mm.frame_counts().free, free, "only who writes gets a copy");
}
