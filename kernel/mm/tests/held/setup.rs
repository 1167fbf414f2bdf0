//! Requests with handles.

use crate::common::{CREATE, Held, World, structure};
use abi::memory::{MemoryRequest, RegionAttach, RegionControl, RegionCreate, RegionOpen, RegionPublish};
use abi::shm::{AttachFlags, ShmCommand, ShmId, ShmKey, ShmidDs};
use abi::{Errno, Rights, Words, Words6};
use mm::{Companion, SpaceId};

impl World {
    /// Sends a request with a handle to a region, waits for its job, and answers words, bytes, and the
    /// region that the answer carries a handle to.
    fn ask_held(
        &mut self,
        process: SpaceId,
        request: MemoryRequest,
        bytes: &[u8],
        held: Option<Held>,
    ) -> Result<(Words6, Vec<u8>, Option<Held>), Errno> {
        let companion = held.map(|(region, rights)| Companion::Region(region, rights));
        let (answer, region, job) = self.begin_with(process, request, bytes, companion);
        self.finish(job);
        answer.map(|(words, bytes)| (words, bytes, region))
    }

    /// A segment without a name, `rw-------`.
    pub fn create_held(&mut self, process: SpaceId, size: u64) -> Result<Held, Errno> {
        let request = MemoryRequest::RegionCreate(RegionCreate { size, flags: CREATE });
        let (_, _, region) = self.ask_held(process, request, &[], None)?;
        Ok(region.expect("a handle comes with the answer"))
    }

    /// A handle of an identifier.
    pub fn open(&mut self, process: SpaceId, id: ShmId, rights: Rights) -> Result<Held, Errno> {
        let request = MemoryRequest::RegionOpen(RegionOpen { id, rights });
        let (_, _, region) = self.ask_held(process, request, &[], None)?;
        Ok(region.expect("a handle comes with the answer"))
    }

    /// One more handle, as when one is passed on.
    pub fn pass(&mut self, held: Held) -> Held {
        self.mm.sharing().retain_region(held.0);
        held
    }

    /// A handle of a process is closed.
    pub fn close(&mut self, process: SpaceId, held: Held) {
        self.mm.release_region(held.0, process);
        let job = self.mm.sweep(process, mm::Seconds(self.now));
        self.check();
        self.finish(job);
    }

    /// `shmat` with a handle, anywhere.
    pub fn attach_held(&mut self, process: SpaceId, held: Held, flags: AttachFlags) -> Result<u64, Errno> {
        let request = MemoryRequest::RegionAttach(RegionAttach { address: 0, flags });
        self.ask_held(process, request, &[], Some(held))
            .map(|(words, ..)| words[0])
    }

    /// `shmctl` with a handle.
    pub fn control_held(
        &mut self,
        process: SpaceId,
        held: Held,
        command: i32,
        bytes: &[u8],
    ) -> Result<(i32, Vec<u8>), Errno> {
        let request = MemoryRequest::RegionControl(RegionControl { command });
        let (words, bytes, _) = self.ask_held(process, request, bytes, Some(held))?;
        <(i32,)>::from_words(&words).map(|(word,)| (word, bytes))
    }

    /// `IPC_STAT` with a handle: the identifier, or -1, and the rest.
    pub fn stat_held(&mut self, process: SpaceId, held: Held) -> Result<(i32, ShmidDs), Errno> {
        let (word, bytes) = self.control_held(process, held, ShmCommand::Stat as i32, &[])?;
        Ok((word, structure(&bytes)))
    }

    /// `IPC_RMID` with a handle.
    pub fn remove_held(&mut self, process: SpaceId, held: Held) -> Result<(), Errno> {
        let (word, _) = self.control_held(process, held, ShmCommand::Remove as i32, &[])?;
        assert_eq!(word, 0, "IPC_RMID answers 0");
        Ok(())
    }

    /// Gives a segment a name.
    pub fn publish(&mut self, process: SpaceId, held: Held, key: i32) -> Result<ShmId, Errno> {
        let request = MemoryRequest::RegionPublish(RegionPublish { key: ShmKey(key) });
        let (words, ..) = self.ask_held(process, request, &[], Some(held))?;
        <(ShmId,)>::from_words(&words).map(|(id,)| id)
    }

    /// A request that needs a handle comes without one, or with another.
    pub fn refuse_others(&mut self, process: SpaceId, request: MemoryRequest) {
        for companion in [None, Some(Companion::Space(process))] {
            let (answer, ..) = self.begin_with(process, request, &[], companion);
            assert_eq!(answer, Err(Errno::EBADF), "{request:?}");
        }
    }
}
