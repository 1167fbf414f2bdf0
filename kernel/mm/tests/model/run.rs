//! Runs actions on both, and compares.

use super::action::{Action, PROCESSES, SEGMENTS, action, large_action};
use super::reference::{Reference, Segment, Wanted};
use crate::common::{CREATE, PAGE, Size, World, create_with};
use abi::Errno;
use abi::memory::{Map, MapFlags, MemoryRequest, Move};
use abi::shm::{GetFlags, ShmId};
use abi::system::FrameCounts;
use mm::{FaultCause, SpaceId};
use proptest::prelude::{ProptestConfig, proptest};

/// The world, its reference, and how the two name the same things.
struct Run {
    world: World,
    reference: Reference,
    processes: Vec<SpaceId>,
    /// In each place a segment: what it is called here and there.
    segments: Vec<Option<(ShmId, u64)>>,
    /// How many pages each process may have, and how many it had when that was last compared.
    quotas: Vec<u64>,
    mapped: Vec<u64>,
    /// Whether there is so much memory that a lack of it is a mistake.
    plenty: bool,
    at_start: FrameCounts,
}

impl Run {
    fn new(frames: u64, plenty: bool) -> Self {
        let mut world = World::of(Size {
            frames,
            vmas: 400,
            ..Size::USUAL
        })
        .with_spares(2);
        let at_start = world.mm.frame_counts();
        let processes = (0..PROCESSES).map(|_| world.process()).collect();
        let mut reference = Reference::default();
        reference.processes.resize_with(PROCESSES, Default::default);
        Self {
            world,
            reference,
            processes,
            segments: vec![None; SEGMENTS],
            quotas: vec![u64::MAX; PROCESSES],
            mapped: vec![0; PROCESSES],
            plenty,
            at_start,
        }
    }

    /// Compares an answer with what was expected. True if it was done.
    fn agree<T>(&self, answer: &Result<T, Errno>, expected: Result<(), Errno>, action: &Action) -> bool {
        match (answer, expected) {
            (Err(Errno::ENOMEM), Ok(())) => {
                let may_lack =
                    !self.plenty || action.process().is_some_and(|process| self.is_limited(process));
                assert!(may_lack, "{action:?} lacked memory");
            }
            (answer, expected) => assert_eq!(
                answer.as_ref().map(|_| ()).map_err(|errno| *errno),
                expected,
                "{action:?}"
            ),
        }
        answer.is_ok()
    }

    fn is_limited(&self, process: usize) -> bool {
        self.quotas[process] < u64::MAX
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Get {
                process,
                segment,
                pages,
                blocks,
            } => self.get(process, segment, pages, blocks, action),
            Action::Attach {
                process,
                segment,
                address,
                flags,
            } => {
                let Some((id, number)) = self.segments[segment] else {
                    return;
                };
                let expected = self.reference.may_attach(process, number, address, flags);
                let answer = self.world.attach(self.processes[process], id, address, flags);
                if self.agree(&answer, expected, &action) {
                    let at = answer.expect("done");
                    let pages = self.reference.segments[&number].pages;
                    assert!(
                        address == at || (address == 0 && self.reference.is_free(process, at, pages)),
                        "{action:?}"
                    );
                    self.reference.attach(process, number, at, flags);
                }
            }
            Action::Detach { process, address } => self.detach(process, address, action),
            Action::DetachOne { process, place } => {
                let own = self
                    .reference
                    .attachments()
                    .into_iter()
                    .filter(|a| a.0 == process)
                    .nth(place);
                if let Some((_, _, _, address)) = own {
                    self.detach(process, address, action);
                }
            }
            Action::Relocate { process, from, to } => self.relocate(process, from, to, action),
            Action::Remove { process, segment } => {
                let Some((id, number)) = self.segments[segment] else {
                    return;
                };
                let known = self.reference.segments.get_mut(&number);
                let expected = if known.is_some() {
                    Ok(())
                } else {
                    Err(Errno::EINVAL)
                };
                if let Some(known) = known {
                    known.removed = true;
                }
                let answer = self.world.remove(self.processes[process], id);
                self.agree(&answer, expected, &action);
            }
            Action::Map { .. } => self.map(action),
            Action::Protect {
                process,
                address,
                pages,
                protection,
            } => {
                let expected = self.reference.may_protect(process, address, pages, protection);
                let p = self.processes[process];
                let answer = self.world.protect(p, address, pages * PAGE, protection);
                // A hole is told by the same error as a lack of memory.
                if expected.is_err() || !matches!(answer, Err(Errno::ENOMEM)) {
                    assert_eq!(answer, expected, "{action:?}");
                }
                if self.agree(&answer, expected, &action) {
                    self.reference.protect(process, address, pages, protection);
                }
            }
            Action::Unmap {
                process,
                address,
                pages,
            } => {
                let expected = if self.reference.cuts_block(process, address, pages) {
                    Err(Errno::EINVAL)
                } else {
                    Ok(())
                };
                let answer = self.world.unmap(self.processes[process], address, pages * PAGE);
                if self.agree(&answer, expected, &action) {
                    self.reference.unmap(process, address, pages);
                }
            }
            Action::Stripe {
                process,
                address,
                protection,
            } => Action::stripes(process, address, protection, 4).for_each(|stripe| self.act(stripe)),
            Action::Move { .. } => self.transfer(action),
            Action::Load { process, address } => {
                let found = self.world.load(self.processes[process], address);
                if !self.lacked_growth(process, address, found) {
                    assert_eq!(found, self.reference.load(process, address), "{action:?}");
                }
            }
            Action::Store {
                process,
                address,
                value,
            } => {
                let found = self.world.store(self.processes[process], address, value);
                if !self.lacked_growth(process, address, found) {
                    assert_eq!(found, self.reference.store(process, address, value), "{action:?}");
                }
            }
            Action::Jump { process, address } => {
                let found = self.world.jump(self.processes[process], address);
                if !self.lacked_growth(process, address, found) {
                    assert_eq!(found, self.reference.jump(process, address), "{action:?}");
                }
            }
            Action::Exit { process } => {
                self.world.exit(self.processes[process]);
                self.processes[process] = self.world.process();
                self.reference.processes[process] = Default::default();
                (self.quotas[process], self.mapped[process]) = (u64::MAX, 0);
            }
            Action::LowerQuota { process, pages } => {
                self.world.lower_quota(self.processes[process], pages, u32::MAX);
                self.quotas[process] = self.quotas[process].min(pages);
            }
            Action::Fork { process, child } => self.fork(process, child, action),
            Action::Thread { .. } => {}
            Action::Idle { steps } => (0..steps).for_each(|_| {
                self.world.idle();
            }),
        }
        self.reference.settle();
        self.compare();
    }

    fn fork(&mut self, process: usize, child: usize, action: Action) {
        if process == child {
            return;
        }
        self.world.exit(self.processes[child]);
        self.reference.processes[child] = Default::default();
        (self.quotas[child], self.mapped[child]) = (u64::MAX, 0);
        let answer = self.world.fork(self.processes[process]);
        if self.agree(&answer, Ok(()), &action) {
            self.reference.processes[child] = self.reference.processes[process].clone();
            self.quotas[child] = self.quotas[process];
            // What there was when its quota was lowered stays, in a copy too.
            self.mapped[child] = self.mapped[process];
        }
        self.processes[child] = answer.unwrap_or_else(|_| self.world.process());
    }

    /// Whether a stack could not grow, since memory is scarce.
    fn lacked_growth<T>(&self, process: usize, address: u64, found: Result<T, FaultCause>) -> bool {
        let lacked = matches!(found, Err(FaultCause::OutOfMemory));
        let may_lack = !self.plenty || self.is_limited(process);
        assert!(!lacked || (may_lack && self.reference.stack_at(process, address).is_some()));
        lacked
    }

    fn map(&mut self, action: Action) {
        let Action::Map {
            process,
            address,
            pages,
            protection,
            flags,
            growth,
        } = action
        else {
            return;
        };
        let wanted = Wanted::new(address, pages, growth);
        let expected = self.reference.may_map(process, wanted, protection, flags);
        let request = Map {
            flags,
            growth: growth * PAGE,
            ..Map::new(address, pages * PAGE, protection)
        };
        let answer = self
            .world
            .ask(self.processes[process], MemoryRequest::Map(request));
        if self.agree(&answer, expected, &action) {
            let at = answer.expect("done")[0];
            let place = Wanted::new(at, pages, growth);
            let is_free = self.reference.is_place_free(process, place);
            let is_here = address == at && (flags.contains(MapFlags::REPLACE) || is_free);
            let may_be_elsewhere = address == 0 || flags.contains(MapFlags::HINT);
            assert!(is_here || (may_be_elsewhere && is_free), "{action:?}");
            self.reference.map(process, place, protection);
        }
    }

    fn get(&mut self, process: usize, place: usize, pages: u64, blocks: bool, action: Action) {
        let (pages, flags) = if blocks {
            (pages.next_multiple_of(512), GetFlags::HUGETLB)
        } else {
            (pages, GetFlags::empty())
        };
        let key = place as i32 + 1;
        let p = self.processes[process];
        let existing = self.segments[place].filter(|(_, number)| {
            self.reference
                .segments
                .get(number)
                .is_some_and(|segment| !segment.removed)
        });
        if let Some((id, number)) = existing {
            let large_enough = pages <= self.reference.segments[&number].pages;
            let expected = if large_enough { Ok(id) } else { Err(Errno::EINVAL) };
            assert_eq!(
                self.world.get(p, key, pages * PAGE, CREATE),
                expected,
                "{action:?}"
            );
            return;
        }
        let answer = self.world.get(p, key, pages * PAGE, create_with(0o777) | flags);
        if self.agree(&answer, Ok(()), &action) {
            self.reference.requests += 1;
            let number = self.reference.requests;
            let segment = Segment {
                pages,
                blocks,
                removed: false,
                contents: Default::default(),
            };
            self.reference.segments.insert(number, segment);
            self.segments[place] = Some((answer.expect("done"), number));
        }
    }

    fn detach(&mut self, process: usize, address: u64, action: Action) {
        let candidates = self.reference.detachable(process, address);
        let expected = if candidates.is_empty() {
            Err(Errno::EINVAL)
        } else {
            Ok(())
        };
        let answer = self.world.detach(self.processes[process], address);
        if self.agree(&answer, expected, &action) {
            // Which of several it was shows in what is mapped now.
            let is_gone = |attachment: &u64| {
                let pages = &self.reference.processes[process].pages;
                let mut own = pages.iter().filter(|(_, page)| {
                    matches!(page.what, super::reference::What::Shared { attachment: of, .. } if of == *attachment)
                });
                let space = self.processes[process];
                own.all(|(page, _)| {
                    self.world
                        .mm
                        .describe(space, addr::VirtAddr::new(page * PAGE))
                        .is_none()
                })
            };
            let gone = candidates.into_iter().find(is_gone).expect("one of them is gone");
            self.reference.detach(process, gone);
        }
    }

    fn relocate(&mut self, process: usize, from: u64, to: u64, action: Action) {
        let expected = self.reference.may_relocate(process, from, to);
        let answer = self.world.relocate(self.processes[process], from, to);
        // Slots that were unshared once are parts, even if they look like the rest again.
        let may_be_in_parts = expected.is_ok() && self.reference.has_slots(process, from);
        if may_be_in_parts && answer == Err(Errno::EINVAL) {
            return;
        }
        if self.agree(&answer, expected, &action) {
            self.reference.relocate(process, from, to);
        }
    }

    fn transfer(&mut self, action: Action) {
        let Action::Move {
            process,
            source,
            from,
            pages,
            to,
            protection,
        } = action
        else {
            return;
        };
        let movable = self
            .reference
            .movable(source, from, pages)
            .filter(|_| process != source);
        let expected = match &movable {
            Some(_) => {
                let wanted = Wanted::new(to, pages, 0);
                self.reference
                    .may_map(process, wanted, protection, MapFlags::empty())
            }
            None => Err(Errno::EINVAL),
        };
        let request = Move {
            source: from,
            length: pages * PAGE,
            destination: to,
            protection,
        };
        let answer = self
            .world
            .transfer(self.processes[process], Some(self.processes[source]), request);
        if self.agree(&answer, expected, &action) {
            self.reference.unmap(source, from, pages);
            self.reference
                .move_in(process, to, &movable.expect("allowed"), protection);
        }
    }

    fn compare(&mut self) {
        for (id, number) in self.segments.clone().into_iter().flatten() {
            let root = self.world.root;
            let told = self.world.stat(root, id).map(|facts| facts.shm_nattch);
            let expected = match self.reference.segments.get(&number) {
                Some(_) => Ok(self.reference.count_attachments(number)),
                None => Err(Errno::EINVAL),
            };
            assert_eq!(told, expected);
        }
        for (process, space) in self.processes.clone().into_iter().enumerate() {
            let mapped = self.reference.processes[process].pages.len() as u64;
            assert_eq!(self.world.usage(space).mapped, mapped);
            let before = core::mem::replace(&mut self.mapped[process], mapped);
            assert!(
                mapped <= before.max(self.quotas[process]),
                "{process} has {mapped} pages"
            );
        }
    }

    /// All pages hold what they should; then all ends, and all frames are back.
    fn finish(mut self) {
        // There may be thousands of pages, whose first touches are nothing special.
        self.world.thorough = false;
        for (process, space) in self.processes.clone().into_iter().enumerate() {
            let pages: Vec<u64> = self.reference.processes[process].pages.keys().copied().collect();
            for page in pages {
                let expected = self.reference.load(process, page * PAGE);
                assert_eq!(
                    self.world.load(space, page * PAGE),
                    expected,
                    "page {page:#x} of {process}"
                );
            }
            self.world.exit(space);
        }
        let root = self.world.root;
        for (id, number) in self.segments.into_iter().flatten() {
            if self
                .reference
                .segments
                .get(&number)
                .is_some_and(|segment| !segment.removed)
            {
                self.world.remove(root, id).expect("there");
            }
        }
        assert_eq!(self.world.mm.frame_counts(), self.at_start);
        self.world.check_now();
    }
}

fn run(mut run: Run, actions: Vec<Action>) {
    for action in actions {
        run.act(action);
    }
    run.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn processes_get_what_the_reference_says(actions in proptest::collection::vec(action(), 1..80)) {
        run(Run::new(16384, true), actions);
    }

    #[test]
    fn so_they_do_when_memory_is_scarce(actions in proptest::collection::vec(action(), 1..80)) {
        run(Run::new(60, false), actions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn processes_that_link_and_cut_large_segments_get_what_the_reference_says(
        actions in proptest::collection::vec(large_action(), 1..60)
    ) {
        run(Run::new(16384, true), actions);
    }

    #[test]
    fn so_do_they_when_memory_is_scarce(actions in proptest::collection::vec(large_action(), 1..60)) {
        run(Run::new(2600, false), actions);
    }
}
