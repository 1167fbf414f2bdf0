//! A thread as long as somebody waits for its end: its handle, and the stack that it needs until then.
//!
//! What a thread is to do, and what came of it, lies in a block at the top of its [`Stack`]. Whoever waits for its end gives
//! the stack back; so no thread is left behind. But that of a thread which ended in the middle of its work stays: others
//! may use what it has lent them.

use super::stack::Stack;
use crate::handle::OwnedHandle;
use crate::{Error, sys};
use abi::layout::PAGE_BYTES;
use abi::process::CreateThread;
use abi::{Handle, IpcError};
use core::cell::Cell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

/// Takes the result out of the block of a thread whose work has returned.
pub(super) type Take<T> = unsafe fn(NonNull<u8>) -> Option<T>;

/// A thread whose end somebody will wait for: whoever drops this, if nobody has.
#[derive(Debug)]
pub(super) struct Running {
    /// Until it has been waited for.
    thread: Option<OwnedHandle>,
    number: u32,
    /// Until it has been taken apart.
    stack: Option<Stack>,
    /// Drops the result.
    forget: Take<()>,
}

impl Running {
    /// Lets another thread do `work`. Returns it, and what takes its result.
    ///
    /// # Errors
    /// As [`CreateThread`] and [`abi::memory::Map`].
    ///
    /// # Safety
    /// What the work borrows outlives the thread.
    pub(super) unsafe fn begin<F, T>(work: F) -> Result<(Self, Take<T>), Error>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        const { assert!(align_of::<Block<F, T>>() <= PAGE_BYTES as usize) };
        let stack = Stack::new(size_of::<Block<F, T>>(), align_of::<Block<F, T>>())?;
        let block: NonNull<Block<F, T>> = stack.block().cast();
        // SAFETY: the stack has room for it there, suitably aligned, and nobody else knows of it.
        unsafe { block.write(Block::of(work)) };
        let request = CreateThread {
            entry: run::<F, T> as *const () as u64,
            stack: stack.pointer(),
            word: stack.pointer(),
            pointer: stack.pointer(),
        };
        // SAFETY: `run` expects the block's address in x2 and a stack below it that is its alone until it
        // ends; whoever holds what this returns touches neither before.
        match unsafe { sys::thread::create(request) } {
            Ok((thread, number)) => {
                let running = Self {
                    thread: Some(OwnedHandle::new(thread)),
                    number,
                    stack: Some(stack),
                    forget: forget::<F, T>,
                };
                Ok((running, take::<F, T>))
            }
            Err(error) => {
                // SAFETY: it was written above, and no thread has it.
                unsafe { block.drop_in_place() };
                stack.give_back();
                Err(error)
            }
        }
    }

    pub(super) fn handle(&self) -> Handle {
        self.thread.as_ref().map_or(Handle::NONE, OwnedHandle::get)
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Waits for the end, however often somebody [cancels](abi::thread::Cancel) that. There is no handle any more then.
    ///
    /// # Errors
    /// The thread cannot be waited for, since it is this one, or somebody has closed its handle: it may be running still.
    pub(super) fn wait(&mut self) -> Result<(), Error> {
        loop {
            match sys::thread::join_and_close(self.handle()) {
                // That says nothing about the thread.
                Err(Error::Ipc(IpcError::Cancelled)) => {}
                Err(error) => return Err(error),
                Ok(_) => break,
            }
        }
        if let Some(closed) = self.thread.take() {
            closed.forget();
        }
        Ok(())
    }

    /// Takes the thread apart. Returns what `take` finds, unless the thread ended otherwise than by returning.
    ///
    /// # Safety
    /// It has ended, and `take` came with it.
    pub(super) unsafe fn end<T>(&mut self, take: Take<T>) -> Option<T> {
        let stack = self.stack.take().filter(has_returned)?;
        // SAFETY: as the caller promises; nobody else uses the block, and what is taken out is not taken twice.
        let result = unsafe { take(stack.block()) };
        stack.give_back();
        result
    }

    /// Waits for the end, whatever others have done to the handle, and takes the thread apart as
    /// [`end`](Self::end) does.
    ///
    /// # Safety
    /// `take` came with it.
    pub(super) unsafe fn wait_and_end<T>(&mut self, take: Take<T>) -> Option<T> {
        if self.wait().is_ok() {
            // SAFETY: it has ended, and the caller promises the rest.
            return unsafe { self.end(take) };
        }
        let stack = self.stack.take()?;
        while !has_returned(&stack) {
            sys::process::yield_now();
        }
        // The stack stays, for the thread may not be done with it.
        // SAFETY: the work has returned, so the thread does not use the block any more.
        unsafe { take(stack.block()) }
    }

    /// The same, when nobody wants the result.
    pub(super) fn wait_and_forget(mut self) {
        // SAFETY: `forget` came with it.
        unsafe { self.wait_and_end(self.forget) };
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.stack.is_some() && self.wait().is_ok() {
            // SAFETY: it has ended, and came with `forget`.
            unsafe { self.end(self.forget) };
        }
    }
}

/// What a thread is to do, and what came of it.
#[repr(C)]
struct Block<F, T> {
    /// 1 when the result is there, and all that the work has borrowed is given back.
    returned: AtomicU32,
    work: Cell<Option<F>>,
    result: Cell<Option<T>>,
}

impl<F, T> Block<F, T> {
    const fn of(work: F) -> Self {
        Self {
            returned: AtomicU32::new(0),
            work: Cell::new(Some(work)),
            result: Cell::new(None),
        }
    }
}

/// Whether the work of the thread with this stack has returned.
fn has_returned(stack: &Stack) -> bool {
    // SAFETY: each block begins with this word.
    let returned = unsafe { stack.block().cast::<AtomicU32>().as_ref() };
    returned.load(Ordering::Acquire) != 0
}

/// Where a thread begins: the kernel passes the word of [`CreateThread`] in x2.
extern "C" fn run<F: FnOnce() -> T, T>(_: u64, _: u64, block: NonNull<Block<F, T>>) -> ! {
    // SAFETY: `begin` passed it a block, whose cells nobody else uses before the word says so.
    let block = unsafe { block.as_ref() };
    block.result.set(block.work.take().map(|work| work()));
    // Release: whoever sees this sees what the work has done.
    block.returned.store(1, Ordering::Release);
    sys::thread::exit(0)
}

/// # Safety
/// At `block` is a `Block<F, T>` whose work has returned, and nobody else takes its result.
unsafe fn take<F, T>(block: NonNull<u8>) -> Option<T> {
    // SAFETY: as the caller promises.
    unsafe { block.cast::<Block<F, T>>().as_ref() }.result.take()
}

/// # Safety
/// As [`take`].
unsafe fn forget<F, T>(block: NonNull<u8>) -> Option<()> {
    // SAFETY: as the caller promises.
    unsafe { take::<F, T>(block) }.map(drop)
}
