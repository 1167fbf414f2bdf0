//! Slots of addresses: aligned stretches of 2 MiB, each translated by one level-3 table.

use addr::{Page, PageCount, PageRange};

/// Pages of a slot.
pub(crate) const SLOT_PAGES: u64 = 512;

/// The slot with `page` in it.
///
/// # Panics
/// If it is no page of a user program.
pub(crate) fn slot_of(page: Page) -> PageRange {
    let start = page.number() - page.number() % SLOT_PAGES;
    PageRange::between(Page::from_number(start), Page::from_number(start + SLOT_PAGES))
        .expect("user pages end with a slot")
}

/// The slots with the pages of `range` in them.
pub(crate) fn slots_around(range: PageRange) -> PageRange {
    let last = Page::from_number(range.end().number() - 1);
    slot_of(range.start()).hull(slot_of(last))
}

/// Whether a range is made of whole slots.
pub(crate) fn is_whole_slots(range: PageRange) -> bool {
    [range.start(), range.end()]
        .iter()
        .all(|end| end.number().is_multiple_of(SLOT_PAGES))
}

/// The slots that `pages` pages from `start` on lie in; `None` if these are too few to fill one, or
/// do not start with one.
pub(crate) fn whole_slots(start: Page, pages: PageCount) -> Option<PageRange> {
    if !start.number().is_multiple_of(SLOT_PAGES) {
        return None;
    }
    PageRange::new(start, slots_for(pages)?)
}

/// Pages of the slots that `pages` pages fill, in whole or in part; `None` if they fill none.
pub(crate) fn slots_for(pages: PageCount) -> Option<PageCount> {
    if pages.get() < SLOT_PAGES {
        return None;
    }
    PageCount::new(pages.get().checked_next_multiple_of(SLOT_PAGES)?)
}
