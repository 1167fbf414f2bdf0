//! Faults that are told while CPUs share the kernel, and those that the whole kernel tells in the same way.

use super::{BADGE, CHILD, CREATE_THREAD, HANDLER, NOWHERE, Scene, VirtAddr};
use crate::WAY;
use crate::scripts::{world_on, write_pages};
use abi::fault::{FaultAccess, Resolve};
use abi::layout::PAGE_BYTES;
use abi::memory::{Map, MapFlags, Protection, ShmAttach, ShmGet};
use abi::process::{Close, FaultKind, HandleFaults, Kill, Pid, Priority, SetCpus, SetPriority};
use abi::shm::{AttachFlags, GetFlags, ShmKey};
use abi::{Arrival, CpuSet, Handle, Label, Operation, Words};
use kcore::fault::Fault;
use kcore::ipc::Direct;
use kcore::thread::State;
use mm::Access;
use play::Way;

impl Scene {
    /// The child runs, and the handler waits.
    fn with_a_waiting_handler() -> Self {
        let mut scene = Self::new();
        scene.receive();
        scene.world.until(CHILD);
        scene
    }

    /// The same on two CPUs: the handler waits where nobody runs, the child runs on the second, whose turn it is.
    fn side_by_side() -> Self {
        let mut scene = Self::on(world_on(2));
        scene.world.give_turn(1);
        assert_eq!(scene.world.running, Some(CHILD));
        scene.world.turn_to(0);
        scene.receive();
        scene.world.turn_to(1);
        scene
    }

    /// Whether what is done is served while CPUs share the kernel.
    fn is_direct(&mut self, act: impl FnOnce(&mut Self)) -> bool {
        let before = self.world.direct;
        act(self);
        self.world.direct > before
    }

    /// What is done is a fault that is told while CPUs share the kernel, if faults come so.
    fn assert_told_directly(&mut self, act: impl FnOnce(&mut Self)) {
        assert_eq!(self.is_direct(act), WAY == Way::Shorter);
    }

    /// The child faults, which takes the whole kernel.
    fn assert_told_at_length(&mut self) {
        self.world.until(CHILD);
        assert!(!self.is_direct(|scene| scene.fault(CHILD)));
    }

    fn home_of(&self, index: u32) -> Option<usize> {
        let mut threads = self.world.kernel.threads();
        let found = threads.find(|(id, _)| id.index() == index);
        found.map(|(_, thread)| thread.home.index())
    }

    fn priority_of(&self, index: u32) -> Priority {
        let mut threads = self.world.kernel.threads();
        let found = threads.find(|(id, _)| id.index() == index);
        found.expect("it is there").1.priority
    }

    fn set_priority(&mut self, process: Handle, priority: u8) {
        let (priority, highest) = (Priority(priority), Priority(200));
        let set = SetPriority { priority, highest };
        self.world.send(process, set, &[], &[]);
    }

    fn confine(&mut self, process: Handle, cpus: CpuSet) {
        self.world.send(process, SetCpus { cpus }, &[], &[]);
    }

    fn runs_on(&self, cpu: usize) -> Option<u32> {
        self.world.kernel.platform.cpus[cpu].running
    }

    /// What whoever runs has received.
    fn received_here(&mut self) -> Resolve {
        let back = self.world.back();
        let head = (back.outcome, back.tag.arrival(), back.badge);
        assert_eq!(head, (None, Arrival::Fault, BADGE.0));
        Resolve::from_words(&back.words).expect("a good fault")
    }
}

#[test]
fn a_handler_that_waits_goes_on_in_the_place_of_who_has_faulted() {
    let mut scene = Scene::with_a_waiting_handler();
    scene.assert_told_directly(|scene| scene.fault(CHILD));
    assert_eq!(scene.world.running, Some(HANDLER));
    assert!(matches!(scene.state(CHILD), Some(State::Faulted { .. })));
    scene.operate(Operation::ReplyReceive, scene.endpoint, Label::DONE);
    scene.assert_untouched(CHILD);
    scene.assert_told_directly(|scene| scene.fault(CHILD));
}

#[test]
fn each_access_is_told_with_what_the_memory_manager_says() {
    let mut scene = Scene::with_a_waiting_handler();
    let page = write_pages(&mut scene.world, 1);
    for (address, access, kind, told) in [
        (NOWHERE, Access::Read, FaultKind::Unmapped, FaultAccess::Read),
        (NOWHERE, Access::Write, FaultKind::Unmapped, FaultAccess::Write),
        (
            page,
            Access::Execute,
            FaultKind::NotPermitted,
            FaultAccess::Execute,
        ),
    ] {
        scene.world.until(CHILD);
        scene.world.registers().pc = 0x40_0048;
        scene.assert_told_directly(|scene| {
            scene.world.touch(VirtAddr::new(address), access);
        });
        let expected = Resolve {
            kind,
            access: told,
            address,
            pc: 0x40_0048,
            pid: Pid(2),
            thread: 0,
        };
        assert_eq!(scene.received(), expected);
        scene.operate(Operation::ReplyReceive, scene.endpoint, Label::DONE);
    }
}

#[test]
fn that_no_frame_is_left_is_told_and_tried_again() {
    let mut scene = Scene::with_a_waiting_handler();
    let get = ShmGet {
        key: ShmKey::PRIVATE,
        size: PAGE_BYTES,
        flags: GetFlags::NORESERVE | GetFlags::from_bits_retain(0o600),
    };
    let (id,) = scene.world.call(Handle::MEMORY, get).expect("room");
    let attach = ShmAttach {
        id,
        address: 0,
        flags: AttachFlags::empty(),
    };
    let (address,) = scene.world.call(Handle::MEMORY, attach).expect("room");
    let mut length = scene.world.free_frames() * PAGE_BYTES;
    while length > 0 && scene.world.free_frames() > 0 {
        let all = Map::new(0, length, Protection::WRITE);
        if scene.world.call(Handle::MEMORY, all).is_err() {
            length -= PAGE_BYTES;
        }
    }
    scene.assert_told_directly(|scene| {
        scene.world.touch(VirtAddr::new(address), Access::Write);
    });
    let fault = scene.received();
    assert_eq!((fault.kind, fault.address), (FaultKind::OutOfMemory, address));
}

#[test]
fn what_is_no_access_is_told_directly_too() {
    for kind in [
        FaultKind::BadAccess,
        FaultKind::BadInstruction,
        FaultKind::Breakpoint,
    ] {
        let mut scene = Scene::with_a_waiting_handler();
        scene.assert_told_directly(|scene| {
            scene.world.fault(Fault::other(kind, 0x40_0044));
        });
        let fault = scene.received();
        let what = (fault.kind, fault.access, fault.address);
        assert_eq!(what, (kind, FaultAccess::None, 0x40_0044));
    }
}

#[test]
fn a_handler_that_waits_on_another_cpu_comes_here_with_that_ones_turn() {
    let mut scene = Scene::side_by_side();
    scene.assert_told_directly(|scene| scene.fault(CHILD));
    assert_eq!((scene.runs_on(0), scene.runs_on(1)), (None, Some(HANDLER)));
    assert_eq!(scene.home_of(HANDLER), Some(1));
    assert_eq!(scene.received_here().pid, Pid(2));
}

#[test]
fn a_handler_that_may_not_come_receives_the_fault_where_it_may_run() {
    let mut scene = Scene::on(world_on(2));
    scene.confine(Handle::SELF, CpuSet(0b01));
    scene.world.give_turn(1);
    scene.world.turn_to(0);
    scene.receive();
    scene.world.turn_to(1);
    scene.assert_told_at_length();
    assert_eq!(scene.runs_on(1), None);
    scene.world.turn_to(0);
    scene.world.look_up();
    assert_eq!(scene.world.running, Some(HANDLER));
    assert_eq!(scene.received_here().pid, Pid(2));
}

#[test]
fn a_handler_that_is_more_important_goes_on_as_it_is() {
    let mut scene = Scene::with_a_waiting_handler();
    scene.set_priority(Handle::SELF, 50);
    scene.assert_told_directly(|scene| scene.fault(CHILD));
    assert_eq!(scene.priority_of(HANDLER), Priority::USUAL);
    scene.operate(Operation::ReplyReceive, scene.endpoint, Label::DONE);
    scene.assert_untouched(CHILD);
}

#[test]
fn a_handler_that_is_less_important_is_lent_what_it_needs() {
    let mut scene = Scene::new();
    scene.set_priority(scene.child, 200);
    scene.world.until(CHILD);
    scene.fault(CHILD);
    scene.receive();
    scene.operate(Operation::ReplyReceive, scene.endpoint, Label::DONE);
    assert_eq!(scene.world.running, Some(CHILD));
    assert_eq!(scene.priority_of(HANDLER), Priority::USUAL);
    scene.world.until(CHILD);
    scene.assert_told_directly(|scene| scene.fault(CHILD));
    assert_eq!(scene.world.running, Some(HANDLER));
    assert_eq!(scene.priority_of(HANDLER), Priority(200));
}

#[test]
fn a_handler_that_waits_until_some_time_is_told_and_waits_no_longer() {
    let mut scene = Scene::new();
    scene.world.until(HANDLER);
    scene.world.registers().x[9] = scene.world.kernel.platform.now.get() + 50;
    let receive = Operation::Receive as u64 | Operation::UNTIL;
    scene.world.trap(receive, scene.endpoint.raw().into(), 0, [0; 6]);
    scene.assert_told_at_length();
    assert_eq!(scene.world.running, Some(HANDLER));
    scene.received();
    scene.world.kernel.platform.let_pass(100);
    scene.world.look_up();
    scene.received();
}

#[test]
fn a_fault_that_nobody_waits_for_queues() {
    let mut scene = Scene::new();
    scene.world.until(CHILD);
    scene.assert_told_directly(|scene| scene.fault(CHILD));
    assert!(matches!(
        scene.state(CHILD),
        Some(State::Calling {
            arrival: Arrival::Fault,
            ..
        })
    ));
}

#[test]
fn what_is_nobodys_to_handle_is_not_told_who_waits() {
    let no_handler = |scene: &mut Scene| {
        assert_eq!(scene.world.call(Handle::SELF, HandleFaults {}), Ok(()));
        scene.fault(CHILD);
    };
    let hardware = |scene: &mut Scene| {
        scene.world.fault(Fault::other(FaultKind::Hardware, 0));
    };
    let ways: [fn(&mut Scene); 2] = [no_handler, hardware];
    for way in ways {
        let mut scene = Scene::with_a_waiting_handler();
        assert!(!scene.is_direct(way));
        assert!(matches!(scene.state(HANDLER), Some(State::Receiving(_))));
        assert!(
            scene
                .state(CHILD)
                .is_none_or(|state| !matches!(state, State::Faulted { .. }))
        );
    }
}

#[test]
fn who_has_been_ended_on_its_way_into_the_kernel_tells_nobody() {
    let mut scene = Scene::on(world_on(2));
    assert_eq!(scene.world.call(Handle::SELF, CREATE_THREAD), Ok((1,)));
    scene.receive();
    for turn in 0..4 {
        scene.world.give_turn(turn % 2);
    }
    let (killer, faults) = match (scene.runs_on(0), scene.runs_on(1)) {
        (Some(CHILD), Some(2)) => (1, 0),
        (Some(2), Some(CHILD)) => (0, 1),
        other => panic!("both run: {other:?}"),
    };
    scene.world.turn_to(killer);
    scene.world.send(scene.child, Kill {}, &[], &[]);
    scene.world.turn_to(faults);
    assert_eq!(scene.world.running, Some(CHILD), "it has not left yet");
    assert!(!scene.is_direct(|scene| {
        scene.world.touch(VirtAddr::new(NOWHERE), Access::Write);
    }));
    assert!(matches!(scene.state(HANDLER), Some(State::Receiving(_))));
}

#[test]
fn a_touch_that_waits_for_a_siblings_work_is_told_nobody() {
    let mut scene = Scene::new();
    scene.world.until(CHILD);
    scene.endpoint = scene.world.create_endpoint();
    assert_eq!(scene.name_handler(Handle::SELF), Ok(()));
    let address = write_pages(&mut scene.world, 200);
    for _ in 0..2 {
        scene.world.call(Handle::SELF, CREATE_THREAD).expect("room");
    }
    let (worker, touches) = (3, 2);
    // The first thread handles the faults of the other two.
    scene
        .world
        .trap(Operation::Receive as u64, scene.endpoint.raw().into(), 0, [0; 6]);
    scene.world.until(worker);
    let replace = Map {
        flags: MapFlags::REPLACE,
        ..Map::new(address, 200 * PAGE_BYTES, Protection::WRITE)
    };
    *scene.world.kernel.platform.slice_ends.borrow_mut() = [true].into();
    scene.world.send(Handle::MEMORY, replace, &[], &[]);
    for _ in 0..4 {
        if scene.world.running == Some(touches) {
            break;
        }
        scene.world.yield_now();
    }
    assert_eq!(scene.world.running, Some(touches));
    assert!(matches!(scene.state(worker), Some(State::Working(_))));
    assert!(!scene.is_direct(|scene| {
        scene
            .world
            .touch(VirtAddr::new(address + 100 * PAGE_BYTES), Access::Write);
    }));
    assert!(matches!(scene.state(CHILD), Some(State::Receiving(_))));
}

#[test]
fn an_endpoint_that_is_closed_is_told_nothing() {
    let mut scene = Scene::new();
    let handle = scene.endpoint;
    assert_eq!(scene.world.call(Handle::SELF, Close { handle }), Ok(()));
    scene.assert_told_at_length();
    scene.assert_ended_by_its_fault();
}

#[test]
fn a_fault_is_answered_directly_and_whoever_has_faulted_goes_on_as_it_was() {
    for operation in [Operation::ReplyReceive, Operation::Reply] {
        let mut scene = Scene::with_a_waiting_handler();
        scene.fault(CHILD);
        let handle = match operation {
            Operation::Reply => Handle::NONE,
            _ => scene.endpoint,
        };
        scene.assert_told_directly(|scene| scene.operate(operation, handle, Label::DONE));
        scene.assert_untouched(CHILD);
    }
}

#[test]
fn an_error_for_an_answer_is_for_the_whole_kernel() {
    for operation in [Operation::ReplyReceive, Operation::Reply] {
        let mut scene = Scene::with_a_waiting_handler();
        scene.fault(CHILD);
        let handle = match operation {
            Operation::Reply => Handle::NONE,
            _ => scene.endpoint,
        };
        assert!(!scene.is_direct(|scene| scene.operate(operation, handle, Label(1))));
        assert!(scene.world.log().contains("did not help"));
    }
}

#[test]
fn who_has_faulted_on_another_cpu_goes_on_there_when_it_is_answered() {
    let mut scene = Scene::on(world_on(2));
    scene.world.give_turn(1);
    scene.fault(CHILD);
    scene.world.turn_to(0);
    scene.receive();
    scene.assert_told_directly(|scene| scene.reply(Label::DONE));
    assert_eq!(scene.runs_on(0), Some(HANDLER));
    scene.world.turn_to(1);
    scene.world.look_up();
    assert_eq!(scene.runs_on(1), Some(CHILD));
    scene.assert_untouched(CHILD);
}

#[test]
fn a_fault_that_would_lend_something_to_a_handler_of_another_cpu_is_not_there_before_that_ones_turn_is() {
    let mut scene = Scene::on(world_on(2));
    scene.world.give_turn(1);
    scene.world.turn_to(0);
    scene.confine(Handle::SELF, CpuSet(0b01));
    scene.receive();
    scene.world.turn_to(1);
    scene.fault(CHILD);
    scene.world.turn_to(0);
    scene.world.look_up();
    assert_eq!(scene.runs_on(0), Some(HANDLER));
    scene.operate(Operation::Reply, Handle::NONE, Label::DONE);
    scene.set_priority(scene.child, 200);
    scene.world.turn_to(1);
    scene.world.look_up();
    assert_eq!(scene.runs_on(1), Some(CHILD));
    let mut here = scene.world.kernel.here();
    let told = here.queue_fault(Fault::other(FaultKind::BadInstruction, 0));
    assert_eq!(told, Direct::Not);
    let mut threads = scene.world.kernel.threads();
    let child = threads.find(|(id, _)| id.index() == CHILD).expect("it lives").1;
    assert!(child.fault.is_none(), "nothing has happened");
}
