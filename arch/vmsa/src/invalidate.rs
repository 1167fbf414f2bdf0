//! Which TLB invalidation a change of tables needs, as data.
//!
//! The architecture layer surrounds what is said here with barriers: DSB ISH before, so that
//! walkers see the changed tables and the ASID is read after them; DSB ISH after, which waits for all CPUs; ISB (Arm ARM,
//! "TLB maintenance instructions" and "Ordering and completion of TLB maintenance
//! instructions"). All forms are the broadcast ones.

use crate::asid::Asid;
use addr::{Page, PageRange};

/// Beyond this many pages the whole ASID goes. One TLBI per page costs a broadcast each, one by
/// ASID costs the program the refill of a TLB: a few dozen broadcasts are worth that.
pub const MOST_SINGLE_PAGES: u64 = 32;

/// What in an address space was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// No valid descriptor, so that no TLB can hold anything of it.
    Nothing,
    /// Leaves of these pages; all tables above them stay.
    Leaves(PageRange),
    /// Leaves of these pages, and tables above them. Each table that went translates at least one
    /// of the pages.
    Tables(PageRange),
    /// Anything: linked tables, or the space as a whole.
    Space,
}

/// TLB invalidation instructions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invalidation {
    /// None at all.
    Nothing,
    /// `TLBI VALE1IS` with each operand: forgets last-level entries only, so it is for changes
    /// that left all tables where they were.
    LastLevel(Pages),
    /// `TLBI VAE1IS` with each operand: forgets cached entries of every level on the way to the page.
    EveryLevel(Pages),
    /// `TLBI ASIDE1IS` with this operand.
    Asid(u64),
}

impl Invalidation {
    /// What has to be forgotten after `extent` of the space that runs under `asid` was changed.
    pub fn after(extent: Extent, asid: Asid) -> Self {
        match extent {
            Extent::Nothing => Self::Nothing,
            Extent::Leaves(range) if is_few(range) => Self::LastLevel(Pages::new(range, asid)),
            Extent::Tables(range) if is_few(range) => Self::EveryLevel(Pages::new(range, asid)),
            Extent::Leaves(_) | Extent::Tables(_) | Extent::Space => Self::Asid(asid_field(asid)),
        }
    }
}

fn is_few(range: PageRange) -> bool {
    range.count().get() <= MOST_SINGLE_PAGES
}

/// The operands of by-address forms, one for each page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pages {
    next: Page,
    end: Page,
    asid: Asid,
}

impl Pages {
    fn new(range: PageRange, asid: Asid) -> Self {
        Self {
            next: range.start(),
            end: range.end(),
            asid,
        }
    }
}

impl Iterator for Pages {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.next >= self.end {
            return None;
        }
        let page = self.next.number();
        self.next = Page::from_number(page + 1);
        Some(asid_field(self.asid) | (page & VA_FIELD))
    }
}

/// Bits 43 to 0 hold address bits 55 to 12; bits 47 to 44 (TTL) stay 0, "any level".
const VA_FIELD: u64 = (1 << 44) - 1;

fn asid_field(asid: Asid) -> u64 {
    u64::from(asid.raw()) << 48
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Extent, Invalidation, MOST_SINGLE_PAGES};
    use crate::asid::Asid;
    use addr::{Page, PageCount, PageRange};
    use std::{vec, vec::Vec};

    fn range(start: u64, count: u64) -> PageRange {
        PageRange::new(Page::from_number(start), PageCount::new(count).expect("pages")).expect("a range")
    }

    fn asid(raw: u16) -> Asid {
        Asid::from_raw(raw)
    }

    #[test]
    fn operands_hold_the_asid_above_the_page_number() {
        let Invalidation::LastLevel(pages) =
            Invalidation::after(Extent::Leaves(range(0x12345, 2)), asid(0xab))
        else {
            panic!("few leaves go one by one");
        };
        assert_eq!(
            pages.collect::<Vec<_>>(),
            vec![0x00ab_0000_0001_2345, 0x00ab_0000_0001_2346]
        );
    }

    #[test]
    fn the_last_level_form_is_used_only_where_all_tables_stayed() {
        let leaves = Invalidation::after(Extent::Leaves(range(7, 1)), asid(1));
        assert!(matches!(leaves, Invalidation::LastLevel(_)));
        let tables = Invalidation::after(Extent::Tables(range(7, 1)), asid(1));
        assert!(matches!(tables, Invalidation::EveryLevel(_)));
        assert_eq!(
            Invalidation::after(Extent::Space, asid(1)),
            Invalidation::Asid(1 << 48)
        );
        assert_eq!(
            Invalidation::after(Extent::Nothing, asid(1)),
            Invalidation::Nothing
        );
    }

    #[test]
    fn many_pages_are_forgotten_with_the_whole_asid() {
        let most = Invalidation::after(Extent::Leaves(range(0, MOST_SINGLE_PAGES)), asid(5));
        assert!(matches!(most, Invalidation::LastLevel(_)));
        for extent in [
            Extent::Leaves(range(0, MOST_SINGLE_PAGES + 1)),
            Extent::Tables(range(0, MOST_SINGLE_PAGES + 1)),
        ] {
            assert_eq!(Invalidation::after(extent, asid(5)), Invalidation::Asid(5 << 48));
        }
    }
}
