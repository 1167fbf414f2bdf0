//! How processes begin: the first by the kernel, all others by their parent's messages.

use super::{Name, Process, ProcessId, Stage};
use crate::handle::{Capability, Object};
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::{Guarded, Platform};
use crate::thread::{Thread, ThreadId};
use abi::process::{Pid, Priority};
use abi::{Badge, Errno, Handle, Label, Tag, Words6, layout};
use addr::Frame;
use mm::{Credential, Identity, SpaceId, Uid};

/// The number of a process's first thread, if it is no copy of another one.
const FIRST_THREAD: u32 = 0;

/// Where the first program's parts are: what a parent would say in `Start`.
pub struct FirstStart<'a> {
    /// Its first instruction.
    pub entry: u64,
    /// Its first stack pointer.
    pub stack: u64,
    /// Its words.
    pub words: Words6,
    /// Its bytes, at most [`abi::BUFFER_BYTES`]; more are cut off.
    pub bytes: &'a [u8],
}

impl<P: Platform> Kernel<P> {
    /// Makes a process of the user that `credential` says, which has not started: an address space with a
    /// message page, a thread, and handles 1 (itself) and 2 (its memory manager).
    ///
    /// # Errors
    /// `ENFILE` there are too many processes, or too many of the user's; `ENOMEM` there is no memory. Nothing is
    /// left then.
    pub fn new_process(
        &mut self,
        name: Name,
        parent: Pid,
        credential: Credential,
    ) -> Result<(ProcessId, SpaceId), Errno> {
        let pid = self.pid_for_another(credential.uid)?;
        let (space, page) = self.new_space(Identity { credential, pid }, FIRST_THREAD)?;
        let thread = (FIRST_THREAD, page);
        let process = self.insert_process(name, (pid, parent), credential.uid, space, thread);
        self.place_new(process, Handle::SELF, Object::Process(process));
        self.place_new(process, Handle::MEMORY, Object::Memory(space));
        Ok((process, space))
    }

    /// A number for another process of `user`, if there is room for it.
    pub(super) fn pid_for_another(&mut self, user: Uid) -> Result<Pid, Errno> {
        self.check_process(user)?;
        Ok(self.next_pid())
    }

    /// Makes an address space with a message page for thread number `thread`. Answers the frame of that, too.
    pub(super) fn new_space(&mut self, identity: Identity, thread: u32) -> Result<(SpaceId, Frame), Errno> {
        let mut memory = self.memory.lock();
        let space = memory.create_space(identity)?;
        let page = memory.map_message_page(space, thread);
        drop(memory);
        match page {
            Ok(page) => Ok((space, page)),
            Err(errno) => {
                self.discard_space(space);
                Err(errno)
            }
        }
    }

    /// Makes a process that has not started, without handles, of an address space and the number and message
    /// page of its first thread.
    ///
    /// # Panics
    /// If there is no room for it: [`Self::pid_for_another`] has looked.
    pub(super) fn insert_process(
        &mut self,
        name: Name,
        (pid, parent): (Pid, Pid),
        user: Uid,
        space: SpaceId,
        (number, page): (u32, Frame),
    ) -> ProcessId {
        let made = self.processes.insert_with(|| const { Process::blank() });
        let Ok(process) = made else {
            panic!("there is no room for the process that there was room for");
        };
        let serial = self.processes_made;
        self.processes_made += 1;
        let new = self.process(process);
        (new.pid, new.serial, new.parent) = (pid, serial, parent);
        (new.user, new.name, new.space) = (user, name, Some(space));
        new.highest_priority = Priority::USUAL;
        self.insert_thread(process, space, (number, page));
        process
    }

    /// Makes a thread of `process`, whose address space is `space`, that has not started; it has this number
    /// and message page.
    ///
    /// # Panics
    /// If there is no room for it.
    pub(super) fn insert_thread(
        &mut self,
        process: ProcessId,
        space: SpaceId,
        (number, page): (u32, Frame),
    ) -> ThreadId {
        let home = self.cpus.least_loaded();
        let thread = Thread::new((process, number), space, page, home);
        let Ok(thread) = self.threads.insert(thread) else {
            panic!("there is no room for the thread that there was room for");
        };
        self.set_home(thread, home);
        self.platform.new_thread(thread.index(), space);
        *self.registers(thread) = crate::Registers {
            tpidrro: layout::message_page(number),
            ..crate::Registers::ZERO
        };
        if let Some(process) = self.processes.get_mut(process) {
            process.threads.add(&mut self.threads, thread);
        }
        thread
    }

    /// Gives a process that has not started a handle at a place that is free.
    pub fn place_new(&mut self, process: ProcessId, handle: Handle, object: Object) {
        let capability = Capability::to(object);
        self.retain(capability);
        let before = self.process(process).handles.place(handle.index(), capability);
        debug_assert_eq!(before, Ok(None), "place {handle:?} is free");
    }

    /// Starts the first process; its end is the end of the system.
    pub fn start_first(&mut self, process: ProcessId, start: &FirstStart<'_>) {
        self.first_process = Some(process);
        self.process(process).stage = Stage::Alive;
        let Some(thread) = self.process(process).threads.first() else {
            return;
        };
        let count = start.bytes.len().min(self.message().bytes.len());
        self.message().bytes[..count].copy_from_slice(&start.bytes[..count]);
        self.write_message(thread, count, 0);
        self.start_thread(thread, start.entry, start.stack, start.words, count);
    }

    /// Lets a new thread run from `entry`, as if it had just received a message.
    pub(crate) fn start_thread(
        &mut self,
        thread: ThreadId,
        entry: u64,
        stack: u64,
        words: Words6,
        bytes: usize,
    ) {
        self.prepare_start(thread, entry, stack, words, bytes);
        self.wake(thread);
    }

    /// Gives a new thread the registers that it starts with.
    pub(super) fn prepare_start(
        &mut self,
        thread: ThreadId,
        entry: u64,
        stack: u64,
        words: Words6,
        bytes: usize,
    ) {
        let registers = self.registers(thread);
        registers.pc = entry;
        registers.sp = stack;
        let tag = Tag::new(Label::DONE);
        let tag = tag.with_bytes(bytes).unwrap_or(tag);
        self.deliver(thread, Message { tag, words: &words }, Badge(0));
    }

    /// Gives back an address space that nobody has seen: a few tables, so all in one go.
    pub(super) fn discard_space(&mut self, space: SpaceId) {
        let now = self.seconds();
        let mut memory = self.memory.lock();
        let mut job = Some(memory.destroy_space(space, now));
        while let Some(next) = job {
            job = memory.step(next, now);
        }
    }
}
