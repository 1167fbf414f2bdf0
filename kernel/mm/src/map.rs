//! Private memory, and memory that the allocator does not own.

use crate::manager::MemoryManager;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::place::{Wish, mappable};
use crate::sharing::{Each, InSpace};
use crate::space::SpaceId;
use crate::vma::{Backing, GUARD_PAGES, Vma, VmaState};
use abi::Errno;
use abi::memory::{Map, MapFlags, Protection};
use addr::{FrameRange, MemoryKind, Page, PageCount, PageRange, Perms, VirtAddr};

impl<M: Mmu> InSpace<'_, '_, M> {
    pub(crate) fn map(&mut self, call: &mut Call<'_>, request: Map) -> Result<Reply, Errno> {
        let perms = permitted(request.protection).ok_or(Errno::EINVAL)?;
        let extent = Extent::of(request.length, request.growth).ok_or(Errno::EINVAL)?;
        let wish = wish(request.address, request.flags)?;
        let Each { space, vmas, .. } = self.each();
        let fit = match wish {
            Wish::Anywhere => space.fit(&vmas, extent.all).ok_or(Errno::ENOMEM)?,
            Wish::Near(start) => extent
                .from(start)
                .and_then(|range| space.fit_at(&vmas, range))
                .or_else(|| space.fit(&vmas, extent.all))
                .ok_or(Errno::ENOMEM)?,
            Wish::At(start) | Wish::Over(start) => {
                let range = extent.from(start).ok_or(Errno::EINVAL)?;
                match (space.fit_at(&vmas, range), wish) {
                    (Some(fit), _) => fit,
                    (None, Wish::Over(_)) => return self.map_over(call, extent, range, perms),
                    (None, _) => return Err(Errno::EINVAL),
                }
            }
        };
        let backing = extent.backing(fit.range);
        self.add_vma(fit, perms, backing, VmaState::Live)?;
        Ok(Reply::new((extent.address(fit.range),)))
    }

    /// Maps in place of what is in `range`.
    fn map_over(
        &mut self,
        call: &Call<'_>,
        extent: Extent,
        range: PageRange,
        perms: Perms,
    ) -> Result<Reply, Errno> {
        let vma = Vma::new(range, perms, extent.backing(range), VmaState::Live);
        self.replace(vma, call.now)?;
        Ok(Reply::after((extent.address(range),), self.sweep(call.now)))
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// Maps frames that the allocator does not own, such as the program archive or a device's
    /// registers, and answers where. They are never given to the allocator.
    ///
    /// # Errors
    /// `EINVAL` if they were to be writable and executable, or not even readable; `ESRCH` if the
    /// address space is gone; `ENOMEM` or `EMFILE` as for a map request.
    pub fn map_physical(
        &mut self,
        space: SpaceId,
        frames: FrameRange,
        perms: Perms,
        kind: MemoryKind,
    ) -> Result<VirtAddr, Errno> {
        if !perms.contains(Perms::READ) || perms.contains(Perms::WRITE | Perms::EXECUTE) {
            return Err(Errno::EINVAL);
        }
        let pages = PageCount::new(frames.count()).ok_or(Errno::EINVAL)?;
        self.within(space, |entered| {
            let Each { space, vmas, .. } = entered.each();
            let fit = space.fit(&vmas, pages).ok_or(Errno::ENOMEM)?;
            let backing = Backing::Physical(frames.start(), kind);
            entered.add_vma(fit, perms, backing, VmaState::Live)?;
            Ok(fit.range.start().start())
        })
    }
}

/// How many pages a mapping takes up.
#[derive(Clone, Copy)]
struct Extent {
    /// Those below that it may grow into, and the gap below them.
    below: u64,
    /// These and its own.
    all: PageCount,
}

impl Extent {
    /// Of `length` bytes that may grow by `growth`; `None` if that is nothing, or too much for a number.
    fn of(length: u64, growth: u64) -> Option<Self> {
        let below = PageCount::covering(growth).map_or(0, |growth| growth.get() + GUARD_PAGES);
        let all = PageCount::covering(length)?.get().checked_add(below)?;
        Some(Self {
            below,
            all: PageCount::new(all)?,
        })
    }

    /// The pages it takes up if its own begin with `start`.
    fn from(self, start: Page) -> Option<PageRange> {
        let first = Page::from_number(start.number().checked_sub(self.below)?);
        PageRange::new(first, self.all).filter(|&range| mappable().contains_range(range))
    }

    fn first(self, range: PageRange) -> Page {
        Page::from_number(range.start().number() + self.below)
    }

    fn address(self, range: PageRange) -> u64 {
        self.first(range).start().raw()
    }

    fn backing(self, range: PageRange) -> Backing {
        if self.below == 0 {
            Backing::Anonymous
        } else {
            Backing::Stack(self.first(range))
        }
    }
}

/// What an address and flags say about the place.
fn wish(address: u64, flags: MapFlags) -> Result<Wish, Errno> {
    let page = Page::starting_at(VirtAddr::new(address));
    match (flags.contains(MapFlags::HINT), flags.contains(MapFlags::REPLACE)) {
        (true, true) => Err(Errno::EINVAL),
        (false, true) => page.map(Wish::Over).ok_or(Errno::EINVAL),
        (_, false) if address == 0 => Ok(Wish::Anywhere),
        (true, false) => Ok(Wish::Near(VirtAddr::new(address).page())),
        (false, false) => page.map(Wish::At).ok_or(Errno::EINVAL),
    }
}

/// The access that a protection stands for: what can be written or executed can be read too.
/// `None` for writable and executable at once.
pub(crate) fn permitted(protection: Protection) -> Option<Perms> {
    let (write, execute) = (
        protection.contains(Protection::WRITE),
        protection.contains(Protection::EXEC),
    );
    match (write, execute) {
        (true, true) => None,
        (true, false) => Some(Perms::READ_WRITE),
        (false, true) => Some(Perms::READ_EXECUTE),
        (false, false) if protection.contains(Protection::READ) => Some(Perms::READ),
        (false, false) => Some(Perms::empty()),
    }
}
