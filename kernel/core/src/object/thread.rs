//! A thread as an object: what those ask who have a handle of it.

use super::{Call, Outcome};
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::registers::Registers;
use crate::thread::ThreadId;
use abi::thread::{ThreadFacts, ThreadRegisters, ThreadRequest};
use abi::{Errno, Handle, IpcError, Rights};

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(crate) fn call_thread(&mut self, call: &Call<'_>, target: ThreadId) -> Result<Outcome, Errno> {
        match ThreadRequest::decode(call.tag.label(), call.words)? {
            ThreadRequest::Join(_) => self.join(call.thread, target, Handle::NONE),
            ThreadRequest::JoinAndClose(join) => self.join_and_close(call.thread, target, join.handle),
            ThreadRequest::SetThreadPriority(set) => {
                self.set_thread_priority(call.thread, target, set.priority)
            }
            ThreadRequest::IdentifyThread(_) => {
                let number = self.thread(target).number;
                let pid = self.process_of(target).1.pid;
                Ok(self.answer(call.thread, ThreadFacts { pid, number }))
            }
            ThreadRequest::SetThreadCpus(set) => self.set_thread_cpus(call, target, set.cpus),
            ThreadRequest::ReadThreadCpus(_) => self.read_thread_cpus(call.thread, target),
            ThreadRequest::Cancel(_) => self.cancel(call, target),
            ThreadRequest::ReadRegisters(_) => self.read_registers(call, target),
            ThreadRequest::WriteRegisters(_) => self.write_registers(call, target),
        }
    }

    fn cancel(&mut self, call: &Call<'_>, target: ThreadId) -> Result<Outcome, Errno> {
        self.check_control(call, target)?;
        let waits = self.thread(target).can_be_cancelled();
        if waits {
            self.give_up(target, IpcError::Cancelled);
        }
        Ok(self.answer(call.thread, (u32::from(waits),)))
    }

    fn read_registers(&mut self, call: &Call<'_>, target: ThreadId) -> Result<Outcome, Errno> {
        let bytes = self.stopped_registers(call, target)?.visible().to_bytes();
        self.message().bytes[..bytes.len()].copy_from_slice(&bytes);
        Ok(self.answer_with_bytes(call.thread, (), bytes.len()))
    }

    fn write_registers(&mut self, call: &Call<'_>, target: ThreadId) -> Result<Outcome, Errno> {
        let bytes = &self.message().bytes[..call.tag.bytes()];
        let new = ThreadRegisters::from_bytes(bytes).ok_or(Errno::EINVAL)?;
        self.stopped_registers(call, target)?.set_visible(&new);
        Ok(self.answer(call.thread, ()))
    }

    /// The registers of a thread that has faulted: all of them are in memory.
    fn stopped_registers(&mut self, call: &Call<'_>, target: ThreadId) -> Result<&mut Registers, Errno> {
        self.check_control(call, target)?;
        if self.thread(target).fault.is_none() {
            return Err(Errno::EBUSY);
        }
        Ok(self.registers(target))
    }

    pub(super) fn check_control(&mut self, call: &Call<'_>, target: ThreadId) -> Result<(), Errno> {
        if !call.rights.contains(Rights::CONTROL) {
            return Err(Errno::EPERM);
        }
        let has_ended = self.thread(target).has_ended();
        (!has_ended).then_some(()).ok_or(Errno::ESRCH)
    }
}
