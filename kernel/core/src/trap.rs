//! `svc #1`: from registers to the object that is called.
//!
//! A trap comes in one of two ways. With all registers of its thread saved, [`Kernel::trap`] takes it
//! from there. Or the vectors hand over the message alone, in the registers it came in
//! ([`Here::serve`](crate::Here::serve), [`Kernel::serve_at_length`]): most traps go back to their thread at once, and then
//! the rest of its state never leaves the CPU.

use crate::handle::{Capability, Object};
use crate::ipc::Direct;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::thread::{State, ThreadId};
use abi::{Badge, Handle, IpcError, Label, Operation, Rights, Words6};

impl<P: Platform> Kernel<P> {
    /// Serves the trap of the running thread, whose registers are saved.
    pub fn trap(&mut self) {
        let Some(thread) = self.running() else { return };
        let registers = self.registers(thread);
        let (operation, deadline) = (registers.x[8], registers.x[9]);
        // Nothing of the kernel's would be in them, but the two ways of a trap must look alike.
        registers.x[9..18].fill(0);
        let (handle, tag, words) = (registers.x[0], registers.x[1], registers.words());
        match Operation::decode(operation & !Operation::UNTIL) {
            Ok(operation) => self.serve(operation, handle, tag, &words),
            Err(error) => self.refuse(thread, error),
        }
        if operation & Operation::UNTIL != 0 {
            self.limit_wait(thread, deadline);
        }
    }

    /// Serves a trap of the running thread that is not to be [served directly](crate::Here::serve), given the
    /// same. Answers who goes on, as `Self::at_once` does.
    #[inline]
    pub fn serve_at_length(
        &mut self,
        operation: Operation,
        handle: u64,
        tag: u64,
        words: &Words6,
    ) -> Direct<P::Place> {
        self.serve(operation, handle, tag, words);
        self.at_once()
    }

    #[inline]
    fn serve(&mut self, operation: Operation, handle: u64, tag: u64, words: &Words6) {
        let Some(thread) = self.running() else { return };
        if let Err(error) = self.perform(thread, operation, handle, tag, words) {
            self.refuse(thread, error);
        }
    }

    #[inline(always)] // so that a call does not pay for a stack frame here, and one in `call`
    fn perform(
        &mut self,
        thread: ThreadId,
        operation: Operation,
        handle: u64,
        tag: u64,
        words: &Words6,
    ) -> Result<(), IpcError> {
        // A yield looks at no other register.
        let handle = || match u32::try_from(handle) {
            Ok(handle) => Ok(Handle::from_raw(handle)),
            Err(_) => Err(IpcError::BadHandle),
        };
        match operation {
            Operation::Yield => {
                self.yield_cpu(thread);
                Ok(())
            }
            Operation::Call => self.call(thread, handle()?, Message::decode(tag, words)?),
            Operation::Receive => self.receive(thread, handle()?),
            Operation::ReplyReceive => self.reply_receive(thread, handle()?, Message::decode(tag, words)?),
            Operation::Send => self.send_without_answer(thread, handle()?, Message::decode(tag, words)?),
            Operation::Reply => self.reply(thread, handle()?, Message::decode(tag, words)?),
            Operation::Signal => self.signal(thread, handle()?, tag),
        }
    }

    #[inline]
    fn call(&mut self, thread: ThreadId, handle: Handle, message: Message<'_>) -> Result<(), IpcError> {
        let capability = self.capability(thread, handle, Rights::CALL)?;
        match capability.object {
            Object::Endpoint(endpoint) => self.send(thread, endpoint, capability.badge, message),
            _ => {
                self.ask(thread, capability, message);
                Ok(())
            }
        }
    }

    /// What `handle` of `thread`'s process stands for.
    #[inline]
    pub(crate) fn capability(
        &mut self,
        thread: ThreadId,
        handle: Handle,
        rights: Rights,
    ) -> Result<Capability, IpcError> {
        self.process_of(thread).1.handles.find(handle, rights)
    }

    /// The saved registers of `thread`.
    pub(crate) fn registers(&mut self, thread: ThreadId) -> &mut crate::Registers {
        self.platform.registers(thread.index())
    }

    /// Tells `thread` that its message did not arrive.
    pub(crate) fn refuse(&mut self, thread: ThreadId, error: IpcError) {
        self.registers(thread)
            .set_answer(error as u64, Message::empty(Label::DONE), 0);
    }

    /// Puts a message into the registers of `thread`.
    #[inline]
    pub(crate) fn deliver(&mut self, thread: ThreadId, message: Message<'_>, badge: Badge) {
        self.registers(thread).set_answer(0, message, badge.0);
    }

    /// Lets a thread that waited go on.
    pub(crate) fn wake(&mut self, thread: ThreadId) {
        self.forget_deadline(thread);
        self.thread(thread).state = State::Ready;
        self.make_ready(thread);
    }
}
