//! What a console is asked, answered from two queues.

use crate::port::Port;
use abi::console::{ConsoleRequest, Read};
use abi::{BUFFER_BYTES, Errno};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use rt::Outgoing;
use rt::handle::OwnedHandle;
use rt::ipc::{Answer, Caller, Endpoint, Message, signal};

/// Bytes of output that wait for the port.
const OUTPUT_BYTES: usize = 4096;
/// Control-C.
const INTERRUPT: u8 = 3;
/// Bytes typed ahead; more are dropped, as a terminal does.
const INPUT_BYTES: usize = 256;

/// The server.
pub struct Server {
    port: Port,
    output: VecDeque<u8>,
    input: VecDeque<u8>,
    /// Who waits for input, and for how much of it.
    reader: Option<(Caller, usize)>,
    /// Who is told of Control-C.
    interrupted: Option<OwnedHandle>,
}

impl Server {
    /// With nothing written and nothing read yet.
    pub fn new(port: Port) -> Self {
        Self {
            port,
            output: touched(OUTPUT_BYTES),
            input: touched(INPUT_BYTES),
            reader: None,
            interrupted: None,
        }
    }

    /// Answers a call, or takes the caller along until there is input.
    pub fn answer(
        &mut self,
        endpoint: &Endpoint,
        message: &Message,
        bytes: &[u8],
        handles: Vec<OwnedHandle>,
    ) {
        let answer = match ConsoleRequest::decode(message.label, &message.words) {
            Ok(ConsoleRequest::Write(_)) => self.write(bytes),
            Ok(ConsoleRequest::Read(read)) => return self.read(endpoint, read),
            Ok(ConsoleRequest::SignalInterrupt(_)) => self.signal_interrupt(handles),
            Err(errno) => Err(errno),
        };
        reply(endpoint, answer.map(|count| (count, &[][..])));
    }

    /// Takes as many bytes as there is room for.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        if bytes.is_empty() {
            return Err(Errno::EMSGSIZE);
        }
        let taken = bytes.len().min(OUTPUT_BYTES - self.output.len());
        self.output.extend(&bytes[..taken]);
        self.send();
        if taken == 0 { Err(Errno::EAGAIN) } else { Ok(taken) }
    }

    fn read(&mut self, endpoint: &Endpoint, read: Read) {
        let most = usize::try_from(read.most).map_or(BUFFER_BYTES, |most| most.min(BUFFER_BYTES));
        if most == 0 {
            return reply(endpoint, Err(Errno::EINVAL));
        }
        // One that cannot be taken along is told so when the next message is received.
        let Ok(caller) = endpoint.take_caller() else {
            return;
        };
        // Whoever waited may have been killed, and nobody can tell: the newest takes over.
        if let Some((former, _)) = self.reader.replace((caller, most)) {
            former.reply(with_count(Err(Errno::EBUSY))).ok();
        }
        self.serve_reader();
    }

    fn signal_interrupt(&mut self, mut handles: Vec<OwnedHandle>) -> Result<usize, Errno> {
        if handles.len() > 1 {
            return Err(Errno::EINVAL);
        }
        self.interrupted = handles.pop();
        Ok(0)
    }

    /// Tells whoever asked of Control-C. Answers whether there is anybody to be told.
    fn tell_of_interrupt(&self) -> bool {
        let told = self.interrupted.as_ref().map(|handle| signal(handle.get(), 0));
        told.is_some_and(|told| told.is_ok())
    }

    /// The port wants something.
    pub fn interrupt(&mut self) {
        self.port.end_interrupt();
        while let Some(byte) = self.port.try_get() {
            if (byte != INTERRUPT || !self.tell_of_interrupt()) && self.input.len() < INPUT_BYTES {
                self.input.push_back(byte);
            }
        }
        self.send();
        self.serve_reader();
    }

    /// Sends until the port is full; then it is to say when there is room again.
    fn send(&mut self) {
        while let Some(&byte) = self.output.front() {
            if !self.port.try_put(byte) {
                break;
            }
            self.output.pop_front();
        }
        self.port.want_interrupts(!self.output.is_empty());
    }

    fn serve_reader(&mut self) {
        if self.input.is_empty() {
            return;
        }
        if let Some((caller, most)) = self.reader.take() {
            let count = most.min(self.input.len());
            let bytes: Vec<u8> = self.input.drain(..count).collect();
            if caller.reply(with_count(Ok((count, &bytes)))).is_err() {
                // It waits no longer, and what was typed is for the next one.
                bytes
                    .into_iter()
                    .rev()
                    .for_each(|byte| self.input.push_front(byte));
            }
        }
    }
}

/// An empty queue whose memory has been touched, so that the server needs no more when it is busy.
fn touched(bytes: usize) -> VecDeque<u8> {
    let mut queue = VecDeque::new();
    queue.resize(bytes, 0);
    queue.clear();
    queue
}

/// A caller that waits no longer needs no answer.
fn reply(endpoint: &Endpoint, answer: Result<(usize, &[u8]), Errno>) {
    endpoint.reply(with_count(answer)).ok();
}

fn with_count(answer: Result<(usize, &[u8]), Errno>) -> Answer<'_> {
    answer.map(|(count, bytes)| ([count as u64, 0, 0, 0, 0, 0], Outgoing::bytes(bytes)))
}
