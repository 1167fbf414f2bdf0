//! Handles and what they stand for.

mod table;

pub use table::{HANDLES, HandleTable};

use crate::ipc::Endpoint;
use crate::object::device::Device;
use crate::process::Process;
use crate::thread::ThreadId;
use abi::{Badge, Rights};
use mm::{RegionId, SpaceId};
use slots::Id;

/// A kernel object. It has a wide tag so that it is copied by words: there are no unaligned accesses to copy what
/// is behind a narrow one, and no tag is 0, so that an empty table of handles is nothing but zeroes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Object {
    /// A process.
    Process(Id<Process>) = 1,
    /// The memory manager, acting for one address space.
    Memory(SpaceId),
    /// The kernel's console.
    Console,
    /// The system as a whole.
    System,
    /// Where messages meet.
    Endpoint(Id<Endpoint>),
    /// Memory that is shared without a name.
    Region(RegionId),
    /// A device that a program drives.
    Device(Id<Device>),
    /// The answer to a call of a thread; the handle's badge says which call.
    Reply(ThreadId),
    /// A thread.
    Thread(ThreadId),
}

/// What a handle stands for: an object, and what may be done to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capability {
    /// The object.
    pub object: Object,
    /// What may be done.
    pub rights: Rights,
    /// The mark its messages carry.
    pub badge: Badge,
}

impl Capability {
    /// `object` with the rights to call it and to pass that on.
    pub const fn to(object: Object) -> Self {
        Self {
            object,
            rights: Rights::CALL.union(Rights::PASS),
            badge: Badge(0),
        }
    }

    /// `region` with these rights. It is used in messages to memory managers, and not called itself.
    pub const fn to_region(region: RegionId, rights: Rights) -> Self {
        Self {
            object: Object::Region(region),
            rights,
            badge: Badge(0),
        }
    }

    /// `thread` with all rights.
    pub const fn to_thread(thread: ThreadId) -> Self {
        Self {
            rights: Rights::CALL.union(Rights::CONTROL).union(Rights::PASS),
            ..Self::to(Object::Thread(thread))
        }
    }

    /// The answer to the call of `caller` that has this number.
    pub const fn to_reply(caller: ThreadId, number: Badge) -> Self {
        Self {
            object: Object::Reply(caller),
            rights: Rights::CALL.union(Rights::PASS),
            badge: number,
        }
    }

    /// What is signalled by whoever has it and says `bits`: its badge, if it has one.
    #[inline]
    pub(crate) const fn signals(&self, bits: u64) -> u64 {
        match self.badge {
            Badge(0) => bits,
            Badge(own) => own,
        }
    }

    /// `endpoint` with all rights.
    pub const fn to_new_endpoint(endpoint: Id<Endpoint>) -> Self {
        Self {
            object: Object::Endpoint(endpoint),
            rights: Rights::ENDPOINT,
            badge: Badge(0),
        }
    }
}
