//! Physical addresses and frames.

use crate::{GRANULE, GRANULE_SHIFT};
use core::fmt;

/// A physical address: what leaves the MMU.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(u64);

impl PhysAddr {
    /// Wraps a raw physical address.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The raw address.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The frame that contains this address.
    pub const fn frame(self) -> Frame {
        Frame(self.0 >> GRANULE_SHIFT)
    }

    /// Bytes from the start of the frame.
    pub const fn offset(self) -> u64 {
        self.0 % GRANULE
    }

    /// This address moved up by `bytes`, or `None` if it would wrap.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }
}

impl fmt::Debug for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PA {:#x}", self.0)
    }
}

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A granule-sized, granule-aligned piece of physical memory, named by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame(u64);

impl Frame {
    /// The frame with this number (physical address / 4 KiB).
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The frame that starts at `addr`, or `None` if `addr` is not granule-aligned.
    pub const fn starting_at(addr: PhysAddr) -> Option<Self> {
        if addr.offset() == 0 {
            Some(addr.frame())
        } else {
            None
        }
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Its first byte.
    pub const fn start(self) -> PhysAddr {
        PhysAddr(self.0 << GRANULE_SHIFT)
    }

    /// The frame `count` further on.
    ///
    /// # Panics
    /// If the number wraps, which no machine's memory can reach.
    pub const fn offset(self, count: u64) -> Self {
        match self.0.checked_add(count) {
            Some(number) => Self(number),
            None => panic!("frame number wraps"),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {:#x}", self.0)
    }
}

/// A non-empty run of neighbouring frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameRange {
    start: Frame,
    count: u64,
}

impl FrameRange {
    /// `count` frames from `start`; `None` if empty or past the last frame number.
    pub const fn new(start: Frame, count: u64) -> Option<Self> {
        if count == 0 || start.0.checked_add(count).is_none() {
            return None;
        }
        Some(Self { start, count })
    }

    /// The frames that lie wholly inside `[start, end)`: rounds inward, for memory that may be
    /// handed out. `None` if there is none.
    pub const fn inside(start: PhysAddr, end: PhysAddr) -> Option<Self> {
        let first = start.0.div_ceil(GRANULE);
        let last = end.0 / GRANULE;
        if last <= first {
            None
        } else {
            Self::new(Frame(first), last - first)
        }
    }

    /// The frames that `[start, end)` touches: rounds outward, for memory that must be kept.
    /// `None` if the range is empty.
    pub const fn touching(start: PhysAddr, end: PhysAddr) -> Option<Self> {
        if end.0 <= start.0 {
            return None;
        }
        let first = start.0 / GRANULE;
        Self::new(Frame(first), end.0.div_ceil(GRANULE) - first)
    }

    /// The first frame.
    pub const fn start(self) -> Frame {
        self.start
    }

    /// The frame behind the last one.
    pub const fn end(self) -> Frame {
        Frame(self.start.0 + self.count)
    }

    /// How many frames, at least one.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// Whether `frame` is one of them.
    pub const fn contains(self, frame: Frame) -> bool {
        frame.0 >= self.start.0 && frame.0 - self.start.0 < self.count
    }

    /// Whether the two ranges share a frame.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start.0 < other.end().0 && other.start.0 < self.end().0
    }

    /// The frames in order.
    pub fn iter(self) -> impl Iterator<Item = Frame> {
        (self.start.0..self.end().0).map(Frame)
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, FrameRange, PhysAddr};

    #[test]
    fn memory_to_hand_out_rounds_inward_and_memory_to_keep_rounds_outward() {
        let (start, end) = (PhysAddr::new(0x1001), PhysAddr::new(0x3fff));
        let inside = FrameRange::inside(start, end).expect("one whole frame");
        assert_eq!((inside.start().number(), inside.count()), (2, 1));
        let touching = FrameRange::touching(start, end).expect("three frames");
        assert_eq!((touching.start().number(), touching.count()), (1, 3));
    }

    #[test]
    fn empty_and_wrapping_ranges_cannot_be_made() {
        assert!(FrameRange::new(Frame::from_number(1), 0).is_none());
        assert!(FrameRange::new(Frame::from_number(u64::MAX), 1).is_none());
        assert!(FrameRange::inside(PhysAddr::new(1), PhysAddr::new(0x1fff)).is_none());
        assert!(FrameRange::touching(PhysAddr::new(5), PhysAddr::new(5)).is_none());
    }

    #[test]
    fn only_aligned_addresses_start_a_frame() {
        assert_eq!(
            Frame::starting_at(PhysAddr::new(0x2000)),
            Some(Frame::from_number(2))
        );
        assert_eq!(Frame::starting_at(PhysAddr::new(0x2008)), None);
    }
}
