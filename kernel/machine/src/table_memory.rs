//! How table code reads and writes descriptors here: like any memory, but watched.

use crate::adversary::Speculation;
use crate::ledger::Owner;
use crate::machine::Machine;
use crate::sabotage::Sabotage;
use crate::word::{self, Word};
use addr::Frame;
use vmsa::{TableIndex, TableMemory};

impl TableMemory for Machine {
    fn load(&self, table: Frame, index: TableIndex) -> u64 {
        assert!(
            self.ledger.level(table).is_some(),
            "{table:?} is read as a table, but is none"
        );
        self.ram.load(table, index.byte_offset())
    }

    fn store(&mut self, table: Frame, index: TableIndex, descriptor: u64) {
        let Some(level) = self.ledger.level(table) else {
            panic!("{table:?} is written as a table, but is none");
        };
        let old_descriptor = self.ram.load(table, index.byte_offset());
        let old = Word::read(old_descriptor, level);
        let new = Word::read(descriptor, level);
        match (old, new) {
            (_, Word::Invalid) => self.before_change(table, index),
            (Word::Invalid, _) => self.assert_broken_before_made(table, index, descriptor),
            (Word::Leaf { .. }, Word::Leaf { .. }) if word::permits_otherwise(old_descriptor, descriptor) => {
                assert!(
                    self.ledger.owner(table) == Some(Owner::Space),
                    "descriptor {old_descriptor:#x} of a region is replaced by {descriptor:#x} for everybody"
                );
                self.before_change(table, index);
            }
            _ => assert!(
                old_descriptor == descriptor,
                "descriptor {old_descriptor:#x} is replaced by {descriptor:#x} without a break"
            ),
        }
        let ram = &self.ram;
        self.ledger
            .replace((table, index), level, (old, new), |frame| ram.is_zeroed(frame));
        self.ram
            .write(table, index.byte_offset(), &descriptor.to_le_bytes());
        self.counts.table_stores += 1;
        self.after_store(table, index);
    }

    fn zero(&mut self, table: Frame) {
        self.assert_free(table);
        if self.sabotage != Sabotage::ForgetZeroingTables {
            self.ram.zero(table);
        }
        self.counts.dsb_stores += 1;
    }
}

impl Machine {
    /// Whatever is about to go, or to allow something else, may have been cached a moment ago.
    fn before_change(&mut self, table: Frame, index: TableIndex) {
        if self.speculation == Speculation::Everything {
            self.cache_all_through(table, index);
        }
    }

    /// Walks that start behind a cached table descriptor, stale or not, may see the store.
    fn after_store(&mut self, table: Frame, index: TableIndex) {
        if self.speculation == Speculation::Everything {
            self.extend_cached_walks(table, index);
        }
    }

    /// No TLB may hold an earlier descriptor of this place when a new one is put in.
    fn assert_broken_before_made(&self, table: Frame, index: TableIndex, descriptor: u64) {
        for entry in self.cpus.iter().flat_map(|cpu| cpu.usable()) {
            let stale = entry
                .path
                .iter()
                .find(|origin| (origin.table, origin.index) == (table, index) && origin.raw != descriptor);
            if let Some(origin) = stale {
                panic!(
                    "descriptor {descriptor:#x} is made before the TLB forgot {:#x}: {entry:?}",
                    origin.raw
                );
            }
        }
    }
}
