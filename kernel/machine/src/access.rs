//! Loads, stores and instruction fetches of programs, through the TLB.

use crate::machine::Machine;
use crate::space::Space;
use crate::tlb::Entry;
use crate::walk::{Tag, Walk};
use addr::{GRANULE, Page, Perms, PhysAddr, VirtAddr};
use vmsa::{Level, USER_PAGES};

/// What a program does to memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessKind {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// Why an access failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No valid descriptor at this level.
    Translation(Level),
    /// The translation does not allow it; the level of the leaf.
    Permission(Level),
    /// Not an address that TTBR0 translates.
    NotUser,
}

impl AccessKind {
    fn needs(self) -> Perms {
        match self {
            Self::Read => Perms::READ,
            Self::Write => Perms::WRITE,
            Self::Execute => Perms::EXECUTE,
        }
    }
}

impl Machine {
    /// One access by CPU 0 in `space`, which it switches to. Returns where it went.
    ///
    /// # Errors
    /// The fault that the CPU takes. It may be one that only a stale TLB entry explains.
    ///
    /// # Panics
    /// If it uses an entry of another space, or fetches from a frame that was not published; or if entries have
    /// become valid that were not.
    pub fn access(&mut self, space: &Space, addr: VirtAddr, kind: AccessKind) -> Result<PhysAddr, Fault> {
        self.access_on(0, space, addr, kind)
    }

    /// One access by `cpu`, as in [`access`](Self::access).
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub fn access_on(
        &mut self,
        cpu: usize,
        space: &Space,
        addr: VirtAddr,
        kind: AccessKind,
    ) -> Result<PhysAddr, Fault> {
        let page = addr.page();
        if page.number() >= USER_PAGES {
            return Err(Fault::NotUser);
        }
        assert!(
            self.is_published,
            "a program goes on before entries that became valid are published"
        );
        let asid = self.switch(cpu, space.id);
        let entry = self.translate(
            cpu,
            Tag {
                space: space.id,
                asid,
            },
            page,
        )?;
        if !entry.rights.user.contains(kind.needs()) {
            return Err(Fault::Permission(entry.level));
        }
        let frame = entry.frame.offset(page.number() - entry.extent.start().number());
        if kind == AccessKind::Execute {
            let published = self.ram.is_published(frame);
            assert!(
                published,
                "{page:?} is executed, but {frame:?} was never published"
            );
        }
        match frame.start().checked_add(addr.offset()) {
            Some(phys) => Ok(phys),
            None => panic!("{frame:?} has no addresses"),
        }
    }

    /// Loads into all of `into`.
    ///
    /// # Errors
    /// The first fault; what precedes it has been read.
    pub fn read_bytes(&mut self, space: &Space, addr: VirtAddr, into: &mut [u8]) -> Result<(), Fault> {
        for (addr, part) in pieces(addr, into.len()) {
            let phys = self.access(space, addr, AccessKind::Read)?;
            self.ram
                .read(phys.frame(), phys.offset() as usize, &mut into[part]);
        }
        Ok(())
    }

    /// Stores all of `bytes`.
    ///
    /// # Errors
    /// The first fault; what precedes it has been written.
    pub fn write_bytes(&mut self, space: &Space, addr: VirtAddr, bytes: &[u8]) -> Result<(), Fault> {
        for (addr, part) in pieces(addr, bytes.len()) {
            let phys = self.access(space, addr, AccessKind::Write)?;
            self.assert_no_table(phys.frame());
            self.ram
                .write_by_program(phys.frame(), phys.offset() as usize, &bytes[part]);
        }
        Ok(())
    }

    /// Loads one word.
    ///
    /// # Errors
    /// The fault.
    pub fn read_u64(&mut self, space: &Space, addr: VirtAddr) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        self.read_bytes(space, addr, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Stores one word.
    ///
    /// # Errors
    /// The fault.
    pub fn write_u64(&mut self, space: &Space, addr: VirtAddr, value: u64) -> Result<(), Fault> {
        self.write_bytes(space, addr, &value.to_le_bytes())
    }

    /// Uses the TLB, and the walker from the deepest descriptor that is cached, stale or not.
    fn translate(&mut self, cpu: usize, tag: Tag, page: Page) -> Result<Entry, Fault> {
        let tlb = &self.cpus[cpu].tlb;
        if let Some(entry) = tlb.leaf(tag.asid, page) {
            assert_own(entry, tag);
            return Ok(entry.clone());
        }
        let mut walk = Walk::from_root(tag, self.record(tag.space).root);
        if let Some(entry) = tlb.deepest_table(tag.asid, page) {
            assert_own(entry, tag);
            walk = Walk::behind(entry).unwrap_or(walk);
        }
        loop {
            let entry = walk
                .step(&self.ram, page)
                .ok_or(Fault::Translation(walk.level()))?;
            self.cpus[cpu].tlb.fill(entry.clone());
            match Walk::behind(&entry) {
                Some(below) => walk = below,
                None => return Ok(entry),
            }
        }
    }
}

fn assert_own(entry: &Entry, tag: Tag) {
    assert!(
        entry.space == tag.space,
        "{:?} uses a translation of {:?} under {:?}: {entry:?}",
        tag.space,
        entry.space,
        tag.asid
    );
}

/// Cuts an access at the borders of pages.
fn pieces(addr: VirtAddr, length: usize) -> impl Iterator<Item = (VirtAddr, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        // An address that wraps is not a user's either.
        let at = addr.checked_add(done as u64).unwrap_or(VirtAddr::new(u64::MAX));
        let end = length.min(done + (GRANULE - at.offset()) as usize);
        let part = done..end;
        done = end;
        Some((at, part))
    })
}
