//! Processes, what they do one after the other, and all ways to shuffle that.

use crate::common::{CREATE, PAGE, PLAIN, Size, World};
use abi::Errno;
use abi::memory::{MemoryRequest, ShmAttach, ShmControl, ShmDetach, ShmIdArgument};
use abi::shm::{ShmCommand, ShmId};
use abi::system::FrameCounts;
use addr::VirtAddr;
use mm::{Access, Job, Seconds, SpaceId};

/// Everything is small, since there is a scene for each order.
const SIZE: Size = Size {
    frames: 110,
    spaces: 6,
    regions: 3,
    vmas: 12,
    ..Size::USUAL
};

/// The key of the segment.
pub const KEY: i32 = 7;
/// What is in its first word, if somebody has touched it all.
pub const WORD: u64 = 42;
/// Where each process attaches it.
const PLACES: [u64; 3] = [0x20_0000_0000, 0x20_0000_3000, 0x30_0000_0000];

/// Three processes and a segment.
pub struct Scene {
    pub world: World,
    pub processes: [SpaceId; 3],
    pub id: ShmId,
    /// What should be so: whether the segment was removed,
    pub removed: bool,
    /// and who has it attached.
    pub attached: [Attached; 3],
    at_start: FrameCounts,
}

/// Whether a process has the segment attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attached {
    No,
    Yes,
    /// Until the last step of what takes it away.
    Leaving,
}

/// What a process does in one turn, and what is left of that for its next turns.
pub type Act = fn(&mut Scene) -> Option<Job>;

impl Scene {
    /// Process 0 has made the segment; nobody has touched it.
    pub fn with_segment(pages: u64) -> Self {
        let mut world = World::of(SIZE);
        let processes = [(); 3].map(|()| world.process());
        let at_start = world.mm.frame_counts();
        let id = world.get(processes[0], KEY, pages * PAGE, CREATE).expect("room");
        Self {
            world,
            processes,
            id,
            removed: false,
            attached: [Attached::No; 3],
            at_start,
        }
    }

    /// Process 0 has attached it, too, and touched it all.
    pub fn with_full_segment(pages: u64) -> Self {
        let mut scene = Self::with_segment(pages);
        scene.attach(0);
        let process = scene.processes[0];
        scene.world.touch(process, PLACES[0], pages);
        scene.world.store(process, PLACES[0], WORD).expect("attached");
        scene
    }

    /// Whether the identifier still leads to the segment: it goes with the last attachment that can be used.
    fn is_found(&self) -> bool {
        !self.removed || self.attached.contains(&Attached::Yes)
    }

    /// Where a process has it attached.
    pub fn place(number: usize) -> u64 {
        PLACES[number]
    }

    /// `shmat`, by the identifier, which some time leads nowhere.
    pub fn attach(&mut self, number: usize) -> Option<Job> {
        let request = ShmAttach {
            id: self.id,
            address: PLACES[number],
            flags: PLAIN,
        };
        let (answer, job) = self.ask_about_segment(number, MemoryRequest::ShmAttach(request));
        if answer.is_ok() {
            self.attached[number] = Attached::Yes;
        }
        job
    }

    /// `IPC_RMID`.
    pub fn remove(&mut self, number: usize) -> Option<Job> {
        let request = ShmControl {
            id: ShmIdArgument(self.id.raw()),
            command: ShmCommand::Remove as i32,
        };
        let (_, job) = self.ask_about_segment(number, MemoryRequest::ShmControl(request));
        self.removed = true;
        job
    }

    fn ask_about_segment(
        &mut self,
        number: usize,
        request: MemoryRequest,
    ) -> (Result<(), Errno>, Option<Job>) {
        let (answer, job) = self.ask(number, request);
        let expected = if self.is_found() {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        };
        assert_eq!(answer, expected, "{request:?} by process {number}");
        (answer, job)
    }

    /// `shmdt`.
    pub fn detach(&mut self, number: usize) -> Option<Job> {
        let address = PLACES[number];
        let (answer, job) = self.ask(number, MemoryRequest::ShmDetach(ShmDetach { address }));
        assert_eq!(
            answer.is_ok(),
            self.attached[number] == Attached::Yes,
            "{answer:?}"
        );
        if answer.is_ok() {
            self.attached[number] = Attached::Leaving;
        }
        job
    }

    /// The end of a process.
    pub fn exit(&mut self, number: usize) -> Option<Job> {
        if self.attached[number] == Attached::Yes {
            self.attached[number] = Attached::Leaving;
        }
        Some(self.world.mm.destroy_space(self.processes[number], Seconds(1)))
    }

    /// What a process has asked for is done.
    fn settle(&mut self, number: usize) {
        if self.attached[number] == Attached::Leaving {
            self.attached[number] = Attached::No;
        }
    }

    fn ask(&mut self, number: usize, request: MemoryRequest) -> (Result<(), Errno>, Option<Job>) {
        let (answer, job) = self.world.begin(self.processes[number], request, &[], None);
        // The kernel does the next step of what is left at once, too.
        (answer.map(|_| ()), job.and_then(|job| self.world.step(job)))
    }

    /// A program stores into the first page, or does not get there.
    pub fn try_store(&mut self, number: usize, value: u64) -> bool {
        let (machine, space) = self
            .world
            .mm
            .mmu_space_mut(self.processes[number])
            .expect("alive");
        machine
            .write_u64(space, VirtAddr::new(PLACES[number]), value)
            .is_ok()
    }

    /// A program loads from the first page, or does not get there.
    pub fn try_load(&mut self, number: usize) -> Option<u64> {
        let (machine, space) = self
            .world
            .mm
            .mmu_space_mut(self.processes[number])
            .expect("alive");
        machine.read_u64(space, VirtAddr::new(PLACES[number])).ok()
    }

    /// The kernel serves the fault of one who did not get there.
    pub fn serve(&mut self, number: usize, access: Access) -> Option<Job> {
        let served = self
            .world
            .mm
            .fault(self.processes[number], VirtAddr::new(PLACES[number]), access);
        assert_eq!(served, Ok(()), "{access:?} by process {number}");
        None
    }

    /// Everybody detaches who has not, and the segment is removed if it has not been: no frame is missing.
    pub fn end(mut self) {
        for process in self.processes {
            // Those that have ended are gone.
            if self.world.mm.mmu_space_mut(process).is_some() {
                self.world.exit(process);
            }
        }
        let root = self.world.root;
        let removed = self.world.remove(root, self.id);
        assert_eq!(removed.is_err(), self.removed, "{removed:?}");
        assert_eq!(self.world.segments(), (0, 0));
        let counts = self.world.mm.frame_counts();
        let roots = self.processes.len() as u64;
        assert_eq!(
            (counts.free, counts.promised),
            (self.at_start.free + roots, self.at_start.promised)
        );
    }
}

/// Plays what processes do in every order, each from a new scene to the end, and says how many orders there are.
pub fn in_every_order(scene: impl Fn() -> Scene, scripts: &[&'static [Act]], end: impl Fn(Scene)) -> usize {
    let mut order = Order::default();
    for number in 1.. {
        let mut scene = scene();
        let mut actors: Vec<_> = scripts
            .iter()
            .enumerate()
            .map(|(number, acts)| Actor {
                number,
                acts,
                job: None,
            })
            .collect();
        order.begin();
        loop {
            let ready: Vec<_> = actors.iter_mut().filter(|actor| !actor.is_done()).collect();
            let count = ready.len();
            let Some(actor) = ready.into_iter().nth(order.choose(count)) else {
                break;
            };
            actor.take_turn(&mut scene);
        }
        end(scene);
        if !order.advance() {
            return number;
        }
    }
    unreachable!("there are only so many orders");
}

/// One process.
struct Actor {
    number: usize,
    acts: &'static [Act],
    /// What is left of the last one.
    job: Option<Job>,
}

impl Actor {
    fn is_done(&self) -> bool {
        self.acts.is_empty() && self.job.is_none()
    }

    fn take_turn(&mut self, scene: &mut Scene) {
        self.job = match (self.job.take(), self.acts) {
            (Some(job), _) => scene.world.step(job),
            (None, [act, rest @ ..]) => {
                self.acts = rest;
                act(scene)
            }
            (None, []) => None,
        };
        if self.job.is_none() {
            scene.settle(self.number);
        }
        scene.world.check();
    }
}

/// The choices of one order, each among so many, so that the next order differs in the last one that can be another.
#[derive(Default)]
struct Order {
    choices: Vec<(usize, usize)>,
    made: usize,
}

impl Order {
    fn begin(&mut self) {
        self.made = 0;
    }

    /// One of `count`; any number if there is none.
    fn choose(&mut self, count: usize) -> usize {
        if count == 0 {
            return 0;
        }
        if self.made == self.choices.len() {
            self.choices.push((0, count));
        }
        self.made += 1;
        self.choices[self.made - 1].0
    }

    /// Whether there is another order.
    fn advance(&mut self) -> bool {
        while let Some((choice, count)) = self.choices.pop() {
            if choice + 1 < count {
                self.choices.push((choice + 1, count));
                return true;
            }
        }
        false
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let choices = self.choices[..self.made].iter().map(|(choice, _)| choice);
            eprintln!(
                "The turns were {:?}, each among those that had one left.",
                choices.collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn two_that_take_two_and_three_turns_have_ten_orders() {
    const TURN: Act = |_| None;
    let orders = in_every_order(|| Scene::with_segment(1), &[&[TURN; 2], &[TURN; 3]], Scene::end);
    assert_eq!(orders, 10);
}
