//! Speculation: TLBs fill themselves with what is reachable, asked or not.
//!
//! The architecture allows a CPU to cache any valid translation of what it runs at any time
//! (Arm ARM, "Translation Lookaside Buffers"). A mistake shows only if the wrong thing was
//! cached at the wrong time, so a test either tries many times ([`Machine::speculate`]) or lets
//! the machine have cached the worst always ([`Speculation::Everything`]).

use crate::cpu::Cpu;
use crate::machine::Machine;
use crate::space::SpaceId;
use crate::tlb::{Entry, Kind};
use crate::walk::{Tag, Walk};
use addr::{Frame, Page, PageRange};
use vmsa::{TableIndex, USER_PAGES};

/// When TLBs fill themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speculation {
    /// In [`Machine::speculate`] only, beside what accesses need.
    WhenTold,
    /// Every CPU has run every address space a moment ago, and its TLB has cached all that
    /// was reachable. The machine finds that out late: when something is about to become
    /// unreachable.
    Everything,
}

impl Machine {
    /// Lets each CPU cache about half of what is reachable in the space it runs, chosen by
    /// `seed`.
    pub fn speculate(&mut self, seed: u64) {
        let mut random = Random(seed);
        for cpu in 0..self.cpus.len() {
            let Some(tag) = self.cpus[cpu].running else {
                continue;
            };
            for entry in self.reachable(tag, user_pages()) {
                if random.coin() {
                    self.cpus[cpu].tlb.fill(entry);
                }
            }
        }
    }

    /// Gives `space` an ASID, if every space is to have run a moment ago.
    pub(crate) fn let_run(&mut self, space: SpaceId) {
        if self.speculation == Speculation::WhenTold {
            return;
        }
        let runs = self.cpus.iter().any(|cpu| cpu.runs(space));
        if !runs && !self.asids.is_current(self.record(space).asid.get()) {
            let idle = self.cpus.iter().position(Cpu::is_free_to_switch);
            if let Some(cpu) = idle {
                self.switch(cpu, space);
            }
        }
    }

    /// Caches everything that goes through the descriptor at `index` of `table`, on every CPU.
    pub(crate) fn cache_all_through(&mut self, table: Frame, index: TableIndex) {
        let Some(level) = self.ledger.level(table) else {
            return;
        };
        for (space, base) in self.ledger.bases(table) {
            let page = Page::from_number(base + index.get() as u64 * level.pages());
            for cpu in 0..self.cpus.len() {
                let Some(tag) = self.possible_tag(cpu, space) else {
                    continue;
                };
                for entry in self.reachable(tag, level.extent(page)) {
                    self.cpus[cpu].tlb.fill(entry);
                }
            }
        }
    }

    /// Caches what cached descriptors of `table` lead to by way of `index`.
    pub(crate) fn extend_cached_walks(&mut self, table: Frame, index: TableIndex) {
        for cpu in &mut self.cpus {
            let found: Vec<Entry> = cpu
                .usable()
                .filter(|entry| entry.kind == Kind::Table && entry.frame == table)
                .filter_map(|entry| {
                    let walk = Walk::behind(entry)?;
                    let offset = index.get() as u64 * walk.level().pages();
                    walk.step(
                        &self.ram,
                        Page::from_number(entry.extent.start().number() + offset),
                    )
                })
                .collect();
            found.into_iter().for_each(|entry| cpu.tlb.fill(entry));
        }
    }

    pub(crate) fn reachable(&self, tag: Tag, range: PageRange) -> Vec<Entry> {
        Walk::from_root(tag, self.record(tag.space).root).reachable(&self.ram, range)
    }

    /// What entries of `space` on `cpu` are tagged with, if it can have any.
    fn possible_tag(&self, cpu: usize, space: SpaceId) -> Option<Tag> {
        let current = self.record(space).asid.get();
        let asid = current.asid()?;
        let cpu = &self.cpus[cpu];
        let possible = cpu.runs(space) || (self.asids.is_current(current) && cpu.can_hold(asid));
        possible.then_some(Tag { space, asid })
    }
}

fn user_pages() -> PageRange {
    match PageRange::between(Page::from_number(0), Page::from_number(USER_PAGES)) {
        Some(pages) => pages,
        None => panic!("there are user pages"),
    }
}

/// A small generator (splitmix64): the same choices for the same seed.
struct Random(u64);

impl Random {
    fn coin(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed >> 63 == 1
    }
}
