//! Threads that wait for a word of memory to change, and those that wake them.
//!
//! Each word that somebody waits for has a queue, found by its name in a tree whose ways are short whatever
//! programs choose; it goes with the last who waits. Looking at the word and joining the queue are one step
//! under a lock that whoever wakes takes as well: whoever changes the word and wakes it then finds everybody who
//! has seen it as it was (docs/decisions/0055-words-have-a-lock-of-their-own.md).
//!
//! Most requests are served while CPUs share the kernel (`direct.rs`), others with all of it (`at_length.rs`).

mod at_length;
mod direct;

use crate::kernel::gone;
use crate::queue::{Queue, Queued};
use crate::thread::ThreadId;
use abi::memory::{FOREVER, WaitWord, WakeAndWait, WakeWord};
use abi::{Errno, Label, Request};
use mm::mmu::Mmu;
use mm::{Sharing, SpaceId, WordName};
use slots::trie::{Below, Node, Trie};
use slots::{Id, Slot, Slots};

/// A word that somebody waits for.
pub struct AwaitedWord {
    name: WordName,
    pub(crate) waiters: Queue,
    below: Below<Self>,
}

impl Node for AwaitedWord {
    type Number = u128;

    fn number(&self) -> u128 {
        self.name.number()
    }

    fn below(&self) -> Below<Self> {
        self.below
    }

    fn below_mut(&mut self) -> &mut Below<Self> {
        &mut self.below
    }
}

/// All of them.
pub struct AwaitedWords {
    slots: Slots<AwaitedWord>,
    by_name: Trie<AwaitedWord>,
    queued: Queued,
}

impl AwaitedWords {
    /// With room for one a thread, and for as many threads that wait.
    pub fn new(slots: &'static mut [Slot<AwaitedWord>], queued: Queued) -> Self {
        Self {
            slots: Slots::new(slots),
            by_name: Trie::EMPTY,
            queued,
        }
    }

    /// The word with this name, if somebody waits for it.
    fn find(&self, name: WordName) -> Option<Id<AwaitedWord>> {
        self.by_name.find(&self.slots, name.number())
    }

    /// `thread`, which is in no queue, waits for the word with this name, which was `found` if somebody waits for it already.
    #[inline]
    fn push(
        &mut self,
        (name, found): (WordName, Option<Id<AwaitedWord>>),
        thread: ThreadId,
    ) -> Id<AwaitedWord> {
        let id = found.unwrap_or_else(|| self.insert(name));
        match self.slots.get_mut(id) {
            Some(word) => word.waiters.push(&mut self.queued, thread),
            None => gone(id),
        }
        id
    }

    fn insert(&mut self, name: WordName) -> Id<AwaitedWord> {
        let word = AwaitedWord {
            name,
            waiters: Queue::EMPTY,
            below: [None; 2],
        };
        let Ok(id) = self.slots.insert(word) else {
            panic!("more words are waited for than there are threads");
        };
        self.by_name.insert(&mut self.slots, id, name.number());
        id
    }

    /// The word, and the thread that has waited longest for it.
    fn first_of(&self, id: Id<AwaitedWord>) -> Option<(Id<AwaitedWord>, ThreadId)> {
        Some((id, self.slots.get(id)?.waiters.first()?))
    }

    /// `thread` does not wait for this word any more.
    pub(crate) fn remove(&mut self, id: Id<AwaitedWord>, thread: ThreadId) {
        if let Some(word) = self.slots.get_mut(id) {
            word.waiters.remove(&mut self.queued, thread);
            self.forget_unless_awaited(id);
        }
    }

    /// The thread that has waited longest for this word, if anybody does, waits no longer.
    #[inline]
    fn pop(&mut self, id: Id<AwaitedWord>) -> Option<ThreadId> {
        let first = self.slots.get_mut(id)?.waiters.pop(&mut self.queued)?;
        self.forget_unless_awaited(id);
        Some(first)
    }

    /// Whether several threads wait for this word.
    fn have_several(&self, id: Id<AwaitedWord>) -> bool {
        self.slots.get(id).is_some_and(|word| word.waiters.has_several())
    }

    /// Those who wait for this word, in the order in which they came.
    fn waiters(&self, id: Id<AwaitedWord>) -> impl Iterator<Item = ThreadId> + use<> {
        let word = self.slots.get(id);
        let waiters = word.map(|word| word.waiters.members_at(self.queued));
        waiters.into_iter().flatten()
    }

    #[inline]
    fn forget_unless_awaited(&mut self, id: Id<AwaitedWord>) {
        if let Some(word) = self.slots.get(id)
            && word.waiters.is_empty()
        {
            let number = word.number();
            self.forget(id, number);
        }
    }

    #[inline(never)] // so that a word that goes on being waited for does not pay for it
    fn forget(&mut self, id: Id<AwaitedWord>, number: u128) {
        self.by_name.remove(&mut self.slots, id, number);
        self.slots.remove(id);
    }

    /// For checks: the word a thread waits for.
    pub(crate) fn get(&self, id: Id<AwaitedWord>) -> Option<&AwaitedWord> {
        self.slots.get(id)
    }

    /// For checks: the queues of all words.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.slots.iter().map(|(_, word)| &word.waiters)
    }

    /// For checks: whether its name finds each word, and somebody waits for it.
    pub(crate) fn are_in_order(&self) -> bool {
        let mut words = self.slots.iter();
        words.all(|(id, word)| self.find(word.name) == Some(id) && !word.waiters.is_empty())
    }
}

/// What keeps a thread from waiting, or not.
struct Wait {
    expected: u32,
    deadline: u64,
}

impl Wait {
    /// Why a thread would not wait, if the word holds what was `found`, by a clock that is read only if it matters.
    fn refusal(&self, found: u32, ticks: impl FnOnce() -> u64) -> Option<Errno> {
        if found != self.expected {
            Some(Errno::EAGAIN)
        } else if self.deadline != FOREVER && self.deadline <= ticks() {
            Some(Errno::ETIMEDOUT)
        } else {
            None
        }
    }
}

/// The word at `address`, and what it holds.
fn word_with_value<M: Mmu>(
    memory: &mut Sharing<'_, M>,
    space: SpaceId,
    address: u64,
) -> Result<(WordName, u32), Errno> {
    let name = memory.word(space, address)?;
    Ok((name, memory.value(name)))
}

/// The words that a request is about: the one to be woken, and the one to wait for, with what it holds.
fn words_of_both<M: Mmu>(
    memory: &mut Sharing<'_, M>,
    space: SpaceId,
    both: &WakeAndWait,
) -> Result<(WordName, WordName, u32), Errno> {
    let woken = memory.word(space, both.woken)?;
    let name = if both.address == both.woken {
        woken
    } else {
        memory.word(space, both.address)?
    };
    Ok((woken, name, memory.value(name)))
}

/// Whether a request is one of these.
#[inline(always)] // into what is to be short
pub(crate) fn is_about_words(label: Label) -> bool {
    [WaitWord::LABEL, WakeWord::LABEL, WakeAndWait::LABEL].contains(&label)
}
