//! Requests about words in one straight line: all whom they are about are at home on this CPU, or on one other one whose turn it has. Who
//! wakes several that are at home on more of them does so in as many steps.
//!
//! As in [`ipc::direct`](crate::ipc), nothing is decided here that the [long way](super::at_length) does not decide in the same
//! way: all checks come first, and nothing has happened if one of them says no.

use super::{AwaitedWord, AwaitedWords, Wait, word_with_value, words_of_both};
use crate::here::{Here, There};
use crate::ipc::{Direct, stay_here};
use crate::message::Message;
use crate::platform::{Local, MemoryLock, Nested};
use crate::sched::CpuId;
use crate::thread::{State, ThreadId};
use abi::memory::{FOREVER, MOST_WOKEN, WaitWord, WakeAndWait, WakeWord};
use abi::{Errno, Label, Request, Tag, Words, Words6};
use mm::mmu::Mmu;
use mm::{SpaceId, WordName};
use slots::Id;

/// A word that is waited for, and who has waited longest.
type First = (Id<AwaitedWord>, ThreadId);

/// What a word is called, and where it is if somebody waits for it already.
type Named = (WordName, Option<Id<AwaitedWord>>);

/// Who goes on, or why a request is refused.
type Served<Place> = Result<Direct<Place>, Errno>;

impl<L: Local> Here<'_, L> {
    /// Hands on the call of the running thread that [`Self::serve`] has found to be about words in `space`. [`Direct::Not`] if it
    /// is not as most are: then nothing has happened, and it is to be [served](crate::Kernel::serve_at_length) at length.
    pub fn ask_about_words<M: Mmu>(
        &mut self,
        locks: &mut impl Nested<M>,
        found: (ThreadId, SpaceId),
        tag: u64,
        words: &Words6,
    ) -> Direct<L::Place> {
        // Of a request before that did not come to its end.
        self.cpu.woken = None;
        // With bytes or handles it would be more than a label.
        let served = match u16::try_from(tag).map(Label) {
            Ok(WaitWord::LABEL) => {
                WaitWord::from_words(words).and_then(|wait| self.wait_word(locks, found, &wait))
            }
            Ok(label) => self.wake_a_word(locks, None, found, (label, words)),
            Err(_) => return Direct::Not,
        };
        self.answered(found, served)
    }

    /// The same with the turn of another CPU, which is about who is woken. [`Direct::At`] if there are others to be woken, on yet another
    /// CPU: then it is to be called again, with that one's turn.
    pub fn ask_about_words_with<M: Mmu>(
        &mut self,
        locks: &mut impl Nested<M>,
        there: &mut There<'_>,
        found: (ThreadId, SpaceId),
        tag: u64,
        words: &Words6,
    ) -> Direct<L::Place> {
        // It may have been ended while this CPU waited for the turns.
        if self.cpu.current != Some(found.0) {
            return Direct::Not;
        }
        let label = Label(tag as u16);
        let served = self.wake_a_word(locks, Some(there), found, (label, words));
        self.answered(found, served)
    }

    #[inline(always)] // this and what it calls, so that who wakes threads of its own CPU does not pay for others
    fn wake_a_word<M: Mmu>(
        &mut self,
        locks: &mut impl Nested<M>,
        there: Option<&mut There<'_>>,
        found: (ThreadId, SpaceId),
        (label, words): (Label, &Words6),
    ) -> Served<L::Place> {
        if label == WakeWord::LABEL {
            let wake = WakeWord::from_words(words)?;
            self.wake_word(locks, there, found, wake)
        } else {
            let both = WakeAndWait::from_words(words)?;
            self.wake_and_wait(locks, there, found, &both)
        }
    }

    fn answered(&mut self, (thread, _): (ThreadId, SpaceId), served: Served<L::Place>) -> Direct<L::Place> {
        match served {
            Ok(goes_on) => goes_on,
            // The space is gone, which is no answer of an object.
            Err(Errno::ESRCH) => Direct::Not,
            Err(errno) => Direct::Stays(self.answer(thread, Message::empty(Label(errno.number())))),
        }
    }

    fn wait_word<M: Mmu>(
        &mut self,
        locks: &mut impl Nested<M>,
        (thread, space): (ThreadId, SpaceId),
        request: &WaitWord,
    ) -> Served<L::Place> {
        let (mut words, mut memory) = locks.words();
        let (name, found) = memory.share(|memory| word_with_value(memory, space, request.address))?;
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
        let Some(goes_on) = self.make_way(thread) else {
            return Direct::Not;
        };
        self.join(words, queue, thread, deadline);
        goes_on.anywhere()
    }

    /// `thread`, in whose place another one goes on, waits for a word from now on.
    fn join(&mut self, words: &mut AwaitedWords, queue: Named, thread: ThreadId, deadline: u64) {
        // What it finds when it is woken.
        self.answer(thread, Message::empty(Label::DONE));
        let word = words.push(queue, thread);
        self.thread(thread).state = State::WaitingWord(word);
        if deadline != FOREVER {
            self.wait_until(thread, deadline);
        }
    }

    #[inline(always)]
    fn wake_word<M: Mmu>(
        &mut self,
        locks: &mut impl Nested<M>,
        there: Option<&mut There<'_>>,
        (thread, space): (ThreadId, SpaceId),
        wake: WakeWord,
    ) -> Served<L::Place> {
        let before = if there.is_some() {
            self.cpu.take_woken(thread)
        } else {
            0
        };
        let name = locks.memory().share(|memory| memory.word(space, wake.address));
        if before > 0 {
            let (mut words, _) = locks.words();
            return Ok(self.wake_more(&mut words, there, name.ok(), (thread, wake.count, before)));
        }
        let name = name?;
        let (mut words, _) = locks.words();
        let first = words.find(name).and_then(|word| words.first_of(word));
        let Some((word, first)) = first.filter(|_| wake.count > 0) else {
            return Ok(Direct::Stays(self.answer(thread, woken_message(&[0; 6]))));
        };
        if wake.count > 1 && words.have_several(word) {
            return Ok(self.wake_several(&mut words, there, word, (thread, wake.count, 0)));
        }
        Ok(self.wake_first_with(
            &mut words,
            there,
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
        (word, first): First,
        thread: ThreadId,
        answer: Message<'_>,
    ) -> Direct<L::Place> {
        let Some((waker, woken)) = self.threads.pair_mut(thread, first) else {
            return self.elsewhere(first).unwrap_or(Direct::Not);
        };
        if !stay_here(self.id, waker, woken) {
            return Direct::Not;
        }
        words.pop(word);
        self.forget_deadline(first);
        self.answer(thread, answer);
        let place = self.local.place(first.index());
        self.wake(thread, (first, place))
    }

    /// The same, if `first` may be at home on another CPU.
    #[inline(always)]
    fn wake_first_with(
        &mut self,
        words: &mut AwaitedWords,
        there: Option<&mut There<'_>>,
        (word, first): First,
        thread: ThreadId,
        answer: Message<'_>,
    ) -> Direct<L::Place> {
        if let Some(there) = there {
            if there.who_stays(first, self.shown).is_some() {
                words.pop(word);
                self.wake_there(there, first);
                return Direct::Stays(self.answer(thread, answer));
            }
            there.let_come(first, self.id);
        }
        self.wake_first(words, (word, first), thread, answer)
    }

    /// Goes on waking those who wait for the word with this name, if it has one still and anybody does.
    #[inline(never)] // so that who wakes threads of one other CPU does not pay for it
    fn wake_more(
        &mut self,
        words: &mut AwaitedWords,
        there: Option<&mut There<'_>>,
        name: Option<WordName>,
        (thread, most, woken): (ThreadId, u32, u32),
    ) -> Direct<L::Place> {
        match name.and_then(|name| words.find(name)) {
            Some(word) => self.wake_several(words, there, word, (thread, most, woken)),
            None => self.answer_how_many(thread, woken),
        }
    }

    /// Wakes the `most` who have waited longest for `word`, or as many as there are, of whom so many are woken already: first those who are
    /// at home on CPUs whose turns this one has.
    fn wake_several(
        &mut self,
        words: &mut AwaitedWords,
        mut there: Option<&mut There<'_>>,
        word: Id<AwaitedWord>,
        (thread, most, before): (ThreadId, u32, u32),
    ) -> Direct<L::Place> {
        let left = most.min(MOST_WOKEN).saturating_sub(before) as usize;
        let (mut woken, mut rest) = (before, None);
        for waiter in words.waiters(word).take(left) {
            let (here, home) = (self.id, self.threads.owner(waiter));
            let own = self.threads.get_mut(waiter);
            let theirs = there.as_deref_mut().filter(|there| home == there.id.owner());
            let (may_wait, is_here) = match (own, theirs) {
                (Some(waiter), _) => (waiter.may_run_on(here), true),
                (None, Some(there)) => (there.who_may_stay(waiter).is_some(), true),
                (None, None) => {
                    rest = rest.or_else(|| self.elsewhere(waiter));
                    (rest.is_some(), false)
                }
            };
            if !may_wait {
                self.cpu.woken = Some((thread, before));
                return Direct::Not;
            }
            woken += u32::from(is_here);
        }
        for _ in before..woken {
            self.wake_next(words, there.as_deref_mut(), word);
        }
        let Some(rest) = rest else {
            return self.answer_how_many(thread, woken);
        };
        self.cpu.woken = Some((thread, woken));
        if woken > before {
            // It shows that before others have this CPU's turn.
            self.answer_how_many(thread, woken);
        }
        rest
    }

    /// Wakes the first who waits for `word` and is at home on one of these CPUs.
    fn wake_next(&mut self, words: &mut AwaitedWords, there: Option<&mut There<'_>>, word: Id<AwaitedWord>) {
        let homes = [Some(self.id), there.as_ref().map(|there| there.id)].map(|cpu| cpu.map(CpuId::owner));
        let is_here = |&waiter: &ThreadId| homes.contains(&Some(self.threads.owner(waiter)));
        let Some(next) = words.waiters(word).find(is_here) else {
            return;
        };
        words.remove(word, next);
        match there {
            Some(there) if !self.threads.has(next) => self.wake_there(there, next),
            _ => self.make_ready(next),
        }
    }

    /// `thread` has woken so many, who may go on in its place or elsewhere.
    fn answer_how_many(&mut self, thread: ThreadId, woken: u32) -> Direct<L::Place> {
        let place = self.answer(thread, woken_message(&(woken,).into_words()));
        self.unless_outranked(thread, Direct::Stays(place))
    }

    /// `thread`, which waits for `word` and has waited until its deadline, does so no longer.
    pub(crate) fn stop_waiting_for_word(
        &mut self,
        words: &mut AwaitedWords,
        thread: ThreadId,
        word: Id<AwaitedWord>,
    ) {
        words.remove(word, thread);
        self.forget_deadline(thread);
        self.answer(thread, Message::empty(Label(Errno::ETIMEDOUT.number())));
    }

    #[inline(always)]
    fn wake_and_wait<M: Mmu>(
        &mut self,
        locks: &mut impl Nested<M>,
        there: Option<&mut There<'_>>,
        (thread, space): (ThreadId, SpaceId),
        both: &WakeAndWait,
    ) -> Served<L::Place> {
        let (mut words, mut memory) = locks.words();
        let (woken, name, found) = memory.share(|memory| words_of_both(memory, space, both))?;
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
                Ok(self.wake_first_with(&mut words, there, (word, first), thread, answer))
            }
            (Some((word, first)), None) => {
                let queue = if name == woken {
                    Some(word)
                } else {
                    words.find(name)
                };
                let both = ((word, first), (name, queue));
                let goes_on = self.pass(&mut words, there, both, (thread, wait.deadline));
                Ok(goes_on.unwrap_or(Direct::Not))
            }
        }
    }

    /// The `first` who waits for `word` goes on in place of `thread`, which joins this queue. `None` if somebody more
    /// important waits for the CPU, or it is not as it mostly is.
    fn pass(
        &mut self,
        words: &mut AwaitedWords,
        there: Option<&mut There<'_>>,
        ((word, first), queue): (First, Named),
        (thread, deadline): (ThreadId, u64),
    ) -> Option<Direct<L::Place>> {
        let ready = &self.cpu.ready;
        if let Some(there) = there
            && there
                .give(first, self.id, |to| !ready.outranks(Some(to.priority)))
                .is_none()
        {
            // It does not come, and goes on where it is.
            there.who_stays(first, self.shown)?;
            let goes_on = self.make_way(thread)?;
            self.join(words, queue, thread, deadline);
            words.remove(word, first);
            self.wake_there(there, first);
            return Some(goes_on.anywhere());
        }
        let Some((_, to)) = self.threads.pair_mut(thread, first) else {
            return self.elsewhere(first);
        };
        if !to.may_run_on(self.id) || ready.outranks(Some(to.priority)) {
            return None;
        }
        self.join(words, queue, thread, deadline);
        words.pop(word);
        self.forget_deadline(first);
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
