//! What should happen: pages in maps, attachments in a list, counts by counting.

use crate::common::PAGE;
use abi::Errno;
use abi::memory::Protection;
use abi::shm::AttachFlags;
use mm::FaultCause;
use std::collections::{BTreeMap, BTreeSet};

/// One page of a process, by page number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    pub writable: bool,
    pub what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A value in private memory, and which request mapped it.
    Private { value: u64, mapping: u64 },
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
}

pub struct Segment {
    pub pages: u64,
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
        let first = address / PAGE;
        self.processes[process]
            .pages
            .range(first..first + pages)
            .next()
            .is_none()
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
        let Some(Segment { pages, .. }) = self.segments.get(&segment) else {
            return Err(Errno::EINVAL);
        };
        if address == 0 || remap || self.is_free(process, address, *pages) {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    }

    pub fn attach(&mut self, process: usize, segment: u64, address: u64, flags: AttachFlags) {
        self.requests += 1;
        let attachment = self.requests;
        let writable = !flags.intersects(AttachFlags::RDONLY | AttachFlags::EXEC);
        for index in 0..self.segments[&segment].pages {
            let what = What::Shared {
                segment,
                index,
                attachment,
            };
            self.processes[process]
                .pages
                .insert(address / PAGE + index, Page { writable, what });
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

    pub fn detach(&mut self, process: usize, attachment: u64) {
        self.processes[process]
            .pages
            .retain(|_, page| !matches!(page.what, What::Shared { attachment: of, .. } if of == attachment));
    }

    /// What a map at `address` should answer, but for a lack of memory.
    pub fn may_map(
        &self,
        process: usize,
        address: u64,
        pages: u64,
        protection: Protection,
    ) -> Result<(), Errno> {
        let allowed = !protection.contains(Protection::WRITE | Protection::EXEC);
        let free = address == 0 || self.is_free(process, address, pages);
        if allowed && free {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    }

    pub fn map(&mut self, process: usize, address: u64, values: &[u64], protection: Protection) {
        self.requests += 1;
        let (mapping, writable) = (self.requests, protection.contains(Protection::WRITE));
        for (page, &value) in (address / PAGE..).zip(values) {
            let what = What::Private { value, mapping };
            self.processes[process]
                .pages
                .insert(page, Page { writable, what });
        }
    }

    pub fn unmap(&mut self, process: usize, address: u64, pages: u64) {
        let first = address / PAGE;
        self.processes[process]
            .pages
            .retain(|page, _| !(first..first + pages).contains(page));
    }

    /// The values of whole private mappings in a range, if that is all there is in it.
    pub fn movable(&self, process: usize, address: u64, pages: u64) -> Option<Vec<u64>> {
        let all = &self.processes[process].pages;
        let first = address / PAGE;
        let private = |page: u64| match all.get(&page)?.what {
            What::Private { value, mapping } => Some((value, mapping)),
            What::Shared { .. } => None,
        };
        let inside: Vec<(u64, u64)> = (first..first + pages).map(private).collect::<Option<_>>()?;
        // A hole cuts a mapping in two, which are whole ones from then on.
        let is_cut = |outside: u64, inside: u64| match (private(outside), private(inside)) {
            (Some((_, one)), Some((_, other))) => one == other,
            _ => false,
        };
        let cut = is_cut(first - 1, first) || is_cut(first + pages, first + pages - 1);
        (!cut).then(|| inside.into_iter().map(|(value, _)| value).collect())
    }

    pub fn load(&self, process: usize, address: u64) -> Result<u64, FaultCause> {
        let page = self.processes[process]
            .pages
            .get(&(address / PAGE))
            .ok_or(FaultCause::Unmapped)?;
        Ok(match page.what {
            What::Private { value, .. } => value,
            What::Shared { segment, index, .. } => {
                *self.segments[&segment].contents.get(&index).unwrap_or(&0)
            }
        })
    }

    pub fn store(&mut self, process: usize, address: u64, new: u64) -> Result<(), FaultCause> {
        let page = self.processes[process]
            .pages
            .get_mut(&(address / PAGE))
            .ok_or(FaultCause::Unmapped)?;
        if !page.writable {
            return Err(FaultCause::NotPermitted);
        }
        match &mut page.what {
            What::Private { value, .. } => *value = new,
            What::Shared { segment, index, .. } => {
                let segment = self
                    .segments
                    .get_mut(segment)
                    .expect("an attached segment exists");
                segment.contents.insert(*index, new);
            }
        }
        Ok(())
    }
}
