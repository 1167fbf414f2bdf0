//! What flows between the programs of a pipeline: the shell answers their reads and writes as a console would.
//!
//! A pipe takes what its writer sends, as far as there is room, and gives it to its reader. Nobody is kept waiting
//! here: where there is no room, or nothing to read yet, the answer is `EAGAIN`, and the runtime asks again after
//! others had their turn.

use abi::{BUFFER_BYTES, Errno};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Bytes that a pipe holds: POSIX has writes of so many (`PIPE_BUF` on Linux) in one piece.
const PIPE_BYTES: usize = 4096;

/// The pipes of a pipeline: one behind each program but the last.
#[derive(Clone, Debug)]
pub struct Pipes {
    /// What each program has written, in order, that the next one has not read.
    between: Vec<VecDeque<u8>>,
    /// Whether each program is still there.
    running: Vec<bool>,
}

impl Pipes {
    /// For so many programs, which all run.
    pub fn new(programs: usize) -> Self {
        Self {
            between: (1..programs).map(|_| VecDeque::new()).collect(),
            running: (0..programs).map(|_| true).collect(),
        }
    }

    /// Whether what this program writes goes to the console.
    pub fn is_last(&self, program: usize) -> bool {
        program >= self.between.len()
    }

    /// `program`, which is not the last, writes. Answers how many bytes were taken.
    ///
    /// # Errors
    /// `EMSGSIZE` no bytes; `EPIPE` the next program has ended; `EAGAIN` there is no room now.
    pub fn write(&mut self, program: usize, bytes: &[u8]) -> Result<usize, Errno> {
        let is_read = self.running.get(program + 1).copied().unwrap_or(false);
        let pipe = self
            .between
            .get_mut(program)
            .filter(|_| is_read)
            .ok_or(Errno::EPIPE)?;
        let taken = bytes.len().min(PIPE_BYTES - pipe.len());
        match (bytes.len(), taken) {
            (0, _) => Err(Errno::EMSGSIZE),
            (_, 0) => Err(Errno::EAGAIN),
            _ => {
                pipe.extend(&bytes[..taken]);
                Ok(taken)
            }
        }
    }

    /// `program` reads, at most `most` bytes. None are left once the program before it has ended; the first has
    /// no input at all.
    ///
    /// # Errors
    /// `EINVAL` `most` is 0; `EAGAIN` there is nothing yet.
    pub fn read(&mut self, program: usize, most: u64) -> Result<Vec<u8>, Errno> {
        let most = usize::try_from(most).map_or(BUFFER_BYTES, |most| most.min(BUFFER_BYTES));
        if most == 0 {
            return Err(Errno::EINVAL);
        }
        let Some(before) = program.checked_sub(1) else {
            return Ok(Vec::new());
        };
        let pipe = self.between.get_mut(before).ok_or(Errno::EINVAL)?;
        if pipe.is_empty() && self.running[before] {
            return Err(Errno::EAGAIN);
        }
        Ok(pipe.drain(..most.min(pipe.len())).collect())
    }

    /// `program` has ended.
    pub fn end(&mut self, program: usize) {
        if let Some(running) = self.running.get_mut(program) {
            *running = false;
        }
    }

    /// Whether all of them have.
    pub fn all_ended(&self) -> bool {
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
        let mut pipes = Pipes::new(3);
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
        let mut pipes = Pipes::new(2);
        assert_eq!(pipes.read(1, 9), Err(Errno::EAGAIN));
        assert_eq!(pipes.write(0, b"last"), Ok(4));
        pipes.end(0);
        assert_eq!(pipes.read(1, 9), Ok(b"last".to_vec()));
        assert_eq!(pipes.read(1, 9), Ok(vec![]));
        assert_eq!(pipes.read(0, 9), Ok(vec![]), "the first has no input");
        assert_eq!(pipes.read(1, 0), Err(Errno::EINVAL));
    }

    #[test]
    fn a_writer_asks_again_while_the_pipe_is_full_and_learns_that_its_reader_has_ended() {
        let mut pipes = Pipes::new(2);
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
}
