//! The page allocator: a binary buddy system over bit trees.
//!
//! Free memory is a set of aligned blocks of 1, 2, 4 ... 2^18 frames. For each size there is a
//! bit tree of the free blocks of that size; a quarter of a byte a frame is all the room this
//! takes, where linked lists would need eight bytes (1 MiB for a machine of 512 MiB). Giving out
//! and taking back touch each size at most once. The lowest free block goes first, which keeps
//! what is in use together.

use super::bits::BitTree;

/// Sizes of blocks: 2^0 to 2^18 frames (4 KiB to 1 GiB, what a level-1 block maps).
pub(super) const ORDERS: usize = 19;

/// The order of what a level-2 block maps: 2 MiB.
pub(super) const BLOCK_ORDER: usize = 9;

pub(super) struct Buddy {
    /// Free blocks by order; a block's number is its position divided by its size.
    free: [BitTree; ORDERS],
    /// Bit `n` says that there is a free block of order `n`.
    orders: u32,
    /// Free blocks of 2 MiB, those in larger ones included.
    whole: u64,
}

impl Buddy {
    /// How many words an allocator for `positions` frames needs.
    pub const fn words_for(positions: usize) -> usize {
        let (mut order, mut sum) = (0, 0);
        while order < ORDERS {
            sum += BitTree::words_for(positions >> order);
            order += 1;
        }
        sum
    }

    /// An allocator for `positions` frames, none of them free.
    pub fn new(words: &'static mut [u64], positions: usize) -> Self {
        let mut rest = words;
        let free = core::array::from_fn(|order| {
            let bound = positions >> order;
            let (tree, others) = core::mem::take(&mut rest).split_at_mut(BitTree::words_for(bound));
            rest = others;
            BitTree::new(tree, bound)
        });
        Self {
            free,
            orders: 0,
            whole: 0,
        }
    }

    /// Takes the smallest block there is of 2^`least` frames or more, the lowest of these, but no more of it
    /// than 2^`most` frames. Answers its position and how many frames it has.
    pub fn take(&mut self, least: usize, most: usize) -> Option<(usize, usize)> {
        let (position, order) = self.take_at_least(least)?;
        let kept = order.min(most);
        self.give_back_upper_halves(position, order, kept);
        Some((position, 1 << kept))
    }

    /// Takes a block of 2^`order` frames, from the smallest that includes one. Answers its position.
    pub fn take_block(&mut self, order: usize) -> Option<usize> {
        self.take(order, order).map(|(position, _)| position)
    }

    /// Takes the smallest block of 2^`least` frames or more out, the lowest of these. Answers its
    /// position and order.
    fn take_at_least(&mut self, least: usize) -> Option<(usize, usize)> {
        let order = (self.orders & (u32::MAX << least)).trailing_zeros() as usize;
        let block = self.free.get(order)?.first()?;
        self.remove(order, block);
        Some((block << order, order))
    }

    /// Gives back what a block of order `order` has beyond its first 2^`kept` frames: the upper half
    /// at each size on the way down.
    fn give_back_upper_halves(&mut self, position: usize, order: usize, kept: usize) {
        for smaller in (kept..order).rev() {
            self.insert(smaller, (position >> smaller) + 1);
        }
    }

    /// Gives a block of 2^`order` frames back, joined with its free buddies.
    pub fn give_back(&mut self, position: usize, order: usize) {
        let (mut order, mut block) = (order, position >> order);
        while order < ORDERS - 1 && self.free[order].contains(block ^ 1) {
            self.remove(order, block ^ 1);
            block /= 2;
            order += 1;
        }
        self.insert(order, block);
    }

    /// Gives `count` frames from `position` on back, in blocks as large as possible.
    pub fn give_back_range(&mut self, position: usize, count: usize) {
        let (mut position, end) = (position, position + count);
        while position < end {
            let aligned = position.trailing_zeros().min(ORDERS as u32 - 1);
            let fits = (end - position).ilog2();
            let order = aligned.min(fits) as usize;
            self.give_back(position, order);
            position += 1 << order;
        }
    }

    /// Whether a block that includes `position` is free.
    pub fn is_free(&self, position: usize) -> bool {
        self.free
            .iter()
            .enumerate()
            .any(|(order, tree)| tree.contains(position >> order))
    }

    /// Whether there is a free block of 2^`order` frames or more that is smaller than one of 2^`below`.
    pub const fn has_between(&self, order: usize, below: usize) -> bool {
        self.orders & !(u32::MAX << below) & (u32::MAX << order) != 0
    }

    /// How many blocks of 2 MiB are free, those in larger ones included.
    pub const fn whole(&self) -> u64 {
        self.whole
    }

    /// The order of the largest free block.
    #[cfg(test)]
    pub const fn largest_free(&self) -> Option<u32> {
        self.orders.checked_ilog2()
    }

    fn insert(&mut self, order: usize, block: usize) {
        self.free[order].insert(block);
        self.orders |= 1 << order;
        self.whole += whole_in(order);
    }

    fn remove(&mut self, order: usize, block: usize) {
        self.free[order].remove(block);
        self.orders &= !(u32::from(self.free[order].is_empty()) << order);
        self.whole -= whole_in(order);
    }
}

/// Blocks of 2 MiB in a block of 2^`order` frames.
const fn whole_in(order: usize) -> u64 {
    (1 << order) >> BLOCK_ORDER
}
