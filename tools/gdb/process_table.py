"""The kernel's tables of processes and threads (kernel/core), and which process a CPU works for."""

import gdb

from symbols import NO_KERNEL
from target_memory import KernelMemory, exception_level, register, translation_is_on

KERNEL = "kernel::trap::KERNEL"
KERNEL_TYPE = "kcore::kernel::Kernel<kernel::machine::Machine>"

# What the thread of an active process does (kernel/core/src/thread.rs).
STATES = {
    "Ready": "ready",
    "Working": "ready, in the kernel",
    "Calling": "waits until its message is received",
    "AwaitingAnswer": "waits for an answer",
    "Receiving": "waits for a message",
    "Reading": "waits for the console",
    "WaitingEnd": "waits for the end of a process",
    "Joining": "waits for the end of a thread",
    "Deferred": "waits until another thread is done with memory",
}


class Process:
    """One process. `pc` is where its oldest thread was when the kernel took over last."""

    def __init__(self, entry, thread_state, pc):
        self.pid = number(entry["pid"])
        self.parent = number(entry["parent"])
        self.name = name(entry["name"])
        stage = variant(entry["stage"]).name
        self.state = STATES.get(thread_state, thread_state) if stage == "Alive" else stage.lower()
        self.pc = pc


def current():
    """The number of the process that the selected CPU works for; 0 if for none."""
    return register("CONTEXTIDR_EL1") or 0


def on_cpus():
    """The same of every CPU: process number to where the CPU is in the program, None if in the kernel."""
    selected = gdb.selected_thread()
    found = {}
    for cpu in gdb.selected_inferior().threads():
        cpu.switch()
        found[current()] = register("pc") if exception_level() == 0 else None
    selected.switch()
    return found


names = {}  # by process number: no number is given out twice


def name_of(pid):
    """The name of a process, or None."""
    if pid not in names:
        names.update((process.pid, process.name) for process in all_processes())
    return names.get(pid)


def all_processes():
    """All processes there are, by their place in the table."""
    with KernelMemory() as memory:
        kernel = find_kernel(memory)
        if kernel is None:
            return []
        threads = dict(used(memory, kernel["threads"]))
        kept = kernel["platform"]["threads"]["kept"]["pointer"]
        return [read(memory, entry, threads, kept) for _, entry in used(memory, kernel["processes"])]


def read(memory, entry, threads, kept):
    index = oldest(entry["threads"], threads)
    if index is None:
        return Process(entry, None, None)
    kind = kept.type.target()
    saved = memory.value(int(kept) + index * kind.sizeof, kind)["registers"]
    return Process(entry, variant(threads[index]["state"]).name, int(saved["pc"]))


def oldest(listed, threads):
    """The place of the thread that a process has had longest, None if it has none."""
    index, identifier = None, payload(listed["first"])
    while identifier is not None:
        index = int(identifier["index"])
        identifier = payload(threads[index]["sibling"])
    return index


def find_kernel(memory):
    """The kernel's state; None before boot has made it."""
    symbol = gdb.lookup_static_symbol(KERNEL) or gdb.lookup_global_symbol(KERNEL)
    if symbol is None:
        raise gdb.GdbError(NO_KERNEL)
    if not translation_is_on():
        return None
    place = symbol.value()["whole"]["value"].address
    pointer = memory.word(int(place))  # None is a null pointer
    return memory.value(pointer, gdb.lookup_type(KERNEL_TYPE)) if pointer else None


def used(memory, pool):
    """What is in the slots of a pool that are used, each with its index."""
    row = pool["slots"]  # a tuple in a tuple
    first = row[row.type.fields()[0]]
    first = first[first.type.fields()[0]]["pointer"]["data_ptr"]
    kind = first.type.target()
    for index in range(int(pool["free"]["fresh"])):
        state = memory.value(int(first) + index * kind.sizeof, kind)["state"]
        if variant(state).name == "Used":
            yield index, payload(state)


def variant(value):
    """The field of the variant that an enum has. (To print an enum can crash gdb 13.)"""
    return next(field for field in value.type.fields() if field.name is not None)


def payload(value):
    """What is in the variant of an enum; None if it holds nothing."""
    inside = value[variant(value)]
    fields = inside.type.fields()
    return inside[fields[0]] if fields else None


def number(newtype):
    while newtype.type.code == gdb.TYPE_CODE_STRUCT:
        newtype = newtype[newtype.type.fields()[0]]
    return int(newtype)


def name(entry):
    return bytes(int(entry["bytes"][at]) for at in range(int(entry["length"]))).decode(errors="replace")
