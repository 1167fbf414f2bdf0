//! A thread as an object: what those ask who have a handle of it.

use super::{Call, Outcome};
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::thread::ThreadId;
use abi::Errno;
use abi::thread::{ThreadFacts, ThreadRequest};

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
        }
    }
}
