//! What is told about address spaces and addresses.

use crate::common::{CREATE, PAGE, PLAIN, World};
use abi::memory::Protection;
use abi::shm::{AttachFlags, GetFlags, ShmKey};
use abi::system::MappingKind;
use addr::{Perms, VirtAddr};
use mm::{SpaceId, VmaFacts, VmaKind};

fn describe(world: &World, p: SpaceId, address: u64) -> Option<VmaFacts> {
    world.mm.describe(p, VirtAddr::new(address))
}

#[test]
fn usage_counts_pages_frames_tables_and_mappings() {
    let mut world = World::new();
    let p = world.process();
    let usage = world.usage(p);
    assert_eq!(
        (usage.mapped, usage.private, usage.tables, usage.mappings),
        (0, 0, 1, 0)
    );
    let at = world.map_anywhere(p, 5 * PAGE);
    let id = world.segment(p, 2 * PAGE);
    let shared = world.attach_anywhere(p, id);
    world.fill(p, at, 2, 1);
    world.fill(p, shared, 2, 1);
    let usage = world.usage(p);
    assert_eq!(
        (usage.mapped, usage.private, usage.tables, usage.mappings),
        (7, 2, 4, 2)
    );
}

#[test]
fn an_address_is_described_by_what_is_mapped_there() {
    let mut world = World::new();
    let p = world.process();
    let private = world.map(p, 0, 3 * PAGE, Protection::READ).expect("room");
    let id = world.get(p, 42, 2 * PAGE + 1, CREATE).expect("created");
    let shared = world.attach(p, id, 0, AttachFlags::RDONLY).expect("room");
    world.mm.map_message_page(p, 0).expect("room");

    let facts = describe(&world, p, private + PAGE + 5).expect("mapped");
    assert_eq!((facts.what, facts.perms), (VmaKind::Anonymous, Perms::READ));
    assert_eq!(
        (facts.range.start().start().raw(), facts.range.count().get()),
        (private, 3)
    );

    let facts = describe(&world, p, shared).expect("mapped");
    assert_eq!(facts.what, VmaKind::Shared { id, key: ShmKey(42) });
    assert_eq!((facts.perms, facts.range.count().get()), (Perms::READ, 3));
    world.remove(p, id).expect("there");
    let facts = describe(&world, p, shared).expect("mapped");
    assert_eq!(
        facts.what,
        VmaKind::Shared {
            id,
            key: ShmKey::PRIVATE
        }
    );

    let facts = describe(&world, p, abi::layout::MESSAGE_PAGES).expect("mapped");
    assert_eq!(
        (facts.what, facts.perms),
        (VmaKind::MessagePage, Perms::READ_WRITE)
    );
    for nothing in [0, private - 1, shared + 3 * PAGE, u64::MAX] {
        assert_eq!(describe(&world, p, nothing), None, "{nothing:#x}");
    }
}

#[test]
fn the_same_segment_shows_in_each_process_as_it_is_attached_there() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.segment(one, PAGE);
    let mine = world.attach(one, id, 0, PLAIN).expect("room");
    let theirs = world.attach(other, id, 0, AttachFlags::RDONLY).expect("room");
    let perms = |p, at| describe(&world, p, at).expect("mapped").perms;
    assert_eq!(
        (perms(one, mine), perms(other, theirs)),
        (Perms::READ_WRITE, Perms::READ)
    );
}

#[test]
fn mappings_are_listed_from_the_lowest_up_with_what_is_behind_them() {
    let mut world = World::new();
    let p = world.process();
    let private = world.map(p, 0, 3 * PAGE, Protection::READ).expect("room");
    let id = world.get(p, 42, 2 * PAGE + 1, CREATE).expect("created");
    let paged = world.attach(p, id, 0, AttachFlags::RDONLY).expect("room");
    let large = world.segment(p, 512 * PAGE + PAGE);
    let linked = world.attach_anywhere(p, large);
    let flags = CREATE | GetFlags::HUGETLB;
    let of_blocks = world.get(p, 43, 1, flags).expect("created");
    let blocks = world.attach_anywhere(p, of_blocks);
    world.mm.map_message_page(p, 0).expect("room");
    let list = |world: &World| {
        let mut list = Vec::new();
        let mut from = 0;
        while let Some(mapping) = world.mm.next_mapping(p, VirtAddr::new(from)) {
            assert!(from <= mapping.start && mapping.start < mapping.end);
            from = mapping.end;
            list.push(mapping);
        }
        list
    };

    let mut expected = [
        (private, 3, MappingKind::Private, -1, 0),
        (paged, 3, MappingKind::Paged, id.raw(), 42),
        (linked, 513, MappingKind::Linked, large.raw(), 0),
        (blocks, 512, MappingKind::Blocks, of_blocks.raw(), 43),
        (abi::layout::MESSAGE_PAGES, 1, MappingKind::MessagePage, -1, 0),
    ];
    expected.sort_by_key(|(start, ..)| *start);
    let there: Vec<_> = list(&world)
        .iter()
        .map(|m| (m.start, (m.end - m.start) / PAGE, m.kind, m.id, m.key))
        .collect();
    assert_eq!(there, expected);

    let inside = world
        .mm
        .next_mapping(p, VirtAddr::new(private + PAGE))
        .expect("there");
    assert_eq!((inside.start, inside.protection), (private, Protection::READ));
    world.unmap(p, private, 3 * PAGE).expect("there");
    assert!(list(&world).iter().all(|mapping| mapping.start != private));
    assert_eq!(world.mm.next_mapping(p, VirtAddr::new(u64::MAX)), None);
}
