//! How much one may make of what there is a fixed number of, so that nobody takes it away from all others.
//!
//! A quarter of all, each time. Users are bounded, and user 0 is not in how many processes it has: what it runs decides
//! about the machine anyway; so it is with threads besides a process's first one. A process of user 0 answers for the endpoints it makes by itself, since servers are among
//! them that many depend on. What was made counts until it is gone, whoever holds it.

use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::process::{Process, ProcessId};
use abi::Errno;
use mm::Uid;
use slots::Slots;

/// Who made something, and answers for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Maker {
    process: ProcessId,
    user: Uid,
}

impl Maker {
    /// Whether what this one made counts as the other's too.
    fn counts_as(self, other: Self) -> bool {
        self.user == other.user && (self.process == other.process || other.user != Uid::ROOT)
    }
}

impl<P: Platform> Kernel<P> {
    /// Who answers for what `process` makes now.
    pub(crate) fn maker(&mut self, process: ProcessId) -> Maker {
        let user = self.process(process).user;
        Maker { process, user }
    }

    /// Whether `user` may have one more process. One that has ended counts until nobody holds it any more.
    ///
    /// # Errors
    /// `ENFILE` it has its share, or there is no room at all.
    pub(crate) fn check_process(&self, user: Uid) -> Result<(), Errno> {
        // For as many as that there are threads, whatever those are that processes have besides.
        let is_own = |process: &Process| process.user == user && user != Uid::ROOT;
        check(&self.processes, is_own)
    }

    /// Whether a process of `user` may have one more thread besides its first one.
    ///
    /// # Errors
    /// `ENFILE` the user has its share, or there is no room at all.
    pub(crate) fn check_thread(&self, user: Uid) -> Result<(), Errno> {
        let all = self.threads.capacity() - self.processes.capacity();
        let is_own = |process: &Process| process.user == user && user != Uid::ROOT;
        let processes = self.processes.iter().filter(|(_, process)| is_own(process));
        let own: u32 = processes
            .map(|(_, process)| process.threads.count().saturating_sub(1))
            .sum();
        if self.more_threads == 0 || own >= all / 4 {
            return Err(Errno::ENFILE);
        }
        Ok(())
    }

    /// Whether `maker` may make one more endpoint.
    ///
    /// # Errors
    /// `ENFILE` it has its share, or there is no room at all.
    pub(crate) fn check_endpoint(&self, maker: Maker) -> Result<(), Errno> {
        check(&self.endpoints, |endpoint| endpoint.maker.counts_as(maker))
    }
}

/// Whether there is room for one more, and not a quarter of all are one's own.
fn check<T>(all: &Slots<T>, is_own: impl Fn(&T) -> bool) -> Result<(), Errno> {
    let own = all.iter().filter(|(_, one)| is_own(one)).count();
    if all.available() == 0 || own >= all.capacity() as usize / 4 {
        return Err(Errno::ENFILE);
    }
    Ok(())
}
