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
        /// From now on Control-C is no input: it signals the endpoint whose handle is the one of the message, and
        /// what was typed before it and not read is forgotten, as by a terminal. One that waits to be read already
        /// counts as well. As soon as the endpoint is gone, or somebody asks without a handle, Control-C is input
        /// again. Only who asked last is told.
        ///
        /// `EINVAL` more than one handle; `EBADF` no endpoint; `EPERM` the handle is not one to signal with;
        /// `ENOSYS` from a pipe.
        SignalInterrupt = 0x302 {} -> ();
    }
}
