//! Instructions that wait trap, and let others run, while CPUs share the kernel.

use super::across_cpus::{FIRST, SECOND, child_with, runs_on, scene_on, serve_alerts, sleep};
use super::cpus::{CHILD, INIT, side_by_side};
use super::exchange::finds_out;
use super::priorities::LOW;
use super::sharing::{assert_direct, is_direct};
use super::world;
use abi::process::{Kill, SetCpus};
use kcore::Next;

#[test]
fn who_waits_by_an_instruction_takes_turns_with_its_equals() {
    let mut world = world();
    assert_direct(&mut world, |world| {
        assert_eq!(world.wait_by_instruction(), Next::Run(INIT));
    });
    let (child, _) = world.create("child").expect("room");
    world.start(child);
    world.until(CHILD);
    world.until(INIT);
    for goes_on in [CHILD, INIT, CHILD] {
        assert_direct(&mut world, |world| {
            assert_eq!(world.wait_by_instruction(), Next::Run(goes_on));
        });
    }
}

#[test]
fn who_waits_by_an_instruction_goes_to_a_cpu_with_nothing_to_do() {
    let mut scene = scene_on(2);
    let [one, other] = [LOW, LOW].map(|priority| child_with(&mut scene, priority, SECOND));
    scene.world.turn_to(1);
    assert_eq!(scene.world.wait_by_instruction(), Next::Run(other));
    assert_eq!(scene.world.wait_by_instruction(), Next::Run(one));
    scene.world.turn_to(0);
    let request = SetCpus {
        cpus: FIRST.union(SECOND),
    };
    scene.world.call(scene.children[0], request).expect("both run");
    sleep(&mut scene);
    scene.world.turn_to(1);
    finds_out(&mut scene, 1, |scene| {
        assert_eq!(scene.world.wait_by_instruction(), Next::Run(other));
    });
    serve_alerts(&mut scene);
    assert_eq!((runs_on(&scene, 0), runs_on(&scene, 1)), (Some(one), Some(other)));
}

#[test]
fn who_may_not_run_there_any_more_takes_the_whole_kernel_to_wait() {
    let mut scene = scene_on(2);
    let child = child_with(&mut scene, LOW, SECOND);
    let request = SetCpus { cpus: FIRST };
    scene
        .world
        .call(scene.children[0], request)
        .expect("one of them runs");
    scene.world.turn_to(1);
    assert!(!is_direct(&mut scene.world, |world| {
        assert_eq!(world.wait_by_instruction(), Next::Idle);
    }));
    scene.world.turn_to(0);
    sleep(&mut scene);
    assert_eq!(runs_on(&scene, 0), Some(child));
}

#[test]
fn who_was_ended_on_its_way_to_wait_leaves() {
    let (mut world, _, child) = side_by_side();
    world.turn_to(0);
    world.send(child, Kill {}, &[], &[]);
    world.turn_to(1);
    assert_eq!(world.running, Some(CHILD));
    assert!(!is_direct(&mut world, |world| {
        world.wait_by_instruction();
    }));
    assert_eq!(world.kernel.population().threads, 1);
}
