//! The memory manager as an object: a message becomes an operation on one address space.
//!
//! Most requests need the memory manager, and of the kernel what a CPU has that shares it: the thread that asks, and
//! what its handles stand for. What has to wait for a sibling's work takes the whole kernel
//! (docs/decisions/0050-requests-share-the-kernel.md). What is about threads that wait for [words](super::word) has a lock
//! of its own.

use super::{Call, Outcome};
use crate::handle::{Capability, Object};
use crate::here::Here;
use crate::ipc::Direct;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::{Local, MemoryLock, Platform};
use crate::thread::{State, ThreadId, Work};
use abi::memory::{RegionCreate, RegionOpen, WaitWord, WakeAndWait, WakeWord};
use abi::{Errno, Handle, Label, Request, Rights, Tag, Words, Words6};
use mm::{Companion, RegionId, Reply, Seconds, SpaceId, concerns_one_space};

/// What became of a request that was not refused.
pub(crate) enum Done {
    /// It is answered.
    Answered,
    /// The same, and there is work to be done before the thread goes on, as its state says.
    Works,
    /// It is to be answered with a handle to this region, which is counted already.
    Opens(RegionId, Rights),
}

impl<L: Local> Here<'_, L> {
    /// Hands on the call of the running thread that [`Self::serve`] has found to be for the memory manager, this one, and
    /// that is done for `space`. [`Direct::Not`] if it is not as most are: then nothing has happened, and it is to be
    /// [served](Kernel::serve_at_length) at length.
    #[inline(always)] // what a call has in registers is handed on in registers
    pub fn ask_memory_directly(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        (thread, space): (ThreadId, SpaceId),
        tag: u64,
        words: &Words6,
    ) -> Direct<L::Place> {
        let Ok(message) = Message::decode(tag, words) else {
            return Direct::Not;
        };
        if !message.is_in_registers() && self.take_in(thread, message.tag).is_err() {
            return Direct::Not;
        }
        match self.ask_memory(memory, thread, space, message) {
            Ok(Done::Answered) => Direct::Stays(self.local.place(thread.index())),
            Ok(Done::Works) => Direct::Enters,
            Ok(Done::Opens(..)) => panic!("a handle comes that was not asked for"),
            // It may have to wait for a sibling.
            Err(Errno::EAGAIN | Errno::ESRCH) => Direct::Not,
            Err(errno) => Direct::Stays(self.answer(thread, Message::empty(Label(errno.number())))),
        }
    }

    /// Has the memory manager, which acts for `space`, do what is answered with a handle to a region: there is a place for that before
    /// anything is done.
    pub(crate) fn ask_for_region(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        (thread, space): (ThreadId, SpaceId),
        message: Message<'_>,
    ) -> Direct<L::Place> {
        let place = self.own_process().and_then(|process| process.handles.claim());
        let (Some(place), Ok(())) = (place, self.take_in(thread, message.tag)) else {
            return Direct::Not;
        };
        match self.ask_memory(memory, thread, space, message) {
            Ok(Done::Opens(region, rights)) => {
                let handle = place.put(Capability::to_region(region, rights));
                Direct::Stays(self.answer_with_handle(thread, handle))
            }
            Ok(Done::Answered | Done::Works) => panic!("a handle was asked for, and none comes"),
            Err(Errno::EAGAIN | Errno::ESRCH) => Direct::Not,
            Err(errno) => Direct::Stays(self.answer(thread, Message::empty(Label(errno.number())))),
        }
    }

    /// Has the memory manager do what a call of the running thread asks of it for `space`, and the first piece of what
    /// is to be done before that goes on: mostly that is all.
    ///
    /// # Errors
    /// Why it is refused: then nothing has changed.
    #[inline(never)] // one for all who ask
    pub(crate) fn ask_memory(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        thread: ThreadId,
        space: SpaceId,
        message: Message<'_>,
    ) -> Result<Done, Errno> {
        let Message { tag, words } = message;
        let companion = self.companion(thread, tag);
        let now = self.clock.seconds(self.local.rough_ticks());
        let request = (tag.label(), words);
        if concerns_one_space(tag.label()) {
            let copy = &mut self.cpu.message;
            let reply = memory.share(|memory| memory.perform(request, space, copy, companion, now));
            // Looked at where it is, as below: it is too large to be copied for nothing.
            if !matches!(reply, Err(Errno::ENOSYS)) {
                return self.conclude(memory, thread, &reply, now);
            }
        }
        let (copy, bytes) = (&mut self.cpu.message, tag.bytes());
        let reply = memory.lock().perform(request, space, copy, bytes, companion, now);
        match reply {
            // Beside others it may have been left with something to do.
            Err(errno) if concerns_one_space(tag.label()) => {
                self.refuse_after(memory, (thread, space), errno, now)
            }
            _ => self.conclude(memory, thread, &reply, now),
        }
    }

    /// Refuses a request, after what is left to do in its address space.
    #[cold]
    fn refuse_after(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        (thread, space): (ThreadId, SpaceId),
        errno: Errno,
        now: Seconds,
    ) -> Result<Done, Errno> {
        let rest = memory.lock().sweep_refused(space, now);
        match rest {
            None => Err(errno),
            Some(rest) => {
                self.answer(thread, Message::empty(Label(errno.number())));
                self.thread(thread).state = State::Working(Work::Memory(rest));
                Ok(Done::Works)
            }
        }
    }

    /// Answers as the memory manager replies, and does the next piece of what is left to be done before.
    #[inline(always)] // twice, so that the reply is looked at where it is
    fn conclude(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        thread: ThreadId,
        reply: &Result<Reply, Errno>,
        now: Seconds,
    ) -> Result<Done, Errno> {
        let reply = reply.as_ref().map_err(|&errno| errno)?;
        if let Some((region, rights)) = reply.region {
            return Ok(Done::Opens(region, rights));
        }
        let rest = reply.job.and_then(|job| memory.step(job, now));
        self.answer_with_bytes(thread, reply.bytes, &reply.words);
        match rest {
            None => Ok(Done::Answered),
            Some(rest) => {
                self.thread(thread).state = State::Working(Work::Memory(rest));
                Ok(Done::Works)
            }
        }
    }

    /// What came along with the message, if it is something that a request can be about. A memory
    /// manager is acted upon, so the right to pass it on is not enough.
    fn companion(&mut self, thread: ThreadId, tag: Tag) -> Option<Companion> {
        if tag.handles() != 1 {
            return None;
        }
        let process = self.thread(thread).process;
        let handle = Handle::from_raw(self.cpu.message.handles[0]);
        let handles = &self.processes.get(process)?.handles;
        let passed = handles.find(handle, Rights::PASS).ok()?;
        match passed.object {
            Object::Memory(space) if passed.rights.contains(Rights::CALL) => Some(Companion::Space(space)),
            Object::Region(region) => Some(Companion::Region(region, passed.rights)),
            _ => None,
        }
    }
}

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(crate) fn call_memory(&mut self, call: &Call<'_>, space: SpaceId) -> Result<Outcome, Errno> {
        let &Call {
            thread, tag, words, ..
        } = call;
        match tag.label() {
            WaitWord::LABEL => return self.wait_word(thread, space, WaitWord::from_words(words)?),
            WakeWord::LABEL => return self.wake_word(thread, space, WakeWord::from_words(words)?),
            WakeAndWait::LABEL => return self.wake_and_wait(thread, space, WakeAndWait::from_words(words)?),
            _ => {}
        }
        if is_answered_with_a_handle(tag.label()) && self.process_of(thread).1.handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        let (mut here, (_, memory)) = self.here_and_locks();
        Ok(
            match here.ask_memory(memory, thread, space, Message { tag, words })? {
                Done::Answered => Outcome::Answered,
                Done::Works => Outcome::Waits,
                Done::Opens(region, rights) => {
                    let capability = Capability::to_region(region, rights);
                    self.answer_with_counted(thread, (), [capability])
                }
            },
        )
    }
}

/// Whether a request adds a handle to what the process has.
#[inline(always)] // into what is to be short
pub(crate) fn is_answered_with_a_handle(label: Label) -> bool {
    [RegionCreate::LABEL, RegionOpen::LABEL].contains(&label)
}
