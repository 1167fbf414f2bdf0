//! CPUs that share the kernel exchange threads, with no turn but those of two of them.

use super::across_cpus::{FIRST, SECOND, THIRD, child_with, confine, runs_on, scene_on, serve_alerts, sleep};
use super::priorities::{HIGH, INIT, LOW, MIDDLE, Scene};
use crate::WAY;
use abi::process::{Kill, SetCpus, Sleep};
use abi::{CpuSet, Handle, Operation};
use kcore::Interrupt;
use play::{Way, World};

/// Whether who goes on was found out so often without the whole kernel; the long way it is never.
pub(super) fn finds_out(scene: &mut Scene, times: usize, act: impl FnOnce(&mut Scene)) {
    let before = scene.world.sought;
    act(scene);
    let times = if WAY == Way::Shorter { times } else { 0 };
    assert_eq!(scene.world.sought - before, times);
}

/// `init` runs on the first of two CPUs. On the second one somebody runs who stays there, and somebody less important, who has run
/// there and may run on these CPUs, waits.
fn with_somebody_who_waits(scene: &mut Scene, cpus: CpuSet) -> u32 {
    let waits = child_with(scene, MIDDLE, SECOND);
    confine(scene, waits, cpus.union(SECOND));
    let stays = child_with(scene, HIGH, SECOND);
    assert_eq!(runs_on(scene, 1), Some(stays));
    waits
}

#[test]
fn a_cpu_with_nothing_to_do_takes_who_waits_elsewhere() {
    let mut scene = scene_on(2);
    let waits = with_somebody_who_waits(&mut scene, FIRST);
    finds_out(&mut scene, 1, sleep);
    assert_eq!(runs_on(&scene, 0), Some(waits));
}

#[test]
fn a_cpu_with_nothing_to_do_does_not_take_who_may_not_run_there() {
    let mut scene = scene_on(2);
    with_somebody_who_waits(&mut scene, SECOND);
    finds_out(&mut scene, 1, sleep);
    assert!(scene.world.sleeps(0));
}

/// `init` waits until the first child signals something, on the second CPU. Whether that took a turn of this one.
fn waits_for_a_signal(scene: &mut Scene) -> bool {
    let before = scene.world.exchanges;
    let endpoint = scene.endpoint.raw().into();
    scene.world.trap(Operation::Receive as u64, endpoint, 0, [0; 6]);
    assert!(scene.world.sleeps(0));
    let has_asked = scene.world.exchanges > before;
    scene.world.turn_to(1);
    scene.signal();
    serve_alerts(scene);
    assert_eq!(runs_on(scene, 0), Some(INIT));
    has_asked
}

#[test]
fn who_may_not_run_elsewhere_brings_a_cpu_with_nothing_to_do_there_once() {
    let mut scene = scene_on(2);
    with_somebody_who_waits(&mut scene, SECOND);
    let has_asked = [(); 3].map(|()| waits_for_a_signal(&mut scene));
    assert_eq!(has_asked, [WAY == Way::Shorter, false, false]);
}

#[test]
fn who_begins_to_wait_where_somebody_waits_who_may_not_go_elsewhere_is_seen() {
    let mut scene = scene_on(2);
    with_somebody_who_waits(&mut scene, SECOND);
    waits_for_a_signal(&mut scene);
    let waits = child_with(&mut scene, LOW, SECOND);
    confine(&mut scene, waits, CpuSet::ALL);
    sleep(&mut scene);
    assert_eq!(runs_on(&scene, 0), Some(waits));
}

#[test]
fn a_cpu_takes_who_waits_elsewhere_before_it_goes_on_with_somebody_less_important() {
    let mut scene = scene_on(2);
    let request = SetCpus { cpus: FIRST };
    scene.world.call(Handle::SELF, request).expect("it runs");
    let low = child_with(&mut scene, LOW, FIRST);
    assert_eq!(scene.sleep(1), low);
    assert_eq!(scene.pass(1), INIT);
    let waits = with_somebody_who_waits(&mut scene, FIRST);
    finds_out(&mut scene, 1, sleep);
    assert_eq!(runs_on(&scene, 0), Some(waits));
    sleep(&mut scene);
    assert_eq!(runs_on(&scene, 0), Some(low));
}

#[test]
fn of_several_cpus_the_one_is_asked_where_the_most_important_waits() {
    let mut scene = scene_on(3);
    let [low, middle] = [(LOW, SECOND), (MIDDLE, THIRD)].map(|(priority, cpu)| {
        let waits = child_with(&mut scene, priority, cpu);
        confine(&mut scene, waits, cpu.union(FIRST));
        child_with(&mut scene, HIGH, cpu);
        waits
    });
    finds_out(&mut scene, 1, sleep);
    assert_eq!(runs_on(&scene, 0), Some(middle));
    finds_out(&mut scene, 1, sleep);
    assert_eq!(runs_on(&scene, 0), Some(low));
}

#[test]
fn who_was_interrupted_anywhere_goes_on_on_another_cpu_with_all_its_registers() {
    let mut scene = scene_on(2);
    let low = child_with(&mut scene, LOW, CpuSet::ALL);
    scene.world.turn_to(1);
    assert_eq!(scene.running(), low);
    for (n, register) in scene.world.registers().x.iter_mut().enumerate() {
        *register = 0x700 + n as u64;
    }
    let registers = *scene.world.registers();
    scene.world.turn_to(0);
    let high = child_with(&mut scene, HIGH, SECOND);
    assert_eq!(runs_on(&scene, 1), Some(high));
    finds_out(&mut scene, 1, sleep);
    assert_eq!(runs_on(&scene, 0), Some(low));
    assert_eq!(*scene.world.registers(), registers);
}

/// The first CPU has nothing to do. On the second one somebody runs who may run anywhere, and somebody more important, who may run on
/// these CPUs, sleeps for a tick. It is the second one's turn.
fn with_somebody_to_make_way(mut scene: Scene, cpus: CpuSet) -> (Scene, [u32; 2]) {
    let high = child_with(&mut scene, HIGH, SECOND);
    scene.world.turn_to(1);
    let deadline = scene.world.kernel.platform.now.get() + 1;
    scene.world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    scene.world.turn_to(0);
    confine(&mut scene, high, cpus);
    let low = child_with(&mut scene, LOW, SECOND);
    assert_eq!(runs_on(&scene, 1), Some(low));
    confine(&mut scene, low, CpuSet::ALL);
    sleep(&mut scene);
    assert!(scene.world.sleeps(0));
    scene.world.turn_to(1);
    (scene, [low, high])
}

#[test]
fn who_has_to_make_way_goes_to_a_cpu_with_nothing_to_do() {
    let (mut scene, [low, high]) = with_somebody_to_make_way(scene_on(2), SECOND);
    finds_out(&mut scene, 1, |scene| {
        scene.pass(1);
    });
    assert_eq!(runs_on(&scene, 1), Some(high));
    serve_alerts(&mut scene);
    assert_eq!(runs_on(&scene, 0), Some(low));
}

fn let_a_tick_pass(world: &mut World) {
    world.kernel.platform.let_pass(1);
    world.look_up();
}

#[test]
fn nobody_has_to_make_way_for_who_goes_to_a_cpu_with_nothing_to_do() {
    let (mut scene, [low, high]) = with_somebody_to_make_way(scene_on(2), CpuSet::ALL);
    // The world looks at what is shown meanwhile.
    finds_out(&mut scene, 1, |scene| {
        scene.world.meanwhile(let_a_tick_pass, |_| ())
    });
    serve_alerts(&mut scene);
    assert_eq!([0, 1].map(|cpu| runs_on(&scene, cpu)), [high, low].map(Some));
}

#[test]
fn who_was_to_go_to_a_cpu_with_nothing_to_do_stays_if_somebody_more_important_was_woken_there_before() {
    let mut scene = scene_on(3);
    let receives = child_with(&mut scene, HIGH + 1, FIRST);
    assert_eq!(scene.init_is_least(), receives);
    assert_eq!(scene.receive(), INIT);
    scene.set_priority(Handle::SELF, 200);
    let signals = child_with(&mut scene, LOW, THIRD);
    let (mut scene, [_, high]) = with_somebody_to_make_way(scene, CpuSet::ALL);
    scene.world.meanwhile(let_a_tick_pass, |world| {
        world.turn_to(2);
        assert_eq!(world.running, Some(signals));
        world.trap(Operation::Signal as u64, Handle::PARENT.raw().into(), 1, [0; 6]);
    });
    serve_alerts(&mut scene);
    assert_eq!([0, 1].map(|cpu| runs_on(&scene, cpu)), [receives, high].map(Some));
}

/// The second CPU is about to choose with the whole kernel, and prepared for the first child, which waits: the second one, whom
/// `init` ends and waits for, is to leave first. The first CPU sleeps.
fn with_registers_in_a_cpu() -> Scene {
    let mut scene = scene_on(2);
    let [owner, _] = [LOW, LOW].map(|priority| child_with(&mut scene, priority, SECOND));
    confine(&mut scene, owner, CpuSet::ALL);
    assert_eq!(runs_on(&scene, 1), Some(owner));
    let leaves = scene.children[1];
    scene.world.send(leaves, Kill {}, &[], &[]);
    scene.world.turn_to(1);
    scene.world.between = true;
    scene.world.look_up();
    scene.world.between = false;
    scene.world.turn_to(0);
    scene
}

#[test]
fn nobody_is_taken_whose_registers_are_in_another_cpu() {
    let mut scene = with_registers_in_a_cpu();
    if WAY == Way::Shorter {
        assert_eq!(scene.world.kernel.platform.cpus[1].prepared, Some(1));
        finds_out(&mut scene, 1, |scene| {
            scene.world.take(Interrupt::Alert);
        });
        assert!(scene.world.sleeps(0));
    }
    scene.world.give_turn(1);
    serve_alerts(&mut scene);
    assert_eq!(runs_on(&scene, 0), Some(1));
}

#[test]
fn who_was_woken_meanwhile_where_it_goes_on_at_once_does_not_go_elsewhere() {
    let mut scene = scene_on(4);
    let woken = child_with(&mut scene, HIGH, SECOND);
    scene.world.turn_to(1);
    scene
        .world
        .trap(Operation::Receive as u64, Handle::PARENT.raw().into(), 0, [0; 6]);
    scene.world.turn_to(0);
    let goes = child_with(&mut scene, LOW + 1, SECOND);
    scene.world.turn_to(1);
    let deadline = scene.world.kernel.platform.now.get() + 100;
    scene.world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    scene.world.turn_to(0);
    child_with(&mut scene, MIDDLE, SECOND);
    child_with(&mut scene, LOW, THIRD);
    child_with(&mut scene, LOW, CpuSet(0b1000));
    for child in [woken, goes] {
        confine(&mut scene, child, SECOND.union(THIRD));
    }
    scene.world.turn_to(1);
    let before = scene.world.exchanges;
    // This CPU is about to give the third one whose time has come, and gets somebody more important.
    finds_out(&mut scene, 1, |scene| {
        scene.world.meanwhile(
            |world| {
                world.kernel.platform.let_pass(100);
                world.look_up();
            },
            |world| {
                world.turn_to(3);
                world.trap(Operation::Signal as u64, Handle::PARENT.raw().into(), 1, [0; 6]);
            },
        );
    });
    let asked = if WAY == Way::Shorter { 2 } else { 0 };
    assert_eq!(
        scene.world.exchanges - before,
        asked,
        "nobody comes back from there"
    );
    serve_alerts(&mut scene);
    assert_eq!([1, 2].map(|cpu| runs_on(&scene, cpu)), [woken, goes].map(Some));
}

#[test]
fn nobody_is_called_to_another_cpu_whose_registers_are_in_its_own() {
    let mut scene = scene_on(3);
    let server = child_with(&mut scene, HIGH, SECOND);
    confine(&mut scene, server, CpuSet::ALL);
    child_with(&mut scene, LOW, SECOND);
    child_with(&mut scene, LOW, THIRD);
    let leaves = scene.children[1];
    scene.world.send(leaves, Kill {}, &[], &[]);
    scene.world.turn_to(1);
    let (receive, call) = (Operation::Receive as u64, Operation::Call as u64);
    let endpoint = Handle::PARENT.raw().into();
    // It leaves the CPU to somebody who is to leave, which takes the whole kernel once more.
    scene.world.meanwhile_each(
        |world| {
            world.trap(receive, endpoint, 0, [0; 6]);
        },
        &mut [&mut |_| (), &mut |world| {
            if WAY == Way::Shorter {
                assert_eq!(world.kernel.platform.cpus[1].prepared, Some(server));
            }
            world.turn_to(2);
            world.trap(call, endpoint, 0x900, [1; 6]);
        }],
    );
    serve_alerts(&mut scene);
    let cpu = (0..3).find(|&cpu| runs_on(&scene, cpu) == Some(server));
    scene.world.turn_to(cpu.expect("it has been called"));
    assert_eq!(scene.world.back().words, [1; 6]);
}
