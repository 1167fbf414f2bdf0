//! Address spaces' tables against a map from pages to frames.

mod common;

use addr::{Frame, MemoryKind, Perms};
use common::{Frames, TestMemory, frame, page, pages};
use proptest::prelude::{ProptestConfig, Strategy, prop_oneof, proptest};
use std::collections::BTreeMap;
use vmsa::{
    Attributes, Extent, Height, Leaf, Mapping, RegionTables, Removed, SLOT_PAGES, Tables, USER_PAGES,
};

struct Space {
    memory: TestMemory,
    frames: Frames,
    tables: Tables,
}

impl Space {
    fn new() -> Self {
        let (mut memory, mut frames) = (TestMemory::default(), Frames::default());
        let tables = Tables::create(&mut memory, frames.take());
        Self {
            memory,
            frames,
            tables,
        }
    }

    fn install(&mut self, at: u64, to: u64) {
        self.install_with(at, to, Perms::READ_WRITE);
    }

    fn install_with(&mut self, at: u64, to: u64, perms: Perms) {
        let leaf = Leaf {
            frame: frame(to),
            attributes: Attributes::user(perms, MemoryKind::Normal),
        };
        self.tables
            .install(&mut self.memory, page(at), leaf, || self.frames.take());
    }

    fn lookup(&self, at: u64) -> Option<Mapping> {
        self.tables.lookup(&self.memory, page(at))
    }

    fn remove(&mut self, range: (u64, u64), vacant: (u64, u64)) -> (Extent, BTreeMap<u64, Frame>) {
        let mut leaves = BTreeMap::new();
        let (range, vacant) = (pages(range.0, range.1), pages(vacant.0, vacant.1));
        let extent = self
            .tables
            .remove(&mut self.memory, range, vacant, |removed| match removed {
                Removed::Leaf(page, frame) => assert_eq!(leaves.insert(page.number(), frame), None),
                Removed::Table(table) => self.frames.give(table),
                Removed::Link(slot) => panic!("{slot:?} is linked"),
            });
        (extent, leaves)
    }

    fn protect(&mut self, range: (u64, u64), perms: Perms) -> Extent {
        self.tables
            .protect(&mut self.memory, pages(range.0, range.1), perms)
    }

    fn permit(&mut self, at: u64, perms: Perms) -> Extent {
        self.tables.permit(&mut self.memory, page(at), perms)
    }

    /// Answers how many links went, too.
    fn unlink(&mut self, range: (u64, u64), vacant: (u64, u64)) -> (Extent, usize) {
        let (range, vacant) = (pages(range.0, range.1), pages(vacant.0, vacant.1));
        let mut links = 0;
        let extent = self
            .tables
            .unlink(&mut self.memory, range, vacant, |removed| match removed {
                Removed::Leaf(page, _) => panic!("{page:?} is the region's"),
                Removed::Table(table) => self.frames.give(table),
                Removed::Link(_) => links += 1,
            });
        (extent, links)
    }

    /// A region with one frame at each of `indices`.
    fn region(&mut self, height: Height, indices: &[u64]) -> RegionTables {
        let region = RegionTables::create(&mut self.memory, self.frames.take(), height);
        for &index in indices {
            region.install(&mut self.memory, index, frame(1000 + index), || {
                self.frames.take()
            });
        }
        region
    }

    /// Links one table.
    fn link(&mut self, slot: u64, region: RegionTables, number: u64, perms: Perms) {
        self.link_many((slot, SLOT_PAGES), region, number, perms);
    }

    fn link_many(&mut self, slots: (u64, u64), region: RegionTables, first: u64, perms: Perms) {
        let slots = pages(slots.0, slots.1);
        self.tables
            .link(&mut self.memory, slots, region, first, perms, || {
                self.frames.take()
            });
    }

    fn is_linked(&self, at: u64) -> bool {
        self.tables.is_linked(&self.memory, page(at))
    }
}

const WHOLE: (u64, u64) = (0, USER_PAGES);

#[test]
fn a_page_is_found_where_it_was_put_and_nowhere_else() {
    let mut space = Space::new();
    space.install_with(0x7_0000_0123, 42, Perms::READ);
    let expected = Mapping {
        frame: frame(42),
        perms: Perms::READ,
        kind: MemoryKind::Normal,
    };
    assert_eq!(space.lookup(0x7_0000_0123), Some(expected));
    assert_eq!(space.lookup(0x7_0000_0124), None);
    assert_eq!(space.lookup(0x6_0000_0123), None);
    assert_eq!(
        space.lookup(USER_PAGES + 0x7_0000_0123),
        None,
        "not in the user half"
    );
    assert_eq!(space.frames.used(), 4, "one table a level");
}

#[test]
fn neighbours_share_tables() {
    let mut space = Space::new();
    space.install(511, 1);
    space.install(510, 2);
    assert_eq!(space.frames.used(), 4);
    space.install(512, 3);
    assert_eq!(space.frames.used(), 5);
}

#[test]
fn tables_stay_while_something_else_may_be_placed_in_their_extent() {
    let mut space = Space::new();
    space.install(5, 1);
    let (extent, leaves) = space.remove((5, 1), (0, 100));
    assert_eq!(extent, Extent::Leaves(pages(5, 1)));
    assert_eq!(leaves, BTreeMap::from([(5, frame(1))]));
    assert_eq!(space.frames.used(), 4);
    // Nothing is valid any more, yet the walk caches may know the tables: one page of each is named.
    let (extent, leaves) = space.remove((5, 1), WHOLE);
    assert_eq!(extent, Extent::Tables(pages(5, 1)));
    assert_eq!((leaves.len(), space.frames.used()), (0, 1));
    assert!(space.tables.is_empty(&space.memory));
}

#[test]
fn only_tables_that_are_vacant_as_a_whole_go() {
    let mut space = Space::new();
    space.install(SLOT_PAGES - 1, 1);
    space.install(SLOT_PAGES, 2);
    space.install(3 * SLOT_PAGES, 3);
    // Pages 511 and 512; the first slot is not vacant, the second is, the fourth is not touched.
    let (extent, leaves) = space.remove((SLOT_PAGES - 1, 2), (1, 3 * SLOT_PAGES - 1));
    assert_eq!(extent, Extent::Tables(pages(SLOT_PAGES - 1, 2)));
    assert_eq!(leaves.len(), 2);
    assert_eq!(
        space.frames.used(),
        5,
        "root, two on the way, the first and the fourth slot's"
    );
    assert!(space.lookup(3 * SLOT_PAGES).is_some());
}

#[test]
fn removing_what_was_never_touched_needs_no_invalidation() {
    let mut space = Space::new();
    space.install(1 << 30, 1);
    assert_eq!(space.remove((0, 1 << 29), (0, 1 << 29)).0, Extent::Nothing);
    assert_eq!(space.remove(WHOLE, WHOLE).0, Extent::Tables(pages(1 << 30, 1)));
}

#[test]
#[should_panic(expected = "is mapped already")]
fn a_mapped_page_is_not_mapped_over() {
    let mut space = Space::new();
    space.install(7, 1);
    space.install(7, 1);
}

#[test]
#[should_panic(expected = "is no user page")]
fn kernel_addresses_are_not_mapped_for_users() {
    Space::new().install(USER_PAGES, 1);
}

#[test]
#[should_panic(expected = "will be vacant")]
fn what_is_removed_must_be_said_to_be_vacant() {
    Space::new().remove((0, 10), (0, 9));
}

#[test]
#[should_panic(expected = "are not as vacant as")]
#[cfg(debug_assertions)]
fn a_table_with_something_in_it_is_not_taken_away() {
    let mut space = Space::new();
    space.install(7, 1);
    space.install(8, 1);
    space.remove((7, 1), (0, SLOT_PAGES));
}

#[test]
fn linked_slots_show_the_regions_frames_with_the_attachers_permissions() {
    let mut space = Space::new();
    let region = space.region(Height::Two, &[0, 513]);
    space.link(4 * SLOT_PAGES, region, 0, Perms::READ_WRITE);
    space.link(5 * SLOT_PAGES, region, 1, Perms::READ);
    space.link(9 * SLOT_PAGES, region, 1, Perms::READ_EXECUTE);
    let seen = |space: &Space, at| space.lookup(at).map(|mapping| (mapping.frame, mapping.perms));
    assert_eq!(
        seen(&space, 4 * SLOT_PAGES),
        Some((frame(1000), Perms::READ_WRITE))
    );
    assert_eq!(seen(&space, 5 * SLOT_PAGES + 1), Some((frame(1513), Perms::READ)));
    assert_eq!(
        seen(&space, 9 * SLOT_PAGES + 1),
        Some((frame(1513), Perms::READ_EXECUTE))
    );
    // A later first touch through one attachment is seen through all.
    region.install(&mut space.memory, 514, frame(7), || panic!("the table exists"));
    assert_eq!(seen(&space, 5 * SLOT_PAGES + 2), Some((frame(7), Perms::READ)));
    assert_eq!(
        seen(&space, 9 * SLOT_PAGES + 2),
        Some((frame(7), Perms::READ_EXECUTE))
    );
}

#[test]
fn pages_that_a_region_has_are_mapped_at_once_and_the_others_are_left_out() {
    let mut space = Space::new();
    let region = space.region(Height::Two, &[3, 4, 511, 512, 600]);
    space.install(100 + 4, 7);
    let install = |space: &mut Space, range: (u64, u64), first| {
        let range = pages(range.0, range.1);
        space
            .tables
            .install_shared(&mut space.memory, range, region, first, Perms::READ, || {
                space.frames.take()
            });
    };
    install(&mut space, (100, 6), 0);
    let seen = |space: &Space, at| space.lookup(at).map(|mapping| (mapping.frame, mapping.perms));
    let found: Vec<_> = (100..106).map(|at| seen(&space, at)).collect();
    let (shared, private) = ((frame(1003), Perms::READ), (frame(7), Perms::READ_WRITE));
    assert_eq!(found, [None, None, None, Some(shared), Some(private), None]);
    // Across the border of two of the region's tables.
    install(&mut space, (200, 4), 510);
    let found: Vec<_> = (200..204).map(|at| seen(&space, at)).collect();
    let of = |number| Some((frame(number), Perms::READ));
    assert_eq!(found, [None, of(1511), of(1512), None]);
    assert_eq!(space.memory.replaced, 0);
}

#[test]
fn several_slots_are_linked_at_once_as_far_as_the_region_has_tables() {
    let mut space = Space::new();
    let region = space.region(Height::Two, &[SLOT_PAGES, 3 * SLOT_PAGES + 7]);
    space.link(11 * SLOT_PAGES, region, 1, Perms::READ);
    let before = space.frames.used();
    space.link_many((10 * SLOT_PAGES, 4 * SLOT_PAGES), region, 0, Perms::READ);
    assert_eq!(space.frames.used(), before, "all in one table of level 2");
    let linked: Vec<u64> = (9..15)
        .filter(|slot| space.is_linked(slot * SLOT_PAGES + 5))
        .collect();
    assert_eq!(linked, [11, 13]);
    assert!(space.lookup(13 * SLOT_PAGES + 7).is_some());
    assert_eq!(space.memory.replaced, 0);
    // The next touch makes another one, which is linked beside those that are.
    region.install(&mut space.memory, 5, frame(9), || space.frames.take());
    space.link_many((10 * SLOT_PAGES, 4 * SLOT_PAGES), region, 0, Perms::READ);
    assert!(space.is_linked(10 * SLOT_PAGES) && space.lookup(10 * SLOT_PAGES + 5).is_some());
}

#[test]
fn only_pages_of_linked_slots_lie_in_one() {
    let mut space = Space::new();
    let region = space.region(Height::One, &[0]);
    space.install(5, 1);
    space.link(SLOT_PAGES, region, 0, Perms::READ);
    let linked = [
        0,
        5,
        SLOT_PAGES,
        2 * SLOT_PAGES - 1,
        2 * SLOT_PAGES,
        1 << 27,
        USER_PAGES,
    ];
    assert_eq!(
        linked.map(|at| space.is_linked(at)),
        [false, false, true, true, false, false, false]
    );
}

#[test]
fn a_linked_slot_counts_as_mapped_from_its_first_page_on() {
    let mut space = Space::new();
    let region = space.region(Height::One, &[100]);
    space.link(4 * SLOT_PAGES, region, 0, Perms::READ);
    let next = |start: u64, end: u64| space.tables.next_mapped(&space.memory, pages(start, end - start));
    assert_eq!(next(0, USER_PAGES), Some(page(4 * SLOT_PAGES)));
    assert_eq!(
        next(4 * SLOT_PAGES + 300, USER_PAGES),
        Some(page(4 * SLOT_PAGES + 300))
    );
    assert_eq!(next(5 * SLOT_PAGES, USER_PAGES), None);
}

#[test]
#[should_panic(expected = "is mapped already")]
fn a_slot_is_not_linked_to_another_table_before_it_is_unlinked() {
    let mut space = Space::new();
    let region = space.region(Height::Two, &[0, SLOT_PAGES]);
    space.link(0, region, 0, Perms::READ);
    space.link(0, region, 1, Perms::READ);
}

#[test]
fn the_permissions_of_a_link_do_not_change_before_it_is_unlinked() {
    let mut space = Space::new();
    let region = space.region(Height::One, &[0]);
    space.link(0, region, 0, Perms::READ_WRITE);
    space.link(0, region, 0, Perms::READ);
    assert_eq!(space.lookup(0).map(|found| found.perms), Some(Perms::READ_WRITE));
}

#[test]
fn only_leaves_whose_permissions_change_have_to_be_forgotten() {
    let mut space = Space::new();
    for (at, perms) in [
        (5, Perms::READ),
        (6, Perms::READ_WRITE),
        (8, Perms::READ_WRITE),
        (9, Perms::READ),
    ] {
        space.install_with(at, at, perms);
    }
    assert_eq!(
        space.protect((0, 512), Perms::READ_EXECUTE),
        Extent::Leaves(pages(6, 3))
    );
    assert_eq!(space.protect((0, 512), Perms::READ_EXECUTE), Extent::Nothing);
    assert_eq!(space.permit(6, Perms::READ), Extent::Nothing);
    assert_eq!(space.permit(6, Perms::READ_WRITE), Extent::Leaves(pages(6, 1)));
}

#[test]
fn a_page_that_nobody_may_use_keeps_its_frame_and_its_kind() {
    let mut space = Space::new();
    let leaf = Leaf {
        frame: frame(42),
        attributes: Attributes::user(Perms::READ_WRITE, MemoryKind::Device),
    };
    space
        .tables
        .install(&mut space.memory, page(7), leaf, || space.frames.take());
    for perms in [Perms::empty(), Perms::READ_WRITE] {
        space.protect((7, 1), Perms::empty());
        space.permit(7, perms);
        let expected = Mapping {
            frame: frame(42),
            perms,
            kind: MemoryKind::Device,
        };
        assert_eq!(space.lookup(7), Some(expected));
    }
}

#[test]
#[should_panic(expected = "is not mapped")]
fn nothing_is_permitted_with_a_page_that_is_absent() {
    let mut space = Space::new();
    space.install(7, 1);
    space.permit(8, Perms::READ);
}

#[test]
#[should_panic(expected = "lies in a linked slot")]
fn nothing_is_permitted_with_a_page_of_a_linked_slot() {
    let mut space = Space::new();
    let region = space.region(Height::One, &[3]);
    space.link(0, region, 0, Perms::READ);
    space.permit(3, Perms::READ_WRITE);
}

#[test]
#[should_panic(expected = "lie in a linked slot")]
fn nothing_is_taken_from_pages_of_a_linked_slot() {
    let mut space = Space::new();
    let region = space.region(Height::One, &[3]);
    space.link(0, region, 0, Perms::READ_WRITE);
    space.protect((3, 1), Perms::READ);
}

#[test]
fn unlinking_leaves_the_region_as_it_is_and_forgets_the_whole_space() {
    let mut space = Space::new();
    let region = space.region(Height::Two, &[0, 512]);
    let before = space.frames.used();
    space.link(4 * SLOT_PAGES, region, 0, Perms::READ);
    space.link(5 * SLOT_PAGES, region, 1, Perms::READ);
    // Slot 6 was never touched.
    assert_eq!(
        space.unlink((4 * SLOT_PAGES, 3 * SLOT_PAGES), WHOLE),
        (Extent::Space, 2)
    );
    assert_eq!(space.frames.used(), before);
    assert_eq!(space.lookup(4 * SLOT_PAGES), None);
    assert_eq!(region.lookup(&space.memory, 512), Some(frame(1512)));
    assert_eq!(
        space.unlink((4 * SLOT_PAGES, 3 * SLOT_PAGES), WHOLE),
        (Extent::Nothing, 0)
    );
}

#[test]
#[should_panic(expected = "lies in a linked slot")]
fn a_regions_table_is_not_written_through_an_address_space() {
    let mut space = Space::new();
    let region = space.region(Height::One, &[0]);
    space.link(0, region, 0, Perms::READ_WRITE);
    space.install(5, 1);
}

#[test]
#[should_panic(expected = "lie in a linked slot")]
fn pages_of_a_linked_slot_are_not_removed_one_by_one() {
    let mut space = Space::new();
    let region = space.region(Height::One, &[0]);
    space.link(0, region, 0, Perms::READ_WRITE);
    space.remove((0, 1), (0, 1));
}

#[test]
#[should_panic(expected = "not linked")]
fn private_pages_are_not_unlinked() {
    let mut space = Space::new();
    space.install(5, 1);
    space.unlink((0, SLOT_PAGES), (0, SLOT_PAGES));
}

#[test]
#[should_panic(expected = "is mapped already")]
fn nothing_is_linked_over_a_private_table() {
    let mut space = Space::new();
    let region = space.region(Height::One, &[0]);
    space.install(5, 1);
    space.link(0, region, 0, Perms::READ);
}

#[test]
#[should_panic(expected = "are not whole slots")]
fn tables_are_linked_at_slots_only() {
    let mut space = Space::new();
    let region = space.region(Height::One, &[0]);
    space.link(1, region, 0, Perms::READ);
}

#[derive(Clone, Debug)]
enum Step {
    Install(u64, u64, u8),
    Remove(u64, u64),
    Protect(u64, u64, u8),
    Permit(u64, u8),
}

/// Pages that crowd around the borders of tables of each level.
fn any_page() -> impl Strategy<Value = u64> {
    let borders = prop_oneof![
        0..4u64,
        (1..3u64).prop_map(|n| n << 9),
        (1..3u64).prop_map(|n| n << 18),
        1..3u64
    ];
    let high = prop_oneof![
        0..1u64,
        (1..2u64).prop_map(|n| n << 27),
        (1..2u64).prop_map(|_| USER_PAGES / 2)
    ];
    (borders, high, 0..6u64).prop_map(|(border, high, offset)| high + (border + offset).saturating_sub(3))
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any_page(), 1..1000u64, 1..8u8).prop_map(|(page, frame, perms)| Step::Install(page, frame, perms)),
        1 => (any_page(), any_page()).prop_map(|(a, b)| Step::Remove(a.min(b), a.max(b) + 1 - a.min(b))),
        1 => (any_page(), any_page(), 0..8u8)
            .prop_map(|(a, b, perms)| Step::Protect(a.min(b), a.max(b) + 1 - a.min(b), perms)),
        1 => (any_page(), 0..8u8).prop_map(|(page, perms)| Step::Permit(page, perms)),
    ]
}

/// The largest range around `[start, end)` without a page of `model` outside of it.
fn vacant_around(model: &BTreeMap<u64, (Frame, Perms)>, start: u64, end: u64) -> (u64, u64) {
    let first = model.range(..start).next_back().map_or(0, |(page, _)| page + 1);
    let last = model.range(end..).next().map_or(USER_PAGES, |(page, _)| *page);
    (first, last - first)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn tables_agree_with_a_map(steps in proptest::collection::vec(any_step(), 1..60)) {
        let mut space = Space::new();
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Install(at, to, perms) => {
                    let perms = Perms::from_bits_truncate(perms);
                    model.entry(at).or_insert_with(|| {
                        space.install_with(at, to, perms);
                        (frame(to), perms | Perms::READ)
                    });
                }
                Step::Remove(start, count) => {
                    let vacant = vacant_around(&model, start, start + count);
                    let (extent, leaves) = space.remove((start, count), vacant);
                    let inside = model.range(start..start + count);
                    let gone: BTreeMap<_, _> = inside.map(|(page, (frame, _))| (*page, *frame)).collect();
                    model.retain(|page, _| !gone.contains_key(page));
                    for page in gone.keys() {
                        match extent {
                            Extent::Leaves(hull) | Extent::Tables(hull) => {
                                assert!(hull.contains(common::page(*page)));
                            }
                            Extent::Nothing | Extent::Space => panic!("{extent:?} for {gone:?}"),
                        }
                    }
                    assert_eq!(leaves, gone);
                }
                Step::Protect(start, count, perms) => {
                    let perms = Perms::from_bits_truncate(perms);
                    let extent = space.protect((start, count), perms);
                    for (page, (_, allowed)) in model.range_mut(start..start + count) {
                        let left = *allowed & perms;
                        // What may be stored to or executed can be loaded: taking READ alone does nothing.
                        let left = if left.is_empty() { left } else { left | Perms::READ };
                        let is_forgotten = matches!(extent, Extent::Leaves(hull) if hull.contains(common::page(*page)));
                        assert!(is_forgotten || left == *allowed, "{extent:?}");
                        *allowed = left;
                    }
                }
                Step::Permit(at, perms) => {
                    if let Some((_, allowed)) = model.get_mut(&at) {
                        let perms = Perms::from_bits_truncate(perms);
                        space.permit(at, perms);
                        *allowed = if perms.is_empty() { perms } else { perms | Perms::READ };
                    }
                }
            }
            for (page, expected) in &model {
                assert_eq!(space.lookup(*page).map(|found| (found.frame, found.perms)), Some(*expected));
            }
            for start in [0, 5, 512, 1 << 18, (1 << 27) - 2] {
                let range = pages(start, USER_PAGES - start);
                let first = model.range(start..).next().map(|(found, _)| page(*found));
                assert_eq!(space.tables.next_mapped(&space.memory, range), first);
            }
            for absent in [0, 3, 512, 1 << 18, 1 << 27, USER_PAGES / 2, USER_PAGES - 1] {
                assert_eq!(space.lookup(absent).is_some(), model.contains_key(&absent));
            }
        }
        // Each table in use is on the way to some page that once stood where now others do.
        space.remove(WHOLE, WHOLE);
        assert!(space.tables.is_empty(&space.memory));
        assert_eq!(space.frames.used(), 1, "only the root is left");
        assert_eq!(space.memory.replaced, 0, "no valid descriptor was made to lead elsewhere");
    }
}
