//! The end of the game: everybody ends, and nothing is left.

use super::Play;
use abi::memory::{MemoryRequest, ShmControl, ShmIdArgument};
use abi::process::End;
use abi::shm::ShmCommand;
use abi::{Errno, MessagePage};
use kcore::Next;
use kcore::audit::Population;
use mm::{Credential, Seconds, SpaceId};

impl Play {
    /// Ends every process and removes every segment; then all frames are back.
    pub fn finish(mut self) {
        if self.stopped {
            return;
        }
        self.world.kernel.platform.slice_ends.borrow_mut().clear();
        self.end_all_but_init();
        let (init, space) = self.init();
        self.remove_segments(space);
        self.world.kernel().end_process(init, End::Killed);
        assert_eq!(
            self.world.run(),
            Next::Stop(kcore::sched::Stop::FirstEnded(End::Killed))
        );
        let nobody = Population {
            processes: 0,
            threads: 0,
            endpoints: 0,
        };
        assert_eq!(self.world.kernel.population(), nobody);
        let counts = self.world.kernel.memory.frame_counts();
        assert_eq!(
            (counts.free, counts.promised, counts.total),
            (counts.total, 0, counts.total),
            "all frames are back"
        );
        assert_eq!(self.world.kernel.memory.mmu().space_count(), 0);
    }

    fn end_all_but_init(&mut self) {
        let (init, _) = self.init();
        let others = self.world.kernel.processes().filter(|(id, _)| *id != init);
        let others: Vec<_> = others.map(|(id, _)| id).collect();
        for id in others {
            // Those that have not started may go with those that held them.
            if self.world.kernel.processes().any(|(other, _)| other == id) {
                self.world.kernel().end_process(id, End::Killed);
            }
        }
        // Others still get some turns, since their ends are served one after the other.
        for _ in 0..100 {
            match self.world.run() {
                Next::Run(_) if self.first_runs() && self.world.kernel.population().threads > 1 => {
                    self.world.end_slice();
                }
                Next::Run(_) if self.first_runs() => return,
                Next::Idle => return,
                next => panic!("{next:?}, but everybody else has been told to end"),
            }
        }
        panic!("processes go on that were told to end");
    }

    pub(super) fn init(&self) -> (kcore::process::ProcessId, SpaceId) {
        let init = self
            .world
            .kernel
            .processes()
            .find(|(_, process)| process.pid.0 == 1);
        let (id, process) = init.expect("the first process is there");
        (id, process.space.expect("and lives"))
    }

    /// The first process may not be user 0 any more; it is again.
    fn remove_segments(&mut self, space: SpaceId) {
        self.world.kernel.memory.set_credential(space, Credential::ROOT);
        for index in 0..64 {
            let mut control = |id, command: ShmCommand| {
                let request = ShmControl {
                    id: ShmIdArgument(id),
                    command: command as i32,
                };
                let (memory, mut page) = (&mut self.world.kernel.memory, MessagePage::EMPTY);
                let request = MemoryRequest::ShmControl(request);
                let reply = memory.perform(space, &request, &mut page, 0, None, Seconds(0))?;
                let mut job = reply.job;
                while let Some(next) = job {
                    job = memory.step(next, Seconds(0));
                }
                Ok(reply.words[0])
            };
            if let Ok(id) = control(index, ShmCommand::StatAny) {
                let removed = control(id as i32, ShmCommand::Remove);
                assert!(matches!(removed, Ok(_) | Err(Errno::EINVAL)), "{removed:?}");
            }
        }
    }
}
