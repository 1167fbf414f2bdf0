//! Long work for a thread, a piece at a time: what is left, and who goes on, is found out while CPUs share the kernel.

use super::across_cpus::{
    FIRST, SECOND, begin_long_work, child_with, confine, runs_on, scene_on, serve_alerts, sleep,
};
use super::priorities::{HIGH, LOW, Scene};
use super::{world, world_on, write_pages};
use crate::WAY;
use abi::layout::PAGE_BYTES;
use abi::memory::Unmap;
use abi::process::{CountTicks, Exit, Fork, Kill, Pid, Sleep};
use abi::{CpuSet, Handle};
use kcore::Next;
use play::{SLICE, Way, World};

const INIT: u32 = 0;
const CHILD: u32 = 1;
/// Pages that take some pieces.
const MANY: u64 = 300;

/// How many pieces were noted without the whole kernel; the long way it is none.
fn noted(world: &mut World, act: impl FnOnce(&mut World)) -> usize {
    let before = world.noted;
    act(world);
    assert!(WAY == Way::Shorter || world.noted == 0);
    world.noted - before
}

/// The same, or that it was none the long way.
fn assert_noted(world: &mut World, times: usize, act: impl FnOnce(&mut World)) {
    let noted = noted(world, act);
    assert_eq!(noted, if WAY == Way::Shorter { times } else { 0 });
}

fn unmap(world: &mut World, address: u64) -> Next {
    let length = MANY * PAGE_BYTES;
    world.send(Handle::MEMORY, Unmap { address, length }, &[], &[])
}

/// `init`, which has touched many pages from there on, and a child, on the only CPU. Both have run.
fn two_on_one_cpu() -> (World, u64) {
    let mut world = world();
    let address = write_pages(&mut world, MANY);
    let (child, _) = world.create("child").expect("room");
    world.start(child);
    world.until(CHILD);
    world.until(INIT);
    (world, address)
}

#[test]
fn all_pieces_are_noted_and_who_has_asked_goes_on() {
    for cpus in [1, 2] {
        let mut world = world_on(cpus);
        let address = write_pages(&mut world, MANY);
        // The first piece is the request's.
        assert_noted(&mut world, 3, |world| {
            assert_eq!(unmap(world, address), Next::Run(INIT));
        });
        assert_eq!(world.answer::<Unmap>(), Ok(()));
    }
}

#[test]
fn the_last_piece_of_a_fork_and_of_an_end_takes_the_whole_kernel() {
    let mut world = world();
    write_pages(&mut world, MANY);
    let pieces_of_fork = noted(&mut world, |world| {
        world.send(Handle::SELF, Fork {}, &[], &[]);
    });
    assert!(world.answer::<Fork>().is_ok_and(|(pid,)| pid != Pid(0)));
    world.until(CHILD);
    let pieces_of_end = noted(&mut world, |world| {
        world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    });
    assert_eq!(world.running, Some(INIT));
    assert_eq!(world.kernel.population().processes, 2, "its handle names it");
    let expected = WAY == Way::Shorter;
    assert_eq!((pieces_of_fork > 1, pieces_of_end > 1), (expected, expected));
}

#[test]
fn work_takes_turns_with_others_and_each_is_charged_for_its_own() {
    let (mut world, address) = two_on_one_cpu();
    world.interleaved = true;
    assert!(matches!(unmap(&mut world, address), Next::Step(..)));
    for _ in 0..2 {
        assert_noted(&mut world, 1, |world| {
            assert_eq!(world.end_slice(), Next::Run(CHILD));
        });
        // As is what comes after it.
        world.kernel.platform.let_pass(3);
        assert!(matches!(world.end_slice(), Next::Step(..)));
    }
    world.interleaved = false;
    assert_noted(&mut world, 1, |world| {
        assert_eq!(world.run(), Next::Run(INIT));
    });
    assert_eq!(world.answer::<Unmap>(), Ok(()));
    assert_eq!(world.call(Handle::SELF, CountTicks {}), Ok((2 * SLICE,)));
    world.until(CHILD);
    assert_eq!(world.call(Handle::SELF, CountTicks {}), Ok((2 * (SLICE + 3),)));
}

#[test]
fn who_waits_until_some_time_goes_first_after_the_piece_in_which_that_comes() {
    let mut scene = scene_on(2);
    let worker = child_with(&mut scene, LOW, SECOND);
    let high = child_with(&mut scene, HIGH, SECOND);
    scene.world.turn_to(1);
    let deadline = scene.world.kernel.platform.now.get() + 5;
    scene.world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    assert_eq!(runs_on(&scene, 1), Some(worker));
    begin_long_work(&mut scene);
    assert_noted(&mut scene.world, 1, |world| {
        assert!(matches!(world.run(), Next::Again));
        assert!(matches!(world.run(), Next::Step(..)));
    });
    scene.world.kernel.platform.let_pass(5);
    assert_noted(&mut scene.world, 1, |world| {
        assert!(matches!(world.run(), Next::Again));
        assert_eq!(world.run(), Next::Run(high));
    });
    sleep(&mut scene);
    assert!(scene.world.kernel.platform.cpus[1].works);
    assert_noted(&mut scene.world, 1, |world| {
        world.interleaved = false;
        assert_eq!(world.run(), Next::Run(worker));
    });
    assert_eq!(scene.world.answer::<Unmap>(), Ok(()));
}

/// The second CPU works, and is prepared for nobody; an equal of who has asked for that waits there, and may run anywhere.
fn with_work_in_place_of_an_equal() -> (Scene, [u32; 2]) {
    let mut scene = scene_on(2);
    let [worker, equal] = [LOW, LOW].map(|priority| child_with(&mut scene, priority, SECOND));
    confine(&mut scene, equal, CpuSet::ALL);
    scene.world.turn_to(1);
    begin_long_work(&mut scene);
    assert_eq!(scene.pass(SLICE), equal);
    scene.world.kernel.platform.let_pass(SLICE);
    assert!(matches!(scene.world.look_up(), Next::Step(..)));
    assert_eq!(scene.world.kernel.platform.cpus[1].prepared, None);
    scene.world.turn_to(0);
    (scene, [worker, equal])
}

#[test]
fn who_makes_way_for_work_can_go_on_on_another_cpu() {
    let (mut scene, [worker, equal]) = with_work_in_place_of_an_equal();
    sleep(&mut scene);
    assert_eq!(runs_on(&scene, 0), Some(equal));
    scene.world.turn_to(1);
    scene.world.interleaved = false;
    assert_eq!(scene.world.run(), Next::Run(worker));
    assert_eq!(scene.world.answer::<Unmap>(), Ok(()));
}

#[test]
fn work_that_waits_is_done_by_a_cpu_that_has_nothing_to_do() {
    let (mut scene, [worker, _]) = with_work_in_place_of_an_equal();
    confine(&mut scene, worker, CpuSet::ALL);
    let high = child_with(&mut scene, HIGH, SECOND);
    assert_eq!(runs_on(&scene, 1), Some(high));
    confine(&mut scene, 2, SECOND);
    assert_noted(&mut scene.world, 0, |world| {
        let deadline = u64::MAX;
        world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    });
    assert!(scene.world.kernel.platform.cpus[0].works);
    scene.world.interleaved = false;
    scene.world.run();
    serve_alerts(&mut scene);
    assert_eq!(runs_on(&scene, 0), Some(worker));
    assert_eq!(scene.world.answer::<Unmap>(), Ok(()));
}

#[test]
fn whose_process_was_ended_meanwhile_leaves_when_its_work_is_done() {
    let mut scene = scene_on(2);
    child_with(&mut scene, LOW, SECOND);
    scene.world.turn_to(1);
    begin_long_work(&mut scene);
    scene.world.turn_to(0);
    scene.world.send(scene.children[0], Kill {}, &[], &[]);
    scene.world.turn_to(1);
    scene.world.interleaved = false;
    let pieces = noted(&mut scene.world, |world| {
        world.run();
    });
    assert_eq!(pieces > 0, WAY == Way::Shorter);
    serve_alerts(&mut scene);
    assert_eq!(scene.world.kernel.population().threads, 1);
    assert!((0..2).any(|cpu| runs_on(&scene, cpu) == Some(INIT)));
}

#[test]
fn work_where_its_thread_may_not_run_is_finished_there() {
    let mut scene = scene_on(2);
    let worker = child_with(&mut scene, LOW, SECOND);
    scene.world.turn_to(1);
    begin_long_work(&mut scene);
    scene.world.turn_to(0);
    confine(&mut scene, worker, FIRST);
    scene.world.turn_to(1);
    scene.world.interleaved = false;
    assert_noted(&mut scene.world, 3, |world| {
        world.run();
    });
    scene.world.turn_to(0);
    sleep(&mut scene);
    assert_eq!(runs_on(&scene, 0), Some(worker));
    assert_eq!(scene.world.answer::<Unmap>(), Ok(()));
}
