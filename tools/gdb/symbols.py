"""Which symbols are loaded: the kernel's always, and those of one program.

All programs are linked for the same addresses, so the symbols of two would be mixed up.
"""

import os
import re

import gdb

import unwinding
from target_memory import read_word

USER_END = 1 << 48
LINKED_AT = 0xFFFF_8000_0000_0000  # kernel/image/link.ld
MAGIC_AT, MAGIC = 56, 0x644D5241  # "ARM\x64" in the Image header
IMAGE_AT = [0x4020_0000, 0x4008_0000, 0x20_0000, 0x8_0000]

loaded = None


NO_KERNEL = "the kernel's symbols are not loaded: kernel target/.../release/kernel"


def use_kernel(file):
    """Its symbols, without gdb's remark that the part for unwinding is in no segment."""
    gdb.execute(f'file "{file}"', to_string=True)
    unwinding.remember_labels(address_of_label)


def folder():
    """Where the programs are, beside the kernel that gdb was given."""
    kernel = gdb.current_progspace().filename
    if kernel is None:
        raise gdb.GdbError(NO_KERNEL)
    target = os.path.dirname(os.path.dirname(os.path.dirname(kernel)))
    return os.path.join(target, "aarch64-unknown-none", "user")


def use(program):
    """Uses the symbols of a program, in place of those of another; None stands for the one in use. Its name."""
    if program is None and loaded is None:
        raise gdb.GdbError("there is no such process; say which program it will run: program NAME")
    if program is not None and not use_if_there(program) and loaded != path(program):
        raise gdb.GdbError(f"there is no program {program} in {folder()}")
    return os.path.basename(loaded)


def use_if_there(program):
    """As `use`; whether that changed anything."""
    global loaded
    file = path(program)
    if file == loaded or not os.path.isfile(file):
        return False
    if loaded:
        gdb.execute(f'remove-symbol-file "{loaded}"', to_string=True)
    gdb.execute(f'add-symbol-file "{file}"', to_string=True)
    loaded = file
    return True


def path(program):
    return os.path.join(folder(), program)


def addresses(program, location):
    """Where a location is in the program, whose symbols are in use. See `break-in` for short forms."""
    names = ["granule_main"] if location == "main" else [location, f"{program}::{location}"]
    found = sorted({place.pc for name in names for place in decoded(name) if place.pc < USER_END})
    if not found:
        raise gdb.GdbError(f"{program} has no {location}")
    return found


def decoded(location):
    try:
        return gdb.decode_line(location)[1] or ()
    except gdb.error:
        return ()


def kernel_function(name):
    """Where a function of the kernel is. (gdb sets no breakpoint on a method of a generic type by name.)"""
    function = gdb.lookup_static_symbol(name) or gdb.lookup_global_symbol(name)
    if function is None:
        raise gdb.GdbError(f"the kernel's symbols have no {name}")
    return int(function.value().address)


def address_of_label(name):
    """Where a label in the kernel's assembly is, or None. Expressions in Rust do not know them."""
    try:
        text = gdb.execute(f"info address {name}", to_string=True)
    except gdb.error:
        return None
    return int(re.search(r"0x[0-9a-f]+", text).group(), 16)


def use_early(address):
    """The kernel's symbols once more, where they are before translation is on."""
    address = find_image() if address is None else address
    kernel = gdb.current_progspace().filename
    gdb.execute(f'add-symbol-file "{kernel}" -o {address - LINKED_AT:#x}', to_string=True)
    print(f"the kernel's symbols are also at {address:#x}")


def find_image():
    for address in IMAGE_AT:
        if read_word(address + MAGIC_AT) & 0xFFFF_FFFF == MAGIC:
            return address
    raise gdb.GdbError("no kernel image was found; say where it was loaded: early-symbols ADDRESS")
