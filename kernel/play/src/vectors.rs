//! The vectors as the kernel sees them: which of a thread's registers are in memory, and when.

use crate::fake::Step;
use crate::gaps::{Faulted, Misdeed, Turns, Waits};
use crate::world::World;
use abi::Operation;
use kcore::fault::Fault;
use kcore::ipc::{Direct, SignalTarget, Told};
use kcore::sched::{Interrupted, Search, Sought};
use kcore::thread::ThreadId;
use kcore::{CpuId, Interrupt, Next, Platform};

/// How traps come in. It makes no difference to anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Those that call, send, receive, reply, reply and receive, signal, or yield, hand over what they say in registers; and faults
    /// are told while CPUs share the kernel.
    Shorter,
    /// All registers are stored first.
    Long,
}

impl World {
    /// The kernel serves the trap in the running thread's registers; then whoever goes on runs.
    pub fn enter_by_trap(&mut self) -> Next {
        let operation = Operation::decode(self.registers().x[8]);
        match (self.way, operation) {
            (
                Way::Shorter,
                Ok(
                    operation @ (Operation::Call
                    | Operation::Receive
                    | Operation::Reply
                    | Operation::ReplyReceive
                    | Operation::Send
                    | Operation::Signal
                    | Operation::Yield),
                ),
            ) => self.trap_in_place(operation),
            (Way::Shorter, _) => self.trap_with_all_stored(),
            (Way::Long, _) => self.trap_at_length(),
        }
    }

    /// The kernel serves a trap all of whose registers are stored, as a whole; then whoever goes on runs.
    fn trap_at_length(&mut self) -> Next {
        self.kernel().trap();
        self.run()
    }

    /// Serves a trap all of whose registers are stored: while CPUs share the kernel, if it says until when it waits at most and is as most
    /// are. Then whoever goes on runs.
    fn trap_with_all_stored(&mut self) -> Next {
        let thread = self.running.expect("somebody runs");
        self.go_on_with_all_stored(thread, Turns::Own)
    }

    /// The CPU has these turns for such a trap of `thread` now.
    pub(crate) fn go_on_with_all_stored(&mut self, thread: u32, turns: Turns) -> Next {
        let kernel = self.kernel();
        let direct = match turns {
            Turns::Own => {
                let (mut here, (_, memory)) = kernel.here_and_locks();
                here.serve_until(memory, None)
            }
            Turns::With(cpu) => {
                let (mut here, mut there, (_, memory)) = kernel.here_there_and_locks(cpu);
                here.serve_until(memory, Some(&mut there))
            }
            Turns::Whole => return self.trap_at_length(),
        };
        let wanted = match direct {
            Direct::Stays(_) | Direct::Runs(_) | Direct::Resumes(_) | Direct::Enters => {
                self.direct += 1;
                return self.go_on_without(direct);
            }
            Direct::At(cpu) if turns == Turns::Own => Turns::With(cpu),
            Direct::Receives => Turns::Own,
            _ => Turns::Whole,
        };
        if self.gives_others_turns() {
            return self.wait_with(Waits::Stored(thread, wanted));
        }
        self.go_on_with_all_stored(thread, wanted)
    }

    /// Who goes on when the thread that has run, and whose registers are stored, is served.
    fn go_on_without(&mut self, direct: Direct<u32>) -> Next {
        match direct {
            Direct::Stays(thread) | Direct::Runs(thread) | Direct::Resumes(thread) => {
                self.go_on(Next::Run(thread))
            }
            _ => {
                let next = self.enter();
                self.work_on(next)
            }
        }
    }

    /// An interrupt that waits is served, while CPUs share the kernel as far as that goes; then whoever goes on runs.
    pub(crate) fn interrupt_directly(&mut self) -> Next {
        let kernel = self.kernel();
        let (mut here, mut locks) = kernel.here_and_locks();
        match here.interrupt(&mut locks) {
            Interrupted::Served(chosen) => self.chose(chosen),
            Interrupted::Device(interrupt) => self.tell(interrupt),
            Interrupted::Left(interrupt) => self.leave(interrupt),
        }
    }

    fn chose(&mut self, chosen: Option<u32>) -> Next {
        let next = match chosen {
            Some(thread) => Next::Run(thread),
            None if self.kernel().here().sleeps() => Next::Idle,
            None => match self.kernel().here().works() {
                Some((job, now)) => self.begin_step(job, now),
                None => return self.seek_or_decide(),
            },
        };
        self.direct += 1;
        self.go_on(next)
    }

    /// The running program has come to an instruction that waits, which traps; then whoever goes on runs.
    pub fn wait_by_instruction(&mut self) -> Next {
        let thread = self.running.expect("somebody runs");
        let way = self.way;
        let mut here = self.kernel().here();
        if way == Way::Shorter && here.runs(thread) && here.rotate() {
            let chosen = here.choose();
            let next = self.chose(chosen);
            return self.work_on(next);
        }
        self.kernel().rotate();
        self.run()
    }

    /// A piece of a job is done, if one was to be: what is left is noted while CPUs share the kernel, if it comes the shorter way
    /// and that goes, and an interrupt that waits is served; then whoever goes on runs.
    pub(crate) fn step_directly(&mut self) -> Option<Next> {
        if self.way == Way::Long {
            return None;
        }
        let rest = self.take_step()?;
        if !self.entered().here().stepped(rest) {
            self.kernel.platform.cpu().step = Some(Step::After(rest));
            return None;
        }
        self.noted += 1;
        if self.kernel.platform.interrupt_pending() {
            return Some(self.interrupt_directly());
        }
        let chosen = self.kernel().here().choose();
        Some(self.chose(chosen))
    }

    /// Tells who listens to this device interrupt; then whoever goes on runs.
    fn tell(&mut self, interrupt: u32) -> Next {
        let kernel = self.kernel();
        let Some(target) = kernel.listener(interrupt) else {
            return self.leave(Interrupt::Device(interrupt));
        };
        match kernel.here().tell(None, target) {
            Told::At(other) if self.gives_others_turns() => {
                self.wait_with(Waits::Tell(interrupt, target, other))
            }
            Told::At(other) => self.tell_with(interrupt, target, other),
            told => self.told(interrupt, told),
        }
    }

    /// The same with the turn of another CPU besides the own.
    pub(crate) fn tell_with(&mut self, interrupt: u32, target: SignalTarget, other: CpuId) -> Next {
        let (mut here, mut there) = self.kernel().here_and_there(other);
        let told = here.tell(Some(&mut there), target);
        self.told(interrupt, told)
    }

    fn told(&mut self, interrupt: u32, told: Told) -> Next {
        if told == Told::Yes {
            let chosen = self.kernel().here().choose();
            self.chose(chosen)
        } else {
            self.leave(Interrupt::Device(interrupt))
        }
    }

    /// What was taken is left to the whole kernel.
    fn leave(&mut self, interrupt: Interrupt) -> Next {
        self.kernel().here().leave_interrupt();
        self.kernel.platform.cpu().left = Some(interrupt);
        self.decide()
    }

    /// The whole kernel says who goes on. What shared it is over before the CPU has all of it.
    fn decide(&mut self) -> Next {
        if self.gives_others_turns() {
            self.go_on(Next::Again)
        } else {
            self.run()
        }
    }

    /// The running thread has done this that the machine does not allow; all of its registers are stored. Then whoever goes on
    /// runs.
    pub fn fault(&mut self, fault: Fault) -> Next {
        self.misbehaves(Misdeed::Other(fault))
    }

    /// The same, and this.
    pub(crate) fn misbehaves(&mut self, misdeed: Misdeed) -> Next {
        let (thread, registers) = (self.running.expect("somebody runs"), *self.registers());
        let faulted = Faulted {
            thread,
            registers,
            misdeed,
        };
        match misdeed.fault() {
            Some(_) if self.way == Way::Shorter => self.go_on_with_fault(faulted, Turns::Own),
            _ => self.misdeed_at_length(misdeed),
        }
    }

    fn misdeed_at_length(&mut self, misdeed: Misdeed) -> Next {
        let kernel = self.kernel();
        match misdeed {
            Misdeed::Touch(address, access, _) => kernel.memory_fault(address, access),
            Misdeed::Other(fault) => kernel.other_fault(fault, &"something"),
        }
        self.run()
    }

    /// Tells whoever handles it, with these turns, if it is as most faults are; then whoever goes on runs.
    pub(crate) fn go_on_with_fault(&mut self, faulted: Faulted, turns: Turns) -> Next {
        let Some(fault) = faulted.misdeed.fault().filter(|_| turns != Turns::Whole) else {
            return self.misdeed_at_length(faulted.misdeed);
        };
        let kernel = self.kernel();
        let direct = match turns {
            Turns::With(cpu) => {
                let (mut here, mut there) = kernel.here_and_there(cpu);
                here.tell_handler(Some(&mut there), fault)
            }
            _ => kernel.here().tell_handler(None, fault),
        };
        let direct = match direct {
            Direct::Not => kernel.here().queue_fault(fault),
            other => other,
        };
        let registers = self.kernel.platform.registers[faulted.thread as usize];
        assert_eq!(
            registers, faulted.registers,
            "who has faulted keeps its registers"
        );
        let wanted = match direct {
            Direct::Runs(_) | Direct::Resumes(_) | Direct::Enters => {
                self.direct += 1;
                self.told += 1;
                if let Direct::Runs(other) | Direct::Resumes(other) = direct {
                    assert_ne!(other, faulted.thread, "it is another thread");
                }
                if let Direct::Runs(other) = direct {
                    self.assert_waited_in_a_trap(other);
                }
                return self.go_on_without(direct);
            }
            Direct::At(cpu) if turns == Turns::Own => Turns::With(cpu),
            Direct::At(_) | Direct::Awaits(_) | Direct::Not => Turns::Whole,
            unexpected => panic!("a fault is no trap: {unexpected:?}"),
        };
        if self.gives_others_turns() {
            return self.wait_with(Waits::Fault(Box::new(faulted), wanted));
        }
        self.go_on_with_fault(faulted, wanted)
    }

    /// All registers being stored, nobody goes on, or the thread that the CPU is prepared for, or the whole kernel says who does.
    pub(crate) fn enter(&mut self) -> Next {
        if self.kernel().here().sleeps() {
            return self.go_on(Next::Idle);
        }
        match self.kernel().here().goes_on() {
            Some(thread) => self.go_on(Next::Run(thread)),
            None if let Some((job, now)) = self.kernel().here().works() => {
                let next = self.begin_step(job, now);
                self.go_on(next)
            }
            None => self.seek_or_decide(),
        }
    }

    /// The CPU exchanges threads with others until it is clear who goes on, with two turns each time. What is more than that
    /// the whole kernel decides.
    fn seek_or_decide(&mut self) -> Next {
        if !self.kernel().here().seeks() {
            if let Some(thread) = self.enter_anew() {
                return self.go_on(Next::Run(thread));
            }
            if !self.kernel().here().seeks() {
                return self.decide();
            }
        }
        self.seek_on(Search::begin())
    }

    fn seek_on(&mut self, mut search: Search) -> Next {
        loop {
            let next = match self.kernel().here().seek(&mut search) {
                Sought::Thread(thread) => Next::Run(thread),
                Sought::Job(job, now) => self.begin_step(job, now),
                Sought::Enters => {
                    self.enter_anew();
                    continue;
                }
                Sought::Nobody => Next::Idle,
                Sought::With(other) if self.gives_others_turns() => {
                    return self.wait_with(Waits::Exchange(search, other));
                }
                Sought::With(other) => {
                    self.exchange_with(other, &mut search);
                    continue;
                }
                Sought::Open => return self.decide(),
            };
            self.sought += 1;
            return self.go_on(next);
        }
    }

    /// The address space of who goes on is activated, if that is all that is left.
    fn enter_anew(&mut self) -> Option<u32> {
        let (mut here, (_, memory)) = self.kernel().here_and_locks();
        let entered = here.enters_anew(memory);
        self.entered_anew += usize::from(entered.is_some());
        entered
    }

    fn exchange_with(&mut self, other: CpuId, search: &mut Search) {
        let (mut here, mut there) = self.kernel().here_and_there(other);
        here.exchange(&mut there, search);
        self.exchanges += 1;
        self.audit();
    }

    /// The CPU has the turn of another one besides its own now, to exchange threads; then whoever goes on runs.
    pub(crate) fn end_exchange(&mut self, mut search: Search, other: CpuId) -> Next {
        self.exchange_with(other, &mut search);
        self.seek_on(search)
    }

    /// x9 to x17 of who has waited in a trap are zero.
    pub(crate) fn assert_waited_in_a_trap(&self, thread: u32) {
        let registers = &self.kernel.platform.registers[thread as usize];
        assert!(
            registers.x[9..18].iter().all(|&x| x == 0),
            "who goes on at once has waited in a trap"
        );
    }

    /// The CPU that the thread with this number is at home on.
    pub(crate) fn home(&self, thread: u32) -> Option<usize> {
        let mut living = self.kernel.threads();
        let found = living.find(|(id, _)| id.index() == thread);
        found.map(|(_, thread)| thread.home.index())
    }

    /// Who has this number now.
    pub(crate) fn identity(&self, thread: u32) -> Option<ThreadId> {
        let mut living = self.kernel.threads().map(|(id, _)| id);
        living.find(|id| id.index() == thread)
    }
}
