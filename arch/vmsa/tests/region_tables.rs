//! Regions' tables against a map from indices to frames, and their dismantling.

mod common;

use addr::Frame;
use common::{Frames, TestMemory, frame};
use proptest::prelude::{Strategy, prop_oneof, proptest};
use std::collections::{BTreeMap, BTreeSet};
use vmsa::{Dismantled, Height, RegionTables};

struct Region {
    memory: TestMemory,
    frames: Frames,
    tables: RegionTables,
}

/// What is page `index` of a region: no frame that is a table.
fn data(index: u64) -> Frame {
    frame(0x1000_0000 + index)
}

impl Region {
    fn new(height: Height) -> Self {
        let (mut memory, mut frames) = (TestMemory::default(), Frames::default());
        let tables = RegionTables::create(&mut memory, frames.take(), height);
        Self {
            memory,
            frames,
            tables,
        }
    }

    fn install(&mut self, index: u64) {
        self.tables
            .install(&mut self.memory, index, data(index), || self.frames.take());
    }
}

#[test]
fn heights_fit_2_mib_1_gib_and_512_gib() {
    let heights = [1, 512, 513, 1 << 18, (1 << 18) + 1, 1 << 27].map(Height::for_pages);
    let expected = [
        Height::One,
        Height::One,
        Height::Two,
        Height::Two,
        Height::Three,
        Height::Three,
    ]
    .map(Some);
    assert_eq!(heights, expected);
    assert_eq!(Height::for_pages((1 << 27) + 1), None);
}

#[test]
fn a_small_region_is_one_level_3_table() {
    let mut region = Region::new(Height::One);
    region.install(511);
    assert_eq!(region.frames.used(), 1);
    assert_eq!(region.tables.lookup(&region.memory, 511), Some(data(511)));
    assert_eq!(
        region.tables.lowest_table(&region.memory, 0),
        Some(region.tables.root())
    );
}

#[test]
fn a_lowest_table_exists_from_the_first_frame_on() {
    let mut region = Region::new(Height::Three);
    assert_eq!(region.tables.lowest_table(&region.memory, 3), None);
    region.install(3 * 512 + 7);
    assert!(region.tables.lowest_table(&region.memory, 3).is_some());
    assert_eq!(region.tables.lowest_table(&region.memory, 2), None);
}

#[test]
#[should_panic(expected = "page 512 of a region with room for 512")]
fn a_page_behind_the_regions_end_is_refused() {
    Region::new(Height::One).install(512);
}

#[test]
#[should_panic(expected = "is mapped already")]
fn a_frame_is_not_put_over_another() {
    let mut region = Region::new(Height::Two);
    region.install(9);
    region.install(9);
}

#[test]
fn a_step_through_tables_that_are_nearly_empty_is_short_and_gets_on() {
    let mut region = Region::new(Height::Three);
    for gib in 0..64 {
        region.install((gib << 18) + (1 << 18) - 1);
    }
    let (mut given_back, mut from) = (0, 0);
    loop {
        region.memory.loads.set(0);
        let before = given_back;
        let done = region
            .tables
            .dismantle(&mut region.memory, from, 64, |_| given_back += 1);
        assert!(
            region.memory.loads.get() <= 2048,
            "{:?} loads",
            region.memory.loads
        );
        assert!(given_back > before, "each step gets on");
        match done {
            Dismantled::Partly(next) => from = next,
            Dismantled::Wholly => break,
        }
    }
    assert_eq!(given_back, 64 + region.frames.used());
}

fn any_region() -> impl Strategy<Value = (Height, BTreeSet<u64>)> {
    prop_oneof![
        (proptest::collection::btree_set(0..512u64, 0..40)).prop_map(|set| (Height::One, set)),
        (proptest::collection::btree_set(0..1u64 << 18, 0..40)).prop_map(|set| (Height::Two, set)),
        (proptest::collection::btree_set(0..1u64 << 27, 0..40)).prop_map(|set| (Height::Three, set)),
    ]
}

proptest! {
    #[test]
    fn dismantling_in_steps_gives_each_frame_and_table_back_once(
        (height, indices) in any_region(), limit in 1..20usize,
    ) {
        let mut region = Region::new(height);
        for &index in &indices {
            region.install(index);
        }
        for &index in &indices {
            assert_eq!(region.tables.lookup(&region.memory, index), Some(data(index)));
        }
        let expected = indices.len() + region.frames.used();
        let mut visited = BTreeMap::new();
        let (mut order, mut steps, mut from) = (Vec::new(), 0, 0);
        loop {
            let before = order.len();
            let done = region.tables.dismantle(&mut region.memory, from, limit, |piece| {
                let frame = piece.first();
                assert_eq!(visited.insert(frame, ()), None, "{frame:?} was visited twice");
                order.push(frame);
            });
            assert!(order.len() - before <= limit);
            steps += 1;
            assert!(steps <= expected + 1, "each step makes progress");
            match done {
                Dismantled::Partly(next) => from = next,
                Dismantled::Wholly => break,
            }
        }
        assert_eq!(order.len(), expected);
        assert_eq!(order.last(), Some(&region.tables.root()));
        order.retain(|found| *found >= data(0));
        assert!(order.is_sorted(), "lowest index first");
    }
}
