//! Waits, yields, signals, and answers of who goes on, in one straight line: who is woken, or is next on this CPU, goes on at
//! once.
//!
//! All of it is done while CPUs share the kernel, with what this one has. It shows what is so now and looks at what others show
//! ([`shown`](crate::sched::Shown)): if somebody who waits elsewhere were to go on here, or somebody who waits here to go on
//! elsewhere, it [seeks](Here::seek) who goes on. As in [`direct`](super::direct), nothing is decided here that the long way does
//! not decide in the same way: all checks come first, and nothing has happened if one of them says no.

use super::direct::Reach;
use super::signal::signalled_by;
use super::{Direct, Endpoint};
use crate::here::Here;
use crate::kernel::gone;
use crate::message::Message;
use crate::platform::Local;
use crate::queue::Queued;
use crate::sched::{Cpu, CpuId};
use crate::thread::{State, Thread, ThreadId};
use abi::process::Priority;
use abi::{Badge, CpuSet, Handle, Label, Rights};
use addr::Frame;
use slots::Mine;

impl<L: Local> Here<'_, L> {
    #[inline(always)]
    pub(super) fn signal_directly(
        &mut self,
        reach: Reach<'_, '_>,
        handle: Handle,
        bits: u64,
    ) -> Option<Direct<L::Place>> {
        let is_short = reach.is_short();
        let (from, process) = (self.cpu.current?, self.cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let (to, badge) = handles.endpoint(handle, Rights::SIGNAL)?;
        let bits = signalled_by(badge, bits);
        let mut endpoint = self.endpoints.take(to)?;
        if endpoint.receiving == 0 {
            return None;
        }
        let Some(receiver) = endpoint.receivers.first() else {
            endpoint.signals |= bits;
            drop(endpoint);
            return Some(Direct::Stays(self.answer(from, Message::empty(Label::DONE))));
        };
        if bits == 0 {
            return None;
        }
        if let Reach::Both(there) = reach {
            if there.who_stays(receiver, self.shown).is_some() {
                endpoint.signals_go_to_first(&mut self.cpu.queued);
                drop(endpoint);
                self.deliver_signals(receiver, bits);
                self.wake_there(there, receiver);
                return Some(Direct::Stays(self.answer(from, Message::empty(Label::DONE))));
            }
            there.let_come(receiver, self.id)?;
        }
        let Some((sender, to)) = self.threads.pair_mut(from, receiver) else {
            drop(endpoint);
            return self.elsewhere(receiver);
        };
        if !stay_here(self.id, sender, to) {
            return None;
        }
        if to.deadline.is_taken() {
            return (!is_short).then_some(Direct::Awaits(receiver));
        }
        endpoint.signals_go_to_first(&mut self.cpu.queued);
        drop(endpoint);
        let place = self.deliver_signals(receiver, bits);
        self.answer(from, Message::empty(Label::DONE));
        Some(self.wake(from, (receiver, place)))
    }

    /// Answers the caller of the message that the current thread has received last.
    #[inline(always)]
    pub(super) fn answer_directly(
        &mut self,
        reach: Reach<'_, '_>,
        message: Option<Message<'_>>,
    ) -> Option<Direct<L::Place>> {
        let (message, is_short) = (message?, reach.is_short());
        let (server, label) = (self.cpu.current?, message.tag.label());
        let from = self.threads.get_mut(server)?;
        let caller = from.caller?;
        // What was lent is given back then.
        if is_short && from.priority != from.own_priority {
            return None;
        }
        let done = Message::empty(Label::DONE);
        if let Reach::Both(there) = reach {
            // It may do anything else by now, and only who waits comes here.
            let waits = there.threads.get_mut(caller)?.state;
            if !waits.is_answered_by(server, label) {
                return None;
            }
            if let Some(to) = there.who_stays(caller, self.shown) {
                if !self.cpu.has_room(&self.processes, to, message.tag) {
                    return None;
                }
                let page = to.page;
                if !to.forgets_fault() {
                    self.give(server, (caller, page), message, Badge(0));
                }
                self.thread(server).caller = None;
                self.wake_there(there, caller);
                return Some(Direct::Stays(self.answer(server, done)));
            }
            there.let_come(caller, self.id)?;
        }
        let Some((from, to)) = self.threads.pair_mut(server, caller) else {
            return self.elsewhere(caller);
        };
        // Who has nothing that was lent is as important as its caller.
        if to.priority.outranks(Some(from.priority)) || !to.state.is_answered_by(server, label) {
            return None;
        }
        if !to.may_run_on(self.id) {
            return None;
        }
        if to.deadline.is_taken() {
            return (!is_short).then_some(Direct::Awaits(caller));
        }
        if !self.cpu.has_room(&self.processes, to, message.tag) {
            return None;
        }
        from.caller = None;
        let page = to.page;
        if !to.forgets_fault() {
            self.give(server, (caller, page), message, Badge(0));
        }
        self.answer(server, done);
        Some(self.wait_behind(server, caller))
    }

    /// Gives `receiver`, whose message page is there, the message of `sender`, and its bytes.
    #[inline(always)] // into what has none
    pub(super) fn give(
        &mut self,
        sender: ThreadId,
        (receiver, page): (ThreadId, Frame),
        message: Message<'_>,
        badge: Badge,
    ) -> L::Place {
        let place = self.local.place(receiver.index());
        self.local.registers_at(place).set_answer(0, message, badge.0);
        if message.tag.bytes() > 0 {
            let from = self.thread(sender).page;
            self.cpu.carry(self.local, [from, page], message.tag);
        }
        place
    }

    /// Puts signals into the registers of `receiver`.
    #[inline(always)]
    pub(super) fn deliver_signals(&mut self, receiver: ThreadId, bits: u64) -> L::Place {
        let place = self.local.place(receiver.index());
        let signals = [bits, 0, 0, 0, 0, 0];
        let registers = self.local.registers_at(place);
        registers.set_answer(0, Message::signals(&signals), 0);
        place
    }

    /// [Wakes](Self::wake) somebody where nothing has to be short.
    #[inline(never)]
    pub(super) fn let_go_on(&mut self, current: ThreadId, woken: (ThreadId, L::Place)) -> Direct<L::Place> {
        self.wake(current, woken)
    }

    /// Lets `woken`, whose answer is in place, as is that of `current`, go on: in place of that one if it is more important.
    #[inline(always)]
    pub(crate) fn wake(
        &mut self,
        current: ThreadId,
        (woken, place): (ThreadId, L::Place),
    ) -> Direct<L::Place> {
        let others = self.others();
        let Some((from, to)) = self.threads.pair_mut(current, woken) else {
            gone(woken)
        };
        let (of_current, waits) = ((from.cpus, from.priority), to.priority);
        if !waits.outranks(Some(from.priority)) {
            self.wait_behind(current, woken)
        } else if !others.are_none() && others.idle(to.cpus, CpuSet(0)).is_some() {
            // It goes there, and who runs here goes on.
            self.cpu.seeks = true;
            self.wait_behind(current, woken)
        } else {
            let rest = self.cpu.rest_of_slice(self.local);
            from.rest_of_slice = rest;
            let rest_of_woken = to.rest_of_slice.take();
            let goes_on = self.cpu.switch(from, (woken, to, place), self.local);
            self.cpu.wait_again(&mut self.threads, current, rest);
            self.begin_turn(rest_of_woken);
            self.unless_taken_elsewhere(of_current, waits, goes_on)
        }
    }

    /// Lets `woken`, which has its answer, wait for this CPU, while `current` goes on.
    #[inline(always)]
    fn wait_behind(&mut self, current: ThreadId, woken: ThreadId) -> Direct<L::Place> {
        let Some((from, to)) = self.threads.pair_mut(current, woken) else {
            gone(woken)
        };
        to.state = State::Ready;
        let (runs, of_woken) = (from.priority, (to.cpus, to.priority));
        self.cpu.ready.push(&mut self.threads, woken);
        if self.cpu.needs_slice() {
            self.start_slice(None);
        }
        let stays = Direct::Stays(self.local.place(current.index()));
        self.unless_taken_elsewhere(of_woken, runs, stays)
    }

    #[inline(always)]
    pub(super) fn receive_directly(&mut self, handle: Handle) -> Option<Direct<L::Place>> {
        let (server, process) = (self.cpu.current?, self.cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let (id, _) = handles.endpoint(handle, Rights::RECEIVE)?;
        let mut endpoint = self.endpoints.take(id)?;
        if endpoint.has_anything() {
            return None;
        }
        let thread = self.threads.get_mut(server)?;
        if thread.caller.is_some() {
            return None;
        }
        let own = thread.own_priority;
        let next = if self.cpu.ready.is_empty() {
            None
        } else {
            let cpu = &mut *self.cpu;
            Some(cpu.go_to_next((self.id, server), &mut self.threads, self.local)?)
        };
        endpoint.is_served_by(server, own);
        endpoint.receivers.push(&mut self.cpu.queued, server);
        drop(endpoint);
        let thread = self.thread(server);
        (thread.state, thread.serves) = (State::Receiving(id), Some(id));
        // Nobody waits for it any more.
        thread.priority = own;
        Some(self.made_way(server, next))
    }

    /// Lets the next one who waits for this CPU go on in place of the `current` thread, which waits for somebody else from
    /// now on. `None`, and nothing has happened, if that is not to be done in a straight line.
    #[inline]
    pub(crate) fn make_way(&mut self, current: ThreadId) -> Option<Direct<L::Place>> {
        let next = if self.cpu.ready.is_empty() {
            None
        } else {
            let cpu = &mut *self.cpu;
            Some(cpu.go_to_next((self.id, current), &mut self.threads, self.local)?)
        };
        Some(self.made_way(current, next))
    }

    /// Who goes on, `current` having made way for the `next` one, or for nobody.
    #[inline(always)]
    pub(super) fn made_way(
        &mut self,
        current: ThreadId,
        next: Option<Switched<L::Place>>,
    ) -> Direct<L::Place> {
        match next {
            Some(next) => {
                self.begin_turn(next.rest);
                self.unless_others_wait(next.priorities, next.goes_on)
            }
            None => self.stop(current),
        }
    }

    #[inline(always)]
    pub(super) fn yield_directly(&mut self) -> Option<Direct<L::Place>> {
        let thread = self.cpu.current?;
        let priority = self.threads.get_mut(thread)?.priority;
        let done = Message::empty(Label::DONE);
        if !self.cpu.ready.rivals(priority) {
            return Some(Direct::Stays(self.answer(thread, done)));
        }
        let from = self.threads.get_mut(thread)?;
        if !from.may_run_on(self.id) {
            return None;
        }
        let waits = (from.cpus, priority);
        let cpu = &mut *self.cpu;
        let next = cpu.go_to_next((self.id, thread), &mut self.threads, self.local)?;
        self.answer(thread, done);
        self.cpu.ready.push(&mut self.threads, thread);
        self.begin_turn(next.rest);
        let [_, runs] = next.priorities;
        Some(self.unless_taken_elsewhere(waits, runs, next.goes_on))
    }

    /// The current thread, which waits now, leaves this CPU to nobody.
    #[inline(always)]
    fn stop(&mut self, current: ThreadId) -> Direct<L::Place> {
        let now = self.local.rough_ticks();
        self.thread(current).stop_charging(now);
        (self.cpu.current, self.cpu.charged) = (None, None);
        self.show(None);
        Direct::Enters
    }

    /// `goes_on`, who runs now, in place of somebody with the first of these priorities, with the second one: unless it is less
    /// important, and somebody who waits elsewhere is not. Then who goes on is to be [found out](Here::seek).
    #[inline(always)]
    pub(super) fn unless_others_wait(
        &mut self,
        priorities: [Priority; 2],
        goes_on: Direct<L::Place>,
    ) -> Direct<L::Place> {
        let others = self.others();
        if !others.are_none() && self.cpu.has_to_seek_after(priorities, others) {
            return Direct::Enters;
        }
        goes_on
    }

    /// `goes_on`, who `runs` now, unless another CPU would go on with who waits from now on, and may run there.
    #[inline(always)]
    fn unless_taken_elsewhere(
        &mut self,
        waits: (CpuSet, Priority),
        runs: Priority,
        goes_on: Direct<L::Place>,
    ) -> Direct<L::Place> {
        let others = self.others();
        if !others.are_none() && self.cpu.has_to_seek_for(waits, runs, others) {
            return Direct::Enters;
        }
        goes_on
    }

    /// `goes_on`, which is `current`, unless somebody who waits here from now on goes first, or another CPU may go on with one.
    #[inline(always)]
    pub(crate) fn unless_outranked(
        &mut self,
        current: ThreadId,
        goes_on: Direct<L::Place>,
    ) -> Direct<L::Place> {
        let (runs, others) = (self.thread(current).priority, self.others());
        // Who is outranked makes way, and has its slice when it goes on.
        if !self.cpu.ready.outranks(Some(runs)) && self.cpu.needs_slice() {
            self.start_slice(None);
        }
        if self.cpu.has_to_seek_of_many(runs, others) {
            return Direct::Enters;
        }
        goes_on
    }
}

impl Endpoint {
    /// The first who waits for a message does not any more: it receives signals.
    #[inline(always)]
    pub(super) fn signals_go_to_first(&mut self, queued: &mut Queued) {
        self.signals_came_last = true;
        self.receivers.pop(queued);
    }
}

/// Whether `waker`, which runs `here`, and `woken` may both wait there.
#[inline(always)]
pub(crate) fn stay_here(here: CpuId, waker: &Thread, woken: &Thread) -> bool {
    let goes_first = woken.priority.outranks(Some(waker.priority));
    woken.may_run_on(here) && (!goes_first || waker.may_run_on(here))
}

/// Another thread of the same CPU goes on.
pub(super) struct Switched<Place> {
    goes_on: Direct<Place>,
    /// Of its time slice.
    rest: Option<u64>,
    /// How important who ran is, and who runs now.
    priorities: [Priority; 2],
}

impl Cpu {
    /// Lets the first who waits for this CPU, `here`, take the place of `current`, which does not go on. Its turn is to
    /// [begin](Here::begin_turn). `None`, and nothing has happened, if the next has work to be done, or may not run here.
    #[inline(always)]
    pub(super) fn go_to_next<L: Local>(
        &mut self,
        (here, current): (CpuId, ThreadId),
        threads: &mut Mine<'_, Thread>,
        local: &mut L,
    ) -> Option<Switched<L::Place>> {
        let next = self.ready.first()?;
        let (from, to) = threads.pair_mut(current, next)?;
        if !matches!(to.state, State::Ready) || !to.may_run_on(here) {
            return None;
        }
        self.ready.take_first(to);
        let place = local.place(next.index());
        Some(Switched {
            rest: to.rest_of_slice.take(),
            priorities: [from.priority, to.priority],
            goes_on: self.switch(from, (next, to, place), local),
        })
    }
}
