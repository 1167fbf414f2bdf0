//! Where RAM is, and what of it must be left alone.

use crate::list::{Full, List};
use addr::{Frame, FrameRange, PhysAddr};

/// A non-empty range of physical addresses that does not wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryRange {
    start: PhysAddr,
    end: PhysAddr,
}

impl MemoryRange {
    /// `bytes` bytes from `start`; `None` if that is empty or wraps.
    pub fn new(start: PhysAddr, bytes: u64) -> Option<Self> {
        Self::between(start, start.checked_add(bytes)?)
    }

    /// From `start` up to, not including, `end`; `None` if that is empty.
    pub fn between(start: PhysAddr, end: PhysAddr) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// The first byte.
    pub const fn start(self) -> PhysAddr {
        self.start
    }

    /// The byte behind the last.
    pub const fn end(self) -> PhysAddr {
        self.end
    }

    /// How many bytes, at least one.
    pub const fn bytes(self) -> u64 {
        self.end.raw() - self.start.raw()
    }

    /// Whether every byte of `other` is one of these.
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Both as one, if they overlap or one begins where the other ends.
    fn merge(self, other: Self) -> Option<Self> {
        let apart = self.end < other.start || other.end < self.start;
        (!apart).then_some(Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        })
    }
}

/// RAM and reserved memory of a board.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryMap {
    ram: List<MemoryRange, { Self::MAX_RAM }>,
    reserved: List<MemoryRange, { Self::MAX_RESERVED }>,
    ram_left_out: bool,
}

impl MemoryMap {
    /// How many separate ranges of RAM are kept: the largest.
    pub const MAX_RAM: usize = 16;
    /// How many separate reservations are kept. Should there be more, some become one with what lies between
    /// them: too much reserved does less harm than too little.
    pub const MAX_RESERVED: usize = 32;

    /// A map without memory.
    pub const fn new() -> Self {
        Self {
            ram: List::new(),
            reserved: List::new(),
            ram_left_out: false,
        }
    }

    /// The RAM ranges by ascending address; none overlaps or touches another.
    pub fn ram(&self) -> impl Iterator<Item = MemoryRange> {
        self.ram.iter()
    }

    /// What the tree reserves, in RAM or not: sorted and merged in the same way.
    pub fn reserved(&self) -> impl Iterator<Item = MemoryRange> {
        self.reserved.iter()
    }

    /// All RAM in bytes, reserved or not.
    pub fn ram_bytes(&self) -> u64 {
        self.ram().map(MemoryRange::bytes).sum()
    }

    /// Whether there is RAM that is not among the ranges, since there are more of them than are kept.
    pub const fn leaves_ram_out(&self) -> bool {
        self.ram_left_out
    }

    /// Leaves out all RAM but the lowest `bytes`.
    pub(crate) fn keep_lowest(&mut self, bytes: u64) {
        let mut left = bytes;
        let mut at = 0;
        while let Some(range) = self.ram.remove(at) {
            if let Some(kept) = MemoryRange::new(range.start, range.bytes().min(left)) {
                left -= kept.bytes();
                // There is room: one was just taken out.
                at += usize::from(self.ram.insert(at, kept).is_ok());
            }
        }
    }

    /// The frames that may be handed out: whole frames of RAM that touch neither what the tree
    /// reserves nor anything in `taken` (the kernel image, the device tree, the initrd).
    /// Ascending, and none touches the next.
    pub fn usable<'a>(&'a self, taken: &'a [MemoryRange]) -> impl Iterator<Item = FrameRange> + 'a {
        self.ram().flat_map(move |ram| Gaps {
            ram: whole_frames(ram),
            map: self,
            taken,
        })
    }

    /// Adds a range of RAM; if there is no room, the smallest is left out.
    pub(crate) fn add_ram(&mut self, range: MemoryRange) {
        while merge_into(&mut self.ram, range).is_err() {
            self.ram_left_out = true;
            match smallest(&self.ram) {
                Some((at, other)) if other.bytes() < range.bytes() => self.ram.remove(at),
                _ => return,
            };
        }
    }

    /// Adds a reservation; if there is no room, the two that are closest to each other become one.
    pub(crate) fn add_reserved(&mut self, range: MemoryRange) {
        while merge_into(&mut self.reserved, range).is_err() {
            close_smallest_gap(&mut self.reserved);
        }
    }
}

fn smallest<const N: usize>(list: &List<MemoryRange, N>) -> Option<(usize, MemoryRange)> {
    list.iter().enumerate().min_by_key(|(_, range)| range.bytes())
}

fn close_smallest_gap<const N: usize>(list: &mut List<MemoryRange, N>) {
    let pairs = list.iter().zip(list.iter().skip(1)).enumerate();
    let closest = pairs.min_by_key(|(_, (low, high))| high.start.raw() - low.end.raw());
    if let Some((at, (low, high))) = closest {
        list.remove(at);
        list.replace(
            at,
            MemoryRange {
                start: low.start,
                end: high.end,
            },
        );
    }
}

/// Adds `range` in its place, as one with those it overlaps or touches. If it is one more and there is no room,
/// nothing is changed.
fn merge_into<const N: usize>(list: &mut List<MemoryRange, N>, range: MemoryRange) -> Result<(), Full> {
    let mut range = range;
    while let Some((at, merged)) = first_merge(list, range) {
        list.remove(at);
        range = merged;
    }
    let at = list.iter().take_while(|other| other.start < range.start).count();
    list.insert(at, range)
}

fn first_merge<const N: usize>(
    list: &List<MemoryRange, N>,
    range: MemoryRange,
) -> Option<(usize, MemoryRange)> {
    list.iter()
        .enumerate()
        .find_map(|(at, other)| Some((at, range.merge(other)?)))
}

/// The runs of frames of one RAM range that nobody keeps.
struct Gaps<'a> {
    /// What is still to look at.
    ram: Option<FrameRange>,
    map: &'a MemoryMap,
    taken: &'a [MemoryRange],
}

impl Iterator for Gaps<'_> {
    type Item = FrameRange;

    fn next(&mut self) -> Option<FrameRange> {
        loop {
            let ram = self.ram?;
            if let Some(kept) = self.kept().find(|kept| kept.contains(ram.start())) {
                self.ram = frames_between(kept.end(), ram.end());
                continue;
            }
            let end = self
                .kept()
                .filter(|kept| kept.overlaps(ram))
                .map(|kept| kept.start())
                .min();
            let end = end.unwrap_or(ram.end());
            self.ram = frames_between(end, ram.end());
            return frames_between(ram.start(), end);
        }
    }
}

impl<'a> Gaps<'a> {
    /// Everything to be kept, in whole frames.
    fn kept(&self) -> impl Iterator<Item = FrameRange> + use<'a> {
        let kept = self.map.reserved().chain(self.taken.iter().copied());
        kept.filter_map(|range| FrameRange::touching(range.start, range.end))
    }
}

fn whole_frames(range: MemoryRange) -> Option<FrameRange> {
    FrameRange::inside(range.start, range.end)
}

/// From `start` up to, not including, `end`.
fn frames_between(start: Frame, end: Frame) -> Option<FrameRange> {
    FrameRange::new(start, end.number().checked_sub(start.number())?)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{MemoryMap, MemoryRange};
    use addr::PhysAddr;
    use std::vec::Vec;

    fn range(start: u64, end: u64) -> MemoryRange {
        MemoryRange::between(PhysAddr::new(start), PhysAddr::new(end)).expect("non-empty")
    }

    fn map(ram: &[(u64, u64)], reserved: &[(u64, u64)]) -> MemoryMap {
        let mut map = MemoryMap::new();
        for (start, end) in ram {
            map.add_ram(range(*start, *end));
        }
        for (start, end) in reserved {
            map.add_reserved(range(*start, *end));
        }
        map
    }

    fn usable(map: &MemoryMap, taken: &[MemoryRange]) -> Vec<(u64, u64)> {
        map.usable(taken)
            .map(|frames| (frames.start().start().raw(), frames.end().start().raw()))
            .collect()
    }

    #[test]
    fn ram_is_sorted_and_merged_where_it_overlaps_or_touches() {
        let map = map(
            &[
                (0x9000, 0xa000),
                (0x1000, 0x3000),
                (0x2000, 0x5000),
                (0x5000, 0x6000),
            ],
            &[],
        );
        assert_eq!(
            map.ram().collect::<Vec<_>>(),
            [range(0x1000, 0x6000), range(0x9000, 0xa000)]
        );
        assert_eq!(map.ram_bytes(), 0x6000);
    }

    #[test]
    fn reservations_are_merged_too_since_trees_have_many_that_touch() {
        let map = map(
            &[],
            &[
                (0x3000, 0x4000),
                (0x3000, 0x3800),
                (0x1000, 0x2000),
                (0x2000, 0x3000),
            ],
        );
        assert_eq!(map.reserved().collect::<Vec<_>>(), [range(0x1000, 0x4000)]);
    }

    #[test]
    fn the_lower_of_two_reservations_ends_a_run_in_whatever_order_they_are_given() {
        let map = map(&[(0, 0x9000)], &[]);
        let taken = [range(0x6000, 0x7000), range(0x3000, 0x4000)];
        assert_eq!(
            usable(&map, &taken),
            [(0, 0x3000), (0x4000, 0x6000), (0x7000, 0x9000)]
        );
    }

    #[test]
    fn of_more_ram_ranges_than_are_kept_the_smallest_are_left_out() {
        let full: Vec<_> = (1..=16)
            .map(|n| (n * 0x10_000, n * 0x10_000 + n * 0x100))
            .collect();
        let mut kept = map(&full, &[]);
        assert!(!kept.leaves_ram_out());
        kept.add_ram(range(0, 0x80));
        assert!(kept.leaves_ram_out());
        assert!(
            kept.ram().eq(map(&full, &[]).ram()),
            "the new one was the smallest"
        );
        kept.add_ram(range(0, 0x1000));
        let first = kept.ram().take(2).collect::<Vec<_>>();
        assert_eq!(first, [range(0, 0x1000), range(0x2_0000, 0x2_0200)]);
        assert_eq!(kept.ram().count(), 16);
    }

    #[test]
    fn of_more_reservations_than_are_kept_the_closest_become_one() {
        let far: Vec<_> = (0..32).map(|n| (n * 0x10_000, n * 0x10_000 + 0x1000)).collect();
        let mut kept = map(&[], &far);
        kept.add_reserved(range(0x2000, 0x3000));
        assert!(far.iter().chain(&[(0x2000, 0x3000)]).all(|(start, end)| {
            kept.reserved()
                .any(|reserved| reserved.contains(range(*start, *end)))
        }));
        let before: u64 = 33 * 0x1000;
        let reserved: u64 = kept.reserved().map(MemoryRange::bytes).sum();
        assert!(reserved - before < 0x10_000, "one gap is closed, not several");
    }

    #[test]
    fn of_ram_that_is_not_to_be_used_the_highest_is_left_out() {
        let ram = [(0, 0x4000), (0x6000, 0x9000), (0xb000, 0xc000)];
        for (bytes, kept) in [
            (0x8000, &ram[..]),
            (0x1_0000, &ram),
            (0x6000, &[(0, 0x4000), (0x6000, 0x8000)]),
            (0x4000, &[(0, 0x4000)]),
            (0x1001, &[(0, 0x1001)]),
            (0, &[]),
        ] {
            let mut limited = map(&ram, &[]);
            limited.keep_lowest(bytes);
            assert!(limited.ram().eq(map(kept, &[]).ram()), "{bytes:#x}");
        }
    }

    #[test]
    fn one_range_can_swallow_several() {
        let map = map(
            &[(0x1000, 0x2000), (0x3000, 0x4000), (0x5000, 0x6000), (0, 0x9000)],
            &[],
        );
        assert_eq!(map.ram().collect::<Vec<_>>(), [range(0, 0x9000)]);
    }

    #[test]
    fn usable_memory_is_ram_without_what_anybody_keeps() {
        let map = map(&[(0x1000, 0x9000), (0xb000, 0xd000)], &[(0x2000, 0x3000)]);
        assert_eq!(
            usable(&map, &[range(0x5000, 0x6000)]),
            [
                (0x1000, 0x2000),
                (0x3000, 0x5000),
                (0x6000, 0x9000),
                (0xb000, 0xd000)
            ]
        );
    }

    #[test]
    fn ram_rounds_inward_and_reservations_outward() {
        let map = map(&[(0x1001, 0x8fff)], &[(0x3fff, 0x4001)]);
        assert_eq!(usable(&map, &[]), [(0x2000, 0x3000), (0x5000, 0x8000)]);
    }

    #[test]
    fn reservations_may_overlap_reach_out_of_ram_and_cover_it_whole() {
        let map = map(
            &[(0x4000, 0x8000), (0xa000, 0xc000)],
            &[(0, 0x5000), (0x4000, 0x6000), (0x9000, 0xf000)],
        );
        assert_eq!(usable(&map, &[range(0x7000, 0x10_0000)]), [(0x6000, 0x7000)]);
    }

    #[test]
    fn a_board_without_ram_has_nothing_to_hand_out() {
        assert_eq!(usable(&MemoryMap::new(), &[]), []);
    }

    #[test]
    fn memory_up_to_the_last_address_does_not_wrap() {
        let map = map(&[(u64::MAX - 0x2fff, u64::MAX)], &[(u64::MAX - 0x1000, u64::MAX)]);
        assert_eq!(usable(&map, &[]), [(u64::MAX - 0x2fff, u64::MAX - 0x1fff)]);
        assert_eq!(MemoryRange::new(PhysAddr::new(u64::MAX), 2), None);
        assert_eq!(MemoryRange::new(PhysAddr::new(7), 0), None);
    }
}
