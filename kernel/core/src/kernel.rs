//! The state of the kernel, in one place.

use crate::clock::Clock;
use crate::handle::{Capability, Object};
use crate::ipc::Endpoint;
use crate::log::Log;
use crate::object::Outcome;
use crate::object::console::Console;
use crate::object::device::Device;
use crate::platform::{Guarded, MemoryLock, Platform};
use crate::process::{Process, ProcessId};
use crate::queue::Queued;
use crate::sched::{Cpu, CpuId, Cpus, Shown, Stop};
use crate::thread::{Thread, ThreadId};
use abi::MessagePage;
use abi::process::Pid;
use abi::system::Machine;
use mm::{RegionId, Seconds};
use slots::{Id, Slot, Slots};

/// Room for the kernel's objects, taken from RAM at boot.
pub struct Storage {
    /// For processes.
    pub processes: &'static mut [Slot<Process>],
    /// For the CPUs that run, one at least and [`MAX_CPUS`](crate::MAX_CPUS) at most, [idle](Cpu::idle).
    pub cpus: &'static mut [Cpu],
    /// For what they show each other, as many.
    pub shown: &'static [Shown],
    /// For threads, at least as many; the platform has registers for each. What are more than processes, those
    /// can have that have a thread already.
    pub threads: &'static mut [Slot<Thread>],
    /// For endpoints.
    pub endpoints: &'static mut [Slot<Endpoint>],
    /// For threads that wait at one, or for a word: as many as threads, [free](crate::Place::free).
    pub queued: Queued,
    /// For devices that programs drive.
    pub devices: &'static mut [Slot<Device>],
}

/// What the machine is, for those who ask.
pub struct Facts {
    /// Counts and sizes.
    pub machine: Machine,
    /// The board's name.
    pub board: &'static str,
    /// Its clock, which is set once and read by all CPUs.
    pub clock: &'static Clock,
}

/// The kernel. Whoever runs in it holds the lock around it.
pub struct Kernel<P: Platform> {
    /// The machine.
    pub platform: P,
    /// The memory manager.
    pub memory: P::Memory,
    /// The words of memory that threads wait for.
    pub(crate) words: P::Words,
    /// The log, which keeps nothing before there is one for it.
    pub log: Log,
    pub(crate) processes: Slots<Process>,
    pub(crate) threads: Slots<Thread>,
    pub(crate) endpoints: Slots<Endpoint>,
    /// Where threads have their places in queues at endpoints and for words.
    pub(crate) queued: Queued,
    pub(crate) cpus: Cpus,
    pub(crate) stop: Option<Stop>,
    pub(crate) console: Console,
    pub(crate) devices: Slots<Device>,
    pub(crate) facts: Facts,
    pub(crate) first_process: Option<ProcessId>,
    pub(crate) processes_made: u64,
    /// Threads that can be made of processes that have one.
    pub(crate) more_threads: u32,
    last_pid: u32,
}

impl<P: Platform> Kernel<P> {
    /// A kernel without processes, on as many CPUs as there is storage for: those that `facts` say run.
    pub fn new(platform: P, (words, memory): (P::Words, P::Memory), storage: Storage, facts: Facts) -> Self {
        Self {
            platform,
            memory,
            words,
            log: Log::none(),
            more_threads: storage.threads.len().saturating_sub(storage.processes.len()) as u32,
            processes: Slots::new(storage.processes),
            threads: Slots::new(storage.threads),
            endpoints: Slots::new(storage.endpoints),
            queued: storage.queued,
            cpus: Cpus::new(storage.cpus, storage.shown, storage.queued),
            stop: None,
            console: Console::EMPTY,
            devices: Slots::new(storage.devices),
            facts,
            first_process: None,
            processes_made: 0,
            last_pid: 0,
        }
    }

    /// The kernel as `cpu` enters it, holding the lock.
    #[inline]
    pub fn on(&mut self, cpu: CpuId) -> &mut Self {
        self.cpus.here = cpu;
        self
    }

    /// What is kept for the CPU that runs this code.
    #[inline]
    pub(crate) fn cpu(&mut self) -> &mut Cpu {
        self.cpus.this()
    }

    /// What of the message being served is not in registers.
    #[inline]
    pub(crate) fn message(&mut self) -> &mut MessagePage {
        &mut self.cpu().message
    }

    /// The thread whose trap is served; `None` if another CPU has ended it on its way here.
    #[inline]
    pub(crate) fn running(&mut self) -> Option<ThreadId> {
        self.cpu().current
    }

    /// A thread that the kernel's own structures name.
    ///
    /// # Panics
    /// If it is gone: names are taken out of every structure before a thread goes.
    pub(crate) fn thread(&mut self, thread: ThreadId) -> &mut Thread {
        existing(&mut self.threads, thread)
    }

    /// A process that the kernel's own structures name.
    ///
    /// # Panics
    /// If it is gone: a process stays as long as a handle names it or it has a thread, and a thread as long
    /// as it has not ended or a handle names it.
    pub(crate) fn process(&mut self, process: ProcessId) -> &mut Process {
        existing(&mut self.processes, process)
    }

    /// The process of `thread`.
    pub(crate) fn process_of(&mut self, thread: ThreadId) -> (ProcessId, &mut Process) {
        let process = self.thread(thread).process;
        (process, self.process(process))
    }

    /// A number no process has.
    pub(crate) fn next_pid(&mut self) -> Pid {
        loop {
            self.last_pid = if self.last_pid >= i32::MAX.cast_unsigned() {
                1
            } else {
                self.last_pid + 1
            };
            let pid = Pid(self.last_pid);
            if self.processes.iter().all(|(_, process)| process.pid != pid) {
                return pid;
            }
        }
    }

    /// The time of what happens now, for segments.
    pub(crate) fn seconds(&self) -> Seconds {
        self.facts.clock.seconds(self.platform.rough_ticks())
    }

    /// Counts one more handle to what `capability` names.
    pub(crate) fn retain(&mut self, capability: Capability) {
        use crate::handle::Object::{
            Console, Device, Endpoint, Memory, Process, Region, Reply, System, Thread,
        };
        match capability.object {
            Process(process) => self.process(process).references.add(1),
            Endpoint(endpoint) => self.retain_endpoint(endpoint, capability.rights),
            Region(region) => self.memory.share(|memory| memory.retain_region(region)),
            Reply(caller) => self.retain_reply(caller, capability.badge),
            Thread(thread) => self.thread(thread).references += 1,
            Memory(_) | Device(_) | Console | System => {}
        }
    }

    /// Counts one handle of `holder` fewer; an object that nothing names any more ends. If it is a region,
    /// the address space of `holder` has to be swept, or destroyed.
    pub(crate) fn release(&mut self, holder: ProcessId, capability: Capability) {
        use crate::handle::Object::{
            Console, Device, Endpoint, Memory, Process, Region, Reply, System, Thread,
        };
        match capability.object {
            Process(process) => self.release_process(process),
            Endpoint(endpoint) => self.release_endpoint(endpoint, capability.rights),
            Region(region) => self.release_region(holder, region),
            Reply(caller) => self.release_reply(caller, capability.badge),
            Thread(thread) => self.release_thread(thread),
            Memory(_) | Device(_) | Console | System => {}
        }
    }

    fn release_region(&mut self, holder: ProcessId, region: RegionId) {
        match self.process(holder).space {
            Some(space) => self.memory.lock().release_region(region, space),
            None => panic!("{holder:?} had a handle without an address space"),
        }
    }

    /// Does what is to be done before `thread`, which has its answer, goes on after `holder` gave up a handle to
    /// `object`: the frames of a region that nothing names any more are given back.
    pub(crate) fn after_release(&mut self, thread: ThreadId, holder: ProcessId, object: Object) -> Outcome {
        let Object::Region(_) = object else {
            return Outcome::Answered;
        };
        let (now, space) = (self.seconds(), self.process(holder).space);
        let job = space.and_then(|space| self.memory.lock().sweep(space, now));
        job.map_or(Outcome::Answered, |job| self.begin_work(thread, job))
    }
}

/// What the kernel's own structures name.
///
/// # Panics
/// If it is gone.
#[inline]
pub(crate) fn existing<T>(slots: &mut Slots<T>, id: Id<T>) -> &mut T {
    match slots.get_mut(id) {
        Some(named) => named,
        None => gone(id),
    }
}

/// Somewhere else, so that no look-up keeps a name in memory for a message.
#[cold]
pub(crate) fn gone<T>(id: Id<T>) -> ! {
    panic!("{id:?} is gone")
}
