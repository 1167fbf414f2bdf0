//! A thread as an object: what those ask who have a handle of it.

use super::{Call, Outcome};
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::thread::ThreadId;
use abi::thread::{ThreadFacts, ThreadRequest};
use abi::{Errno, IpcError, Rights};

impl<P: Platform> Kernel<P> {
    pub(crate) fn call_thread(&mut self, call: Call<'_>, target: ThreadId) -> Result<Outcome, Errno> {
        match ThreadRequest::decode(call.tag.label(), call.words)? {
            ThreadRequest::Join(_) => self.join(call.thread, target),
            ThreadRequest::SetThreadPriority(set) => {
                self.set_thread_priority(call.thread, target, set.priority)
            }
            ThreadRequest::IdentifyThread(_) => {
                let number = self.thread(target).number;
                let pid = self.process_of(target).1.pid;
                Ok(self.answer(call.thread, ThreadFacts { pid, number }))
            }
            ThreadRequest::Cancel(_) => self.cancel(&call, target),
        }
    }

    fn cancel(&mut self, call: &Call<'_>, target: ThreadId) -> Result<Outcome, Errno> {
        self.check_control(call, target)?;
        let waits = self.thread(target).state.can_be_cancelled();
        if waits {
            self.give_up(target, IpcError::Cancelled);
        }
        Ok(self.answer(call.thread, (u32::from(waits),)))
    }

    fn check_control(&mut self, call: &Call<'_>, target: ThreadId) -> Result<(), Errno> {
        if !call.rights.contains(Rights::CONTROL) {
            return Err(Errno::EPERM);
        }
        let has_ended = self.thread(target).has_ended();
        (!has_ended).then_some(()).ok_or(Errno::ESRCH)
    }
}
