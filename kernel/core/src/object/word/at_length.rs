//! Requests about words with all of the kernel: those about threads that may not run where they are at home, those after which the next
//! one has work to be done, and all that come the long way.

use super::{AwaitedWord, Wait, word_with_value, words_of_both};
use crate::kernel::Kernel;
use crate::object::Outcome;
use crate::platform::{Guarded, MemoryLock, Platform};
use crate::thread::{State, ThreadId};
use abi::Errno;
use abi::memory::{FOREVER, MOST_WOKEN, WaitWord, WakeAndWait, WakeWord};
use mm::{SpaceId, WordName};
use slots::Id;

impl<P: Platform> Kernel<P> {
    pub(crate) fn wait_word(
        &mut self,
        thread: ThreadId,
        space: SpaceId,
        request: WaitWord,
    ) -> Result<Outcome, Errno> {
        let (name, found) = self
            .memory
            .share(|memory| word_with_value(memory, space, request.address))?;
        let wait = Wait {
            expected: request.expected,
            deadline: request.deadline,
        };
        self.wait_if(thread, (name, found), &wait)
    }

    pub(crate) fn wake_and_wait(
        &mut self,
        thread: ThreadId,
        space: SpaceId,
        both: WakeAndWait,
    ) -> Result<Outcome, Errno> {
        let (woken, name, found) = self.memory.share(|memory| words_of_both(memory, space, &both))?;
        // Before it could be the caller.
        let first = self.first_waiter(woken);
        let wait = Wait {
            expected: both.expected,
            deadline: both.deadline,
        };
        let outcome = self.wait_if(thread, (name, found), &wait);
        if let Some((word, waiter)) = first {
            self.words.lock().remove(word, waiter);
            self.forget_deadline(waiter);
            self.resume(waiter);
        }
        outcome
    }

    /// The word with this name and who has waited longest for it, if somebody does.
    fn first_waiter(&mut self, name: WordName) -> Option<(Id<AwaitedWord>, ThreadId)> {
        let words = self.words.lock();
        words.find(name).and_then(|word| words.first_of(word))
    }

    /// Lets `thread`, which runs, wait for the word of this name, if what was `found` in it does not speak against it.
    fn wait_if(
        &mut self,
        thread: ThreadId,
        (name, found): (WordName, u32),
        wait: &Wait,
    ) -> Result<Outcome, Errno> {
        match wait.refusal(found, || self.platform.ticks()) {
            // No refusal that could be put off until something else is done.
            Some(Errno::EAGAIN) => {
                self.fail(thread, Errno::EAGAIN);
                return Ok(Outcome::Answered);
            }
            Some(errno) => return Err(errno),
            None => {}
        }
        // What it finds when it is woken.
        self.answer(thread, ());
        let mut words = self.words.lock();
        let found = words.find(name);
        let word = words.push((name, found), thread);
        drop(words);
        self.thread(thread).state = State::WaitingWord(word);
        if wait.deadline != FOREVER {
            self.wait_until(thread, wait.deadline);
        }
        self.cpu().current = None;
        Ok(Outcome::Waits)
    }

    pub(crate) fn wake_word(
        &mut self,
        thread: ThreadId,
        space: SpaceId,
        wake: WakeWord,
    ) -> Result<Outcome, Errno> {
        let before = self.cpu().take_woken(thread);
        let named = self.memory.share(|memory| memory.word(space, wake.address));
        let most = wake.count.min(MOST_WOKEN).saturating_sub(before);
        let woken = match named {
            Ok(name) => self.wake_waiters(name, most),
            // It is too late to refuse it.
            Err(_) if before > 0 => 0,
            Err(errno) => return Err(errno),
        };
        Ok(self.answer(thread, (before + woken,)))
    }

    /// `thread` has waited for `word` until its deadline, and is not woken any more.
    pub(crate) fn give_up_word(&mut self, thread: ThreadId, word: Id<AwaitedWord>) {
        self.words.lock().remove(word, thread);
        self.fail(thread, Errno::ETIMEDOUT);
    }

    /// Wakes as many as there are, or as many as said. Answers how many.
    fn wake_waiters(&mut self, name: WordName, most: u32) -> u32 {
        let Some(word) = self.words.lock().find(name) else {
            return 0;
        };
        let mut woken = 0;
        while woken < most {
            let first = self.words.lock().pop(word);
            let Some(waiter) = first else { break };
            self.wake(waiter);
            woken += 1;
        }
        woken
    }
}
