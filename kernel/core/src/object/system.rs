//! The system as an object: what may be known and decided about all of it.

use super::{Call, Outcome};
use crate::kernel::Kernel;
use crate::platform::{Guarded, MemoryLock, Platform};
use crate::sched::Stop;
use crate::thread::ThreadId;
use abi::process::Pid;
use abi::system::{ProcessFacts, ShutDown, SystemRequest};
use abi::{BUFFER_BYTES, Errno, Words};

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(crate) fn call_system(&mut self, call: &Call<'_>) -> Result<Outcome, Errno> {
        match SystemRequest::decode(call.tag.label(), call.words)? {
            SystemRequest::Describe(_) => self.describe(call.thread),
            SystemRequest::CountFrames(_) => {
                let counts = self.memory.share(|memory| memory.frame_counts());
                Ok(self.answer(call.thread, counts))
            }
            SystemRequest::NextProcess(next) => self.next_process(call.thread, next.after),
            SystemRequest::ShutDown(asked) => self.shut_down(asked),
            SystemRequest::ReadLog(read) => self.read_log(call.thread, read.position),
            SystemRequest::KillProcess(kill) => self.kill_by_number(call.thread, kill.pid),
            SystemRequest::NextMapping(next) => self.next_mapping(call.thread, next),
            SystemRequest::CountTicks(count) => self.count_ticks_by_number(call.thread, count.pid),
            SystemRequest::OpenDevice(open) => self.open_device(call.thread, open.number),
        }
    }

    fn describe(&mut self, thread: ThreadId) -> Result<Outcome, Errno> {
        let (machine, board) = (self.facts.machine, self.facts.board);
        Ok(self.answer_with_text(thread, machine, board.as_bytes()))
    }

    fn next_process(&mut self, thread: ThreadId, after: Pid) -> Result<Outcome, Errno> {
        let above = self.processes.iter().filter(|(_, process)| process.pid > after);
        let (id, _) = above.min_by_key(|(_, process)| process.pid).ok_or(Errno::ESRCH)?;
        let (facts, name) = self.process_facts(id);
        Ok(self.answer_with_text(thread, facts, name.as_str().as_bytes()))
    }

    fn process_facts(&mut self, id: crate::process::ProcessId) -> (ProcessFacts, crate::process::Name) {
        let process = self.process(id);
        let (pid, parent, name, space) = (process.pid, process.parent, process.name, process.space);
        let state = self.visible_state(id);
        let mut memory = self.memory.lock();
        let usage = space.and_then(|space| memory.usage(space));
        let tables = space.and_then(|space| memory.mmu_space_mut(space));
        let asid = tables.map_or(0, |(_, tables)| self.platform.asid(tables));
        drop(memory);
        let facts = ProcessFacts {
            pid,
            parent,
            state,
            mapped: usage.map_or(0, |usage| usage.mapped),
            frames: usage.map_or(0, |usage| usage.private + usage.tables),
            asid,
        };
        (facts, name)
    }

    fn shut_down(&mut self, asked: ShutDown) -> Result<Outcome, Errno> {
        self.stop = Some(Stop::ShutDown(asked.end, asked.status));
        self.cpu().chooses = true;
        Ok(Outcome::Waits)
    }

    fn read_log(&mut self, thread: ThreadId, position: u64) -> Result<Outcome, Errno> {
        let (end, count) = self.log.read(position, &mut self.cpus.this().message.bytes);
        if count == 0 {
            return Err(Errno::EAGAIN);
        }
        Ok(self.answer_with_bytes(thread, (end,), count))
    }

    fn answer_with_text(&mut self, thread: ThreadId, words: impl Words, text: &[u8]) -> Outcome {
        let count = text.len().min(BUFFER_BYTES);
        self.message().bytes[..count].copy_from_slice(&text[..count]);
        self.answer_with_bytes(thread, words, count)
    }
}
