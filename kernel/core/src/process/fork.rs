//! `fork`: a child that is a copy of its parent.
//!
//! The child is made with all it needs before anything is copied; the memory manager then copies in
//! pieces, while the thread that forks waits. Of the parent's threads the child has that one alone, with
//! its number (POSIX, `fork`); the others go on meanwhile, except that nothing is mapped or unmapped. The registers come last, for only then is it certain that
//! all of them have been saved.

use super::{Process, ProcessId, Stage};
use crate::handle::{Capability, HandleTable, Object};
use crate::kernel::Kernel;
use crate::object::Outcome;
use crate::platform::{Guarded, Platform};
use crate::thread::{State, ThreadId, Work};
use abi::process::Pid;
use abi::{Errno, Handle, Rights};
use mm::{Identity, SpaceId};

impl<P: Platform> Kernel<P> {
    /// Begins to make a copy of `parent`, the process of `thread`.
    pub(crate) fn fork(&mut self, thread: ThreadId, parent: ProcessId) -> Result<Outcome, Errno> {
        let process = self.process(parent);
        let (parent_pid, name) = (process.pid, process.name);
        let space = own_space(process.space, &process.handles).ok_or(Errno::EPERM)?;
        if process.handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        let credential = self.memory.lock().credential(space).ok_or(Errno::ESRCH)?;
        let pid = self.pid_for_another(credential.uid)?;
        let number = self.thread(thread).number;
        let (child_space, page) = self.new_space(Identity { credential, pid }, number)?;
        let begun = self.memory.lock().fork(space, child_space);
        let job = match begun {
            Ok(job) => job,
            Err(errno) => {
                self.discard_space(child_space);
                return Err(errno);
            }
        };
        let (pids, first) = ((pid, parent_pid), (number, page));
        let child = self.insert_process(name, pids, credential.uid, child_space, first);
        self.inherit_scheduling(thread, child);
        self.process(child).fault_handler = self.process(parent).fault_handler;
        self.inherit_handles((parent, space), (child, child_space));
        self.answer_with_handles(thread, (pid,), [Capability::to(Object::Process(child))]);
        self.thread(thread).state = State::Working(Work::Fork(job, child));
        Ok(Outcome::Waits)
    }

    /// The child has its memory: it goes on where its parent does, unless somebody has ended it meanwhile.
    pub(crate) fn finish_fork(&mut self, parent: ThreadId, child: ProcessId) {
        // A sibling may have closed the only handle to it, and then nothing is left of it.
        let is_new = |child: &Process| matches!(child.stage, Stage::New);
        if !self.processes.get(child).is_some_and(is_new) {
            return;
        }
        self.process(child).stage = Stage::Alive;
        if let Some(thread) = self.process(child).threads.first() {
            *self.registers(thread) = *self.registers(parent);
            self.platform.copy_thread(parent.index(), thread.index());
            self.answer(thread, (Pid(0),));
            self.wake(thread);
        }
    }

    fn inherit_handles(&mut self, from: (ProcessId, SpaceId), to: (ProcessId, SpaceId)) {
        let Some((parent, child)) = self.processes.pair_mut(from.0, to.0) else {
            panic!("{:?} is a new process, and not {:?}", to.0, from.0);
        };
        child
            .handles
            .inherit(&parent.handles, |capability| heirloom(capability, from, to));
        for place in child.handles.places() {
            if let Some(capability) = self.process(to.0).handles.at(place) {
                self.retain(capability);
            }
        }
    }
}

/// The address space of a process whose memory manager is the kernel's, acting for just that.
fn own_space(space: Option<SpaceId>, handles: &HandleTable) -> Option<SpaceId> {
    let manager = handles.find(Handle::MEMORY, Rights::empty()).ok()?;
    space.filter(|&space| manager.object == Object::Memory(space))
}

/// What a child has in place of a capability of its parent.
fn heirloom(
    capability: Capability,
    (parent, parent_space): (ProcessId, SpaceId),
    (child, child_space): (ProcessId, SpaceId),
) -> Option<Capability> {
    let object = match capability.object {
        Object::Process(process) => (process == parent).then_some(Object::Process(child))?,
        Object::Memory(space) => (space == parent_space).then_some(Object::Memory(child_space))?,
        // Who is to answer stays who he was, as below; and of threads there is one, which is another.
        Object::Reply(_) | Object::Thread(_) => return None,
        other => other,
    };
    // Who serves stays who served: callers of a parent that is gone shall learn that.
    let rights = capability.rights.difference(Rights::RECEIVE);
    (!rights.is_empty()).then_some(Capability {
        object,
        rights,
        ..capability
    })
}
