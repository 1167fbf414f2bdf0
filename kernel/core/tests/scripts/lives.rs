//! How processes begin and end, and that nothing of them stays.

use super::world;
use abi::console::Read;
use abi::memory::{Map, ShmControl, ShmGet, ShmIdArgument};
use abi::process::{Close, Create, End, Exit, FaultKind, Give, Kill, ReadClock, Wait, WaitAndClose};
use abi::shm::{GetFlags, ShmCommand, ShmKey, ShmidDs};
use abi::system::{MachineEnd, NextProcess, ShutDown};
use abi::time::ClockSource;
use abi::{Errno, Handle, IpcError};
use addr::VirtAddr;
use core::mem::offset_of;
use kcore::Next;
use kcore::sched::Stop;
use mm::Access;

#[test]
fn a_child_that_never_started_goes_with_its_last_handle() {
    let mut world = world();
    let before = world.free_frames();
    let (child, memory) = world.create("child").expect("room");
    assert!(world.free_frames() < before);
    world
        .call(Handle::SELF, Close { handle: memory })
        .expect("closes");
    world.send(Handle::SELF, Close { handle: child }, &[], &[]);
    world.yield_now();
    assert_eq!(world.free_frames(), before);
    assert_eq!(
        world.call(
            Handle::PARENT,
            NextProcess {
                after: abi::process::Pid(1)
            }
        ),
        Err(Errno::ESRCH)
    );
}

#[test]
fn a_chain_of_children_that_hold_each_other_goes_with_the_handle_of_the_first() {
    let mut world = world();
    let before = world.free_frames();
    let mut last: Option<Handle> = None;
    for number in 0..30 {
        let (child, memory) = world.create(&format!("link{number}")).expect("room");
        world
            .call(Handle::SELF, Close { handle: memory })
            .expect("closes");
        if let Some(last) = last {
            world
                .call_with(child, Give { place: 9 }, &[], &[last])
                .expect("gives");
            world.call(Handle::SELF, Close { handle: last }).expect("closes");
        }
        last = Some(child);
    }
    world.send(
        Handle::SELF,
        Close {
            handle: last.expect("thirty"),
        },
        &[],
        &[],
    );
    for _ in 0..40 {
        world.yield_now();
    }
    assert_eq!(world.free_frames(), before);
}

#[test]
fn processes_run_out_with_an_error_and_come_back() {
    let mut world = world();
    let before = world.free_frames();
    let mut children = Vec::new();
    let error = loop {
        match world.create("bomb") {
            Ok(handles) => children.push(handles),
            Err(error) => break error,
        }
    };
    assert_eq!(error, Errno::EMFILE, "the table of handles is full first");
    for (child, memory) in children {
        world.send(child, Kill {}, &[], &[]);
        world.until(0);
        world.call(Handle::SELF, Close { handle: child }).expect("closes");
        world
            .call(Handle::SELF, Close { handle: memory })
            .expect("closes");
    }
    assert_eq!(world.free_frames(), before);
    assert!(world.create("again").is_ok());
}

#[test]
fn who_waits_for_a_child_and_closes_its_handle_leaves_nothing_of_it() {
    let mut world = world();
    let own = WaitAndClose { handle: Handle::SELF };
    assert_eq!(world.call(Handle::SELF, own), Err(Errno::EINVAL));
    for ends_before in [false, true] {
        let (child, memory) = world.create("child").expect("room");
        world.start(child);
        for handle in [memory, Handle::SELF, Handle::NONE] {
            assert_eq!(world.call(child, WaitAndClose { handle }), Err(Errno::EBADF));
        }
        if ends_before {
            world.until(1);
        } else {
            world.send(child, WaitAndClose { handle: child }, &[], &[]);
        }
        assert_eq!(world.running, Some(1));
        world.send(Handle::SELF, Exit { status: 5 }, &[], &[]);
        assert_eq!(world.running, Some(0));
        let end = if ends_before {
            world.call(child, WaitAndClose { handle: child })
        } else {
            world.answer::<WaitAndClose>()
        };
        assert_eq!(end, Ok(End::Exited(5)));
        assert_eq!(world.kernel.population().processes, 1);
        let close = Close { handle: child };
        assert_eq!(world.call(Handle::SELF, close), Err(Errno::EBADF));
    }
}

#[test]
fn a_fault_ends_its_process_alone_is_in_the_log_and_its_parent_is_told() {
    let mut world = world();
    let (child, _) = world.create("wild").expect("room");
    world.start(child);
    world.send(child, Wait {}, &[], &[]);
    assert_eq!(world.running, Some(1));
    world
        .kernel()
        .memory_fault(VirtAddr::new(0xdead_0000), Access::Write);
    world.run();
    assert_eq!(
        world.answer::<Wait>(),
        Ok(End::Faulted(FaultKind::Unmapped, 0xdead_0000))
    );
    let log = world.log();
    assert!(
        log.contains("process 2 (wild) ended by a fault: write to 0xdead0000: nothing is mapped there"),
        "{log}"
    );
}

#[test]
fn the_memory_manager_of_a_process_that_ended_answers_nobody() {
    let mut world = world();
    let (child, memory) = world.create("child").expect("room");
    world
        .call(memory, Map::new(0, 0x5000, abi::memory::Protection::READ))
        .expect("maps");
    world.send(child, Kill {}, &[], &[]);
    world.until(0);
    world.send(memory, abi::memory::CountUsage {}, &[], &[]);
    assert_eq!(world.back().outcome, Some(IpcError::PeerGone));
}

#[test]
fn a_started_process_cannot_be_given_handles_or_started_again() {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    assert_eq!(
        world.call_with(child, Give { place: 0 }, &[], &[Handle::CONSOLE]),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        world.call_with(child, Give { place: 3 }, &[], &[]),
        Err(Errno::EINVAL)
    );
    world.start(child);
    assert_eq!(
        world.call_with(child, Give { place: 3 }, &[], &[Handle::CONSOLE]),
        Err(Errno::EBUSY)
    );
    let start = abi::process::Start {
        entry: 0,
        stack: 0,
        word0: 0,
        word1: 0,
        word2: 0,
        word3: 0,
    };
    assert_eq!(world.call(child, start), Err(Errno::EBUSY));
}

#[test]
fn a_parent_may_not_do_what_is_the_childs_own() {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    assert_eq!(
        world.call_with(child, Create {}, b"grandchild", &[]),
        Err(Errno::EPERM)
    );
    assert_eq!(
        world.call(child, abi::process::Exit { status: 0 }),
        Err(Errno::EPERM)
    );
    assert_eq!(world.call(Handle::SELF, Kill {}), Err(Errno::EINVAL));
    assert_eq!(world.call(Handle::SELF, Wait {}), Err(Errno::EINVAL));
}

#[test]
fn a_reader_waits_for_input_and_gets_what_was_typed() {
    let mut world = world();
    world.send(Handle::CONSOLE, Read { most: 10 }, &[], &[]);
    assert_eq!(world.running, None);
    world.kernel.platform.typed.extend(b"hi\r");
    world.console_interrupt();
    assert_eq!(world.answer::<Read>(), Ok((3,)));
    assert_eq!(&world.page().bytes[..3], b"hi\r");
}

#[test]
fn a_console_that_is_busy_says_so_and_takes_what_it_can_later() {
    let mut world = world();
    world.kernel.platform.console_full = true;
    assert_eq!(
        world.call_with(Handle::CONSOLE, abi::console::Write {}, b"text", &[]),
        Err(Errno::EAGAIN)
    );
    world.kernel.platform.console_full = false;
    assert_eq!(
        world.call_with(Handle::CONSOLE, abi::console::Write {}, b"text", &[]),
        Ok((4,))
    );
    assert_eq!(world.kernel.platform.printed, b"text");
}

#[test]
fn the_end_of_a_time_slice_lets_the_next_thread_run() {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    world.start(child);
    assert_eq!(world.running, Some(0));
    for expected in [1, 0, 1] {
        world.end_slice();
        assert_eq!(world.running, Some(expected));
    }
}

#[test]
fn any_process_may_ask_what_time_it_is_and_its_segments_have_the_same() {
    let mut world = world();
    let reading = world.call(Handle::SELF, ReadClock {}).expect("a time");
    assert_eq!((reading.seconds, reading.uptime), (100, 100_000_000_000));
    assert_eq!(reading.source, ClockSource::Boot);

    let (key, flags) = (ShmKey(7), GetFlags::CREAT);
    let (id,) = world
        .call(Handle::MEMORY, ShmGet { key, size: 1, flags })
        .expect("room");
    let stat = ShmControl {
        id: ShmIdArgument(id.raw()),
        command: ShmCommand::Stat as i32,
    };
    world.call(Handle::MEMORY, stat).expect("its creator may");
    let changed = world.page().bytes[offset_of!(ShmidDs, shm_ctime)..]
        .first_chunk()
        .copied();
    assert_eq!(changed.map(i64::from_le_bytes), Some(reading.seconds));
}

#[test]
fn a_shutdown_and_the_end_of_the_first_process_stop_everything() {
    for end in [MachineEnd::PowerOff, MachineEnd::Restart] {
        let mut world = world();
        let next = world.send(Handle::PARENT, ShutDown { status: 4, end }, &[], &[]);
        assert_eq!(next, Next::Stop(Stop::ShutDown(end, 4)));
    }
    let mut world = world();
    let next = world.send(Handle::SELF, abi::process::Exit { status: 1 }, &[], &[]);
    assert_eq!(next, Next::Stop(Stop::FirstEnded(End::Exited(1))));
}
