//! Traps that are served with the message in registers, while the rest of the thread's stays in the CPU.

use crate::gaps::{Turns, Waits};
use crate::world::World;
use abi::{Operation, Words6};
use kcore::handle::{Capability, Object};
use kcore::ipc::{Direct, may_share};
use kcore::message::Message;
use kcore::object::process;
use kcore::thread::ThreadId;
use kcore::{MAX_CPUS, Next, Registers};
use mm::SpaceId;

/// What memory has in place of registers that are still in the CPU. It is no address of anything, and no
/// multiple of anything.
const STALE: u64 = 0xdead_beef_dead_beef;

/// Such a trap, in the middle of it.
pub(crate) struct InPlace {
    thread: u32,
    identity: Option<ThreadId>,
    in_cpu: Registers,
    in_memory: Registers,
    /// What is left to be served.
    operation: Operation,
    tag: u64,
    words: Words6,
    /// Whether who goes on after it may have been interrupted anywhere, as the vectors know from what they were entered by.
    expects_anybody: bool,
    /// If it is about words that are waited for: whose they are.
    about_words: Option<(ThreadId, SpaceId)>,
    /// With the turns of how many other CPUs it was served so far, one after the other.
    others: usize,
    /// Whether it has taken the whole kernel.
    at_length: bool,
}

/// What became of it so far.
enum Served {
    Done(Direct<u32>),
    /// Nothing yet, or half of it, and the rest takes these.
    Wants(Turns),
}

impl InPlace {
    /// The thread that has trapped.
    pub fn thread(&self) -> u32 {
        self.thread
    }

    fn handle(&self) -> u64 {
        self.in_cpu.x[0]
    }
}

impl World {
    pub(crate) fn trap_in_place(&mut self, operation: Operation) -> Next {
        let thread = self.running.expect("somebody runs");
        let in_cpu = *self.registers();
        let in_memory = stored_at_once(&in_cpu);
        *self.registers() = in_memory;
        let mut trap = InPlace {
            thread,
            identity: self.identity(thread),
            in_cpu,
            in_memory,
            operation,
            tag: in_cpu.x[1],
            words: in_cpu.words(),
            expects_anybody: matches!(operation, Operation::Receive | Operation::Yield),
            about_words: None,
            others: 0,
            at_length: false,
        };
        let served = self.serve_first(&mut trap);
        self.serve_on(trap, served)
    }

    fn serve_first(&mut self, trap: &mut InPlace) -> Served {
        let (operation, handle, tag, words) = (trap.operation, trap.handle(), trap.tag, trap.words);
        let is_alone = self.cpus() == 1;
        let kernel = self.kernel();
        let direct = kernel.here().serve(operation, handle, tag, &words);
        let is_call = operation == Operation::Call;
        match direct {
            Direct::AsksMemory(thread, space) if is_call => {
                let (mut here, (_, memory)) = kernel.here_and_locks();
                served_alone(here.ask_memory_directly(memory, (thread, space), tag, &words))
            }
            Direct::AsksAboutWords(thread, space) if is_call => {
                trap.about_words = Some((thread, space));
                let (mut here, mut locks) = kernel.here_and_locks();
                served_alone(here.ask_about_words(&mut locks, (thread, space), tag, &words))
            }
            Direct::AsksAboutHandles if is_call => {
                let (mut here, (_, memory)) = kernel.here_and_locks();
                served_alone(here.ask_about_handles(memory, handle, tag, &words))
            }
            Direct::Awaits(_) => self.serve_with(trap, Turns::Own),
            Direct::Not if may_share(operation, tag) => self.serve_with(trap, Turns::Own),
            Direct::Asks(
                thread,
                Capability {
                    object: Object::Device(device),
                    ..
                },
            ) if is_call => {
                let (mut here, devices) = kernel.here_and_devices();
                served_alone(here.ask_device(&devices, (thread, device), tag))
            }
            Direct::Asks(
                thread,
                Capability {
                    object: Object::Process(process),
                    ..
                },
            ) if is_call && process::may_share(tag) => {
                let (mut here, (_, memory)) = kernel.here_and_locks();
                served_alone(here.ask_process(memory, (thread, process), tag, &words))
            }
            // If there are others, what was found may be there no longer.
            Direct::Asks(thread, asked) if is_call && is_alone => match Message::decode(tag, &words) {
                Ok(message) => {
                    trap.at_length = true;
                    Served::Done(kernel.ask_directly((thread, asked), message))
                }
                Err(_) => Served::Wants(Turns::Whole),
            },
            other => served_alone(other),
        }
    }

    /// Serves what is left of the trap, which waits for turns where others may have theirs before.
    fn serve_on(&mut self, mut trap: InPlace, mut served: Served) -> Next {
        loop {
            match served {
                Served::Done(direct) => return self.leave_trap(&trap, direct),
                Served::Wants(turns) if self.gives_others_turns() => {
                    return self.wait_with(Waits::InPlace(Box::new(trap), turns));
                }
                Served::Wants(turns) => served = self.serve_with(&mut trap, turns),
            }
        }
    }

    /// The CPU has these turns for the trap now.
    pub(crate) fn go_on_in_place(&mut self, mut trap: InPlace, turns: Turns) -> Next {
        let served = self.serve_with(&mut trap, turns);
        self.serve_on(trap, served)
    }

    fn serve_with(&mut self, trap: &mut InPlace, turns: Turns) -> Served {
        let (operation, handle, tag, words) = (trap.operation, trap.handle(), trap.tag, trap.words);
        let kernel = self.kernel();
        let direct = match (turns, trap.about_words) {
            (Turns::Own, _) => {
                let (mut here, (_, memory)) = kernel.here_and_locks();
                here.serve_with(memory, None, operation, handle, tag, &words)
            }
            (Turns::With(cpu), Some(found)) => {
                trap.others += 1;
                let (mut here, mut there, mut locks) = kernel.here_there_and_locks(cpu);
                here.ask_about_words_with(&mut locks, &mut there, found, tag, &words)
            }
            (Turns::With(cpu), None) => {
                let (mut here, mut there, (_, memory)) = kernel.here_there_and_locks(cpu);
                here.serve_with(memory, Some(&mut there), operation, handle, tag, &words)
            }
            (Turns::Whole, _) => {
                let direct = kernel.serve_at_length(operation, handle, tag, &words);
                kernel.show();
                trap.at_length = true;
                return Served::Done(direct);
            }
        };
        match direct {
            Direct::Receives => {
                (trap.operation, trap.tag, trap.words) = (Operation::Receive, 0, [0; 6]);
                Served::Wants(Turns::Own)
            }
            Direct::At(next)
                if trap.about_words.is_some() && turns != Turns::With(next) && trap.others < MAX_CPUS =>
            {
                Served::Wants(Turns::With(next))
            }
            // It is about yet another one.
            Direct::At(_) if turns != Turns::Own => Served::Wants(Turns::Whole),
            other => served_alone(other),
        }
    }

    /// The trap is served; what of it is still in the CPU is stored if somebody else goes on.
    fn leave_trap(&mut self, trap: &InPlace, direct: Direct<u32>) -> Next {
        let thread = trap.thread;
        let may_be_anywhere = trap.expects_anybody || matches!(direct, Direct::Resumes(_));
        let goes_on = match direct {
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
        self.direct += usize::from(!trap.at_length);

        let is_stored_for = self.identity(thread);
        assert!(
            is_stored_for.is_none() || is_stored_for == trap.identity,
            "the rest is stored for the thread it belongs to, or for nobody"
        );
        let registers = &self.kernel.platform.registers[thread as usize];
        assert_only_message_touched(registers, &trap.in_memory);
        match goes_on {
            Some(goes_on) if goes_on == thread => assert_whole_answer(registers, &trap.in_memory),
            Some(goes_on) if !may_be_anywhere => self.assert_waited_in_a_trap(goes_on),
            _ => {}
        }
        assert!(
            self.home(thread)
                .is_none_or(|home| home == self.kernel.platform.here),
            "no other CPU has a thread whose registers are not stored"
        );
        store_rest(&trap.in_cpu, &mut self.kernel.platform.registers[thread as usize]);
        match goes_on {
            Some(thread) => self.go_on(Next::Run(thread)),
            None => {
                let next = self.enter();
                self.work_on(next)
            }
        }
    }
}

/// What became of what was served with the CPU's own turn.
fn served_alone(direct: Direct<u32>) -> Served {
    match direct {
        Direct::Stays(_) | Direct::Runs(_) | Direct::Resumes(_) | Direct::Enters => Served::Done(direct),
        Direct::At(cpu) => Served::Wants(Turns::With(cpu)),
        _ => Served::Wants(Turns::Whole),
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
