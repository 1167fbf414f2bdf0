//! Requests about words in one straight line: all whom they are about are at home on this CPU.
//!
//! As in [`ipc::direct`](crate::ipc), nothing is decided here that the [long way](super::at_length) does not decide in the same
//! way: all checks come first, and nothing has happened if one of them says no.

use super::{AwaitedWord, AwaitedWords, Wait, words_of_both};
use crate::here::Here;
use crate::ipc::{Direct, stay_here};
use crate::message::Message;
use crate::platform::{Guarded, Local, Nested};
use crate::thread::{State, ThreadId};
use abi::memory::{FOREVER, MOST_WOKEN, WaitWord, WakeAndWait, WakeWord};
use abi::{Errno, Label, Request, Tag, Words, Words6};
use mm::mmu::Mmu;
use mm::{MemoryManager, SpaceId, WordName};
use slots::Id;

/// Who goes on, or why a request is refused.
type Served<Place> = Result<Direct<Place>, Errno>;

impl<L: Local> Here<'_, L> {
    /// Hands on the call of the running thread that [`Self::serve`] has found to be about words in `space`. [`Direct::Not`] if it
    /// is not as most are: then nothing has happened, and it is to be [served](crate::Kernel::serve_at_length) at length.
    pub fn ask_about_words<M: Mmu>(
        &mut self,
        locks: &mut impl Nested<AwaitedWords, MemoryManager<M>>,
        (thread, space): (ThreadId, SpaceId),
        tag: u64,
        words: &Words6,
    ) -> Direct<L::Place> {
        // With bytes or handles it would be more than a label.
        let Ok(label) = u16::try_from(tag).map(Label) else {
            return Direct::Not;
        };
        let served = match label {
            WaitWord::LABEL => {
                WaitWord::from_words(words).and_then(|wait| self.wait_word(locks, (thread, space), &wait))
            }
            WakeWord::LABEL => {
                WakeWord::from_words(words).and_then(|wake| self.wake_word(locks, (thread, space), wake))
            }
            _ => WakeAndWait::from_words(words)
                .and_then(|both| self.wake_and_wait(locks, (thread, space), &both)),
        };
        match served {
            Ok(goes_on) => goes_on,
            // The space is gone, which is no answer of an object.
            Err(Errno::ESRCH) => Direct::Not,
            Err(errno) => Direct::Stays(self.answer(thread, Message::empty(Label(errno.number())))),
        }
    }

    fn wait_word<M: Mmu>(
        &mut self,
        locks: &mut impl Nested<AwaitedWords, MemoryManager<M>>,
        (thread, space): (ThreadId, SpaceId),
        request: &WaitWord,
    ) -> Served<L::Place> {
        let (mut words, mut memory) = locks.outer();
        let memory = memory.lock();
        let name = memory.word(space, request.address)?;
        let found = memory.value(name);
        drop(memory);
        let wait = Wait {
            expected: request.expected,
            deadline: request.deadline,
        };
        match wait.refusal(found, || self.local.ticks()) {
            Some(errno) => Err(errno),
            None => Ok(self.wait(&mut words, thread, name, wait.deadline)),
        }
    }

    /// Lets `thread` wait for the word with this name, and the next one go on, who may have been interrupted anywhere.
    fn wait(
        &mut self,
        words: &mut AwaitedWords,
        thread: ThreadId,
        name: WordName,
        deadline: u64,
    ) -> Direct<L::Place> {
        let queue = (name, words.find(name));
        if !self.can_join(words, queue.1) {
            return Direct::Not;
        }
        let Some(goes_on) = self.make_way(thread) else {
            return Direct::Not;
        };
        self.join(words, queue, thread, deadline);
        goes_on.anywhere()
    }

    /// Whether it can be said to who would be in front of a thread of this CPU that it is.
    fn can_join(&mut self, words: &AwaitedWords, word: Option<Id<AwaitedWord>>) -> bool {
        let last = word.and_then(|word| words.last(word));
        last.is_none_or(|last| self.threads.has(last))
    }

    /// `thread`, in whose place another one goes on, waits for a word from now on.
    fn join(
        &mut self,
        words: &mut AwaitedWords,
        queue: (WordName, Option<Id<AwaitedWord>>),
        thread: ThreadId,
        deadline: u64,
    ) {
        // What it finds when it is woken.
        self.answer(thread, Message::empty(Label::DONE));
        let word = words.push(&mut self.threads, queue, thread);
        self.thread(thread).state = State::WaitingWord(word);
        if deadline != FOREVER {
            self.wait_until(thread, deadline);
        }
    }

    fn wake_word<M: Mmu>(
        &mut self,
        locks: &mut impl Nested<AwaitedWords, MemoryManager<M>>,
        (thread, space): (ThreadId, SpaceId),
        wake: WakeWord,
    ) -> Served<L::Place> {
        let name = locks.inner().lock().word(space, wake.address)?;
        let (mut words, _) = locks.outer();
        let first = words.find(name).and_then(|word| words.first_of(word));
        let Some((word, first)) = first.filter(|_| wake.count > 0) else {
            return Ok(Direct::Stays(self.answer(thread, woken_message(&[0; 6]))));
        };
        if wake.count > 1 && words.last(word) != Some(first) {
            return Ok(self.wake_several(&mut words, word, thread, wake.count.min(MOST_WOKEN)));
        }
        Ok(self.wake_first(
            &mut words,
            (word, first),
            thread,
            woken_message(&(1_u32,).into_words()),
        ))
    }

    /// Lets the `first` who waits for `word` go on, and answers `thread`, which has woken it, with this.
    #[inline(never)] // one for both
    fn wake_first(
        &mut self,
        words: &mut AwaitedWords,
        (word, first): (Id<AwaitedWord>, ThreadId),
        thread: ThreadId,
        answer: Message<'_>,
    ) -> Direct<L::Place> {
        if !self.can_wake(thread, first) {
            return Direct::Not;
        }
        self.take_out(words, word, first);
        self.answer(thread, answer);
        let place = self.local.place(first.index());
        self.wake(thread, (first, place))
    }

    /// Wakes `most` who wait for `word`, or as many as there are: more than one.
    fn wake_several(
        &mut self,
        words: &mut AwaitedWords,
        word: Id<AwaitedWord>,
        thread: ThreadId,
        most: u32,
    ) -> Direct<L::Place> {
        let Some(woken) = self.can_all_wait_here(words.first_of(word), most) else {
            return Direct::Not;
        };
        for _ in 0..woken {
            if let Some((word, first)) = words.first_of(word) {
                self.take_out(words, word, first);
                self.thread(first).state = State::Ready;
                self.cpu.ready.push(&mut self.threads, first);
            }
        }
        let place = self.answer(thread, woken_message(&(woken,).into_words()));
        self.unless_outranked(thread, Direct::Stays(place))
    }

    /// How many those who wait for a word are, from the `first` on, and `most` at most; `None` unless all of them are this
    /// CPU's, and may wait for it.
    fn can_all_wait_here(&mut self, first: Option<(Id<AwaitedWord>, ThreadId)>, most: u32) -> Option<u32> {
        let here = self.id;
        let (mut next, mut count) = (first.map(|(_, first)| first), 0);
        while let Some(waiter) = next
            && count < most
        {
            let waiter = self.threads.get_mut(waiter)?;
            if !waiter.may_run_on(here) {
                return None;
            }
            (next, count) = (waiter.behind(), count + 1);
        }
        Some(count)
    }

    /// Whether `woken` is this CPU's, and `thread`, which wakes it, and it go on here.
    fn can_wake(&mut self, thread: ThreadId, woken: ThreadId) -> bool {
        let pair = self.threads.pair_mut(thread, woken);
        pair.is_some_and(|(waker, woken)| stay_here(self.id, waker, woken))
    }

    /// `first`, which this CPU has, waits for the word no longer.
    fn take_out(&mut self, words: &mut AwaitedWords, word: Id<AwaitedWord>, first: ThreadId) {
        words.take_first(word, self.thread(first));
        self.forget_deadline(first);
    }

    /// `thread`, which waits for `word` and has waited until its deadline, does so no longer. `false`, and nothing has happened,
    /// if others wait before it.
    pub(crate) fn stop_waiting_for_word(
        &mut self,
        words: &mut AwaitedWords,
        thread: ThreadId,
        word: Id<AwaitedWord>,
    ) -> bool {
        if words.first_of(word) != Some((word, thread)) {
            return false;
        }
        self.take_out(words, word, thread);
        self.answer(thread, Message::empty(Label(Errno::ETIMEDOUT.number())));
        true
    }

    fn wake_and_wait<M: Mmu>(
        &mut self,
        locks: &mut impl Nested<AwaitedWords, MemoryManager<M>>,
        (thread, space): (ThreadId, SpaceId),
        both: &WakeAndWait,
    ) -> Served<L::Place> {
        let (mut words, mut memory) = locks.outer();
        let (woken, name, found) = words_of_both(&memory.lock(), space, both)?;
        let wait = Wait {
            expected: both.expected,
            deadline: both.deadline,
        };
        let refusal = wait.refusal(found, || self.local.ticks());
        let first = words.find(woken).and_then(|word| words.first_of(word));
        match (first, refusal) {
            (None, Some(errno)) => Err(errno),
            (None, None) => Ok(self.wait(&mut words, thread, name, wait.deadline)),
            (Some((word, first)), Some(errno)) => {
                let answer = Message::empty(Label(errno.number()));
                Ok(self.wake_first(&mut words, (word, first), thread, answer))
            }
            (Some((word, first)), None) => {
                let queue = if name == woken {
                    Some(word)
                } else {
                    words.find(name)
                };
                let goes_on = self.pass(&mut words, (word, first), (name, queue), (thread, wait.deadline));
                Ok(goes_on.unwrap_or(Direct::Not))
            }
        }
    }

    /// The `first` who waits for `word` goes on in place of `thread`, which joins this queue. `None` if somebody more
    /// important waits for the CPU, or it is not as it mostly is.
    fn pass(
        &mut self,
        words: &mut AwaitedWords,
        (word, first): (Id<AwaitedWord>, ThreadId),
        queue: (WordName, Option<Id<AwaitedWord>>),
        (thread, deadline): (ThreadId, u64),
    ) -> Option<Direct<L::Place>> {
        let (_, to) = self.threads.pair_mut(thread, first)?;
        if !to.may_run_on(self.id) || self.cpu.ready.outranks(Some(to.priority)) {
            return None;
        }
        if !self.can_join(words, queue.1) {
            return None;
        }
        self.join(words, queue, thread, deadline);
        self.take_out(words, word, first);
        let (from, to) = self.threads.pair_mut(thread, first)?;
        let priorities = [from.priority, to.priority];
        let place = self.local.place(first.index());
        let goes_on = self.cpu.switch(from, (first, to, place), self.local);
        Some(self.switched(priorities, goes_on))
    }
}

/// The answer to who has woken so many.
fn woken_message(words: &Words6) -> Message<'_> {
    let tag = Tag::new(Label::DONE);
    Message { tag, words }
}
