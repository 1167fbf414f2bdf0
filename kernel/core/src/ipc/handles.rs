//! What of a message is not in registers: bytes and handles.

use crate::handle::{Capability, HandleTable};
use crate::here::Here;
use crate::kernel::{Kernel, existing};
use crate::platform::{Local, Platform};
use crate::thread::ThreadId;
use abi::{Handle, IpcError, MAX_HANDLES, MessagePage, Rights, Tag};

/// Capabilities on their way, at most [`MAX_HANDLES`].
type Passed = [Option<Capability>; MAX_HANDLES];

impl<L: Local> Here<'_, L> {
    /// Copies what `thread`, which runs, has sent besides words.
    ///
    /// # Errors
    /// One of its handles names nothing, or may not be passed.
    #[inline(never)] // so that most requests do not pay for its stack frame
    pub(crate) fn take_in(&mut self, thread: ThreadId, tag: Tag) -> Result<(), IpcError> {
        let (page, process) = (self.thread(thread).page, self.thread(thread).process);
        let message = &mut self.cpu.message;
        self.local.read_message(page, tag.bytes(), tag.handles(), message);
        match self.processes.get(process) {
            Some(process) => look_up(&process.handles, message, tag).map(|_| ()),
            None => Err(IpcError::BadHandle),
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// Checks that `thread` may pass the handles that `tag` announces.
    ///
    /// # Errors
    /// One of them names nothing, or may not be passed.
    #[inline]
    pub(crate) fn check_handles(&mut self, thread: ThreadId, tag: Tag) -> Result<(), IpcError> {
        if tag.handles() == 0 {
            Ok(())
        } else {
            self.read_message(thread, 0, tag.handles());
            self.look_up(thread, tag).map(|_| ())
        }
    }

    /// Copies what `thread` has sent besides words.
    pub(crate) fn read_message(&mut self, thread: ThreadId, bytes: usize, handles: usize) {
        if bytes + handles > 0 {
            let frame = self.thread(thread).page;
            self.platform
                .read_message(frame, bytes, handles, &mut self.cpus.this().message);
        }
    }

    /// Puts bytes and handles of the copy where `thread` finds them.
    pub(crate) fn write_message(&mut self, thread: ThreadId, bytes: usize, handles: usize) {
        if bytes + handles > 0 {
            let frame = self.thread(thread).page;
            self.platform
                .write_message(frame, bytes, handles, &self.cpus.this_one().message);
        }
    }

    /// The capabilities of the handles in the copied message of `thread`.
    ///
    /// # Errors
    /// One of them names nothing, or may not be passed.
    fn look_up(&mut self, thread: ThreadId, tag: Tag) -> Result<Passed, IpcError> {
        let process = self.thread(thread).process;
        let handles = &existing(&mut self.processes, process).handles;
        look_up(handles, &self.cpus.this_one().message, tag)
    }

    /// Copies bytes and handles of a message from one thread to another.
    ///
    /// # Errors
    /// A handle is bad, or the receiver's table has no room. Nothing has been copied then.
    #[inline(never)] // so that messages without do not pay for its stack frame
    pub(crate) fn transfer_page(&mut self, from: ThreadId, to: ThreadId, tag: Tag) -> Result<(), IpcError> {
        self.read_message(from, tag.bytes(), tag.handles());
        let passed = self.look_up(from, tag)?;
        if self.process_of(to).1.handles.room() < tag.handles() {
            return Err(IpcError::PeerFull);
        }
        for (place, capability) in passed.into_iter().flatten().enumerate() {
            self.message().handles[place] = self.grant(to, capability).raw();
        }
        self.write_message(to, tag.bytes(), tag.handles());
        Ok(())
    }

    /// Gives the process of `thread` a handle, for which there is room.
    pub(crate) fn grant(&mut self, thread: ThreadId, capability: Capability) -> Handle {
        self.retain(capability);
        self.add_handle(thread, capability)
    }

    /// The same with one that is counted already.
    pub(crate) fn add_handle(&mut self, thread: ThreadId, capability: Capability) -> Handle {
        match self.process_of(thread).1.handles.add(capability) {
            Some(handle) => handle,
            None => panic!("a handle was granted without room for it"),
        }
    }
}

/// What the handles stand for that `message` has, of which `tag` says how many there are.
#[inline(never)] // as for `transfer_page`
fn look_up(handles: &HandleTable, message: &MessagePage, tag: Tag) -> Result<Passed, IpcError> {
    let mut passed = Passed::default();
    for (place, raw) in passed.iter_mut().zip(message.handles).take(tag.handles()) {
        *place = Some(handles.find(Handle::from_raw(raw), Rights::PASS)?);
    }
    Ok(passed)
}
