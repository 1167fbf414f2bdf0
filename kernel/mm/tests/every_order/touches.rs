//! First touches of one page: a program tries, faults, is served, and tries again, and others come in between.

use super::scene::{Act, Scene, in_every_order};
use crate::common::PAGE;
use abi::memory::Protection;
use addr::VirtAddr;
use mm::{Access, Job};

fn attached_by_two() -> Scene {
    let mut scene = Scene::with_segment(3);
    scene.attach(0);
    scene.attach(1);
    scene
}

/// It stores, or faults and is served in its next turn.
macro_rules! storing {
    ($number:literal, $value:literal) => {
        &[
            |s| nothing(s.try_store($number, $value)),
            |s| s.serve($number, Access::Write),
            |s| {
                assert!(s.try_store($number, $value), "it was served");
                None
            },
        ]
    };
}

fn nothing<T>(_: T) -> Option<Job> {
    None
}

fn pages_in_memory(scene: &mut Scene) -> u64 {
    let root = scene.world.root;
    scene.world.totals(root).1.shm_rss
}

#[test]
fn two_that_store_into_a_fresh_page_meet_in_one_frame() {
    let one: &[Act] = storing!(0, 11);
    let other: &[Act] = storing!(1, 12);
    in_every_order(attached_by_two, &[one, other], |mut scene| {
        let seen = [0, 1].map(|number| scene.try_load(number));
        assert!(seen == [Some(11); 2] || seen == [Some(12); 2], "{seen:?}");
        assert_eq!(pages_in_memory(&mut scene), 1);
        scene.end();
    });
}

/// A fresh page is zero, or has what the other has stored.
fn look(scene: &mut Scene) -> Option<Job> {
    let seen = scene.try_load(1);
    assert!(matches!(seen, Some(0 | 11)), "{seen:?}");
    None
}

#[test]
fn one_that_loads_from_a_fresh_page_finds_zero_or_what_another_has_stored() {
    let one: &[Act] = storing!(0, 11);
    let other: &[Act] = &[|s| nothing(s.try_load(1)), |s| s.serve(1, Access::Read), look];
    let third: &[Act] = &[|s| s.attach(2), |s| s.serve(2, Access::Read)];
    in_every_order(attached_by_two, &[one, other, third], |mut scene| {
        assert_eq!([0, 1].map(|number| scene.try_load(number)), [Some(11); 2]);
        assert_eq!(pages_in_memory(&mut scene), 1);
        scene.end();
    });
}

#[test]
fn a_page_that_is_touched_while_others_leave_goes_when_the_last_one_does() {
    let one: &[Act] = &[
        |s| nothing(s.try_store(0, 11)),
        |s| s.serve(0, Access::Write),
        |s| {
            assert!(s.try_store(0, 11), "it was served");
            None
        },
        |s| s.detach(0),
    ];
    let other: &[Act] = &[|s| s.serve(1, Access::Write), |s| s.remove(1), |s| s.detach(1)];
    in_every_order(attached_by_two, &[one, other], Scene::end);
}

/// Process 0 has a private page, and processes 1 and 2 are copies of it.
fn copied_page() -> Scene {
    let mut scene = Scene::with_segment(1);
    let [original, ..] = scene.processes;
    let place = Scene::place(0);
    scene
        .world
        .map(original, place, PAGE, Protection::READ | Protection::WRITE)
        .expect("free");
    scene.world.store(original, place, 10).expect("mapped");
    for number in [1, 2] {
        scene.world.exit(scene.processes[number]);
        scene.processes[number] = scene.world.fork(original).expect("room");
    }
    scene
}

/// Stores into the copied page: it is at the same place in all.
fn store(scene: &mut Scene, number: usize) -> bool {
    let place = VirtAddr::new(Scene::place(0));
    let (machine, space) = scene
        .world
        .mm
        .mmu_space_mut(scene.processes[number])
        .expect("alive");
    machine.write_u64(space, place, 10 + number as u64).is_ok()
}

fn serve(scene: &mut Scene, number: usize) -> Option<Job> {
    let place = VirtAddr::new(Scene::place(0));
    let served = scene
        .world
        .mm
        .fault(scene.processes[number], place, Access::Write);
    assert_eq!(served, Ok(()));
    None
}

fn store_and_look(scene: &mut Scene, number: usize) -> Option<Job> {
    assert!(store(scene, number), "it was served");
    let seen = scene.world.load(scene.processes[number], Scene::place(0));
    assert_eq!(seen, Ok(10 + number as u64));
    None
}

#[test]
fn whoever_stores_into_a_copied_page_first_everyone_has_their_own() {
    let original: &[Act] = &[
        |s| nothing(store(s, 0)),
        |s| serve(s, 0),
        |s| store_and_look(s, 0),
    ];
    let copy: &[Act] = &[
        |s| nothing(store(s, 1)),
        |s| serve(s, 1),
        |s| store_and_look(s, 1),
    ];
    let third: &[Act] = &[|s| s.exit(2)];
    in_every_order(copied_page, &[original, copy, third], |mut scene| {
        let seen = [0, 1].map(|number| scene.world.load(scene.processes[number], Scene::place(0)));
        assert_eq!(seen, [Ok(10), Ok(11)]);
        scene.end();
    });
}
