//! Handles that are closed and derived, while CPUs share the kernel.
//!
//! The [table](HandleTable) needs no lock for that. What a handle names counts its handles, each kind of object its own way: an
//! endpoint is taken for that, a region the memory manager has, a thread's home is this CPU or the other one whose turn this one has. No count goes from one
//! to none here, but that of a thread that lives: what ends an object is left to the whole kernel. So a close takes the count down first, unless there is but
//! one left, and then the handle out; if a sibling has closed it in between, the count goes up again. That it is too low for a
//! moment is no harm, since none is told from some by who has the whole kernel alone. As elsewhere, nothing is decided
//! that the long way does not decide in the same way, and nothing has happened if a check says no.

#[cfg(doc)]
use super::HandleTable;
use super::{Capability, Object};
use crate::here::{Here, There};
use crate::ipc::Direct;
#[cfg(doc)]
use crate::kernel::Kernel;
use crate::message::Message;
use crate::object::memory::is_answered_with_a_handle;
use crate::platform::{Local, MemoryLock};
use crate::process::{Process, Stage};
use crate::sched::CpuId;
use crate::thread::{Thread, ThreadId};
use abi::process::{Close, Derive, TakeCaller};
use abi::{Handle, Label, Request, Rights, Tag, Words, Words6};
use mm::SpaceId;

/// Whether a request to the own process is one that is served here.
#[inline(always)] // into what is to be short
pub(crate) fn is_about_handles(label: Label) -> bool {
    [Close::LABEL, Derive::LABEL, TakeCaller::LABEL].contains(&label)
}

/// Whose a thread is that a handle names.
pub(crate) enum Whose<'a> {
    /// One of the CPUs whose turns this one has: it can be changed.
    Ours(&'a mut Thread),
    /// Another one's.
    At(CpuId),
    /// It is gone.
    Nobodys,
}

/// Why something is not done: with [`Direct::At`] this other CPU's turn is needed besides, with [`Direct::Not`] the whole kernel.
pub(crate) type Left<L> = Direct<<L as Local>::Place>;

impl<L: Local> Here<'_, L> {
    /// Serves a call of the running thread through this handle that [`Self::serve`] has found to bring a handle, or to be about one.
    #[inline(never)] // so that there is one of it
    pub fn ask_about_handles(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        handle: u64,
        tag: u64,
        words: &Words6,
    ) -> Direct<L::Place> {
        match (
            self.cpu.current,
            self.memory_behind(handle),
            Message::decode(tag, words),
        ) {
            (Some(thread), Some(space), Ok(message)) if is_answered_with_a_handle(message.tag.label()) => {
                self.ask_for_region(memory, (thread, space), message)
            }
            _ => self.change_handles(memory, None, tag, words),
        }
    }

    /// The address space that the memory manager acts for which this handle names, if it names one.
    fn memory_behind(&self, handle: u64) -> Option<SpaceId> {
        let handle = Handle::from_raw(u32::try_from(handle).ok()?);
        self.own_process()?
            .handles
            .find_with(handle, Rights::CALL)?
            .memory()
    }

    /// Serves a call of the running thread that [`Self::serve`] has found to be about its process's handles.
    #[inline(never)] // so that there is one of it
    pub fn change_handles(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        there: Option<&mut There<'_>>,
        tag: u64,
        words: &Words6,
    ) -> Direct<L::Place> {
        let Some(thread) = self.cpu.current else {
            return Direct::Not;
        };
        let done = match u16::try_from(tag).map(Label) {
            Ok(Close::LABEL) => self.close((memory, there), thread, words),
            Ok(Derive::LABEL) => self.derive((memory, there), thread, words),
            Ok(TakeCaller::LABEL) => self.take_caller(there, thread),
            _ => Err(Direct::Not),
        };
        done.unwrap_or_else(|left| left)
    }

    fn close(
        &mut self,
        (memory, mut there): (&mut impl MemoryLock<L::Mmu>, Option<&mut There<'_>>),
        thread: ThreadId,
        words: &Words6,
    ) -> Result<Direct<L::Place>, Left<L>> {
        let Close { handle } = Close::from_words(words).map_err(|_| Direct::Not)?;
        let process = self.own_process().ok_or(Direct::Not)?;
        let closed = process
            .handles
            .find(handle, Rights::empty())
            .map_err(|_| Direct::Not)?;
        self.release((memory, there.as_deref_mut()), closed)?;
        if process.handles.remove_named(handle, closed.object).is_none() {
            // A sibling was first.
            self.retain((memory, there), closed)?;
            return Err(Direct::Not);
        }
        Ok(Direct::Stays(self.answer(thread, Message::empty(Label::DONE))))
    }

    fn derive(
        &mut self,
        with: (&mut impl MemoryLock<L::Mmu>, Option<&mut There<'_>>),
        thread: ThreadId,
        words: &Words6,
    ) -> Result<Direct<L::Place>, Left<L>> {
        let derive = Derive::from_words(words).map_err(|_| Direct::Not)?;
        let process = self.own_process().ok_or(Direct::Not)?;
        let from = process
            .handles
            .find(derive.handle, Rights::PASS | derive.rights)
            .map_err(|_| Direct::Not)?;
        let derived = from.derived(derive.rights, derive.badge).ok_or(Direct::Not)?;
        let place = process.handles.claim().ok_or(Direct::Not)?;
        self.retain(with, derived)?;
        let handle = place.put(derived);
        Ok(Direct::Stays(self.answer_with_handle(thread, handle)))
    }

    /// The process of the running thread.
    pub(crate) fn own_process<'a>(&self) -> Option<&'a Process>
    where
        Self: 'a,
    {
        self.processes.get(self.cpu.process?)
    }

    /// Counts one more handle to what `capability` names, as [`Kernel::retain`] does.
    pub(crate) fn retain(
        &mut self,
        (memory, there): (&mut impl MemoryLock<L::Mmu>, Option<&mut There<'_>>),
        capability: Capability,
    ) -> Result<(), Left<L>> {
        match capability.object {
            Object::Endpoint(id) => {
                let mut endpoint = self.endpoints.take(id).ok_or(Direct::Not)?;
                endpoint.retain(capability.rights);
            }
            Object::Process(id) => self.processes.get(id).ok_or(Direct::Not)?.references.add(1),
            Object::Reply(caller) => match self.whose(there, caller) {
                Whose::Ours(caller) => caller.retain_reply(capability.badge),
                Whose::At(cpu) => return Err(Direct::At(cpu)),
                Whose::Nobodys => {}
            },
            Object::Thread(id) => match self.whose(there, id) {
                Whose::Ours(thread) => thread.references += 1,
                Whose::At(cpu) => return Err(Direct::At(cpu)),
                Whose::Nobodys => return Err(Direct::Not),
            },
            Object::Region(id) => memory.share(|memory| memory.retain_region(id)),
            Object::Memory(_) | Object::Device(_) | Object::Console | Object::System => {}
        }
        Ok(())
    }

    /// Counts one handle fewer to what `capability` names, as [`Kernel::release`] does where nothing ends.
    fn release(
        &mut self,
        (memory, there): (&mut impl MemoryLock<L::Mmu>, Option<&mut There<'_>>),
        capability: Capability,
    ) -> Result<(), Left<L>> {
        let is_done = match capability.object {
            Object::Endpoint(id) => {
                let mut endpoint = self.endpoints.take(id).ok_or(Direct::Not)?;
                endpoint.release_unless_last(capability.rights)
            }
            Object::Process(id) => {
                let process = self.processes.get(id).ok_or(Direct::Not)?;
                let goes_on = matches!(process.stage, Stage::Alive | Stage::Ending(_));
                goes_on && process.references.take_unless_last()
            }
            Object::Reply(caller) => match self.whose(there, caller) {
                Whose::Ours(caller) => caller.release_reply_unless_last(capability.badge),
                Whose::At(cpu) => return Err(Direct::At(cpu)),
                Whose::Nobodys => true,
            },
            Object::Thread(id) => match self.whose(there, id) {
                Whose::Ours(thread) => thread.release_unless_last(),
                Whose::At(cpu) => return Err(Direct::At(cpu)),
                Whose::Nobodys => false,
            },
            Object::Region(id) => memory.share(|memory| memory.release_region_unless_last(id)),
            Object::Memory(_) | Object::Device(_) | Object::Console | Object::System => true,
        };
        is_done.then_some(()).ok_or(Direct::Not)
    }

    /// Whose `thread` is.
    pub(crate) fn whose<'a>(&'a mut self, there: Option<&'a mut There<'_>>, thread: ThreadId) -> Whose<'a> {
        let ours = match (self.home_of(thread), there) {
            (None, _) => self.threads.get_mut(thread),
            (Some(cpu), Some(there)) if there.id == cpu => there.threads.get_mut(thread),
            (Some(cpu), _) => return Whose::At(cpu),
        };
        ours.map_or(Whose::Nobodys, Whose::Ours)
    }

    /// Puts an answer in place for `thread` that brings this handle.
    pub(crate) fn answer_with_handle(&mut self, thread: ThreadId, handle: Handle) -> L::Place {
        self.cpu.message.handles[0] = handle.raw();
        let page = self.thread(thread).page;
        self.local.write_message(page, 0, 1, &self.cpu.message);
        let tag = Tag::new(Label::DONE);
        let tag = tag.with_handles(1).unwrap_or(tag);
        self.answer(thread, Message { tag, words: &[0; 6] })
    }
}

impl Thread {
    /// One handle to it fewer, unless it has ended and that is the last one.
    fn release_unless_last(&mut self) -> bool {
        let stays = self.references > 1 || !self.has_ended();
        self.references -= u32::from(stays);
        stays
    }
}
