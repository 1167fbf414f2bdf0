//! Looking for what a table holds. Most entries of most tables are invalid, and are passed over in groups.

use super::{Level, TableIndex};
use crate::TableMemory;
use addr::{Frame, PageRange};

/// Entries that are looked at together: those of a cache line.
const GROUP: usize = 8;

/// Entries of one table that have not been looked at, lowest first.
pub(crate) struct Scan {
    next: usize,
    end: usize,
}

impl Level {
    /// Of the entries that `range` touches, which are all in one table.
    #[inline]
    pub(crate) fn scan(self, range: PageRange) -> Scan {
        let last = addr::Page::from_number(range.end().number() - 1);
        Scan {
            next: self.index(range.start()).get(),
            end: self.index(last).get() + 1,
        }
    }
}

impl Scan {
    /// Of a whole table.
    pub(crate) const WHOLE: Self = Self {
        next: 0,
        end: super::ENTRIES as usize,
    };

    /// The next entry that is not invalid, and its word. Entries may change between two calls.
    #[inline(always)] // where many are valid, each is to cost next to nothing
    pub(crate) fn next_valid(
        &mut self,
        memory: &impl TableMemory,
        table: Frame,
    ) -> Option<(TableIndex, u64)> {
        while self.next < self.end {
            let index = TableIndex(self.next as u16);
            self.next += 1;
            let raw = memory.load(table, index);
            if is_valid(raw) {
                return Some((index, raw));
            }
            while self.is_at_group() && is_none_valid(memory, table, self.next) {
                self.next += GROUP;
            }
        }
        None
    }

    #[inline]
    fn is_at_group(&self) -> bool {
        self.next.is_multiple_of(GROUP) && self.next + GROUP <= self.end
    }
}

/// Whether no entry of the group that starts at `first` is valid.
#[inline]
fn is_none_valid(memory: &impl TableMemory, table: Frame, first: usize) -> bool {
    let words = (first..first + GROUP).map(|index| memory.load(table, TableIndex(index as u16)));
    !is_valid(words.fold(0, |all, raw| all | raw))
}

/// Bit 0 of every descriptor (Arm ARM, "VMSAv8-64 descriptor formats").
#[inline]
fn is_valid(raw: u64) -> bool {
    raw & 1 != 0
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Level, Scan, TableIndex};
    use crate::TableMemory;
    use addr::{Frame, Page, PageRange};
    use std::vec::Vec;

    const TABLE: Frame = Frame::from_number(0);

    struct OneTable([u64; 512]);

    impl TableMemory for OneTable {
        fn load(&self, _: Frame, index: TableIndex) -> u64 {
            self.0[index.get()]
        }

        fn store(&mut self, _: Frame, index: TableIndex, descriptor: u64) {
            self.0[index.get()] = descriptor;
        }

        fn zero(&mut self, _: Frame) {
            self.0 = [0; 512];
        }
    }

    fn with_valid(places: &[usize]) -> OneTable {
        // What is not valid may hold anything else.
        let mut table = OneTable([!1; 512]);
        places.iter().for_each(|&place| table.0[place] = 3);
        table
    }

    fn found(table: &OneTable, mut scan: Scan) -> Vec<usize> {
        core::iter::from_fn(|| scan.next_valid(table, TABLE))
            .map(|(index, raw)| {
                assert_eq!(raw, table.0[index.get()]);
                index.get()
            })
            .collect()
    }

    #[test]
    fn what_is_valid_is_found_wherever_in_a_group_it_is() {
        for place in 0..512 {
            assert_eq!(found(&with_valid(&[place]), Scan::WHOLE), [place]);
        }
        let all: Vec<usize> = (0..512).collect();
        assert_eq!(found(&with_valid(&all), Scan::WHOLE), all);
        assert!(found(&with_valid(&[]), Scan::WHOLE).is_empty());
    }

    #[test]
    fn nothing_outside_the_range_is_found() {
        let all: Vec<usize> = (0..512).collect();
        let ends: [(u64, u64); 8] = [
            (0, 1),
            (3, 5),
            (7, 9),
            (7, 16),
            (8, 16),
            (8, 17),
            (1, 511),
            (511, 512),
        ];
        for (start, end) in ends {
            let page = |number| Page::from_number(512 * 7 + number);
            let range = PageRange::between(page(start), page(end)).expect("not empty");
            let inside: Vec<usize> = (start..end).map(|place| place as usize).collect();
            assert_eq!(found(&with_valid(&all), Level::Three.scan(range)), inside);
            let outside: Vec<usize> = all
                .iter()
                .copied()
                .filter(|place| !inside.contains(place))
                .collect();
            assert!(found(&with_valid(&outside), Level::Three.scan(range)).is_empty());
        }
    }

    #[test]
    fn an_entry_that_went_meanwhile_is_not_found() {
        let mut table = with_valid(&[8, 9, 10]);
        let mut scan = Scan::WHOLE;
        assert_eq!(scan.next_valid(&table, TABLE), Some((TableIndex(8), 3)));
        table.store(TABLE, TableIndex(9), 0);
        assert_eq!(scan.next_valid(&table, TABLE), Some((TableIndex(10), 3)));
    }
}
