//! Programs that do anything, and what has to hold whatever they do.

mod act;
mod choose;
mod finale;
mod program;

use crate::Way;
use crate::setup::{Size, world_of};
use crate::world::World;
use abi::layout::PAGE_BYTES;
use abi::shm::ShmId;
use abi::{Handle, MessagePage, Rights, Tag};
use addr::{Frame, VirtAddr};
use choose::{Picks, Trap};
use kcore::Next;
use kcore::handle::Object;
use kcore::process::{Process, ProcessId};
use kcore::thread::{State, ThreadId};
use mm::Access;
use program::{Entry, Program, Sight};
use std::collections::HashMap;

/// A world, and what its programs know.
pub struct Play {
    world: World,
    programs: HashMap<u32, Program>,
    /// Threads in whose traps another one's registers are written, and that one.
    writes: Vec<(ThreadId, ThreadId)>,
    /// Segments that were ever made.
    segments: Vec<ShmId>,
    /// The first process is gone, so nothing more happens.
    stopped: bool,
    /// Only the first process is left, and it waits for what will never come.
    stuck: bool,
    /// How often each value of x0 came.
    pub outcomes: [usize; OUTCOMES],
    /// How many waiters for words were woken.
    pub woken: u64,
    /// How many threads that had faulted went on.
    pub helped: u64,
}

/// How often a program may touch something while another CPU is in the kernel.
const MOST_TOUCHES: u32 = 8;

/// 0 and the errors.
pub const OUTCOMES: usize = 10;

impl Play {
    /// The first process has just begun, on the first of `cpus` CPUs.
    pub fn new(size: Size, cpus: usize) -> Self {
        let mut play = Self {
            world: world_of(size, Way::Long, cpus),
            programs: HashMap::new(),
            writes: Vec::new(),
            segments: Vec::new(),
            stopped: false,
            stuck: false,
            outcomes: [0; OUTCOMES],
            woken: 0,
            helped: 0,
        };
        play.look_around();
        play
    }

    /// How often others could do something in the middle of what a CPU did.
    pub fn gaps(&self) -> usize {
        self.world.gaps
    }

    /// How many faults were told to a handler that waited, while CPUs share the kernel.
    pub fn told_directly(&self) -> usize {
        self.world.told
    }

    /// How often a program touched something while another CPU was in the kernel.
    pub fn touches_beside(&self) -> u64 {
        self.world.touches_served()
    }

    /// Whether nothing more can happen.
    pub fn is_over(&self) -> bool {
        self.stopped || self.stuck
    }

    /// Plays a step of this kind, then checks everything. What the numbers stand for depends on who runs and
    /// what it has, so that any numbers make sense.
    pub fn step(&mut self, kind: u8, numbers: &mut dyn Iterator<Item = u64>) {
        if self.is_over() {
            return;
        }
        let mut picks = Picks::new(numbers);
        let ends = picks.next();
        let plan = (0..6).map(|bit| ends >> (50 + 2 * bit) & 3 == 3);
        *self.world.kernel.platform.slice_ends.borrow_mut() = plan.collect();
        self.world.way = if ends & 1 == 0 { Way::Shorter } else { Way::Long };
        self.take_turns(ends >> 1);
        self.let_others_touch(picks.next());
        self.act(kind, &mut picks);
        self.check_machine();
    }

    /// Some CPU acts, and may leave others a turn between two pieces of work, where the lock around the kernel is given
    /// back.
    fn take_turns(&mut self, pick: u64) {
        let cpus = self.world.cpus();
        self.world.turn_to((pick >> 2) as usize % cpus);
        self.world.interleaved = cpus > 1 && pick & 1 == 0;
        self.world.between = cpus > 1 && pick >> 40 & 3 == 0;
    }

    /// Programs on other CPUs touch what they know of, whatever this one has the kernel do meanwhile.
    fn let_others_touch(&mut self, pick: u64) {
        let here = self.world.kernel.platform.here;
        let touches = (0..MOST_TOUCHES).map(|turn| {
            let pick = pick.rotate_right(6 * turn);
            let cpu = (pick >> 1) as usize % self.world.cpus();
            let thread = self.world.kernel.platform.cpus[cpu].running?;
            let area = self.programs[&thread].some_area(pick >> 5);
            let address = VirtAddr::new(area.wrapping_add((pick >> 12) % 4 * PAGE_BYTES));
            let access = [Access::Write, Access::Read, Access::Execute][(pick >> 16) as usize % 3];
            let touch = self.world.touch_by(thread, address, access);
            (cpu != here && pick & 1 == 0).then_some(touch)
        });
        let touches: Vec<_> = touches.collect();
        self.world.let_others_touch(touches.into_iter());
    }

    fn act(&mut self, kind: u8, picks: &mut Picks<'_>) {
        if self.world.is_alerted() && !picks.next().is_multiple_of(4) {
            return self.look_up();
        }
        if self.world.running.is_none() {
            return self.do_without_program(picks);
        }
        if self.has_waiting_handler() && picks.next().is_multiple_of(2) {
            return self.fault_for(picks);
        }
        match kind % 64 {
            0..=19 => self.request(picks),
            20..=22 => self.deal_with_fault(picks),
            23..=24 => self.meet_at_word(picks),
            25..=29 => self.deal_with_child(picks),
            30..=43 => self.exchange(picks),
            44 => self.fill_table(picks),
            45 => self.deal_with_fault(picks),
            46..=47 => self.raise_child(picks),
            48..=49 => self.deal_with_thread(picks),
            50..=53 => self.touch(picks),
            54 => self.touch_much(picks),
            55 => self.misbehave(picks),
            56..=59 => self.let_time_pass(picks),
            60 => self.type_something(picks),
            61 => self.speak_up(),
            62 => self.world.kernel.platform.console_full ^= true,
            _ => self.trap(&Trap::nonsense(picks)),
        }
    }

    /// No TLB grants what the tables do not, and nothing leads to a free frame.
    fn check_machine(&self) {
        let memory = self.world.memory();
        memory.mmu().audit();
        memory.mmu().assert_all_free(|frame| memory.is_free(frame));
    }

    /// The running program traps. Whether it goes on at once.
    fn trap_and_go_on(&mut self, trap: &Trap) -> bool {
        let running = self.world.running;
        self.trap(trap);
        !self.stopped && self.world.running == running
    }

    fn trap(&mut self, trap: &Trap) {
        if trap.ends_everything(self.first_runs()) {
            return;
        }
        self.note_write(trap);
        trap.fill(self.world.page());
        trap.load(self.world.registers());
        self.enter(Entry::Trap(trap.operation));
        let next = self.world.enter_by_trap();
        self.meet_all(next);
    }

    /// If `trap` writes a thread's registers, notes whose.
    fn note_write(&mut self, trap: &Trap) {
        if trap.writes_registers()
            && let Some(target) = self.target_of(trap)
        {
            self.writes.push((self.program().id, target));
        }
    }

    fn target_of(&self, trap: &Trap) -> Option<ThreadId> {
        let handle = Handle::from_raw(trap.handle as u32);
        match self.objects().find(|(named, _)| *named == handle)?.1 {
            Object::Thread(target) => Some(target),
            _ => None,
        }
    }

    /// Who had faulted before something happened finds what somebody has written to its registers meanwhile.
    fn note_written(&mut self) {
        let world = &self.world;
        for (writer, target) in std::mem::take(&mut self.writes) {
            if world.is_in_a_trap(writer.index()) {
                self.writes.push((writer, target));
                continue;
            }
            let program = self.programs.get_mut(&target.index());
            if let Some(program) = program.filter(|program| program.id == target && program.has_faulted) {
                program.is_given(world.kernel.platform.registers[target.index() as usize]);
            }
        }
    }

    /// The running program, if there is one, enters the kernel.
    fn enter(&mut self, entry: Entry) {
        let Some(thread) = self.world.running else {
            return;
        };
        let sight = Sight {
            registers: *self.world.registers(),
            page: *self.world.page(),
        };
        self.programs
            .get_mut(&thread)
            .expect("seen before")
            .leave(entry, sight);
    }

    /// The kernel decides who goes on; everybody finds what they should.
    fn go_on(&mut self) {
        let next = self.world.run();
        self.meet_all(next);
    }

    fn meet_all(&mut self, next: Next) {
        self.stopped = matches!(next, Next::Stop(_));
        self.look_around();
    }

    /// Whoever waits for nothing but the CPU has what they had before, or an answer.
    fn look_around(&mut self) {
        self.note_written();
        let threads = self.world.kernel.threads();
        let threads: Vec<(ThreadId, State, Frame, bool)> = threads
            .map(|(id, thread)| (id, thread.state, thread.page, thread.fault.is_some()))
            .collect();
        for (id, state, page, has_faulted) in threads {
            let fake = &self.world.kernel.platform;
            let page = fake.pages.get(&page).copied().unwrap_or(MessagePage::EMPTY);
            let registers = self.world.kernel.platform.registers[id.index() as usize];
            let sight = Sight { registers, page };
            self.meet(id, &sight);
            self.note_copy(id, &sight);
            let program = self.programs.get_mut(&id.index()).expect("met");
            let had_faulted = core::mem::replace(&mut program.has_faulted, has_faulted);
            if matches!(state, State::Ready) && !self.world.is_in_a_trap(id.index()) {
                self.helped += u64::from(had_faulted);
                let is_news = program.settled.is_none();
                let news = program.settle(sight);
                self.segments.extend(news.segment);
                // Who stands in for a memory manager may answer anything.
                self.woken = self.woken.saturating_add(news.woken);
                if is_news {
                    self.check_arrival(id);
                }
            }
        }
    }

    /// A thread that has become a copy of another one finds what that would, but for the answer.
    fn note_copy(&mut self, id: ThreadId, sight: &Sight) {
        let copied = &mut self.world.kernel.platform.copied;
        if let Some(place) = copied.iter().position(|(_, to)| *to == id.index()) {
            let (from, _) = copied.swap_remove(place);
            let copy = self.programs[&from].copy(id, sight.page);
            self.programs.insert(id.index(), copy);
        }
    }

    /// A thread that is seen for the first time has nothing of its predecessor's.
    fn meet(&mut self, id: ThreadId, sight: &Sight) {
        if self
            .programs
            .get(&id.index())
            .is_some_and(|program| program.id == id)
        {
            return;
        }
        let marked = self.world.kernel.platform.marked[id.index() as usize];
        assert!(
            !marked || self.world.runs_somewhere(id.index()),
            "the machine has forgotten who was here before"
        );
        let mut program = Program::new(id, sight.clone());
        if let Some(sibling) = self.sibling_of(id) {
            program.learn_from(sibling);
        }
        self.programs.insert(id.index(), program);
    }

    /// What some other thread of its process knows.
    fn sibling_of(&self, id: ThreadId) -> Option<&Program> {
        let (_, process) = self.process_of(id.index());
        let kernel = &self.world.kernel;
        let others = kernel.threads().filter(|(other, thread)| {
            *other != id
                && kernel
                    .processes()
                    .any(|(id, it)| id == thread.process && it.pid == process.pid)
        });
        let programs =
            others.filter_map(|(other, _)| self.programs.get(&other.index()).filter(|it| it.id == other));
        programs.last()
    }

    /// An answer that brought handles brought good ones.
    fn check_arrival(&mut self, id: ThreadId) {
        let sight = self.programs[&id.index()].settled.as_ref().expect("just settled");
        self.outcomes[sight.registers.x[0] as usize] += 1;
        let (_, process) = self.process_of(id.index());
        let count = Tag::decode_received(sight.registers.x[1])
            .expect("good")
            .handles();
        for &raw in &sight.page.handles[..count] {
            let found = process.handles.find(Handle::from_raw(raw), Rights::empty());
            assert!(found.is_ok(), "a handle that came along is good");
        }
    }

    /// The program that runs.
    fn program(&self) -> &Program {
        let thread = self.world.running.expect("somebody runs");
        &self.programs[&thread]
    }

    /// Whether a thread of the first process runs.
    fn first_runs(&self) -> bool {
        let running = self.world.running;
        running.is_some_and(|thread| self.process_of(thread).1.pid.0 == 1)
    }

    /// The process of a thread.
    fn process_of(&self, thread: u32) -> (ProcessId, &Process) {
        let kernel = &self.world.kernel;
        let found = kernel.threads().find(|(id, _)| id.index() == thread);
        let (_, found) = found.expect("it exists");
        let mut processes = kernel.processes();
        processes
            .find(|(id, _)| *id == found.process)
            .expect("it has one")
    }

    /// The good handles that the running program knows of, newest first.
    fn objects(&self) -> impl Iterator<Item = (Handle, Object)> {
        let (_, process) = self.process_of(self.world.running.expect("somebody runs"));
        let found = |handle| process.handles.find(handle, Rights::empty());
        self.program()
            .handles()
            .filter_map(move |handle| Some((handle, found(handle).ok()?.object)))
    }

    fn endpoints(&self) -> impl Iterator<Item = (Handle, Object)> {
        self.objects()
            .filter(|(_, object)| matches!(object, Object::Endpoint(_)))
    }
}
