//! `svc #1`: from registers to the object that is called.

use crate::handle::{Capability, Object};
use crate::kernel::Kernel;
use crate::object::Answer;
use crate::platform::Platform;
use crate::thread::{NO_WORDS, State, ThreadId};
use abi::{Badge, Errno, Handle, IpcError, Label, Operation, Rights, Tag, Words6};

impl<P: Platform> Kernel<P> {
    /// Serves the trap of the running thread, whose registers are saved.
    pub fn trap(&mut self) {
        let thread = self.running();
        let registers = self.registers(thread);
        let (handle, tag, operation) = (registers.x[0], registers.x[1], registers.x[8]);
        if let Err(error) = self.perform(thread, handle, tag, operation) {
            self.refuse(thread, error);
        }
    }

    fn perform(&mut self, thread: ThreadId, handle: u64, tag: u64, operation: u64) -> Result<(), IpcError> {
        let operation = Operation::decode(operation)?;
        let handle = u32::try_from(handle)
            .map(Handle::from_raw)
            .map_err(|_| IpcError::BadHandle)?;
        match operation {
            Operation::Call => self.call(thread, handle, Tag::decode(tag)?),
            Operation::Receive => self.receive(thread, handle),
            Operation::ReplyReceive => self.reply_receive(thread, handle, Tag::decode(tag)?),
        }
    }

    fn call(&mut self, thread: ThreadId, handle: Handle, tag: Tag) -> Result<(), IpcError> {
        let capability = self.capability(thread, handle, Rights::CALL)?;
        match capability.object {
            Object::Endpoint(endpoint) => self.send(thread, endpoint, capability.badge, tag),
            object => self.invoke(thread, object, tag),
        }
    }

    /// What `handle` of `thread`'s process stands for.
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
            .set_answer(error as u64, Tag::new(Label::DONE), NO_WORDS, 0);
    }

    /// Gives `thread` the answer of a kernel object, whose bytes and handles are in its message
    /// page already.
    pub(crate) fn answer(&mut self, thread: ThreadId, answer: Result<Answer, Errno>) {
        let (tag, words) = match answer {
            Ok(answer) => (answer.tag(), answer.words),
            Err(errno) => (Tag::new(Label(errno.number())), NO_WORDS),
        };
        self.deliver(thread, tag, words, Badge(0));
    }

    /// Puts a message into the registers of `thread`.
    pub(crate) fn deliver(&mut self, thread: ThreadId, tag: Tag, words: Words6, badge: Badge) {
        self.registers(thread).set_answer(0, tag, words, badge.0);
    }

    /// Lets a thread that waited go on.
    pub(crate) fn wake(&mut self, thread: ThreadId) {
        self.thread(thread).state = State::Ready;
        self.ready.push(&mut self.threads, thread);
    }
}
