//! A memory manager in a few lines: frames, and address spaces on a machine.
#![allow(dead_code, reason = "each test file uses its part of it")]

use addr::{Frame, FrameRange, MemoryKind, Page, PageCount, PageRange, Perms, VirtAddr};
use machine::{Machine, Space, Speculation};
use mm::mmu::{FrameSource, Mmu, Removed, SharedTree, Stale, TreeHeight};
use vmsa::USER_PAGES;

const FIRST: u64 = 0x4_0000;
const FRAMES: u64 = 0x1_0000;

/// Frames nobody uses.
pub struct Frames {
    next: u64,
    free: Vec<Frame>,
}

impl FrameSource for Frames {
    fn take(&mut self) -> Frame {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            Frame::from_number(FIRST + self.next)
        })
    }
}

impl Frames {
    pub fn new() -> Self {
        Self {
            next: 0,
            free: Vec::new(),
        }
    }

    /// The first frame of a block; those skipped for its alignment are nobody's.
    pub fn take_block(&mut self) -> Frame {
        let first = (FIRST + self.next + 1).next_multiple_of(512);
        self.next = first + 511 - FIRST;
        Frame::from_number(first)
    }

    pub fn give(&mut self, frame: Frame) {
        assert!(!self.free.contains(&frame), "{frame:?} was given back twice");
        self.free.push(frame);
    }

    pub fn is_free(&self, frame: Frame) -> bool {
        frame.number() > FIRST + self.next || self.free.contains(&frame)
    }

    pub fn used(&self) -> usize {
        self.next as usize - self.free.len()
    }
}

/// A machine with its free frames.
pub struct Bench {
    pub machine: Machine,
    pub frames: Frames,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|machine| machine)
    }

    /// A machine whose TLBs cache everything always.
    pub fn adversarial() -> Self {
        Self::with(|machine| machine.with_speculation(Speculation::Everything))
    }

    pub fn with(set: impl FnOnce(Machine) -> Machine) -> Self {
        let ram = FrameRange::new(Frame::from_number(FIRST), FRAMES).expect("some RAM");
        Self {
            machine: set(Machine::new(ram)),
            frames: Frames::new(),
        }
    }

    /// As a memory manager does before it hands a frame out.
    pub fn zero(&mut self, frame: Frame) {
        self.machine.zero(frame);
    }

    pub fn space(&mut self) -> Space {
        let root = self.frames.take();
        self.machine.create_space(root)
    }

    /// A zeroed frame at `page`.
    pub fn map(&mut self, space: &mut Space, at: u64, perms: Perms) -> Frame {
        let frame = self.frames.take();
        self.machine.zero(frame);
        self.install(space, at, frame, perms);
        frame
    }

    pub fn install(&mut self, space: &mut Space, at: u64, frame: Frame, perms: Perms) {
        self.machine.install(
            space,
            page(at),
            frame,
            perms,
            MemoryKind::Normal,
            &mut self.frames,
        );
        self.machine.publish_entries();
    }

    /// Takes permissions of `count` pages away and flushes.
    pub fn protect(&mut self, space: &mut Space, at: u64, count: u64, perms: Perms) {
        let stale = self.machine.protect(space, pages(at, count), perms);
        drop(self.machine.flush(space, stale));
    }

    /// Gives a page these permissions and flushes.
    pub fn permit(&mut self, space: &mut Space, at: u64, perms: Perms) {
        let stale = self.machine.permit(space, page(at), perms);
        drop(self.machine.flush(space, stale));
    }

    /// Removes `count` pages without giving anything back.
    pub fn unmap(
        &mut self,
        space: &mut Space,
        at: u64,
        count: u64,
        vacant: PageRange,
    ) -> (Stale, Vec<Frame>) {
        let mut gone = Vec::new();
        let stale = self
            .machine
            .unmap(space, pages(at, count), vacant, |removed| match removed {
                Removed::Leaf(_, frame) | Removed::Table(frame) => gone.push(frame),
                Removed::Link(slot) => panic!("{slot:?} is linked"),
            });
        (stale, gone)
    }

    /// Removes, flushes and gives back.
    pub fn discard(&mut self, space: &mut Space, at: u64, count: u64, vacant: PageRange) {
        let (stale, gone) = self.unmap(space, at, count, vacant);
        drop(self.machine.flush(space, stale));
        gone.into_iter().for_each(|frame| self.frames.give(frame));
    }

    /// Links `number` at `slot`.
    pub fn link(&mut self, space: &mut Space, slot: u64, tree: SharedTree, number: u64, perms: Perms) {
        self.machine
            .link(space, pages(slot, 512), tree, number, perms, &mut self.frames);
        self.machine.publish_entries();
    }

    pub fn unlink(&mut self, space: &mut Space, slot: u64, vacant: PageRange) -> (Stale, Vec<Frame>) {
        let mut gone = Vec::new();
        let stale = self
            .machine
            .unlink(space, pages(slot, 512), vacant, |removed| match removed {
                Removed::Leaf(page, _) => panic!("{page:?} is the region's"),
                Removed::Table(frame) => gone.push(frame),
                Removed::Link(_) => {}
            });
        (stale, gone)
    }

    /// Maps a block of frames that nobody else has at `slot`, and answers its first frame.
    pub fn map_block(&mut self, space: &mut Space, slot: u64, perms: Perms) -> Frame {
        let first = self.frames.take_block();
        let tables = &mut self.frames;
        self.machine
            .install_block(space, page(slot), first, perms, tables);
        self.machine.publish_entries();
        first
    }

    pub fn region(&mut self, height: TreeHeight) -> SharedTree {
        let root = self.frames.take();
        self.machine.zero(root);
        SharedTree { root, height }
    }

    pub fn share(&mut self, tree: SharedTree, index: u64) -> Frame {
        let frame = self.frames.take();
        self.machine.zero(frame);
        self.machine.shared_install(tree, index, frame, &mut self.frames);
        self.machine.publish_entries();
        frame
    }
}

pub fn page(number: u64) -> Page {
    Page::from_number(number)
}

pub fn at(page_number: u64) -> VirtAddr {
    page(page_number).start()
}

pub fn pages(start: u64, count: u64) -> PageRange {
    PageRange::new(page(start), PageCount::new(count).expect("pages")).expect("a range")
}

/// Nothing else is mapped anywhere.
pub fn everywhere() -> PageRange {
    pages(0, USER_PAGES)
}
