"""Translation tables, walked as the MMU does: 48 bits, 4 KiB granule (Arm ARM, "VMSAv8-64")."""

import gdb

from target_memory import MASK, WORD, KernelMemory, needed_register, register

LEVELS = 4
PAGE_BITS = 12
INDEX_BITS = 9
ADDRESS_BITS = (1 << 48) - (1 << PAGE_BITS)
TABLE_LIMITS = {62: "read-only", 61: "closed to EL0", 60: "no execute at EL0", 59: "no execute at EL1"}
MEMORY_TYPES = {0xFF: "Normal", 0x44: "Normal non-cacheable", 0x04: "Device-nGnRE"}


class Step:
    """The descriptor that one level has for an address."""

    def __init__(self, level, index, at, descriptor):
        self.level, self.index, self.at, self.descriptor = level, index, at, descriptor
        self.inside = (1 << PAGE_BITS + INDEX_BITS * (LEVELS - 1 - level)) - 1
        table_bit, last = self.bit(1), level == LEVELS - 1
        self.is_table = bool(self.bit(0) and table_bit and not last)
        self.is_leaf = bool(self.bit(0) and table_bit == last)

    def bit(self, number):
        return self.descriptor >> number & 1

    @property
    def target(self):
        """Where the next table, the block or the page begins."""
        return self.descriptor & ADDRESS_BITS & ~(0 if self.is_table else self.inside)

    def __str__(self):
        return f"level {self.level} [{self.index:3}] at {self.at:#012x}: {self.descriptor:#018x}  {self.meaning()}"

    def meaning(self):
        if self.is_table:
            limits = [text for number, text in TABLE_LIMITS.items() if self.bit(number)]
            return ", ".join([f"table at {self.target:#x}", *limits])
        if not self.is_leaf:
            return "not mapped"
        kind = "page" if self.level == LEVELS - 1 else "block"
        return f"{kind} at {self.target:#x}, {self.attributes()}"

    def attributes(self):
        write = "-" if self.bit(7) else "w"
        el0 = ("r" + write if self.bit(6) else "--") + ("-" if self.bit(54) else "x")
        el1 = "r" + write + ("-" if self.bit(53) else "x")
        code = (register("MAIR_EL1") or 0) >> 8 * (self.descriptor >> 2 & 7) & 0xFF
        words = [f"EL0 {el0}, EL1 {el1}", MEMORY_TYPES.get(code, f"memory type {code:#x}")]
        words.append("of one ASID" if self.bit(11) else "global")
        return ", ".join(words if self.bit(10) else [*words, "access flag clear"])


def base(address):
    """TTBR1_EL1 or TTBR0_EL1."""
    top = address >> 48
    if top not in (0, 0xFFFF):
        raise gdb.GdbError(f"{address:#x} is in neither half of the address space")
    return needed_register("TTBR1_EL1" if top else "TTBR0_EL1")


def walk(memory, address):
    """The descriptors from the root to the one where the way ends."""
    table, steps = base(address) & ADDRESS_BITS, []
    for level in range(LEVELS):
        index = address >> PAGE_BITS + INDEX_BITS * (LEVELS - 1 - level) & (1 << INDEX_BITS) - 1
        at = table + index * WORD
        steps.append(Step(level, index, at, memory.physical_word(at)))
        if not steps[-1].is_table:
            break
        table = steps[-1].target
    return steps


def physical(memory, address):
    """The physical address."""
    last = walk(memory, address)[-1]
    if not last.is_leaf:
        raise gdb.GdbError(f"nothing is mapped at {address:#x}")
    return last.target | address & last.inside


def explain(address):
    """A line for the root, one for each step, one for the result."""
    address &= MASK
    root = base(address)
    asid = "" if address >> 48 else f", ASID {root >> 48}"
    with KernelMemory() as memory:
        steps = walk(memory, address)
    last = steps[-1]
    result = [f"physical {last.target | address & last.inside:#x}"] if last.is_leaf else []
    return [f"root at {root & ADDRESS_BITS:#x}{asid}", *map(str, steps), *result]
