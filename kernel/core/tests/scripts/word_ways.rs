//! Requests about words: which of them a CPU serves with its part of the kernel, and that it makes no difference.

use super::threads::create_thread;
use super::world_on;
use crate::WAY;
use abi::memory::{FOREVER, RegionAttach, RegionCreate, ShmDetach, WaitWord, WakeAndWait, WakeWord};
use abi::process::{Close, Give, Kill, Priority, SetCpus, SetPriority};
use abi::shm::{AttachFlags, GetFlags, Mode};
use abi::{Badge, CpuSet, Errno, Handle, IpcError, Request, Rights};
use kcore::Next;
use play::{TICKS, Way, World};

const INIT: u32 = 0;
const ONE: u32 = 1;
const TWO: u32 = 2;
const THREE: u32 = 3;
/// Where everybody has the region attached, and where that is found.
const HERE: u64 = 0x20_0000_0000;
const REGION: Handle = Handle::PARENT;
/// In it.
const WORD: u64 = HERE + 8;
const OTHER_WORD: u64 = HERE + 16;

const FIRST: CpuSet = CpuSet(0b01);
const SECOND: CpuSet = CpuSet(0b10);
const THIRD: CpuSet = CpuSet(0b100);
const FOURTH: CpuSet = CpuSet(0b1000);
const LOW: u8 = 10;
const HIGH: u8 = 30;

/// `init`, which is the most important, on the first of some CPUs, and children that have a region with it.
struct Scene {
    world: World,
    region: Handle,
    children: Vec<Handle>,
}

impl Scene {
    fn on(cpus: usize) -> Self {
        let mut world = world_on(cpus);
        let flags = GetFlags::empty().with_mode(Mode::from_bits(0o600));
        let create = RegionCreate { size: 4096, flags };
        world.call(Handle::MEMORY, create).expect("room");
        let region = world.handles()[0];
        attach(&mut world, region);
        set_priority(&mut world, Handle::SELF, 200);
        Self {
            world,
            region,
            children: Vec::new(),
        }
    }

    /// A child of this priority that waits for the word, on one of these CPUs.
    fn waits(&mut self, priority: u8, cpus: CpuSet, wait: WaitWord) -> u32 {
        let child = self.starts(priority, cpus);
        let cpu = cpus.0.trailing_zeros() as usize;
        if cpu == 0 {
            set_priority(&mut self.world, Handle::SELF, 1);
        } else {
            self.world.give_turn(cpu);
        }
        assert_eq!(self.world.running, Some(child));
        attach(&mut self.world, REGION);
        self.world.send(Handle::MEMORY, wait, &[], &[]);
        self.world.turn_to(0);
        assert_eq!(self.world.running, Some(INIT));
        set_priority(&mut self.world, Handle::SELF, 200);
        child
    }

    /// A child of this priority that runs on one of these CPUs as soon as it can.
    fn starts(&mut self, priority: u8, cpus: CpuSet) -> u32 {
        let (child, _) = self.world.create("child").expect("room");
        let place = REGION.index();
        let world = &mut self.world;
        world
            .call_with(child, Give { place }, &[], &[self.region])
            .expect("it has not started");
        set_priority(world, child, priority);
        world.call(child, SetCpus { cpus }).expect("one of them runs");
        world.start(child);
        self.children.push(child);
        self.children.len() as u32
    }

    /// `init` asks, and goes on with this answer. Whether its CPU served that with its part of the kernel.
    fn asks<R: Request<Answer: PartialEq + std::fmt::Debug>>(
        &mut self,
        request: R,
        answer: Result<R::Answer, Errno>,
    ) -> bool {
        let before = self.world.direct;
        assert_eq!(self.world.call(Handle::MEMORY, request), answer);
        self.world.direct > before
    }

    /// The running thread asks, and somebody else goes on. The same.
    fn leaves(&mut self, request: impl Request, goes_on: Next) -> bool {
        let before = self.world.direct;
        assert_eq!(self.world.send(Handle::MEMORY, request, &[], &[]), goes_on);
        self.world.direct > before
    }

    fn runs_on(&self, cpu: usize) -> Option<u32> {
        self.world.kernel.platform.cpus[cpu].running
    }
}

fn attach(world: &mut World, region: Handle) {
    let flags = AttachFlags::empty();
    let request = RegionAttach { address: HERE, flags };
    world
        .call_with(Handle::MEMORY, request, &[], &[region])
        .expect("room");
}

fn set_priority(world: &mut World, process: Handle, priority: u8) {
    let (priority, highest) = (Priority(priority), Priority::MOST);
    world.send(process, SetPriority { priority, highest }, &[], &[]);
}

fn wait(address: u64) -> WaitWord {
    WaitWord {
        address,
        expected: 0,
        deadline: FOREVER,
    }
}

fn wake(count: u32) -> WakeWord {
    WakeWord { address: WORD, count }
}

fn wake_and_wait(address: u64, expected: u32) -> WakeAndWait {
    WakeAndWait {
        woken: WORD,
        address,
        expected,
        deadline: FOREVER,
    }
}

/// Whether what can be is served with a CPU's part of the kernel.
fn shared() -> bool {
    WAY == Way::Shorter
}

#[test]
fn what_keeps_nobody_waiting_and_wakes_nobody_shares_the_kernel() {
    let mut scene = Scene::on(2);
    assert_eq!(scene.asks(wake(1), Ok((0,))), shared());
    let late = WaitWord {
        deadline: TICKS,
        ..wait(WORD)
    };
    assert_eq!(scene.asks(late, Err(Errno::ETIMEDOUT)), shared());
    assert_eq!(scene.asks(wait(WORD + 1), Err(Errno::EINVAL)), shared());
    assert_eq!(scene.asks(wait(0x100), Err(Errno::EFAULT)), shared());
    assert_eq!(scene.asks(wake_and_wait(0x100, 0), Err(Errno::EFAULT)), shared());
    assert_eq!(scene.asks(wake_and_wait(WORD, 1), Err(Errno::EAGAIN)), shared());
    let changed = WaitWord {
        expected: 1,
        ..wait(WORD)
    };
    assert_eq!(scene.asks(changed, Err(Errno::EAGAIN)), shared());
    scene.waits(LOW, FIRST, wait(WORD));
    assert_eq!(scene.asks(wake(0), Ok((0,))), shared());
}

#[test]
fn a_request_about_words_with_more_than_words_takes_the_whole_kernel() {
    let mut scene = Scene::on(1);
    let before = scene.world.direct;
    let answer = scene.world.call_with(Handle::MEMORY, wake(1), b"more", &[]);
    assert_eq!((answer, scene.world.direct), (Ok((0,)), before));
}

#[test]
fn who_waits_lets_the_next_one_go_on_or_nobody() {
    let mut scene = Scene::on(1);
    scene.starts(LOW, FIRST);
    let deadline = TICKS + 5;
    let until = WaitWord {
        deadline,
        ..wait(WORD)
    };
    assert_eq!(scene.leaves(until, Next::Run(ONE)), shared());
    attach(&mut scene.world, REGION);
    assert_eq!(scene.leaves(wait(WORD), Next::Idle), shared());
    scene.world.kernel.platform.let_pass(5);
    assert_eq!(scene.world.look_up(), Next::Run(INIT));
    assert_eq!(scene.world.answer::<WaitWord>(), Err(Errno::ETIMEDOUT));
    assert_eq!(scene.asks(wake(9), Ok((1,))), shared(), "the other one");
}

#[test]
fn who_waits_finds_the_next_one_as_that_was_interrupted() {
    let mut scene = Scene::on(1);
    scene.waits(LOW, FIRST, wait(WORD));
    set_priority(&mut scene.world, Handle::SELF, 1);
    let marks = [3; 9];
    scene.world.registers().x[9..18].copy_from_slice(&marks);
    scene.world.kernel.platform.let_pass(1);
    scene.world.look_up();
    assert_eq!(scene.leaves(wake(1), Next::Run(ONE)), shared());
    assert_eq!(scene.leaves(wait(WORD), Next::Run(INIT)), shared());
    assert_eq!(scene.world.answer::<WakeWord>(), Ok((1,)));
}

#[test]
fn who_is_woken_at_home_goes_on_at_once_if_it_is_more_important() {
    for (priority, goes_on) in [(LOW, INIT), (HIGH, ONE)] {
        let mut scene = Scene::on(2);
        let deadline = TICKS + 5;
        let until = WaitWord {
            deadline,
            ..wait(WORD)
        };
        scene.waits(priority, FIRST, until);
        scene.starts(HIGH, SECOND);
        scene.world.give_turn(1);
        scene.world.turn_to(0);
        set_priority(&mut scene.world, Handle::SELF, 20);
        assert_eq!(scene.leaves(wake(1), Next::Run(goes_on)), shared());
        scene.world.kernel.platform.let_pass(9);
        scene.world.look_up();
        if goes_on == INIT {
            set_priority(&mut scene.world, Handle::SELF, 1);
        }
        assert_eq!(scene.world.running, Some(ONE));
        assert_eq!(
            scene.world.answer::<WaitWord>(),
            Ok(()),
            "it is not told of its deadline"
        );
    }
}

#[test]
fn several_who_are_at_home_here_are_woken_beside_what_others_do() {
    for (most_important, goes_on) in [(LOW, INIT), (HIGH, TWO)] {
        let mut scene = Scene::on(2);
        scene.starts(HIGH, SECOND);
        scene.world.give_turn(1);
        scene.world.turn_to(0);
        for priority in [most_important, LOW, LOW] {
            scene.waits(priority, FIRST, wait(WORD));
        }
        set_priority(&mut scene.world, Handle::SELF, 20);
        assert_eq!(scene.leaves(wake(2), Next::Run(goes_on)), shared());
        if goes_on != INIT {
            assert_eq!(scene.leaves(wait(OTHER_WORD), Next::Run(INIT)), shared());
        }
        assert_eq!(scene.world.answer::<WakeWord>(), Ok((2,)));
        assert_eq!(scene.asks(wake(9), Ok((1,))), shared());
    }
}

#[test]
fn who_may_go_on_on_a_cpu_that_has_nothing_to_do_is_woken_here_and_goes_there() {
    for waiting in [1, 2] {
        let mut scene = Scene::on(2);
        for _ in 0..waiting {
            scene.waits(LOW, FIRST, wait(WORD));
        }
        scene.world.turn_to(0);
        let child = scene.children[0];
        scene
            .world
            .call(child, SetCpus { cpus: CpuSet::ALL })
            .expect("they run");
        assert_eq!(scene.asks(wake(9), Ok((waiting,))), shared());
        scene.world.give_turn(1);
        assert_eq!(scene.runs_on(1), Some(ONE));
    }
}

#[test]
fn who_is_another_cpus_is_woken_there_with_that_ones_turn() {
    let mut scene = Scene::on(2);
    scene.waits(LOW, FIRST, wait(WORD));
    scene.waits(LOW, SECOND, wait(WORD));
    assert_eq!(scene.asks(wake(2), Ok((2,))), shared());
    scene.world.give_turn(1);
    assert_eq!(scene.runs_on(1), Some(TWO));
    scene.world.send(Handle::MEMORY, wait(WORD), &[], &[]);
    scene.world.turn_to(0);
    assert_eq!(scene.asks(wake(1), Ok((1,))), shared());
    scene.world.give_turn(1);
    assert_eq!(scene.world.answer::<WaitWord>(), Ok(()));
}

#[test]
fn who_waits_behind_somebody_of_another_cpu_and_who_leaves_its_front_share_the_kernel() {
    let mut scene = Scene::on(2);
    scene.waits(LOW, FIRST, wait(WORD));
    scene.waits(LOW, SECOND, wait(WORD));
    scene.starts(LOW, SECOND);
    scene.world.give_turn(1);
    assert_eq!(scene.runs_on(1), Some(THREE));
    scene.world.turn_to(0);
    assert_eq!(scene.asks(wake(1), Ok((1,))), shared(), "the first is here");
    set_priority(&mut scene.world, Handle::SELF, 1);
    assert_eq!(scene.world.running, Some(ONE));
    assert_eq!(scene.leaves(wait(WORD), Next::Run(INIT)), shared());
    set_priority(&mut scene.world, Handle::SELF, 200);
    assert_eq!(scene.asks(wake(9), Ok((2,))), shared(), "one there, one here");
}

#[test]
fn who_passes_a_turn_on_within_a_cpu_shares_the_kernel_unless_somebody_goes_first() {
    let mut scene = Scene::on(2);
    scene.waits(LOW, FIRST, wait(WORD));
    for address in [WORD, OTHER_WORD] {
        assert_eq!(scene.leaves(wake_and_wait(address, 0), Next::Run(ONE)), shared());
        let back = WakeAndWait {
            woken: address,
            ..wake_and_wait(WORD, 0)
        };
        assert_eq!(scene.leaves(back, Next::Run(INIT)), shared());
        assert_eq!(scene.world.answer::<WakeAndWait>(), Ok(()));
    }
    scene.starts(HIGH, FIRST);
    assert!(!scene.leaves(wake_and_wait(OTHER_WORD, 0), Next::Run(TWO)));
    attach(&mut scene.world, REGION);
    assert_eq!(scene.leaves(wait(WORD), Next::Run(ONE)), shared());
}

#[test]
fn who_passes_a_turn_on_and_finds_the_word_changed_goes_on_and_so_does_the_other() {
    let mut scene = Scene::on(1);
    scene.waits(LOW, FIRST, wait(WORD));
    assert_eq!(scene.asks(wake_and_wait(WORD, 1), Err(Errno::EAGAIN)), shared());
    assert_eq!(scene.leaves(wait(OTHER_WORD), Next::Run(ONE)), shared());
    assert_eq!(scene.world.answer::<WaitWord>(), Ok(()));
}

#[test]
fn a_turn_is_passed_to_and_behind_threads_of_another_cpu() {
    let mut scene = Scene::on(2);
    scene.waits(LOW, FIRST, wait(WORD));
    scene.waits(LOW, SECOND, wait(WORD));
    assert_eq!(
        scene.leaves(wake_and_wait(WORD, 0), Next::Run(ONE)),
        shared(),
        "behind the other"
    );
    assert_eq!(scene.world.answer::<WaitWord>(), Ok(()));
    assert_eq!(
        scene.leaves(wake_and_wait(OTHER_WORD, 0), Next::Idle),
        shared(),
        "to the other"
    );
    scene.world.give_turn(1);
    assert_eq!(scene.runs_on(1), Some(TWO));
    assert_eq!(scene.world.answer::<WaitWord>(), Ok(()));
}

#[test]
fn of_several_who_wake_one_may_not_go_on_where_it_is_at_home_any_more() {
    let mut scene = Scene::on(2);
    for _ in 0..2 {
        scene.waits(LOW, FIRST, wait(WORD));
    }
    let child = scene.children[1];
    scene
        .world
        .call(child, SetCpus { cpus: SECOND })
        .expect("it runs");
    assert!(!scene.asks(wake(9), Ok((2,))));
    scene.world.give_turn(1);
    assert_eq!(scene.runs_on(1), Some(TWO));
}

/// The first child waits for the word on the second CPU, and the second one, which has the region as well, runs on the third. It is that
/// one's turn.
fn with_somebody_to_be_woken_there() -> Scene {
    let mut scene = Scene::on(3);
    scene.waits(LOW, SECOND, wait(WORD));
    scene.starts(LOW, THIRD);
    scene.world.give_turn(2);
    attach(&mut scene.world, REGION);
    assert_eq!(scene.runs_on(2), Some(TWO));
    scene
}

#[test]
fn nobody_is_woken_by_a_thread_that_was_killed_before() {
    let acts: [fn(&mut World); 2] = [
        |world| {
            world.send(Handle::MEMORY, wake(1), &[], &[]);
        },
        |world| {
            world.send(Handle::MEMORY, wake_and_wait(OTHER_WORD, 0), &[], &[]);
        },
    ];
    for act in acts {
        let mut scene = with_somebody_to_be_woken_there();
        let waker = scene.children[1];
        scene.world.meanwhile(act, |world| {
            world.turn_to(0);
            world.send(waker, Kill {}, &[], &[]);
        });
        let goes_on = (0..9).find(|turn| {
            scene.world.give_turn(turn % 3);
            scene.world.running == Some(INIT)
        });
        assert!(goes_on.is_some(), "whoever was killed ends");
        assert_eq!(scene.world.answer::<Kill>(), Ok(()));
        assert_eq!(scene.asks(wake(1), Ok((1,))), shared(), "it waits still");
    }
}

#[test]
fn who_wakes_somebody_whom_another_one_has_woken_before_has_woken_nobody() {
    let mut scene = with_somebody_to_be_woken_there();
    scene.world.meanwhile(
        |world| {
            world.send(Handle::MEMORY, wake(1), &[], &[]);
        },
        |world| {
            world.turn_to(0);
            assert_eq!(world.call(Handle::MEMORY, wake(1)), Ok((1,)));
        },
    );
    assert_eq!(scene.world.answer::<WakeWord>(), Ok((0,)));
    scene.world.give_turn(1);
    assert_eq!(scene.runs_on(1), Some(ONE));
    assert_eq!(scene.world.answer::<WaitWord>(), Ok(()));
}

#[test]
fn who_passes_a_turn_to_somebody_whom_another_one_has_woken_before_waits_all_the_same() {
    let mut scene = with_somebody_to_be_woken_there();
    scene.world.meanwhile(
        |world| {
            world.send(Handle::MEMORY, wake_and_wait(WORD, 0), &[], &[]);
        },
        |world| {
            world.turn_to(0);
            assert_eq!(world.call(Handle::MEMORY, wake(1)), Ok((1,)));
        },
    );
    assert_eq!(scene.runs_on(2), None);
    scene.world.turn_to(0);
    assert_eq!(scene.asks(wake(2), Ok((1,))), shared());
}

#[test]
fn who_wakes_where_another_one_waits_by_now_wakes_that_one() {
    let mut scene = with_somebody_to_be_woken_there();
    scene.starts(LOW, SECOND);
    scene.world.meanwhile(
        |world| {
            world.turn_to(2);
            world.send(Handle::MEMORY, wake(2), &[], &[]);
        },
        |world| {
            world.turn_to(0);
            assert_eq!(world.call(Handle::MEMORY, wake(1)), Ok((1,)));
            set_priority(world, Handle::SELF, 1);
            world.send(Handle::MEMORY, wait(WORD), &[], &[]);
        },
    );
    scene.world.turn_to(2);
    assert_eq!(scene.world.answer::<WakeWord>(), Ok((1,)));
    scene.world.give_turn(0);
    assert_eq!(scene.runs_on(0), Some(INIT));
    assert_eq!(scene.world.answer::<WaitWord>(), Ok(()));
}

#[test]
fn several_who_wait_on_several_other_cpus_are_woken_with_the_turn_of_one_after_the_other() {
    let mut scene = Scene::on(3);
    for cpus in [SECOND, THIRD] {
        scene.waits(LOW, cpus, wait(WORD));
    }
    assert_eq!(scene.asks(wake(2), Ok((2,))), shared());
    for (cpu, child) in [(1, ONE), (2, TWO)] {
        scene.world.give_turn(cpu);
        assert_eq!(scene.runs_on(cpu), Some(child));
        assert_eq!(scene.world.answer::<WaitWord>(), Ok(()));
    }
}

#[test]
fn of_those_who_wait_on_several_other_cpus_no_more_are_woken_than_were_asked_for() {
    let mut scene = Scene::on(3);
    for cpus in [SECOND, THIRD, FIRST, SECOND] {
        scene.waits(LOW, cpus, wait(WORD));
    }
    assert_eq!(scene.asks(wake(2), Ok((2,))), shared(), "the first two");
    for (cpu, child) in [(1, Some(ONE)), (2, Some(TWO))] {
        scene.world.give_turn(cpu);
        assert_eq!(scene.runs_on(cpu), child);
    }
    scene.world.turn_to(0);
    assert_eq!(scene.asks(wake(9), Ok((2,))), shared());
}

/// Two wait on the second and the third CPU, and a third child of `init` runs on the fourth one. It is the first one's turn.
fn with_two_to_be_woken_and_one_who_runs() -> Scene {
    let mut scene = Scene::on(4);
    for cpus in [SECOND, THIRD] {
        scene.waits(LOW, cpus, wait(WORD));
    }
    scene.starts(LOW, FOURTH);
    scene.world.give_turn(3);
    attach(&mut scene.world, REGION);
    scene.world.turn_to(0);
    scene
}

/// `init` wakes several who wait on two other CPUs, while others do something after it has woken the first.
fn wakes_meanwhile(scene: &mut Scene, others: &mut dyn FnMut(&mut World)) {
    scene.world.meanwhile_each(
        |world| {
            world.send(Handle::MEMORY, wake(9), &[], &[]);
        },
        &mut [&mut |_| {}, others],
    );
}

#[test]
fn who_is_woken_by_another_one_while_the_rest_is_woken_is_not_counted() {
    let mut scene = with_two_to_be_woken_and_one_who_runs();
    wakes_meanwhile(&mut scene, &mut |world| {
        world.turn_to(3);
        let woken = if WAY == Way::Shorter { 1 } else { 2 };
        assert_eq!(world.call(Handle::MEMORY, wake(9)), Ok((woken,)));
    });
    let woken = if WAY == Way::Shorter { 1 } else { 0 };
    assert_eq!(scene.world.answer::<WakeWord>(), Ok((woken,)));
}

#[test]
fn who_comes_to_wait_while_several_are_woken_is_woken_as_well() {
    let mut scene = with_two_to_be_woken_and_one_who_runs();
    wakes_meanwhile(&mut scene, &mut |world| {
        world.turn_to(3);
        world.send(Handle::MEMORY, wait(WORD), &[], &[]);
    });
    assert_eq!(scene.world.answer::<WakeWord>(), Ok((3,)));
    scene.world.give_turn(3);
    assert_eq!(scene.runs_on(3), Some(THREE));
}

#[test]
fn all_who_wait_in_turn_on_two_other_cpus_are_woken_in_two_steps() {
    let mut scene = Scene::on(3);
    for cpus in [
        SECOND, THIRD, SECOND, THIRD, SECOND, THIRD, SECOND, THIRD, SECOND, THIRD,
    ] {
        scene.waits(LOW, cpus, wait(WORD));
    }
    scene.world.meanwhile_each(
        |world| {
            world.send(Handle::MEMORY, wake(10), &[], &[]);
        },
        &mut [&mut |_| {}, &mut |_| {}],
    );
    assert_eq!(scene.world.answer::<WakeWord>(), Ok((10,)));
}

/// Two wait on the third and the fourth CPU. `init` runs on the first one, a sibling of it on the second one.
fn with_a_sibling_and_two_to_be_woken() -> Scene {
    let mut scene = Scene::on(4);
    for cpus in [THIRD, FOURTH] {
        scene.waits(LOW, cpus, wait(WORD));
    }
    create_thread(&mut scene.world);
    scene.world.give_turn(1);
    assert_eq!(scene.runs_on(1), Some(THREE));
    scene.world.turn_to(0);
    scene
}

#[test]
fn who_has_woken_some_as_the_word_goes_is_told_how_many() {
    let mut scene = with_a_sibling_and_two_to_be_woken();
    wakes_meanwhile(&mut scene, &mut |world| {
        world.turn_to(1);
        let detach = ShmDetach { address: HERE };
        assert_eq!(world.call(Handle::MEMORY, detach), Ok(()));
    });
    let answer = if WAY == Way::Shorter {
        Ok((1,))
    } else {
        Err(Errno::EFAULT)
    };
    assert_eq!(scene.world.answer::<WakeWord>(), answer);
}

#[test]
fn a_request_that_was_refused_when_it_had_woken_some_counts_for_no_later_one() {
    let mut scene = with_a_sibling_and_two_to_be_woken();
    let stays = scene.children[1];
    scene
        .world
        .call(stays, SetCpus { cpus: FIRST })
        .expect("it runs there");
    let copy = scene.world.derive(Handle::MEMORY, Rights::CALL, Badge(0));
    scene.world.meanwhile_each(
        |world| {
            world.send(Handle::MEMORY, wake(9), &[], &[]);
        },
        &mut [&mut |_| {}, &mut |_| {}, &mut |world| {
            world.turn_to(1);
            let handle = Handle::MEMORY;
            assert_eq!(world.call(Handle::SELF, Close { handle }), Ok(()));
        }],
    );
    assert_eq!(scene.world.back().outcome, Some(IpcError::BadHandle));
    let left = if WAY == Way::Shorter { 1 } else { 2 };
    scene.world.send(copy, wake(9), &[], &[]);
    assert_eq!(scene.world.answer::<WakeWord>(), Ok((left,)));
}

#[test]
fn who_has_woken_somebody_more_important_makes_way_though_the_others_were_woken_meanwhile() {
    let mut scene = Scene::on(4);
    scene.waits(HIGH, FIRST, wait(WORD));
    scene.waits(LOW, THIRD, wait(WORD));
    scene.starts(LOW, FOURTH);
    scene.world.give_turn(3);
    attach(&mut scene.world, REGION);
    scene.world.turn_to(0);
    set_priority(&mut scene.world, Handle::SELF, 20);
    scene.world.meanwhile_each(
        |world| {
            world.send(Handle::MEMORY, wake(9), &[], &[]);
        },
        &mut [&mut |world| {
            world.turn_to(3);
            world.send(Handle::MEMORY, wake(9), &[], &[]);
        }],
    );
    assert_eq!(scene.runs_on(0), Some(ONE));
}

#[test]
fn who_is_ended_while_it_wakes_several_leaves_the_rest_to_others() {
    let mut scene = with_two_to_be_woken_and_one_who_runs();
    let waker = scene.children[2];
    scene.world.turn_to(3);
    scene.world.meanwhile_each(
        |world| {
            world.send(Handle::MEMORY, wake(9), &[], &[]);
        },
        &mut [&mut |_| {}, &mut |world| {
            world.turn_to(0);
            world.send(waker, Kill {}, &[], &[]);
        }],
    );
    let goes_on = (0..12).find(|turn| {
        scene.world.give_turn(turn % 4);
        scene.world.running == Some(INIT)
    });
    assert!(goes_on.is_some(), "whoever was killed ends");
    let left = if WAY == Way::Shorter { 1 } else { 2 };
    assert_eq!(scene.asks(wake(9), Ok((left,))), shared());
}

#[test]
fn a_turn_is_passed_with_the_whole_kernel_to_who_may_run_on_neither_cpu() {
    let mut scene = Scene::on(3);
    scene.waits(LOW, SECOND, wait(WORD));
    let child = scene.children[0];
    let request = SetCpus { cpus: THIRD };
    scene.world.call(child, request).expect("it runs");
    assert!(!scene.leaves(wake_and_wait(OTHER_WORD, 0), Next::Idle));
    scene.world.give_turn(2);
    assert_eq!(scene.runs_on(2), Some(ONE));
    assert_eq!(scene.world.answer::<WaitWord>(), Ok(()));
}
