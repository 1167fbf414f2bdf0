//! What should happen: pages in maps, attachments in a list, counts by counting.

use crate::common::PAGE;
use abi::Errno;
use abi::memory::{MapFlags, Protection};
use abi::shm::AttachFlags;
use mm::FaultCause;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Pages of a block.
const BLOCK_PAGES: u64 = 512;

/// One page of a process, by page number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    pub may: Protection,
    /// What it may be made to allow.
    pub most: Protection,
    pub what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A value in private memory.
    Private { value: u64 },
    /// A page of a segment, and which request attached it.
    Shared {
        segment: u64,
        index: u64,
        attachment: u64,
    },
}

#[derive(Default, Clone)]
pub struct Process {
    pub pages: BTreeMap<u64, Page>,
    pub stacks: Vec<Stack>,
}

/// Where a stack begins, and down to which page it may grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stack {
    pub low: u64,
    pub floor: u64,
}

impl Stack {
    /// What nothing else can be placed in: where it grows, and a gap of 64 KiB.
    fn room(self) -> Range<u64> {
        self.floor - 16..self.low
    }
}

/// Where a mapping is to be, in pages.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub first: u64,
    pub pages: u64,
    pub growth: u64,
}

impl Wanted {
    pub fn new(address: u64, pages: u64, growth: u64) -> Self {
        Self {
            first: address / PAGE,
            pages,
            growth,
        }
    }

    /// With all that nothing else may be placed in.
    fn place(self) -> Range<u64> {
        let below = if self.growth == 0 { 0 } else { self.growth + 16 };
        self.first - below..self.first + self.pages
    }
}

/// What may be written or executed may be read.
fn readable(protection: Protection) -> Protection {
    if protection.is_empty() {
        protection
    } else {
        protection | Protection::READ
    }
}

pub struct Segment {
    pub pages: u64,
    pub blocks: bool,
    pub removed: bool,
    pub contents: BTreeMap<u64, u64>,
}

/// All processes and segments. Requests and segments have numbers that are never used again.
#[derive(Default)]
pub struct Reference {
    pub processes: Vec<Process>,
    pub segments: BTreeMap<u64, Segment>,
    pub requests: u64,
}

impl Reference {
    /// Which attachments there are: process, request, segment, address of page 0.
    pub fn attachments(&self) -> BTreeSet<(usize, u64, u64, u64)> {
        let (mut found, mut last) = (BTreeSet::new(), None);
        for (place, process) in self.processes.iter().enumerate() {
            for (page, Page { what, .. }) in &process.pages {
                if let What::Shared {
                    segment,
                    index,
                    attachment,
                } = *what
                {
                    let one = (place, attachment, segment, (page - index) * PAGE);
                    if last.replace(one) != Some(one) {
                        found.insert(one);
                    }
                }
            }
        }
        found
    }

    pub fn count_attachments(&self, segment: u64) -> u64 {
        self.attachments()
            .iter()
            .filter(|(_, _, of, _)| *of == segment)
            .count() as u64
    }

    /// Forgets removed segments that nobody has attached.
    pub fn settle(&mut self) {
        let attached: BTreeSet<u64> = self
            .attachments()
            .iter()
            .map(|(_, _, segment, _)| *segment)
            .collect();
        self.segments
            .retain(|number, segment| !segment.removed || attached.contains(number));
    }

    pub fn is_free(&self, process: usize, address: u64, pages: u64) -> bool {
        self.is_place_free(process, Wanted::new(address, pages, 0))
    }

    pub fn is_place_free(&self, process: usize, wanted: Wanted) -> bool {
        let Process { pages, stacks } = &self.processes[process];
        let place = wanted.place();
        let grows_there = |stack: &Stack| {
            let room = stack.room();
            room.start < place.end && place.start < room.end
        };
        pages.range(place.clone()).next().is_none() && !stacks.iter().any(grows_there)
    }

    /// Whether what is placed there would end where a stack may grow, which cannot be replaced.
    fn ends_in_room(&self, process: usize, wanted: Wanted) -> bool {
        let last = wanted.place().end - 1;
        let stacks = &self.processes[process].stacks;
        stacks.iter().any(|stack| stack.room().contains(&last))
    }

    /// The stack that grows when `address` is touched.
    pub fn stack_at(&self, process: usize, address: u64) -> Option<Stack> {
        let page = address / PAGE;
        let mut stacks = self.processes[process].stacks.iter().copied();
        stacks.find(|stack| (stack.floor..stack.low).contains(&page))
    }

    /// What an attach at `address` should answer, but for a lack of memory.
    pub fn may_attach(
        &self,
        process: usize,
        segment: u64,
        address: u64,
        flags: AttachFlags,
    ) -> Result<(), Errno> {
        let remap = flags.contains(AttachFlags::REMAP);
        if address == 0 && remap {
            return Err(Errno::EINVAL);
        }
        let Some(&Segment { pages, blocks, .. }) = self.segments.get(&segment) else {
            return Err(Errno::EINVAL);
        };
        let is_off = blocks && !(address / PAGE).is_multiple_of(BLOCK_PAGES);
        if is_off || (remap && self.cuts_block(process, address, pages)) {
            return Err(Errno::EINVAL);
        }
        let in_room = self.ends_in_room(process, Wanted::new(address, pages, 0));
        let is_free = self.is_free(process, address, pages);
        if address == 0 || (remap && !in_room) || is_free {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    }

    pub fn attach(&mut self, process: usize, segment: u64, address: u64, flags: AttachFlags) {
        self.requests += 1;
        let attachment = self.requests;
        let may = if flags.contains(AttachFlags::EXEC) {
            Protection::READ | Protection::EXEC
        } else if flags.contains(AttachFlags::RDONLY) {
            Protection::READ
        } else {
            Protection::READ | Protection::WRITE
        };
        self.unmap(process, address, self.segments[&segment].pages);
        for index in 0..self.segments[&segment].pages {
            let what = What::Shared {
                segment,
                index,
                attachment,
            };
            self.processes[process]
                .pages
                .insert(address / PAGE + index, Page { may, most: may, what });
        }
    }

    /// The attachment that `shmdt` takes: the one that has its first page there, else one that
    /// lost it. If several lost it, any.
    pub fn detachable(&self, process: usize, address: u64) -> Vec<u64> {
        let at: Vec<_> = self
            .attachments()
            .into_iter()
            .filter(|a| (a.0, a.3) == (process, address))
            .collect();
        let head = match self.processes[process]
            .pages
            .get(&(address / PAGE))
            .map(|page| page.what)
        {
            Some(What::Shared {
                index: 0, attachment, ..
            }) => Some(attachment),
            _ => None,
        };
        head.map_or_else(|| at.iter().map(|a| a.1).collect(), |head| vec![head])
    }

    /// The segment and number of the attachment that has its first page at `address`.
    fn attached_at(&self, process: usize, address: u64) -> Option<(u64, u64)> {
        match self.processes[process].pages.get(&(address / PAGE))?.what {
            What::Shared {
                segment,
                index: 0,
                attachment,
            } => Some((segment, attachment)),
            What::Shared { .. } | What::Private { .. } => None,
        }
    }

    /// Whether there is a slot that could have been linked in the attachment there.
    pub fn has_slots(&self, process: usize, address: u64) -> bool {
        let attached = self.attached_at(process, address);
        attached.is_some_and(|(segment, _)| self.segments[&segment].pages >= BLOCK_PAGES)
    }

    /// What moving the attachment at `from` should answer, but for a lack of memory: all of it has to be there,
    /// with the same access, and all of its new place free.
    pub fn may_relocate(&self, process: usize, from: u64, to: u64) -> Result<(), Errno> {
        let (segment, attachment) = self.attached_at(process, from).ok_or(Errno::EINVAL)?;
        let Segment { pages, blocks, .. } = self.segments[&segment];
        let all = &self.processes[process].pages;
        let first = all[&(from / PAGE)];
        let is_like_first = |page: u64| {
            all.get(&page).is_some_and(|page| {
                let is_of_it = matches!(page.what, What::Shared { attachment: of, .. } if of == attachment);
                is_of_it && page.may == first.may
            })
        };
        let is_whole = (from / PAGE..from / PAGE + pages).all(is_like_first);
        let is_off = blocks && !(to / PAGE).is_multiple_of(BLOCK_PAGES);
        if is_whole && !is_off && self.is_free(process, to, pages) {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// Moves all pages of the attachment at `from`.
    pub fn relocate(&mut self, process: usize, from: u64, to: u64) {
        let Some((segment, attachment)) = self.attached_at(process, from) else {
            return;
        };
        let pages = &mut self.processes[process].pages;
        let first = pages[&(from / PAGE)];
        pages.retain(|_, page| !matches!(page.what, What::Shared { attachment: of, .. } if of == attachment));
        for index in 0..self.segments[&segment].pages {
            let what = What::Shared {
                segment,
                index,
                attachment,
            };
            pages.insert(to / PAGE + index, Page { what, ..first });
        }
    }

    pub fn detach(&mut self, process: usize, attachment: u64) {
        self.processes[process]
            .pages
            .retain(|_, page| !matches!(page.what, What::Shared { attachment: of, .. } if of == attachment));
    }

    /// What a map should answer, but for a lack of memory.
    pub fn may_map(
        &self,
        process: usize,
        wanted: Wanted,
        protection: Protection,
        flags: MapFlags,
    ) -> Result<(), Errno> {
        let (hint, replace) = (flags.contains(MapFlags::HINT), flags.contains(MapFlags::REPLACE));
        let is_possible = match (hint, replace) {
            (true, true) => false,
            (true, false) => true,
            (false, true) => {
                // A stack takes the place of what is in its room, too.
                let cuts =
                    |place: Range<u64>| self.cuts_block(process, place.start * PAGE, place.end - place.start);
                wanted.first != 0 && !cuts(wanted.place()) && !self.ends_in_room(process, wanted)
            }
            (false, false) => wanted.first == 0 || self.is_place_free(process, wanted),
        };
        if is_possible && !protection.contains(Protection::WRITE | Protection::EXEC) {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    }

    pub fn map(&mut self, process: usize, wanted: Wanted, protection: Protection) {
        let place = wanted.place();
        self.unmap(process, place.start * PAGE, place.end - place.start);
        if wanted.growth > 0 {
            self.processes[process].stacks.push(Stack {
                low: wanted.first,
                floor: wanted.first - wanted.growth,
            });
        }
        self.move_in(
            process,
            wanted.first * PAGE,
            &vec![0; wanted.pages as usize],
            protection,
        );
    }

    /// Private pages with these values.
    pub fn move_in(&mut self, process: usize, address: u64, values: &[u64], protection: Protection) {
        for (page, &value) in (address / PAGE..).zip(values) {
            let page_there = Page {
                may: readable(protection),
                most: Protection::all(),
                what: What::Private { value },
            };
            self.processes[process].pages.insert(page, page_there);
        }
    }

    /// Whether a block lies across an end of a range.
    pub fn cuts_block(&self, process: usize, address: u64, pages: u64) -> bool {
        let first = address / PAGE;
        let is_of_block = |at: &u64| match self.processes[process].pages.get(at).map(|page| page.what) {
            Some(What::Shared { segment, .. }) => self.segments[&segment].blocks,
            Some(What::Private { .. }) | None => false,
        };
        let inside_slot = |at: &u64| !at.is_multiple_of(BLOCK_PAGES);
        [first, first + pages]
            .iter()
            .any(|at| inside_slot(at) && is_of_block(at))
    }

    pub fn unmap(&mut self, process: usize, address: u64, pages: u64) {
        let gone = address / PAGE..address / PAGE + pages;
        let Process { pages, stacks } = &mut self.processes[process];
        pages.retain(|page, _| !gone.contains(page));
        // What has lost its lowest page grows no more.
        stacks.retain(|stack| !gone.contains(&stack.low));
    }

    /// What a protect should answer, but for a lack of memory.
    pub fn may_protect(
        &self,
        process: usize,
        address: u64,
        pages: u64,
        protection: Protection,
    ) -> Result<(), Errno> {
        if protection.contains(Protection::WRITE | Protection::EXEC) {
            return Err(Errno::EINVAL);
        }
        for page in address / PAGE..address / PAGE + pages {
            let Some(page) = self.processes[process].pages.get(&page) else {
                return Err(Errno::ENOMEM);
            };
            if !page.most.contains(readable(protection)) {
                return Err(Errno::EACCES);
            }
        }
        if self.cuts_block(process, address, pages) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    pub fn protect(&mut self, process: usize, address: u64, pages: u64, protection: Protection) {
        let range = address / PAGE..address / PAGE + pages;
        for (_, page) in self.processes[process].pages.range_mut(range) {
            page.may = readable(protection);
        }
    }

    /// The values of private pages in a range, if that is all there is in it.
    pub fn movable(&self, process: usize, address: u64, pages: u64) -> Option<Vec<u64>> {
        let Process { pages: all, stacks } = &self.processes[process];
        let first = address / PAGE;
        let private = |page: u64| match all.get(&page)?.what {
            What::Private { value } => Some(value),
            What::Shared { .. } => None,
        };
        // A stack stays as far as it is one mapping.
        let like = |stack: &Stack, page: u64| {
            all.get(&page).map(|page| page.may) == all.get(&stack.low).map(|page| page.may)
        };
        let end_of = |stack: &Stack| {
            (stack.low..)
                .find(|&page| private(page).is_none() || !like(stack, page))
                .expect("some page is not mapped")
        };
        let stays = |stack: &Stack| stack.low < first + pages && first < end_of(stack);
        if stacks.iter().any(stays) {
            return None;
        }
        (first..first + pages).map(private).collect()
    }

    /// Makes a stack reach down to a page that is touched.
    fn grow(&mut self, process: usize, address: u64, needed: Protection) -> Result<(), FaultCause> {
        let Some(stack) = self.stack_at(process, address) else {
            return Ok(());
        };
        let lowest = self.processes[process].pages[&stack.low];
        if !lowest.may.contains(needed) {
            return Err(FaultCause::NotPermitted);
        }
        for page in address / PAGE..stack.low {
            let what = What::Private { value: 0 };
            self.processes[process]
                .pages
                .insert(page, Page { what, ..lowest });
        }
        let stacks = &mut self.processes[process].stacks;
        for known in stacks.iter_mut().filter(|known| **known == stack) {
            known.low = address / PAGE;
        }
        Ok(())
    }

    /// The page of an access, if that is allowed.
    fn touch(&mut self, process: usize, address: u64, needed: Protection) -> Result<&mut Page, FaultCause> {
        self.grow(process, address, needed)?;
        let page = self.processes[process]
            .pages
            .get_mut(&(address / PAGE))
            .ok_or(FaultCause::Unmapped)?;
        if page.may.contains(needed) {
            Ok(page)
        } else {
            Err(FaultCause::NotPermitted)
        }
    }

    pub fn jump(&mut self, process: usize, address: u64) -> Result<(), FaultCause> {
        self.touch(process, address, Protection::EXEC).map(|_| ())
    }

    pub fn load(&mut self, process: usize, address: u64) -> Result<u64, FaultCause> {
        Ok(match self.touch(process, address, Protection::READ)?.what {
            What::Private { value } => value,
            What::Shared { segment, index, .. } => {
                *self.segments[&segment].contents.get(&index).unwrap_or(&0)
            }
        })
    }

    pub fn store(&mut self, process: usize, address: u64, new: u64) -> Result<(), FaultCause> {
        match &mut self.touch(process, address, Protection::WRITE)?.what {
            What::Private { value } => *value = new,
            What::Shared { segment, index, .. } => {
                let (segment, index) = (*segment, *index);
                let segment = self
                    .segments
                    .get_mut(&segment)
                    .expect("an attached segment exists");
                segment.contents.insert(index, new);
            }
        }
        Ok(())
    }
}
