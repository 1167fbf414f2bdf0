//! Who goes on on a CPU that shares the kernel, when an interrupt has come: as [`Kernel::run`](crate::Kernel::run) decides,
//! and that is left to it whenever there is more to be done than to load registers, a job, or an address space to be activated.

use super::time::NEVER;
use crate::here::Here;
use crate::platform::Local;
use crate::thread::{State, ThreadId};
use abi::CpuSet;
use abi::process::Priority;

impl<L: Local> Here<'_, L> {
    /// Chooses who goes on, as an interrupt has been served or a piece of work done, and all registers are in memory. The place of
    /// that thread, or `None`: then the CPU [sleeps](Self::sleeps), [works](Self::works), [seeks](Self::seek) or
    /// [activates](Self::enters_anew) an address space, or the whole kernel is to say who does.
    pub fn choose(&mut self) -> Option<L::Place> {
        self.cpu.alerted = false;
        if !self.is_alone() && self.yields_to(CpuSet(0)).is_some() {
            self.cpu.seeks = true;
            self.restore_timer();
            let runs = self.current_priority();
            self.show(runs);
            return None;
        }
        self.choose_here()
    }

    /// Chooses of those who run here and wait.
    #[inline]
    pub(super) fn choose_here(&mut self) -> Option<L::Place> {
        if self.is_to_send_away() {
            self.leave_interrupt();
            return None;
        }
        self.cpu.seeks = false;
        let runs = self.current_priority();
        let chosen = if self.cpu.ready.outranks(runs) {
            self.change_over()
        } else {
            if self.cpu.needs_slice() {
                self.start_slice(None);
            }
            self.goes_on().or_else(|| self.begin_with_current())
        };
        self.restore_timer();
        if !self.is_alone() {
            self.look_around();
        }
        chosen.filter(|_| self.cpu.is_settled())
    }

    /// Whether the thread with this number runs here: another CPU may have ended it on its way to the kernel.
    pub fn runs(&self, thread: u32) -> bool {
        self.cpu.current.is_some_and(|current| current.index() == thread)
    }

    /// The running thread goes to the end of the queue, so that the CPU [chooses](Self::choose) another one, if there is one. `false`
    /// if that takes the whole kernel, and nothing has happened.
    #[must_use]
    pub fn rotate(&mut self) -> bool {
        if self.is_to_send_away() {
            return false;
        }
        if let Some(current) = self.cpu.current.take() {
            self.cpu.ready.push(&mut self.threads, current);
        }
        true
    }

    /// Whether the thread that runs here may do so no longer. It is sent elsewhere with the whole kernel, before it waits
    /// here, where nobody would think of it.
    pub(super) fn is_to_send_away(&mut self) -> bool {
        let (here, current) = (self.id, self.cpu.current);
        current.is_some_and(|current| !self.thread(current).goes_on_at_home(here))
    }

    /// How important the thread is that runs here; `None` if none does.
    pub(crate) fn current_priority(&mut self) -> Option<Priority> {
        let current = self.cpu.current?;
        Some(self.thread(current).priority)
    }

    /// The first who waits for this CPU goes on, and the current thread, if there is one, waits again. The place of the first,
    /// if that one has no work to be done, may run here, and is in an address space that need not be [activated](Self::enters_anew) anew.
    fn change_over(&mut self) -> Option<L::Place> {
        if let Some(current) = self.cpu.current.take() {
            let rest = self.cpu.rest_of_slice(self.local);
            self.cpu.wait_again(&mut self.threads, current, rest);
            self.thread(current).rest_of_slice = rest;
        }
        let entered = self.enter_next();
        // Else its address space is to be activated.
        if self.cpu.current.is_none() {
            self.cpu.chooses |= !self.works_for_next();
        }
        entered
    }

    fn enter_next(&mut self) -> Option<L::Place> {
        let next = self.cpu.ready.first()?;
        let thread = self.threads.get_mut(next)?;
        if !matches!(thread.state, State::Ready) || !thread.may_run_on(self.id) {
            return None;
        }
        self.begin_turn_of(next)?;
        self.enter(next)
    }

    /// The first who waits for this CPU, this one, is the current thread from now on.
    #[inline(always)] // into what an interrupt ends with
    pub(super) fn begin_turn_of(&mut self, first: ThreadId) -> Option<()> {
        let thread = self.threads.get_mut(first)?;
        self.cpu.ready.take_first(thread);
        let rest = thread.rest_of_slice.take();
        self.cpu.current = Some(first);
        self.begin_turn(rest);
        Some(())
    }

    /// Prepares the CPU for the current thread, whose work is done, or has a job left.
    #[inline(never)] // so that who goes on as it is does not pay for it
    fn begin_with_current(&mut self) -> Option<L::Place> {
        let current = self.cpu.current?;
        if self.thread(current).state.job().is_some() {
            self.begin_to_work(current);
            return None;
        }
        let is_ready = matches!(self.thread(current).state, State::Ready);
        self.cpu.chooses |= !is_ready;
        if is_ready { self.enter(current) } else { None }
    }

    /// Prepares the CPU for `thread`; `None` if its address space has to be [activated](Self::enters_anew) anew.
    #[inline(always)] // into what an interrupt ends with
    pub(super) fn enter(&mut self, id: ThreadId) -> Option<L::Place> {
        let now = self.local.rough_ticks();
        self.cpu.charge_nobody(&mut self.threads, now);
        let place = self.local.place(id.index());
        let thread = self.threads.get_mut(id)?;
        if self.cpu.prepared != Some(id) && !self.cpu.prepare(self.local, (id, thread, place)) {
            return None;
        }
        thread.start_charging(now);
        self.cpu.charged = Some(id);
        Some(place)
    }

    /// Shows what is so from now on, and looks at what others show, as somebody waits here or elsewhere who may not have
    /// before.
    pub(super) fn look_around(&mut self) {
        // One that is idle does so before it sleeps.
        if self.cpu.is_idle() {
            return;
        }
        let (here, others, current) = (self.id, self.others(), self.cpu.current);
        let current = current.map(|thread| self.thread(thread));
        let runs = current.as_ref().map(|thread| thread.priority);
        self.cpu.chooses |= !current.is_some_and(|thread| thread.goes_on_at_home(here));
        self.cpu.show_and_look(runs, others);
        self.cpu.seeks |= others.have(runs) || self.taker(CpuSet(0)).is_some();
    }

    /// The current thread has had its time slice. If nobody waits who is as important, it goes on, and what it does
    /// may be what a less important one has asked for: when that one is to go on, those who have waited meanwhile go first.
    /// Else it goes behind its equals: then it is the answer.
    pub(super) fn end_slice(&mut self) -> Option<ThreadId> {
        self.cpu.slice_end = NEVER;
        let current = self.cpu.current?;
        let priority = self.thread(current).priority;
        if !self.cpu.ready.rivals(priority) {
            self.cpu.ready.are_due();
            return None;
        }
        self.cpu.current = None;
        self.cpu.ready.push(&mut self.threads, current);
        Some(current)
    }

    /// How important the most important thread is that runs here or waits; `None` if the CPU is idle.
    pub(super) fn urgency(&mut self) -> Option<Priority> {
        let runs = self.current_priority();
        self.cpu.urgency(runs)
    }

    /// Lets `thread`, which has its answer, is in no queue and goes on here, wait for its turn.
    pub(crate) fn make_ready(&mut self, id: ThreadId) {
        self.forget_deadline(id);
        self.thread(id).state = State::Ready;
        self.cpu.ready.push(&mut self.threads, id);
    }
}
