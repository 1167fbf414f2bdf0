//! From numbers to traps: nonsense, and what might be meant.

use super::program::Program;
use crate::fake::TICKS;
use abi::console::{ConsoleRequest, SignalInterrupt};
use abi::device::{DeviceRequest, Listen};
use abi::memory::{
    Map, MapCopy, MemoryRequest, Move, Protection, RegionAttach, RegionControl, RegionPublish, ShmAttach,
    ShmGet, Unmap, WaitWord, WakeAndWait, WakeWord,
};
use abi::process::{
    Become, Create, CreateEndpoint, CreateThread, Derive, Exit, ExitThread, Fork, Give, HandleFaults, Kill,
    OpenFaulted, ProcessRequest, SetCpus, SignalEnd, Start, TakeCaller, Wait, WaitAndClose,
};
use abi::shm::{GetFlags, Mode, ShmId, ShmKey};
use abi::system::{ShutDown, SystemRequest};
use abi::thread::{
    Cancel, Join, JoinAndClose, ReadRegisters, SetThreadCpus, ThreadRegisters, ThreadRequest, WriteRegisters,
};
use abi::{
    Badge, CpuSet, Handle, Label, MessagePage, Operation, Request, Rights, Row, Words, Words6, layout,
};
use kcore::Registers;

/// The numbers that a step is made of, one after the other; then zeroes.
pub struct Picks<'a>(&'a mut dyn Iterator<Item = u64>);

impl<'a> Picks<'a> {
    pub fn new(numbers: &'a mut dyn Iterator<Item = u64>) -> Self {
        Self(numbers)
    }

    pub fn next(&mut self) -> u64 {
        self.0.next().unwrap_or(0)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())]
    }

    /// A number that is at the edge of something.
    fn wild(&mut self) -> u64 {
        let any = self.next();
        let edges = [
            0,
            1,
            0xfff,
            1 << 32,
            1 << 47,
            1 << 63,
            u64::MAX,
            layout::MESSAGE_PAGES,
            layout::AREA_START,
            any,
        ];
        edges[(any >> 8) as usize % edges.len()]
    }

    /// An address: of something the program has mapped, or of nothing.
    pub fn address(&mut self, program: &Program) -> u64 {
        let pick = self.next();
        let offset = (pick >> 8) % 8 * layout::PAGE_BYTES;
        let edges = [
            layout::MESSAGE_PAGES,
            layout::USER_END - layout::PAGE_BYTES,
            layout::AREA_END,
            pick,
        ];
        match pick % 8 {
            0 => 0,
            1..=2 => layout::PROGRAM_BASE + offset,
            3..=6 => program.some_area(pick >> 16).wrapping_add(offset),
            _ => edges[(pick >> 16) as usize % edges.len()],
        }
    }
}

/// What a program has in its registers and message page when it traps.
pub struct Trap {
    pub operation: u64,
    pub handle: u64,
    label: Label,
    /// The counts of the tag.
    bytes: u64,
    count: u64,
    words: Words6,
    handles: [u32; 4],
    text: [u8; 64],
    /// For operations that wait no longer than that.
    deadline: u64,
}

/// CPUs of which mostly one runs, at least.
fn some_cpus(picks: &mut Picks<'_>) -> CpuSet {
    CpuSet(picks.next() % 17)
}

impl Trap {
    fn call(handle: Handle, label: Label, words: Words6) -> Self {
        let handle = handle.raw().into();
        let operation = Operation::Call as u64;
        Self {
            operation,
            handle,
            label,
            bytes: 0,
            count: 0,
            words,
            handles: [0; 4],
            text: [b'x'; 64],
            deadline: 0,
        }
    }

    pub fn create() -> Self {
        Self {
            bytes: 5,
            ..Self::call(Handle::SELF, Create::LABEL, [0; 6])
        }
    }

    pub fn create_endpoint() -> Self {
        Self::call(Handle::SELF, CreateEndpoint::LABEL, [0; 6])
    }

    pub fn take_caller() -> Self {
        Self::call(Handle::SELF, TakeCaller::LABEL, [0; 6])
    }

    /// A thread whose registers are all as those of a new process's.
    pub fn create_thread() -> Self {
        Self::call(Handle::SELF, CreateThread::LABEL, [0; 6])
    }

    pub fn exit_thread() -> Self {
        Self::call(Handle::SELF, ExitThread::LABEL, [0; 6])
    }

    pub fn join(thread: Handle) -> Self {
        Self::call(thread, Join::LABEL, [0; 6])
    }

    pub fn join_and_close(thread: Handle, handle: Handle) -> Self {
        let request = JoinAndClose { handle };
        Self::call(thread, JoinAndClose::LABEL, request.into_words())
    }

    pub fn set_cpus(picks: &mut Picks<'_>) -> Self {
        let cpus = some_cpus(picks);
        Self::call(Handle::SELF, SetCpus::LABEL, SetCpus { cpus }.into_words())
    }

    pub fn set_thread_cpus(thread: Handle, picks: &mut Picks<'_>) -> Self {
        let cpus = some_cpus(picks);
        Self::call(thread, SetThreadCpus::LABEL, SetThreadCpus { cpus }.into_words())
    }

    pub fn cancel(thread: Handle) -> Self {
        Self::call(thread, Cancel::LABEL, [0; 6])
    }

    /// Lets somebody handle the faults of `process`: who receives at `endpoint`.
    pub fn handle_faults(process: Handle, endpoint: Handle) -> Self {
        Self {
            count: 1,
            handles: [endpoint.raw(), 0, 0, 0],
            ..Self::call(process, HandleFaults::LABEL, [0; 6])
        }
    }

    pub fn open_faulted() -> Self {
        Self::call(Handle::SELF, OpenFaulted::LABEL, [0; 6])
    }

    pub fn read_registers(thread: Handle) -> Self {
        Self::call(thread, ReadRegisters::LABEL, [0; 6])
    }

    pub fn write_registers(thread: Handle) -> Self {
        Self {
            bytes: ThreadRegisters::BYTES as u64,
            ..Self::call(thread, WriteRegisters::LABEL, [0; 6])
        }
    }

    /// Whether it writes another thread's registers.
    pub fn writes_registers(&self) -> bool {
        let is_call = self.operation & !Operation::UNTIL == Operation::Call as u64;
        is_call && self.label == WriteRegisters::LABEL
    }

    /// The same, but if it is an answer to a fault, that goes on.
    pub fn helpful(self) -> Self {
        Self {
            label: Label::DONE,
            ..self
        }
    }

    pub fn derive(handle: Handle) -> Self {
        let derive = Derive {
            handle,
            rights: Rights::CALL | Rights::PASS,
            badge: Badge(0),
        };
        Self::call(Handle::SELF, Derive::LABEL, derive.into_words())
    }

    pub fn fork() -> Self {
        Self::call(Handle::SELF, Fork::LABEL, [0; 6])
    }

    /// Becomes a child that has not started.
    pub fn become_prepared(child: Handle) -> Self {
        Self {
            count: 1,
            handles: [child.raw(), 0, 0, 0],
            ..Self::call(Handle::SELF, Become::LABEL, Self::start(child).words)
        }
    }

    pub fn kill(child: Handle) -> Self {
        Self::call(child, Kill::LABEL, [0; 6])
    }

    pub fn wait(child: Handle) -> Self {
        Self::call(child, Wait::LABEL, [0; 6])
    }

    pub fn wait_and_close(child: Handle, handle: Handle) -> Self {
        let request = WaitAndClose { handle };
        Self::call(child, WaitAndClose::LABEL, request.into_words())
    }

    /// Waits for a word that nobody has written to.
    pub fn wait_word(address: u64, deadline: u64) -> Self {
        let wait = WaitWord {
            address,
            expected: 0,
            deadline,
        };
        Self::call(Handle::MEMORY, WaitWord::LABEL, wait.into_words())
    }

    /// The same, but wakes somebody before.
    pub fn wake_and_wait(woken: u64, address: u64, deadline: u64) -> Self {
        let both = WakeAndWait {
            woken,
            address,
            expected: 0,
            deadline,
        };
        Self::call(Handle::MEMORY, WakeAndWait::LABEL, both.into_words())
    }

    pub fn wake_word(address: u64, count: u32) -> Self {
        let wake = WakeWord { address, count };
        Self::call(Handle::MEMORY, WakeWord::LABEL, wake.into_words())
    }

    /// Finds the segment with this key, or makes it.
    pub fn get_segment(key: ShmKey, size: u64) -> Self {
        let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o666));
        Self::call(
            Handle::MEMORY,
            ShmGet::LABEL,
            ShmGet { key, size, flags }.into_words(),
        )
    }

    pub fn attach_segment(id: u64, address: u64) -> Self {
        Self::call(Handle::MEMORY, ShmAttach::LABEL, [id, address, 0, 0, 0, 0])
    }

    /// Maps writable memory.
    pub fn map(length: u64) -> Self {
        let map = Map::new(0, length, Protection::READ | Protection::WRITE);
        Self::call(Handle::MEMORY, Map::LABEL, map.into_words())
    }

    pub fn unmap(address: u64, length: u64) -> Self {
        Self::call(
            Handle::MEMORY,
            Unmap::LABEL,
            Unmap { address, length }.into_words(),
        )
    }

    pub fn to(self, handle: Handle) -> Self {
        Self {
            handle: handle.raw().into(),
            ..self
        }
    }

    pub fn give(child: Handle, place: u64, given: Handle) -> Self {
        let handles = [given.raw(), 0, 0, 0];
        Self {
            count: 1,
            handles,
            ..Self::call(child, Give::LABEL, [place, 0, 0, 0, 0, 0])
        }
    }

    pub fn start(child: Handle) -> Self {
        let start = Start {
            entry: 0x60_0000,
            stack: 0x1000,
            word0: 0,
            word1: 0,
            word2: 0,
            word3: 0,
        };
        Self::call(child, Start::LABEL, start.into_words())
    }

    /// A request from the tables, with fields that might be meant, and now and then one that is
    /// not.
    pub fn request(picks: &mut Picks<'_>, program: &Program, segments: &[ShmId]) -> Self {
        let (table, usual) = match picks.next() % 16 {
            0..=6 => (ProcessRequest::TABLE, Handle::SELF),
            7..=13 => (MemoryRequest::TABLE, Handle::MEMORY),
            14 if picks.next().is_multiple_of(3) => (ThreadRequest::TABLE, program.some_handle(picks)),
            14 if picks.next().is_multiple_of(2) => (DeviceRequest::TABLE, program.some_handle(picks)),
            14 => (ConsoleRequest::TABLE, Handle::CONSOLE),
            _ => (SystemRequest::TABLE, Handle::PARENT),
        };
        let handle = if picks.next().is_multiple_of(2) {
            usual
        } else {
            program.some_handle(picks)
        };
        let mut row = picks.of(table);
        if [Exit::LABEL, ExitThread::LABEL, Kill::LABEL].contains(&row.label)
            && !picks.next().is_multiple_of(4)
        {
            row = table[0];
        }
        let words = fields(row, picks, program, segments);
        let mut trap = Self::call(handle, row.label, words);
        trap.fill_page(picks, program);
        match row.label {
            Create::LABEL => trap.bytes = 1 + picks.next() % 33,
            Give::LABEL
            | Listen::LABEL
            | Move::LABEL
            | MapCopy::LABEL
            | Become::LABEL
            | RegionAttach::LABEL
            | RegionControl::LABEL
            | RegionPublish::LABEL
            | SignalEnd::LABEL
            | HandleFaults::LABEL
            | SignalInterrupt::LABEL
                if !picks.next().is_multiple_of(8) =>
            {
                trap.count = 1
            }
            _ => {}
        }
        trap
    }

    /// Any message.
    pub fn message(picks: &mut Picks<'_>, program: &Program, operation: u64) -> Self {
        let label = Label((picks.next() % 0x500) as u16);
        let words = [picks.next(), picks.next(), 0, 0, 0, picks.next()];
        let mut trap = Self {
            operation,
            ..Self::call(program.some_handle(picks), label, words)
        };
        trap.fill_page(picks, program);
        trap
    }

    /// The same, but what waits does so no longer than until `deadline`.
    pub fn until(self, deadline: u64) -> Self {
        Self {
            operation: self.operation | Operation::UNTIL,
            deadline,
            ..self
        }
    }

    /// Anything at all.
    pub fn nonsense(picks: &mut Picks<'_>) -> Self {
        let operation = picks.of(&[0, 1, 2, 3, 4, 5, 6, u64::MAX]);
        let label = Label(picks.next() as u16);
        let words = [
            picks.wild(),
            picks.wild(),
            picks.wild(),
            picks.wild(),
            picks.wild(),
            picks.wild(),
        ];
        let nowhere = Self::call(Handle::from_raw(picks.next() as u32), label, words);
        Self {
            operation,
            bytes: picks.next() % 600,
            count: picks.next() % 6,
            ..nowhere
        }
    }

    /// Bytes and handles, mostly none.
    fn fill_page(&mut self, picks: &mut Picks<'_>, program: &Program) {
        let pick = picks.next();
        self.bytes = [0, 0, 0, 0, 5, 5, 48, 112, 112, 512, 512, 513][pick as usize % 12];
        self.count = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 4, 5][(pick >> 8) as usize % 13];
        for place in &mut self.handles {
            *place = program.some_handle(picks).raw();
        }
    }

    /// Whether it would end the whole game.
    pub fn ends_everything(&self, is_init: bool) -> bool {
        let is_call = self.operation & !Operation::UNTIL == Operation::Call as u64;
        let ends_init = [Exit::LABEL, ExitThread::LABEL].contains(&self.label);
        is_call && (self.label == ShutDown::LABEL || (is_init && ends_init))
    }

    pub fn fill(&self, page: &mut MessagePage) {
        page.handles = self.handles;
        for (place, byte) in page
            .bytes
            .iter_mut()
            .zip(self.text.iter().cycle())
            .take(self.bytes as usize)
        {
            *place = *byte;
        }
    }

    pub fn load(&self, registers: &mut Registers) {
        registers.x[0] = self.handle;
        registers.x[1] = u64::from(self.label.0) | self.bytes << 16 | self.count << 32;
        registers.x[2..8].copy_from_slice(&self.words);
        registers.x[8] = self.operation;
        registers.x[9..18].fill(0xdead_dead);
        registers.x[9] = self.deadline;
    }
}

/// Words for the fields of a request.
fn fields(row: Row, picks: &mut Picks<'_>, program: &Program, segments: &[ShmId]) -> Words6 {
    let mut words = [0; 6];
    for (word, field) in words.iter_mut().zip(row.fields) {
        *word = field_word(field, picks, program, segments);
    }
    let pick = picks.next();
    if pick % 8 == 7 {
        words[(pick >> 8) as usize % 6] = picks.wild();
    }
    words
}

fn field_word(field: &str, picks: &mut Picks<'_>, program: &Program, segments: &[ShmId]) -> u64 {
    match field {
        "handle" => program.some_handle(picks).raw().into(),
        "rights" => picks.of(&[7, 5, 3, 1, 4, 0, 0x7c, 0x1c, 8, 12, 64, 0x85, 0x84]),
        "badge" => picks.of(&[0, 0, 1, 77]),
        "expected" => picks.of(&[0, 0, 0, 1]),
        "count" => picks.of(&[1, 1, 2, 0, u64::from(u32::MAX)]),
        "place" => 1 + picks.next() % 12,
        "address" | "source" | "destination" => picks.address(program),
        "length" => picks.of(&[1, 2, 3, 5, 8, 150, 1 << 20]) * layout::PAGE_BYTES,
        "size" => picks.of(&[4096, 1, 3 * 4096, 100_000, 2 << 20, 3 << 20]),
        "number" => picks.next() % 3,
        "uid" | "gid" => picks.of(&[0, 0, 0, 1, 2, u64::from(u32::MAX)]),
        "setting" => picks.next() % 8,
        "value" => picks.of(&[u64::MAX, u64::MAX, u64::MAX, 1 << 20, 5, 1, 1, 0]),
        "key" => picks.next() % 4,
        "flags" => picks.of(&[
            0o1666, 0, 0o1600, 0o3666, 0o11666, 0o10000, 0o20000, 0o40000, 0o100_000, 1, 2, 2,
        ]),
        "id" => match segments {
            [] => picks.next() % 4,
            some => some[picks.next() as usize % some.len()].raw() as u64,
        },
        "command" => picks.of(&[0, 0, 1, 2, 3, 11, 12, 13, 14, 15, 16]),
        "protection" => picks.of(&[3, 1, 5, 4, 7, 0]),
        "growth" => picks.of(&[0, 0, 0, 1, 5]) * layout::PAGE_BYTES,
        // A quota is never raised again.
        "pages" => picks.of(&[u64::MAX, u64::MAX, 1000, 200, 40]),
        "mappings" => picks.of(&[u64::from(u32::MAX), u64::from(u32::MAX), 40, 12]),
        "priority" => picks.of(&[128, 128, 127, 100, 150, 0, 255, 256]),
        "highest" => picks.of(&[255, 255, 255, 128, 120]),
        "deadline" => picks
            .of(&[0, TICKS, TICKS + 50, TICKS + 200, u64::MAX])
            .saturating_add(picks.next() % 2),
        "most" => picks.next() % 600,
        "after" | "position" => picks.next() % 8,
        _ => picks.next(),
    }
}
