//! Table memory for tests: frames full of garbage until somebody zeroes them.
#![allow(dead_code, reason = "each test file uses its part of it")]

use addr::{Frame, Page, PageCount, PageRange};
use std::cell::Cell;
use std::collections::HashMap;
use vmsa::{TableIndex, TableMemory};

/// What frames hold that nobody zeroed: looks like a valid descriptor.
const GARBAGE: u64 = 0xdead_beef_dead_beef;

/// AP and UXN.
const PERMISSIONS: u64 = 0b11 << 6 | 1 << 54;

/// Tables by frame.
#[derive(Default)]
pub struct TestMemory {
    tables: HashMap<Frame, [u64; 512]>,
    /// How often a valid descriptor was overwritten by another valid one that differs in more than what
    /// programs may do.
    pub replaced: usize,
    /// How many descriptors were looked at.
    pub loads: Cell<usize>,
}

impl TableMemory for TestMemory {
    fn load(&self, table: Frame, index: TableIndex) -> u64 {
        self.loads.update(|loads| loads + 1);
        self.tables
            .get(&table)
            .map_or(GARBAGE, |table| table[index.get()])
    }

    fn store(&mut self, table: Frame, index: TableIndex, descriptor: u64) {
        let table = self.tables.get_mut(&table).expect("tables are zeroed before use");
        let entry = &mut table[index.get()];
        if *entry & 1 == 1 && descriptor & 1 == 1 && (*entry ^ descriptor) & !PERMISSIONS != 0 {
            self.replaced += 1;
        }
        *entry = descriptor;
    }

    fn zero(&mut self, table: Frame) {
        self.tables.insert(table, [0; 512]);
    }
}

/// Gives frames for tables and knows which are in use.
#[derive(Default)]
pub struct Frames {
    next: u64,
    free: Vec<Frame>,
}

impl Frames {
    /// A frame nobody uses.
    pub fn take(&mut self) -> Frame {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            Frame::from_number(0x8_0000 + self.next)
        })
    }

    /// Takes a frame back.
    pub fn give(&mut self, frame: Frame) {
        assert!(!self.free.contains(&frame), "{frame:?} was given back twice");
        self.free.push(frame);
    }

    /// How many are in use.
    pub fn used(&self) -> usize {
        self.next as usize - self.free.len()
    }
}

/// The page with this number.
pub fn page(number: u64) -> Page {
    Page::from_number(number)
}

/// `count` pages from number `start`.
pub fn pages(start: u64, count: u64) -> PageRange {
    PageRange::new(page(start), PageCount::new(count).expect("pages")).expect("a range")
}

/// A frame that holds data.
pub fn frame(number: u64) -> Frame {
    Frame::from_number(number)
}
