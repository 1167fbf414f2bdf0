//! What a process has mapped, one mapping after the other, for those who look at it from outside.

use crate::manager::{MemoryManager, typed};
use crate::mmu::Mmu;
use crate::region::RegionTable;
use crate::space::{Space, SpaceId, SpaceState};
use crate::vma::{Backing, Vma, existing};
use abi::memory::Protection;
use abi::system::{Mapping, MappingKind};
use addr::{Perms, VirtAddr};

impl<M: Mmu> MemoryManager<M> {
    /// The mapping that takes up `address`, or else the next one above it; `None` if there is none, or the
    /// space is going. Mappings that are going already are passed over.
    pub fn next_mapping(&self, space: SpaceId, address: VirtAddr) -> Option<Mapping> {
        let space = self.spaces.get(typed(space))?;
        if space.state != SpaceState::Alive {
            return None;
        }
        self.mapping_from(space, address)
    }

    fn mapping_from(&self, space: &Space<M::Space>, address: VirtAddr) -> Option<Mapping> {
        let first = space.set.first_ending_after(&self.vmas, address.page());
        core::iter::successors(first, |&id| existing(&self.vmas, id).after())
            .map(|id| existing(&self.vmas, id))
            .find(|vma| !vma.is_leaving() && address.page() < vma.content().end())
            .map(|vma| self.mapping(vma))
    }

    fn mapping(&self, vma: &Vma) -> Mapping {
        let (id, key) = vma.attachment().map_or((-1, 0), |attachment| {
            let key = self
                .regions
                .get(attachment.region)
                .map_or(0, |region| region.key.0);
            (RegionTable::identifier(attachment.region).raw(), key)
        });
        Mapping {
            start: vma.content().start().start().raw(),
            end: vma.content().end().start().raw(),
            protection: protection(vma.perms),
            kind: kind(vma.backing),
            id,
            key,
        }
    }
}

fn kind(backing: Backing) -> MappingKind {
    match backing {
        Backing::Anonymous | Backing::Stack(_) => MappingKind::Private,
        Backing::MessagePage => MappingKind::MessagePage,
        Backing::Physical(..) => MappingKind::Physical,
        Backing::Paged(_) => MappingKind::Paged,
        Backing::Linked(_) => MappingKind::Linked,
        Backing::Blocks(_) => MappingKind::Blocks,
    }
}

fn protection(perms: Perms) -> Protection {
    let pairs = [
        (Perms::READ, Protection::READ),
        (Perms::WRITE, Protection::WRITE),
        (Perms::EXECUTE, Protection::EXEC),
    ];
    let granted = pairs.into_iter().filter(|(perm, _)| perms.contains(*perm));
    granted.fold(Protection::empty(), |all, (_, protection)| all | protection)
}
