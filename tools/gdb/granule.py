"""gdb commands that know Granule: its processes, their programs, and translation tables.

`just debug` loads this file. By hand, with QEMU or with a probe that speaks gdb's protocol:

    gdb-multiarch -x tools/gdb/granule.py
    (gdb) kernel target/aarch64-unknown-none-softfloat/release/kernel

The commands are described in docs/debugging.md, and by `help` in gdb. What they are made of is in
the modules beside this file: symbols, target_memory, translation, process_table, unwinding.
"""

import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # the folder is somebody's source tree

import process_table
import symbols
import translation
from target_memory import PAN, needed_register


class InfoProcesses(gdb.Command):
    """info processes: list all processes; `*` marks those that a CPU works for."""

    def __init__(self):
        super().__init__("info processes", gdb.COMMAND_STATUS)

    def invoke(self, _argument, _from_tty):
        processes = process_table.all_processes()
        if not processes:
            print("There are no processes yet.")
            return
        running = process_table.on_cpus()
        width = max(4, *(len(process.name) for process in processes))
        print(f"    PID  PARENT  {'PC':10}  {'NAME':{width}}  STATE")
        for process in processes:
            pc = running.get(process.pid) or process.pc
            pc = "-" if pc is None else f"{pc:#x}"
            mark = "*" if process.pid in running else " "
            print(f"{mark} {process.pid:5}  {process.parent:6}  {pc:10}  {process.name:{width}}  {process.state}")


class BreakIn(gdb.Command):
    """break-in PROCESS LOCATION: stop at LOCATION, a place in a program, in one process only.

PROCESS is a number from `info processes`, or a program's name, which means every process of that
name. It need not exist yet; a number then means one that will run the program in use.

LOCATION is whatever `break` takes. In the program's own crate a function's name is enough, and
`main` is the function that the runtime calls."""

    def __init__(self):
        super().__init__("break-in", gdb.COMMAND_BREAKPOINTS, gdb.COMPLETE_LOCATION)

    def invoke(self, argument, _from_tty):
        process, _, location = argument.strip().partition(" ")
        if not location:
            raise gdb.GdbError("usage: break-in PROCESS LOCATION, as in: break-in producer main")
        name = process_table.name_of(int(process)) if process.isdecimal() else process
        program = symbols.use(name)
        for address in symbols.addresses(program, location.strip()):
            break_at(address, process)


class BreakFault(gdb.Command):
    """break-fault [PROCESS]: stop when the kernel is about to end a process because of a fault.

PROCESS is as for `break-in`. `backtrace` leads from the kernel into the program."""

    def __init__(self):
        super().__init__("break-fault", gdb.COMMAND_BREAKPOINTS)

    def invoke(self, argument, _from_tty):
        break_at(symbols.kernel_function(END_OF_FAULTING), argument.strip())


END_OF_FAULTING = (
    "kcore::kernel::Kernel<kernel::machine::Machine>::end_faulting<kernel::machine::Machine>"
)


def break_at(address, process):
    """A hardware breakpoint: the page may not be there yet, or be another's as well."""
    stop = gdb.Breakpoint(f"*{address:#x}", type=gdb.BP_HARDWARE_BREAKPOINT)
    if process.isdecimal():
        stop.condition = f"$CONTEXTIDR_EL1 == {process}"
    elif process:
        stop.condition = InProcess(process).call


class InProcess(gdb.Function):
    """$in_NAME(): whether the selected CPU works for a process of that name.

`break-in` makes one for each name, since a condition in Rust cannot hold a text."""

    def __init__(self, name):
        self.name = name
        function = "in_" + "".join(letter if letter.isalnum() else "_" for letter in name)
        self.call = f"${function}()"
        super().__init__(function)

    def invoke(self):
        return process_table.name_of(process_table.current()) == self.name


class Kernel(gdb.Command):
    """kernel FILE: use the kernel's symbols in FILE."""

    def __init__(self):
        super().__init__("kernel", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, _from_tty):
        symbols.use_kernel(argument.strip())


class Program(gdb.Command):
    """program NAME: use the symbols of program NAME. Those of the kernel stay."""

    def __init__(self):
        super().__init__("program", gdb.COMMAND_FILES)

    def invoke(self, argument, _from_tty):
        if not argument.strip():
            raise gdb.GdbError("usage: program NAME, a file in " + symbols.folder())
        symbols.use(argument.strip())


class EarlySymbols(gdb.Command):
    """early-symbols [ADDRESS]: the kernel's symbols where it was loaded, for boot before the MMU is on.

ADDRESS is where that is; without it, the places where QEMU loads a kernel are searched."""

    def __init__(self):
        super().__init__("early-symbols", gdb.COMMAND_FILES)

    def invoke(self, argument, _from_tty):
        symbols.use_early(int(gdb.parse_and_eval(argument)) if argument else None)


class Walk(gdb.Command):
    """walk ADDRESS: show how ADDRESS is translated, table by table.

The address of a program is one of the process that the selected CPU works for."""

    def __init__(self):
        super().__init__("walk", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, _from_tty):
        if not argument:
            raise gdb.GdbError("usage: walk ADDRESS")
        for line in translation.explain(int(gdb.parse_and_eval(argument))):
            print(line)


class SeeProgram(gdb.Command):
    """see-program: let gdb see the program's memory while the CPU is in the kernel.

Where the CPU has PAN (Privileged Access Never), the kernel cannot see it, and so neither can gdb.
This clears PSTATE.PAN; the next exception sets it again."""

    def __init__(self):
        super().__init__("see-program", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        gdb.execute(f"set $cpsr = {needed_register('cpsr') & ~PAN:#x}")


def tell_process():
    """Says which process the CPU works for, and uses the symbols of its program."""
    try:
        pid = process_table.current()
        name = process_table.name_of(pid) if pid else None
    except gdb.error:
        return  # the target shows no such register, or no memory
    if name:
        symbols.use_if_there(name)
        hidden = "; see-program shows its memory" if needed_register("cpsr") & PAN else ""
        print(f"[process {pid}, {name}{hidden}]")


for command in InfoProcesses, BreakIn, BreakFault, Kernel, Program, EarlySymbols, Walk, SeeProgram:
    command()
# At each stop, and before gdb prints where that was: an event would come behind.
gdb.execute("define hook-stop\npython tell_process()\nend")
