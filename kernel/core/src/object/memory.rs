//! The memory manager as an object: a message becomes an operation on one address space.

use super::{Call, Outcome};
use crate::handle::Object;
use crate::kernel::Kernel;
use crate::platform::Platform;
use abi::memory::MemoryRequest;
use abi::{Errno, Handle, Rights};
use mm::SpaceId;

impl<P: Platform> Kernel<P> {
    pub(crate) fn call_memory(&mut self, call: Call<'_>, space: SpaceId) -> Result<Outcome, Errno> {
        let request = &MemoryRequest::decode(call.tag.label(), call.words)?;
        let source = self.space_passed(&call);
        let now = self.seconds();
        let bytes = call.tag.bytes();
        let done = self
            .memory
            .perform(space, request, &mut self.message, bytes, source, now);
        let reply = done.as_ref().map_err(|errno| *errno)?;
        let answered = self.answer_with_bytes(call.thread, reply.words, reply.bytes);
        Ok(match reply.job {
            Some(job) => Outcome::Works(job),
            None => answered,
        })
    }

    /// The address space whose memory manager came along with the message. It is acted upon, so
    /// the right to pass it on is not enough.
    fn space_passed(&mut self, call: &Call<'_>) -> Option<SpaceId> {
        if call.tag.handles() != 1 {
            return None;
        }
        let handle = Handle::from_raw(self.message.handles[0]);
        match self
            .capability(call.thread, handle, Rights::PASS | Rights::CALL)
            .ok()?
            .object
        {
            Object::Memory(space) => Some(space),
            _ => None,
        }
    }
}
