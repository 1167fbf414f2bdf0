//! Frames: who may take one, and when one may be given back.
//!
//! A frame is taken only against a [`Promise`]. Whoever will need frames later, at a first touch
//! that must not fail, has them promised at once; the sum of all promises never exceeds what is
//! free, so a frame taken against one is always there. A frame is given back only with proof
//! that no translation leads to it any more ([`Unreachable`]).
//!
//! A promise can be of *blocks* as well: 512 frames in a row, aligned, which a level-2 block maps. That is
//! a promise of their number only, as for frames, not of certain ones. It is kept because blocks are broken
//! up last: while there is a frame outside of every free block, that is taken. So with no more frames
//! promised than are free beside the promised blocks, a block is broken up only if it is promised to nobody.

mod at_hand;
mod bits;
mod buddy;
mod pool;
mod ram;
mod run;
mod sharers;
mod spare;
mod zone;

pub use ram::{BadRam, MOST_RANGES};
pub(crate) use sharers::{Left, Shared};
pub use spare::Spare;
pub(crate) use zone::{TableSource, Zone};

use crate::mmu::{Flushed, Mmu};
use abi::Errno;
use abi::system::FrameCounts;
use addr::{Frame, FrameRange};
use at_hand::AtHand;
use buddy::{BLOCK_ORDER, Buddy, ORDERS};
use pool::Pool;
use ram::Ram;
use run::Run;
use sharers::Sharers;

/// How many frames the allocator is asked for at a time, as a power of two.
const ORDER_AT_HAND: usize = 5;

/// How many frames in a row are zeroed ahead, as powers of two: no fewer, so that the pool is not full of crumbs,
/// and no more.
const ORDERS_ZEROED: (usize, usize) = (5, 9);

/// Most frames that one step zeroes ahead. What the CPU shall do next waits as long.
const ZEROED_AT_ONCE: usize = 16;

/// Frames in the largest block of the allocator.
const LARGEST_BLOCK: u64 = 1 << (ORDERS - 1);

/// Frames in a block that is promised and given out as such: 2 MiB.
pub(crate) const BLOCK_FRAMES: u64 = 1 << BLOCK_ORDER;

/// How many words [`Storage::frame_words`](crate::Storage::frame_words) must have for `ranges`
/// of RAM: about three quarters of a byte a frame, holes not counted.
///
/// # Errors
/// [`BadRam`] if there are too many ranges, or they are not in order.
pub fn frame_words(ranges: &[FrameRange]) -> Result<usize, BadRam> {
    Ram::new(ranges).map(|ram| words_for(ram.positions()))
}

fn words_for(positions: usize) -> usize {
    Buddy::words_for(positions) + Sharers::words_for(positions)
}

/// Not as many frames are free and not promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OutOfFrames;

impl From<OutOfFrames> for Errno {
    fn from(_: OutOfFrames) -> Self {
        Self::ENOMEM
    }
}

/// The right to take a number of frames, and a number of blocks. Lives in the object it was made for; one
/// that is dropped while not empty is lost to everybody.
#[must_use = "a promise that is not kept or released takes frames away from everybody"]
#[derive(Debug)]
pub(crate) struct Promise {
    frames: u64,
    blocks: u64,
}

impl Promise {
    /// A promise of nothing.
    pub const fn none() -> Self {
        Self { frames: 0, blocks: 0 }
    }

    /// How many single frames it is worth.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// How many frames it is worth in all, those of its blocks included.
    pub const fn all_frames(&self) -> u64 {
        self.frames + self.blocks * BLOCK_FRAMES
    }

    /// Cuts a promise of `frames` off.
    ///
    /// # Panics
    /// If it is not worth as many.
    pub fn split(&mut self, frames: u64) -> Self {
        assert!(
            frames <= self.frames,
            "a promise of {} is not worth {frames}",
            self.frames
        );
        self.frames -= frames;
        Self { frames, blocks: 0 }
    }

    /// Adds `other` to this one.
    pub fn merge(&mut self, other: Self) {
        self.frames += other.frames;
        self.blocks += other.blocks;
    }

    /// All of it; nothing stays.
    pub fn take_all(&mut self) -> Self {
        core::mem::replace(self, Self::none())
    }
}

/// Proof that no CPU can reach a frame through any translation.
pub(crate) trait Unreachable {}

impl Unreachable for Flushed {}

/// The proof for frames that the kernel took for itself: no address space has them.
pub(crate) struct NeverMapped;

impl Unreachable for NeverMapped {}

/// All frames of the machine that programs and their tables may use.
pub struct Frames {
    ram: Ram,
    buddy: Buddy,
    /// Free frames that the allocator does not have.
    at_hand: AtHand,
    pool: Pool,
    total: u64,
    free: u64,
    /// Those of promised blocks included. Never more than `free`.
    promised: u64,
    /// Never more blocks than the allocator has.
    promised_blocks: u64,
    /// How many are pages of regions.
    in_regions: u64,
    sharers: Sharers,
    /// Of all CPUs.
    spares: &'static [Spare],
}

/// A frame that was taken, in the state it is in.
enum Taken {
    Zeroed(Frame),
    Dirty(Frame),
}

impl Frames {
    /// The frames of `ranges`, all free. `words` are [`frame_words`] or more.
    pub(crate) fn new(words: &'static mut [u64], ranges: &[FrameRange]) -> Result<Self, BadRam> {
        let ram = Ram::new(ranges)?;
        if words.len() < words_for(ram.positions()) {
            return Err(BadRam::TooFewWords);
        }
        let (words, rest) = words.split_at_mut(Buddy::words_for(ram.positions()));
        let (counts, _) = rest.split_at_mut(Sharers::words_for(ram.positions()));
        let mut buddy = Buddy::new(words, ram.positions());
        for range in ranges {
            let position = ram.position(range.start()).ok_or(BadRam::NotSorted)?;
            buddy.give_back_range(position, range.count() as usize);
        }
        let total = ranges.iter().map(|range| range.count()).sum();
        Ok(Self {
            ram,
            buddy,
            at_hand: AtHand::EMPTY,
            pool: Pool::EMPTY,
            total,
            free: total,
            promised: 0,
            promised_blocks: 0,
            in_regions: 0,
            sharers: Sharers::new(counts),
            spares: &[],
        })
    }

    /// How many frames there are and what became of them.
    pub(crate) fn counts(&self) -> FrameCounts {
        FrameCounts {
            total: self.total,
            free: self.free,
            promised: self.promised,
        }
    }

    /// Whether `frame` is one of these and nobody has it.
    pub(crate) fn is_free(&self, frame: Frame) -> bool {
        self.ram
            .position(frame)
            .is_some_and(|position| self.is_position_free(position))
    }

    fn is_position_free(&self, position: usize) -> bool {
        self.at_hand.contains(position) || self.pool.contains(position) || self.buddy.is_free(position)
    }

    /// Promises `frames` frames.
    pub(crate) fn promise(&mut self, frames: u64) -> Result<Promise, OutOfFrames> {
        if self.free - self.promised < frames {
            return Err(OutOfFrames);
        }
        self.promised += frames;
        Ok(Promise { frames, blocks: 0 })
    }

    /// Promises `blocks` blocks, and `frames` frames besides.
    pub(crate) fn promise_blocks(&mut self, blocks: u64, frames: u64) -> Result<Promise, OutOfFrames> {
        if self.buddy.whole() - self.promised_blocks < blocks {
            self.gather();
        }
        if self.buddy.whole() - self.promised_blocks < blocks {
            return Err(OutOfFrames);
        }
        let promise = Promise { frames, blocks };
        if self.free - self.promised < promise.all_frames() {
            return Err(OutOfFrames);
        }
        self.promised += promise.all_frames();
        self.promised_blocks += blocks;
        Ok(promise)
    }

    /// Takes a promise back.
    pub(crate) fn release(&mut self, promise: Promise) {
        self.promised -= promise.all_frames();
        self.promised_blocks -= promise.blocks;
    }

    /// Takes a frame against `promise`. Its contents are anything.
    ///
    /// # Panics
    /// If the promise is worth nothing.
    pub(crate) fn take(&mut self, promise: &mut Promise) -> Frame {
        self.release(promise.split(1));
        let position = match self.at_hand.pop() {
            Some(position) => position,
            None => self.take_from_buddy(),
        };
        self.free -= 1;
        self.ram.frame(position)
    }

    /// Takes a frame against `promise` that is zeroed, if there is one: in the pool, or as the CPU's `spare`.
    ///
    /// # Panics
    /// If the promise is worth nothing.
    #[inline(always)] // into each of the few that take one, which are what touches cost
    fn take_either(&mut self, promise: &mut Promise, spare: &Spare) -> Taken {
        let Some(position) = self.pool.pop() else {
            let frame = self.take(promise);
            return spare.exchange(frame).map_or(Taken::Dirty(frame), Taken::Zeroed);
        };
        self.release(promise.split(1));
        self.free -= 1;
        Taken::Zeroed(self.ram.frame(position))
    }

    /// How many frames are pages of regions.
    pub(crate) fn in_regions(&self) -> u64 {
        self.in_regions
    }

    /// So many more are.
    pub(crate) fn count_in_regions(&mut self, pages: u64) {
        self.in_regions += pages;
    }

    /// So many are that no longer.
    pub(crate) fn count_out_of_regions(&mut self, pages: u64) {
        self.in_regions -= pages;
    }

    /// Zeroes a free frame for those who take zeroed ones later, if there is one that should be.
    fn zero_one_ahead(&mut self, mmu: &mut impl Mmu) -> Ahead {
        let Some(position) = self.next_to_zero() else {
            return Ahead::Done;
        };
        mmu.zero(self.ram.frame(position));
        self.pool.push(position);
        Ahead::More
    }

    fn next_to_zero(&mut self) -> Option<usize> {
        if !self.pool.has_room() {
            return None;
        }
        if let Some(position) = self.pool.next_dirty() {
            return Some(position);
        }
        let (least, most) = ORDERS_ZEROED;
        if !self.may_break_block(least) {
            return None;
        }
        let (start, count) = self.buddy.take(least, most)?;
        self.pool.refill(Run::new(start, count));
        self.pool.next_dirty()
    }

    /// Whether, of what the allocator has, 2^`order` frames in a row can be taken without breaking up a block
    /// that is promised.
    fn may_break_block(&self, order: usize) -> bool {
        self.buddy.has_between(order, BLOCK_ORDER) || self.buddy.whole() > self.promised_blocks
    }

    /// Frames that are zeroed and free.
    pub(crate) fn zeroed(&self) -> impl Iterator<Item = Frame> {
        self.pool.zeroed().map(|position| self.ram.frame(position))
    }

    /// Takes a block against `promise`: 512 frames from the one answered on, whose number is a multiple
    /// of 512. Their contents are anything.
    ///
    /// # Panics
    /// If the promise is worth no block.
    pub(crate) fn take_block(&mut self, promise: &mut Promise) -> Frame {
        assert!(promise.blocks > 0, "a promise without blocks is not worth one");
        promise.blocks -= 1;
        self.promised_blocks -= 1;
        self.promised -= BLOCK_FRAMES;
        self.free -= BLOCK_FRAMES;
        let position = self.buddy.take_block(BLOCK_ORDER);
        self.ram
            .frame(position.expect("no more blocks are promised than there are"))
    }

    /// Gives a block back.
    ///
    /// # Panics
    /// If it was never one of these frames.
    pub(crate) fn give_back_block(&mut self, first: Frame, _: &impl Unreachable) {
        self.buddy.give_back(self.position_of(first), BLOCK_ORDER);
        self.free += BLOCK_FRAMES;
    }

    /// Takes `count` frames in a row, the first of whose numbers is a multiple of `alignment`, a power of
    /// two, and also of the smallest power of two that is not below `count`.
    ///
    /// # Errors
    /// [`OutOfFrames`] if there are none that nobody was promised, or `count` is 0 or too large for a block
    /// of the allocator.
    pub(crate) fn take_run(&mut self, count: u64, alignment: u64) -> Result<FrameRange, OutOfFrames> {
        let size = count.max(alignment).checked_next_power_of_two();
        let size = size
            .filter(|&size| count > 0 && size <= LARGEST_BLOCK)
            .ok_or(OutOfFrames)?;
        let order = size.ilog2() as usize;
        self.gather();
        let broken = if self.buddy.has_between(order, BLOCK_ORDER) {
            0
        } else {
            count.div_ceil(BLOCK_FRAMES)
        };
        if self.free - self.promised < count || self.buddy.whole() - self.promised_blocks < broken {
            return Err(OutOfFrames);
        }
        let position = self.buddy.take_block(order).ok_or(OutOfFrames)?;
        self.buddy
            .give_back_range(position + count as usize, (size - count) as usize);
        self.free -= count;
        FrameRange::new(self.ram.frame(position), count).ok_or(OutOfFrames)
    }

    /// Gives frames in a row back, which were taken together or not.
    ///
    /// # Panics
    /// If one was never one of these frames.
    pub(crate) fn give_back_run(&mut self, run: FrameRange, _: &impl Unreachable) {
        self.buddy
            .give_back_range(self.position_of(run.start()), run.count() as usize);
        self.free += run.count();
    }

    /// # Panics
    /// If nothing is left.
    fn take_from_buddy(&mut self) -> usize {
        let block = if self.may_break_block(0) {
            self.buddy.take(0, ORDER_AT_HAND)
        } else {
            self.pool.pop_run().map(|run| (run.start(), run.count()))
        };
        let (start, count) = block.expect("promises never exceed what is free");
        let replaced = self.at_hand.push_run(Run::new(start + 1, count - 1));
        debug_assert!(replaced.is_none(), "nothing is at hand");
        start
    }

    /// Gives a frame back.
    ///
    /// # Panics
    /// If it was never one of these frames.
    pub(crate) fn give_back(&mut self, frame: Frame, _: &impl Unreachable) {
        let position = self.position_of(frame);
        debug_assert!(!self.is_position_free(position), "{frame:?} is free already");
        if let Some(run) = self.at_hand.push(position) {
            self.buddy.give_back_range(run.start(), run.count());
        }
        self.free += 1;
    }

    /// # Panics
    /// If `frame` is not RAM.
    fn position_of(&self, frame: Frame) -> usize {
        let position = self.ram.position(frame);
        position.expect("only frames that were taken are given back")
    }

    /// Gives what is at hand to the allocator.
    fn put_away(&mut self) {
        while let Some(run) = self.at_hand.pop_run() {
            self.buddy.give_back_range(run.start(), run.count());
        }
    }

    /// Gives the pool to the allocator.
    fn empty_pool(&mut self) {
        while let Some(run) = self.pool.pop_run() {
            self.buddy.give_back_range(run.start(), run.count());
        }
    }

    /// Gives the allocator what may be all that a block lacks: what is at hand, the pool, and spares, for which it takes
    /// frames from where blocks are broken up already.
    #[cold]
    fn gather(&mut self) {
        self.put_away();
        self.empty_pool();
        let mut lacking = 0;
        for frame in self.spares.iter().filter_map(Spare::take) {
            self.buddy.give_back(self.position_of(frame), 0);
            lacking += 1;
        }
        for spare in self.spares.iter().filter(|spare| !spare.is_there()).take(lacking) {
            // Of the smallest free block. None that is promised is broken up: more frames are free than promised.
            let position = self.buddy.take_block(0).expect("as many were given back");
            spare.give(self.ram.frame(position));
        }
    }

    /// Gives these CPUs, which have none, a spare each, as far as there are frames.
    pub(crate) fn give_spares(&mut self, spares: &'static [Spare]) {
        self.spares = spares;
        for spare in spares {
            let Ok(mut promise) = self.promise(1) else { return };
            spare.give(self.take(&mut promise));
        }
    }

    /// How many frames are spares.
    pub(crate) fn spares(&self) -> u64 {
        self.spares.iter().filter(|spare| spare.is_there()).count() as u64
    }

    /// Gives a frame back whose owner may need another one: `promise` grows by one.
    pub(crate) fn exchange(&mut self, frame: Frame, proof: &impl Unreachable, promise: &mut Promise) {
        self.give_back(frame, proof);
        self.promised += 1;
        promise.frames += 1;
    }
}

/// Whether frames are left that should be zeroed while nobody runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ahead {
    /// There are.
    More,
    /// All that is wanted is zeroed.
    Done,
}

#[cfg(test)]
mod tests;
