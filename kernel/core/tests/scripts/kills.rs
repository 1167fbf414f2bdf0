//! A process can be killed whatever it is doing; nothing of it stays, and whoever had to do with
//! it learns what there is to learn.

use super::world;
use abi::console::Read;
use abi::memory::{CountUsage, Map, Protection, Unmap};
use abi::process::{Create, End, Exit, Give, Kill, Wait};
use abi::{Handle, IpcError, Operation, Tag};
use addr::VirtAddr;
use kcore::Next;
use kcore::audit::Population;
use kcore::thread::{State, Work};
use mm::Access;
use play::World;

const INIT: u32 = 0;
const VICTIM: u32 = 1;
const PAGE: u64 = 4096;
const ENDPOINT: Handle = Handle::PARENT;

/// A world in which a child of `init` that has an endpoint of `init` runs, and a count of frames
/// from before the child.
struct Scene {
    world: World,
    before: u64,
    endpoint: Handle,
    victim: Handle,
}

impl Scene {
    /// Starts a process that has the victim as its handle 5.
    fn start_killer(&mut self) -> Handle {
        let (killer, _) = self.world.create("killer").expect("room");
        self.world
            .call_with(killer, Give { place: 5 }, &[], &[self.victim])
            .expect("gives");
        self.world.start(killer);
        killer
    }

    fn new() -> Self {
        let mut world = world();
        let endpoint = world.create_endpoint();
        let before = world.free_frames();
        let (victim, memory) = world.create("victim").expect("room");
        world
            .call_with(
                victim,
                Give {
                    place: Handle::CONSOLE.index(),
                },
                &[],
                &[Handle::CONSOLE],
            )
            .expect("gives");
        world
            .call_with(
                victim,
                Give {
                    place: ENDPOINT.index(),
                },
                &[],
                &[endpoint],
            )
            .expect("gives");
        world
            .call(Handle::SELF, abi::process::Close { handle: memory })
            .expect("closes");
        world.start(victim);
        world.until(VICTIM);
        Self {
            world,
            before,
            endpoint,
            victim,
        }
    }

    fn state(&self) -> State {
        let mut threads = self.world.kernel.threads();
        threads
            .find(|(id, _)| id.index() == VICTIM)
            .expect("it lives")
            .1
            .state
    }

    /// The victim, which waits or is ready, is killed by `init`.
    fn kill(mut self) -> World {
        self.world.until(INIT);
        self.world.send(self.victim, Kill {}, &[], &[]);
        self.world.until(INIT);
        assert_eq!(self.world.answer::<Kill>(), Ok(()));
        assert_eq!(self.world.call(self.victim, Wait {}), Ok(End::Killed));
        assert_eq!(self.world.free_frames(), self.before);
        assert_eq!(
            self.world.kernel.population(),
            Population {
                processes: 2,
                threads: 1,
                endpoints: 1
            }
        );
        self.world
    }

    fn receive(&mut self, endpoint: Handle) {
        self.world
            .trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
    }

    fn call(&mut self, endpoint: Handle) {
        self.world
            .trap(Operation::Call as u64, endpoint.raw().into(), 0x900, [1; 6]);
    }
}

#[test]
fn while_it_is_ready() {
    let mut scene = Scene::new();
    scene.world.yield_now();
    assert!(matches!(scene.state(), State::Ready));
    scene.kill();
}

#[test]
fn before_it_has_started() {
    let mut world = world();
    let before = world.free_frames();
    let (child, _) = world.create("child").expect("room");
    world.send(child, Kill {}, &[], &[]);
    assert_eq!((world.running, world.answer::<Kill>()), (Some(INIT), Ok(())));
    assert_eq!(world.call(child, Wait {}), Ok(End::Killed));
    assert_eq!(world.free_frames(), before);
}

#[test]
fn while_its_call_is_queued() {
    let mut scene = Scene::new();
    scene.call(ENDPOINT);
    assert!(matches!(scene.state(), State::Calling { .. }));
    let endpoint = scene.endpoint;
    let mut world = scene.kill();
    world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(world.running, None, "no message is left of it");
}

#[test]
fn while_it_waits_for_an_answer() {
    let mut scene = Scene::new();
    scene.call(ENDPOINT);
    scene.receive(scene.endpoint);
    assert!(matches!(scene.state(), State::AwaitingAnswer { .. }));
    let endpoint = scene.endpoint;
    let mut world = scene.kill();
    // Its thread's place is taken by another one, which must not get the answer.
    let (other, _) = world.create("other").expect("room");
    world.start(other);
    world.trap(
        Operation::ReplyReceive as u64,
        endpoint.raw().into(),
        Tag::new(abi::Label(0)).encode(),
        [9; 6],
    );
    assert_eq!(world.running, Some(VICTIM), "the same place");
    assert_eq!(
        world.back().words,
        [1, 2, 3, 4, 0, 0],
        "it finds its start message and nothing else"
    );
}

#[test]
fn while_it_waits_for_a_message() {
    let mut scene = Scene::new();
    scene.receive(ENDPOINT);
    assert!(matches!(scene.state(), State::Receiving(_)));
    let endpoint = scene.endpoint;
    let mut world = scene.kill();
    world.trap(Operation::Call as u64, endpoint.raw().into(), 0x900, [0; 6]);
    assert_eq!(
        world.running, None,
        "the call waits for somebody else to receive it"
    );
}

#[test]
fn while_it_owes_an_answer() {
    let mut scene = Scene::new();
    scene.receive(ENDPOINT);
    scene.start_killer();
    scene.call(scene.endpoint);
    assert_eq!(scene.world.running, Some(VICTIM));
    scene.world.until(2);
    scene.world.send(Handle::from_raw(5), Kill {}, &[], &[]);
    scene.world.until(INIT);
    assert_eq!(scene.world.back().outcome, Some(IpcError::PeerGone));
}

#[test]
fn while_it_waits_for_an_answer_that_comes_before_it_is_gone() {
    let mut scene = Scene::new();
    scene.world.until(INIT);
    scene.start_killer();
    scene.world.until(VICTIM);
    scene.call(ENDPOINT);
    scene.world.until(INIT);
    scene.receive(scene.endpoint);
    scene.world.until(2);
    scene.world.send(Handle::from_raw(5), Kill {}, &[], &[]);
    assert_eq!(scene.world.running, Some(INIT));
    assert!(
        matches!(scene.state(), State::Working(Work::Leave)),
        "its end has not begun"
    );
    scene.world.trap(
        Operation::ReplyReceive as u64,
        scene.endpoint.raw().into(),
        0,
        [9; 6],
    );
    assert_eq!(scene.world.running, Some(2), "the answer goes nowhere");
    assert_eq!(scene.world.answer::<Kill>(), Ok(()));
}

#[test]
fn while_it_reads() {
    let mut scene = Scene::new();
    scene.world.send(Handle::CONSOLE, Read { most: 9 }, &[], &[]);
    assert!(matches!(scene.state(), State::Reading(9)));
    let mut world = scene.kill();
    world.send(Handle::CONSOLE, Read { most: 9 }, &[], &[]);
    assert_eq!(world.running, None, "somebody else can read now");
    world.kernel.platform.typed.extend(b"x");
    assert_eq!(world.console_interrupt(), Next::Run(INIT));
    assert_eq!(world.answer::<Read>(), Ok((1,)));
}

#[test]
fn while_it_waits_for_the_end_of_another() {
    let mut scene = Scene::new();
    scene
        .world
        .call_with(Handle::SELF, Create {}, b"grandchild", &[])
        .expect("room");
    let grandchild = scene.world.handles()[0];
    scene.world.send(grandchild, Wait {}, &[], &[]);
    assert!(matches!(scene.state(), State::WaitingEnd(..)));
    scene.world.until(INIT);
    scene.world.send(scene.victim, Kill {}, &[], &[]);
    scene.world.until(INIT);
    for _ in 0..3 {
        scene.world.yield_now();
    }
    assert_eq!(
        scene.world.free_frames(),
        scene.before,
        "the grandchild could not be started any more"
    );
    assert_eq!(scene.world.kernel.population().threads, 1);
}

#[test]
fn while_the_kernel_works_for_it() {
    let mut scene = Scene::new();
    let base = map_and_touch(&mut scene.world, Handle::MEMORY, 640);
    scene
        .world
        .kernel
        .platform
        .slice_ends
        .borrow_mut()
        .push_back(true);
    scene.world.send(
        Handle::MEMORY,
        Unmap {
            address: base,
            length: 640 * PAGE,
        },
        &[],
        &[],
    );
    assert!(matches!(scene.state(), State::Working(Work::Memory(..))));
    scene.kill();
}

#[test]
fn while_it_is_being_killed_already_both_killers_learn_of_the_end() {
    let mut scene = Scene::new();
    map_and_touch(&mut scene.world, Handle::MEMORY, 640);
    scene.world.until(INIT);
    scene.start_killer();
    scene.world.until(2);
    scene
        .world
        .kernel
        .platform
        .slice_ends
        .borrow_mut()
        .extend([false, false, true]);
    scene.world.send(Handle::from_raw(5), Kill {}, &[], &[]);
    scene.world.until(INIT);
    scene.world.send(scene.victim, Kill {}, &[], &[]);
    scene.world.until(2);
    assert_eq!(scene.world.answer::<Kill>(), Ok(()));
    scene.world.until(INIT);
    assert_eq!(scene.world.answer::<Kill>(), Ok(()));
}

#[test]
fn while_it_waits_for_the_end_of_its_killer() {
    let mut scene = Scene::new();
    scene.receive(ENDPOINT);
    let killer = scene.start_killer();
    scene.world.page().handles[0] = killer.raw();
    let tag = Tag::new(abi::Label(0x900)).with_handles(1).expect("one").encode();
    scene
        .world
        .trap(Operation::Call as u64, scene.endpoint.raw().into(), tag, [0; 6]);
    assert_eq!(scene.world.running, Some(VICTIM));
    let killer = scene.world.handles()[0];
    scene.world.send(killer, Wait {}, &[], &[]);
    assert_eq!(scene.world.running, Some(2));
    scene.world.send(Handle::from_raw(5), Kill {}, &[], &[]);
    scene.world.until(INIT);
    assert_eq!(
        scene.world.back().outcome,
        Some(IpcError::PeerGone),
        "the victim answers no more"
    );
    scene.world.until(2);
    assert_eq!(scene.world.answer::<Kill>(), Ok(()));
    scene.world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    assert_eq!(scene.world.running, Some(INIT));
}

#[test]
fn while_its_parent_works_on_its_memory() {
    let mut scene = Scene::new();
    scene.world.until(INIT);
    let (child, memory) = scene.world.create("child").expect("room");
    let (killer, _) = scene.world.create("killer").expect("room");
    scene
        .world
        .call_with(killer, Give { place: 5 }, &[], &[child])
        .expect("gives");
    scene.world.start(child);
    scene.world.start(killer);
    scene.world.until(2);
    let base = map_and_touch(&mut scene.world, Handle::MEMORY, 640);
    scene.world.until(INIT);
    scene
        .world
        .kernel
        .platform
        .slice_ends
        .borrow_mut()
        .push_back(true);
    scene.world.send(
        memory,
        Unmap {
            address: base,
            length: 640 * PAGE,
        },
        &[],
        &[],
    );
    scene.world.until(3);
    scene
        .world
        .kernel
        .platform
        .slice_ends
        .borrow_mut()
        .extend([true; 3]);
    scene.world.send(Handle::from_raw(5), Kill {}, &[], &[]);
    scene.world.until(INIT);
    assert_eq!(
        scene.world.answer::<Unmap>(),
        Ok(()),
        "what was asked for is done, one way or the other"
    );
    scene.world.until(3);
    assert_eq!(scene.world.answer::<Kill>(), Ok(()));
    scene.world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    scene.world.until(INIT);
    scene.world.send(memory, CountUsage {}, &[], &[]);
    assert_eq!(scene.world.back().outcome, Some(IpcError::PeerGone));
}

fn map_and_touch(world: &mut World, memory: Handle, pages: u64) -> u64 {
    let protection = Protection::READ.union(Protection::WRITE);
    let (base,) = world
        .call(memory, Map::new(0, pages * PAGE, protection))
        .expect("room");
    for page in 0..pages {
        world
            .kernel()
            .memory_fault(VirtAddr::new(base + page * PAGE), Access::Write);
        world.run();
    }
    base
}
