//! Nobody takes away from all others what there is a fixed number of: a quarter of it is one's share.

use super::world;
use abi::process::{Close, Create, CreateEndpoint, End, Exit, SetCredential, Wait};
use abi::{Errno, Handle};
use play::World;

const INIT: u32 = 0;
const CHILD: u32 = 1;
/// Shares of the processes and endpoints that this kernel has room for.
const PROCESSES: usize = 10;
const ENDPOINTS: usize = 4;

/// `init` has started a child of this user, and that child runs.
fn child_of(uid: u32) -> (World, Handle) {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    let user = SetCredential { uid, gid: 100 };
    world.call(child, user).expect("user 0 may");
    world.start(child);
    world.until(CHILD);
    (world, child)
}

/// The running program makes endpoints until it is refused; those it got.
fn create_endpoints(world: &mut World) -> Vec<Handle> {
    let mut made = Vec::new();
    while world.call(Handle::SELF, CreateEndpoint {}).is_ok() {
        made.extend(world.handles());
    }
    assert_eq!(world.call(Handle::SELF, CreateEndpoint {}), Err(Errno::ENFILE));
    made
}

/// The same for processes. Nothing is kept of them but the handle to the process.
fn create_processes(world: &mut World) -> (Vec<Handle>, Errno) {
    let mut made = Vec::new();
    loop {
        match world.call_with(Handle::SELF, Create {}, b"bomb", &[]) {
            Ok(_) => {
                let [process, memory] = world.handles()[..] else {
                    panic!("a child comes as two handles");
                };
                world
                    .call(Handle::SELF, Close { handle: memory })
                    .expect("it came along");
                made.push(process);
            }
            Err(errno) => return (made, errno),
        }
    }
}

#[test]
fn a_process_has_its_share_of_endpoints_and_the_others_have_theirs() {
    let (mut world, _) = child_of(0);
    assert_eq!(create_endpoints(&mut world).len(), ENDPOINTS);
    world.until(INIT);
    let made = create_endpoints(&mut world);
    assert_eq!(made.len(), ENDPOINTS);
    world
        .call(Handle::SELF, Close { handle: made[0] })
        .expect("its own");
    assert_eq!(create_endpoints(&mut world).len(), 1, "one came back");
}

#[test]
fn the_processes_of_a_user_have_one_share_of_endpoints_together() {
    let (mut world, _) = child_of(1000);
    assert_eq!(create_endpoints(&mut world).len(), ENDPOINTS);
    let (child, _) = world.create("grandchild").expect("a few processes are in order");
    world.start(child);
    world.until(2);
    assert_eq!(create_endpoints(&mut world).len(), 0);
    world.until(INIT);
    assert_eq!(create_endpoints(&mut world).len(), ENDPOINTS);
}

#[test]
fn a_user_has_its_share_of_processes_and_the_others_have_theirs() {
    let (mut world, _) = child_of(1000);
    let (made, errno) = create_processes(&mut world);
    assert_eq!(
        (made.len(), errno),
        (PROCESSES - 1, Errno::ENFILE),
        "itself counts"
    );
    world.until(INIT);
    let (others, _) = create_processes(&mut world);
    assert!(others.len() > PROCESSES, "user 0 has no share");
}

#[test]
fn a_process_that_has_ended_counts_until_nobody_holds_it() {
    let (mut world, _) = child_of(1000);
    let (child, _) = world.create("grandchild").expect("room");
    world.start(child);
    world.until(2);
    world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    world.until(CHILD);
    assert_eq!(world.call(child, Wait {}), Ok(End::Exited(0)));
    assert_eq!(create_processes(&mut world).0.len(), PROCESSES - 2);
    world.call(Handle::SELF, Close { handle: child }).expect("held");
    assert_eq!(create_processes(&mut world).0.len(), 1);
}
