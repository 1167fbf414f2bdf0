//! Time as the scheduler sees it: slices, and until when threads wait.
//!
//! The timer of a CPU is set to what comes first, the end of the slice or a deadline, or to something earlier:
//! what is put off, or not waited for any more, does not set it anew, so at worst it comes once in vain. While
//! nobody else wants the CPU no slice runs, and while nobody waits for a time either, no timer.

use crate::clock::Clock;
use crate::heap::{Place, Places};
use crate::here::{Here, There};
use crate::kernel::{Kernel, gone};
use crate::message::Message;
use crate::platform::{Local, Nested, Platform};
use crate::sched::Cpu;
use crate::thread::{State, Thread, ThreadId, Threads};
use abi::{IpcError, Label};
use core::iter::successors;
use mm::mmu::Mmu;
use slots::Slots;

/// In place of a time that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// A time slice is this part of a second.
const SLICES_PER_SECOND: u64 = 100;

/// Most deadlines that are served at a time. The interrupt of the next comes at once.
const MOST_AT_A_TIME: usize = 16;

/// Where threads have their places among those that wait until a time, by that time in ticks of the system counter. Each CPU
/// has a heap of the threads whose home it is.
struct Deadlines<'a, T>(&'a mut T);

impl<T: Threads> Places for Deadlines<'_, T> {
    fn of(&mut self, thread: ThreadId) -> &Place {
        match self.0.find(thread) {
            Some(thread) => &thread.deadline,
            None => gone(thread),
        }
    }
}

/// The same, to look at. For checks.
#[derive(Clone, Copy)]
pub(crate) struct DeadlinesOf<'a>(pub &'a Slots<Thread>);

impl Places for DeadlinesOf<'_> {
    fn of(&mut self, thread: ThreadId) -> &Place {
        match self.0.get(thread) {
            Some(thread) => &thread.deadline,
            None => gone(thread),
        }
    }
}

impl Cpu {
    /// How many ticks are left of the slice of the running thread; `None` if it has no slice, since nobody waits.
    #[inline]
    pub(crate) fn rest_of_slice(&self, local: &impl Local) -> Option<u64> {
        (self.slice_end != NEVER).then(|| self.slice_end.saturating_sub(local.ticks()))
    }
}

impl<L: Local> Here<'_, L> {
    /// The current thread is one that has waited until now, with this `rest` of an earlier slice.
    #[inline(always)] // as below
    pub(crate) fn begin_turn(&mut self, rest: Option<u64>) {
        (self.cpu.slice_end, self.cpu.chooses) = (NEVER, false);
        if self.cpu.needs_slice() {
            self.start_slice(rest);
        }
    }

    /// The running thread has the CPU for a time slice from now on, or for the `rest` of one in ticks, as others
    /// want it, too.
    #[inline(always)] // so that this is not in memory for it
    pub(crate) fn start_slice(&mut self, rest: Option<u64>) {
        self.cpu.start_slice(self.clock, self.local, rest);
    }

    /// Lets `thread`, which runs here and waits from now on as its state says, wait no longer than until
    /// `deadline`, in ticks of the system counter as programs read it: then [`Kernel::pass_deadline`] comes,
    /// soon if that time has passed already. Until then it is to be forgotten when the thread stops waiting.
    pub(crate) fn wait_until(&mut self, thread: ThreadId, deadline: u64) {
        self.cpu
            .deadlines
            .insert(Deadlines(&mut self.threads), thread, deadline);
        self.set_timer(deadline);
    }

    /// `thread`, which is at home here, does not wait any longer: its deadline, if it has one, does not come.
    #[inline]
    pub(crate) fn forget_deadline(&mut self, thread: ThreadId) {
        if self.thread(thread).deadline.is_taken() {
            self.take_deadline_back(thread);
        }
    }

    #[cold]
    fn take_deadline_back(&mut self, thread: ThreadId) {
        self.cpu.deadlines.remove(Deadlines(&mut self.threads), thread);
    }

    /// When that is; `None` if `thread` waits until no particular time.
    pub(crate) fn deadline(&mut self, thread: ThreadId) -> Option<u64> {
        let deadline = &self.thread(thread).deadline;
        deadline.is_taken().then(|| deadline.key())
    }

    /// The timer of this CPU comes at `time` at the latest.
    fn set_timer(&mut self, time: u64) {
        self.cpu.set_timer(self.local, time);
    }

    /// Sets the timer, which may have come, to what is next.
    pub(super) fn restore_timer(&mut self) {
        let deadline = self.next_deadline().map_or(NEVER, |(_, deadline)| deadline);
        self.set_timer(deadline.min(self.cpu.slice_end));
    }

    /// Who of those that wait until a time goes on first, and when.
    fn next_deadline(&mut self) -> Option<(ThreadId, u64)> {
        let first = self.cpu.deadlines.top()?;
        Some((first, self.thread(first).deadline.key()))
    }

    /// The timer of this CPU has come. `false`, and what is due then is so still, if something takes the whole kernel.
    pub(super) fn timer<M: Mmu>(&mut self, locks: &mut impl Nested<M>) -> bool {
        self.cpu.timer = NEVER;
        let now = self.local.ticks();
        for _ in 0..MOST_AT_A_TIME {
            match self.next_deadline() {
                Some((thread, deadline)) if deadline <= now => {
                    if !self.pass_deadline(locks, thread) {
                        return false;
                    }
                }
                _ => break,
            }
        }
        let ends = self.cpu.slice_end <= now;
        if self.is_to_send_away() || self.may_spread(ends) {
            return false;
        }
        if ends {
            self.end_slice();
        }
        true
    }

    /// Lets `thread`, which has waited until its deadline, go on if that concerns nobody else. Whether it did.
    fn pass_deadline<M: Mmu>(&mut self, locks: &mut impl Nested<M>, thread: ThreadId) -> bool {
        let here = self.id;
        if !self.thread(thread).may_run_on(here) {
            return false;
        }
        let is_over = match self.thread(thread).state {
            State::Sleeping => {
                self.answer(thread, Message::empty(Label::DONE));
                true
            }
            State::WaitingWord(word) => {
                self.stop_waiting_for_word(&mut locks.words().0, thread, word);
                true
            }
            _ => self.time_out(thread),
        };
        if is_over {
            self.make_ready(thread);
        }
        is_over
    }

    /// Whether somebody who waits here for more important ones, or who runs and does when the slice `ends`, could take turns
    /// with equals elsewhere. Where nobody is as important, it [goes](Here::seek) in any case.
    fn may_spread(&mut self, ends: bool) -> bool {
        let others = self.others();
        if others.are_none() || self.cpu.ready.is_empty() {
            return false;
        }
        let (most, runs) = (self.urgency(), self.current_priority());
        let ready = &self.cpu.ready;
        let mut waits = successors(most.and_then(|most| ready.next_below(most)), |&last| {
            ready.next_below(last)
        });
        let makes_way = runs.filter(|&runs| ends && most.is_some_and(|most| most.outranks(Some(runs))));
        makes_way.is_some_and(|runs| others.would_share(runs)) || waits.any(|waits| others.would_share(waits))
    }
}

impl There<'_> {
    /// `thread`, which is at home there, does not wait any longer.
    pub(super) fn forget_deadline(&mut self, thread: ThreadId) {
        let has_one = self
            .threads
            .get_mut(thread)
            .is_some_and(|thread| thread.deadline.is_taken());
        if has_one {
            self.cpu.deadlines.remove(Deadlines(&mut self.threads), thread);
        }
    }
}

impl Cpu {
    #[inline(never)] // for all who begin a turn
    fn start_slice(&mut self, clock: &Clock, local: &mut impl Local, rest: Option<u64>) {
        let whole = || u64::from(clock.frequency().hertz()) / SLICES_PER_SECOND;
        let slice = rest.filter(|&rest| rest > 0).unwrap_or_else(whole);
        let end = local.ticks().saturating_add(slice);
        self.slice_end = end;
        self.set_timer(local, end);
    }

    fn set_timer(&mut self, local: &mut impl Local, time: u64) {
        if time < self.timer {
            self.timer = time;
            local.set_timer(time);
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// Lets `thread`, which runs here, [wait](Here::wait_until) no longer than until `deadline`.
    pub(crate) fn wait_until(&mut self, thread: ThreadId, deadline: u64) {
        self.here().wait_until(thread, deadline);
    }

    /// `thread`, whose home has not changed since, does not wait any longer: its deadline, if it has one, does
    /// not come.
    #[inline]
    pub(crate) fn forget_deadline(&mut self, thread: ThreadId) {
        if self.thread(thread).deadline.is_taken() {
            self.take_deadline_back(thread);
        }
    }

    #[cold]
    fn take_deadline_back(&mut self, thread: ThreadId) {
        let home = self.thread(thread).home;
        self.cpus[home]
            .deadlines
            .remove(Deadlines(&mut self.threads), thread);
    }

    /// `thread` has waited until its deadline: for nothing but that, or for others who have not come.
    fn pass_deadline(&mut self, thread: ThreadId) {
        match self.thread(thread).state {
            State::WaitingWord(word) => self.give_up_word(thread, word),
            state if state.can_give_up() => return self.give_up(thread, IpcError::TimedOut),
            _ => {
                self.answer(thread, ());
            }
        }
        self.wake(thread);
    }

    /// The timer of this CPU has come.
    pub(super) fn timer(&mut self) {
        self.cpu().timer = NEVER;
        let now = self.platform.ticks();
        for _ in 0..MOST_AT_A_TIME {
            match self.here().next_deadline() {
                Some((thread, deadline)) if deadline <= now => self.pass_deadline(thread),
                _ => break,
            }
        }
        if self.cpu().slice_end <= now {
            let gone = self.here().end_slice();
            self.offer(gone);
        }
        self.spread();
    }
}
