//! The end of the game: everybody ends, and nothing is left.

use super::Play;
use abi::memory::{ShmControl, ShmIdArgument};
use abi::process::{End, Priority};
use abi::shm::ShmCommand;
use abi::{Errno, MessagePage, Request, Words};
use core::iter;
use kcore::Next;
use kcore::audit::Population;
use kcore::process::{Process, ProcessId};
use kcore::sched::Stop;
use mm::{Credential, Seconds, SpaceId};

impl Play {
    /// Ends every process and removes every segment; then all frames are back.
    pub fn finish(mut self) {
        if self.stopped {
            return;
        }
        self.world.kernel.platform.slice_ends.borrow_mut().clear();
        self.world.let_others_touch(iter::empty());
        (self.world.interleaved, self.world.between) = (false, false);
        self.world.end_all_waits();
        self.end_all_but_init();
        let (init, space) = self.init();
        self.remove_segments(space);
        let stop = Next::Stop(Stop::FirstEnded(End::Killed));
        let ended = self.end(init) == stop;
        let mut turns = (0..self.world.cpus()).map(|cpu| self.world.give_turn(cpu));
        assert!(
            ended || turns.any(|next| next == Some(stop)),
            "the end of the first process is the end of all"
        );
        let nobody = Population {
            processes: 0,
            threads: 0,
            endpoints: 0,
        };
        assert_eq!(self.world.kernel.population(), nobody);
        let counts = self.world.memory().frame_counts();
        assert_eq!(
            (counts.free, counts.promised, counts.total),
            (counts.total, 0, counts.total),
            "all frames are back"
        );
        assert_eq!(self.world.memory().mmu().space_count(), 0);
    }

    fn end_all_but_init(&mut self) {
        let (init, _) = self.init();
        self.let_others_first(init);
        let others = self.world.kernel.processes().filter(|(id, _)| *id != init);
        let others: Vec<_> = others.map(|(id, _)| id).collect();
        for id in others {
            // Those that have not started may go with those that held them.
            if self.world.kernel.processes().any(|(other, _)| other == id) {
                self.end(id);
            }
        }
        // Others still get some turns, since their ends are served one after the other.
        for turn in 0..100 * self.world.cpus() {
            let next = self.world.give_turn(turn % self.world.cpus());
            assert!(
                !matches!(next, Some(Next::Stop(_))),
                "the first process was not told to end"
            );
            let living = |process: &Process| process.threads.living() > 0;
            let processes = self.world.kernel.processes();
            if processes.filter(|(_, process)| living(process)).count() == 1 {
                return;
            }
        }
        panic!("processes go on that were told to end");
    }

    /// Threads of the first process may be more important than those that are to end.
    fn let_others_first(&mut self, init: ProcessId) {
        let threads = self.world.kernel.threads();
        let threads: Vec<_> = threads
            .filter(|(_, thread)| thread.process == init && !thread.has_ended())
            .map(|(id, _)| id)
            .collect();
        for thread in threads {
            self.world.kernel().set_own_priority(thread, Priority::LEAST);
        }
        self.world.kernel().show();
    }

    /// Ends a process, as some trap on the CPU whose turn it is would.
    fn end(&mut self, process: ProcessId) -> Next {
        self.world.kernel().end_process(process, End::Killed);
        self.world.run()
    }

    pub(super) fn init(&self) -> (ProcessId, SpaceId) {
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
        self.world.memory().set_credential(space, Credential::ROOT);
        for index in 0..64 {
            let control = |id, command: ShmCommand| {
                let request = ShmControl {
                    id: ShmIdArgument(id),
                    command: command as i32,
                };
                let (mut memory, mut page) = (self.world.memory(), MessagePage::EMPTY);
                let request = (ShmControl::LABEL, &request.into_words());
                let reply = memory.perform(request, space, &mut page, 0, None, Seconds(0))?;
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
