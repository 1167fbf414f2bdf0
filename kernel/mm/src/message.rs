//! From a request to the operation, and from what that says to an answer.

use crate::identity::Seconds;
use crate::job::Job;
use crate::manager::MemoryManager;
use crate::mmu::Mmu;
use crate::space::SpaceId;
use abi::memory::MemoryRequest;
use abi::{Errno, MessagePage, Words, Words6};

/// What is to be answered to a request that was not refused, and what has to be done before.
#[must_use = "a job has to be stepped to its end before the reply is given"]
#[derive(Debug)]
pub struct Reply {
    /// The words of the answer.
    pub words: Words6,
    /// How many bytes of the message page belong to it.
    pub bytes: usize,
    /// What is left to do.
    pub job: Option<Job>,
}

/// What comes with every request.
pub(crate) struct Call<'a> {
    /// For whom it is done.
    pub space: SpaceId,
    pub message: &'a mut MessagePage,
    /// How many of the message's bytes count.
    pub bytes: usize,
    /// The address space whose memory manager came along.
    pub source: Option<SpaceId>,
    pub now: Seconds,
}

impl Reply {
    /// An answer of words.
    pub(crate) fn new(answer: impl Words) -> Self {
        Self::after(answer, None)
    }

    /// An answer of words, to be given after `job`.
    pub(crate) fn after(answer: impl Words, job: Option<Job>) -> Self {
        Self {
            words: answer.into_words(),
            bytes: 0,
            job,
        }
    }

    /// An answer of words with the first `bytes` bytes of the message page.
    pub(crate) fn with_bytes(answer: impl Words, bytes: usize) -> Self {
        Self {
            words: answer.into_words(),
            bytes,
            job: None,
        }
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// Does what `request` asks, for `space` and with its credential. `message` is the sender's
    /// message page, of which `bytes` bytes count; `source` is the address space whose memory
    /// manager handle came along.
    ///
    /// # Errors
    /// Why it is refused: then it has changed nothing. `ESRCH` for an address space that is gone or
    /// ending; everything else is in the table of [`MemoryRequest`].
    pub fn perform(
        &mut self,
        space: SpaceId,
        request: &MemoryRequest,
        message: &mut MessagePage,
        bytes: usize,
        source: Option<SpaceId>,
        now: Seconds,
    ) -> Result<Reply, Errno> {
        self.alive(space)?;
        let call = &mut Call {
            space,
            message,
            bytes,
            source,
            now,
        };
        match *request {
            MemoryRequest::ShmGet(get) => self.shm_get(call, get),
            MemoryRequest::ShmAttach(attach) => self.shm_attach(call, attach),
            MemoryRequest::ShmDetach(detach) => self.shm_detach(call, detach),
            MemoryRequest::ShmControl(control) => self.shm_control(call, control),
            MemoryRequest::Map(map) => self.map(call, map),
            MemoryRequest::Unmap(unmap) => self.unmap(call, unmap),
            MemoryRequest::Move(transfer) => self.transfer(call, transfer),
            MemoryRequest::CountUsage(_) => self.usage(call.space).map(Reply::new).ok_or(Errno::ESRCH),
        }
    }
}
