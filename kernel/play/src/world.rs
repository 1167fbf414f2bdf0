//! A kernel on a pretend machine: tests play the programs, one trap at a time.

use crate::fake::{
    CONSOLE_INTERRUPT, Fake, FakeCpu, HERTZ, Memory, SLICE, Step, TICKS, Touch, Words as AwaitedByAll,
};
use crate::gaps::Misdeed;
use crate::vectors::Way;
use abi::device::{DeviceFacts, DeviceKind};
use abi::process::{Derive, Pid};
use abi::system::Machine;
use abi::time::Frequency;
use abi::{Badge, Errno, Handle, IpcError, MessagePage, Operation, Request, Rights, Tag, Words, Words6};
use addr::{Frame, FrameRange, VirtAddr};
use kcore::fault::Fault;
use kcore::handle::Object;
use kcore::kernel::Facts;
use kcore::log::{LOG_BYTES, Log};
use kcore::object::device::Device;
use kcore::object::word::AwaitedWords;
use kcore::process::{FirstStart, Name};
use kcore::{
    Clock, Cpu, CpuId, Interrupt, Kernel, MemoryLock, Next, Place, Platform, Queued, Registers, Shown,
    Storage,
};
use mm::{Access, Job, MemoryManager, Refused, Seconds, SpaceId};
use slots::Slot;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// What a trap came back with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back {
    /// x0: nothing, or why the message did not arrive.
    pub outcome: Option<IpcError>,
    /// x1.
    pub tag: Tag,
    /// x2 to x7.
    pub words: Words6,
    /// x8.
    pub badge: u64,
}

/// A kernel and who runs on it.
pub struct World {
    /// The kernel.
    pub kernel: Kernel<Fake>,
    /// Number of the thread that runs, on the CPU whose turn it is.
    pub running: Option<u32>,
    /// Whether that CPU gives others a turn between two pieces of the kernel's work.
    pub interleaved: bool,
    /// Whether it gives others a turn wherever it waits for more turns than its own: for another CPU's as well, or for all.
    pub between: bool,
    /// How the next trap comes in.
    pub way: Way,
    /// How many traps and faults were served directly, in a straight line.
    pub direct: usize,
    /// How many of these were faults.
    pub told: usize,
    /// How often a CPU found out who goes on by exchanging threads with others, without the whole kernel.
    pub sought: usize,
    /// How often an address space was activated while CPUs share the kernel.
    pub entered_anew: usize,
    /// How often it took another one's turn for that.
    pub exchanges: usize,
    /// How often it gave others a turn in the middle of something.
    pub gaps: usize,
    /// How often it said what is left of a job, and what it does then, without the whole kernel.
    pub noted: usize,
}

/// As many as there can be.
const PROCESSES: usize = 40;
/// Of these, one for each process, and some more.
const THREADS: usize = 52;

/// Slots that are never given back.
pub(crate) fn leak<T>(count: usize) -> &'static mut [Slot<T>] {
    (0..count).map(|_| Slot::empty()).collect::<Vec<_>>().leak()
}

/// The interrupt of the device that there is.
pub const DEVICE_INTERRUPT: u32 = 40;

/// A serial port, somewhere beside all RAM.
fn device() -> Device {
    let facts = DeviceFacts {
        kind: DeviceKind::Pl011,
        clock_hz: 0,
    };
    let frames = FrameRange::new(Frame::from_number(0x9000), 1).expect("not empty");
    Device::new(facts, frames, (0x200, 0x48), Some(DEVICE_INTERRUPT))
}

impl World {
    /// A kernel whose first process runs, and whose traps come in one way. Its handles: itself, memory,
    /// console, system.
    pub fn new(memory: MemoryManager<machine::Machine>, way: Way, cpus: usize) -> Self {
        let memory = Memory {
            manager: Rc::new(RefCell::new(memory)),
            touches: Rc::default(),
            served: Rc::default(),
        };
        let queued: Queued = (0..THREADS).map(|_| Place::free()).collect::<Vec<_>>().leak();
        let words = AwaitedByAll {
            awaited: Rc::new(RefCell::new(AwaitedWords::new(leak(THREADS), queued))),
            memory: memory.clone(),
        };
        let fake = Fake {
            memory: memory.clone(),
            words: words.clone(),
            registers: vec![Registers::ZERO; THREADS],
            pages: HashMap::new(),
            cpus: (0..cpus).map(|_| FakeCpu::default()).collect(),
            here: 0,
            typed: VecDeque::new(),
            device_interrupts: HashMap::new(),
            printed: Vec::new(),
            console_full: false,
            marked: vec![false; THREADS],
            spaces: vec![None; THREADS],
            kept: vec![None; THREADS],
            copied: Vec::new(),
            now: Cell::new(TICKS),
            slice_ends: RefCell::default(),
        };
        let storage = Storage {
            cpus: (0..cpus).map(|_| Cpu::idle()).collect::<Vec<_>>().leak(),
            shown: (0..cpus).map(|_| Shown::idle()).collect::<Vec<_>>().leak(),
            processes: leak(PROCESSES),
            threads: leak(THREADS),
            endpoints: leak(16),
            queued,
            devices: leak(1),
        };
        let machine = Machine {
            cpus: cpus as u32,
            running: cpus as u32,
            ram: 0,
            image: 0,
            clock_hz: 1,
            asid_bits: 8,
        };
        let facts = Facts {
            machine,
            board: "pretend machine",
            clock: Box::leak(Box::new(Clock::without_date(
                Frequency::new(HERTZ).expect("not zero"),
                0,
            ))),
        };
        let mut kernel = Kernel::new(fake, (words, memory), storage, facts);
        kernel.add_device(device());
        let (init, _) = kernel
            .new_process(Name::new(b"init").expect("a name"), Pid(0), mm::Credential::ROOT)
            .expect("room");
        kernel.place_new(init, Handle::CONSOLE, Object::Console);
        kernel.place_new(init, Handle::PARENT, Object::System);
        kernel.start_first(
            init,
            &FirstStart {
                entry: 0x60_0000,
                stack: 0x1000,
                words: [0; 6],
                bytes: b"args",
            },
        );
        let mut world = Self {
            kernel,
            running: None,
            interleaved: false,
            between: false,
            way,
            direct: 0,
            told: 0,
            sought: 0,
            entered_anew: 0,
            exchanges: 0,
            gaps: 0,
            noted: 0,
        };
        world.kernel.log = Log::new(vec![0; LOG_BYTES].leak());
        world.run();
        world
    }

    /// The kernel, entered by the CPU whose turn it is.
    pub fn kernel(&mut self) -> &mut Kernel<Fake> {
        let step = self.take_step();
        let left = self.kernel.platform.cpu().left.take();
        let kernel = self.entered();
        if let Some(rest) = step {
            kernel.stepped(rest);
        }
        if let Some(interrupt) = left {
            kernel.serve_interrupts(interrupt);
        }
        kernel
    }

    /// The same, of which the CPU has nothing to tell.
    pub(crate) fn entered(&mut self) -> &mut Kernel<Fake> {
        let here = CpuId::new(self.kernel.platform.here).expect("there is such a CPU");
        self.kernel.on(here)
    }

    /// The CPU does a piece of this job next, without the kernel.
    pub(crate) fn begin_step(&mut self, job: Job, now: Seconds) -> Next {
        self.kernel.platform.cpu().step = Some(Step::Before(job, now));
        Next::Step(job, now)
    }

    /// What is left of a job, if the CPU has been told to do a piece of one, and the kernel does not know yet.
    pub(crate) fn take_step(&mut self) -> Option<Option<Job>> {
        self.do_step();
        match self.kernel.platform.cpu().step.take() {
            Some(Step::After(rest)) => Some(rest),
            _ => None,
        }
    }

    /// Does the piece of a job that the CPU has been told to do, if there is one. Whether there was.
    fn do_step(&mut self) -> bool {
        let Some(Step::Before(job, now)) = self.kernel.platform.cpu().step else {
            return false;
        };
        let rest = self.kernel.memory.step(job, now);
        self.kernel.platform.cpu().step = Some(Step::After(rest));
        true
    }

    /// The memory manager.
    pub fn memory(&self) -> RefMut<'_, MemoryManager<machine::Machine>> {
        self.kernel.platform.memory.manager.borrow_mut()
    }

    /// Lets the kernel decide who goes on.
    pub fn run(&mut self) -> Next {
        if let Some(next) = self.end_wait() {
            return self.work_on(next);
        }
        if self.interleaved && self.do_step() {
            return self.go_on(Next::Again);
        }
        loop {
            if let Some(next) = self.step_directly() {
                if self.interleaved || !matches!(next, Next::Step(..)) {
                    return next;
                }
                continue;
            }
            let kernel = self.kernel();
            let next = kernel.run();
            kernel.show();
            if let Next::Step(job, now) = next {
                self.begin_step(job, now);
            }
            if let Next::Run(thread) = next {
                self.assert_may_run_here(thread);
            }
            if self.interleaved || !matches!(next, Next::Again | Next::Step(..)) {
                return self.go_on(next);
            }
        }
    }

    /// What comes after `next`: if others get no turn in between, all pieces of a job.
    pub(crate) fn work_on(&mut self, next: Next) -> Next {
        match next {
            Next::Step(..) if !self.interleaved => self.run(),
            other => other,
        }
    }

    /// The kernel had the choice who runs, and chose one who may run here.
    fn assert_may_run_here(&self, thread: u32) {
        let cpu = self.kernel.platform.here as u32;
        let mut threads = self.kernel.threads();
        let may_run = threads.any(|(id, chosen)| id.index() == thread && chosen.cpus.contains(cpu));
        assert!(may_run, "thread {thread} may not run on CPU {cpu}");
    }

    /// The machine does what the kernel has decided, and the kernel is as it should be then.
    pub(crate) fn go_on(&mut self, next: Next) -> Next {
        self.audit();
        self.running = match next {
            Next::Run(thread) => Some(thread),
            _ => None,
        };
        let cpu = self.kernel.platform.cpu();
        let works = matches!(next, Next::Again | Next::Step(..));
        (cpu.running, cpu.works) = (self.running, works);
        self.assert_nobody_waits_in_vain();
        if let Some(thread) = self.running {
            self.kernel.platform.assert_nowhere_else(thread);
            assert_eq!(self.kernel.platform.cpu().prepared, Some(thread));
            let is_current = self.entered().here().runs(thread);
            assert!(is_current, "whom another CPU has ended meanwhile goes on");
            self.kernel.platform.marked[thread as usize] = true;
        }
        next
    }

    pub(crate) fn audit(&self) {
        let words = self.kernel.platform.words.awaited.borrow();
        assert_eq!(self.kernel.audit(&self.memory(), &words), Ok(()));
    }

    /// No CPU sleeps that a thread waits for.
    fn assert_nobody_waits_in_vain(&self) {
        for (number, cpu) in self.kernel.platform.cpus.iter().enumerate() {
            let id = CpuId::new(number).expect("there is such a CPU");
            assert!(
                !cpu.sleeps(self.kernel.platform.now.get()) || !self.kernel.is_wanted(id),
                "a thread waits for CPU {number}, which sleeps"
            );
        }
    }

    /// The running thread's registers.
    pub fn registers(&mut self) -> &mut Registers {
        let thread = self.running.expect("somebody runs");
        self.kernel.platform.registers(thread)
    }

    /// The running thread traps; then whoever goes on runs.
    pub fn trap(&mut self, operation: u64, handle: u64, tag: u64, words: Words6) -> Next {
        let registers = self.registers();
        registers.x[0] = handle;
        registers.x[1] = tag;
        registers.x[2..8].copy_from_slice(&words);
        registers.x[8] = operation;
        self.enter_by_trap()
    }

    /// What the running thread finds in its registers.
    pub fn back(&mut self) -> Back {
        let registers = self.registers();
        assert!(
            registers.x[9..18].iter().all(|&x| x == 0),
            "x9 to x17 come back zero"
        );
        Back {
            outcome: IpcError::decode(registers.x[0]),
            tag: Tag::decode_received(registers.x[1]).expect("the kernel writes good tags"),
            words: registers.words(),
            badge: registers.x[8],
        }
    }

    /// The running thread's message page.
    pub fn page(&mut self) -> &mut MessagePage {
        let running = self.running.expect("somebody runs");
        let mut threads = self.kernel.threads();
        let (_, thread) = threads.find(|(id, _)| id.index() == running).expect("it lives");
        let frame = thread.page;
        drop(threads);
        self.kernel
            .platform
            .pages
            .entry(frame)
            .or_insert(MessagePage::EMPTY)
    }

    /// The running thread calls; then whoever goes on runs.
    pub fn send<R: Request>(&mut self, handle: Handle, request: R, bytes: &[u8], handles: &[Handle]) -> Next {
        let page = self.page();
        page.bytes[..bytes.len()].copy_from_slice(bytes);
        for (place, handle) in page.handles.iter_mut().zip(handles) {
            *place = handle.raw();
        }
        let tag = Tag::new(R::LABEL)
            .with_bytes(bytes.len())
            .and_then(|t| t.with_handles(handles.len()));
        let tag = tag.expect("small enough").encode();
        self.trap(
            Operation::Call as u64,
            handle.raw().into(),
            tag,
            request.into_words(),
        )
    }

    /// A call that comes back to the same thread at once.
    pub fn call<R: Request>(&mut self, handle: Handle, request: R) -> Result<R::Answer, Errno> {
        self.call_with(handle, request, &[], &[])
    }

    /// The same, with bytes and handles.
    pub fn call_with<R: Request>(
        &mut self,
        handle: Handle,
        request: R,
        bytes: &[u8],
        handles: &[Handle],
    ) -> Result<R::Answer, Errno> {
        let thread = self.running;
        self.send(handle, request, bytes, handles);
        assert_eq!(self.running, thread, "the call comes back at once");
        self.answer::<R>()
    }

    /// Reads the running thread's answer to an earlier call.
    pub fn answer<R: Request>(&mut self) -> Result<R::Answer, Errno> {
        let back = self.back();
        assert_eq!(back.outcome, None, "the message arrived");
        match Errno::from_number(back.tag.label().0) {
            Some(errno) => Err(errno),
            None => Ok(R::Answer::from_words(&back.words).expect("a good answer")),
        }
    }

    /// Handles that came with the last message.
    pub fn handles(&mut self) -> Vec<Handle> {
        let count = self.back().tag.handles();
        self.page().handles[..count]
            .iter()
            .map(|&raw| Handle::from_raw(raw))
            .collect()
    }

    /// Makes a child; returns its handle and its memory manager's.
    pub fn create(&mut self, name: &str) -> Result<(Handle, Handle), Errno> {
        self.call_with(Handle::SELF, abi::process::Create {}, name.as_bytes(), &[])?;
        let handles = self.handles();
        Ok((handles[0], handles[1]))
    }

    /// Starts a child.
    pub fn start(&mut self, child: Handle) {
        let start = abi::process::Start {
            entry: 0x60_0000,
            stack: 0,
            word0: 1,
            word1: 2,
            word2: 3,
            word3: 4,
        };
        self.call(child, start).expect("starts");
    }

    /// Makes an endpoint.
    pub fn create_endpoint(&mut self) -> Handle {
        self.call(Handle::SELF, abi::process::CreateEndpoint {})
            .expect("room");
        self.handles()[0]
    }

    /// Makes a handle with these rights and this badge of another one.
    pub fn derive(&mut self, handle: Handle, rights: Rights, badge: Badge) -> Handle {
        let derive = Derive {
            handle,
            rights,
            badge,
        };
        self.call(Handle::SELF, derive).expect("derives");
        self.handles()[0]
    }

    /// Lets others run, until thread `thread` runs.
    pub fn until(&mut self, thread: u32) {
        for _ in 0..100 {
            if self.running == Some(thread) {
                return;
            }
            self.yield_now();
        }
        panic!("thread {thread} never runs");
    }

    /// The running program stores a word of 32 bits; its fault, if there is one, is served.
    pub fn store_word(&mut self, address: u64, value: u32) {
        let address = VirtAddr::new(address);
        let running = self.running.expect("somebody runs");
        if self.try_store(running, address, value).is_err() {
            self.touch(address, Access::Write);
            assert_eq!(self.running, Some(running), "the program may write there");
            self.try_store(running, address, value).expect("it is served");
        }
    }

    /// The running program touches what has no translation, or one that does not allow it. The memory manager
    /// serves that, without the kernel, or else the kernel decides who goes on.
    pub fn touch(&mut self, address: VirtAddr, access: Access) -> Next {
        let running = self.running.expect("somebody runs");
        let touch = self.touch_by(running, address, access);
        let served = touch.serve(&mut self.memory());
        let fault = match served {
            Ok(()) => {
                // It goes on even if another CPU has ended it meanwhile: it has not left this one.
                self.audit();
                return Next::Run(running);
            }
            Err(Refused::ForEver(cause)) => Some(Fault::of_memory(address, access, cause)),
            Err(Refused::ComesLater) => None,
        };
        self.misbehaves(Misdeed::Touch(address, access, fault))
    }

    /// A touch by `thread`, which runs.
    pub fn touch_by(&self, thread: u32, address: VirtAddr, access: Access) -> Touch {
        let space = self.space_of(thread);
        Touch {
            space,
            address,
            access,
        }
    }

    /// What programs that run on other CPUs touch while the one whose turn it is, is in the kernel: before the
    /// first time that it takes or shares the memory manager, and so on.
    pub fn let_others_touch(&mut self, touches: impl Iterator<Item = Option<Touch>>) {
        *self.kernel.platform.memory.touches.borrow_mut() = touches.collect();
    }

    /// How many of all these were served.
    pub fn touches_served(&self) -> u64 {
        self.kernel.platform.memory.served.get()
    }

    /// In which address space a thread runs.
    fn space_of(&self, thread: u32) -> SpaceId {
        self.kernel.platform.spaces[thread as usize].expect("each has one that lives")
    }

    fn try_store(&mut self, thread: u32, address: VirtAddr, value: u32) -> Result<(), machine::Fault> {
        let space = self.space_of(thread);
        let mut memory = self.memory();
        let (mmu, space) = memory.mmu_space_mut(space).expect("it is there");
        mmu.write_bytes(space, address, &value.to_le_bytes())
    }

    /// So much time passes that the time slice ends, if one runs; then whoever goes on runs.
    pub fn end_slice(&mut self) -> Next {
        self.kernel.platform.let_pass(SLICE);
        self.look_up()
    }

    /// Whether the CPU sleeps whose number this is.
    pub fn sleeps(&self, cpu: usize) -> bool {
        let fake = &self.kernel.platform;
        fake.cpus[cpu].sleeps(fake.now.get())
    }

    /// The interrupt comes; then whoever goes on runs.
    pub fn take(&mut self, interrupt: Interrupt) -> Next {
        self.kernel.platform.cpu().interrupts.push_back(interrupt);
        self.look_up()
    }

    /// The console has received something; then whoever goes on runs.
    pub fn console_interrupt(&mut self) -> Next {
        self.take(Interrupt::Device(CONSOLE_INTERRUPT))
    }

    /// The device wants something, if its interrupt can come; then whoever goes on runs.
    pub fn device_interrupt(&mut self) -> Option<Next> {
        let can_come = self
            .kernel
            .platform
            .device_interrupts
            .get_mut(&DEVICE_INTERRUPT)?;
        core::mem::take(can_come).then(|| self.take(Interrupt::Device(DEVICE_INTERRUPT)))
    }

    /// From now on it is the turn of `cpu`.
    pub fn turn_to(&mut self, cpu: usize) {
        self.let_others_touch(std::iter::empty());
        self.kernel.platform.here = cpu;
        self.running = self.kernel.platform.cpu().running;
    }

    /// Whether an interrupt waits on the CPU whose turn it is.
    pub fn is_alerted(&self) -> bool {
        let fake = &self.kernel.platform;
        fake.cpus[fake.here].is_interrupted(fake.now.get())
    }

    /// Whether a thread's program runs on any CPU.
    pub fn runs_somewhere(&self, thread: u32) -> bool {
        let mut cpus = self.kernel.platform.cpus.iter();
        cpus.any(|cpu| cpu.running == Some(thread))
    }

    /// The CPU whose turn it is takes the interrupts that wait; then whoever goes on runs.
    pub fn look_up(&mut self) -> Next {
        if let Some(next) = self.end_wait() {
            return self.work_on(next);
        }
        if let Some(next) = self.step_directly() {
            return self.work_on(next);
        }
        if self.way == Way::Long || self.kernel.platform.cpu().works {
            self.kernel().interrupt();
            return self.run();
        }
        loop {
            let next = self.interrupt_directly();
            let next = self.work_on(next);
            // What waits still comes before the program does anything; what comes only now, later.
            let cpu = self.kernel.platform.cpu();
            if cpu.works || cpu.interrupts.is_empty() {
                return next;
            }
        }
    }

    /// Lets `cpu` do what it has to do: its time slice ends, or it goes on with work, or is woken. Nothing if it sleeps.
    pub fn give_turn(&mut self, cpu: usize) -> Option<Next> {
        self.turn_to(cpu);
        if self.sleeps(cpu) {
            return None;
        }
        Some(if self.running.is_some() {
            self.end_slice()
        } else if self.is_alerted() {
            self.look_up()
        } else {
            self.run()
        })
    }

    /// How many CPUs there are.
    pub fn cpus(&self) -> usize {
        self.kernel.platform.cpus.len()
    }

    /// The running thread gives the rest of its time slice away; then whoever goes on runs.
    pub fn yield_now(&mut self) {
        self.trap(Operation::Yield as u64, 0, 0, [0; 6]);
    }

    /// Frames that are neither in use nor promised.
    pub fn free_frames(&self) -> u64 {
        let counts = self.memory().frame_counts();
        counts.free - counts.promised
    }

    /// All that the kernel has logged.
    pub fn log(&self) -> String {
        let mut bytes = vec![0; LOG_BYTES];
        let (_, count) = self.kernel.log.read(0, &mut bytes);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }
}
