//! What of a message is not in registers: bytes and handles.
//!
//! Handles are looked up where they come from before anything else, and each has a place where it goes to before anything is changed. Then
//! they cannot fail: a message arrives with all of them, or not at all.

use super::Direct;
use crate::handle::{Capability, Claims, HandleTable, Object};
use crate::here::Here;
use crate::kernel::{Kernel, existing, gone};
use crate::platform::{Local, MemoryLock, Platform};
use crate::process::{Process, ProcessId};
use crate::sched::Cpu;
use crate::thread::{Thread, ThreadId};
use abi::{Handle, IpcError, Rights, Tag};
use addr::Frame;
use slots::{Common, Mine};

/// Places that are claimed for the handles that come with a message, in the table of whoever receives that.
pub(crate) struct Places {
    receiver: ProcessId,
    /// The message page of that thread.
    page: Frame,
    places: u64,
}

impl<L: Local> Here<'_, L> {
    /// Copies what `thread`, which runs, has sent besides words.
    ///
    /// # Errors
    /// One of its handles names nothing, or may not be passed.
    #[inline(never)] // so that most requests do not pay for its stack frame
    pub(crate) fn take_in(&mut self, thread: ThreadId, tag: Tag) -> Result<(), IpcError> {
        let (page, process) = (self.thread(thread).page, self.thread(thread).process);
        let cpu = &mut *self.cpu;
        self.local
            .read_message(page, tag.bytes(), tag.handles(), &mut cpu.message);
        match self.processes.get(process) {
            Some(process) => cpu.look_up(&process.handles, tag),
            None => Err(IpcError::BadHandle),
        }
    }

    /// Looks up the handles that the running thread passes. Whether they can go anywhere while CPUs share the kernel.
    pub(super) fn looks_up(&mut self, tag: Tag) -> bool {
        let current = self.cpu.current.and_then(|current| self.threads.get_mut(current));
        let Some((page, process)) = current.map(|current| (current.page, current.process)) else {
            return false;
        };
        let sender = (page, process);
        self.cpu
            .looks_up((self.local, &mut self.threads, &self.processes), sender, tag)
    }

    /// Handles that are [on their way](Cpu::has_room) go where they belong if their message does, by what has become of its trap.
    pub(super) fn settle(&mut self, memory: &mut impl MemoryLock<L::Mmu>, served: &Direct<L::Place>) {
        use Direct::{Enters, Resumes, Runs, Stays};
        let Some(Places {
            receiver,
            page,
            places,
        }) = self.cpu.places.take()
        else {
            return;
        };
        let Some(receiver) = self.processes.get(receiver) else {
            gone(receiver)
        };
        let places = receiver.handles.claims(places);
        if matches!(served, Stays(_) | Runs(_) | Resumes(_) | Enters) {
            self.put(memory, places, page);
        }
    }

    /// Puts what has been looked up into these places, and tells whoever has this message page which they are.
    fn put(&mut self, memory: &mut impl MemoryLock<L::Mmu>, places: Claims<'_>, page: Frame) {
        let mut count = 0;
        for (place, passed) in places.zip(self.cpu.passed) {
            let is_counted = passed.is_some_and(|passed| self.retain((memory, None), passed).is_ok());
            assert!(is_counted, "what was looked up is there, and can be counted");
            if let Some(passed) = passed {
                self.cpu.message.handles[count] = place.put(passed).raw();
                count += 1;
            }
        }
        self.local.write_message(page, 0, count, &self.cpu.message);
    }
}

impl Cpu {
    /// Looks up the handles that the thread with this message page, one of this process, passes. Whether each can be counted with this
    /// CPU's turn: how many name a thread or its call stands in that thread.
    #[inline(never)] // so that messages without do not pay for its stack frame
    pub(super) fn looks_up<L: Local>(
        &mut self,
        (local, threads, processes): (&mut L, &mut Mine<'_, Thread>, &Common<'_, Process>),
        (page, process): (Frame, ProcessId),
        tag: Tag,
    ) -> bool {
        local.read_message(page, 0, tag.handles(), &mut self.message);
        let process = processes.get(process);
        process.is_some_and(|process| self.look_up(&process.handles, tag).is_ok())
            && self.passes(tag).all(|passed| match passed.object {
                Object::Reply(thread) | Object::Thread(thread) => threads.has(thread),
                _ => true,
            })
    }

    /// Looks up the handles in the copied message, of which `tag` says how many there are, in the table of its sender's process.
    ///
    /// # Errors
    /// One of them names nothing, or may not be passed.
    #[inline(never)] // as above
    fn look_up(&mut self, handles: &HandleTable, tag: Tag) -> Result<(), IpcError> {
        let sent = self.message.handles.map(Handle::from_raw);
        for (passed, handle) in self.passed.iter_mut().zip(sent).take(tag.handles()) {
            *passed = Some(handles.find(handle, Rights::PASS)?);
        }
        Ok(())
    }

    /// Whether there is room for the handles that come to `receiver` with a message. From now on it is kept for them until that is
    /// [settled](Here::settle). Who has faulted takes none with its answer.
    #[inline(always)] // into what has none
    pub(super) fn has_room(&mut self, processes: &Common<'_, Process>, receiver: &Thread, tag: Tag) -> bool {
        tag.handles() == 0
            || processes.get(receiver.process).is_some_and(|process| {
                receiver.fault.is_none() && self.claim(&process.handles, receiver, tag.handles())
            })
    }

    #[inline(never)]
    fn claim(&mut self, handles: &HandleTable, receiver: &Thread, count: usize) -> bool {
        debug_assert!(self.places.is_none(), "one message is served at a time");
        self.places = handles.claim_several(count).map(|claims| Places {
            receiver: receiver.process,
            page: receiver.page,
            places: claims.keep(),
        });
        self.places.is_some()
    }

    /// What was looked up.
    fn passes(&self, tag: Tag) -> impl Iterator<Item = Capability> + use<> {
        self.passed.into_iter().take(tag.handles()).flatten()
    }
}

impl<P: Platform> Kernel<P> {
    /// Checks that `thread` may pass the handles that `tag` announces.
    ///
    /// # Errors
    /// One of them names nothing, or may not be passed.
    #[inline]
    pub(crate) fn check_handles(&mut self, thread: ThreadId, tag: Tag) -> Result<(), IpcError> {
        if tag.handles() == 0 {
            Ok(())
        } else {
            self.read_message(thread, 0, tag.handles());
            self.look_up(thread, tag)
        }
    }

    /// Copies what `thread` has sent besides words.
    pub(crate) fn read_message(&mut self, thread: ThreadId, bytes: usize, handles: usize) {
        if bytes + handles > 0 {
            let frame = self.thread(thread).page;
            self.platform
                .read_message(frame, bytes, handles, &mut self.cpus.this().message);
        }
    }

    /// Puts bytes and handles of the copy where `thread` finds them.
    pub(crate) fn write_message(&mut self, thread: ThreadId, bytes: usize, handles: usize) {
        if bytes + handles > 0 {
            let frame = self.thread(thread).page;
            self.platform
                .write_message(frame, bytes, handles, &self.cpus.this_one().message);
        }
    }

    /// Looks up the handles in the copied message of `thread`.
    ///
    /// # Errors
    /// One of them names nothing, or may not be passed.
    fn look_up(&mut self, thread: ThreadId, tag: Tag) -> Result<(), IpcError> {
        let process = self.thread(thread).process;
        let handles = &existing(&mut self.processes, process).handles;
        self.cpus.this().look_up(handles, tag)
    }

    /// Copies bytes and handles of a message from one thread to another.
    ///
    /// # Errors
    /// A handle is bad, or the receiver's table has no room. Nothing has been copied then.
    #[inline(never)] // so that messages without do not pay for its stack frame
    pub(crate) fn transfer_page(&mut self, from: ThreadId, to: ThreadId, tag: Tag) -> Result<(), IpcError> {
        self.read_message(from, tag.bytes(), tag.handles());
        self.look_up(from, tag)?;
        if self.process_of(to).1.handles.room() < tag.handles() {
            return Err(IpcError::PeerFull);
        }
        let passed = self.cpus.this_one().passes(tag);
        for (place, capability) in passed.enumerate() {
            self.message().handles[place] = self.grant(to, capability).raw();
        }
        self.write_message(to, tag.bytes(), tag.handles());
        Ok(())
    }

    /// Gives the process of `thread` a handle, for which there is room.
    pub(crate) fn grant(&mut self, thread: ThreadId, capability: Capability) -> Handle {
        self.retain(capability);
        self.add_handle(thread, capability)
    }

    /// The same with one that is counted already.
    pub(crate) fn add_handle(&mut self, thread: ThreadId, capability: Capability) -> Handle {
        match self.process_of(thread).1.handles.add(capability) {
            Some(handle) => handle,
            None => panic!("a handle was granted without room for it"),
        }
    }
}
