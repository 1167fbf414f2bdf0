//! Faults that somebody handles: another process here, a sibling in `own`; `told` is about how it is told.

mod own;
mod told;

use super::{world, world_on};
use crate::WAY;
use abi::fault::{FaultAccess, Resolve};
use abi::layout::AREA_START;
use abi::memory::{Map, Protection};
use abi::process::{
    Become, Close, CreateThread, Derive, End, Exit, FaultKind, Fork, HandleFaults, Kill, OpenFaulted, Pid,
    Priority, SetPriority, TakeCaller, Wait,
};
use abi::system::{NextProcess, ProcessState};
use abi::thread::{Cancel, ReadRegisters, ThreadRegisters, WriteRegisters};
use abi::{Arrival, Badge, Errno, Handle, IpcError, Label, Operation, Request, Rights, Words};
use addr::VirtAddr;
use kcore::fault::Fault;
use kcore::thread::State;
use mm::Access;
use play::{Way, World};

const HANDLER: u32 = 0;
const CHILD: u32 = 1;
/// Where nothing is mapped.
const NOWHERE: u64 = AREA_START + 0x5000;
const BADGE: Badge = Badge(77);
const CREATE_THREAD: CreateThread = CreateThread {
    entry: 0x40_1000,
    stack: 0x9000,
    word: 0,
    pointer: 0,
};

/// `init` handles the faults of a child, at an endpoint at which nobody waits yet.
struct Scene {
    world: World,
    endpoint: Handle,
    child: Handle,
    memory: Handle,
}

impl Scene {
    fn new() -> Self {
        Self::on(world())
    }

    fn on(mut world: World) -> Self {
        let endpoint = world.create_endpoint();
        let (child, memory) = world.create("child").expect("room");
        let mut scene = Self {
            world,
            endpoint,
            child,
            memory,
        };
        let named = scene.name_handler(child);
        assert_eq!(named, Ok(()));
        scene.world.start(child);
        scene
    }

    /// The running program names its endpoint, with a badge, as the handler of `process`.
    fn name_handler(&mut self, process: Handle) -> Result<(), Errno> {
        let badged = self.derive(self.endpoint, Rights::CALL | Rights::PASS);
        let named = self.world.call_with(process, HandleFaults {}, &[], &[badged]);
        self.close(badged);
        named
    }

    fn derive(&mut self, handle: Handle, rights: Rights) -> Handle {
        let badge = if handle == self.endpoint { BADGE } else { Badge(0) };
        let derive = Derive {
            handle,
            rights,
            badge,
        };
        self.world.call(Handle::SELF, derive).expect("derives");
        self.world.handles()[0]
    }

    fn close(&mut self, handle: Handle) {
        assert_eq!(self.world.call(Handle::SELF, Close { handle }), Ok(()));
    }

    /// This thread runs, with registers that are all different, and writes where nothing is mapped.
    fn fault(&mut self, thread: u32) {
        self.world.until(thread);
        let registers = self.world.registers();
        registers.x = std::array::from_fn(|n| 0x1000 + n as u64);
        (registers.pc, registers.sp, registers.pstate) = (0x40_0040, 0x8000, 0x6000_0000);
        self.world.touch(VirtAddr::new(NOWHERE), Access::Write);
    }

    fn operate(&mut self, operation: Operation, handle: Handle, label: Label) {
        self.world.until(HANDLER);
        self.world
            .trap(operation as u64, handle.raw().into(), label.0.into(), [0; 6]);
    }

    fn receive(&mut self) {
        self.operate(Operation::Receive, self.endpoint, Label::DONE);
    }

    fn reply(&mut self, label: Label) {
        self.operate(Operation::Reply, Handle::NONE, label);
    }

    /// The same by whoever runs.
    fn reply_here(&mut self, label: Label) {
        let reply = Operation::Reply as u64;
        self.world
            .trap(reply, Handle::NONE.raw().into(), label.0.into(), [0; 6]);
    }

    /// What the handler, which goes on, has received.
    fn received(&mut self) -> Resolve {
        self.world.until(HANDLER);
        let back = self.world.back();
        assert_eq!((back.outcome, back.tag.arrival()), (None, Arrival::Fault));
        assert_eq!((back.tag.label(), back.badge), (Resolve::LABEL, BADGE.0));
        assert_eq!(back.tag.bytes() + back.tag.handles(), 0);
        Resolve::from_words(&back.words).expect("a good fault")
    }

    /// A child that has faulted, and whose fault the handler has received.
    fn faulted() -> Self {
        let mut scene = Self::new();
        scene.fault(CHILD);
        scene.receive();
        scene.received();
        scene
    }

    /// A handle of the thread whose fault was received last.
    fn open(&mut self) -> Handle {
        assert_eq!(self.world.call(Handle::SELF, OpenFaulted {}), Ok(()));
        self.world.handles()[0]
    }

    /// The thread runs, and finds what it had when it faulted.
    fn assert_untouched(&mut self, thread: u32) {
        self.world.until(thread);
        let registers = *self.world.registers();
        assert_eq!(registers.x, std::array::from_fn(|n| 0x1000 + n as u64));
        let rest = (registers.pc, registers.sp, registers.pstate);
        assert_eq!(rest, (0x40_0040, 0x8000, 0x6000_0000));
    }

    /// How the child has ended.
    fn end(&mut self) -> End {
        self.world.until(HANDLER);
        self.world.send(self.child, Wait {}, &[], &[]);
        self.world.until(HANDLER);
        self.world.answer::<Wait>().expect("it has ended")
    }

    fn assert_ended_by_its_fault(&mut self) {
        assert_eq!(self.end(), End::Faulted(FaultKind::Unmapped, NOWHERE));
    }

    fn state(&self, index: u32) -> Option<State> {
        let mut threads = self.world.kernel.threads();
        let found = threads.find(|(id, _)| id.index() == index);
        found.map(|(_, thread)| thread.state)
    }
}

#[test]
fn the_handler_is_told_what_has_happened_and_the_thread_goes_on_as_it_was() {
    for handler_waits in [false, true] {
        for operation in [Operation::ReplyReceive, Operation::Reply] {
            let mut scene = Scene::new();
            if handler_waits {
                scene.receive();
            }
            scene.fault(CHILD);
            if handler_waits {
                assert_eq!(scene.world.running, Some(HANDLER), "it has the CPU at once");
            } else {
                scene.receive();
            }
            let fault = Resolve {
                kind: FaultKind::Unmapped,
                access: FaultAccess::Write,
                address: NOWHERE,
                pc: 0x40_0040,
                pid: Pid(2),
                thread: 0,
            };
            assert_eq!(scene.received(), fault);
            let handle = match operation {
                Operation::Reply => Handle::NONE,
                _ => scene.endpoint,
            };
            let before = scene.world.direct;
            scene.operate(operation, handle, Label::DONE);
            assert_eq!(scene.world.direct - before, usize::from(WAY == Way::Shorter));
            scene.assert_untouched(CHILD);
            assert_eq!(scene.world.log(), "");
        }
    }
}

#[test]
fn what_is_no_access_to_memory_is_told_too() {
    let mut scene = Scene::new();
    scene.world.until(CHILD);
    scene.world.fault(Fault::other(FaultKind::Breakpoint, 0x40_0040));
    scene.receive();
    let fault = scene.received();
    assert_eq!(
        (fault.kind, fault.access, fault.address),
        (FaultKind::Breakpoint, FaultAccess::None, 0x40_0040)
    );
}

#[test]
fn a_handler_that_maps_what_was_missing_is_a_pager() {
    let mut scene = Scene::faulted();
    let page = Map::new(NOWHERE, 4096, Protection::READ | Protection::WRITE);
    assert_eq!(scene.world.call(scene.memory, page), Ok((NOWHERE,)));
    scene.reply(Label::DONE);
    scene.assert_untouched(CHILD);
    scene.world.store_word(NOWHERE, 5);
    scene.assert_untouched(CHILD);
}

#[test]
fn what_the_handler_does_not_help_with_faults_again() {
    let mut scene = Scene::faulted();
    for _ in 0..3 {
        scene.operate(Operation::ReplyReceive, scene.endpoint, Label::DONE);
        scene.fault(CHILD);
        scene.received();
    }
}

#[test]
fn any_error_ends_the_process_as_its_fault_would_have() {
    for operation in [Operation::ReplyReceive, Operation::Reply] {
        let mut scene = Scene::faulted();
        let handle = match operation {
            Operation::Reply => Handle::NONE,
            _ => scene.endpoint,
        };
        scene.operate(operation, handle, Label(Errno::EFAULT.number()));
        if operation == Operation::ReplyReceive {
            assert!(matches!(scene.state(HANDLER), Some(State::Receiving(_))));
        } else {
            scene.assert_ended_by_its_fault();
        }
        assert_eq!(
            scene.world.log(),
            "process 2 (child) ended by a fault: write to 0x1000005000: nothing is mapped there, and its handler \
             did not help; pc 0x400040\n"
        );
    }
}

#[test]
fn without_an_answer_it_ends_too() {
    let ways: [fn(&mut Scene); 4] = [
        |scene| scene.close(scene.endpoint),
        // It looks for another message instead.
        |scene| {
            scene.world.registers().x[9] = 0;
            let (receive, endpoint) = (Operation::Receive as u64, scene.endpoint.raw().into());
            scene.world.trap(receive | Operation::UNTIL, endpoint, 0, [0; 6]);
        },
        |scene| {
            assert_eq!(scene.world.call(Handle::SELF, TakeCaller {}), Ok(()));
            let reply = scene.world.handles()[0];
            scene.close(reply);
        },
        // It has not even received it.
        |scene| {
            scene.reply(Label::DONE);
            scene.fault(CHILD);
            scene.world.until(HANDLER);
            scene.close(scene.endpoint);
        },
    ];
    for way in ways {
        let mut scene = Scene::faulted();
        way(&mut scene);
        scene.assert_ended_by_its_fault();
        assert!(
            scene.world.log().contains("did not answer"),
            "{}",
            scene.world.log()
        );
    }
}

#[test]
fn a_handler_that_ends_leaves_the_fault_to_end_the_process() {
    for receives in [false, true] {
        let mut world = world();
        let (handler, memory) = world.create("handler").expect("room");
        assert_eq!(world.call(Handle::SELF, Close { handle: memory }), Ok(()));
        world.start(handler);
        // The handler has its own child.
        world.until(CHILD);
        let endpoint = world.create_endpoint();
        let (grandchild, _) = world.create("grandchild").expect("room");
        assert_eq!(
            world.call_with(grandchild, HandleFaults {}, &[], &[endpoint]),
            Ok(())
        );
        world.start(grandchild);
        world.until(2);
        world.touch(VirtAddr::new(NOWHERE), Access::Read);
        world.until(CHILD);
        if receives {
            world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
            world.until(CHILD);
        }
        world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
        world.until(HANDLER);
        assert_eq!(world.call(handler, Wait {}), Ok(End::Exited(0)));
        for _ in 0..10 {
            world.yield_now();
        }
        assert_eq!(world.kernel.population().processes, 2, "init and its child");
    }
}

#[test]
fn nobody_is_told_if_nobody_is_named_or_can_receive() {
    let ways: [fn(&mut Scene); 2] = [
        |scene| assert_eq!(scene.world.call(scene.child, HandleFaults {}), Ok(())),
        |scene| scene.close(scene.endpoint),
    ];
    for way in ways {
        let mut scene = Scene::new();
        way(&mut scene);
        scene.fault(CHILD);
        scene.assert_ended_by_its_fault();
    }
}

#[test]
fn an_error_of_the_memory_system_is_nobodys_to_handle() {
    let mut scene = Scene::new();
    scene.world.until(CHILD);
    scene.world.fault(Fault::other(FaultKind::Hardware, 0));
    assert_eq!(scene.end(), End::Faulted(FaultKind::Hardware, 0));
}

#[test]
fn who_can_be_named_is_an_endpoint_that_can_be_called_and_passed_on() {
    let mut scene = Scene::new();
    let handle_faults = |scene: &mut Scene, handles: &[Handle]| {
        scene.world.call_with(scene.child, HandleFaults {}, &[], handles)
    };
    let (endpoint, child) = (scene.endpoint, scene.child);
    assert_eq!(handle_faults(&mut scene, &[endpoint; 2]), Err(Errno::EINVAL));
    assert_eq!(handle_faults(&mut scene, &[child]), Err(Errno::EBADF));
    let signaller = scene.derive(endpoint, Rights::SIGNAL | Rights::PASS);
    assert_eq!(handle_faults(&mut scene, &[signaller]), Err(Errno::EPERM));
    scene.world.send(child, Kill {}, &[], &[]);
    scene.world.until(HANDLER);
    assert_eq!(handle_faults(&mut scene, &[endpoint]), Err(Errno::ESRCH));
}

#[test]
fn the_handler_reads_and_writes_registers_while_the_thread_waits_for_it() {
    let mut scene = Scene::faulted();
    let thread = scene.open();
    assert_eq!(scene.world.call(thread, ReadRegisters {}), Ok(()));
    assert_eq!(scene.world.back().tag.bytes(), ThreadRegisters::BYTES);
    let bytes = scene.world.page().bytes;
    let mut registers =
        ThreadRegisters::from_bytes(&bytes[..ThreadRegisters::BYTES]).expect("all of them are there");
    assert_eq!(
        (registers.x[3], registers.pc, registers.sp),
        (0x1003, 0x40_0040, 0x8000)
    );
    assert_eq!(registers.pstate, 0x6000_0000);
    registers.x[0] = 5;
    registers.x[9] = 6;
    registers.x[30] = 7;
    (registers.pc, registers.sp, registers.pointer) = (0x40_0044, 0x7000, 0x9999);
    registers.pstate = 0x9000_03c5;
    let written = scene
        .world
        .call_with(thread, WriteRegisters {}, &registers.to_bytes(), &[]);
    assert_eq!(written, Ok(()));
    scene.operate(Operation::ReplyReceive, scene.endpoint, Label::DONE);
    scene.world.until(CHILD);
    let now = *scene.world.registers();
    assert_eq!((now.x[0], now.x[1], now.x[9], now.x[30]), (5, 0x1001, 6, 7));
    assert_eq!((now.pc, now.sp, now.tpidr), (0x40_0044, 0x7000, 0x9999));
    assert_eq!(now.pstate, 0x9000_0000, "EL0, interrupts on");
}

#[test]
fn registers_are_nobodys_while_the_thread_does_not_wait_for_its_handler() {
    let mut scene = Scene::faulted();
    let thread = scene.open();
    let [weaker] = [Rights::CALL].map(|rights| scene.derive(thread, rights));
    assert_eq!(scene.world.call(weaker, ReadRegisters {}), Err(Errno::EPERM));
    let short = scene
        .world
        .call_with(thread, WriteRegisters {}, &[0; ThreadRegisters::BYTES - 8], &[]);
    assert_eq!(short, Err(Errno::EINVAL));
    scene.reply(Label::DONE);
    assert_eq!(scene.world.call(thread, ReadRegisters {}), Err(Errno::EBUSY));
    let all = [0; ThreadRegisters::BYTES];
    let written = scene.world.call_with(thread, WriteRegisters {}, &all, &[]);
    assert_eq!(written, Err(Errno::EBUSY));
    assert_eq!(scene.world.call(Handle::SELF, OpenFaulted {}), Err(Errno::ESRCH));
    scene.assert_untouched(CHILD);
    scene.world.until(HANDLER);
    scene.world.send(scene.child, Kill {}, &[], &[]);
    scene.world.until(HANDLER);
    assert_eq!(scene.world.call(thread, ReadRegisters {}), Err(Errno::ESRCH));
    scene.close(thread);
}

#[test]
fn who_has_called_has_not_faulted_and_is_not_opened() {
    let mut scene = Scene::new();
    let endpoint = scene.endpoint;
    assert_eq!(scene.world.call(Handle::SELF, CREATE_THREAD), Ok((1,)));
    scene.world.until(2);
    scene.world.trap(
        Operation::Call as u64,
        endpoint.raw().into(),
        Resolve::LABEL.0.into(),
        [1; 6],
    );
    scene.receive();
    scene.world.until(HANDLER);
    assert_eq!(scene.world.back().tag.arrival(), Arrival::Call);
    assert_eq!(scene.world.call(Handle::SELF, OpenFaulted {}), Err(Errno::ESRCH));
}

#[test]
fn a_fault_is_answered_later_with_a_reply_handle() {
    for label in [Label::DONE, Label(1)] {
        let mut scene = Scene::faulted();
        let thread = scene.open();
        assert_eq!(scene.world.call(Handle::SELF, TakeCaller {}), Ok(()));
        let reply = scene.world.handles()[0];
        assert_eq!(scene.world.call(thread, ReadRegisters {}), Ok(()));
        scene.operate(Operation::Reply, reply, label);
        assert_eq!(scene.world.back().outcome, None);
        if label == Label::DONE {
            scene.assert_untouched(CHILD);
        } else {
            scene.assert_ended_by_its_fault();
        }
    }
}

#[test]
fn a_process_is_killed_while_it_waits_for_its_handler() {
    for receives in [false, true] {
        let mut scene = Scene::new();
        scene.fault(CHILD);
        if receives {
            scene.receive();
        }
        scene.world.until(HANDLER);
        scene.world.send(scene.child, Kill {}, &[], &[]);
        scene.world.until(HANDLER);
        assert_eq!(scene.world.answer::<Kill>(), Ok(()));
        assert_eq!(scene.end(), End::Killed);
        if receives {
            scene.reply(Label::DONE);
            assert_eq!(scene.world.back().outcome, Some(IpcError::PeerGone));
        }
    }
}

#[test]
fn others_of_its_process_go_on_and_may_fault_as_well() {
    let mut scene = Scene::new();
    scene.world.until(CHILD);
    assert_eq!(scene.world.call(Handle::SELF, CREATE_THREAD), Ok((1,)));
    scene.fault(CHILD);
    scene.fault(2);
    for (thread, number) in [(CHILD, 0), (2, 1)] {
        scene.receive();
        assert_eq!(scene.received().thread, number, "first come, first served");
        scene.reply(Label::DONE);
        scene.assert_untouched(thread);
    }
    scene.fault(CHILD);
    scene.fault(2);
    scene.receive();
    scene.reply(Label(1));
    assert_eq!(scene.end(), End::Faulted(FaultKind::Unmapped, NOWHERE));
}

#[test]
fn what_waits_for_its_handler_cannot_be_cancelled() {
    let mut scene = Scene::faulted();
    let thread = scene.open();
    assert_eq!(scene.world.call(thread, Cancel {}), Ok((0,)));
    assert_eq!(scene.world.call(Handle::SELF, TakeCaller {}), Ok(()));
    let reply = scene.world.handles()[0];
    assert_eq!(scene.world.call(thread, Cancel {}), Ok((0,)));
    scene.operate(Operation::Reply, reply, Label::DONE);
    scene.assert_untouched(CHILD);
}

#[test]
fn a_copy_of_a_process_has_its_handler() {
    let mut scene = Scene::new();
    scene.world.until(CHILD);
    scene.world.send(Handle::SELF, Fork {}, &[], &[]);
    scene.fault(2);
    scene.receive();
    assert_eq!(scene.received().pid, Pid(3));
    scene.reply(Label::DONE);
    scene.assert_untouched(2);
}

#[test]
fn a_process_that_becomes_another_keeps_its_handler() {
    let mut scene = Scene::new();
    scene.world.until(CHILD);
    let (prepared, _) = scene.world.create("prepared").expect("room");
    let request = Become {
        entry: 0x60_0000,
        stack: 0,
        word0: 0,
        word1: 0,
        word2: 0,
        word3: 0,
    };
    scene.world.send(Handle::SELF, request, &[], &[prepared]);
    scene.fault(2);
    scene.receive();
    assert_eq!(scene.received().pid, Pid(2));
}

#[test]
fn the_handler_is_as_important_as_who_has_faulted() {
    let mut scene = Scene::new();
    let set = SetPriority {
        priority: Priority(200),
        highest: Priority(200),
    };
    scene.world.send(scene.child, set, &[], &[]);
    let of_handler = |scene: &Scene| {
        let mut threads = scene.world.kernel.threads();
        let handler = threads.find(|(id, _)| id.index() == HANDLER);
        handler.map(|(_, thread)| thread.priority)
    };
    scene.fault(CHILD);
    scene.receive();
    assert_eq!(of_handler(&scene), Some(Priority(200)));
    scene.reply(Label::DONE);
    assert_eq!(scene.world.running, Some(CHILD));
    assert_eq!(of_handler(&scene), Some(Priority::USUAL));
}

#[test]
fn a_process_that_waits_for_its_handler_is_seen_to_wait() {
    let mut scene = Scene::faulted();
    let next = NextProcess { after: Pid(1) };
    let facts = scene.world.call(Handle::PARENT, next).expect("the child");
    assert_eq!((facts.pid, facts.state), (Pid(2), ProcessState::Waiting));
}

#[test]
fn the_thread_goes_on_at_home_when_its_handler_is_elsewhere() {
    let mut scene = Scene::on(world_on(2));
    scene.world.give_turn(1);
    assert_eq!(scene.world.running, Some(CHILD));
    scene.fault(CHILD);
    scene.world.turn_to(0);
    scene.receive();
    scene.received();
    scene.operate(Operation::ReplyReceive, scene.endpoint, Label::DONE);
    for turn in 0..4 {
        scene.world.give_turn(turn % 2);
        if scene.world.running == Some(CHILD) {
            return scene.assert_untouched(CHILD);
        }
    }
    panic!("it never goes on");
}
