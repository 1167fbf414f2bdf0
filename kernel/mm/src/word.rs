//! A word that somebody waits for, or wakes: which one an address stands for, and what it holds.

use crate::fault::usable;
use crate::mmu::Mmu;
use crate::region::RegionId;
use crate::sharing::{Each, Sharing};
use crate::space::{SpaceId, SpaceState};
use crate::vma::Backing;
use crate::vma::existing;
use abi::Errno;
use addr::{Page, Perms, VirtAddr};

/// Names a word of memory, whoever reaches it and at whatever address. That of memory that is gone is never
/// another's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WordName {
    holder: Holder,
    /// Bytes from the start of the region, or the address.
    place: VirtAddr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holder {
    Space(SpaceId),
    Region(RegionId),
}

impl WordName {
    /// A number of its own. Its lowest bits differ where words do: in place, or in whose they are.
    pub fn number(self) -> u128 {
        let (index, generation, is_shared) = match self.holder {
            Holder::Space(space) => (space.index(), space.generation(), 0),
            Holder::Region(region) => (region.index(), region.generation(), 1),
        };
        // Places are below 2^48.
        let low = (self.place.raw() >> 2 ^ u64::from(index)) << 1 | is_shared;
        u128::from(generation) << 96 | u128::from(index) << 64 | u128::from(low)
    }
}

impl<M: Mmu> Sharing<'_, M> {
    /// The word of 32 bits at `address` in `space`.
    ///
    /// # Errors
    /// `EINVAL` the address is no multiple of 4; `EFAULT` nothing that can be read is mapped there, or it is no
    /// memory of the allocator's; `ESRCH` the space is gone or ending.
    pub fn word(&mut self, space: SpaceId, address: u64) -> Result<WordName, Errno> {
        let address = VirtAddr::new(address);
        if !address.raw().is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let mut entered = self.enter(space).ok_or(Errno::ESRCH)?;
        let Each {
            space: found, vmas, ..
        } = entered.each();
        if found.state == SpaceState::Ending {
            return Err(Errno::ESRCH);
        }
        let page = address.page();
        let vma = found
            .set
            .containing(&vmas, page)
            .and_then(|vma| usable(found, existing(&vmas, vma), page))
            .filter(|vma| vma.perms.contains(Perms::READ))
            .ok_or(Errno::EFAULT)?;
        match vma.backing {
            Backing::Anonymous | Backing::Stack(_) | Backing::MessagePage => Ok(WordName {
                holder: Holder::Space(space),
                place: address,
            }),
            Backing::Paged(attachment) | Backing::Linked(attachment) | Backing::Blocks(attachment) => {
                let page = Page::from_number(attachment.index_of(page));
                Ok(WordName {
                    holder: Holder::Region(attachment.region),
                    place: VirtAddr::new(page.start().raw() + address.offset()),
                })
            }
            Backing::Physical(..) => Err(Errno::EFAULT),
        }
    }

    /// What a load of the word would find. A page that nobody has touched holds zeroes, and goes on having no
    /// frame.
    pub fn value(&mut self, word: WordName) -> u32 {
        let (page, offset) = (word.place.page(), word.place.offset() as usize);
        match word.holder {
            Holder::Space(space) => {
                let mut entered = self.enter(space);
                let value = entered.as_mut().map(|entered| {
                    let Each { mmu, space, .. } = entered.each();
                    let mapped = mmu.lookup(&space.hardware, page);
                    mapped.map_or(0, |(frame, _)| mmu.load_word(frame, offset))
                });
                value.unwrap_or(0)
            }
            Holder::Region(region) => {
                let value = self.region(region).map(|(mmu, region)| {
                    let frame = region.contents.lookup(mmu, page.number());
                    frame.map_or(0, |frame| mmu.load_word(frame, offset))
                });
                value.unwrap_or(0)
            }
        }
    }
}
