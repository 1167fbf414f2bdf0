//! What a thread is asked by those who have a handle of it.

use crate::process::{End, Pid, Priority};
use crate::request::{requests, words};

requests! {
    /// A request to a thread.
    ThreadRequest {
        /// Waits until it has ended. Can be asked again, and by several at once. A thread that its process
        /// has taken along has ended as that did.
        ///
        /// `EINVAL` it is the caller itself.
        Join = 0x500 {} -> End;
        /// Which one it is.
        IdentifyThread = 0x501 {} -> ThreadFacts;
        /// Sets its own priority. A thread begins with that of who makes it.
        ///
        /// `EPERM` its process may not ask for one that high; `EINVAL` no priority.
        SetThreadPriority = 0x510 {
            /// How important it is.
            priority: Priority,
        } -> ();
        /// Lets it wait no longer for others, for a word or for a time, whatever that is and until when:
        /// its trap comes back with [`Cancelled`](crate::IpcError::Cancelled). Answers 1 then. If it waits for
        /// nothing of that, nothing happens and the answer is 0: it may be about to, and will not remember
        /// that somebody has asked.
        ///
        /// `EPERM` the handle lacks the right to control it; `ESRCH` it has ended.
        Cancel = 0x520 {} -> (u32,);
    }
}

words! {
    /// Which one a thread is.
    ThreadFacts {
        /// The number of its process.
        pid: Pid,
        /// Its own number in that process, which another thread may have when it has ended.
        number: u32,
    }
}
