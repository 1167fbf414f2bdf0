//! Threads that wait for a word of memory to change, and those that wake them.
//!
//! Each word that somebody waits for has a queue, found by its name in a tree whose ways are short whatever
//! programs choose; it goes with the last who waits. Looking at the word and joining the queue are one step
//! under the kernel's lock, and so is waking: whoever changes the word and wakes it then finds everybody who
//! has seen it as it was.

use super::Outcome;
use crate::kernel::Kernel;
use crate::platform::{Guarded, Platform};
use crate::thread::{Queue, State, Thread, ThreadId};
use abi::Errno;
use abi::memory::{FOREVER, MOST_WOKEN, WaitWord, WakeAndWait, WakeWord};
use mm::{SpaceId, WordName};
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
pub(crate) struct AwaitedWords {
    slots: Slots<AwaitedWord>,
    by_name: Trie<AwaitedWord>,
}

impl AwaitedWords {
    /// With room for one a thread.
    pub fn new(slots: &'static mut [Slot<AwaitedWord>]) -> Self {
        Self {
            slots: Slots::new(slots),
            by_name: Trie::EMPTY,
        }
    }

    /// The word with this name, if somebody waits for it.
    fn find(&self, name: WordName) -> Option<Id<AwaitedWord>> {
        self.by_name.find(&self.slots, name.number())
    }

    /// `thread`, which is in no queue, waits for the word with this name.
    fn push(&mut self, threads: &mut Slots<Thread>, name: WordName, thread: ThreadId) -> Id<AwaitedWord> {
        let id = self.find(name).unwrap_or_else(|| self.insert(name));
        if let Some(word) = self.slots.get_mut(id) {
            word.waiters.push(threads, thread);
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

    /// The thread that has waited longest for this word.
    fn first(&self, id: Id<AwaitedWord>) -> Option<ThreadId> {
        self.slots.get(id)?.waiters.first()
    }

    /// `thread` does not wait for this word any more.
    pub fn remove(&mut self, threads: &mut Slots<Thread>, id: Id<AwaitedWord>, thread: ThreadId) {
        let Some(word) = self.slots.get_mut(id) else {
            return;
        };
        word.waiters.remove(threads, thread);
        if word.waiters.is_empty() {
            let number = word.number();
            self.by_name.remove(&mut self.slots, id, number);
            self.slots.remove(id);
        }
    }

    /// For checks: the word a thread waits for.
    pub fn get(&self, id: Id<AwaitedWord>) -> Option<&AwaitedWord> {
        self.slots.get(id)
    }

    /// For checks: the queues of all words.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.slots.iter().map(|(_, word)| &word.waiters)
    }

    /// For checks: whether its name finds each word, and somebody waits for it.
    pub fn are_in_order(&self) -> bool {
        let mut words = self.slots.iter();
        words.all(|(id, word)| self.find(word.name) == Some(id) && !word.waiters.is_empty())
    }
}

impl<P: Platform> Kernel<P> {
    pub(super) fn wait_word(
        &mut self,
        thread: ThreadId,
        space: SpaceId,
        wait: WaitWord,
    ) -> Result<Outcome, Errno> {
        let memory = self.memory.lock();
        let name = memory.word(space, wait.address)?;
        let found = memory.value(name);
        drop(memory);
        self.wait_if(thread, name, found == wait.expected, wait.deadline)
    }

    pub(super) fn wake_and_wait(
        &mut self,
        thread: ThreadId,
        space: SpaceId,
        both: WakeAndWait,
    ) -> Result<Outcome, Errno> {
        let memory = self.memory.lock();
        let woken = memory.word(space, both.woken)?;
        let name = if both.address == both.woken {
            woken
        } else {
            memory.word(space, both.address)?
        };
        let found = memory.value(name);
        drop(memory);
        // Before it could be the caller.
        let first = self.words.find(woken);
        let first = first.and_then(|word| Some((word, self.words.first(word)?)));
        let outcome = self.wait_if(thread, name, found == both.expected, both.deadline);
        if let Some((word, waiter)) = first {
            self.words.remove(&mut self.threads, word, waiter);
            self.forget_deadline(waiter);
            self.resume(waiter);
        }
        outcome
    }

    /// Lets `thread`, which runs, wait for the word of this name, if that is as was `expected`.
    fn wait_if(
        &mut self,
        thread: ThreadId,
        name: WordName,
        is_expected: bool,
        deadline: u64,
    ) -> Result<Outcome, Errno> {
        if !is_expected {
            // No refusal that could be put off until something else is done.
            self.fail(thread, Errno::EAGAIN);
            return Ok(Outcome::Answered);
        }
        if deadline <= self.platform.ticks() {
            return Err(Errno::ETIMEDOUT);
        }
        // What it finds when it is woken.
        self.answer(thread, ());
        let word = self.words.push(&mut self.threads, name, thread);
        self.thread(thread).state = State::WaitingWord(word);
        if deadline != FOREVER {
            self.wait_until(thread, deadline);
        }
        self.cpu().current = None;
        Ok(Outcome::Waits)
    }

    pub(super) fn wake_word(
        &mut self,
        thread: ThreadId,
        space: SpaceId,
        wake: WakeWord,
    ) -> Result<Outcome, Errno> {
        let name = self.memory.lock().word(space, wake.address)?;
        let woken = match self.words.find(name) {
            Some(word) => self.wake_waiters(word, wake.count.min(MOST_WOKEN)),
            None => 0,
        };
        Ok(self.answer(thread, (woken,)))
    }

    /// `thread` has waited for `word` until its deadline, and is not woken any more.
    pub(crate) fn give_up_word(&mut self, thread: ThreadId, word: Id<AwaitedWord>) {
        self.words.remove(&mut self.threads, word, thread);
        self.fail(thread, Errno::ETIMEDOUT);
    }

    /// Wakes as many as there are, or as many as said. Answers how many.
    fn wake_waiters(&mut self, word: Id<AwaitedWord>, most: u32) -> u32 {
        let mut woken = 0;
        while woken < most
            && let Some(waiter) = self.words.first(word)
        {
            self.words.remove(&mut self.threads, word, waiter);
            self.wake(waiter);
            woken += 1;
        }
        woken
    }
}
