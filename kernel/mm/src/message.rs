//! From a request to the operation, and from what that says to an answer.

use crate::identity::Seconds;
use crate::job::Job;
use crate::manager::MemoryManager;
use crate::mmu::Mmu;
use crate::space::SpaceId;
use abi::memory::MemoryRequest;
use abi::{Errno, MessagePage, Words, Words6};

/// What became of a request.
#[must_use = "a job has to be stepped to its end before the reply is given"]
#[derive(Debug)]
pub struct Outcome {
    /// The words of the answer and how many bytes of the message page belong to it, or why the
    /// request was refused. A refused request has changed nothing.
    pub reply: Result<(Words6, usize), Errno>,
    /// What has to be done before the reply is given.
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

/// The answer to a request that was not refused.
pub(crate) struct Reply {
    words: Words6,
    bytes: usize,
    job: Option<Job>,
}

impl Reply {
    /// An answer of words.
    pub fn new(answer: impl Words) -> Self {
        Self {
            words: answer.into_words(),
            bytes: 0,
            job: None,
        }
    }

    /// With the first `bytes` bytes of the message page.
    pub fn with_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// To be given after `job`.
    pub fn after(self, job: Option<Job>) -> Self {
        Self { job, ..self }
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// Does what `request` asks, for `space` and with its credential. `message` is the sender's
    /// message page, of which `bytes` bytes count; `source` is the address space whose memory
    /// manager handle came along.
    ///
    /// Requests for an address space that is gone or ending get `ESRCH`; everything else is in
    /// the table of [`MemoryRequest`].
    pub fn perform(
        &mut self,
        space: SpaceId,
        request: MemoryRequest,
        message: &mut MessagePage,
        bytes: usize,
        source: Option<SpaceId>,
        now: Seconds,
    ) -> Outcome {
        let mut call = Call {
            space,
            message,
            bytes,
            source,
            now,
        };
        match self.dispatch(&mut call, request) {
            Ok(Reply { words, bytes, job }) => Outcome {
                reply: Ok((words, bytes)),
                job,
            },
            Err(errno) => Outcome {
                reply: Err(errno),
                job: None,
            },
        }
    }

    fn dispatch(&mut self, call: &mut Call<'_>, request: MemoryRequest) -> Result<Reply, Errno> {
        self.alive(call.space)?;
        match request {
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
