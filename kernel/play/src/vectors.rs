//! The vectors as the kernel sees them: which of a thread's registers are in memory, and when.

use crate::world::World;
use abi::Operation;
use kcore::ipc::Direct;
use kcore::message::Message;
use kcore::thread::ThreadId;
use kcore::{Next, Registers};

/// How traps come in. It makes no difference to anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Those that call, reply and receive, or signal, hand their message over in registers.
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
                    | Operation::ReplyReceive
                    | Operation::Signal
                    | Operation::Yield),
                ),
            ) => self.trap_in_place(operation),
            _ => {
                self.kernel().trap();
                self.run()
            }
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
        let direct = match operation {
            Operation::Yield => kernel.yield_directly(),
            _ => kernel.serve_directly(operation, handle, tag, &words),
        };
        let goes_on = match direct {
            Direct::Asks(thread, asked, tag) => {
                let message = Message { tag, words: &words };
                kernel.ask_directly(thread, asked, message)
            }
            Direct::Not if operation != Operation::Yield => {
                kernel.serve_at_length(operation, handle, tag, &words)
            }
            done => done,
        };
        let goes_on = match goes_on {
            Direct::Runs(thread) => Some(thread),
            Direct::Enters => Some(kernel.prepare_current()),
            Direct::Asks(..) | Direct::Not => None,
        };

        self.direct += usize::from(direct != Direct::Not);

        assert_eq!(
            self.identity(thread),
            identity,
            "the rest is stored for the thread it belongs to"
        );
        let registers = &self.kernel.platform.registers[thread as usize];
        assert_only_message_touched(registers, &in_memory);
        match goes_on {
            Some(goes_on) if goes_on == thread => assert_whole_answer(registers, &in_memory),
            Some(goes_on) if operation != Operation::Yield => {
                let registers = &self.kernel.platform.registers[goes_on as usize];
                assert!(
                    registers.x[9..18].iter().all(|&x| x == 0),
                    "who goes on at once has waited in a trap"
                );
            }
            _ => {}
        }
        self.kernel.platform.cpu().unstored = Some(Unstored { thread, in_cpu });
        if goes_on == Some(thread) || !self.stores_late {
            self.store();
        }
        match goes_on {
            Some(thread) => self.go_on(Next::Run(thread)),
            None if self.stores_late => self.go_on(Next::Again),
            None => self.run(),
        }
    }

    /// The vectors of the CPU whose turn it is store what they have not stored yet.
    pub(crate) fn store(&mut self) {
        if let Some(unstored) = self.kernel.platform.cpu().unstored.take() {
            unstored.store(&mut self.kernel.platform.registers[unstored.thread as usize]);
        }
    }

    /// The registers of a thread as they are when all of them are stored.
    pub(crate) fn whole_registers(&self, thread: u32) -> Registers {
        let fake = &self.kernel.platform;
        let mut registers = fake.registers[thread as usize];
        let unstored = fake.cpus.iter().filter_map(|cpu| cpu.unstored.as_ref());
        unstored
            .filter(|unstored| unstored.thread == thread)
            .for_each(|unstored| unstored.store(&mut registers));
        registers
    }

    /// Who has this number now.
    fn identity(&self, thread: u32) -> Option<ThreadId> {
        let mut living = self.kernel.threads().map(|(id, _)| id);
        living.find(|id| id.index() == thread)
    }
}

/// Registers that are in a CPU alone, after the lock around the kernel was given back.
pub struct Unstored {
    /// Whose they are.
    pub thread: u32,
    in_cpu: Registers,
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

impl Unstored {
    /// What the vectors store if another thread goes on, and leave in the CPU if not.
    fn store(&self, registers: &mut Registers) {
        let in_cpu = &self.in_cpu;
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
