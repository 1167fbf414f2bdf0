//! Who may: section P.

use crate::common::{PAGE, PLAIN, PRIVATE, World, create_with};
use abi::Errno;
use mm::{Credential, Gid, Uid};

/// Whether somebody may attach a segment of user 1, group 1, with this mode.
fn attaches(mode: u32, credential: Credential) -> Result<(), Errno> {
    let mut world = World::new();
    let owner = world.user(1);
    let id = world
        .get(owner, PRIVATE, PAGE, create_with(mode))
        .expect("created");
    let p = world.process_of(credential);
    world.attach(p, id, 0, PLAIN).map(|_| ())
}

fn user(uid: u32, gid: u32) -> Credential {
    Credential::new(Uid(uid), Gid(gid))
}

/// Proves: P-01, P-02
#[test]
fn an_owner_has_the_owner_bits_and_no_others() {
    assert_eq!(attaches(0o600, user(1, 1)), Ok(()));
    assert_eq!(attaches(0o077, user(1, 1)), Err(Errno::EACCES));
}

/// Proves: P-03, P-04
#[test]
fn a_group_member_has_the_group_bits_and_no_others() {
    assert_eq!(attaches(0o607, user(2, 1)), Err(Errno::EACCES));
    assert_eq!(attaches(0o060, user(2, 1)), Ok(()));
    let supplementary = user(2, 2).with_groups(&[Gid(7), Gid(1)]).expect("few groups");
    assert_eq!(attaches(0o060, supplementary), Ok(()));
    assert_eq!(attaches(0o607, supplementary), Err(Errno::EACCES));
}

/// Proves: P-04
#[test]
fn the_creators_group_counts_after_the_group_was_given_away() {
    let mut world = World::new();
    let owner = world.user(1);
    let id = world
        .get(owner, PRIVATE, PAGE, create_with(0o060))
        .expect("created");
    let mut given = world.facts(id);
    given.shm_perm.gid = 5;
    world.set(owner, id, &given).expect("the owner may");
    for gid in [1, 5] {
        let member = world.process_of(user(2, gid));
        assert!(world.attach(member, id, 0, PLAIN).is_ok(), "group {gid}");
    }
}

/// Proves: P-05, P-08
#[test]
fn everybody_else_has_the_other_bits() {
    assert_eq!(attaches(0o006, user(2, 2)), Ok(()));
    assert_eq!(attaches(0o660, user(2, 2)), Err(Errno::EACCES));
}

/// Proves: P-06
#[test]
fn user_0_needs_no_bits() {
    assert_eq!(attaches(0, Credential::ROOT), Ok(()));
}

#[test]
fn who_becomes_another_user_is_judged_as_that_one_from_then_on() {
    let mut world = World::new();
    let owner = world.user(1);
    let id = world
        .get(owner, PRIVATE, PAGE, create_with(0o600))
        .expect("created");
    let p = world.process_of(user(2, 2));
    assert_eq!(world.attach(p, id, 0, PLAIN), Err(Errno::EACCES));
    world.mm.set_credential(p, user(1, 1));
    let at = world.attach_anywhere(p, id);
    world.mm.set_credential(p, user(2, 2));
    assert_eq!(world.attach(p, id, 0, PLAIN), Err(Errno::EACCES));
    assert_eq!(world.load(p, at), Ok(0), "what is attached stays so");
}

#[test]
fn an_address_space_that_takes_anothers_place_acts_for_the_same_process() {
    let mut world = World::new();
    let owner = world.user(1);
    let id = world
        .get(owner, PRIVATE, PAGE, create_with(0o600))
        .expect("created");
    let new = world.process_of(user(2, 2));
    world.mm.succeed(owner, new);
    world.attach_anywhere(new, id);
    assert_eq!(world.facts(id).shm_lpid, world.pid(owner));
    world.attach_anywhere(owner, id);
}
