//! A region is there as long as it is not removed or somebody has it attached, and not a step longer.

use super::scene::{Act, Attached, KEY, Scene, WORD, in_every_order};
use crate::common::{CREATE, FIND, PAGE};
use abi::Errno;
use mm::Job;

/// Taking so many pages apart takes two steps.
const PAGES: u64 = 65;

/// `shmget` without `IPC_CREAT`: a removed segment has no key.
fn find(scene: &mut Scene) -> Option<Job> {
    let found = scene.world.get(scene.processes[1], KEY, 0, FIND);
    let expected = if scene.removed {
        Err(Errno::ENOENT)
    } else {
        Ok(scene.id)
    };
    assert_eq!(found, expected);
    None
}

/// Whoever has it attached finds in it what was stored.
fn look(scene: &mut Scene) -> Option<Job> {
    if scene.attached[1] == Attached::Yes {
        assert_eq!(scene.world.load(scene.processes[1], Scene::place(1)), Ok(WORD));
    }
    None
}

#[test]
fn a_segment_is_found_until_it_is_removed_and_attached_until_nobody_has_it() {
    let owner: &[Act] = &[|s| s.remove(0), |s| s.detach(0)];
    let other: &[Act] = &[find, |s| s.attach(1), look, |s| s.detach(1)];
    in_every_order(|| Scene::with_full_segment(PAGES), &[owner, other], Scene::end);
}

#[test]
fn the_last_of_three_to_leave_takes_a_removed_segment_along() {
    let owner: &[Act] = &[|s| s.remove(0), |s| s.detach(0)];
    let one: &[Act] = &[|s| s.attach(1), |s| s.detach(1)];
    let another: &[Act] = &[|s| s.attach(2), |s| s.exit(2)];
    in_every_order(
        || Scene::with_full_segment(PAGES),
        &[owner, one, another],
        Scene::end,
    );
}

#[test]
fn its_owner_may_end_while_another_attaches_removes_and_ends() {
    let owner: &[Act] = &[|s| s.exit(0)];
    let other: &[Act] = &[|s| s.attach(1), |s| s.remove(1), |s| s.exit(1)];
    in_every_order(|| Scene::with_full_segment(PAGES), &[owner, other], Scene::end);
}

/// A new segment with the key of a removed one.
fn create_again(scene: &mut Scene) -> Option<Job> {
    let new = scene
        .world
        .get(scene.processes[0], KEY, PAGE, CREATE)
        .expect("its key is free");
    assert_ne!(new, scene.id);
    scene.world.remove(scene.processes[0], new).expect("it is there");
    None
}

#[test]
fn an_identifier_never_leads_to_the_next_segment_with_its_key() {
    let owner: &[Act] = &[|s| s.remove(0), create_again, |s| s.detach(0), create_again];
    let other: &[Act] = &[|s| s.attach(1), look, |s| s.detach(1)];
    in_every_order(|| Scene::with_full_segment(PAGES), &[owner, other], Scene::end);
}
