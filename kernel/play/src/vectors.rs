//! The vectors as the kernel sees them: which of a thread's registers are in memory, and when.

use crate::fake::{Fake, Step};
use crate::world::World;
use abi::{Operation, Words6};
use kcore::fault::Fault;
use kcore::handle::{Capability, Object};
use kcore::ipc::{Direct, Told, may_share};
use kcore::message::Message;
use kcore::sched::{Interrupted, Search, Sought};
use kcore::thread::ThreadId;
use kcore::{CpuId, Interrupt, Kernel, Next, Platform, Registers};

/// How traps come in. It makes no difference to anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Those that call, send, receive, reply, reply and receive, signal, or yield, hand over what they say in registers; and faults
    /// are told while CPUs share the kernel.
    Shorter,
    /// All registers are stored first.
    Long,
}

/// What memory has in place of registers that are still in the CPU. It is no address of anything, and no
/// multiple of anything.
const STALE: u64 = 0xdead_beef_dead_beef;

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
            _ => self.trap_until().unwrap_or_else(|| {
                self.kernel().trap();
                self.run()
            }),
        }
    }

    /// Serves a trap that says until when it waits at most, while CPUs share the kernel, if it comes the shorter way and is as most
    /// are; then whoever goes on runs.
    fn trap_until(&mut self) -> Option<Next> {
        if self.way == Way::Long {
            return None;
        }
        let direct = match self.serve_until() {
            Direct::Receives => self.serve_until(),
            served => served,
        };
        let next = match direct {
            Direct::Stays(thread) | Direct::Runs(thread) | Direct::Resumes(thread) => {
                self.go_on(Next::Run(thread))
            }
            Direct::Enters => {
                let next = self.enter(direct);
                self.work_on(next)
            }
            _ => return None,
        };
        self.direct += 1;
        Some(next)
    }

    fn serve_until(&mut self) -> Direct<u32> {
        let kernel = self.kernel();
        let (mut here, (_, memory)) = kernel.here_and_locks();
        match here.serve_until(memory, None) {
            Direct::At(cpu) => {
                let (mut here, mut there, (_, memory)) = kernel.here_there_and_locks(cpu);
                here.serve_until(memory, Some(&mut there))
            }
            served => served,
        }
    }

    /// A trap during which the rest of the thread's registers stays in the CPU.
    fn trap_in_place(&mut self, operation: Operation) -> Next {
        let thread = self.running.expect("somebody runs");
        let in_cpu = *self.registers();
        let in_memory = stored_at_once(&in_cpu);
        *self.registers() = in_memory;
        let identity = self.identity(thread);

        let (handle, tag) = (in_cpu.x[0], in_cpu.x[1]);
        let kernel = self.kernel();
        let words = in_cpu.words();
        let direct = kernel.here().serve(operation, handle, tag, &words);
        let is_left = match direct {
            Direct::Awaits(_) => true,
            Direct::Not => may_share(operation, tag),
            _ => false,
        };
        let mut direct = direct;
        if is_left {
            let (mut here, (_, memory)) = kernel.here_and_locks();
            direct = here.serve_with(memory, None, operation, handle, tag, &words);
        }
        if let Direct::At(cpu) = direct {
            direct = serve_with(kernel, cpu, operation, (handle, tag), &words);
        }
        // What the vectors expect follows from what they were entered by, not from what is left of it.
        let expects_anybody = matches!(operation, Operation::Receive | Operation::Yield);
        let (operation, tag, words) = match direct {
            Direct::Receives => (Operation::Receive, 0, [0; 6]),
            _ => (operation, tag, words),
        };
        if direct == Direct::Receives {
            let (mut here, (_, memory)) = kernel.here_and_locks();
            direct = match here.serve_with(memory, None, operation, handle, tag, &words) {
                Direct::At(cpu) => serve_with(kernel, cpu, operation, (handle, tag), &words),
                other => other,
            };
        }
        let direct = match direct {
            Direct::AsksMemory(thread, space) => {
                let (mut here, (_, memory)) = kernel.here_and_locks();
                here.ask_memory_directly(memory, (thread, space), tag, &words)
            }
            Direct::AsksAboutWords(thread, space) => {
                let (mut here, mut locks) = kernel.here_and_locks();
                match here.ask_about_words(&mut locks, (thread, space), tag, &words) {
                    Direct::At(cpu) => {
                        let (mut here, mut there, mut locks) = kernel.here_there_and_locks(cpu);
                        here.ask_about_words_with(&mut locks, &mut there, (thread, space), tag, &words)
                    }
                    other => other,
                }
            }
            Direct::AsksAboutHandles => {
                let (mut here, (_, memory)) = kernel.here_and_locks();
                match here.ask_about_handles(memory, handle, tag, &words) {
                    Direct::At(cpu) => serve_with(kernel, cpu, operation, (handle, tag), &words),
                    other => other,
                }
            }
            other => other,
        };
        let direct = match direct {
            Direct::Asks(
                thread,
                Capability {
                    object: Object::Device(device),
                    ..
                },
            ) => {
                let (mut here, devices) = kernel.here_and_devices();
                match here.ask_device(&devices, (thread, device), tag) {
                    Direct::Not => direct,
                    served => served,
                }
            }
            other => other,
        };
        let goes_on = match (direct, Message::decode(tag, &words)) {
            (Direct::Asks(thread, asked), Ok(message)) => kernel.ask_directly((thread, asked), message),
            (Direct::Asks(..) | Direct::Not, _) => kernel.serve_at_length(operation, handle, tag, &words),
            (done, _) => done,
        };
        if matches!(direct, Direct::Asks(..) | Direct::Not) {
            kernel.show();
        }
        let may_be_anywhere = expects_anybody || matches!(goes_on, Direct::Resumes(_));
        let goes_on = match goes_on {
            Direct::Stays(same) => {
                assert_eq!(same, thread, "it is the thread that trapped");
                Some(thread)
            }
            Direct::Runs(other) | Direct::Resumes(other) => {
                assert_ne!(other, thread, "it is another thread");
                Some(other)
            }
            _ => None,
        };

        self.direct += usize::from(!matches!(direct, Direct::Not | Direct::Asks(..)));

        let is_stored_for = self.identity(thread);
        assert!(
            is_stored_for.is_none() || is_stored_for == identity,
            "the rest is stored for the thread it belongs to, or for nobody"
        );
        let registers = &self.kernel.platform.registers[thread as usize];
        assert_only_message_touched(registers, &in_memory);
        match goes_on {
            Some(goes_on) if goes_on == thread => assert_whole_answer(registers, &in_memory),
            Some(goes_on) if !may_be_anywhere => self.assert_waited_in_a_trap(goes_on),
            _ => {}
        }
        assert!(
            self.home(thread)
                .is_none_or(|home| home == self.kernel.platform.here),
            "no other CPU has a thread whose registers are not stored"
        );
        store_rest(&in_cpu, &mut self.kernel.platform.registers[thread as usize]);
        match goes_on {
            Some(thread) => self.go_on(Next::Run(thread)),
            None => {
                let next = self.enter(direct);
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
            Interrupted::Device(interrupt) => {
                if self.tell(interrupt) == Told::Yes {
                    let chosen = self.kernel().here().choose();
                    self.chose(chosen)
                } else {
                    self.leave(Interrupt::Device(interrupt))
                }
            }
            Interrupted::Left(interrupt) => self.leave(interrupt),
        }
    }

    fn chose(&mut self, chosen: Option<u32>) -> Next {
        let next = match chosen {
            Some(thread) => Next::Run(thread),
            None if self.kernel().here().sleeps() => Next::Idle,
            None => match self.kernel().here().works() {
                Some((job, now)) => self.begin_step(job, now),
                None => return self.seek_or(Self::decide),
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

    /// Tells who listens to this device interrupt.
    fn tell(&mut self, interrupt: u32) -> Told {
        let kernel = self.kernel();
        let Some(target) = kernel.listener(interrupt) else {
            return Told::No;
        };
        match kernel.here().tell(None, target) {
            Told::At(other) => {
                let (mut here, mut there) = kernel.here_and_there(other);
                here.tell(Some(&mut there), target)
            }
            told => told,
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
        if self.between {
            self.go_on(Next::Again)
        } else {
            self.run()
        }
    }

    /// The running thread has done this that the machine does not allow; all of its registers are stored. Then whoever goes on
    /// runs.
    pub fn fault(&mut self, fault: Fault) -> Next {
        self.tell_handler(fault).unwrap_or_else(|| {
            self.kernel().other_fault(fault, &"something");
            self.run()
        })
    }

    /// Tells whoever handles that, if it comes the shorter way and is as most faults are; then whoever goes on runs.
    pub(crate) fn tell_handler(&mut self, fault: Fault) -> Option<Next> {
        if self.way == Way::Long {
            return None;
        }
        let thread = self.running.expect("somebody runs");
        let before = *self.registers();
        let kernel = self.kernel();
        let direct = match kernel.here().tell_handler(None, fault) {
            Direct::At(cpu) => {
                let (mut here, mut there) = kernel.here_and_there(cpu);
                here.tell_handler(Some(&mut there), fault)
            }
            other => other,
        };
        let direct = match direct {
            Direct::Not => kernel.here().queue_fault(fault),
            other => other,
        };
        let registers = self.kernel.platform.registers[thread as usize];
        assert_eq!(registers, before, "who has faulted keeps its registers");
        let is_told = matches!(direct, Direct::Runs(_) | Direct::Resumes(_) | Direct::Enters);
        self.direct += usize::from(is_told);
        self.told += usize::from(is_told);
        match direct {
            Direct::Runs(other) | Direct::Resumes(other) => {
                assert_ne!(other, thread, "it is another thread");
                if direct == Direct::Runs(other) {
                    self.assert_waited_in_a_trap(other);
                }
                Some(self.go_on(Next::Run(other)))
            }
            Direct::Enters => {
                let next = self.enter(direct);
                Some(self.work_on(next))
            }
            Direct::At(_) | Direct::Awaits(_) | Direct::Not => None,
            unexpected => panic!("a fault is no trap: {unexpected:?}"),
        }
    }

    /// All registers being stored, nobody goes on, or the thread that the CPU is prepared for, or the whole kernel says who does.
    fn enter(&mut self, direct: Direct<u32>) -> Next {
        if self.kernel().here().sleeps() {
            return self.go_on(Next::Idle);
        }
        match self.kernel().here().goes_on() {
            Some(thread) => self.go_on(Next::Run(thread)),
            None if let Some((job, now)) = self.kernel().here().works() => {
                let next = self.begin_step(job, now);
                self.go_on(next)
            }
            None if direct == Direct::Enters => self.seek_or(Self::decide),
            None => self.seek_or(Self::run),
        }
    }

    /// The CPU exchanges threads with others until it is clear who goes on, with two turns each time. What is more than that
    /// somebody else decides.
    fn seek_or(&mut self, decide: impl FnOnce(&mut Self) -> Next) -> Next {
        if !self.kernel().here().seeks() {
            if let Some(thread) = self.enter_anew() {
                return self.go_on(Next::Run(thread));
            }
            if !self.kernel().here().seeks() {
                return decide(self);
            }
        }
        self.seek_on(Search::begin(), decide)
    }

    fn seek_on(&mut self, mut search: Search, decide: impl FnOnce(&mut Self) -> Next) -> Next {
        loop {
            let next = match self.kernel().here().seek(&mut search) {
                Sought::Thread(thread) => Next::Run(thread),
                Sought::Job(job, now) => self.begin_step(job, now),
                Sought::Enters => {
                    self.enter_anew();
                    continue;
                }
                Sought::Nobody => Next::Idle,
                Sought::With(other) if self.between => {
                    self.kernel.platform.cpu().exchange = Some((search, other));
                    return self.go_on(Next::Again);
                }
                Sought::With(other) => {
                    self.exchange_with(other, &mut search);
                    continue;
                }
                Sought::Open => return decide(self),
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

    /// No CPU waits for the turn of another one any more.
    pub(crate) fn end_all_exchanges(&mut self) {
        for cpu in 0..self.cpus() {
            self.turn_to(cpu);
            self.end_exchange();
        }
    }

    /// The CPU has the turn of another one besides its own now, if it has waited for that; then whoever goes on runs.
    pub(crate) fn end_exchange(&mut self) -> Option<Next> {
        let (mut search, other) = self.kernel.platform.cpu().exchange.take()?;
        self.exchange_with(other, &mut search);
        Some(self.seek_on(search, Self::decide))
    }

    /// x9 to x17 of who has waited in a trap are zero.
    fn assert_waited_in_a_trap(&self, thread: u32) {
        let registers = &self.kernel.platform.registers[thread as usize];
        assert!(
            registers.x[9..18].iter().all(|&x| x == 0),
            "who goes on at once has waited in a trap"
        );
    }

    /// The CPU that the thread with this number is at home on.
    fn home(&self, thread: u32) -> Option<usize> {
        let mut living = self.kernel.threads();
        let found = living.find(|(id, _)| id.index() == thread);
        found.map(|(_, thread)| thread.home.index())
    }

    /// Who has this number now.
    fn identity(&self, thread: u32) -> Option<ThreadId> {
        let mut living = self.kernel.threads().map(|(id, _)| id);
        living.find(|id| id.index() == thread)
    }
}

/// Serves a trap with the turn of another CPU.
fn serve_with(
    kernel: &mut Kernel<Fake>,
    cpu: CpuId,
    operation: Operation,
    (handle, tag): (u64, u64),
    words: &Words6,
) -> Direct<u32> {
    let (mut here, mut there, (_, memory)) = kernel.here_there_and_locks(cpu);
    match here.serve_with(memory, Some(&mut there), operation, handle, tag, words) {
        Direct::At(_)
        | Direct::Asks(..)
        | Direct::AsksMemory(..)
        | Direct::AsksAboutWords(..)
        | Direct::AsksAboutHandles => Direct::Not,
        served => served,
    }
}

/// What is in memory when the kernel is called: x18, x19, x30, and TPIDRRO_EL0, which no program changes.
fn stored_at_once(in_cpu: &Registers) -> Registers {
    let mut in_memory = *in_cpu;
    for n in (0..18).chain(20..30) {
        in_memory.x[n] = STALE ^ (n as u64) << 8;
    }
    Registers {
        sp: STALE,
        pc: STALE,
        pstate: STALE,
        tpidr: STALE,
        ..in_memory
    }
}

/// What the vectors store if another thread goes on, and leave in the CPU if not.
fn store_rest(in_cpu: &Registers, registers: &mut Registers) {
    registers.x[9..18].fill(0);
    registers.x[20..30].copy_from_slice(&in_cpu.x[20..30]);
    *registers = Registers {
        sp: in_cpu.sp,
        pc: in_cpu.pc,
        pstate: in_cpu.pstate,
        tpidr: in_cpu.tpidr,
        ..*registers
    };
}

fn assert_only_message_touched(now: &Registers, before: &Registers) {
    let mut expected = *before;
    expected.x[..9].copy_from_slice(&now.x[..9]);
    assert_eq!(*now, expected, "of the saved registers only x0 to x8 are touched");
}

fn assert_whole_answer(now: &Registers, before: &Registers) {
    let mut pairs = now.x[..9].iter().zip(&before.x);
    assert!(
        pairs.all(|(now, before)| now != before),
        "an answer is all of x0 to x8: {:x?}",
        &now.x[..9]
    );
}
