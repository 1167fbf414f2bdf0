//! Handles and what they stand for.

mod count;
mod place;
mod shared;
mod table;

pub use count::Count;
pub(crate) use shared::{Left, Whose, is_about_handles};
pub(crate) use table::Claims;
pub use table::{HANDLES, HandleTable};

use crate::ipc::Endpoint;
use crate::object::device::Device;
use crate::process::Process;
use crate::thread::ThreadId;
use abi::{Badge, Rights};
use mm::{RegionId, SpaceId};
use slots::Id;

/// A kernel object. It has a wide tag so that it is copied by words: there are no unaligned accesses to copy what
/// is behind a narrow one.
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

impl Object {
    /// Which one it is of what there is one of.
    const THE_ONE: Id<()> = Id::from_parts(0, 0);
    /// The kind of processes.
    const PROCESS: u8 = 1;
    /// The kind of memory managers.
    const MEMORY: u8 = 2;
    /// The kind of endpoints.
    const ENDPOINT: u8 = 5;

    /// What kind of object it is. None is 0, so that an empty table of handles is nothing but zeroes.
    const fn kind(self) -> u8 {
        match self {
            Self::Process(_) => Self::PROCESS,
            Self::Memory(_) => Self::MEMORY,
            Self::Console => 3,
            Self::System => 4,
            Self::Endpoint(_) => Self::ENDPOINT,
            Self::Region(_) => 6,
            Self::Device(_) => 7,
            Self::Reply(_) => 8,
            Self::Thread(_) => 9,
        }
    }

    /// Which one it is of its kind.
    const fn which(self) -> u64 {
        match self {
            Self::Process(id) => id.into_bits(),
            Self::Memory(id) => id.into_bits(),
            Self::Endpoint(id) => id.into_bits(),
            Self::Region(id) => id.into_bits(),
            Self::Device(id) => id.into_bits(),
            Self::Reply(id) | Self::Thread(id) => id.into_bits(),
            Self::Console | Self::System => Self::THE_ONE.into_bits(),
        }
    }

    /// The object that these words say; `None` if they say none. What is behind a kind is the same whatever that is, so there
    /// is nothing to be told apart.
    #[inline]
    fn from_words(kind: u8, which: u64) -> Option<Self> {
        let id = Id::<()>::from_bits(which)?;
        Some(match kind {
            Self::PROCESS => Self::Process(id.elsewhere()),
            Self::MEMORY => Self::Memory(id.elsewhere()),
            3 => Self::Console,
            4 => Self::System,
            Self::ENDPOINT => Self::Endpoint(id.elsewhere()),
            6 => Self::Region(id.elsewhere()),
            7 => Self::Device(id.elsewhere()),
            8 => Self::Reply(id.elsewhere()),
            9 => Self::Thread(id.elsewhere()),
            _ => return None,
        })
    }
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

    /// What is derived from it with these rights, which it has, and this mark. `None` if it has a mark already, or can have none.
    pub(crate) fn derived(self, rights: Rights, mark: Badge) -> Option<Self> {
        let badge = match (self.badge, mark) {
            (badge, Badge(0)) => badge,
            (Badge(0), badge) if matches!(self.object, Object::Endpoint(_)) => badge,
            _ => return None,
        };
        Some(Self {
            rights,
            badge,
            ..self
        })
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
