//! What these tests look at, without touching it.

use crate::common::{PAGE, PLAIN, Size, World};
use abi::shm::ShmId;
use addr::{Frame, Perms, VirtAddr};
use mm::{Mmu, SpaceId};

/// Pages of a slot.
pub const SLOT: u64 = 512;
/// Bytes of a slot.
pub const SLOT_BYTES: u64 = SLOT * PAGE;
/// Where tests attach that choose: a slot starts here, and nothing else is near.
pub const AT: u64 = 0x20_0000_0000;

/// A world with frames for some slots.
pub fn world() -> World {
    World::of(Size {
        frames: 8192,
        ..Size::USUAL
    })
}

/// What a page is mapped to.
pub fn seen(world: &mut World, p: SpaceId, address: u64) -> Option<(Frame, Perms)> {
    let (machine, space) = world.mm.mmu_space_mut(p).expect("alive");
    machine.lookup(space, VirtAddr::new(address).page())
}

/// Whether a page lies in a linked slot.
pub fn is_linked(world: &mut World, p: SpaceId, address: u64) -> bool {
    let (machine, space) = world.mm.mmu_space_mut(p).expect("alive");
    machine.is_linked(space, VirtAddr::new(address).page())
}

/// Attaches at [`AT`], read-write.
pub fn attach(world: &mut World, p: SpaceId, id: ShmId) -> u64 {
    world.attach(p, id, AT, PLAIN).expect("free")
}

/// Which slots of the `count` from [`AT`] on are linked.
pub fn linked_slots(world: &mut World, p: SpaceId, count: u64) -> Vec<u64> {
    (0..count)
        .filter(|slot| is_linked(world, p, AT + slot * SLOT_BYTES))
        .collect()
}
