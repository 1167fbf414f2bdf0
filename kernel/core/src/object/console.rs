//! The kernel's console: polled output, input through a small ring.
//!
//! It answers the messages a console server will answer, and is what programs have until one
//! runs.

use super::{Call, Outcome};
use crate::ipc::SignalTarget;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::thread::{State, ThreadId};
use abi::console::ConsoleRequest;
use abi::{BUFFER_BYTES, Errno};

/// Bytes typed ahead; more are dropped, as a terminal does.
const INPUT_BYTES: usize = 256;

/// Control-C.
const INTERRUPT: u8 = 3;

/// Input that nobody has read, and who waits for it.
pub struct Console {
    input: [u8; INPUT_BYTES],
    first: usize,
    count: usize,
    reader: Option<ThreadId>,
    /// Who is told of [`INTERRUPT`], so that it is no input.
    interrupted: Option<SignalTarget>,
}

impl Console {
    /// No input, no reader.
    pub const EMPTY: Self = Self {
        input: [0; INPUT_BYTES],
        first: 0,
        count: 0,
        reader: None,
        interrupted: None,
    };

    fn push(&mut self, byte: u8) {
        if self.count < INPUT_BYTES {
            self.input[(self.first + self.count) % INPUT_BYTES] = byte;
            self.count += 1;
        }
    }

    fn pop(&mut self) -> Option<u8> {
        if self.count == 0 {
            return None;
        }
        let byte = self.input[self.first];
        self.first = (self.first + 1) % INPUT_BYTES;
        self.count -= 1;
        Some(byte)
    }

    /// Drops input up to the last [`INTERRUPT`] in it. Whether there was one.
    fn drop_interrupted(&mut self) -> bool {
        let mut input = (0..self.count).map(|place| self.input[(self.first + place) % INPUT_BYTES]);
        let Some(last) = input.rposition(|byte| byte == INTERRUPT) else {
            return false;
        };
        self.first = (self.first + last + 1) % INPUT_BYTES;
        self.count -= last + 1;
        true
    }

    /// Who waits for input.
    pub(crate) fn reader(&self) -> Option<ThreadId> {
        self.reader
    }

    /// `thread` no longer waits for input.
    pub(crate) fn forget_reader(&mut self, thread: ThreadId) {
        if self.reader == Some(thread) {
            self.reader = None;
        }
    }
}

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(crate) fn call_console(&mut self, call: &Call<'_>) -> Result<Outcome, Errno> {
        match ConsoleRequest::decode(call.tag.label(), call.words)? {
            ConsoleRequest::Write(_) => self.console_write(call),
            ConsoleRequest::Read(read) => self.console_read(call.thread, read.most),
            ConsoleRequest::SignalInterrupt(_) => self.signal_interrupt(call),
        }
    }

    /// Sends until the device is full, so a step is bounded by the device's FIFO.
    fn console_write(&mut self, call: &Call<'_>) -> Result<Outcome, Errno> {
        let bytes = &self.cpus.this_one().message.bytes[..call.tag.bytes()];
        if bytes.is_empty() {
            return Err(Errno::EMSGSIZE);
        }
        let taken = bytes
            .iter()
            .take_while(|&&byte| self.platform.console_put(byte))
            .count();
        if taken == 0 {
            Err(Errno::EAGAIN)
        } else {
            Ok(self.answer(call.thread, (taken as u64,)))
        }
    }

    fn console_read(&mut self, thread: ThreadId, most: u64) -> Result<Outcome, Errno> {
        let most = usize::try_from(most).map_or(BUFFER_BYTES, |most| most.min(BUFFER_BYTES));
        if most == 0 {
            return Err(Errno::EINVAL);
        }
        if self.console.reader.is_some() {
            return Err(Errno::EBUSY);
        }
        if self.console.count > 0 {
            return Ok(self.console_take(thread, most));
        }
        self.console.reader = Some(thread);
        self.thread(thread).state = State::Reading(most);
        self.cpu().current = None;
        Ok(Outcome::Waits)
    }

    /// Takes what the device has received, gives it to whoever waits, and lets the interrupt come again.
    pub(crate) fn console_interrupt(&mut self, interrupt: u32) {
        // Before: what comes meanwhile makes it ask again.
        self.platform.silence_console();
        self.take_input();
        self.platform.let_interrupt_come(interrupt);
    }

    fn take_input(&mut self) {
        while let Some(byte) = self.platform.console_get() {
            self.console.push(byte);
            if byte == INTERRUPT {
                self.tell_of_interrupt();
            }
        }
        if self.console.count == 0 {
            return;
        }
        if let Some(reader) = self.console.reader.take()
            && let State::Reading(most) = self.thread(reader).state
        {
            self.console_take(reader, most);
            self.wake(reader);
        }
    }

    fn signal_interrupt(&mut self, call: &Call<'_>) -> Result<Outcome, Errno> {
        self.console.interrupted = match call.tag.handles() {
            0 => None,
            _ => Some(self.signal_target(call)?),
        };
        self.tell_of_interrupt();
        Ok(self.answer(call.thread, ()))
    }

    /// If Control-C is in the input and somebody is to be told of it, it is that and no input.
    fn tell_of_interrupt(&mut self) {
        if let Some(target) = self
            .console
            .interrupted
            .filter(|&target| self.can_be_told(target))
            && self.console.drop_interrupted()
        {
            self.signal_to(target);
        }
    }

    /// Answers `thread` with what was typed, up to `most` bytes.
    fn console_take(&mut self, thread: ThreadId, most: usize) -> Outcome {
        let mut count = 0;
        for place in &mut self.cpus.this().message.bytes[..most] {
            let Some(byte) = self.console.pop() else {
                break;
            };
            *place = byte;
            count += 1;
        }
        self.answer_with_bytes(thread, (count as u64,), count)
    }
}
