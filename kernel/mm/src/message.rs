//! From a request to the operation, and from what that says to an answer.

use crate::identity::Seconds;
use crate::job::Job;
use crate::manager::MemoryManager;
use crate::mmu::Mmu;
use crate::region::RegionId;
use crate::sharing::{InSpace, Sharing};
use crate::space::SpaceId;
use crate::subject::Subject;
use abi::memory::{
    LowerQuota, Map, MemoryRequest, Protect, RegionAttach, Relocate, ShmAttach, ShmDetach, Unmap,
};
use abi::{Errno, Label, MessagePage, Request, Rights, Server, Words, Words6};

/// What is to be answered to a request that was not refused, and what has to be done before.
#[must_use = "a job has to be stepped to its end before the reply is given"]
#[derive(Debug)]
pub struct Reply {
    /// The words of the answer.
    pub words: Words6,
    /// How many bytes of the message page belong to it.
    pub bytes: usize,
    /// The region that the answer carries a handle to, with these rights. That handle is counted.
    pub region: Option<(RegionId, Rights)>,
    /// What is left to do.
    pub job: Option<Job>,
}

/// What a handle that came along with a request stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Companion {
    /// The memory manager of this address space.
    Space(SpaceId),
    /// A region, and what may be done with it.
    Region(RegionId, Rights),
}

/// What comes with every request.
pub(crate) struct Call<'a> {
    /// For whom it is done.
    pub space: SpaceId,
    pub message: &'a mut MessagePage,
    /// How many of the message's bytes count.
    pub bytes: usize,
    /// What came along.
    pub companion: Option<Companion>,
    pub now: Seconds,
}

impl Call<'_> {
    /// The region that came along.
    pub fn region_passed(&self) -> Result<Subject, Errno> {
        match self.companion {
            Some(Companion::Region(region, rights)) => Ok(Subject::Held(region, rights)),
            _ => Err(Errno::EBADF),
        }
    }
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
            region: None,
            job,
        }
    }

    /// An answer of nothing but a handle.
    pub(crate) fn with_region(region: RegionId, rights: Rights) -> Self {
        Self {
            region: Some((region, rights)),
            ..Self::new(())
        }
    }

    /// An answer of words with the first `bytes` bytes of the message page.
    pub(crate) fn with_bytes(answer: impl Words, bytes: usize) -> Self {
        Self {
            words: answer.into_words(),
            bytes,
            region: None,
            job: None,
        }
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// The address space whose memory manager came along.
    ///
    /// # Errors
    /// `EBADF` if there is none, or its process has ended; `EAGAIN` if it is being copied or changed.
    pub(crate) fn living_companion(&self, call: &Call<'_>) -> Result<SpaceId, Errno> {
        let Some(Companion::Space(space)) = call.companion else {
            return Err(Errno::EBADF);
        };
        match self.alive(space) {
            Err(Errno::ESRCH) => Err(Errno::EBADF),
            Err(other) => Err(other),
            Ok(_) => Ok(space),
        }
    }
}

/// Whoever has all of the memory manager, with a request in hands.
struct WithWhole<'a, M: Mmu> {
    manager: &'a mut MemoryManager<M>,
    call: Call<'a>,
}

/// Who shares the memory manager, with a request in hands.
struct BesideOthers<'a, 'b, M: Mmu> {
    space: InSpace<'a, 'b, M>,
    call: Call<'a>,
}

impl<M: Mmu> MemoryManager<M> {
    /// Does what the message asks that has this label and these words, for `space` and with its credential.
    /// `message` is the sender's message page, of which `bytes` bytes count; `companion` is what the handle
    /// stands for that came along.
    ///
    /// # Errors
    /// Why it is refused: then it has changed nothing. `ESRCH` for an address space that is gone or
    /// ending; everything else is in the table of [`MemoryRequest`].
    #[inline(always)] // into the one that answers: each operation has a stack frame of its own
    pub fn perform(
        &mut self,
        (label, words): (Label, &Words6),
        space: SpaceId,
        message: &mut MessagePage,
        bytes: usize,
        companion: Option<Companion>,
        now: Seconds,
    ) -> Result<Reply, Errno> {
        self.alive(space)?;
        let call = Call {
            space,
            message,
            bytes,
            companion,
            now,
        };
        MemoryRequest::hand_to(WithWhole { manager: self, call }, label, words)
    }
}

impl<M: Mmu> Sharing<'_, M> {
    /// [Does](MemoryManager::perform) what a message asks that [concerns one address space](concerns_one_space).
    ///
    /// # Errors
    /// Why it is refused: then it has changed nothing. `ENOSYS` if it concerns more, or others may have what is lacking: whoever has
    /// all of the memory manager is to be asked, and then to do what may be left to do in the space, a region to be settled, even if it
    /// refuses.
    #[inline(always)] // as above
    pub fn perform(
        &mut self,
        (label, words): (Label, &Words6),
        space: SpaceId,
        message: &mut MessagePage,
        companion: Option<Companion>,
        now: Seconds,
    ) -> Result<Reply, Errno> {
        let call = Call {
            space,
            message,
            bytes: 0,
            companion,
            now,
        };
        let mut space = self.enter(call.space).ok_or(Errno::ESRCH)?;
        space.each().space.check_alive()?;
        MemoryRequest::hand_to(BesideOthers { space, call }, label, words)
    }
}

/// Whether a request concerns one address space, and the regions it has attached or attaches.
#[inline(always)] // as above
pub fn concerns_one_space(label: Label) -> bool {
    matches!(
        label,
        ShmAttach::LABEL
            | ShmDetach::LABEL
            | Relocate::LABEL
            | Map::LABEL
            | Unmap::LABEL
            | Protect::LABEL
            | LowerQuota::LABEL
            | RegionAttach::LABEL
    )
}

impl<M: Mmu> InSpace<'_, '_, M> {
    /// Serves a request that concerns this address space alone, and regions it has attached or attaches.
    ///
    /// # Errors
    /// Why it is refused; `ENOSYS` if it is none.
    #[inline(always)] // as above
    fn serve(&mut self, call: &mut Call<'_>, request: MemoryRequest) -> Result<Reply, Errno> {
        match request {
            MemoryRequest::ShmAttach(attach) => self.shm_attach(call, attach),
            MemoryRequest::ShmDetach(detach) => self.shm_detach(call, detach),
            MemoryRequest::Relocate(relocate) => self.relocate(call, relocate),
            MemoryRequest::Map(map) => self.map(call, map),
            MemoryRequest::Unmap(unmap) => self.unmap(call, unmap),
            MemoryRequest::Protect(protect) => self.protect(call, protect),
            MemoryRequest::LowerQuota(quota) => Ok(self.lower_quota(quota)),
            MemoryRequest::RegionAttach(attach) => self.region_attach(call, attach),
            _ => Err(Errno::ENOSYS),
        }
    }
}

impl<M: Mmu> Server<MemoryRequest> for BesideOthers<'_, '_, M> {
    type Done = Reply;

    #[inline(always)]
    fn serve(mut self, request: MemoryRequest) -> Result<Reply, Errno> {
        self.space.serve(&mut self.call, request)
    }
}

impl<M: Mmu> Server<MemoryRequest> for WithWhole<'_, M> {
    type Done = Reply;

    #[inline(always)]
    fn serve(mut self, request: MemoryRequest) -> Result<Reply, Errno> {
        let (manager, call) = (self.manager, &mut self.call);
        match request {
            MemoryRequest::ShmGet(get) => manager.shm_get(call, get),
            MemoryRequest::ShmControl(control) => manager.shm_control(call, control),
            MemoryRequest::Move(transfer) => manager.transfer(call, transfer),
            MemoryRequest::MapCopy(map) => manager.map_copy(call, map),
            MemoryRequest::RegionCreate(create) => manager.region_create(call, create),
            MemoryRequest::RegionOpen(open) => manager.region_open(call, open),
            MemoryRequest::RegionControl(control) => manager.region_control(call, control),
            MemoryRequest::RegionPublish(publish) => manager.region_publish(call, publish),
            MemoryRequest::ReadShmSetting(read) => Ok(manager.read_setting(read)),
            MemoryRequest::ChangeShmSetting(change) => manager.change_setting(call, change),
            MemoryRequest::CountShmUser(count) => Ok(manager.count_user(count)),
            MemoryRequest::CountUsage(_) => manager.usage(call.space).map(Reply::new).ok_or(Errno::ESRCH),
            // About threads, which are not known here: whoever knows them asks `word` and `value`.
            MemoryRequest::WaitWord(_) | MemoryRequest::WakeWord(_) | MemoryRequest::WakeAndWait(_) => {
                Err(Errno::ENOSYS)
            }
            one_space => {
                let served = manager.enter(call.space, |space| space.serve(call, one_space));
                served.ok_or(Errno::ESRCH)?
            }
        }
    }
}
