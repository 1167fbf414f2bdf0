//! Interrupts that are served while CPUs share the kernel: time slices, deadlines, alerts and devices.

use super::cpus::{CHILD, ENDPOINT, INIT, receive, runs_on, side_by_side, start_child};
use super::sharing::{assert_direct, signal, with_a_waiting_server};
use super::world;
use crate::WAY;
use abi::device::Listen;
use abi::process::{SetCpus, Sleep};
use abi::system::OpenDevice;
use abi::{CpuSet, Handle, IpcError, Operation};
use kcore::Interrupt;
use play::{SLICE, TICKS, Way, World};

/// Who runs waits at the endpoint until this time at most.
fn receive_until(world: &mut World, endpoint: Handle, deadline: u64) {
    world.registers().x[9] = deadline;
    let operation = Operation::Receive as u64 | Operation::UNTIL;
    world.trap(operation, endpoint.raw().into(), 0, [0; 6]);
}

/// The counter is at `time`; the CPU takes the interrupts that wait.
fn at(world: &mut World, time: u64) {
    world.kernel.platform.now.set(time);
    world.look_up();
}

/// `init` and its child, on the only CPU; `init` runs.
fn two_on_one_cpu() -> World {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    world.start(child);
    world
}

#[test]
fn a_time_slice_ends_and_the_next_one_goes_on() {
    let mut world = two_on_one_cpu();
    // Each is in its address space for the first time, which takes the whole kernel.
    world.end_slice();
    world.end_slice();
    for runs in [CHILD, INIT] {
        assert_direct(&mut world, |world| {
            world.end_slice();
        });
        assert_eq!(runs_on(&world, 0), Some(runs));
    }
}

#[test]
fn a_sleeper_goes_on_while_cpus_share_the_kernel() {
    let mut world = two_on_one_cpu();
    world.end_slice();
    world.end_slice();
    let deadline = TICKS + 100 * SLICE;
    world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    assert_eq!(runs_on(&world, 0), Some(CHILD));
    assert_direct(&mut world, |world| at(world, deadline));
    // It waits behind its equal.
    assert_direct(&mut world, |world| {
        world.end_slice();
    });
    assert_eq!(world.answer::<Sleep>(), Ok(()));
}

#[test]
fn who_receives_until_a_time_goes_on_then_on_a_cpu_that_sleeps() {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    receive_until(&mut world, endpoint, TICKS + 10 * SLICE);
    assert!(world.sleeps(0));
    assert_direct(&mut world, |world| at(world, TICKS + 10 * SLICE));
    assert_eq!(runs_on(&world, 0), Some(INIT));
    assert_eq!(world.back().outcome, Some(IpcError::TimedOut));
    // And what comes later finds nobody there.
    world.turn_to(1);
    signal(&mut world);
    assert_eq!(runs_on(&world, 1), Some(CHILD));
    world.turn_to(0);
    receive(&mut world, endpoint);
    assert_eq!(world.back().words[0], 0b100);
}

/// `init` runs on the first of two CPUs. Its child, at home on the second one, whose turn it is, waits until then for `init` to
/// receive its call.
fn with_a_caller_until(deadline: u64) -> (World, Handle) {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(1);
    world.registers().x[9] = deadline;
    let operation = Operation::Call as u64 | Operation::UNTIL;
    assert_direct(&mut world, |world| {
        world.trap(operation, ENDPOINT.raw().into(), 7, [0; 6]);
    });
    assert_eq!(runs_on(&world, 1), None);
    (world, endpoint)
}

#[test]
fn a_call_that_nobody_has_received_is_given_up_and_not_received_later() {
    let (mut world, endpoint) = with_a_caller_until(TICKS + 10 * SLICE);
    assert_direct(&mut world, |world| at(world, TICKS + 10 * SLICE));
    assert_eq!(runs_on(&world, 1), Some(CHILD));
    assert_eq!(world.back().outcome, Some(IpcError::TimedOut));
    world.turn_to(0);
    receive_until(&mut world, endpoint, 0);
    assert_eq!(world.back().outcome, Some(IpcError::TimedOut));
}

#[test]
fn who_is_alerted_in_vain_goes_on_while_cpus_share_the_kernel() {
    let (mut world, ..) = side_by_side();
    for cpu in [0, 1] {
        world.turn_to(cpu);
        let runs = world.running;
        assert_direct(&mut world, |world| {
            world.take(Interrupt::Alert);
        });
        assert_eq!(runs_on(&world, cpu), runs);
    }
}

#[test]
fn a_cpu_that_sleeps_and_is_alerted_in_vain_sleeps_on() {
    let (mut world, _) = with_a_waiting_server();
    world.turn_to(0);
    assert_direct(&mut world, |world| {
        world.take(Interrupt::Alert);
    });
    assert!(world.sleeps(0));
}

#[test]
fn a_cpu_that_sleeps_goes_on_with_who_was_signalled() {
    let (mut world, _) = with_a_waiting_server();
    signal(&mut world);
    world.turn_to(0);
    assert_direct(&mut world, |world| {
        world.look_up();
    });
    assert_eq!(runs_on(&world, 0), Some(INIT));
}

/// `init`, at home on the first CPU, listens to the device at the endpoint.
fn with_a_driver() -> (World, Handle) {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    world
        .call(Handle::PARENT, OpenDevice { number: 0 })
        .expect("there is one");
    let device = world.handles()[0];
    let listens = world.call_with(device, Listen {}, &[], &[endpoint]);
    assert_eq!(listens, Ok(()));
    (world, endpoint)
}

#[test]
fn a_device_wakes_its_driver_here() {
    let (mut world, endpoint) = with_a_driver();
    receive(&mut world, endpoint);
    assert!(world.sleeps(0));
    assert_direct(&mut world, |world| {
        world.device_interrupt();
    });
    assert_eq!(runs_on(&world, 0), Some(INIT));
    assert_eq!(world.back().words[0], 1);
}

#[test]
fn a_device_wakes_its_driver_on_another_cpu_with_that_ones_turn() {
    let (mut world, endpoint) = with_a_driver();
    receive(&mut world, endpoint);
    world.turn_to(1);
    assert_direct(&mut world, |world| {
        world.device_interrupt();
    });
    assert_eq!((runs_on(&world, 0), runs_on(&world, 1)), (None, Some(CHILD)));
    world.turn_to(0);
    world.look_up();
    assert_eq!(runs_on(&world, 0), Some(INIT));
    assert_eq!(world.back().words[0], 1);
}

#[test]
fn a_device_wakes_its_driver_on_a_cpu_with_nothing_to_do_with_that_ones_turn() {
    let (mut world, endpoint) = with_a_driver();
    start_child(&mut world, endpoint);
    receive(&mut world, endpoint);
    let other = runs_on(&world, 0);
    assert!(other.is_some());
    world.turn_to(1);
    receive(&mut world, ENDPOINT);
    assert!(world.sleeps(1));
    world.turn_to(0);
    let before = world.sought;
    world.device_interrupt();
    assert_eq!(world.sought > before, WAY == Way::Shorter);
    assert_eq!(runs_on(&world, 0), other);
    world.turn_to(1);
    world.look_up();
    assert_eq!(runs_on(&world, 1), Some(INIT));
    assert_eq!(world.back().words[0], 1);
}

#[test]
fn a_device_wakes_a_driver_that_waits_until_some_time_on_another_cpu_and_that_time_does_not_come() {
    let (mut world, endpoint) = with_a_driver();
    receive_until(&mut world, endpoint, TICKS + 10 * SLICE);
    world.turn_to(1);
    assert_direct(&mut world, |world| {
        assert!(world.device_interrupt().is_some());
    });
    world.turn_to(0);
    world.look_up();
    assert_eq!(runs_on(&world, 0), Some(INIT));
    assert_eq!(world.back().words[0], 1);
    at(&mut world, TICKS + 20 * SLICE);
    assert_eq!((world.back().outcome, world.back().words[0]), (None, 1));
}

#[test]
fn what_a_device_signals_while_its_driver_works_waits_for_it() {
    let (mut world, endpoint) = with_a_driver();
    assert_direct(&mut world, |world| {
        world.device_interrupt();
    });
    receive(&mut world, endpoint);
    assert_eq!(world.back().words[0], 1);
}

#[test]
fn an_interrupt_that_was_taken_is_served_although_others_have_the_kernel_before() {
    let (mut world, endpoint) = with_a_caller_until(TICKS + 10 * SLICE);
    world.turn_to(0);
    receive(&mut world, endpoint);
    assert_eq!(world.back().outcome, None);
    world.turn_to(1);
    // It waits for a thread of another CPU.
    world.between = true;
    at(&mut world, TICKS + 10 * SLICE);
    let is_left = world.kernel.platform.cpus[1].left.is_some();
    assert_eq!(is_left, WAY == Way::Shorter);
    world.turn_to(0);
    world.yield_now();
    world.turn_to(1);
    world.run();
    assert_eq!(runs_on(&world, 1), Some(CHILD));
    assert_eq!(world.back().outcome, Some(IpcError::TimedOut));
}

/// The CPU that the thread with this index has as its home.
fn home_of(world: &World, index: u32) -> usize {
    let mut threads = world.kernel.threads();
    let (_, thread) = threads.find(|(id, _)| id.index() == index).expect("it lives");
    thread.home.index()
}

#[test]
fn who_may_not_run_there_any_more_does_not_wait_there_when_its_slice_ends() {
    const OTHER: u32 = 2;
    let (mut world, _, child) = side_by_side();
    let (other, _) = world.create("other").expect("room");
    world.start(other);
    let cpus = CpuSet(0b10);
    world.call(other, SetCpus { cpus }).expect("it may");
    assert_eq!(home_of(&world, OTHER), 1, "it waits behind the child");
    // Each has been in its address space there.
    world.end_slice();
    world.end_slice();
    world.turn_to(0);
    let cpus = CpuSet(0b01);
    world.call(child, SetCpus { cpus }).expect("it may");
    world.turn_to(1);
    assert_eq!(world.running, Some(CHILD));
    // The timer comes before the alert.
    let alert = core::mem::take(&mut world.kernel.platform.cpus[1].interrupts);
    world.end_slice();
    world.kernel.platform.cpus[1].interrupts = alert;
    world.look_up();
    assert_eq!((runs_on(&world, 1), home_of(&world, CHILD)), (Some(OTHER), 0));
}

#[test]
fn a_timer_that_comes_once_more_as_it_is_served_is_set_anew() {
    let mut world = two_on_one_cpu();
    let deadline = TICKS + 10 * SLICE;
    world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    assert_eq!(world.running, Some(CHILD));
    world.kernel.platform.now.set(deadline);
    world.kernel.platform.cpus[0].timer = None;
    world.kernel.platform.cpus[0]
        .interrupts
        .push_back(Interrupt::Timer);
    world.kernel.serve_interrupts(Interrupt::Timer);
    assert!(
        world.kernel.platform.cpus[0].timer.is_some(),
        "two take turns from now on"
    );
}
