"""Registers of the selected CPU, and the kernel's memory, whatever that CPU is doing."""

import gdb

WORD = 8
MASK = (1 << 64) - 1
PAN = 1 << 22  # of PSTATE, which gdb calls cpsr
DIRECT_MAP = 0xFFFF_0000_0000_0000  # arch/aarch64/src/mmu/layout.rs


def register(name):
    """What a register holds now, whatever frame is selected; None where the target does not show it."""
    try:
        return int(gdb.newest_frame().read_register(name)) & MASK
    except ValueError:
        return None


def needed_register(name):
    value = register(name)
    if value is None:
        raise gdb.GdbError(f"the target does not show {name}")
    return value


def exception_level():
    return needed_register("cpsr") >> 2 & 3


def translation_is_on():
    control = register("SCTLR")  # so QEMU calls SCTLR_EL1
    return control is None or bool(control & 1)


class KernelMemory:
    """The kernel's memory, to be used in a `with` statement.

    A debugger sees what the CPU may access at the moment: in a program, nothing of the kernel. QEMU
    can be asked for physical memory instead; then kernel addresses are translated here. With other
    targets this works only while the CPU is in the kernel.
    """

    def __enter__(self):
        self.physical = choose_physical(1)
        return self

    def __exit__(self, *_):
        if self.physical:
            choose_physical(0)

    def value(self, address, kind):
        """What is at the kernel's address, as a gdb value of type `kind`."""
        value = gdb.Value(self.place(address)).cast(kind.pointer()).dereference()
        value.fetch_lazy()
        return value

    def word(self, address):
        """The word at the kernel's address."""
        return read_word(self.place(address))

    def physical_word(self, address):
        """A word of RAM. Tables are in the direct map, for targets that have no other way."""
        return read_word(address if self.physical else DIRECT_MAP + address)

    def place(self, address):
        import translation  # which reads tables by this class

        return translation.physical(self, address) if self.physical else address


def choose_physical(on):
    answer = gdb.execute(f"maintenance packet Qqemu.PhyMemMode:{on}", to_string=True)
    return '"OK"' in answer


def read_word(address):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, WORD).tobytes(), "little")
