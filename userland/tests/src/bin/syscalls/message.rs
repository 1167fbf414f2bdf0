//! Messages: new ones out of what is declared, what is known and what is at the edges; old ones with a change.

use abi::layout::AREA_START;
use abi::memory::MemoryRequest;
use abi::process::ProcessRequest;
use abi::thread::ThreadRequest;
use abi::{BUFFER_BYTES, Handle, MAX_HANDLES, Operation, Row};
use rt::svc::Registers;
use tests::{EDGES, Random};

/// Threads have few requests.
const TABLES: [&[Row]; 5] = [
    ProcessRequest::TABLE,
    MemoryRequest::TABLE,
    ProcessRequest::TABLE,
    MemoryRequest::TABLE,
    ThreadRequest::TABLE,
];
/// Operations that one might ask for: there are fewer.
const OPERATIONS: u64 = 12;
/// Places of handles that may be in use.
const PLACES: u64 = 20;

/// The message page as a player fills it.
#[derive(Clone, Copy)]
pub struct Page {
    pub bytes: [u8; BUFFER_BYTES],
    pub handles: [Handle; MAX_HANDLES],
}

/// What was sent.
#[derive(Clone, Copy)]
pub struct Sent {
    pub registers: Registers,
    pub page: Page,
}

/// What a player has found out so far, the latest in place of the oldest.
pub struct Known {
    handles: [Handle; 12],
    words: [u64; 16],
    sent: [Sent; 8],
    count: usize,
}

impl Known {
    /// Nothing but the handles it has.
    pub fn new(broker: Handle) -> Self {
        let nothing = Sent {
            registers: [0; 9],
            page: Page {
                bytes: [0; BUFFER_BYTES],
                handles: [Handle::NONE; MAX_HANDLES],
            },
        };
        Self {
            handles: [broker; 12],
            words: [AREA_START; 16],
            sent: [nothing; 8],
            count: 0,
        }
    }

    /// Remembers an answer, and the message if that arrived.
    pub fn learn(&mut self, sent: &Sent, answer: &Registers, handles: &[Handle]) {
        self.count += 1;
        for handle in handles {
            self.handles[self.count % self.handles.len()] = *handle;
            self.count += 1;
        }
        if answer[0] == 0 {
            self.words[self.count % self.words.len()] = answer[2];
            self.sent[self.count % self.sent.len()] = *sent;
        }
    }

    /// What to send next.
    pub fn next(&self, random: &mut Random) -> Sent {
        if random.below(4) == 0 {
            return self.changed(random);
        }
        let registers = self.registers(random);
        let page = self.page(random);
        Sent { registers, page }
    }

    /// One of the last, with another register, or another handle along.
    fn changed(&self, random: &mut Random) -> Sent {
        let mut sent = self.sent[random.below(self.sent.len() as u64) as usize];
        let place = random.below(sent.registers.len() as u64) as usize;
        match place {
            0 => sent.registers[0] = self.object(random),
            1 => sent.page.handles[0] = self.handle(random),
            place => sent.registers[place] = self.word(random),
        }
        sent
    }

    fn registers(&self, random: &mut Random) -> Registers {
        let mut registers = [0; 9];
        registers[2..8].fill_with(|| self.word(random));
        registers[0] = self.object(random);
        registers[1] = tag(random);
        registers[8] = match random.below(64) {
            0 => random.word(),
            1..8 => random.below(OPERATIONS),
            _ => Operation::Call as u64,
        };
        registers
    }

    fn object(&self, random: &mut Random) -> u64 {
        match random.below(16) {
            0 => random.word(),
            1..5 => Handle::SELF.raw().into(),
            5..10 => Handle::MEMORY.raw().into(),
            _ => self.handle(random).raw().into(),
        }
    }

    fn handle(&self, random: &mut Random) -> Handle {
        match random.below(8) {
            0 => Handle::from_parts(random.below(PLACES) as u32, random.below(3) as u32),
            1 => Handle::SELF,
            2 => Handle::MEMORY,
            _ => random.one_of(&self.handles),
        }
    }

    fn word(&self, random: &mut Random) -> u64 {
        match random.below(16) {
            0 => random.word(),
            1 => random.word() & 0xffff_f000,
            2 => self.handle(random).raw().into(),
            3..8 => random.one_of(&self.words),
            8 => random.one_of(&self.words).wrapping_add(random.below(5) << 12),
            _ => random.one_of(EDGES),
        }
    }

    fn page(&self, random: &mut Random) -> Page {
        let mut page = Page {
            bytes: [random.one_of(b"\0 A\xff"); BUFFER_BYTES],
            handles: [Handle::NONE; MAX_HANDLES],
        };
        page.handles.fill_with(|| self.handle(random));
        page
    }
}

/// Mostly one that can be right, so that not all end at the first check.
fn tag(random: &mut Random) -> u64 {
    let table = random.one_of(&TABLES);
    let label = match random.below(32) {
        0 => random.word() as u16,
        _ => random.one_of(table).label.0,
    };
    let bytes = random.one_of(&[0, 0, 0, 0, 1, 32, 112, 512, 513]);
    let handles = random.one_of(&[0, 0, 0, 1, 1, 1, 2, 4, 5]);
    let unused = if random.below(64) == 0 {
        random.word() << 36
    } else {
        0
    };
    u64::from(label) | bytes << 16 | handles << 32 | unused
}
