//! What programs do, and what is done to them.

use super::Play;
use super::choose::{Picks, Trap};
use super::program::Entry;
use crate::SLICE;
use abi::process::{End, FaultKind};
use abi::shm::ShmKey;
use abi::{Handle, Operation, Rights};
use addr::{Perms, VirtAddr};
use kcore::Local;
use kcore::fault::Fault;
use kcore::handle::Object;
use kcore::thread::{State, ThreadId};
use mm::{Access, VmaKind};

const PAGE: u64 = 4096;
/// Where programs have the segment at whose words they meet.
const MEETING_PLACE: u64 = 0x50_0000_0000;

impl Play {
    /// A request to a kernel object, mostly of the right kind.
    pub(super) fn request(&mut self, picks: &mut Picks<'_>) {
        let trap = Trap::request(picks, self.program(), &self.segments);
        self.trap(&trap);
    }

    /// Calls, receives or answers, mostly what others wait for.
    pub(super) fn exchange(&mut self, picks: &mut Picks<'_>) {
        let running = self.world.running;
        let is_other = |id: ThreadId| Some(id.index()) != running;
        let others_ready = self.count(|id, state| is_other(id) && matches!(state, State::Ready));
        // Few wait for messages while nobody else runs, least of all the first process: it might
        // be for ever.
        let pick = picks.next() % 16;
        if (others_ready == 0 && pick < 8) || (self.first_runs() && pick < 14) {
            return self.raise_child(picks);
        }
        let Some((handle, object)) = self.shared_endpoint(picks) else {
            return self.raise_child(picks);
        };
        let calls =
            |state| matches!(state, State::Calling { endpoint, .. } if Object::Endpoint(endpoint) == object);
        let callers = self.count(|_, state| calls(state));
        let owes_answer = self
            .world
            .kernel
            .threads()
            .any(|(id, thread)| !is_other(id) && thread.caller.is_some());
        let operation = match picks.next() % 16 {
            0..=1 => Operation::Call,
            2..=3 => Operation::Receive,
            4 => Operation::ReplyReceive,
            5 => Operation::Send,
            6 => Operation::Signal,
            7..=8 => return self.answer_out_of_order(picks),
            _ if owes_answer => Operation::ReplyReceive,
            _ if callers > 0 => Operation::Receive,
            9 => Operation::Receive,
            10 => Operation::Send,
            11 => Operation::Signal,
            _ => Operation::Call,
        };
        let is_wrong = picks.next().is_multiple_of(16);
        let handle = if is_wrong {
            self.program().some_handle(picks)
        } else {
            handle
        };
        let trap = Trap::message(picks, self.program(), operation as u64).to(handle);
        let trap = if picks.next().is_multiple_of(2) {
            trap.helpful()
        } else {
            trap
        };
        self.trap_patiently(picks, trap);
    }

    /// Traps, and perhaps waits only until some time, which may have passed.
    fn trap_patiently(&mut self, picks: &mut Picks<'_>, trap: Trap) {
        let now = self.world.kernel.platform.now.get();
        let pick = picks.next();
        self.trap(&match pick % 4 {
            0 => trap.until(now + (pick >> 8) % (2 * SLICE)),
            1 if pick.is_multiple_of(8) => trap.until(0),
            _ => trap,
        });
    }

    /// Takes a caller along as a handle, or answers one that was, or the last one.
    fn answer_out_of_order(&mut self, picks: &mut Picks<'_>) {
        let replies = self
            .objects()
            .filter(|(_, object)| matches!(object, Object::Reply(_)));
        let replies: Vec<_> = replies.map(|(handle, _)| handle).collect();
        let handle = match picks.next() % 8 {
            0..=2 => return self.trap(&Trap::take_caller()),
            3 => Handle::NONE,
            4 => self.program().some_handle(picks),
            _ if replies.is_empty() => Handle::NONE,
            _ => picks.of(&replies),
        };
        let trap = Trap::message(picks, self.program(), Operation::Reply as u64).to(handle);
        self.trap(&if picks.next().is_multiple_of(2) {
            trap.helpful()
        } else {
            trap
        });
    }

    fn count(&self, is_meant: impl Fn(ThreadId, State) -> bool) -> usize {
        self.world
            .kernel
            .threads()
            .filter(|(id, thread)| is_meant(*id, thread.state))
            .count()
    }

    /// An endpoint of the running program that others can reach too.
    fn shared_endpoint(&self, picks: &mut Picks<'_>) -> Option<(Handle, Object)> {
        let processes = || self.world.kernel.processes().map(|(_, process)| process);
        let holders = |object| {
            processes()
                .filter(|process| process.handles.count(object) > 0)
                .count()
        };
        let endpoints: Vec<_> = self
            .endpoints()
            .filter(|(_, object)| holders(*object) > 1)
            .collect();
        (!endpoints.is_empty()).then(|| picks.of(&endpoints))
    }

    /// A child with some of its parent's handles is made and started, if nothing comes between.
    pub(super) fn raise_child(&mut self, picks: &mut Picks<'_>) {
        if self.endpoints().next().is_none() {
            return self.trap(&Trap::create_endpoint());
        }
        if !self.trap_and_go_on(&Trap::create()) || self.world.back().tag.handles() != 2 {
            return;
        }
        let child = self.world.handles()[0];
        for place in 3..3 + picks.next() % 5 {
            let Some(given) = self.make_gift(picks) else {
                return;
            };
            if !self.trap_and_go_on(&Trap::give(child, place, given)) {
                return;
            }
        }
        if !picks.next().is_multiple_of(4) {
            self.trap(&Trap::start(child));
        }
    }

    /// A thread is made beside the running one, or that ends, or waits for the end of another one, or cancels what
    /// another one waits for; or the running ones, or another one, are to run on other CPUs.
    pub(super) fn deal_with_thread(&mut self, picks: &mut Picks<'_>) {
        let is_thread = |object: &Object| matches!(object, Object::Thread(_));
        let threads = self.objects().filter(|(_, object)| is_thread(object));
        let threads: Vec<_> = threads.map(|(handle, _)| handle).collect();
        let is_alone = self
            .process_of(self.world.running.expect("somebody runs"))
            .1
            .threads
            .living()
            == 1;
        match picks.next() % 8 {
            0 if !threads.is_empty() && !is_alone => self.trap(&Trap::join(picks.of(&threads))),
            1 if !threads.is_empty() && !is_alone => {
                let [thread, handle] = [(); 2].map(|()| picks.of(&threads));
                self.trap(&Trap::join_and_close(thread, handle));
            }
            2 if !is_alone => self.trap(&Trap::exit_thread()),
            3..=4 if !threads.is_empty() => self.trap(&Trap::cancel(picks.of(&threads))),
            5 => self.trap(&Trap::set_cpus(picks)),
            6 if !threads.is_empty() => {
                let thread = picks.of(&threads);
                self.trap(&Trap::set_thread_cpus(thread, picks));
            }
            _ => self.trap(&Trap::create_thread()),
        }
    }

    /// Somebody is named who handles the faults of the running process or of another one, and perhaps waits for them; or the
    /// thread that has faulted last is looked at.
    pub(super) fn deal_with_fault(&mut self, picks: &mut Picks<'_>) {
        let endpoint = self.endpoint_to_receive_at(picks);
        let Some(endpoint) = endpoint.or_else(|| Some(self.shared_endpoint(picks)?.0)) else {
            return self.raise_child(picks);
        };
        let of_kind = |kind: fn(&Object) -> bool| {
            let found = self.objects().filter(|(_, object)| kind(object));
            found.map(|(handle, _)| handle).collect::<Vec<_>>()
        };
        let processes = of_kind(|object| matches!(object, Object::Process(_)));
        let threads = of_kind(|object| matches!(object, Object::Thread(_)));
        let named = match picks.next() % 8 {
            0..=1 => return self.trap(&Trap::open_faulted()),
            2 if !threads.is_empty() => return self.trap(&Trap::read_registers(picks.of(&threads))),
            3 if !threads.is_empty() => return self.trap(&Trap::write_registers(picks.of(&threads))),
            _ if processes.is_empty() => Handle::SELF,
            _ => picks.of(&processes),
        };
        let goes_on = self.trap_and_go_on(&Trap::handle_faults(named, endpoint));
        if goes_on && !self.first_runs() && picks.next().is_multiple_of(2) {
            self.trap(&Trap::message(picks, self.program(), Operation::Receive as u64).to(endpoint));
        }
    }

    /// The running program faults, which somebody waits for.
    pub(super) fn fault_for(&mut self, picks: &mut Picks<'_>) {
        if picks.next().is_multiple_of(2) {
            self.misbehave(picks);
        } else {
            let access = picks.of(&[Access::Write, Access::Read, Access::Execute]);
            self.touch_at(VirtAddr::new(PAGE), access);
        }
    }

    /// An endpoint at which the running program may receive.
    fn endpoint_to_receive_at(&self, picks: &mut Picks<'_>) -> Option<Handle> {
        let (_, process) = self.process_of(self.world.running.expect("somebody runs"));
        let may_receive = |handle| process.handles.find(handle, Rights::ENDPOINT).is_ok();
        let endpoints = self.endpoints().map(|(handle, _)| handle);
        let endpoints: Vec<_> = endpoints.filter(|&handle| may_receive(handle)).collect();
        (!endpoints.is_empty()).then(|| picks.of(&endpoints))
    }

    /// Whether somebody receives at this endpoint.
    fn is_waited_at(&self, object: Object) -> bool {
        let waits =
            |state| matches!(state, State::Receiving(endpoint) if Object::Endpoint(endpoint) == object);
        self.count(|_, state| waits(state)) > 0
    }

    /// Whether somebody waits for the faults of the running process. The first one has none on purpose.
    pub(super) fn has_waiting_handler(&self) -> bool {
        let running = self.world.running.expect("somebody runs");
        let handler = self.process_of(running).1.fault_handler;
        !self.first_runs() && handler.is_some_and(|handler| self.is_waited_at(handler.object()))
    }

    /// A handle for a child, mostly to an endpoint, and mostly one that cannot receive.
    fn make_gift(&mut self, picks: &mut Picks<'_>) -> Option<Handle> {
        let pick = picks.next();
        let endpoints: Vec<_> = self.endpoints().map(|(handle, _)| handle).collect();
        let own = if pick.is_multiple_of(4) || endpoints.is_empty() {
            self.program().some_handle(picks)
        } else {
            picks.of(&endpoints)
        };
        if (pick / 4).is_multiple_of(4) {
            return Some(own);
        }
        let goes_on = self.trap_and_go_on(&Trap::derive(own));
        goes_on.then(|| self.world.handles().first().copied().unwrap_or(own))
    }

    /// A process that is not the running one is killed, waited for, given something, or started.
    pub(super) fn deal_with_child(&mut self, picks: &mut Picks<'_>) {
        let running = self.world.running.expect("somebody runs");
        let (init, own) = (self.init().0, self.process_of(running).0);
        let is_other = |object: &Object| matches!(object, Object::Process(id) if *id != own && *id != init);
        let others = self.objects().filter(|(_, object)| is_other(object));
        let others: Vec<_> = others.map(|(handle, _)| handle).collect();
        if others.is_empty() {
            return self.raise_child(picks);
        }
        let other = picks.of(&others);
        let trap = match picks.next() % 10 {
            0 => Trap::kill(other),
            1 if !self.first_runs() => Trap::wait(other),
            7 if !self.first_runs() => Trap::wait_and_close(other, picks.of(&others)),
            8 if !self.first_runs() => Trap::become_prepared(other),
            9 => Trap::fork(),
            2 => Trap::give(other, 1 + picks.next() % 12, picks.of(&others)),
            3..=5 => Trap::give(other, 1 + picks.next() % 12, self.program().some_handle(picks)),
            _ => Trap::start(other),
        };
        self.trap(&trap);
    }

    /// The running program makes handles until no more fit, and then has to do with others.
    pub(super) fn fill_table(&mut self, picks: &mut Picks<'_>) {
        let handle = self.program().some_handle(picks);
        for _ in 0..64 {
            if !self.trap_and_go_on(&Trap::derive(handle)) {
                return;
            }
            if self.world.back().tag.handles() == 0 {
                return self.exchange(picks);
            }
        }
    }

    /// A touch of some address; the first program touches only what is its own.
    pub(super) fn touch(&mut self, picks: &mut Picks<'_>) {
        let address = VirtAddr::new(match picks.next() % 8 {
            0 => picks.address(self.program()),
            pick => self
                .program()
                .some_area(picks.next())
                .wrapping_add(pick % 4 * PAGE),
        });
        let access = picks.of(&[Access::Write, Access::Read, Access::Execute]);
        if !self.first_runs() || self.is_own(address, access) {
            self.touch_at(address, access);
        }
    }

    /// The running program waits for a word, or wakes those who wait there: of a segment that all can have, or of
    /// anything that it has mapped. The first one only wakes, since it might wait for ever.
    pub(super) fn meet_at_word(&mut self, picks: &mut Picks<'_>) {
        let area = if picks.next().is_multiple_of(4) {
            self.program().some_area(picks.next())
        } else if self.attach_meeting_place() {
            MEETING_PLACE
        } else {
            return;
        };
        let address = area.wrapping_add(picks.next() % 2 * PAGE + picks.next() % 2 * 4);
        let waiting = self.count(|_, state| matches!(state, State::WaitingWord(_)));
        let wakes = self.first_runs() || (waiting > 0 && !picks.next().is_multiple_of(4));
        self.trap(&if wakes {
            Trap::wake_word(address, picks.of(&[1, 1, 2, 100]))
        } else {
            let soon = self.world.kernel.platform.ticks() + picks.next() % 50;
            let deadline = picks.of(&[u64::MAX, u64::MAX, soon]);
            match picks.next() % 4 {
                0 => Trap::wake_and_wait(address, address, deadline),
                1 => Trap::wake_and_wait(address ^ 4, address, deadline),
                _ => Trap::wait_word(address, deadline),
            }
        });
    }

    /// Sees to it that the running program has a segment where all have it, if it may. Whether it goes on.
    fn attach_meeting_place(&mut self) -> bool {
        if !self.trap_and_go_on(&Trap::get_segment(ShmKey(99), 2 * PAGE)) {
            return false;
        }
        let id = self.world.back().words[0];
        self.trap_and_go_on(&Trap::attach_segment(id, MEETING_PLACE))
    }

    /// Touches many pages, so that there is much to be given back, and perhaps does that.
    pub(super) fn touch_much(&mut self, picks: &mut Picks<'_>) {
        if !self.trap_and_go_on(&Trap::map(150 * PAGE)) {
            return;
        }
        let (base, step) = (self.program().some_area(u64::MAX), 1 + picks.next() % 2);
        let pages = (0..150).map(|page| VirtAddr::new(base + page * step * PAGE));
        self.enter(Entry::Interruption);
        for address in pages.take_while(|address| address.raw() < base + 150 * PAGE) {
            if self.is_own(address, Access::Write) {
                self.world.kernel().memory_fault(address, Access::Write);
            }
        }
        self.go_on();
        if self.world.running.is_some() && picks.next().is_multiple_of(2) {
            // Others run before all of it is back.
            self.world
                .kernel
                .platform
                .slice_ends
                .borrow_mut()
                .push_front(true);
            self.trap(&Trap::unmap(base, 150 * PAGE));
        }
    }

    fn touch_at(&mut self, address: VirtAddr, access: Access) {
        self.enter(Entry::Interruption);
        let next = self.world.touch(address, access);
        self.meet_all(next);
    }

    /// Whether the running program has private memory there that allows this access.
    fn is_own(&self, address: VirtAddr, access: Access) -> bool {
        let space = self
            .world
            .running
            .and_then(|thread| self.process_of(thread).1.space);
        let facts = space.and_then(|space| self.world.memory().describe(space, address));
        facts.is_some_and(|facts| facts.perms.contains(needed(access)) && facts.what == VmaKind::Anonymous)
    }

    /// A fault that is not about memory.
    pub(super) fn misbehave(&mut self, picks: &mut Picks<'_>) {
        if !self.first_runs() {
            let kind = picks.of(&[
                FaultKind::BadInstruction,
                FaultKind::Breakpoint,
                FaultKind::Hardware,
            ]);
            self.enter(Entry::Interruption);
            let next = self.world.fault(Fault::other(kind, picks.next()));
            self.meet_all(next);
        }
    }

    /// Time passes: mostly so much that the time slice ends.
    pub(super) fn let_time_pass(&mut self, picks: &mut Picks<'_>) {
        self.enter(Entry::Interruption);
        self.world.kernel.platform.let_pass(picks.next() % 8);
        let next = self.world.end_slice();
        self.meet_all(next);
    }

    /// The device has something to say, if anybody listens.
    pub(super) fn speak_up(&mut self) {
        self.enter(Entry::Interruption);
        match self.world.device_interrupt() {
            Some(next) => self.meet_all(next),
            None => self.go_on(),
        }
    }

    pub(super) fn type_something(&mut self, picks: &mut Picks<'_>) {
        let text = b"typed\r".iter().cycle().take(picks.below(300));
        self.world.kernel.platform.typed.extend(text);
        self.enter(Entry::Interruption);
        let next = self.world.console_interrupt();
        self.meet_all(next);
    }

    /// The CPU takes the interrupts that wait.
    pub(super) fn look_up(&mut self) {
        self.enter(Entry::Interruption);
        let next = self.world.look_up();
        self.meet_all(next);
    }

    /// No program runs on the CPU, which has work of the kernel's to do or sleeps.
    pub(super) fn do_without_program(&mut self, picks: &mut Picks<'_>) {
        let fake = &self.world.kernel.platform;
        if (0..self.world.cpus()).all(|cpu| self.world.sleeps(cpu)) {
            self.disturb(picks);
        } else if !fake.cpus[fake.here].is_idle() {
            self.go_on();
        } else if self.world.is_alerted() {
            self.look_up();
        }
    }

    /// Nobody runs: something comes from outside, or ends somebody.
    fn disturb(&mut self, picks: &mut Picks<'_>) {
        match picks.next() % 4 {
            0 | 1 => return self.type_something(picks),
            2 => return self.let_time_pass(picks),
            _ => {}
        }
        let processes = self.world.kernel.processes();
        let others = processes.filter(|(_, process)| process.pid.0 != 1 && process.threads.living() > 0);
        let others: Vec<_> = others.map(|(id, _)| id).collect();
        if others.is_empty() {
            self.stuck = true;
            return;
        }
        self.world.kernel().end_process(picks.of(&others), End::Killed);
        self.go_on();
    }
}

fn needed(access: Access) -> Perms {
    match access {
        Access::Read => Perms::READ,
        Access::Write => Perms::WRITE,
        Access::Execute => Perms::EXECUTE,
    }
}
