//! Who called whom, for last words: the return addresses on this CPU's stack.
//!
//! There are no frame pointers, and the tables that debuggers unwind by are not in the image (decision 37). So each
//! word of the stack that is an address in the kernel's code, right behind a call, is taken for a return address. Those
//! of the calls that are under way are all there, innermost first; some may be left from calls that have returned.

use crate::boot::image::Borders;
use crate::cpu::PerCpu;
use crate::cpu::stack::StackPlace;
use crate::exception::kernel::Frame;
use core::arch::asm;
use core::ops::Range;
use core::sync::atomic::Ordering;

/// Where the code that runs now will return to, and so on. If it was an exception of the kernel's own that led here, what was
/// interrupted comes first.
pub fn return_addresses() -> impl Iterator<Item = u64> {
    let this = PerCpu::current();
    let interrupted = interrupted(this).map(|frame| [frame.pc, frame.x[30]]);
    let interrupted = interrupted
        .into_iter()
        .flatten()
        .filter(|&address| is_code(address));
    let stack = this.stacks().map_or(0..0, |stacks| in_use(this, stacks));
    let words = stack.step_by(size_of::<u64>()).map(stack_word);
    interrupted.chain(words.filter(|&word| is_behind_call(word)))
}

/// The state of the kernel at its first exception, if it is handling one.
fn interrupted(this: &PerCpu) -> Option<&'static Frame> {
    if this.emergency_depth.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let frame = this.emergency_top.load(Ordering::Relaxed) as usize - size_of::<Frame>();
    // SAFETY: `vectors.S` has put it there; nobody changes it any more, since nobody goes back there.
    Some(unsafe { &*core::ptr::with_exposed_provenance::<Frame>(frame) })
}

/// The part of the CPU's stack that is in use: not of the emergency stack, where only the report itself is.
fn in_use(this: &PerCpu, stacks: StackPlace) -> Range<u64> {
    let pointer = interrupted(this).map_or_else(stack_pointer, |frame| frame.sp);
    let stack = stacks.stack();
    pointer.next_multiple_of(16).clamp(stack.start, stack.end)..stack.end
}

fn stack_pointer() -> u64 {
    let pointer;
    // SAFETY: Reads a register.
    unsafe { asm!("mov {}, sp", out(reg) pointer, options(nostack, nomem, preserves_flags)) };
    pointer
}

fn stack_word(address: u64) -> u64 {
    let word = core::ptr::with_exposed_provenance::<u64>(address as usize);
    // SAFETY: It is on this CPU's stack, which is mapped, and aligned. Nothing relies on what it is.
    unsafe { word.read_volatile() }
}

fn is_code(address: u64) -> bool {
    let Borders { start, text_end, .. } = Borders::here();
    (start..text_end).contains(&address) && address.is_multiple_of(4)
}

/// Whether the instruction before it calls a function (Arm ARM, "BL" and "BLR").
fn is_behind_call(address: u64) -> bool {
    let before = address.wrapping_sub(4);
    if !is_code(before) {
        return false;
    }
    let word = core::ptr::with_exposed_provenance::<u32>(before as usize);
    // SAFETY: The kernel's code is mapped and nobody writes to it.
    let instruction = unsafe { word.read() };
    instruction & 0xfc00_0000 == 0x9400_0000 || instruction & 0xffff_fc1f == 0xd63f_0000
}
