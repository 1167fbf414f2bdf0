//! Steps of several jobs in any order, and processes that are killed in the middle of them.

use super::action::{Action, LARGE, PROCESSES, SEGMENTS, action};
use crate::common::{PAGE, Size, World, create_with};
use abi::memory::{
    LowerQuota, Map, MemoryRequest, Move, Protect, Relocate, ShmAttach, ShmControl, ShmDetach, ShmIdArgument,
    Unmap,
};
use abi::process::Pid;
use abi::shm::{GetFlags, ShmId};
use abi::system::FrameCounts;
use addr::VirtAddr;
use mm::{Access, Credential, FaultCause, Identity, Job, Limits, Seconds, SpaceId, VmaKind};
use proptest::prelude::{ProptestConfig, Strategy, proptest};

/// Processes whose jobs are left alone until their turn comes.
struct Crowd {
    world: World,
    processes: Vec<SpaceId>,
    segments: Vec<Option<ShmId>>,
    /// Those of them whose pages may find no frame.
    unpromised: Vec<ShmId>,
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
        let facts = address.and_then(|address| self.world.mm.describe(p, VirtAddr::new(address)));
        let Some(facts) = facts.filter(|facts| facts.perms.contains(addr::Perms::WRITE)) else {
            return;
        };
        // Far enough apart to reach into every slot of a large one.
        let stride = if facts.range.count().get() > 10_000 {
            137
        } else {
            1
        };
        for page in facts.range.iter().step_by(stride).take(300) {
            match (self.world.mm.fault(p, page.start(), Access::Write), facts.what) {
                (Ok(()), _) => {}
                (Err(FaultCause::OutOfMemory), VmaKind::Shared { id, .. })
                    if self.unpromised.contains(&id) =>
                {
                    break;
                }
                (Err(cause), what) => panic!("{page:?} of {what:?}: {cause:?}"),
            }
        }
        self.world.check();
    }

    fn new(size: Size) -> Self {
        let mut world = World::of(size);
        let processes = (0..PROCESSES).map(|_| world.process()).collect();
        let mut crowd = Self {
            world,
            processes,
            segments: vec![None; SEGMENTS],
            unpromised: vec![],
            jobs: vec![],
        };
        for process in 0..PROCESSES {
            crowd.map_message_page(process);
        }
        crowd
    }

    /// As the kernel does for every process. There may be no memory and no slot left.
    fn map_message_page(&mut self, process: usize) {
        self.world.mm.map_message_page(self.processes[process], 0).ok();
        self.world.check();
    }

    /// A thread begins, if it can just now.
    fn begin_thread(&mut self, process: usize, number: u32) {
        self.world
            .mm
            .map_message_page(self.processes[process], number)
            .ok();
        self.world.check();
    }

    /// Whether it has not ended without another one in its place.
    fn is_there(&mut self, process: usize) -> bool {
        self.world.mm.mmu_space_mut(self.processes[process]).is_some()
    }

    /// Ends all, and does only the jobs that end address spaces; the others are forgotten.
    fn end(mut self, at_start: FrameCounts) {
        for process in self.processes.clone() {
            let job = self.world.mm.destroy_space(process, Seconds(4));
            self.jobs.push(job);
        }
        self.jobs.retain(|job| matches!(job, Job::Destroy(_)));
        for job in self.jobs.drain(..) {
            self.world.finish(Some(job));
        }
        let root = self.world.root;
        for id in self.segments.into_iter().flatten() {
            // Those that were removed are gone.
            self.world.remove(root, id).ok();
        }
        assert_eq!(self.world.segments(), (0, 0));
        assert_eq!(self.world.mm.frame_counts(), at_start);
        self.world.check_now();
    }

    fn act(&mut self, action: Action) {
        self.act_on(action, 40);
    }

    /// Does something, to so many pages for each that the action says.
    fn act_on(&mut self, action: Action, scale: u64) {
        match action {
            Action::Get {
                process,
                segment,
                pages,
                blocks,
            } => {
                // Larger than in the other model, so that jobs take many steps.
                let size = pages * if pages < LARGE { 40 } else { 80 } * PAGE;
                let flags = create_with(0o777);
                let flags = if blocks { flags | GetFlags::HUGETLB } else { flags };
                let is_unpromised = segment % 2 == 1 || pages >= LARGE;
                let flags = if is_unpromised {
                    flags | GetFlags::NORESERVE
                } else {
                    flags
                };
                let got = self
                    .world
                    .get(self.processes[process], segment as i32 + 1, size, flags);
                self.unpromised.extend(got.ok().filter(|_| is_unpromised));
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
            Action::Relocate { process, from, to } => {
                let request = Relocate {
                    address: from,
                    destination: to,
                };
                self.ask(process, MemoryRequest::Relocate(request), None);
            }
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
                flags,
                growth,
            } => {
                let request = Map {
                    flags,
                    growth: growth * PAGE,
                    ..Map::new(address, pages * 40 * PAGE, protection)
                };
                let at = self.ask(process, MemoryRequest::Map(request), None);
                self.touch_all(process, at);
            }
            Action::Protect {
                process,
                address,
                pages,
                protection,
            } => {
                let request = Protect {
                    address,
                    length: pages * scale * PAGE,
                    protection,
                };
                self.ask(process, MemoryRequest::Protect(request), None);
            }
            Action::Unmap {
                process,
                address,
                pages,
            } => {
                let request = Unmap {
                    address,
                    length: pages * scale * PAGE,
                };
                self.ask(process, MemoryRequest::Unmap(request), None);
            }
            // More than one step deals with.
            Action::Stripe {
                process,
                address,
                protection,
            } => Action::stripes(process, address, protection, 75).for_each(|stripe| self.act_on(stripe, 1)),
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
                if self.is_there(process) {
                    self.world.load(self.processes[process], address).ok();
                }
            }
            Action::Store {
                process,
                address,
                value,
            } => {
                if self.is_there(process) {
                    self.world.store(self.processes[process], address, value).ok();
                }
            }
            Action::Jump { process, address } => {
                if self.is_there(process) {
                    self.world.jump(self.processes[process], address).ok();
                }
            }
            Action::Fork { process, child } => self.fork(process, child),
            Action::LowerQuota { process, pages } => {
                let request = LowerQuota {
                    pages,
                    mappings: u32::MAX,
                };
                self.ask(process, MemoryRequest::LowerQuota(request), None);
            }
            Action::Thread { process, number } => self.begin_thread(process, number),
            Action::Idle { steps } => (0..steps).for_each(|_| {
                self.world.idle();
            }),
            Action::Exit { process } => {
                let job = self.world.mm.destroy_space(self.processes[process], Seconds(2));
                self.world.check();
                // What it waited for itself may still get its turn, before or after this.
                self.jobs.push(job);
                let identity = Identity {
                    credential: Credential::ROOT,
                    pid: Pid(7),
                };
                // There may be no memory left for another one; then requests go to the old one.
                if let Ok(space) = self.world.mm.create_space(identity) {
                    self.processes[process] = space;
                    self.map_message_page(process);
                }
            }
        }
    }

    /// The copy takes the place of `child`, which may be the process itself: then that ends while it is
    /// being copied.
    fn fork(&mut self, process: usize, child: usize) {
        let identity = Identity {
            credential: Credential::ROOT,
            pid: Pid(8),
        };
        let Ok(space) = self.world.mm.create_space(identity) else {
            return;
        };
        self.world.mm.map_message_page(space, 0).ok();
        let job = self.world.mm.fork(self.processes[process], space);
        let refused = job.is_err();
        self.jobs.extend(job);
        let ending = if refused {
            space
        } else {
            core::mem::replace(&mut self.processes[child], space)
        };
        self.jobs.push(self.world.mm.destroy_space(ending, Seconds(2)));
        self.world.check();
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

fn run(size: Size, script: Vec<(Action, usize, usize)>) {
    let at_start = World::of(size).mm.frame_counts();
    let mut crowd = Crowd::new(size);
    for (action, steps, choice) in script {
        crowd.act(action);
        for step in 0..steps {
            crowd.step(choice + step);
        }
    }
    crowd.end(at_start);
}

fn script() -> impl Strategy<Value = Vec<(Action, usize, usize)>> {
    proptest::collection::vec((action(), 0usize..6, 0usize..8), 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_steps_gives_everything_back(script in script()) {
        run(Size { frames: 6000, spaces: 64, vmas: 400, ..Size::USUAL }, script);
    }

    #[test]
    fn so_it_does_when_there_is_too_little_of_everything(script in script()) {
        let limits = Limits { shmseg: 4, mappings: 8, ..Limits::WIDEST };
        run(Size { frames: 1000, spaces: 8, regions: 5, vmas: 16, limits }, script);
    }
}
