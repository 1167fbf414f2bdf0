//! Passes handles from one player to another: keeps what comes along with a message, and answers with what came before.

use abi::{Arrival, Errno, Handle, IpcError};
use alloc::collections::VecDeque;
use rt::ipc::{Endpoint, Message};
use rt::sys::process::close;
use rt::{Error, Incoming, Outcome, Outgoing};

/// The program's argument for it.
pub const PART: &str = "broker";
/// As many handles are kept.
const KEPT: usize = 8;

/// Serves until it is ended.
pub fn serve() -> Outcome {
    let endpoint = Endpoint::from_handle(Handle::PARENT);
    let (mut kept, mut incoming) = (VecDeque::new(), Incoming::new());
    let mut message = endpoint.receive(&mut incoming)?;
    loop {
        keep(&mut kept, incoming.handles());
        message = next(&endpoint, &kept, message, &mut incoming)?;
    }
}

fn keep(kept: &mut VecDeque<Handle>, handles: &[Handle]) {
    kept.extend(handles);
    while kept.len() > KEPT {
        // It came with a message, so it is there.
        kept.pop_front().map(close);
    }
}

/// Answers a message, if that is wanted, and waits for the next one.
fn next(
    endpoint: &Endpoint,
    kept: &VecDeque<Handle>,
    message: Message,
    incoming: &mut Incoming,
) -> Result<Message, Error> {
    if message.arrival != Arrival::Call {
        return endpoint.receive(incoming);
    }
    let chosen = message.words[0] as usize % KEPT;
    let handle = kept.get(chosen).map(core::slice::from_ref).unwrap_or_default();
    let answer = Ok((message.words, Outgoing::handles(handle)));
    let mut next = endpoint.reply_receive(answer, incoming);
    if let Err(Error::Ipc(IpcError::PeerFull | IpcError::NotPermitted)) = next {
        next = endpoint.reply_receive(Err(Errno::EMFILE), incoming);
    }
    match next {
        Err(Error::Ipc(IpcError::PeerGone | IpcError::NoCaller)) => endpoint.receive(incoming),
        next => next,
    }
}
