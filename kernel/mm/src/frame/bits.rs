//! A set of small numbers in which the lowest is found in a few steps.
//!
//! Level 0 has a bit for each number. Each level above has a bit for each word of the level
//! below, set when that word is not zero. The top level is one word, so the lowest number is
//! found by one count of trailing zeroes a level, however large the set is.

/// Levels for more numbers than a `u32` can count.
const MOST_LEVELS: usize = 6;
const WORD_BITS: usize = 64;

/// A set of numbers below a bound, in words that somebody else provides.
pub(super) struct BitTree {
    words: &'static mut [u64],
    /// Where each level starts in `words`.
    starts: [usize; MOST_LEVELS],
    depth: usize,
    bound: usize,
}

impl BitTree {
    /// How many words a set of numbers below `bound` needs.
    pub const fn words_for(bound: usize) -> usize {
        let mut level = words_of_level(bound);
        let mut sum = level;
        while level > 1 {
            level = words_of_level(level);
            sum += level;
        }
        sum
    }

    /// An empty set of numbers below `bound`.
    ///
    /// # Panics
    /// If `words` are not as many as [`words_for`](Self::words_for) says.
    pub fn new(words: &'static mut [u64], bound: usize) -> Self {
        assert_eq!(words.len(), Self::words_for(bound), "words of a bit tree");
        words.fill(0);
        let mut starts = [0; MOST_LEVELS];
        let (mut depth, mut level) = (1, words_of_level(bound));
        while level > 1 {
            starts[depth] = starts[depth - 1] + level;
            level = words_of_level(level);
            depth += 1;
        }
        Self {
            words,
            starts,
            depth,
            bound,
        }
    }

    /// Puts `number` in.
    pub fn insert(&mut self, number: usize) {
        let mut index = number;
        for start in &self.starts[..self.depth] {
            let word = &mut self.words[start + index / WORD_BITS];
            let was_empty = *word == 0;
            *word |= 1 << (index % WORD_BITS);
            if !was_empty {
                return;
            }
            index /= WORD_BITS;
        }
    }

    /// Takes `number` out, if it is in.
    pub fn remove(&mut self, number: usize) {
        let mut index = number;
        for start in &self.starts[..self.depth] {
            let word = &mut self.words[start + index / WORD_BITS];
            *word &= !(1 << (index % WORD_BITS));
            if *word != 0 {
                return;
            }
            index /= WORD_BITS;
        }
    }

    /// Whether `number` is in, which none from the bound on ever is.
    pub fn contains(&self, number: usize) -> bool {
        number < self.bound && self.words[number / WORD_BITS] & 1 << (number % WORD_BITS) != 0
    }

    /// Whether no number is in.
    pub fn is_empty(&self) -> bool {
        self.words[self.starts[self.depth - 1]] == 0
    }

    /// The lowest number in the set.
    pub fn first(&self) -> Option<usize> {
        let mut index = 0;
        for start in self.starts[..self.depth].iter().rev() {
            let word = self.words[start + index];
            if word == 0 {
                return None;
            }
            index = index * WORD_BITS + word.trailing_zeros() as usize;
        }
        Some(index)
    }
}

/// Words for `bits` bits, at least one.
const fn words_of_level(bits: usize) -> usize {
    if bits == 0 { 1 } else { bits.div_ceil(WORD_BITS) }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::BitTree;
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use std::collections::BTreeSet;
    use std::vec;

    fn tree(bound: usize) -> BitTree {
        BitTree::new(vec![!0; BitTree::words_for(bound)].leak(), bound)
    }

    #[test]
    fn a_set_with_one_number_at_each_place_finds_it() {
        for bound in [1, 63, 64, 65, 4096, 4097, 300_000] {
            let mut set = tree(bound);
            assert_eq!(set.first(), None);
            for number in (0..bound).step_by(bound.div_ceil(500)).chain([bound - 1]) {
                set.insert(number);
                assert_eq!(set.first(), Some(number));
                set.remove(number);
                assert_eq!(set.first(), None, "{number} of {bound}");
            }
            assert!((0..200).all(|beyond| !set.contains(bound + beyond)));
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_an_ordered_set_holds(steps in proptest::collection::vec((any::<bool>(), 0usize..9000), 1..300)) {
            let mut set = tree(9000);
            let mut reference = BTreeSet::new();
            for (insert, number) in steps {
                if insert {
                    set.insert(number);
                    reference.insert(number);
                } else {
                    set.remove(number);
                    reference.remove(&number);
                }
                prop_assert_eq!(set.first(), reference.first().copied());
                prop_assert_eq!(set.is_empty(), reference.is_empty());
                prop_assert_eq!(set.contains(number), reference.contains(&number));
            }
        }
    }
}
