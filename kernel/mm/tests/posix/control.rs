//! `shmctl` with `IPC_STAT`, `IPC_SET`, `IPC_RMID`, `SHM_LOCK`: sections C, H and L.

use crate::common::{CREATE, FIND, PAGE, PLAIN, PRIVATE, World, create_with};
use abi::Errno;
use abi::shm::{AttachFlags, GetFlags, SHM_DEST, SHM_LOCKED, ShmCommand, ShmId, ShmidDs};
use mm::{Credential, Gid, Uid};

/// Proves: C-01, C-02, C-03, H-07, H-12
#[test]
fn a_stat_tells_all_that_is_known_and_every_byte_of_it_is_written() {
    let mut world = World::new();
    let p = world.user(3);
    for rounds in 0..3 {
        let id = world
            .get(p, 40 + rounds, 100, create_with(0o640))
            .expect("created");
        let at = world.attach_anywhere(p, id);
        // The message page was full of other bytes before.
        let expected = ShmidDs {
            shm_perm: abi::shm::IpcPerm {
                key: 40 + rounds,
                uid: 3,
                gid: 3,
                cuid: 3,
                cgid: 3,
                mode: 0o640,
                seq: (id.raw() / 32768) as u16,
                ..Default::default()
            },
            shm_segsz: 100,
            shm_atime: 1000,
            shm_ctime: 1000,
            shm_cpid: world.pid(p),
            shm_lpid: world.pid(p),
            shm_nattch: 1,
            ..Default::default()
        };
        assert_eq!(world.stat(p, id), Ok(expected));
        world.detach(p, at).expect("attached");
        world.remove(p, id).expect("there");
    }
}

/// Proves: C-04, C-28
#[test]
fn without_read_permission_there_is_no_stat_and_no_new_attachment_but_old_ones_stay() {
    let mut world = World::new();
    let (owner, stranger) = (world.user(1), world.user(2));
    let id = world
        .get(owner, PRIVATE, PAGE, create_with(0o640))
        .expect("created");
    assert_eq!(world.stat(stranger, id), Err(Errno::EACCES));
    let at = world.attach_anywhere(owner, id);
    let mut closed = world.facts(id);
    closed.shm_perm.mode = 0;
    world.set(owner, id, &closed).expect("the owner may");
    assert_eq!(world.stat(owner, id), Err(Errno::EACCES));
    assert_eq!(
        world.attach(owner, id, 0, AttachFlags::RDONLY),
        Err(Errno::EACCES)
    );
    world.store(owner, at, 1).expect("mapped before");
}

/// Proves: C-09, L-07
#[test]
fn bad_commands_and_identifiers_are_refused() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE).raw();
    for command in [-1, 4, 10, 99, i32::MAX, i32::MIN] {
        assert_eq!(world.control(p, id, command, &[]), Err(Errno::EINVAL));
    }
    let commands = [
        ShmCommand::Stat,
        ShmCommand::Remove,
        ShmCommand::Lock,
        ShmCommand::Unlock,
        ShmCommand::StatIndex,
    ];
    for command in commands.map(|command| command as i32) {
        for bad in [-1, i32::MIN, id + 1, i32::MAX] {
            assert_eq!(
                world.control(p, bad, command, &[]),
                Err(Errno::EINVAL),
                "{command} of {bad}"
            );
        }
    }
}

/// Proves: C-20, C-21, C-22, C-23
#[test]
fn a_set_takes_owner_group_and_nine_bits_and_notes_when() {
    let mut world = World::new();
    let p = world.user(1);
    let id = world.get(p, 7, 100, create_with(0o600)).expect("created");
    let before = world.facts(id);
    world.now = 3000;
    let wanted = ShmidDs {
        shm_perm: abi::shm::IpcPerm {
            key: 99,
            uid: 8,
            gid: 9,
            cuid: 55,
            cgid: 56,
            mode: 0o7777,
            seq: 77,
            ..Default::default()
        },
        shm_segsz: 1 << 20,
        shm_atime: 1,
        shm_dtime: 2,
        shm_ctime: 3,
        shm_cpid: 4,
        shm_lpid: 5,
        shm_nattch: 6,
        ..Default::default()
    };
    world.set(p, id, &wanted).expect("the owner may");
    let mut expected = before;
    expected.shm_perm.uid = 8;
    expected.shm_perm.gid = 9;
    expected.shm_perm.mode = 0o777;
    expected.shm_ctime = 3000;
    assert_eq!(world.facts(id), expected);
}

/// Proves: C-24, C-46, L-04
#[test]
fn only_owner_creator_and_user_0_may_change_or_remove() {
    let mut world = World::new();
    let owner = world.user(1);
    let member = Credential::new(Uid(2), Gid(1))
        .with_groups(&[Gid(1)])
        .expect("few groups");
    let (member, stranger, root) = (world.process_of(member), world.user(9), world.process());
    let id = world.get(owner, 7, 100, create_with(0o666)).expect("created");
    let facts = world.facts(id);
    for p in [member, stranger] {
        assert_eq!(world.set(p, id, &facts), Err(Errno::EPERM));
        assert_eq!(world.remove(p, id), Err(Errno::EPERM));
        for command in [ShmCommand::Lock, ShmCommand::Unlock] {
            assert_eq!(world.control(p, id.raw(), command as i32, &[]), Err(Errno::EPERM));
        }
    }
    assert_eq!(world.facts(id), facts);
    world.set(root, id, &facts).expect("user 0 may");
    world.remove(root, id).expect("user 0 may");
}

/// Proves: C-25, C-26
#[test]
fn a_creator_who_gives_a_segment_away_keeps_his_rights_and_the_new_owner_has_them_too() {
    let mut world = World::new();
    let (creator, heir) = (world.user(1), world.user(2));
    let id = world.get(creator, 7, 100, create_with(0o600)).expect("created");
    let mut given = world.facts(id);
    given.shm_perm.uid = 2;
    world.set(creator, id, &given).expect("the owner may");
    for p in [creator, heir] {
        assert_eq!(
            world
                .stat(p, id)
                .map(|facts| (facts.shm_perm.uid, facts.shm_perm.cuid)),
            Ok((2, 1))
        );
        assert!(world.attach(p, id, 0, PLAIN).is_ok());
        world.set(p, id, &given).expect("owner and creator may");
    }
    world.remove(heir, id).expect("the owner may");
}

/// Proves: C-27
#[test]
fn a_set_without_a_whole_structure_fails_before_the_identifier_is_looked_up() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    let set = ShmCommand::Set as i32;
    for short in [0, 1, size_of::<ShmidDs>() - 1] {
        let bytes = vec![0; short];
        assert_eq!(world.control(p, id.raw(), set, &bytes), Err(Errno::EFAULT));
        assert_eq!(world.control(p, id.raw() + 1, set, &bytes), Err(Errno::EFAULT));
        assert_eq!(world.control(p, -1, set, &bytes), Err(Errno::EINVAL));
    }
    let unknown = ShmId::from_raw(id.raw() + 1).expect("not negative");
    assert_eq!(world.set(p, unknown, &ShmidDs::default()), Err(Errno::EINVAL));
}

/// Proves: C-29
#[test]
fn the_user_that_nobody_is_cannot_own_a_segment() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    let before = world.facts(id);
    for (uid, gid) in [(u32::MAX, 0), (0, u32::MAX)] {
        let mut wanted = before;
        (wanted.shm_perm.uid, wanted.shm_perm.gid) = (uid, gid);
        assert_eq!(world.set(p, id, &wanted), Err(Errno::EINVAL));
    }
    assert_eq!(world.facts(id), before);
}

/// Proves: C-30, C-50, S-06
#[test]
fn a_removed_segment_can_be_set_stays_removed_and_its_times_do_not_change_by_removal() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    world.attach_anywhere(p, id);
    let before = world.facts(id);
    world.now = 4000;
    world.remove(p, id).expect("there");
    let removed = world.facts(id);
    assert_eq!(removed.shm_ctime, before.shm_ctime);
    let mut wanted = removed;
    wanted.shm_perm.mode = 0o640;
    world.set(p, id, &wanted).expect("its identifier is still good");
    assert_eq!(world.facts(id).shm_perm.mode, 0o640 | SHM_DEST);
}

/// Proves: C-40, C-45
#[test]
fn a_segment_that_nobody_has_attached_is_destroyed_at_once() {
    let mut world = World::new();
    let p = world.process();
    let before = world.mm.frame_counts();
    let id = world.segment(p, PAGE);
    world.remove(p, id).expect("there");
    assert_eq!(world.mm.frame_counts(), before);
    assert_eq!(world.remove(p, id), Err(Errno::EINVAL));
    assert_eq!(world.stat(p, id), Err(Errno::EINVAL));
    assert_eq!(world.attach(p, id, 0, PLAIN), Err(Errno::EINVAL));
}

/// Proves: C-41, C-42, C-53
#[test]
fn removal_while_attached_marks_the_segment_and_data_live_until_the_last_detach() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.segment(one, 2 * PAGE);
    let (mine, theirs) = (world.attach_anywhere(one, id), world.attach_anywhere(other, id));
    world.store(one, mine, 11).expect("writable");
    world.remove(one, id).expect("there");
    assert_eq!(world.facts(id).shm_perm.mode, 0o600 | SHM_DEST);
    assert_eq!(world.load(other, theirs), Ok(11));
    world.detach(other, theirs).expect("attached");
    assert_eq!(world.load(one, mine), Ok(11));
    world
        .store(one, mine + PAGE, 12)
        .expect("first touches still work");
    world.detach(one, mine).expect("attached");
    assert_eq!(world.stat(one, id), Err(Errno::EINVAL));
}

/// Proves: C-43, C-44
#[test]
fn removal_frees_the_key_at_once_and_more_removals_hurt_nobody() {
    let mut world = World::new();
    let p = world.process();
    let id = world.get(p, 7, PAGE, CREATE).expect("created");
    let at = world.attach_anywhere(p, id);
    world.remove(p, id).expect("there");
    assert_eq!(world.facts(id).shm_perm.key, 0);
    assert_eq!(world.get(p, 7, 0, FIND), Err(Errno::ENOENT));
    let heir = world.get(p, 7, PAGE, CREATE | GetFlags::EXCL).expect("a new one");
    assert_ne!(heir, id);
    for _ in 0..5 {
        world.remove(p, id).expect("every time");
    }
    assert_eq!(
        (world.facts(id).shm_nattch, world.get(p, 7, 0, FIND)),
        (1, Ok(heir))
    );
    assert_eq!(world.facts(heir).shm_perm.mode & SHM_DEST, 0);
    world.detach(p, at).expect("attached");
    assert_eq!(
        (world.stat(p, id), world.get(p, 7, 0, FIND)),
        (Err(Errno::EINVAL), Ok(heir))
    );
}

/// Proves: C-47, C-51
#[test]
fn removal_ignores_the_structure_and_asks_for_ownership_only() {
    let mut world = World::new();
    let p = world.user(1);
    let id = world.get(p, PRIVATE, PAGE, create_with(0)).expect("created");
    let removed = world.control(p, id.raw(), ShmCommand::Remove as i32, &[0xff; 7]);
    assert_eq!(removed, Ok((0, vec![])));
}

/// Proves: L-01, L-02, L-03, L-08, L-09
#[test]
fn a_lock_is_a_bit_that_one_unlock_clears() {
    let mut world = World::new();
    let p = world.user(1);
    let id = world.segment(p, PAGE);
    let before = world.facts(id);
    let mut after = |command: ShmCommand| {
        world.now += 1;
        assert_eq!(world.control(p, id.raw(), command as i32, &[]), Ok((0, vec![])));
        world.facts(id)
    };
    assert_eq!(after(ShmCommand::Unlock), before);
    for _ in 0..2 {
        assert_eq!(after(ShmCommand::Lock).shm_perm.mode, 0o600 | SHM_LOCKED);
    }
    assert_eq!(after(ShmCommand::Unlock), before);
}
