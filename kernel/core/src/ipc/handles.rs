//! What of a message is not in registers: bytes and handles.

use crate::handle::Capability;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::thread::ThreadId;
use abi::{Handle, IpcError, MAX_HANDLES, MessagePage, Rights, Tag};

/// Capabilities on their way, at most [`MAX_HANDLES`].
type Passed = [Option<Capability>; MAX_HANDLES];

impl<P: Platform> Kernel<P> {
    /// Checks that `thread` may pass the handles that `tag` announces.
    ///
    /// # Errors
    /// One of them names nothing, or may not be passed.
    pub(crate) fn check_handles(&mut self, thread: ThreadId, tag: Tag) -> Result<(), IpcError> {
        if tag.handles() == 0 {
            return Ok(());
        }
        let page = self.read_page(thread, 0, tag.handles());
        self.look_up(thread, &page, tag).map(|_| ())
    }

    /// The page of a message that `thread` has sent: copied, so it stays as it is.
    pub(crate) fn read_page(&mut self, thread: ThreadId, bytes: usize, handles: usize) -> MessagePage {
        let mut page = MessagePage::EMPTY;
        if bytes + handles > 0 {
            let frame = self.thread(thread).page;
            self.platform.read_message(frame, bytes, handles, &mut page);
        }
        page
    }

    /// Puts bytes and handles where `thread` finds them.
    pub(crate) fn write_page(&mut self, thread: ThreadId, bytes: usize, handles: usize, page: &MessagePage) {
        if bytes + handles > 0 {
            let frame = self.thread(thread).page;
            self.platform.write_message(frame, bytes, handles, page);
        }
    }

    /// The capabilities of the handles in `page`.
    ///
    /// # Errors
    /// One of them names nothing, or may not be passed.
    pub(crate) fn look_up(
        &mut self,
        thread: ThreadId,
        page: &MessagePage,
        tag: Tag,
    ) -> Result<Passed, IpcError> {
        let mut passed = Passed::default();
        for (place, &raw) in passed.iter_mut().zip(&page.handles[..tag.handles()]) {
            *place = Some(self.capability(thread, Handle::from_raw(raw), Rights::PASS)?);
        }
        Ok(passed)
    }

    /// Copies bytes and handles of a message from one thread to another.
    ///
    /// # Errors
    /// A handle is bad, or the receiver's table has no room. Nothing has been copied then.
    pub(crate) fn transfer_page(&mut self, from: ThreadId, to: ThreadId, tag: Tag) -> Result<(), IpcError> {
        if tag.bytes() + tag.handles() == 0 {
            return Ok(());
        }
        let mut page = self.read_page(from, tag.bytes(), tag.handles());
        let passed = self.look_up(from, &page, tag)?;
        if self.process_of(to).1.handles.room() < tag.handles() {
            return Err(IpcError::PeerFull);
        }
        for (raw, capability) in page.handles.iter_mut().zip(passed.into_iter().flatten()) {
            *raw = self.grant(to, capability).raw();
        }
        self.write_page(to, tag.bytes(), tag.handles(), &page);
        Ok(())
    }

    /// Gives the process of `thread` a handle, for which there is room.
    pub(crate) fn grant(&mut self, thread: ThreadId, capability: Capability) -> Handle {
        self.retain(capability);
        match self.process_of(thread).1.handles.add(capability) {
            Some(handle) => handle,
            None => panic!("a handle was granted without room for it"),
        }
    }
}
