//! A thread as long as somebody waits for its end: its handle, and the stack that it needs until then.
//!
//! ```text
//!     low                                                             high
//!     | gap | room to grow | stack, growing down <--  sp | Block |
//!                                                        ^ TPIDR_EL0
//! ```
//!
//! What a thread is to do, and what came of it, lies in a block at the top of its stack. Whoever waits for its end gives
//! the stack back; so no thread is left behind. But that of a thread which ended in the middle of its work stays: others
//! may use what it has lent them.

use crate::handle::OwnedHandle;
use crate::{Error, sys};
use abi::layout::PAGE_BYTES;
use abi::process::CreateThread;
use abi::{Handle, IpcError};
use core::cell::Cell;
use core::ptr::{NonNull, with_exposed_provenance_mut};
use core::sync::atomic::{AtomicU32, Ordering};

/// Bytes of a thread's stack when it starts, block included unless that is larger.
const STACK_BYTES: u64 = 16 * 1024;
/// Bytes that it may grow by.
pub(super) const STACK_GROWTH: u64 = 240 * 1024;

/// Takes the result out of the block of a thread whose work has returned.
pub(super) type Take<T> = unsafe fn(NonNull<u8>) -> Option<T>;

/// A thread whose end somebody will wait for: whoever drops this, if nobody has.
#[derive(Debug)]
pub(super) struct Running {
    thread: OwnedHandle,
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
        let stack = Stack::map(size_of::<Block<F, T>>(), align_of::<Block<F, T>>())?;
        let block: NonNull<Block<F, T>> = stack.block.cast();
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
                    thread: OwnedHandle::new(thread),
                    number,
                    stack: Some(stack),
                    forget: forget::<F, T>,
                };
                Ok((running, take::<F, T>))
            }
            Err(error) => {
                // SAFETY: it was written above, and no thread has it.
                unsafe { block.drop_in_place() };
                stack.unmap();
                Err(error)
            }
        }
    }

    pub(super) fn handle(&self) -> Handle {
        self.thread.get()
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Waits for the end, however often somebody [cancels](abi::thread::Cancel) that.
    ///
    /// # Errors
    /// The thread cannot be waited for, since it is this one, or somebody has closed its handle: it may be running still.
    pub(super) fn wait(&self) -> Result<(), Error> {
        loop {
            match sys::thread::join(self.handle()) {
                // That says nothing about the thread.
                Err(Error::Ipc(IpcError::Cancelled)) => {}
                other => return other.map(|_| ()),
            }
        }
    }

    /// Takes the thread apart. Returns what `take` finds, unless the thread ended otherwise than by returning.
    ///
    /// # Safety
    /// It has ended, and `take` came with it.
    pub(super) unsafe fn end<T>(&mut self, take: Take<T>) -> Option<T> {
        let stack = self.stack.take().filter(Stack::has_returned)?;
        // SAFETY: as the caller promises; nobody else uses the block, and what is taken out is not taken twice.
        let result = unsafe { take(stack.block) };
        stack.unmap();
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
        while !stack.has_returned() {
            sys::process::yield_now();
        }
        // The stack stays, for the thread may not be done with it.
        // SAFETY: the work has returned, so the thread does not use the block any more.
        unsafe { take(stack.block) }
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

/// Pages that are a thread's stack, with a block on top.
#[derive(Debug)]
struct Stack {
    lowest: u64,
    length: u64,
    block: NonNull<u8>,
}

// SAFETY: the block is used by one thread at a time, whoever holds this; what is looked at meanwhile is atomic.
unsafe impl Send for Stack {}

impl Stack {
    /// One with a block of `size` bytes, aligned as said.
    fn map(size: usize, alignment: usize) -> Result<Self, Error> {
        const SMALLEST_ALIGNMENT: u64 = 16; // of a stack pointer
        let alignment = (alignment as u64).max(SMALLEST_ALIGNMENT);
        let block_bytes = (size as u64).next_multiple_of(alignment);
        let length = STACK_BYTES + block_bytes / PAGE_BYTES * PAGE_BYTES;
        let lowest = sys::memory::map_stack(length, STACK_GROWTH)?;
        let block = with_exposed_provenance_mut::<u8>((lowest + length - block_bytes) as usize);
        Ok(Self {
            lowest,
            length,
            block: NonNull::new(block).ok_or(Error::Garbled)?,
        })
    }

    /// The first stack pointer: the block's address.
    fn pointer(&self) -> u64 {
        self.block.addr().get() as u64
    }

    /// Whether the thread's work has returned.
    fn has_returned(&self) -> bool {
        // SAFETY: each block begins with this word.
        let returned = unsafe { self.block.cast::<AtomicU32>().as_ref() };
        returned.load(Ordering::Acquire) != 0
    }

    /// Gives it back, what it has grown by included.
    fn unmap(&self) {
        let start = self.lowest - STACK_GROWTH;
        sys::memory::unmap(start, self.length + STACK_GROWTH).ok();
    }
}
