//! A world to test in: a memory manager on a pretend machine, and programs that use it.
//!
//! After every operation, and between the steps of a long one, everything that must be true is
//! checked: the memory manager's invariants, that no TLB grants what the tables do not, and that
//! nothing leads to a free frame.
#![allow(dead_code, unused_imports, reason = "each test target uses a part of it")]

pub mod setup;

use abi::memory::{
    ChangeShmSetting, CountShmUser, CountUsage, LowerQuota, Map, MapCopy, MapFlags, MemoryRequest, Move,
    Protect, Protection, ReadShmSetting, Relocate, ShmAttach, ShmControl, ShmDetach, ShmGet, ShmIdArgument,
    Unmap, Usage, UserUsage,
};
use abi::process::Pid;
use abi::shm::{
    AttachFlags, GetFlags, Mode, ShmCommand, ShmId, ShmInfoLimits, ShmInfoTotals, ShmKey, ShmSetting, ShmidDs,
};
use abi::{Errno, MessagePage, Rights, Words, Words6};
use addr::VirtAddr;
use machine::{Fault, Machine};
use mm::{
    Access, Companion, Credential, FaultCause, Gid, Identity, Job, Refused, RegionId, Reply, Seconds,
    SpaceId, Stepped, Uid, concerns_one_space,
};
pub use setup::{Size, World};
use zerocopy::{FromBytes, IntoBytes};

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// `shmget` flags of most tests: create, `rw-------`.
pub const CREATE: GetFlags = GetFlags::CREAT.with_mode(Mode::from_bits(0o600));
/// `shmget` flags to find what is there.
pub const FIND: GetFlags = GetFlags::empty();
/// No `shmat` flags.
pub const PLAIN: AttachFlags = AttachFlags::empty();
/// No key.
pub const PRIVATE: i32 = 0;

/// What a handle to a region stands for.
pub type Held = (RegionId, Rights);

/// Words and bytes of an answer.
pub type Answer = Result<(Words6, Vec<u8>), Errno>;

/// `CREAT` and a mode.
pub fn create_with(mode: u32) -> GetFlags {
    GetFlags::CREAT.with_mode(Mode::from_bits(mode))
}

impl World {
    /// A process of user 0.
    pub fn process(&mut self) -> SpaceId {
        self.process_of(Credential::ROOT)
    }

    /// A process of a user whose group has the same number.
    pub fn user(&mut self, uid: u32) -> SpaceId {
        self.process_of(Credential::new(Uid(uid), Gid(uid)))
    }

    /// A process with this credential.
    pub fn process_of(&mut self, credential: Credential) -> SpaceId {
        let pid = Pid(self.next_pid);
        self.next_pid += 1;
        let space = self
            .mm
            .create_space(Identity { credential, pid })
            .expect("a root table and a slot");
        self.pids.push((space, pid));
        space
    }

    /// The pid of a process, as fields of `shmid_ds` have it.
    pub fn pid(&self, process: SpaceId) -> i32 {
        let known = self.pids.iter().find(|(space, _)| *space == process);
        known
            .map(|(_, pid)| pid.0.cast_signed())
            .expect("a process of this world")
    }

    /// Ends a process.
    pub fn exit(&mut self, process: SpaceId) {
        let job = self.mm.destroy_space(process, Seconds(self.now));
        self.finish(Some(job));
    }

    /// A child that is a copy of a process.
    pub fn fork(&mut self, parent: SpaceId) -> Result<SpaceId, Errno> {
        let (child, job) = self.begin_fork(parent)?;
        self.finish(Some(job));
        Ok(child)
    }

    /// A child that will be a copy of a process when the job is done.
    pub fn begin_fork(&mut self, parent: SpaceId) -> Result<(SpaceId, Job), Errno> {
        let pid = Pid(self.next_pid);
        let credential = self.mm.credential(parent).ok_or(Errno::ESRCH)?;
        let child = self.mm.create_space(Identity { credential, pid })?;
        let job = self.mm.fork(parent, child);
        self.check();
        match job {
            Ok(job) => {
                self.next_pid += 1;
                self.pids.push((child, pid));
                Ok((child, job))
            }
            Err(errno) => {
                self.exit(child);
                Err(errno)
            }
        }
    }

    /// Sends a request that needs no bytes and no handle.
    pub fn ask(&mut self, process: SpaceId, request: MemoryRequest) -> Result<Words6, Errno> {
        self.ask_with(process, request, &[], None).map(|(words, _)| words)
    }

    /// Sends a request, waits for its job, and answers words and bytes.
    pub fn ask_with(
        &mut self,
        process: SpaceId,
        request: MemoryRequest,
        bytes: &[u8],
        source: Option<SpaceId>,
    ) -> Answer {
        let (answer, job) = self.begin(process, request, bytes, source);
        self.finish(job);
        answer
    }

    /// Sends a request, and answers what is to be answered after the job.
    pub fn begin(
        &mut self,
        process: SpaceId,
        request: MemoryRequest,
        bytes: &[u8],
        source: Option<SpaceId>,
    ) -> (Answer, Option<Job>) {
        let (answer, _, job) = self.begin_with(process, request, bytes, source.map(Companion::Space));
        (answer, job)
    }

    /// The same with whatever comes along, and the region that the answer carries a handle to.
    pub fn begin_with(
        &mut self,
        process: SpaceId,
        request: MemoryRequest,
        bytes: &[u8],
        companion: Option<Companion>,
    ) -> (Answer, Option<Held>, Option<Job>) {
        // What the page held before must not show in any answer.
        let mut message = MessagePage {
            bytes: [0xa5; abi::BUFFER_BYTES],
            handles: [0; abi::MAX_HANDLES],
        };
        message.bytes[..bytes.len()].copy_from_slice(bytes);
        let now = Seconds(self.now);
        let (label, words) = request.encode();
        let request = (label, &words);
        // As the kernel does: beside others, if that will do, and what that leaves is looked at as others may see it.
        let mut beside_others = Err(Errno::ENOSYS);
        if concerns_one_space(label) {
            let mut memory = self.mm.sharing();
            beside_others = memory.perform(request, process, &mut message, companion, now);
            self.check();
        }
        let done = match beside_others {
            Err(Errno::ENOSYS) => {
                self.mm
                    .perform(request, process, &mut message, bytes.len(), companion, now)
            }
            done => done,
        };
        self.check();
        match done {
            Ok(Reply {
                words,
                bytes,
                region,
                job,
            }) => (Ok((words, message.bytes[..bytes].to_vec())), region, job),
            Err(errno) => (Err(errno), None, None),
        }
    }

    /// Does what is left to do, checking between the steps.
    pub fn finish(&mut self, mut job: Option<Job>) {
        while let Some(rest) = job {
            job = self.step(rest);
        }
    }

    /// Does a step of it, beside others as far as that goes. Answers what is left.
    pub fn step(&mut self, job: Job) -> Option<Job> {
        let now = Seconds(self.now);
        let stepped = self.mm.sharing().step(job, now);
        self.check();
        match stepped {
            Stepped::Wholly => None,
            Stepped::Partly => Some(job),
            Stepped::NeedsWhole(left) => {
                let rest = self.mm.go_on(job, left, now);
                self.check();
                rest
            }
        }
    }

    /// Checks all that must be true between any two steps.
    pub fn check(&self) {
        if self.thorough {
            self.check_now();
        }
    }

    /// The same, whether this world is thorough or not.
    pub fn check_now(&self) {
        assert_eq!(self.mm.audit(), Ok(()));
        self.mm.mmu().audit();
        self.mm.mmu().assert_all_free(|frame| self.mm.is_free(frame));
        for frame in self.mm.zeroed_ahead() {
            assert!(self.mm.is_free(frame), "{frame:?} is zeroed ahead and used");
            self.mm.mmu().assert_zeroed(frame);
        }
    }

    /// Nobody runs for a moment. Answers whether there would have been more to do.
    pub fn idle(&mut self) -> mm::Ahead {
        let more = self.mm.sharing().zero_ahead();
        self.check();
        more
    }

    /// `shmget`.
    pub fn get(&mut self, process: SpaceId, key: i32, size: u64, flags: GetFlags) -> Result<ShmId, Errno> {
        let request = ShmGet {
            key: ShmKey(key),
            size,
            flags,
        };
        let words = self.ask(process, MemoryRequest::ShmGet(request))?;
        <(ShmId,)>::from_words(&words).map(|(id,)| id)
    }

    /// A new private segment, `rw-------`.
    pub fn segment(&mut self, process: SpaceId, size: u64) -> ShmId {
        self.get(process, PRIVATE, size, CREATE)
            .expect("room for a segment")
    }

    /// `shmat`.
    pub fn attach(
        &mut self,
        process: SpaceId,
        id: ShmId,
        address: u64,
        flags: AttachFlags,
    ) -> Result<u64, Errno> {
        let request = ShmAttach { id, address, flags };
        self.ask(process, MemoryRequest::ShmAttach(request))
            .map(|words| words[0])
    }

    /// `shmat` anywhere, read-write.
    pub fn attach_anywhere(&mut self, process: SpaceId, id: ShmId) -> u64 {
        self.attach(process, id, 0, PLAIN)
            .expect("room for an attachment")
    }

    /// `shmdt`.
    pub fn detach(&mut self, process: SpaceId, address: u64) -> Result<(), Errno> {
        self.ask(process, MemoryRequest::ShmDetach(ShmDetach { address }))
            .map(|_| ())
    }

    /// `mremap` of an attachment.
    pub fn relocate(&mut self, process: SpaceId, address: u64, destination: u64) -> Result<(), Errno> {
        let request = Relocate { address, destination };
        self.ask(process, MemoryRequest::Relocate(request)).map(|_| ())
    }

    /// `shmctl` with numbers as a program gives them.
    pub fn control(
        &mut self,
        process: SpaceId,
        id: i32,
        command: i32,
        bytes: &[u8],
    ) -> Result<(u64, Vec<u8>), Errno> {
        let request = MemoryRequest::ShmControl(ShmControl {
            id: ShmIdArgument(id),
            command,
        });
        let (words, bytes) = self.ask_with(process, request, bytes, None)?;
        Ok((words[0], bytes))
    }

    /// `IPC_STAT`.
    pub fn stat(&mut self, process: SpaceId, id: ShmId) -> Result<ShmidDs, Errno> {
        let (word, bytes) = self.control(process, id.raw(), ShmCommand::Stat as i32, &[])?;
        assert_eq!(word, 0, "IPC_STAT answers 0");
        Ok(structure(&bytes))
    }

    /// `IPC_STAT` by somebody whom no mode keeps out.
    pub fn facts(&mut self, id: ShmId) -> ShmidDs {
        let root = self.root;
        self.stat(root, id).expect("a segment")
    }

    /// `IPC_SET`.
    pub fn set(&mut self, process: SpaceId, id: ShmId, to: &ShmidDs) -> Result<(), Errno> {
        let (word, _) = self.control(process, id.raw(), ShmCommand::Set as i32, to.as_bytes())?;
        assert_eq!(word, 0, "IPC_SET answers 0");
        Ok(())
    }

    /// `IPC_RMID`.
    pub fn remove(&mut self, process: SpaceId, id: ShmId) -> Result<(), Errno> {
        let (word, _) = self.control(process, id.raw(), ShmCommand::Remove as i32, &[])?;
        assert_eq!(word, 0, "IPC_RMID answers 0");
        Ok(())
    }

    /// `IPC_INFO`, and the highest index.
    pub fn limits(&mut self, process: SpaceId) -> (u64, ShmInfoLimits) {
        let (word, bytes) = self
            .control(process, 0, ShmCommand::Limits as i32, &[])
            .expect("limits");
        (word, structure(&bytes))
    }

    /// `SHM_INFO`, and the highest index.
    pub fn totals(&mut self, process: SpaceId) -> (u64, ShmInfoTotals) {
        let (word, bytes) = self
            .control(process, 0, ShmCommand::Totals as i32, &[])
            .expect("totals");
        (word, structure(&bytes))
    }

    /// Changes a limit or switch.
    pub fn change(&mut self, process: SpaceId, setting: ShmSetting, value: u64) -> Result<(), Errno> {
        let request = ChangeShmSetting { setting, value };
        self.ask(process, MemoryRequest::ChangeShmSetting(request))
            .map(|_| ())
    }

    /// A limit or switch.
    pub fn setting(&mut self, setting: ShmSetting) -> u64 {
        let request = MemoryRequest::ReadShmSetting(ReadShmSetting { setting });
        self.ask(self.root, request).expect("a setting")[0]
    }

    /// What segments a user has created, and their pages.
    pub fn share(&mut self, uid: u32) -> (u32, u64) {
        let request = MemoryRequest::CountShmUser(CountShmUser { uid });
        let words = self.ask(self.root, request).expect("counts");
        let usage = UserUsage::from_words(&words).expect("counts");
        (usage.segments, usage.pages)
    }

    /// Segments and their pages, as `SHM_INFO` counts them.
    pub fn segments(&mut self) -> (i32, u64) {
        let (_, totals) = self.totals(self.root);
        (totals.used_ids, totals.shm_tot)
    }

    /// Maps private memory.
    pub fn map(
        &mut self,
        process: SpaceId,
        address: u64,
        length: u64,
        protection: Protection,
    ) -> Result<u64, Errno> {
        self.ask(process, MemoryRequest::Map(Map::new(address, length, protection)))
            .map(|words| words[0])
    }

    /// Maps private memory with flags.
    pub fn map_with(
        &mut self,
        process: SpaceId,
        address: u64,
        length: u64,
        flags: MapFlags,
    ) -> Result<u64, Errno> {
        let request = Map {
            flags,
            ..Map::new(address, length, Protection::READ | Protection::WRITE)
        };
        self.ask(process, MemoryRequest::Map(request))
            .map(|words| words[0])
    }

    /// Maps a stack that may grow.
    pub fn map_stack(
        &mut self,
        process: SpaceId,
        address: u64,
        length: u64,
        growth: u64,
    ) -> Result<u64, Errno> {
        let request = Map {
            growth,
            ..Map::new(address, length, Protection::READ | Protection::WRITE)
        };
        self.ask(process, MemoryRequest::Map(request))
            .map(|words| words[0])
    }

    /// Lowers a quota.
    pub fn lower_quota(&mut self, process: SpaceId, pages: u64, mappings: u32) {
        let request = LowerQuota { pages, mappings };
        self.ask(process, MemoryRequest::LowerQuota(request))
            .expect("a living process");
    }

    /// Maps private memory, read-write, anywhere.
    pub fn map_anywhere(&mut self, process: SpaceId, length: u64) -> u64 {
        self.map(process, 0, length, Protection::READ | Protection::WRITE)
            .expect("room for a mapping")
    }

    /// `munmap`.
    pub fn unmap(&mut self, process: SpaceId, address: u64, length: u64) -> Result<(), Errno> {
        self.ask(process, MemoryRequest::Unmap(Unmap { address, length }))
            .map(|_| ())
    }

    /// `mprotect`.
    pub fn protect(
        &mut self,
        process: SpaceId,
        address: u64,
        length: u64,
        protection: Protection,
    ) -> Result<(), Errno> {
        let request = Protect {
            address,
            length,
            protection,
        };
        self.ask(process, MemoryRequest::Protect(request)).map(|_| ())
    }

    /// Moves private pages into `process` from `source`.
    pub fn transfer(
        &mut self,
        process: SpaceId,
        source: Option<SpaceId>,
        request: Move,
    ) -> Result<(), Errno> {
        self.ask_with(process, MemoryRequest::Move(request), &[], source)
            .map(|_| ())
    }

    /// Maps a copy of what `source` has.
    pub fn map_copy(
        &mut self,
        process: SpaceId,
        source: Option<SpaceId>,
        request: MapCopy,
    ) -> Result<(), Errno> {
        self.ask_with(process, MemoryRequest::MapCopy(request), &[], source)
            .map(|_| ())
    }

    /// What a process holds.
    pub fn usage(&mut self, process: SpaceId) -> Usage {
        let words = self
            .ask(process, MemoryRequest::CountUsage(CountUsage {}))
            .expect("a living process");
        Usage::from_words(&words).expect("counts")
    }

    /// Frames that are neither in use nor promised.
    pub fn unpromised(&self) -> u64 {
        let counts = self.mm.frame_counts();
        counts.free - counts.promised
    }

    /// A program loads a word.
    pub fn load(&mut self, process: SpaceId, address: u64) -> Result<u64, FaultCause> {
        self.access(process, address, Access::Read, |machine, space| {
            machine.read_u64(space, VirtAddr::new(address))
        })
    }

    /// A program stores a word.
    pub fn store(&mut self, process: SpaceId, address: u64, value: u64) -> Result<(), FaultCause> {
        self.access(process, address, Access::Write, |machine, space| {
            machine.write_u64(space, VirtAddr::new(address), value)
        })
    }

    /// A program jumps somewhere.
    pub fn jump(&mut self, process: SpaceId, address: u64) -> Result<(), FaultCause> {
        self.access(process, address, Access::Execute, |machine, space| {
            machine
                .access(space, VirtAddr::new(address), machine::AccessKind::Execute)
                .map(|_| ())
        })
    }

    /// A program stores a word in each page from `address` on.
    pub fn fill(&mut self, process: SpaceId, address: u64, pages: u64, value: u64) {
        for page in 0..pages {
            self.store(process, address + page * PAGE, value + page)
                .expect("a page that can be written");
        }
    }

    /// The kernel serves a write fault in each page from `address` on, without any TLB noticing:
    /// for more pages than the machine can check one against all.
    pub fn touch(&mut self, process: SpaceId, address: u64, pages: u64) {
        for page in 0..pages {
            self.change_cpu();
            let served = self
                .mm
                .fault(process, VirtAddr::new(address + page * PAGE), Access::Write);
            assert_eq!(served, Ok(()));
        }
    }

    /// Whether a write fault is not served, but may be when what goes on in the address space is done.
    pub fn comes_later(&mut self, process: SpaceId, address: VirtAddr) -> bool {
        let touched = self.mm.sharing().touch(process, address, Access::Write);
        touched == Err(Refused::ComesLater)
    }

    /// Tries, has the fault served, and tries again. A fault for instructions may take several steps.
    fn access<T>(
        &mut self,
        process: SpaceId,
        address: u64,
        access: Access,
        mut attempt: impl FnMut(&mut Machine, &mut machine::Space) -> Result<T, Fault>,
    ) -> Result<T, FaultCause> {
        const MOST_TRIES: usize = 100;
        for _ in 0..MOST_TRIES {
            let (machine, space) = self.mm.mmu_space_mut(process).expect("a process that is there");
            match attempt(machine, space) {
                Ok(done) => return Ok(done),
                // Not an address that the kernel would look up.
                Err(Fault::NotUser) => return Err(FaultCause::Unmapped),
                Err(Fault::Translation(_) | Fault::Permission(_)) => {}
            }
            self.change_cpu();
            let served = self.mm.fault(process, VirtAddr::new(address), access);
            self.check();
            served?;
        }
        panic!("the fault at {address:#x} was served {MOST_TRIES} times, but {access:?} still fails");
    }
}

/// Reads the structure that an answer's bytes are.
pub fn structure<T: FromBytes>(bytes: &[u8]) -> T {
    T::read_from_bytes(bytes).expect("a whole structure and nothing else")
}
