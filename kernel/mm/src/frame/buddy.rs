//! The page allocator: a binary buddy system over bit trees.
//!
//! Free memory is a set of aligned blocks of 1, 2, 4 ... 512 frames. For each size there is a
//! bit tree of the free blocks of that size; a quarter of a byte a frame is all the room this
//! takes, where linked lists would need eight bytes (1 MiB for a machine of 512 MiB). Giving out
//! and taking back touch each size at most once. The lowest free block goes first, which keeps
//! what is in use together.

use super::bits::BitTree;

/// Sizes of blocks: 2^0 to 2^9 frames (4 KiB to 2 MiB, what a level-2 block maps).
pub(super) const ORDERS: usize = 10;

pub(super) struct Buddy {
    /// Free blocks by order; a block's number is its position divided by its size.
    free: [BitTree; ORDERS],
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

    /// An allocator for `positions` frames, a multiple of the largest block, none of them free.
    pub fn new(words: &'static mut [u64], positions: usize) -> Self {
        let mut rest = words;
        let free = core::array::from_fn(|order| {
            let bound = positions >> order;
            let (tree, others) = core::mem::take(&mut rest).split_at_mut(BitTree::words_for(bound));
            rest = others;
            BitTree::new(tree, bound)
        });
        Self { free }
    }

    /// Takes the smallest block there is, the lowest of these, but no more of it than 2^`most`
    /// frames. Answers its position and how many frames it has.
    pub fn take(&mut self, most: usize) -> Option<(usize, usize)> {
        let (order, block) = self
            .free
            .iter()
            .enumerate()
            .find_map(|(order, tree)| tree.first().map(|block| (order, block)))?;
        self.free[order].remove(block);
        let position = block << order;
        // The upper half of what is too large goes back, at each size on the way down.
        for smaller in (most..order).rev() {
            self.free[smaller].insert((position >> smaller) + 1);
        }
        Some((position, 1 << order.min(most)))
    }

    /// Gives a block of 2^`order` frames back, joined with its free buddies.
    pub fn give_back(&mut self, position: usize, order: usize) {
        let (mut order, mut block) = (order, position >> order);
        while order < ORDERS - 1 && self.free[order].contains(block ^ 1) {
            self.free[order].remove(block ^ 1);
            block /= 2;
            order += 1;
        }
        self.free[order].insert(block);
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

    /// The order of the largest free block.
    #[cfg(test)]
    pub fn largest_free(&self) -> Option<usize> {
        (0..ORDERS)
            .rev()
            .find(|&order| self.free[order].first().is_some())
    }
}
