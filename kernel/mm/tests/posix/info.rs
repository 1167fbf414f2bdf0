//! `IPC_INFO`, `SHM_INFO`, `SHM_STAT`, `SHM_STAT_ANY`: section I.

use crate::common::{PAGE, PRIVATE, Size, World, create_with, structure};
use abi::Errno;
use abi::shm::{ShmCommand, ShmidDs};
use mm::Limits;

/// Proves: I-01
#[test]
fn ipc_info_tells_the_limits_in_force() {
    let limits = Limits {
        shmmni: 20,
        shmmax: 1 << 20,
        shmall: 999,
        shmseg: 5,
        ..Limits::WIDEST
    };
    let mut world = World::of(Size {
        limits,
        ..Size::USUAL
    });
    let p = world.user(1);
    let (_, told) = world.limits(p);
    assert_eq!((told.shmmin, told.shmmni, told.shmmax), (1, 20, 1 << 20));
    assert_eq!((told.shmall, told.shmseg, told.reserved), (999, 5, [0; 4]));
}

/// Proves: I-03, I-07
#[test]
fn both_infos_answer_the_highest_index_and_shm_info_counts_segments_and_pages() {
    let mut world = World::new();
    let p = world.process();
    assert_eq!(
        (world.limits(p).0, world.totals(p).0, world.segments()),
        (0, 0, (0, 0))
    );
    let ids = [2 * PAGE, PAGE, 1].map(|size| world.segment(p, size));
    assert_eq!(world.segments(), (3, 4));
    let highest = u64::from(ids[2].index());
    assert_eq!((world.limits(p).0, world.totals(p).0), (highest, highest));
    world.remove(p, ids[2]).expect("there");
    assert_eq!(world.limits(p).0, u64::from(ids[1].index()));
}

/// Proves: I-04, I-05, I-08
#[test]
fn a_walk_over_all_indexes_finds_every_segment_once() {
    let mut world = World::new();
    let p = world.process();
    let mut ids = vec![];
    for round in 0..9 {
        let id = world.segment(p, PAGE * (round + 1));
        if round % 3 == 1 {
            world.remove(p, id).expect("there");
        } else {
            ids.push(id);
        }
    }
    let highest = world.limits(p).0 as i32;
    let mut found = vec![];
    for index in 0..=highest + 3 {
        match world.control(p, index, ShmCommand::StatIndex as i32, &[]) {
            Ok((id, bytes)) => {
                let id = ids
                    .iter()
                    .find(|known| u64::from(known.raw().cast_unsigned()) == id)
                    .expect("known");
                assert_eq!(structure::<ShmidDs>(&bytes), world.facts(*id));
                found.push(*id);
            }
            Err(errno) => assert_eq!(errno, Errno::EINVAL),
        }
    }
    found.sort_by_key(|id| id.raw());
    ids.sort_by_key(|id| id.raw());
    assert_eq!(found, ids);
    assert_eq!(world.segments().0 as usize, found.len());
}

/// Proves: I-06
#[test]
fn shm_stat_needs_read_permission_and_shm_stat_any_does_not() {
    let mut world = World::new();
    let (owner, stranger) = (world.user(1), world.user(2));
    let id = world
        .get(owner, PRIVATE, PAGE, create_with(0o600))
        .expect("created");
    let index = id.index().cast_signed();
    let ask = |world: &mut World, command: ShmCommand| world.control(stranger, index, command as i32, &[]);
    assert_eq!(ask(&mut world, ShmCommand::StatIndex), Err(Errno::EACCES));
    let (answered, bytes) = ask(&mut world, ShmCommand::StatAny).expect("nothing is asked");
    assert_eq!(answered, u64::from(id.raw().cast_unsigned()));
    assert_eq!(structure::<ShmidDs>(&bytes), world.facts(id));
    assert_eq!(world.totals(stranger).1.used_ids, 1);
}

/// Proves: I-09
#[test]
fn even_the_infos_refuse_a_negative_identifier() {
    let mut world = World::new();
    let p = world.process();
    for command in [ShmCommand::Limits, ShmCommand::Totals] {
        assert_eq!(world.control(p, -1, command as i32, &[]), Err(Errno::EINVAL));
    }
}

/// Proves: I-13
#[test]
fn a_page_counts_as_in_memory_from_its_first_touch_on() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 5 * PAGE);
    let at = world.attach_anywhere(p, id);
    let resident = |world: &mut World| world.totals(p).1.shm_rss;
    assert_eq!(resident(&mut world), 0);
    world.load(p, at).expect("readable");
    world.store(p, at, 1).expect("writable");
    world.store(p, at + 4 * PAGE, 1).expect("writable");
    assert_eq!(resident(&mut world), 2);
    world.detach(p, at).expect("attached");
    assert_eq!(resident(&mut world), 2);
    world.remove(p, id).expect("there");
    assert_eq!(resident(&mut world), 0);
}
