//! Counts the instructions of the memory manager's operations, on the host.
//!
//! `cargo build --release -p mm --example instructions`, then run it under
//! `valgrind --tool=callgrind` and read the inclusive counts with `callgrind_annotate
//! --inclusive=yes`: each operation is a function here that is never inlined, called
//! [`ROUNDS`] times. The tables are the real ones ([`vmsa`]), in plain memory, without TLBs and
//! without the cost of zeroing. The argument is half the number of mappings that the process has
//! besides (4 if there is none).

mod hardware;

use abi::memory::{
    Map, MemoryRequest, Move, Protection, ShmAttach, ShmControl, ShmDetach, ShmGet, ShmIdArgument, Unmap,
};
use abi::process::Pid;
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmId, ShmKey};
use abi::{MessagePage, Words, Words6};
use addr::{Frame, FrameRange, VirtAddr};
use hardware::{Hardware, Space};
use mm::{
    Access, Companion, Credential, Identity, Job, KeyBucket, Limits, MemoryManager, Seconds, SpaceId,
    Storage, frame_words,
};
use slots::Slot;

/// How often each operation is done.
const ROUNDS: u64 = 100;
/// Pages of what is touched and given back.
const PAGES: u64 = 512;
const PAGE: u64 = 4096;
const FRAMES: u64 = 64 << 10;
const WRITE: Protection = Protection::WRITE;

fn main() {
    let mut desk = Desk::new();
    let others = std::env::args()
        .nth(1)
        .map_or(4, |count| count.parse().expect("a number"));
    for page in 0..others {
        desk.map(PLACE + page * 3 * PAGE, PAGE);
        let key = desk.get(page as i32 + 1, PAGE);
        desk.attach(key);
    }
    let segment = desk.get(1000, PAGE);
    for round in 0..ROUNDS {
        create_and_remove(&mut desk);
        find(&mut desk);
        stat(&mut desk, segment);
        let at = attach(&mut desk, segment);
        detach(&mut desk, at);
        map_and_unmap(&mut desk);
        let child = fork(&mut desk);
        end(&mut desk, child);
        touch_and_unmap(&mut desk, round);
    }
    let range = filled(&mut desk, 64 * PAGE);
    let slots = filled(&mut desk, FRAMES / 2 * PAGE);
    for _ in 0..ROUNDS {
        let at = desk.attach(range);
        touch_range(&mut desk, at);
        detach_range(&mut desk, at);
        let at = desk.attach(slots);
        desk.fault(at);
        desk.fault(at + FRAMES / 4 * PAGE);
        detach_slots(&mut desk, at);
        touch_and_detach(&mut desk);
        move_there_and_unmap(&mut desk);
    }
    println!(
        "{ROUNDS} rounds; `unmap_present`, `detach_present`, `dismantle` and `move_present` of {PAGES} pages each"
    );
}

#[inline(never)]
fn create_and_remove(desk: &mut Desk) {
    let id = desk.get(0, PAGE);
    desk.control(id, ShmCommand::Remove);
}

#[inline(never)]
fn find(desk: &mut Desk) {
    desk.get(1000, 0);
}

#[inline(never)]
fn stat(desk: &mut Desk, id: ShmId) {
    desk.control(id, ShmCommand::Stat);
}

#[inline(never)]
fn attach(desk: &mut Desk, id: ShmId) -> u64 {
    desk.attach(id)
}

#[inline(never)]
fn detach(desk: &mut Desk, address: u64) {
    // So that it is not the same function as `detach_present`.
    desk.detach(std::hint::black_box(address));
}

#[inline(never)]
fn map_and_unmap(desk: &mut Desk) {
    desk.map(PLACE - PAGE, PAGE);
    desk.unmap(PLACE - PAGE, PAGE);
}

/// A copy of the process, which has a few mappings of a few pages each.
#[inline(never)]
fn fork(desk: &mut Desk) -> SpaceId {
    desk.fork()
}

/// The end of a copy that has written nothing.
#[inline(never)]
fn end(desk: &mut Desk, child: SpaceId) {
    desk.end(child);
}

fn touch_and_unmap(desk: &mut Desk, round: u64) {
    let at = PLACE + (round + 4) * PAGES * PAGE;
    desk.map(at, PAGES * PAGE);
    desk.fault(at);
    for page in 1..PAGES {
        first_touch(desk, at + page * PAGE);
    }
    touch_again(desk, at);
    unmap_present(desk, at);
}

/// Of private memory, beside a page that is there.
#[inline(never)]
fn first_touch(desk: &mut Desk, address: u64) {
    desk.fault(address);
}

#[inline(never)]
fn touch_again(desk: &mut Desk, address: u64) {
    desk.fault(address);
}

#[inline(never)]
fn unmap_present(desk: &mut Desk, at: u64) {
    desk.unmap(at, PAGES * PAGE);
}

/// A segment with all pages of its first 64, and one of each of its slots.
fn filled(desk: &mut Desk, bytes: u64) -> ShmId {
    let id = desk.get(0, bytes);
    let at = desk.attach(id);
    (0..64).for_each(|page| desk.fault(at + page * PAGE));
    (0..bytes / PAGE)
        .step_by(PAGES as usize)
        .for_each(|page| desk.fault(at + page * PAGE));
    desk.detach(at);
    id
}

/// 64 pages that somebody else has touched.
#[inline(never)]
fn touch_range(desk: &mut Desk, address: u64) {
    desk.fault(std::hint::black_box(address));
}

#[inline(never)]
fn detach_range(desk: &mut Desk, address: u64) {
    desk.detach(std::hint::black_box(address + 1) - 1);
}

/// 64 slots of 2 MiB, of which half are linked.
#[inline(never)]
fn detach_slots(desk: &mut Desk, address: u64) {
    desk.detach(std::hint::black_box(address + 2) - 2);
}

fn touch_and_detach(desk: &mut Desk) {
    let id = desk.get(0, PAGES * PAGE);
    let at = desk.attach(id);
    desk.fault(at);
    for page in 1..PAGES {
        first_touch_shared(desk, at + page * PAGE);
    }
    detach_present(desk, at);
    dismantle(desk, id);
}

#[inline(never)]
fn first_touch_shared(desk: &mut Desk, address: u64) {
    desk.fault(address);
}

#[inline(never)]
fn detach_present(desk: &mut Desk, at: u64) {
    desk.detach(at);
}

#[inline(never)]
fn dismantle(desk: &mut Desk, id: ShmId) {
    desk.control(id, ShmCommand::Remove);
}

fn move_there_and_unmap(desk: &mut Desk) {
    let at = PLACE + 4 * PAGES * PAGE;
    desk.map(at, PAGES * PAGE);
    for page in 0..PAGES {
        desk.fault(at + page * PAGE);
    }
    move_present(desk, at);
    let child = desk.child;
    desk.ask(
        child,
        MemoryRequest::Unmap(Unmap {
            address: at,
            length: PAGES * PAGE,
        }),
        None,
    );
}

#[inline(never)]
fn move_present(desk: &mut Desk, at: u64) {
    let request = Move {
        source: at,
        length: PAGES * PAGE,
        destination: at,
        protection: WRITE,
    };
    let (parent, child) = (desk.parent, desk.child);
    desk.ask(child, MemoryRequest::Move(request), Some(parent));
}

const PLACE: u64 = 0x20_0000_0000;

/// A memory manager and two address spaces.
struct Desk {
    memory: MemoryManager<Hardware>,
    parent: SpaceId,
    child: SpaceId,
    message: MessagePage,
}

impl Desk {
    fn new() -> Self {
        let ram = FrameRange::new(Frame::from_number(0x4_0000), FRAMES).expect("some RAM");
        let storage = Storage {
            frame_words: vec![0; frame_words(&[ram]).expect("one good range")].leak(),
            apart: Box::leak(Box::new(mm::Apart::empty())),
            spaces: slots::<mm::Space<Space>>(4),
            regions: slots(256),
            vmas: slots(1024),
            accounts: (0..16).map(|_| Slot::empty()).collect::<Vec<_>>().leak(),
            keys: (0..256).map(|_| KeyBucket::EMPTY).collect::<Vec<_>>().leak(),
        };
        let limits = Limits {
            mappings: 512,
            ..Limits::WIDEST
        };
        let mut memory =
            MemoryManager::new(storage, &[ram], Hardware::new(ram), limits).expect("good storage");
        let mut space = |pid| {
            let identity = Identity {
                credential: Credential::ROOT,
                pid: Pid(pid),
            };
            memory.create_space(identity).expect("room for a space")
        };
        let (parent, child) = (space(1), space(2));
        Self {
            memory,
            parent,
            child,
            message: MessagePage::EMPTY,
        }
    }

    fn fork(&mut self) -> SpaceId {
        let identity = Identity {
            credential: Credential::ROOT,
            pid: Pid(3),
        };
        let child = self.memory.create_space(identity).expect("room for a space");
        let job = self.memory.fork(self.parent, child).expect("room for a copy");
        self.finish(job);
        child
    }

    fn end(&mut self, space: SpaceId) {
        let job = self.memory.destroy_space(space, Seconds(1));
        self.finish(job);
    }

    fn finish(&mut self, job: Job) {
        let mut job = Some(job);
        while let Some(rest) = job {
            job = self.memory.step(rest, Seconds(1));
        }
    }

    fn ask(&mut self, space: SpaceId, request: MemoryRequest, source: Option<SpaceId>) -> Words6 {
        let now = Seconds(1);
        let (label, words) = request.encode();
        let reply = self
            .memory
            .perform(
                (label, &words),
                space,
                &mut self.message,
                0,
                source.map(Companion::Space),
                now,
            )
            .expect("a request that makes sense");
        let mut job = reply.job;
        while let Some(rest) = job {
            job = self.memory.step(rest, now);
        }
        reply.words
    }

    fn get(&mut self, key: i32, size: u64) -> ShmId {
        let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o600));
        let request = ShmGet {
            key: ShmKey(key),
            size,
            flags,
        };
        let words = self.ask(self.parent, MemoryRequest::ShmGet(request), None);
        <(ShmId,)>::from_words(&words).expect("an identifier").0
    }

    fn control(&mut self, id: ShmId, command: ShmCommand) {
        let request = ShmControl {
            id: ShmIdArgument(id.raw()),
            command: command as i32,
        };
        self.ask(self.parent, MemoryRequest::ShmControl(request), None);
    }

    fn attach(&mut self, id: ShmId) -> u64 {
        let request = ShmAttach {
            id,
            address: 0,
            flags: AttachFlags::empty(),
        };
        self.ask(self.parent, MemoryRequest::ShmAttach(request), None)[0]
    }

    fn detach(&mut self, address: u64) {
        self.ask(self.parent, MemoryRequest::ShmDetach(ShmDetach { address }), None);
    }

    fn map(&mut self, address: u64, length: u64) {
        let request = Map::new(address, length, WRITE);
        self.ask(self.parent, MemoryRequest::Map(request), None);
    }

    fn unmap(&mut self, address: u64, length: u64) {
        self.ask(self.parent, MemoryRequest::Unmap(Unmap { address, length }), None);
    }

    fn fault(&mut self, address: u64) {
        let served = self
            .memory
            .fault(self.parent, VirtAddr::new(address), Access::Write);
        served.expect("a page that can be written");
    }
}

fn slots<T>(count: usize) -> &'static mut [Slot<T>] {
    (0..count).map(|_| Slot::empty()).collect::<Vec<_>>().leak()
}
