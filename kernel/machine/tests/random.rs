//! Random operations of a correct memory manager: programs see what they should, and no check
//! raises a false alarm, whatever the TLBs speculate.

mod common;

use addr::{Frame, PageRange, Perms};
use common::{Bench, at, page, pages};
use machine::{AccessKind, Fault, Space, Speculation};
use mm::mmu::{Dismantled, Mmu, SharedTree, TreeHeight};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, prop_oneof, proptest};
use std::collections::BTreeMap;
use vmsa::USER_PAGES;

const SPACES: usize = 20;
const CPUS: usize = 3;
/// The region is linked in these slots, the rest is for private pages.
const SLOTS: [u64; 2] = [4 * 512, (1 << 18) + 512];

#[derive(Clone, Debug)]
enum Step {
    Map {
        space: usize,
        page: u64,
        perms: Perms,
    },
    Unmap {
        space: usize,
        page: u64,
        count: u64,
    },
    Protect {
        space: usize,
        page: u64,
        count: u64,
        perms: Perms,
    },
    Permit {
        space: usize,
        page: u64,
        perms: Perms,
    },
    Link {
        space: usize,
        slot: usize,
        perms: Perms,
    },
    Unlink {
        space: usize,
        slot: usize,
    },
    Touch {
        index: u64,
    },
    Write {
        cpu: usize,
        space: usize,
        page: u64,
        value: u64,
    },
    Speculate {
        seed: u64,
    },
    End {
        space: usize,
    },
}

fn any_private_page() -> impl Strategy<Value = u64> {
    prop_oneof![0..6u64, 509..515u64, (1u64 << 18) - 2..(1 << 18) + 2]
}

fn any_page() -> impl Strategy<Value = u64> {
    let linked = (0..2usize, 0..6u64).prop_map(|(slot, offset)| SLOTS[slot] + offset);
    prop_oneof![2 => any_private_page(), 1 => linked]
}

fn any_perms() -> impl Strategy<Value = Perms> {
    proptest::sample::select(&[Perms::READ, Perms::READ_WRITE, Perms::READ_EXECUTE][..])
}

fn any_step() -> impl Strategy<Value = Step> {
    let space = || 0..SPACES;
    prop_oneof![
        4 => (space(), any_private_page(), any_perms())
            .prop_map(|(space, page, perms)| Step::Map { space, page, perms }),
        2 => (space(), any_private_page(), 1..70u64)
            .prop_map(|(space, page, count)| Step::Unmap { space, page, count }),
        2 => (space(), any_private_page(), 1..70u64, any_perms())
            .prop_map(|(space, page, count, perms)| Step::Protect { space, page, count, perms }),
        2 => (space(), any_private_page(), any_perms())
            .prop_map(|(space, page, perms)| Step::Permit { space, page, perms }),
        2 => (space(), 0..2usize, any_perms())
            .prop_map(|(space, slot, perms)| Step::Link { space, slot, perms }),
        1 => (space(), 0..2usize).prop_map(|(space, slot)| Step::Unlink { space, slot }),
        1 => (0..6u64).prop_map(|index| Step::Touch { index }),
        8 => (0..CPUS, space(), any_page(), 1..u64::MAX)
            .prop_map(|(cpu, space, page, value)| Step::Write { cpu, space, page, value }),
        1 => (0..u64::MAX).prop_map(|seed| Step::Speculate { seed }),
        1 => space().prop_map(|space| Step::End { space }),
    ]
}

/// A process: its space and what should be in it.
struct Process {
    space: Space,
    private: BTreeMap<u64, (Frame, Perms)>,
    links: BTreeMap<u64, Perms>,
}

struct World {
    bench: Bench,
    processes: Vec<Process>,
    tree: SharedTree,
    shared: BTreeMap<u64, Frame>,
}

impl World {
    fn new(speculation: Speculation) -> Self {
        let mut bench = Bench::with(|machine| {
            machine
                .with_cpus(CPUS)
                .with_asid_bits(4)
                .with_speculation(speculation)
        });
        let tree = bench.region(TreeHeight::Two);
        let mut world = Self {
            bench,
            processes: Vec::new(),
            tree,
            shared: BTreeMap::new(),
        };
        world.touch(0);
        world.processes = (0..SPACES).map(|_| world.process()).collect();
        world
    }

    fn process(&mut self) -> Process {
        Process {
            space: self.bench.space(),
            private: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Map { space, page, perms } => self.map(space, page, perms),
            Step::Unmap { space, page, count } => self.unmap(space, page, count),
            Step::Protect {
                space,
                page,
                count,
                perms,
            } => self.protect(space, page, count, perms),
            Step::Permit { space, page, perms } => self.permit(space, page, perms),
            Step::Link { space, slot, perms } => self.link(space, SLOTS[slot], perms),
            Step::Unlink { space, slot } => self.unlink(space, SLOTS[slot]),
            Step::Touch { index } => self.touch(index),
            Step::Write {
                cpu,
                space,
                page,
                value,
            } => self.write(cpu, space, page, value),
            Step::Speculate { seed } => self.bench.machine.speculate(seed),
            Step::End { space } => self.end(space),
        }
        self.bench.machine.audit();
        let free = &self.bench.frames;
        self.bench.machine.assert_all_free(|frame| free.is_free(frame));
    }

    fn map(&mut self, process: usize, at: u64, perms: Perms) {
        let process = &mut self.processes[process];
        if !process.private.contains_key(&at) {
            let frame = self.bench.map(&mut process.space, at, perms);
            process.private.insert(at, (frame, perms));
        }
    }

    fn unmap(&mut self, process: usize, at: u64, count: u64) {
        let process = &mut self.processes[process];
        let vacant = vacant_around(process, at, count);
        self.bench.discard(&mut process.space, at, count, vacant);
        process.private.retain(|page, _| !(at..at + count).contains(page));
    }

    fn protect(&mut self, process: usize, at: u64, count: u64, perms: Perms) {
        let process = &mut self.processes[process];
        self.bench.protect(&mut process.space, at, count, perms);
        for (_, (_, allowed)) in process.private.range_mut(at..at + count) {
            *allowed &= perms;
        }
    }

    fn permit(&mut self, process: usize, at: u64, perms: Perms) {
        let process = &mut self.processes[process];
        if let Some((_, allowed)) = process.private.get_mut(&at) {
            self.bench.permit(&mut process.space, at, perms);
            *allowed = perms;
        }
    }

    fn link(&mut self, process: usize, slot: u64, perms: Perms) {
        let process = &mut self.processes[process];
        if !process.links.contains_key(&slot) {
            self.bench.link(&mut process.space, slot, self.tree, 0, perms);
            process.links.insert(slot, perms);
        }
    }

    fn unlink(&mut self, process: usize, slot: u64) {
        let process = &mut self.processes[process];
        process.links.remove(&slot);
        let vacant = vacant_around(process, slot, 512);
        let (stale, gone) = self.bench.unlink(&mut process.space, slot, vacant);
        drop(self.bench.machine.flush(&process.space, stale));
        gone.into_iter().for_each(|frame| self.bench.frames.give(frame));
    }

    fn touch(&mut self, index: u64) {
        if self.bench.machine.shared_lookup(self.tree, index).is_none() {
            let frame = self.bench.share(self.tree, index);
            self.shared.insert(index, frame);
        }
    }

    fn write(&mut self, cpu: usize, process: usize, at_page: u64, value: u64) {
        let process = &self.processes[process];
        let expected = self.expected(process, at_page);
        let found = self
            .bench
            .machine
            .access_on(cpu, &process.space, at(at_page), AccessKind::Write)
            .map(|phys| phys.frame());
        match expected {
            None => assert!(matches!(found, Err(Fault::Translation(_)))),
            Some((_, perms)) if !perms.contains(Perms::WRITE) => {
                assert!(matches!(found, Err(Fault::Permission(_))));
            }
            Some((frame, _)) => {
                assert_eq!(found, Ok(frame));
                self.bench.machine.write_frame(frame, 0, &value.to_le_bytes());
            }
        }
        assert_eq!(self.bench.machine.lookup(&process.space, page(at_page)), expected);
    }

    fn expected(&self, process: &Process, at: u64) -> Option<(Frame, Perms)> {
        if let Some(private) = process.private.get(&at) {
            return Some(*private);
        }
        let (slot, perms) = process
            .links
            .iter()
            .find(|(slot, _)| (**slot..**slot + 512).contains(&at))?;
        Some((*self.shared.get(&(at - slot))?, *perms))
    }

    fn end(&mut self, process: usize) {
        let fresh = self.process();
        let ended = std::mem::replace(&mut self.processes[process], fresh);
        self.empty_and_destroy(ended);
    }

    fn empty_and_destroy(&mut self, mut ended: Process) {
        for slot in std::mem::take(&mut ended.links).into_keys() {
            let vacant = pages(slot, 512);
            let (stale, _) = self.bench.unlink(&mut ended.space, slot, vacant);
            drop(self.bench.machine.flush(&ended.space, stale));
        }
        let (_stale, gone) = self
            .bench
            .unmap(&mut ended.space, 0, USER_PAGES, common::everywhere());
        // The end of the space flushes what the removal left.
        let (root, _flushed) = self.bench.machine.destroy_space(ended.space);
        gone.into_iter()
            .chain([root])
            .for_each(|frame| self.bench.frames.give(frame));
    }

    fn finish(mut self) {
        for process in std::mem::take(&mut self.processes) {
            self.empty_and_destroy(process);
        }
        let (mut gone, mut from) = (Vec::new(), 0);
        while let Dismantled::Partly(next) =
            self.bench
                .machine
                .shared_dismantle(self.tree, from, 3, |piece| gone.push(piece.first()))
        {
            from = next;
        }
        gone.into_iter().for_each(|frame| self.bench.frames.give(frame));
        assert_eq!(self.bench.frames.used(), 0, "every frame has come back");
        assert_eq!(self.bench.machine.table_count(), 0);
    }
}

/// The largest range around the given one in which nothing else is.
fn vacant_around(process: &Process, start: u64, count: u64) -> PageRange {
    let placed: Vec<(u64, u64)> = process.private.keys().map(|page| (*page, page + 1)).collect();
    let linked = process.links.keys().map(|slot| (*slot, slot + 512));
    let (mut first, mut end) = (0, USER_PAGES);
    for (from, to) in placed.into_iter().chain(linked) {
        if to <= start {
            first = first.max(to);
        } else if from >= start + count {
            end = end.min(from);
        }
    }
    pages(first, end - first)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn nothing_stale_is_ever_seen_when_everything_is_cached(steps in vec(any_step(), 1..120)) {
        let mut world = World::new(Speculation::Everything);
        steps.iter().for_each(|step| world.step(step));
        world.finish();
    }

    #[test]
    fn nothing_stale_is_ever_seen_when_something_is_cached(steps in vec(any_step(), 1..120)) {
        let mut world = World::new(Speculation::WhenTold);
        steps.iter().for_each(|step| world.step(step));
        world.finish();
    }
}
