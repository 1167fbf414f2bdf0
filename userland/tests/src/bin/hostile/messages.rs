//! Messages made of nonsense: any operation, label, handle, word and page.
//!
//! They go to this program's own objects and to those of a victim: a child that has not started,
//! or has with a made-up entry, or was killed. Only what would stop the test itself is left out:
//! see [`is_suicide`].

use abi::console::{ConsoleRequest, Read, Write};
use abi::layout::{AREA_END, AREA_START};
use abi::memory::{
    LowerQuota, Map, MapFlags, MemoryRequest, Protect, RegionAttach, ShmAttach, Unmap, WaitWord, WakeAndWait,
};
use abi::process::{
    Become, Close, CreateThread, Exit, ExitThread, Fork, ProcessRequest, Sleep, Wait, WaitAndClose,
};
use abi::shm::AttachFlags;
use abi::system::{ShutDown, SystemRequest};
use abi::thread::ThreadRequest;
use abi::{BUFFER_BYTES, Handle, Label, MAX_HANDLES, Operation, Request, Row};
use rt::shm::segments;
use rt::spawn::Unstarted;
use rt::svc::{Registers, trap_with};
use rt::{Incoming, Outcome, Outgoing, println, sys};
use tests::{EDGES, Random};

/// After so many messages there is a new victim.
const LIFE: u64 = 50;
const TABLES: [&[Row]; 5] = [
    ProcessRequest::TABLE,
    MemoryRequest::TABLE,
    ConsoleRequest::TABLE,
    SystemRequest::TABLE,
    ThreadRequest::TABLE,
];

/// Sends `count` messages, those of the sequence `seed`.
pub fn send_nonsense(seed: u64, count: u64) -> Outcome {
    let mut random = Random::new(seed);
    let own = sys::process::identify(Handle::SELF)?;
    let mut victim = Unstarted::create("victim")?;
    let mut answered = 0;
    let mut incoming = Incoming::new();
    for number in 0..count {
        if number % LIFE == LIFE - 1 {
            victim = Unstarted::create("victim")?;
        }
        let registers = nonsense(&mut random, &victim);
        if is_suicide(&registers, &victim) {
            continue;
        }
        let (bytes, handles) = page(&mut random, &victim);
        let outgoing = Outgoing {
            bytes: &bytes,
            handles: &handles,
        };
        let answer = trap_with(registers, outgoing, &mut incoming);
        answered += u64::from(answer[0] == 0);
        // They would fill the table.
        for &handle in incoming.handles() {
            sys::process::close(handle)?;
        }
    }
    drop(victim);
    remove_segments_of(own.0)?;
    println!("hostile: survived {count} messages, {answered} were answered");
    Ok(())
}

fn nonsense(random: &mut Random, victim: &Unstarted) -> Registers {
    let mut registers = [0; 9];
    for register in &mut registers {
        *register = word(random, victim);
    }
    registers[0] = object(random, victim);
    registers[1] = tag(random);
    if random.below(8) != 0 {
        registers[8] = Operation::Call as u64;
    }
    registers
}

fn object(random: &mut Random, victim: &Unstarted) -> u64 {
    let own = [Handle::SELF, Handle::MEMORY, Handle::CONSOLE].map(Handle::raw);
    match random.below(16) {
        0 => random.word(),
        1 => random.below(2048),
        2..6 => random.one_of(&own).into(),
        _ => random.one_of(&[victim.handle(), victim.memory()]).raw().into(),
    }
}

/// Mostly one that can be right, so that not all end at the first check.
fn tag(random: &mut Random) -> u64 {
    let table = random.one_of(&TABLES);
    let row = random.one_of(table);
    let label = if random.below(16) == 0 {
        random.word() as u16
    } else {
        row.label.0
    };
    let bytes = random.one_of(&[0, 0, 0, 1, 32, 112, 512, 513]);
    let handles = random.one_of(&[0, 0, 1, 1, 2, 4, 5]);
    let unused = if random.below(32) == 0 {
        random.word() << 36
    } else {
        0
    };
    u64::from(label) | bytes << 16 | handles << 32 | unused
}

fn word(random: &mut Random, victim: &Unstarted) -> u64 {
    match random.below(8) {
        0 => random.word(),
        1 => random.word() & 0xffff_f000,
        2 => victim.handle().raw().into(),
        _ => random.one_of(EDGES),
    }
}

/// What the message page holds. Never this program's memory manager: who gets it can take this
/// program's memory.
fn page(random: &mut Random, victim: &Unstarted) -> ([u8; BUFFER_BYTES], [Handle; MAX_HANDLES]) {
    let byte = random.one_of(b"\0 A\xff");
    let made_up = Handle::from_raw(random.below(64) as u32 | 8);
    let choices = [
        Handle::SELF,
        Handle::CONSOLE,
        victim.handle(),
        victim.memory(),
        made_up,
    ];
    (
        [byte; BUFFER_BYTES],
        [(); MAX_HANDLES].map(|()| random.one_of(&choices)),
    )
}

/// Whether a message would end this program, make another one of it or a second one, let it wait for ever, or
/// take away the memory, the handles or the console that it works with.
fn is_suicide(registers: &Registers, victim: &Unstarted) -> bool {
    let [object, tag, word0, word1, word2, ..] = *registers;
    let label = tag as u16;
    let is = |handle: Handle| object == u64::from(handle.raw());
    let kept = [
        Handle::SELF,
        Handle::MEMORY,
        Handle::CONSOLE,
        victim.handle(),
        victim.memory(),
    ];
    let low = |address: u64| !(AREA_START..AREA_END).contains(&address);
    match Label(label) {
        Exit::LABEL
        | ExitThread::LABEL
        | CreateThread::LABEL
        | Fork::LABEL
        | Become::LABEL
        | Sleep::LABEL => is(Handle::SELF),
        // Of a child that never ends.
        Wait::LABEL | WaitAndClose::LABEL => is(victim.handle()),
        Close::LABEL => is(Handle::SELF) && kept.iter().any(|kept| word0 == u64::from(kept.raw())),
        // Waits for somebody to type; prints what is not worth reading.
        Read::LABEL | Write::LABEL => is(Handle::CONSOLE),
        WaitWord::LABEL | WakeAndWait::LABEL | LowerQuota::LABEL => is(Handle::MEMORY),
        Unmap::LABEL | Protect::LABEL => is(Handle::MEMORY) && (low(word0) || word1 > 1 << 40),
        ShmAttach::LABEL => {
            let replaces = AttachFlags::from_bits_retain(word2 as u32).contains(AttachFlags::REMAP);
            is(Handle::MEMORY) && replaces && low(word1)
        }
        RegionAttach::LABEL => {
            let replaces = AttachFlags::from_bits_retain(word1 as u32).contains(AttachFlags::REMAP);
            is(Handle::MEMORY) && replaces && low(word0)
        }
        Map::LABEL => {
            let replaces = MapFlags::from_bits_retain(registers[5] as u32).contains(MapFlags::REPLACE);
            is(Handle::MEMORY) && replaces && (low(word0) || word1 > 1 << 40)
        }
        ShutDown::LABEL => is(Handle::PARENT),
        _ => false,
    }
}

/// Segments outlive the process that created them.
fn remove_segments_of(pid: u32) -> Outcome {
    for segment in segments()? {
        let (id, state) = segment?;
        if state.shm_cpid.cast_unsigned() == pid {
            rt::shm::Shm::from_id(id).remove()?;
        }
    }
    Ok(())
}
