//! Steps of several jobs in any order, and processes that are killed in the middle of them.

use super::action::{Action, PROCESSES, SEGMENTS, action};
use crate::common::{PAGE, Size, World, create_with};
use abi::memory::{Map, MemoryRequest, Move, ShmAttach, ShmControl, ShmDetach, ShmIdArgument, Unmap};
use abi::shm::ShmId;
use mm::{Job, Seconds, SpaceId};
use proptest::prelude::{ProptestConfig, proptest};

/// Processes whose jobs are left alone until their turn comes.
struct Crowd {
    world: World,
    processes: Vec<SpaceId>,
    segments: Vec<Option<ShmId>>,
    jobs: Vec<Job>,
}

impl Crowd {
    /// Leaves the job for later. Answers the first word, if it was done.
    fn ask(&mut self, process: usize, request: MemoryRequest, source: Option<usize>) -> Option<u64> {
        let source = source.map(|source| self.processes[source]);
        let (answer, job) = self.world.begin(self.processes[process], request, &[], source);
        self.jobs.extend(job);
        answer.ok().map(|(words, _)| words[0])
    }

    /// Touches all pages of what was mapped at `address`, so that taking them away takes steps.
    fn touch_all(&mut self, process: usize, address: Option<u64>) {
        let p = self.processes[process];
        let facts = address.and_then(|address| self.world.mm.describe(p, addr::VirtAddr::new(address)));
        if let Some(facts) = facts.filter(|facts| facts.perms.contains(addr::Perms::WRITE)) {
            let start = facts.range.start().start().raw();
            self.world.touch(p, start, facts.range.count().get().min(300));
            self.world.check();
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Get {
                process,
                segment,
                pages,
            } => {
                // Larger than in the other model, so that jobs take many steps.
                let size = pages * 40 * PAGE;
                let got = self.world.get(
                    self.processes[process],
                    segment as i32 + 1,
                    size,
                    create_with(0o777),
                );
                self.segments[segment] = got.ok().or(self.segments[segment]);
            }
            Action::Attach {
                process,
                segment,
                address,
                flags,
            } => {
                let Some(id) = self.segments[segment] else { return };
                let at = self.ask(
                    process,
                    MemoryRequest::ShmAttach(ShmAttach { id, address, flags }),
                    None,
                );
                self.touch_all(process, at);
            }
            Action::Detach { process, address } => {
                self.ask(process, MemoryRequest::ShmDetach(ShmDetach { address }), None);
            }
            Action::DetachOne { .. } => {}
            Action::Remove { process, segment } => {
                let Some(id) = self.segments[segment] else { return };
                let request = ShmControl {
                    id: ShmIdArgument(id.raw()),
                    command: 0,
                };
                self.ask(process, MemoryRequest::ShmControl(request), None);
            }
            Action::Map {
                process,
                address,
                pages,
                protection,
            } => {
                let request = Map {
                    address,
                    length: pages * 40 * PAGE,
                    protection,
                };
                let at = self.ask(process, MemoryRequest::Map(request), None);
                self.touch_all(process, at);
            }
            Action::Unmap {
                process,
                address,
                pages,
            } => {
                let request = Unmap {
                    address,
                    length: pages * 40 * PAGE,
                };
                self.ask(process, MemoryRequest::Unmap(request), None);
            }
            Action::Move {
                process,
                source,
                from,
                pages,
                to,
                protection,
            } => {
                let request = Move {
                    source: from,
                    length: pages * 40 * PAGE,
                    destination: to,
                    protection,
                };
                self.ask(process, MemoryRequest::Move(request), Some(source));
            }
            Action::Load { process, address } => {
                // Any answer will do: the page may be on its way out.
                self.world.load(self.processes[process], address).ok();
            }
            Action::Store {
                process,
                address,
                value,
            } => {
                self.world.store(self.processes[process], address, value).ok();
            }
            Action::Exit { process } => {
                let job = self.world.mm.destroy_space(self.processes[process], Seconds(2));
                self.world.check();
                // What it waited for itself may still get its turn, before or after this.
                self.jobs.push(job);
                self.processes[process] = self.world.process();
            }
        }
    }

    fn step(&mut self, choice: usize) {
        if self.jobs.is_empty() {
            return;
        }
        let place = choice % self.jobs.len();
        let job = self.jobs.swap_remove(place);
        self.jobs.extend(self.world.mm.step(job, Seconds(3)));
        self.world.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_steps_gives_everything_back(
        script in proptest::collection::vec((action(), 0usize..6, 0usize..8), 1..50)
    ) {
        let mut world = World::of(Size { frames: 6000, spaces: 64, vmas: 400, ..Size::USUAL });
        let at_start = world.mm.frame_counts();
        let processes = (0..PROCESSES).map(|_| world.process()).collect();
        let mut crowd = Crowd { world, processes, segments: vec![None; SEGMENTS], jobs: vec![] };
        for (action, steps, choice) in script {
            crowd.act(action);
            for step in 0..steps {
                crowd.step(choice + step);
            }
        }
        for process in crowd.processes.clone() {
            let job = crowd.world.mm.destroy_space(process, Seconds(4));
            crowd.jobs.push(job);
        }
        // Only the jobs that end address spaces are done; the others are forgotten.
        crowd.jobs.retain(|job| matches!(job, Job::Destroy(_)));
        for job in crowd.jobs.drain(..) {
            crowd.world.finish(Some(job));
        }
        let root = crowd.world.root;
        for id in crowd.segments.into_iter().flatten() {
            // Those that were removed are gone.
            crowd.world.remove(root, id).ok();
        }
        assert_eq!(crowd.world.segments(), (0, 0));
        assert_eq!(crowd.world.mm.frame_counts(), at_start);
        crowd.world.check_now();
    }
}
