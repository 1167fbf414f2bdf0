//! Virtual addresses and pages.

use crate::{GRANULE, GRANULE_SHIFT};
use core::fmt;
use core::num::NonZeroU32;

/// A virtual address: what a program or the kernel uses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtAddr(u64);

impl VirtAddr {
    /// Wraps a raw virtual address.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The raw address.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The page that contains this address.
    pub const fn page(self) -> Page {
        Page(self.0 >> GRANULE_SHIFT)
    }

    /// Bytes from the start of the page.
    pub const fn offset(self) -> u64 {
        self.0 % GRANULE
    }

    /// Whether it is the first byte of a page.
    pub const fn is_page_aligned(self) -> bool {
        self.offset() == 0
    }

    /// This address moved up by `bytes`, or `None` if it would wrap.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }
}

impl fmt::Debug for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VA {:#x}", self.0)
    }
}

impl fmt::Display for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A granule-sized, granule-aligned piece of virtual address space, named by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Page(u64);

impl Page {
    /// The page with this number (virtual address / 4 KiB).
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The page that starts at `addr`, or `None` if `addr` is not page-aligned.
    pub const fn starting_at(addr: VirtAddr) -> Option<Self> {
        if addr.is_page_aligned() {
            Some(addr.page())
        } else {
            None
        }
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Its first byte.
    pub const fn start(self) -> VirtAddr {
        VirtAddr(self.0 << GRANULE_SHIFT)
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {:#x}", self.0)
    }
}

/// A number of pages, at least one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PageCount(u64);

impl PageCount {
    /// `count` pages, `None` if zero.
    pub const fn new(count: u64) -> Option<Self> {
        if count == 0 { None } else { Some(Self(count)) }
    }

    /// The pages that `bytes` bytes need; `None` if `bytes` is zero. Cannot wrap.
    pub const fn covering(bytes: u64) -> Option<Self> {
        Self::new(bytes.div_ceil(GRANULE))
    }

    /// The count.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<NonZeroU32> for PageCount {
    fn from(count: NonZeroU32) -> Self {
        Self(count.get().into())
    }
}

/// A non-empty run of neighbouring pages that does not wrap.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageRange {
    start: Page,
    end: Page,
}

impl PageRange {
    /// `count` pages from `start`; `None` if the last byte would lie past the end of the 64-bit
    /// address space.
    pub const fn new(start: Page, count: PageCount) -> Option<Self> {
        let last_page = u64::MAX >> GRANULE_SHIFT;
        match start.0.checked_add(count.0) {
            Some(end) if end <= last_page + 1 => Some(Self {
                start,
                end: Page(end),
            }),
            _ => None,
        }
    }

    /// From `start` up to, not including, `end`; `None` if that is empty.
    pub const fn between(start: Page, end: Page) -> Option<Self> {
        if end.0 <= start.0 {
            return None;
        }
        Self::new(start, PageCount(end.0 - start.0))
    }

    /// The pages that `[start, end)` touches. `None` if that is empty.
    pub const fn touching(start: VirtAddr, end: VirtAddr) -> Option<Self> {
        if end.raw() <= start.raw() {
            return None;
        }
        Self::between(start.page(), Page(end.raw().div_ceil(GRANULE)))
    }

    /// The first page.
    pub const fn start(self) -> Page {
        self.start
    }

    /// The page behind the last one.
    pub const fn end(self) -> Page {
        self.end
    }

    /// How many pages.
    pub const fn count(self) -> PageCount {
        PageCount(self.end.0 - self.start.0)
    }

    /// Whether `page` is one of them.
    pub const fn contains(self, page: Page) -> bool {
        self.start.0 <= page.0 && page.0 < self.end.0
    }

    /// Whether all of `other` lies inside.
    pub const fn contains_range(self, other: Self) -> bool {
        self.start.0 <= other.start.0 && other.end.0 <= self.end.0
    }

    /// Whether the two share a page.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start.0 < other.end.0 && other.start.0 < self.end.0
    }

    /// The pages that both have, `None` if there is none.
    pub const fn intersection(self, other: Self) -> Option<Self> {
        let start = if self.start.0 > other.start.0 {
            self.start
        } else {
            other.start
        };
        let end = if self.end.0 < other.end.0 {
            self.end
        } else {
            other.end
        };
        Self::between(start, end)
    }

    /// The smallest range with all pages of both.
    pub const fn hull(self, other: Self) -> Self {
        let start = if self.start.0 < other.start.0 {
            self.start
        } else {
            other.start
        };
        let end = if self.end.0 > other.end.0 {
            self.end
        } else {
            other.end
        };
        Self { start, end }
    }

    /// The pages in order.
    pub fn iter(self) -> impl Iterator<Item = Page> {
        (self.start.0..self.end.0).map(Page)
    }
}

impl fmt::Debug for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pages {:#x}..{:#x}", self.start.0, self.end.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Page, PageCount, PageRange, VirtAddr};

    fn range(start: u64, end: u64) -> PageRange {
        PageRange::between(Page::from_number(start), Page::from_number(end)).expect("non-empty")
    }

    #[test]
    fn a_size_of_any_number_of_bytes_rounds_up_without_wrapping() {
        let pages = |bytes| PageCount::covering(bytes).map(PageCount::get);
        assert_eq!(pages(0), None);
        assert_eq!(pages(1), Some(1));
        assert_eq!(pages(4096), Some(1));
        assert_eq!(pages(4097), Some(2));
        assert_eq!(pages(u64::MAX), Some(1 << 52));
    }

    #[test]
    fn bytes_touch_the_pages_that_they_begin_and_end_in() {
        let touched = |start, end| PageRange::touching(VirtAddr::new(start), VirtAddr::new(end));
        assert_eq!(touched(0x1fff, 0x2001), Some(range(1, 3)));
        assert_eq!(touched(0x1000, 0x2000), Some(range(1, 2)));
        assert_eq!(touched(0x1000, 0x1000), None);
        assert_eq!(touched(0x1001, 0x1000), None);
    }

    #[test]
    fn ranges_end_with_the_address_space() {
        let last = VirtAddr::new(u64::MAX).page();
        let count = |n| PageCount::new(n).expect("not zero");
        assert!(PageRange::new(last, count(1)).is_some());
        assert!(PageRange::new(last, count(2)).is_none());
        assert!(PageRange::new(Page::from_number(0), count(u64::MAX)).is_none());
    }

    #[test]
    fn neighbours_do_not_overlap() {
        assert!(!range(1, 3).overlaps(range(3, 5)));
        assert!(range(1, 4).overlaps(range(3, 5)));
        assert_eq!(range(1, 4).intersection(range(3, 9)), Some(range(3, 4)));
        assert_eq!(range(1, 3).intersection(range(3, 9)), None);
        assert_eq!(range(1, 3).hull(range(5, 9)), range(1, 9));
        assert_eq!(range(5, 9).hull(range(1, 3)), range(1, 9));
    }
}
