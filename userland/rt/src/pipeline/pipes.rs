//! What flows into, between and out of the programs of a pipeline: all that needs no kernel.
//!
//! A pipe takes what its writer sends, as far as there is room, and gives it to its reader. Nobody is kept waiting
//! here: where there is no room, or nothing to read yet, the answer is `EAGAIN`, and the runtime asks again after
//! others had their turn.

use abi::{BUFFER_BYTES, Errno};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Bytes that a pipe holds: POSIX has writes of so many (`PIPE_BUF` on Linux) in one piece.
const PIPE_BYTES: usize = 4096;

/// The pipes of a pipeline: one in front of each program.
#[derive(Clone, Debug)]
pub(super) struct Pipes {
    /// What each program can read, in order.
    before: Vec<VecDeque<u8>>,
    /// Whether each program is still there.
    running: Vec<bool>,
    /// Whether what the last one writes is wanted.
    is_read: bool,
}

impl Pipes {
    /// For so many programs, which all run. The first reads `input`, and nobody writes more to it.
    pub(super) fn new(programs: usize, input: &[u8]) -> Self {
        let mut before: Vec<_> = (0..programs).map(|_| VecDeque::new()).collect();
        if let Some(first) = before.first_mut() {
            first.extend(input);
        }
        Self {
            before,
            running: (0..programs).map(|_| true).collect(),
            is_read: true,
        }
    }

    /// How many programs these are for.
    pub(super) fn count(&self) -> usize {
        self.before.len()
    }

    /// Whether no other program reads what this one writes.
    pub(super) fn is_last(&self, program: usize) -> bool {
        program + 1 >= self.before.len()
    }

    /// `program` writes. Answers how many bytes were taken: of the last all, which are not kept here.
    ///
    /// # Errors
    /// `EMSGSIZE` no bytes; `EPIPE` nobody reads them any more; `EAGAIN` there is no room now.
    pub(super) fn write(&mut self, program: usize, bytes: &[u8]) -> Result<usize, Errno> {
        let is_read = if self.is_last(program) {
            self.is_read
        } else {
            self.is_running(program + 1)
        };
        if !is_read {
            return Err(Errno::EPIPE);
        }
        let room = match self.before.get_mut(program + 1) {
            Some(pipe) => PIPE_BYTES - pipe.len(),
            None => bytes.len(),
        };
        let (taken, _) = bytes.split_at(bytes.len().min(room));
        match (bytes, taken) {
            ([], _) => Err(Errno::EMSGSIZE),
            (_, []) => Err(Errno::EAGAIN),
            _ => {
                self.before
                    .get_mut(program + 1)
                    .into_iter()
                    .for_each(|pipe| pipe.extend(taken));
                Ok(taken.len())
            }
        }
    }

    /// Nobody wants what the last one writes from now on.
    pub(super) fn stop_reading(&mut self) {
        self.is_read = false;
    }

    /// `program` reads, at most `most` bytes. None are left once nobody writes any more.
    ///
    /// # Errors
    /// `EINVAL` `most` is 0; `EAGAIN` there is nothing yet.
    pub(super) fn read(&mut self, program: usize, most: u64) -> Result<Vec<u8>, Errno> {
        let most = usize::try_from(most).map_or(BUFFER_BYTES, |most| most.min(BUFFER_BYTES));
        if most == 0 {
            return Err(Errno::EINVAL);
        }
        let is_written = program
            .checked_sub(1)
            .is_some_and(|writer| self.is_running(writer));
        let pipe = self.before.get_mut(program).ok_or(Errno::EINVAL)?;
        if pipe.is_empty() && is_written {
            return Err(Errno::EAGAIN);
        }
        Ok(pipe.drain(..most.min(pipe.len())).collect())
    }

    /// `program` has not got what it was to read: it reads that next.
    pub(super) fn put_back(&mut self, program: usize, unread: &[u8]) {
        if let Some(pipe) = self.before.get_mut(program) {
            unread.iter().rev().for_each(|&byte| pipe.push_front(byte));
        }
    }

    /// `program` has ended.
    pub(super) fn end(&mut self, program: usize) {
        if let Some(running) = self.running.get_mut(program) {
            *running = false;
        }
    }

    fn is_running(&self, program: usize) -> bool {
        self.running.get(program).copied().unwrap_or(false)
    }

    /// Whether all of them have.
    pub(super) fn all_ended(&self) -> bool {
        !self.running.contains(&true)
    }
}

#[cfg(test)]
mod tests {
    use super::{PIPE_BYTES, Pipes};
    use abi::Errno;
    use alloc::vec;

    #[test]
    fn what_one_program_writes_the_next_one_reads_in_order() {
        let mut pipes = Pipes::new(3, b"");
        assert_eq!(pipes.write(0, b"abc"), Ok(3));
        assert_eq!(pipes.write(1, b"x"), Ok(1));
        assert_eq!(pipes.write(0, b"d"), Ok(1));
        assert_eq!(pipes.read(1, 2), Ok(b"ab".to_vec()));
        assert_eq!(pipes.read(1, 9), Ok(b"cd".to_vec()));
        assert_eq!(pipes.read(2, 9), Ok(b"x".to_vec()));
        assert_eq!((pipes.is_last(1), pipes.is_last(2)), (false, true));
    }

    #[test]
    fn a_reader_asks_again_while_something_may_come_and_then_finds_the_end() {
        let mut pipes = Pipes::new(2, b"in");
        assert_eq!(pipes.read(1, 9), Err(Errno::EAGAIN));
        assert_eq!(pipes.write(0, b"last"), Ok(4));
        pipes.end(0);
        assert_eq!(pipes.read(1, 9), Ok(b"last".to_vec()));
        assert_eq!(pipes.read(1, 9), Ok(vec![]));
        assert_eq!(pipes.read(0, 1), Ok(b"i".to_vec()));
        assert_eq!(pipes.read(0, 9), Ok(b"n".to_vec()));
        assert_eq!(pipes.read(0, 9), Ok(vec![]), "nobody writes to the first");
        assert_eq!(pipes.read(1, 0), Err(Errno::EINVAL));
    }

    #[test]
    fn a_writer_asks_again_while_the_pipe_is_full_and_learns_that_its_reader_has_ended() {
        let mut pipes = Pipes::new(2, b"");
        assert_eq!(pipes.write(0, &[7; PIPE_BYTES + 1]), Ok(PIPE_BYTES));
        assert_eq!(pipes.write(0, b"x"), Err(Errno::EAGAIN));
        assert_eq!(pipes.read(1, 2).map(|bytes| bytes.len()), Ok(2));
        assert_eq!(pipes.write(0, b"xyz"), Ok(2));
        assert_eq!(pipes.write(0, b""), Err(Errno::EMSGSIZE));
        pipes.end(1);
        assert_eq!(pipes.write(0, b"x"), Err(Errno::EPIPE));
        assert!(!pipes.all_ended());
        pipes.end(0);
        assert!(pipes.all_ended());
    }

    #[test]
    fn what_the_last_program_writes_is_taken_whole_as_long_as_somebody_wants_it() {
        let mut pipes = Pipes::new(1, b"");
        assert!(pipes.is_last(0));
        assert_eq!(pipes.write(0, &[7; 2 * PIPE_BYTES]), Ok(2 * PIPE_BYTES));
        assert_eq!(pipes.write(0, b""), Err(Errno::EMSGSIZE));
        pipes.stop_reading();
        assert_eq!(pipes.write(0, b"x"), Err(Errno::EPIPE));
    }
}
