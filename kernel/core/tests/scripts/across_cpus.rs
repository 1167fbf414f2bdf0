//! Whoever waits goes on where it can soonest, whichever CPU it waits for, and equals take turns.

use super::priorities::{HIGH, INIT, LOW, MIDDLE, Scene};
use abi::memory::{Map, Protection, Unmap};
use abi::process::{CreateThread, Exit, Priority, SetCpus, SetPriority, Sleep};
use abi::{CpuSet, Handle};
use addr::VirtAddr;
use mm::Access;
use play::SLICE;

pub(super) const FIRST: CpuSet = CpuSet(0b01);
pub(super) const SECOND: CpuSet = CpuSet(0b10);
pub(super) const THIRD: CpuSet = CpuSet(0b100);

/// `init` runs on the first of so many CPUs, and nobody is more important.
pub(super) fn scene_on(cpus: usize) -> Scene {
    let mut scene = Scene::on(cpus);
    scene.set_priority(Handle::SELF, 200);
    scene
}

/// Starts a child, and gives the CPUs that are told of it their turn.
pub(super) fn child_with(scene: &mut Scene, priority: u8, cpus: CpuSet) -> u32 {
    let child = scene.child_on(priority, cpus);
    serve_alerts(scene);
    child
}

/// Every CPU that has been told to looks around; it is the first CPU's turn then.
pub(super) fn serve_alerts(scene: &mut Scene) {
    let cpus = scene.world.cpus();
    for cpu in (0..2 * cpus).map(|turn| turn % cpus) {
        scene.world.turn_to(cpu);
        if scene.world.is_alerted() {
            scene.world.look_up();
        }
    }
    scene.world.turn_to(0);
}

pub(super) fn runs_on(scene: &Scene, cpu: usize) -> Option<u32> {
    scene.world.kernel.platform.cpus[cpu].running
}

pub(super) fn confine(scene: &mut Scene, child: u32, cpus: CpuSet) {
    let handle = scene.children[child as usize - 1];
    let request = SetCpus { cpus };
    scene.world.call(handle, request).expect("one of them runs");
    serve_alerts(scene);
}

/// The running thread sleeps, on a CPU that may have nobody else.
pub(super) fn sleep(scene: &mut Scene) {
    let deadline = u64::MAX;
    scene.world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
}

#[test]
fn who_waits_and_becomes_more_important_goes_where_somebody_less_important_runs() {
    let mut scene = scene_on(2);
    let low = child_with(&mut scene, LOW, CpuSet::ALL);
    let waits = child_with(&mut scene, 1, CpuSet::ALL);
    assert_eq!((runs_on(&scene, 0), runs_on(&scene, 1)), (Some(INIT), Some(low)));
    scene.set_priority(scene.children[1], MIDDLE);
    serve_alerts(&mut scene);
    assert_eq!(
        (runs_on(&scene, 0), runs_on(&scene, 1)),
        (Some(INIT), Some(waits))
    );
}

#[test]
fn who_runs_and_becomes_less_important_makes_way_for_somebody_who_waits_elsewhere() {
    let mut scene = scene_on(2);
    let high = child_with(&mut scene, HIGH, CpuSet::ALL);
    let middle = child_with(&mut scene, MIDDLE, CpuSet::ALL);
    assert_eq!(runs_on(&scene, 1), Some(high));
    scene.set_priority(scene.children[0], LOW);
    serve_alerts(&mut scene);
    assert_eq!(
        (runs_on(&scene, 0), runs_on(&scene, 1)),
        (Some(INIT), Some(middle))
    );
}

#[test]
fn who_makes_itself_less_important_makes_way_for_somebody_who_waits_elsewhere() {
    let mut scene = scene_on(2);
    child_with(&mut scene, HIGH, CpuSet::ALL);
    let middle = child_with(&mut scene, MIDDLE, CpuSet::ALL);
    scene.world.turn_to(1);
    let (priority, highest) = (Priority(LOW), Priority(LOW));
    let request = SetPriority { priority, highest };
    scene.world.send(Handle::SELF, request, &[], &[]);
    assert_eq!(
        (runs_on(&scene, 0), runs_on(&scene, 1)),
        (Some(INIT), Some(middle))
    );
}

#[test]
fn who_may_run_on_more_cpus_from_now_on_goes_to_one_that_sleeps() {
    let mut scene = scene_on(2);
    let child = child_with(&mut scene, LOW, FIRST);
    assert_eq!(runs_on(&scene, 1), None);
    confine(&mut scene, child, CpuSet::ALL);
    assert_eq!(
        (runs_on(&scene, 0), runs_on(&scene, 1)),
        (Some(INIT), Some(child))
    );
}

#[test]
fn a_cpu_takes_somebody_from_behind_more_important_ones_who_may_not_come() {
    let mut scene = scene_on(2);
    let busy = child_with(&mut scene, HIGH, SECOND);
    child_with(&mut scene, HIGH, SECOND);
    child_with(&mut scene, MIDDLE, FIRST);
    let low = child_with(&mut scene, LOW, CpuSet::ALL);
    assert_eq!(runs_on(&scene, 1), Some(busy));
    scene.world.turn_to(1);
    sleep(&mut scene);
    sleep(&mut scene);
    assert_eq!(runs_on(&scene, 1), Some(low));
}

/// The program that runs has mapped and touched many pages, and the kernel gives them back piece by piece from now on.
pub(super) fn begin_long_work(scene: &mut Scene) {
    let (address, length) = touch_many_pages(scene);
    scene.world.interleaved = true;
    scene
        .world
        .send(Handle::MEMORY, Unmap { address, length }, &[], &[]);
}

/// Where they are, and how many bytes.
fn touch_many_pages(scene: &mut Scene) -> (u64, u64) {
    let length = 300 * 4096;
    let map = Map::new(0, length, Protection::READ | Protection::WRITE);
    let (address,) = scene.world.call(Handle::MEMORY, map).expect("room");
    for page in 0..300 {
        let address = VirtAddr::new(address + page * 4096);
        scene.world.kernel().memory_fault(address, Access::Write);
    }
    scene.world.run();
    (address, length)
}

#[test]
fn the_kernels_work_for_a_thread_goes_where_that_may_run_from_now_on() {
    let mut scene = scene_on(3);
    let worker = child_with(&mut scene, LOW, SECOND);
    scene.world.turn_to(1);
    begin_long_work(&mut scene);
    scene.world.turn_to(0);
    let high = child_with(&mut scene, HIGH, SECOND);
    assert_eq!(runs_on(&scene, 1), Some(high));
    confine(&mut scene, worker, THIRD);
    assert!(scene.world.kernel.platform.cpus[2].works);
}

#[test]
fn who_may_not_run_any_more_where_the_kernel_works_for_it_goes_on_elsewhere_afterwards() {
    let mut scene = scene_on(3);
    let worker = child_with(&mut scene, LOW, SECOND);
    scene.world.turn_to(1);
    begin_long_work(&mut scene);
    scene.world.turn_to(0);
    confine(&mut scene, worker, THIRD);
    scene.world.turn_to(1);
    while scene.world.kernel.platform.cpus[1].works {
        scene.world.run();
    }
    serve_alerts(&mut scene);
    assert_eq!((runs_on(&scene, 1), runs_on(&scene, 2)), (None, Some(worker)));
}

/// The kernel works for somebody on the second CPU, which is prepared for nobody, and the first one sleeps. An equal waits
/// for the second CPU, and somebody more important sleeps there for so long after that.
fn with_work_that_may_go_elsewhere(ticks: u64) -> Scene {
    let mut scene = scene_on(2);
    let [worker, equal] = [LOW, LOW].map(|priority| child_with(&mut scene, priority, SECOND));
    child_with(&mut scene, HIGH, SECOND);
    scene.world.turn_to(1);
    let deadline = scene.world.kernel.platform.now.get() + 2 * SLICE + ticks;
    scene.world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    assert_eq!(runs_on(&scene, 1), Some(worker));
    begin_long_work(&mut scene);
    assert_eq!(scene.pass(SLICE), equal);
    scene.world.kernel.platform.let_pass(SLICE);
    scene.world.look_up();
    assert!(scene.world.kernel.platform.cpus[1].works);
    scene.world.turn_to(0);
    confine(&mut scene, worker, CpuSet::ALL);
    sleep(&mut scene);
    assert!(scene.world.sleeps(0), "nobody waits who may come");
    scene.world.turn_to(1);
    scene
}

#[test]
fn the_kernels_work_for_a_thread_goes_on_on_a_cpu_that_sleeps_when_its_time_slice_ends() {
    let mut scene = with_work_that_may_go_elsewhere(100 * SLICE);
    scene.world.end_slice();
    serve_alerts(&mut scene);
    assert!(scene.world.kernel.platform.cpus[0].works);
}

#[test]
fn the_kernels_work_for_a_thread_goes_on_on_a_cpu_that_sleeps_when_somebody_more_important_wakes() {
    let mut scene = with_work_that_may_go_elsewhere(1);
    scene.world.kernel.platform.let_pass(1);
    scene.world.look_up();
    assert_eq!(runs_on(&scene, 1), Some(3));
    serve_alerts(&mut scene);
    assert!(scene.world.kernel.platform.cpus[0].works);
}

#[test]
fn who_is_signalled_where_somebody_less_important_runs_goes_to_a_cpu_that_sleeps() {
    let mut scene = Scene::on(2);
    let server = child_with(&mut scene, HIGH, FIRST);
    let signals = child_with(&mut scene, MIDDLE, FIRST);
    assert_eq!(scene.init_is_least(), server);
    assert_eq!(scene.receive(), signals);
    serve_alerts(&mut scene);
    scene.world.turn_to(1);
    confine(&mut scene, server, CpuSet::ALL);
    scene.world.turn_to(1);
    sleep(&mut scene);
    scene.world.turn_to(0);
    assert_eq!(scene.signal(), signals);
    serve_alerts(&mut scene);
    assert_eq!(runs_on(&scene, 1), Some(server));
}

#[test]
fn who_waits_elsewhere_goes_on_before_less_important_ones_in_place_of_one_that_waits_for_a_message() {
    let mut scene = scene_on(2);
    let receives = child_with(&mut scene, HIGH, FIRST);
    child_with(&mut scene, HIGH, SECOND);
    child_with(&mut scene, LOW, FIRST);
    let middle = child_with(&mut scene, MIDDLE, SECOND);
    confine(&mut scene, middle, CpuSet::ALL);
    sleep(&mut scene);
    assert_eq!(scene.running(), receives);
    assert_eq!(scene.receive(), middle);
}

#[test]
fn a_cpu_takes_the_most_important_of_those_who_wait_elsewhere() {
    let mut scene = scene_on(3);
    for cpus in [SECOND, THIRD] {
        child_with(&mut scene, HIGH, cpus);
    }
    let middle = child_with(&mut scene, MIDDLE, SECOND);
    let low = child_with(&mut scene, LOW, THIRD);
    for waits in [middle, low] {
        confine(&mut scene, waits, CpuSet::ALL);
    }
    sleep(&mut scene);
    assert_eq!(runs_on(&scene, 0), Some(middle));
}

/// A server waits, the first CPU runs somebody less important, the second `init`, which is the least and whose turn it is.
fn with_waiting_server() -> (Scene, [u32; 2]) {
    let mut scene = Scene::on(2);
    let [server, middle] = [HIGH, MIDDLE].map(|priority| child_with(&mut scene, priority, FIRST));
    assert_eq!(scene.init_is_least(), server);
    assert_eq!(scene.receive(), middle);
    serve_alerts(&mut scene);
    let run = [0, 1].map(|cpu| runs_on(&scene, cpu));
    assert_eq!(run, [Some(middle), Some(INIT)]);
    scene.world.turn_to(1);
    (scene, [server, middle])
}

#[test]
fn who_wakes_somebody_more_important_goes_where_somebody_less_important_runs() {
    let (mut scene, [server, middle]) = with_waiting_server();
    confine(&mut scene, middle, CpuSet::ALL);
    scene.world.turn_to(0);
    assert_eq!(scene.signal(), server);
    serve_alerts(&mut scene);
    assert_eq!(
        (runs_on(&scene, 0), runs_on(&scene, 1)),
        (Some(server), Some(middle))
    );
}

#[test]
fn who_was_to_go_on_next_goes_elsewhere_when_who_runs_becomes_as_important() {
    let mut scene = Scene::on(2);
    let equal = child_with(&mut scene, 128, SECOND);
    let create = CreateThread {
        entry: 0x40_1000,
        stack: 0x9000,
        word: 0,
        pointer: 0,
    };
    scene.world.call(Handle::SELF, create).expect("room");
    serve_alerts(&mut scene);
    assert_eq!(
        (runs_on(&scene, 0), runs_on(&scene, 1)),
        (Some(INIT), Some(equal))
    );
    // First the other thread, which waits, becomes more important, and then the one that runs.
    scene.set_priority(Handle::SELF, 150);
    serve_alerts(&mut scene);
    assert_eq!((runs_on(&scene, 0), runs_on(&scene, 1)), (Some(INIT), Some(2)));
}

#[test]
fn who_was_to_go_on_next_goes_elsewhere_when_somebody_more_important_comes_before() {
    let mut scene = Scene::on(2);
    scene.set_priority(Handle::SELF, LOW);
    let [_, middle, high] = [1; 3].map(|priority| child_with(&mut scene, priority, SECOND));
    confine(&mut scene, middle, CpuSet::ALL);
    scene.set_priority(scene.children[1], MIDDLE);
    scene.set_priority(scene.children[2], HIGH);
    serve_alerts(&mut scene);
    assert_eq!(
        (runs_on(&scene, 0), runs_on(&scene, 1)),
        (Some(middle), Some(high))
    );
}

#[test]
fn who_waits_elsewhere_goes_on_in_place_of_one_that_was_to_be_next_and_is_less_important_now() {
    let mut scene = Scene::on(2);
    scene.set_priority(Handle::SELF, HIGH);
    let ends = child_with(&mut scene, LOW, SECOND);
    child_with(&mut scene, HIGH, SECOND);
    child_with(&mut scene, 1, SECOND);
    scene.world.turn_to(1);
    assert_eq!(scene.sleep(SLICE / 2), ends);
    touch_many_pages(&mut scene);
    scene.world.turn_to(0);
    let waits = child_with(&mut scene, 1, FIRST);
    confine(&mut scene, waits, CpuSet::ALL);
    scene.world.turn_to(1);
    // The time comes between two pieces of the kernel's work for the one that ends.
    scene.world.interleaved = true;
    scene.world.kernel.platform.let_pass(SLICE / 2);
    scene.world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    scene.world.run();
    scene.world.turn_to(0);
    scene.set_priority(scene.children[3], MIDDLE);
    scene.set_priority(scene.children[1], 1);
    scene.world.turn_to(1);
    scene.world.run();
    assert_eq!(runs_on(&scene, 1), Some(waits));
}

#[test]
fn who_runs_goes_to_another_cpu_when_the_kernel_has_somebody_more_importants_work_to_do_in_its_place() {
    let mut scene = scene_on(3);
    let worker = child_with(&mut scene, HIGH, SECOND);
    scene.world.turn_to(1);
    begin_long_work(&mut scene);
    scene.world.turn_to(0);
    // It makes way for somebody in the middle of its work, who is not important for long.
    scene.set_priority(scene.children[0], 1);
    let low = child_with(&mut scene, LOW, SECOND);
    assert_eq!(runs_on(&scene, 1), Some(low), "{worker} waits");
    scene.set_priority(scene.children[0], HIGH);
    serve_alerts(&mut scene);
    assert!(scene.world.kernel.platform.cpus[1].works);
    confine(&mut scene, low, THIRD);
    assert_eq!(runs_on(&scene, 2), Some(low));
}

#[test]
fn who_waits_for_somebody_more_important_takes_turns_with_an_equal_elsewhere_after_a_time_slice() {
    let mut scene = scene_on(2);
    let runs = child_with(&mut scene, LOW, CpuSet::ALL);
    let waits = child_with(&mut scene, LOW, CpuSet::ALL);
    let also_waits = child_with(&mut scene, LOW, CpuSet::ALL);
    assert_eq!((runs_on(&scene, 0), runs_on(&scene, 1)), (Some(INIT), Some(runs)));
    for _ in 0..2 {
        scene.pass(SLICE);
        serve_alerts(&mut scene);
        assert_eq!(runs_on(&scene, 0), Some(INIT));
    }
    let mut turns = Vec::new();
    for _ in 0..3 {
        scene.world.turn_to(1);
        turns.push(scene.pass(SLICE));
    }
    turns.sort_unstable();
    assert_eq!(turns, [runs, waits, also_waits]);
}

#[test]
fn who_waits_for_somebody_more_important_stays_where_all_others_are_more_important() {
    let mut scene = scene_on(2);
    let high = child_with(&mut scene, HIGH, CpuSet::ALL);
    child_with(&mut scene, LOW, CpuSet::ALL);
    scene.pass(SLICE);
    scene.world.turn_to(1);
    assert!(!scene.world.is_alerted());
    assert_eq!(scene.pass(SLICE), high);
}

/// Somebody who may not come waits for the other CPU, more important than all on this one.
fn with_confined_neighbours() -> Scene {
    let mut scene = Scene::on(2);
    for priority in [HIGH, MIDDLE] {
        child_with(&mut scene, priority, SECOND);
    }
    scene.set_priority(Handle::SELF, 1);
    scene
}

#[test]
fn who_yields_to_an_equal_sees_that_no_other_cpu_would_go_on_with_it() {
    for cpus in [CpuSet::ALL, FIRST] {
        let mut scene = with_confined_neighbours();
        child_with(&mut scene, 1, cpus);
        let before = scene.world.direct;
        for turn in [3, INIT, 3] {
            scene.world.yield_now();
            assert_eq!(scene.running(), turn);
        }
        let is_shorter = crate::WAY == play::Way::Shorter;
        assert_eq!(scene.world.direct - before, if is_shorter { 3 } else { 0 });
    }
}

#[test]
fn who_yields_to_nobody_goes_on_at_once() {
    for cpus in [1, 2] {
        let mut scene = scene_on(cpus);
        child_with(&mut scene, LOW, FIRST);
        let before = scene.world.direct;
        scene.world.yield_now();
        assert_eq!(scene.running(), INIT);
        let is_shorter = crate::WAY == play::Way::Shorter;
        assert_eq!(scene.world.direct - before, usize::from(is_shorter));
    }
}

#[test]
fn who_has_woken_somebody_and_may_not_stay_goes_elsewhere_only_when_its_registers_are_stored() {
    let (mut scene, [server, middle]) = with_waiting_server();
    scene.set_priority(Handle::SELF, MIDDLE);
    scene
        .world
        .call(Handle::SELF, SetCpus { cpus: SECOND })
        .expect("runs");
    serve_alerts(&mut scene);
    scene.world.turn_to(1);
    let handle = scene.children[middle as usize - 1];
    scene.world.call(handle, SetCpus { cpus: SECOND }).expect("runs");
    scene.world.turn_to(0);
    // The world looks at whose home it is before it stores the rest.
    assert_eq!(scene.signal(), server);
    serve_alerts(&mut scene);
    assert_eq!(home_of(&scene, middle), Some(1));
}

#[test]
fn who_yields_where_it_may_not_run_any_more_does_not_wait_there() {
    let mut scene = scene_on(2);
    let [first, second] = [SECOND; 2].map(|cpus| child_with(&mut scene, LOW, cpus));
    confine(&mut scene, second, CpuSet::ALL);
    scene.world.turn_to(1);
    // Both have run, so the CPU need not be prepared anew for the one that goes on.
    for _ in 0..2 {
        scene.world.yield_now();
    }
    serve_alerts(&mut scene);
    assert_eq!(runs_on(&scene, 1), Some(first));
    let handle = scene.children[first as usize - 1];
    scene.world.call(handle, SetCpus { cpus: FIRST }).expect("runs");
    scene.world.turn_to(1);
    scene.world.yield_now();
    assert_eq!(runs_on(&scene, 1), Some(second));
    assert_eq!(home_of(&scene, first), Some(0));
}

/// The CPU that a thread is at home on.
fn home_of(scene: &Scene, index: u32) -> Option<usize> {
    let mut threads = scene.world.kernel.threads();
    let found = threads.find(|(id, _)| id.index() == index);
    found.map(|(_, thread)| thread.home.index())
}
