//! How table code reaches the frames that hold tables.

use crate::TableIndex;
use addr::Frame;

/// Access to translation tables. The architecture layer implements it over its direct map.
///
/// The hardware walker reads the same words at any moment, on every CPU, which is why each
/// descriptor is written by exactly one [`store`](Self::store).
pub trait TableMemory {
    /// Reads a descriptor.
    fn load(&self, table: Frame, index: TableIndex) -> u64;

    /// Writes a descriptor with one single-copy atomic 64-bit store.
    fn store(&mut self, table: Frame, index: TableIndex, descriptor: u64);

    /// Makes all descriptors of `table` invalid. An implementation orders this before every
    /// later [`store`](Self::store), for other CPUs' walkers too (DSB ISHST): a table may be
    /// linked right afterwards.
    fn zero(&mut self, table: Frame);
}
