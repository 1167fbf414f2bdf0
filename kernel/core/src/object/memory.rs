//! The memory manager as an object: a message becomes an operation on one address space.

use super::{Call, Outcome};
use crate::handle::{Capability, Object};
use crate::kernel::Kernel;
use crate::platform::{Guarded, Platform};
use abi::memory::{RegionCreate, RegionOpen, WaitWord, WakeAndWait, WakeWord};
use abi::{Errno, Handle, Label, Request, Rights, Words};
use mm::{Companion, SpaceId};

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(crate) fn call_memory(&mut self, call: &Call<'_>, space: SpaceId) -> Result<Outcome, Errno> {
        let (label, words) = (call.tag.label(), call.words);
        match label {
            WaitWord::LABEL => return self.wait_word(call.thread, space, WaitWord::from_words(words)?),
            WakeWord::LABEL => return self.wake_word(call.thread, space, WakeWord::from_words(words)?),
            WakeAndWait::LABEL => {
                return self.wake_and_wait(call.thread, space, WakeAndWait::from_words(words)?);
            }
            _ => {}
        }
        if is_answered_with_a_handle(label) && self.process_of(call.thread).1.handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        let companion = self.companion(call);
        let (now, bytes) = (self.seconds(), call.tag.bytes());
        let reply = self.memory.lock().perform(
            (label, words),
            space,
            &mut self.cpus.this().message,
            bytes,
            companion,
            now,
        );
        // Looked at where it is: it is too large to be copied for nothing.
        let reply = reply.as_ref().map_err(|&errno| errno)?;
        let answered = match reply.region {
            None => self.answer_with_bytes(call.thread, reply.words, reply.bytes),
            Some((region, rights)) => {
                let capability = Capability::to_region(region, rights);
                self.answer_with_counted(call.thread, reply.words, [capability])
            }
        };
        Ok(reply
            .job
            .map_or(answered, |job| self.begin_work(call.thread, job)))
    }

    /// What came along with the message, if it is something that a request can be about. A memory
    /// manager is acted upon, so the right to pass it on is not enough.
    fn companion(&mut self, call: &Call<'_>) -> Option<Companion> {
        if call.tag.handles() != 1 {
            return None;
        }
        let handle = Handle::from_raw(self.message().handles[0]);
        let passed = self.capability(call.thread, handle, Rights::PASS).ok()?;
        match passed.object {
            Object::Memory(space) if passed.rights.contains(Rights::CALL) => Some(Companion::Space(space)),
            Object::Region(region) => Some(Companion::Region(region, passed.rights)),
            _ => None,
        }
    }
}

fn is_answered_with_a_handle(label: Label) -> bool {
    [RegionCreate::LABEL, RegionOpen::LABEL].contains(&label)
}
