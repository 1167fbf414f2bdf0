//! The order of locks, from the outermost in.

/// Where a lock stands in the order.
pub trait Level: 'static {}

/// Whoever holds a lock of this level may take one of level `L`.
pub trait Before<L: Level>: Level {}

/// No lock is held.
pub struct Nothing;
/// Processes, threads, endpoints: everything portable but what has a lock of its own.
pub struct Kernel;
/// Which words of memory are waited for, and by whom.
pub struct Words;
/// The memory manager: what of it is taken inside is its own business.
pub struct Memory;
/// Which ASIDs are in use.
pub struct Asids;
/// The kernel's own map, extended at boot and for drivers.
pub struct Map;
/// The kernel heap.
pub struct Heap;
/// The kernel log and what it is printed to.
pub struct Log;

impl Level for Nothing {}
impl Level for Kernel {}
impl Level for Words {}
impl Level for Memory {}
impl Level for Asids {}
impl Level for Map {}
impl Level for Heap {}
impl Level for Log {}

impl Before<Kernel> for Nothing {}
impl Before<Words> for Nothing {}
impl Before<Memory> for Nothing {}
impl Before<Map> for Nothing {}
impl Before<Heap> for Nothing {}
impl Before<Log> for Nothing {}
impl Before<Words> for Kernel {}
impl Before<Memory> for Kernel {}
impl Before<Map> for Kernel {}
impl Before<Heap> for Kernel {}
impl Before<Log> for Kernel {}
impl Before<Memory> for Words {}
impl Before<Map> for Words {}
impl Before<Heap> for Words {}
impl Before<Log> for Words {}
impl Before<Asids> for Memory {}
impl Before<Map> for Memory {}
impl Before<Heap> for Memory {}
impl Before<Log> for Memory {}
impl Before<Heap> for Map {}
impl Before<Log> for Map {}
impl Before<Log> for Heap {}
