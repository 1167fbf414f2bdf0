"""Backtraces from the kernel into the program, for traps that save little (vectors.S).

The other exceptions save all registers, and the kernel's own unwinding tables say where. A trap
leaves the program's place in ELR_EL1 and SP_EL0, for which such tables have no words. So they are
put in x9 and x10, and `trap_unwound` in vectors.S has tables for that: they say that the stack is
another one from there, which gdb does not believe an unwinder in Python.
"""

import gdb
from gdb.unwinder import Unwinder, register_unwinder

from target_memory import MASK, WORD, read_word

KEPT = [f"x{number}" for number in range(20, 30)]  # by all functions
STORED = [18, 19, 30]  # in the thread's Registers, to which x19 points


class FrameId:
    """What gdb tells frames apart by."""

    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class TrapUnwinder(Unwinder):
    """Knows the frames of traps that call the kernel in place: `kernel_call` and its like."""

    def __init__(self):
        super().__init__("granule-trap")

    def __call__(self, frame):
        pc = frame.read_register("pc")
        if frame.level() == 0 or not is_trap(int(pc) & MASK):
            return None
        registers = frame.read_register("x19")
        unwound = frame.create_unwind_info(FrameId(frame.read_register("sp"), pc))
        for name in KEPT:
            unwound.add_saved_register(name, frame.read_register(name))
        for number in STORED:
            word = read_word((int(registers) & MASK) + number * WORD)
            unwound.add_saved_register(f"x{number}", gdb.Value(word).cast(registers.type))
        unwound.add_saved_register("x9", frame.read_register("ELR_EL1").cast(registers.type))
        unwound.add_saved_register("x10", frame.read_register("SP_EL0").cast(registers.type))
        unwound.add_saved_register("pc", gdb.Value(labels[BEHIND]).cast(pc.type))
        return unwound


FIRST, BEHIND = "trap_reply_receive", "trap_unwound"
labels = {FIRST: None, BEHIND: None}


def remember_labels(address_of):
    """To be called when the kernel's symbols are there, and at one place only (see `early-symbols`)."""
    labels.update((name, address_of(name)) for name in labels)


def is_trap(pc):
    return None not in labels.values() and labels[FIRST] < pc < labels[BEHIND]


register_unwinder(None, TrapUnwinder())
