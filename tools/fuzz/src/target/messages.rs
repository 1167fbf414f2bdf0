//! Any bytes as the life of several programs: requests, messages, faults and interrupts, while the kernel on a
//! pretend machine is checked after each. At the end everybody ends, and all frames are back.

use play::{Play, Size};

/// The longest life. Each step costs as much as looking at all that there is.
const MOST_STEPS: usize = 400;

/// The first byte says what there is little of, and how many CPUs there are; then come the steps, each a byte for its kind and as many numbers
/// as it asks for.
pub fn run(bytes: &[u8]) {
    let mut bytes = bytes.iter().copied();
    let Some(size) = bytes.next() else { return };
    let (size, cpus) = (usize::from(size) % Size::SCARCE.len(), usize::from(size) / 64);
    let mut play = Play::new(Size::SCARCE[size], 1 + cpus);
    for _ in 0..MOST_STEPS {
        let Some(kind) = bytes.next() else { break };
        play.step(kind, &mut Numbers(&mut bytes));
    }
    play.finish();
}

/// Numbers of two bytes each: the lowest, which most choices depend on, and one for all others.
struct Numbers<'a, I>(&'a mut I);

impl<I: Iterator<Item = u8>> Iterator for Numbers<'_, I> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let lowest = self.0.next()?;
        let other = self.0.next().unwrap_or_default();
        let mut bytes = [other; 8];
        bytes[0] = lowest;
        Some(u64::from_le_bytes(bytes))
    }
}
