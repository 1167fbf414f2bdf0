//! How long threads have had a CPU.
//!
//! Each CPU charges one thread at a time: the one that runs, or that the kernel works for, until that is another
//! one or the CPU goes idle. While a thread is charged, its account holds what it had used before, less what the
//! counter said as that began: a switch costs one look at the counter and a sum on each side.

use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::process::ProcessId;
use crate::sched::Cpu;
use crate::thread::{Thread, ThreadId, Threads};

impl Thread {
    /// A CPU does not charge it any more, from when the counter said `now`.
    #[inline]
    pub(crate) fn stop_charging(&mut self, now: u64) {
        self.account = self.account.wrapping_add(now);
    }

    /// A CPU charges it from now on.
    #[inline]
    pub(crate) fn start_charging(&mut self, now: u64) {
        self.account = self.account.wrapping_sub(now);
    }
}

impl Cpu {
    /// It charges nobody from now on, when the counter says `now`.
    pub(super) fn charge_nobody(&mut self, threads: &mut impl Threads, now: u64) {
        // It may have ended since.
        if let Some(thread) = self.charged.take().and_then(|thread| threads.find(thread)) {
            thread.stop_charging(now);
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// This CPU charges `thread` from now on.
    #[inline]
    pub(super) fn charge(&mut self, thread: ThreadId) {
        if self.cpu().charged != Some(thread) {
            let now = self.charge_nobody();
            self.cpu().charged = Some(thread);
            self.thread(thread).start_charging(now);
        }
    }

    /// This CPU charges nobody from now on. Answers what the counter says.
    pub(super) fn charge_nobody(&mut self) -> u64 {
        let now = self.platform.rough_ticks();
        self.cpus.this().charge_nobody(&mut self.threads, now);
        now
    }

    /// How many ticks of the system counter the threads of `process` have had a CPU, those that have ended
    /// included.
    pub(crate) fn ticks_of(&mut self, process: ProcessId) -> u64 {
        let now = self.platform.rough_ticks();
        let mut ticks = self.process(process).ticks;
        self.for_each_thread(process, |kernel, thread| {
            ticks = ticks.wrapping_add(kernel.ticks_of_thread(thread, now));
        });
        ticks
    }

    /// What the threads of `process` have used until now counts as its own, whoever's threads they will be.
    pub(crate) fn settle_accounts(&mut self, process: ProcessId) {
        self.for_each_thread(process, Self::settle_account);
    }

    /// The same for one thread.
    pub(crate) fn settle_account(&mut self, thread: ThreadId) {
        let now = self.platform.rough_ticks();
        let ticks = self.ticks_of_thread(thread, now);
        self.thread(thread).start_charging(ticks);
        let (_, process) = self.process_of(thread);
        process.ticks = process.ticks.wrapping_add(ticks);
    }

    fn ticks_of_thread(&mut self, id: ThreadId, now: u64) -> u64 {
        let (home, account) = (self.thread(id).home, self.thread(id).account);
        let is_charged = self.cpus[home].charged == Some(id);
        let ticks = account.wrapping_add(if is_charged { now } else { 0 });
        // The counter of one CPU may lag another's by a tick.
        ticks.cast_signed().max(0).cast_unsigned()
    }
}
