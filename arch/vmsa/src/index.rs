//! Which entry of which level translates a page.
//!
//! With the 4 KiB granule a table is one frame of 512 descriptors, so each level consumes nine
//! bits of the address (Arm ARM, "VMSAv8-64 translation using the 4KB granule").

mod scan;

pub(crate) use scan::Scan;

use addr::{Page, PageRange};

/// Descriptors in a table.
pub const ENTRIES: u64 = 512;
/// Pages that one level-3 table maps: a *slot* of 2 MiB.
pub const SLOT_PAGES: u64 = Level::Two.pages();
/// Pages below the end of what TTBR0 translates: 2^48 bytes.
pub const USER_PAGES: u64 = ENTRIES * Level::Zero.pages();

const INDEX_BITS: u32 = 9;

/// A level of lookup, from the root down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// The root: 512 GiB an entry, tables only.
    Zero,
    /// 1 GiB an entry.
    One,
    /// 2 MiB an entry.
    Two,
    /// The last: pages.
    Three,
}

impl Level {
    /// How many pages an entry of this level covers.
    pub const fn pages(self) -> u64 {
        1 << self.shift()
    }

    /// The entry that translates `page` in a table of this level. Address bits above the
    /// 48th, which choose the table base register, have no part in it.
    #[inline]
    pub const fn index(self, page: Page) -> TableIndex {
        TableIndex(((page.number() >> self.shift()) % ENTRIES) as u16)
    }

    /// Whether all of `range` has the same entry of this level.
    #[inline]
    pub(crate) const fn is_one_entry(self, range: PageRange) -> bool {
        let last = range.end().number() - 1;
        (range.start().number() ^ last) >> self.shift() == 0
    }

    /// The level below, which the last has not.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Zero => Some(Self::One),
            Self::One => Some(Self::Two),
            Self::Two => Some(Self::Three),
            Self::Three => None,
        }
    }

    /// All pages that share with `page` the entry of this level.
    #[inline]
    pub const fn extent(self, page: Page) -> PageRange {
        let first = page.number() & !(self.pages() - 1);
        match PageRange::between(Page::from_number(first), Page::from_number(first + self.pages())) {
            Some(extent) => extent,
            None => panic!("the page lies behind the end of the address space"),
        }
    }

    /// The part of `range` that entry `index` translates, of the table that all of it is in.
    #[inline]
    pub(crate) fn part(self, range: PageRange, index: TableIndex) -> PageRange {
        let of_table = range.start().number() & !(self.pages() * ENTRIES - 1);
        let first = of_table + index.get() as u64 * self.pages();
        let (start, end) = (
            range.start().number().max(first),
            range.end().number().min(first + self.pages()),
        );
        match PageRange::between(Page::from_number(start), Page::from_number(end)) {
            Some(part) => part,
            None => panic!("{range:?} has no part in entry {index:?}"),
        }
    }

    /// The entries of this level that `range` touches, each with its part of the range.
    #[inline]
    pub fn entries(self, range: PageRange) -> impl Iterator<Item = PageRange> {
        let last_of_entry = self.pages() - 1;
        let (mut next, end) = (range.start().number(), range.end().number());
        core::iter::from_fn(move || {
            let start = next;
            next = end.min((start | last_of_entry) + 1);
            PageRange::between(Page::from_number(start), Page::from_number(next))
        })
    }

    /// The places of the entries that `range` touches, which are all in one table.
    #[inline]
    pub fn indices(self, range: PageRange) -> impl Iterator<Item = TableIndex> {
        let first = self.index(range.start()).0;
        let end = self.index(Page::from_number(range.end().number() - 1)).0 + 1;
        (first..end).map(TableIndex)
    }

    const fn shift(self) -> u32 {
        match self {
            Self::Zero => 3 * INDEX_BITS,
            Self::One => 2 * INDEX_BITS,
            Self::Two => INDEX_BITS,
            Self::Three => 0,
        }
    }
}

/// The place of a descriptor in its table, below [`ENTRIES`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TableIndex(u16);

impl TableIndex {
    /// `None` from [`ENTRIES`] on.
    pub const fn new(index: u64) -> Option<Self> {
        if index < ENTRIES {
            Some(Self(index as u16))
        } else {
            None
        }
    }

    /// The place.
    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// Where the descriptor starts, in bytes from the start of the table.
    pub const fn byte_offset(self) -> usize {
        self.get() * size_of::<u64>()
    }

    /// All places of a table, lowest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ENTRIES as u16).map(Self)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Level, SLOT_PAGES, TableIndex, USER_PAGES};
    use addr::{Page, PageRange, VirtAddr};
    use std::vec::Vec;

    fn page(number: u64) -> Page {
        Page::from_number(number)
    }

    #[test]
    fn each_level_takes_its_nine_bits_of_the_address() {
        let addr = VirtAddr::new((1 << 39) | (2 << 30) | (3 << 21) | (4 << 12) | 0x567);
        let indices =
            [Level::Zero, Level::One, Level::Two, Level::Three].map(|level| level.index(addr.page()).get());
        assert_eq!(indices, [1, 2, 3, 4]);
    }

    #[test]
    fn both_halves_of_the_address_space_use_the_same_indices() {
        let high = VirtAddr::new(0xffff_0000_0020_1000).page();
        assert_eq!(Level::Zero.index(high).get(), 0);
        assert_eq!(
            (Level::Two.index(high).get(), Level::Three.index(high).get()),
            (1, 1)
        );
        let last = VirtAddr::new(u64::MAX).page();
        assert_eq!(Level::Zero.index(last).get(), 511);
        assert_eq!(Level::One.extent(last).end().number(), 1 << 52);
    }

    #[test]
    fn sizes_are_those_of_the_4_kib_granule() {
        assert_eq!(SLOT_PAGES * 4096, 2 << 20);
        assert_eq!(Level::One.pages() * 4096, 1 << 30);
        assert_eq!(USER_PAGES * 4096, 1 << 48);
    }

    #[test]
    fn a_range_is_cut_at_the_borders_of_entries() {
        let range = PageRange::between(page(510), page(1030)).expect("not empty");
        let parts: Vec<_> = Level::Two
            .entries(range)
            .map(|part| (part.start().number(), part.end().number()))
            .collect();
        assert_eq!(parts, [(510, 512), (512, 1024), (1024, 1030)]);
    }

    #[test]
    fn each_entry_has_its_part_of_a_range() {
        let range = PageRange::between(page(510), page(1030)).expect("not empty");
        for part in Level::Two.entries(range) {
            assert_eq!(Level::Two.part(range, Level::Two.index(part.start())), part);
        }
    }

    #[test]
    fn the_places_of_a_range_are_those_of_its_entries() {
        let range = PageRange::between(page(5 * 512 + 510), page(6 * 512)).expect("not empty");
        let places: Vec<_> = Level::Three.indices(range).map(TableIndex::get).collect();
        assert_eq!(places, [510, 511]);
        let places: Vec<_> = Level::Two.indices(range).map(TableIndex::get).collect();
        assert_eq!(places, [5]);
    }

    #[test]
    fn an_index_outside_a_table_cannot_be_made() {
        assert_eq!(TableIndex::new(511).map(TableIndex::byte_offset), Some(4088));
        assert_eq!(TableIndex::new(512), None);
    }
}
