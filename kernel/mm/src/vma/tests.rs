//! Tests of VMA sets against a plain list.

extern crate std;
use super::{
    Attachment, Backing, Manner, Remains, Spot, Vma, VmaId, VmaSet, VmaState, Vmas, after_in_ring, existing,
    leave_ring, split, tables_needed,
};
use crate::region::RegionId;
use addr::{Page, PageCount, PageRange, Perms};
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};
use slots::{Id, Pool, Slot};
use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

fn pool(size: usize) -> Vmas<'static> {
    let slots: Vec<Slot<Vma>> = (0..size).map(|_| Slot::empty()).collect();
    let free = Box::leak(Box::new(Slot::empty()));
    Box::leak(Box::new(Pool::new(slots.leak(), free))).own(Id::<()>::from_parts(0, 0))
}

fn insert(vmas: &mut Vmas<'_>, vma: Vma) -> VmaId {
    let mut slots = vmas.reserve(1).expect("room");
    vmas.insert(&mut slots, vma)
}

fn range(start: u64, count: u64) -> PageRange {
    PageRange::between(Page::from_number(start), Page::from_number(start + count)).expect("not empty")
}

fn anonymous(range: PageRange) -> Vma {
    Vma::new(range, Perms::READ, Backing::Anonymous, VmaState::Live)
}

/// One of which only the manner matters, and the start.
fn of_manner(range: PageRange, manner: Manner) -> Vma {
    let attachment = Attachment {
        region: RegionId::from_parts(0, 0),
        base: range.start(),
        pages: range.count().get(),
    };
    let backing = match manner {
        Manner::Paged => Backing::Paged(attachment),
        Manner::Linked => Backing::Linked(attachment),
        Manner::Blocks => Backing::Blocks(attachment),
    };
    Vma::new(range, Perms::READ, backing, VmaState::Live)
}

/// Between which VMAs a free range is.
fn spot(set: &VmaSet, vmas: &Vmas<'_>, free: PageRange) -> Spot {
    set.spot_below(vmas, set.first_ending_after(vmas, free.start()))
}

fn put(set: &mut VmaSet, vmas: &mut Vmas<'_>, vma: Vma) -> VmaId {
    let spot = spot(set, vmas, vma.range());
    let id = insert(vmas, vma);
    set.insert(vmas, id, spot);
    id
}

/// Tables that a set of ranges needs, counted one by one.
fn tables_of<'a>(ranges: impl Iterator<Item = &'a (PageRange, Manner)>) -> u64 {
    let mut extents = BTreeSet::new();
    for (range, manner) in ranges {
        let levels: &[u32] = match manner {
            Manner::Paged => &[9, 18, 27],
            Manner::Linked | Manner::Blocks => &[18, 27],
        };
        for &shift in levels {
            extents.extend(
                (range.start().number() >> shift..=(range.end().number() - 1) >> shift).map(|n| (shift, n)),
            );
        }
    }
    extents.len() as u64
}

/// Places near the borders of table extents of every level, where mistakes would be.
fn places() -> impl Strategy<Value = (u64, u64)> {
    let borders = proptest::sample::select(&[0x1000u64, 1 << 18, (1 << 27) - 600, 1 << 27, 3 << 27][..]);
    (borders, 0u64..1500, 1u64..700).prop_map(|(border, offset, count)| (border + offset, count))
}

proptest! {
    #[test]
    fn a_set_finds_what_a_list_finds_and_charges_tables_exactly(
        steps in proptest::collection::vec((places(), 0u8..6), 1..60)
    ) {
        let (mut set, mut vmas, mut reference) = (VmaSet::EMPTY, pool(64), BTreeMap::new());
        let mut charged = 0;
        for ((start, count), action) in steps {
            let manner = if action == 4 { Manner::Linked } else { Manner::Paged };
            let wanted = match manner {
                Manner::Paged => range(start, count),
                Manner::Linked | Manner::Blocks => {
                    let (first, end) = (start / 512, (start + count).div_ceil(512));
                    range(first * 512, (end - first) * 512)
                }
            };
            let start = wanted.start().number();
            let occupied: Vec<PageRange> = set.overlapping(&vmas, wanted).map(|id| existing(&vmas, id).range()).collect();
            let expected: Vec<PageRange> = reference.values().map(|(r, _): &(PageRange, Manner)| *r).filter(|r| r.overlaps(wanted)).collect();
            prop_assert_eq!(&occupied, &expected);
            match (action, occupied.first()) {
                (0..=2 | 4, None) => {
                    charged += tables_needed(wanted, manner, spot(&set, &vmas, wanted).neighbours);
                    let id = insert(&mut vmas, of_manner(wanted, manner));
                    let spot = spot(&set, &vmas, wanted);
                    set.insert(&mut vmas, id, spot);
                    reference.insert(start, (wanted, manner));
                }
                (0..=1, Some(&old)) if old.count().get() > 1 => {
                    let id = set.containing(&vmas, old.start()).expect("it is there");
                    let middle = old.start().number() + old.count().get() / 2;
                    let shorter = range(old.start().number(), middle - old.start().number());
                    let manner = existing(&vmas, id).manner();
                    let same = tables_of([(shorter, manner)].iter()) == tables_of([(old, manner)].iter());
                    if same && manner == Manner::Paged {
                        set.resize(&mut vmas, id, shorter);
                        reference.insert(old.start().number(), (shorter, manner));
                    }
                }
                (_, Some(&old)) => {
                    let id = set.containing(&vmas, old.start()).expect("it is there");
                    let manner = existing(&vmas, id).manner();
                    set.remove(&mut vmas, id);
                    vmas.discard(id);
                    reference.remove(&old.start().number());
                    charged -= tables_needed(old, manner, spot(&set, &vmas, old).neighbours);
                }
                _ => {}
            }
            prop_assert_eq!(set.audit(&vmas), Ok(()));
            let in_order: Vec<PageRange> = set.iter(&vmas).map(|id| existing(&vmas, id).range()).collect();
            prop_assert_eq!(&in_order, &reference.values().map(|(range, _)| *range).collect::<Vec<_>>());
            // Resizing within an extent may leave an upper bound that is exact again here.
            prop_assert_eq!(charged, tables_of(reference.values()));
        }
    }

    #[test]
    fn the_gap_found_is_the_lowest_that_fits(
        placed in proptest::collection::vec((0u64..400, 1u64..20), 0..30),
        pages in 1u64..40, low in 0u64..200, width in 1u64..300, multiple in proptest::sample::select(&[1u64, 8, 64][..])
    ) {
        let (mut set, mut vmas) = (VmaSet::EMPTY, pool(64));
        for (start, count) in placed {
            if set.overlapping(&vmas, range(start, count)).next().is_none() {
                put(&mut set, &mut vmas, anonymous(range(start, count)));
            }
        }
        let (within, count) = (range(low, width), PageCount::new(pages).expect("not zero"));
        let fits = |start: &u64| {
            let wanted = range(*start, pages);
            within.contains_range(wanted) && set.overlapping(&vmas, wanted).next().is_none()
        };
        let found = set.find_gap(&vmas, count, within).map(|gap| gap.range.start().number());
        prop_assert_eq!(found, (low..low + width).find(fits));

        let aligned = set.find_aligned_gap(&vmas, count, multiple, within);
        if let Some(gap) = aligned {
            let start = gap.range.start().number();
            prop_assert!(start % multiple == 0 && fits(&start));
            prop_assert_eq!(gap.spot, spot(&set, &vmas, gap.range));
        } else {
            // Only what fits wherever it starts is sure to be found.
            let roomy = |start: u64| within.contains_range(range(start, pages + multiple - 1))
                && set.overlapping(&vmas, range(start, pages + multiple - 1)).next().is_none();
            prop_assert!(!(low..low + width).any(roomy));
        }
    }
}

#[test]
fn a_thousand_vmas_in_ascending_order_make_no_deep_tree() {
    let (mut set, mut vmas) = (VmaSet::EMPTY, pool(1024));
    for n in 0..1024 {
        put(&mut set, &mut vmas, anonymous(range(n * 2, 1)));
    }
    assert_eq!(set.audit(&vmas), Ok(()));
    let one = PageCount::new(1).expect("not zero");
    let found = |pages, within| set.find_gap(&vmas, pages, within).map(|gap| gap.range);
    assert_eq!(found(one, range(1000, 10)), Some(range(1001, 1)));
    let two = PageCount::new(2).expect("not zero");
    assert_eq!(found(two, range(0, 3000)), Some(range(2047, 2)));
}

/// A set of these VMAs of a page each, put in in this order, and where they are.
pub(super) fn set_of<const COUNT: usize>(starts: [u64; COUNT]) -> (VmaSet, Vmas<'static>, [VmaId; COUNT]) {
    let (mut set, mut vmas) = (VmaSet::EMPTY, pool(COUNT));
    let ids = starts.map(|start| put(&mut set, &mut vmas, anonymous(range(start, 1))));
    assert_eq!(set.audit(&vmas), Ok(()));
    (set, vmas, ids)
}

#[test]
fn a_tree_whose_taller_side_leans_neither_way_is_balanced_again_after_a_removal() {
    // Level by level; of the node at 6 only the right side has something.
    let (mut set, mut vmas, ids) = set_of([10, 4, 12, 2, 6, 14, 0, 8]);
    set.remove(&mut vmas, ids[5]);
    vmas.discard(ids[5]);
    assert_eq!(set.audit(&vmas), Ok(()));
}

#[test]
fn a_gap_stays_the_widest_while_more_than_anything_mapped_fits_into_it() {
    let (mut set, mut vmas) = (VmaSet::EMPTY, pool(16));
    let top = 1 << 34;
    put(&mut set, &mut vmas, anonymous(range(top, 1)));
    for n in 0..8 {
        put(&mut set, &mut vmas, anonymous(range(n * 4, 1)));
        assert_eq!(set.audit(&vmas), Ok(()));
    }
    let within = range(0, top);
    let found = |set: &VmaSet, vmas: &Vmas<'_>, pages| {
        let count = PageCount::new(pages).expect("not zero");
        set.find_gap(vmas, count, within).map(|gap| gap.range)
    };
    let most = u64::from(u32::MAX);
    assert_eq!(found(&set, &vmas, most), Some(range(29, most)));
    assert_eq!(found(&set, &vmas, 3), Some(range(1, 3)));
    // Now it counts for what it is.
    put(
        &mut set,
        &mut vmas,
        anonymous(range(1 << 30, top - (1 << 30) - 5)),
    );
    assert_eq!(set.audit(&vmas), Ok(()));
    assert_eq!(found(&set, &vmas, 1 << 29), Some(range(29, 1 << 29)));
    assert_eq!(found(&set, &vmas, 1 << 30), None);
    assert_eq!(found(&set, &vmas, most + 1), None);
}

#[test]
fn the_parts_of_a_split_attachment_know_each_other_until_the_last_goes() {
    let (mut set, mut vmas) = (VmaSet::EMPTY, pool(8));
    let attachment = Attachment {
        region: RegionId::from_parts(0, 0),
        base: Page::from_number(16),
        pages: 8,
    };
    let whole = Vma::new(
        range(16, 8),
        Perms::READ,
        Backing::Paged(attachment),
        VmaState::Live,
    );
    let first = put(&mut set, &mut vmas, whole);
    let mut slots = vmas.reserve(2).expect("room");
    let third = split(&mut set, &mut vmas, &mut slots, first, Page::from_number(20));
    let second = split(&mut set, &mut vmas, &mut slots, first, Page::from_number(18));
    let mut ring = [
        first,
        after_in_ring(&vmas, first),
        after_in_ring(&vmas, after_in_ring(&vmas, first)),
    ];
    ring.sort_by_key(|id| existing(&vmas, *id).range().start());
    assert_eq!(ring, [first, second, third]);
    assert!(existing(&vmas, first).is_head() && !existing(&vmas, second).is_head());
    assert_eq!(leave_ring(&mut vmas, second), Remains::Others);
    assert_eq!(
        (after_in_ring(&vmas, first), after_in_ring(&vmas, third)),
        (third, first)
    );
    assert_eq!(leave_ring(&mut vmas, first), Remains::Others);
    assert_eq!(after_in_ring(&vmas, third), third);
    assert_eq!(leave_ring(&mut vmas, third), Remains::Nothing);
}
