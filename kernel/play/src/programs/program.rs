//! What a program has learned, and what it must find when it goes on.

use super::choose::Picks;
use abi::memory::{Map, ShmAttach, ShmGet, WakeWord};
use abi::shm::ShmId;
use abi::{Handle, IpcError, MessagePage, Operation, Request, Tag};
use kcore::Registers;
use kcore::thread::ThreadId;

/// Why a program is not running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// It has never run.
    New,
    /// It trapped, with this operation.
    Trap(u64),
    /// It was interrupted, or touched memory.
    Interruption,
}

/// What a thread has that a program can see.
#[derive(Clone)]
pub struct Sight {
    pub registers: Registers,
    pub page: MessagePage,
}

/// What an answer says that concerns others, too.
#[derive(Default)]
pub struct News {
    /// A segment there is.
    pub segment: Option<ShmId>,
    /// How many waiters for a word were woken.
    pub woken: u64,
}

/// A program that runs, or did.
pub struct Program {
    pub id: ThreadId,
    handles: Vec<u32>,
    /// Where it has mapped something.
    pub areas: Vec<u64>,
    entry: Entry,
    /// When it entered the kernel.
    left: Sight,
    /// What it will find when it goes on, once that is known.
    pub settled: Option<Sight>,
    /// It waits for whoever handles its fault.
    pub has_faulted: bool,
}

impl Sight {
    /// That nobody changed anything.
    pub fn assert_same(&self, other: &Self) {
        let everything = |sight: &Self| (sight.registers, sight.page.bytes, sight.page.handles);
        assert!(
            everything(self) == everything(other),
            "a program that waits for nothing keeps what it has"
        );
    }
}

impl Program {
    pub fn new(id: ThreadId, left: Sight) -> Self {
        let handles = (1..=5).collect();
        Self {
            id,
            handles,
            areas: Vec::new(),
            entry: Entry::New,
            left,
            settled: None,
            has_faulted: false,
        }
    }

    /// A copy of it, which has trapped where it has, and whose message page is `page`.
    pub fn copy(&self, id: ThreadId, page: MessagePage) -> Self {
        Self {
            id,
            handles: self.handles.clone(),
            areas: self.areas.clone(),
            entry: self.entry,
            left: Sight {
                registers: self.left.registers,
                page,
            },
            settled: None,
            has_faulted: false,
        }
    }

    /// It knows from now on what `other`, which shares its handles and memory, does.
    pub fn learn_from(&mut self, other: &Self) {
        self.handles.clone_from(&other.handles);
        self.areas.clone_from(&other.areas);
    }

    /// It enters the kernel.
    pub fn leave(&mut self, entry: Entry, left: Sight) {
        self.entry = entry;
        self.settled = (entry == Entry::Interruption).then(|| left.clone());
        self.left = left;
    }

    /// Somebody who may has written its registers.
    pub fn is_given(&mut self, registers: Registers) {
        self.left.registers = registers;
        if let Some(settled) = &mut self.settled {
            settled.registers = registers;
        }
    }

    /// It waits for nothing but the CPU: either nothing has changed since, or it has just been
    /// answered.
    pub fn settle(&mut self, now: Sight) -> News {
        if let Some(settled) = &self.settled {
            settled.assert_same(&now);
            return News::default();
        }
        let tag = self.check_answer(&now);
        let learned = self.learn(&now, tag);
        self.settled = Some(now);
        learned
    }

    /// The answer has the form that the boundary promises.
    fn check_answer(&self, now: &Sight) -> Tag {
        let (x, before) = (&now.registers.x, &self.left.registers);
        assert!(x[9..18].iter().all(|&x| x == 0), "x9 to x17 come back zero");
        let tag = Tag::decode_received(x[1]).expect("the kernel writes good tags");
        if x[0] != 0 {
            assert!(IpcError::decode(x[0]).is_some(), "x0 is 0 or an error");
            assert!(x[1..9].iter().all(|&x| x == 0), "an error brings nothing else");
        }
        if let Entry::Trap(operation) = self.entry {
            assert_eq!(x[18..], before.x[18..], "x18 to x30 are kept");
            let kept = |r: &Registers| [r.sp, r.pc, r.pstate, r.tpidr, r.tpidrro];
            assert_eq!(kept(&now.registers), kept(before), "so are the others");
            assert!(
                x[8] == 0 || operation & !Operation::UNTIL != Operation::Call as u64,
                "an answer has no badge"
            );
            assert_eq!(
                now.page.bytes[tag.bytes()..],
                self.left.page.bytes[tag.bytes()..],
                "as many bytes as the tag says"
            );
            let handles = tag.handles();
            assert_eq!(
                now.page.handles[handles..],
                self.left.page.handles[handles..],
                "as many handles as the tag says"
            );
        } else {
            assert!(
                x[18..].iter().all(|&x| x == 0),
                "a new thread finds nothing of its predecessor's"
            );
        }
        tag
    }

    fn learn(&mut self, now: &Sight, tag: Tag) -> News {
        self.handles.extend(&now.page.handles[..tag.handles()]);
        let (x, sent) = (&now.registers.x, Tag::decode(self.left.registers.x[1]));
        let done = x[0] == 0 && tag.label().0 == 0 && self.entry == Entry::Trap(Operation::Call as u64);
        let mut news = News::default();
        match sent.ok().filter(|_| done).map(Tag::label) {
            Some(Map::LABEL | ShmAttach::LABEL) => self.areas.push(x[2]),
            Some(ShmGet::LABEL) => news.segment = ShmId::from_raw(x[2] as i32),
            Some(WakeWord::LABEL) => news.woken = x[2],
            _ => {}
        }
        news
    }

    /// The handles it knows of, newest first.
    pub fn handles(&self) -> impl Iterator<Item = Handle> {
        self.handles.iter().rev().copied().map(Handle::from_raw)
    }

    /// A handle that it has, or had, or never had.
    pub fn some_handle(&self, picks: &mut Picks<'_>) -> Handle {
        let pick = picks.next();
        let newest_first = (pick >> 8) as usize % self.handles.len();
        Handle::from_raw(match pick % 16 {
            15 => (pick >> 8) as u32,
            12..=14 => (pick >> 8) as u32 % 24,
            8..=11 => self.handles[self.handles.len() - 1 - newest_first % 4.min(self.handles.len())],
            _ => self.handles[newest_first],
        })
    }

    /// Where it has mapped something, the last time for the highest pick; 0 if nowhere.
    pub fn some_area(&self, pick: u64) -> u64 {
        match self.areas.len() as u64 {
            0 => 0,
            _ if pick == u64::MAX => self.areas[self.areas.len() - 1],
            count => self.areas[(pick % count) as usize],
        }
    }
}
