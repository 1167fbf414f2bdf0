//! What a console is asked, be it the kernel's polled one or a server.

use crate::request::requests;

requests! {
    /// A request to a console.
    ConsoleRequest {
        /// Writes the message's bytes. Answers how many were taken: like POSIX `write`, it may
        /// take fewer, and the rest is sent again.
        ///
        /// `EMSGSIZE` no bytes; `EAGAIN` none can be taken just now: yield, then send again; `EPIPE`
        /// from a pipe: nobody reads it any more.
        Write = 0x300 {} -> (u64,);
        /// Waits until input is there, then answers with up to `most` bytes of it; with none at its
        /// end, which a pipe has.
        ///
        /// `EINVAL` `most` is 0; `EBUSY` somebody else waits for input; `EAGAIN` from a pipe: nothing is
        /// there just now: yield, then ask again.
        Read = 0x301 {
            /// Most bytes wanted.
            most: u64,
        } -> (u64,);
    }
}
