//! The initrd: where the loader put it, and that the first program sees nothing else with it.

use crate::exit;
use aarch64::boot::Handover;
use aarch64::cpu;
use aarch64::mmu::KernelMap;
use addr::FrameRange;
use boards::{Board, MemoryRange};
use core::fmt;

/// The frames of the initrd. The first program has all of them mapped, to the last byte.
pub fn frames(board: &Board) -> Option<FrameRange> {
    place(board).and_then(frames_of)
}

/// Where the loader put it. None where the device tree says so badly: [`check`] ends the machine then.
pub fn place(board: &Board) -> Option<MemoryRange> {
    board.initrd.ok().flatten()
}

fn frames_of(range: MemoryRange) -> Option<FrameRange> {
    FrameRange::touching(range.start(), range.end())
}

/// Makes sure that its frames are RAM and hold nothing that a program must not see, or ends the
/// machine, saying why. To be called before it is mapped: what is no RAM must not be mapped as memory.
pub fn check(board: &Board, handover: &Handover) {
    let initrd = match board.initrd {
        Ok(Some(initrd)) => initrd,
        Ok(None) => return,
        Err(why) => exit::cannot_start(format_args!("{why}")),
    };
    if let Err(why) = check_place(board, handover, initrd) {
        exit::cannot_start(format_args!(
            "the initrd at {}-{} cannot be used: {why}",
            initrd.start(),
            initrd.end()
        ));
    }
}

enum Misplaced {
    OutsideRam,
    Shared(&'static str),
}

fn check_place(board: &Board, handover: &Handover, initrd: MemoryRange) -> Result<(), Misplaced> {
    let frames = frames_of(initrd).ok_or(Misplaced::OutsideRam)?;
    let whole = MemoryRange::between(frames.start().start(), frames.end().start());
    let in_ram = whole.is_some_and(|whole| board.memory.ram().any(|ram| ram.contains(whole)));
    if !in_ram || frames.end().start().raw() > cpu::physical_addresses() {
        return Err(Misplaced::OutsideRam);
    }
    if frames.overlaps(handover.image()) {
        return Err(Misplaced::Shared("the kernel"));
    }
    if handover
        .device_tree_frames
        .is_some_and(|tree| tree.overlaps(frames))
    {
        return Err(Misplaced::Shared("the device tree"));
    }
    // Some loaders reserve the initrd itself.
    let mut others = board
        .memory
        .reserved()
        .filter(|reserved| reserved.end() <= initrd.start() || initrd.end() <= reserved.start());
    if others.any(|other| frames_of(other).is_some_and(|other| other.overlaps(frames))) {
        return Err(Misplaced::Shared("reserved memory"));
    }
    Ok(())
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideRam => f.write_str("some of it is not in RAM"),
            Self::Shared(with) => write!(f, "it shares a frame with {with}"),
        }
    }
}

/// Zeroes what is in its first and last frame besides it: whatever ran before us left something
/// there. To be called before it is mapped, since then it is only for reading.
pub fn clear_edges(board: &Board, map: &mut KernelMap) {
    let Some(initrd) = place(board) else { return };
    map.zero_bytes(initrd.start().frame(), 0..initrd.start().offset());
    if initrd.end().offset() != 0 {
        map.zero_bytes(initrd.end().frame(), initrd.end().offset()..addr::GRANULE);
    }
}
