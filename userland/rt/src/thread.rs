//! Threads of this process.
//!
//! ```text
//!     low                                                             high
//!     | gap | room to grow | stack, growing down <--  sp | Block |
//!                                                        ^ TPIDR_EL0
//! ```
//!
//! What a thread is to do, and what came of it, lies in a block at the top of its stack. Whoever has
//! spawned it holds its [`JoinHandle`], and waits for its end before the stack goes; so no thread is
//! left behind.

use crate::handle::OwnedHandle;
use crate::{Error, sys};
use abi::layout::{MESSAGE_PAGES, PAGE_BYTES};
use abi::process::CreateThread;
use core::marker::PhantomData;
use core::ptr::{NonNull, with_exposed_provenance_mut};

pub use crate::sys::process::yield_now;

/// Bytes of a thread's stack when it starts, block included unless that is larger.
const STACK_BYTES: u64 = 16 * 1024;
/// Bytes that it may grow by.
const STACK_GROWTH: u64 = 240 * 1024;

/// Runs `work` in another thread of this process.
///
/// A panic ends the whole process, as everywhere. What is shared with others has to be [`Sync`];
/// wherever they wait for each other, they do so by messages, or by atomics and [`yield_now`].
///
/// # Errors
/// As [`CreateThread`] and [`abi::memory::Map`].
pub fn spawn<F, T>(work: F) -> Result<JoinHandle<T>, Error>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    const { assert!(align_of::<Block<F, T>>() <= PAGE_BYTES as usize) };
    let stack = Stack::map(size_of::<Block<F, T>>(), align_of::<Block<F, T>>())?;
    let block: NonNull<Block<F, T>> = stack.block.cast();
    // SAFETY: the stack has room for it there, suitably aligned, and nobody else knows of it.
    unsafe {
        block.write(Block {
            work: Some(work),
            result: None,
        });
    }
    let request = CreateThread {
        entry: begin::<F, T> as *const () as u64,
        stack: stack.pointer(),
        word: stack.pointer(),
        pointer: stack.pointer(),
    };
    // SAFETY: `begin` expects the block's address in x2 and a stack below it that is its alone until it
    // ends; whoever holds the handle touches neither before.
    match unsafe { sys::thread::create(request) } {
        Ok((thread, number)) => Ok(JoinHandle {
            thread: OwnedHandle::new(thread),
            number,
            stack,
            take: take::<F, T>,
            result: PhantomData,
        }),
        Err(error) => {
            // SAFETY: it was written above, and no thread has it.
            unsafe { block.drop_in_place() };
            stack.unmap();
            Err(error)
        }
    }
}

/// Which of its process's threads runs this; 0 is the one that a program starts with.
pub fn number() -> u32 {
    let page = crate::svc::message_page().addr().get() as u64;
    (page.saturating_sub(MESSAGE_PAGES) / PAGE_BYTES) as u32
}

/// A thread that was spawned. Who drops it waits for its end, unless that is the thread itself.
#[derive(Debug)]
pub struct JoinHandle<T> {
    thread: OwnedHandle,
    number: u32,
    stack: Stack,
    /// Takes the result out of the block of a thread that has ended.
    take: unsafe fn(NonNull<u8>) -> Option<T>,
    result: PhantomData<T>,
}

impl<T> JoinHandle<T> {
    /// Waits for the thread's end and returns what its work returned; `None` if it ended otherwise.
    pub fn join(self) -> Option<T> {
        let handle = core::mem::ManuallyDrop::new(self);
        let result = handle.finish();
        sys::process::close(handle.thread.get()).ok();
        result
    }

    /// Lets the thread wait no longer for whatever it waits for: that fails there with
    /// [`Cancelled`](abi::IpcError::Cancelled). Answers whether it waited; if not, it may be about to, so who wants
    /// it to stop tells it so in some other way first, and asks again until it has.
    ///
    /// # Errors
    /// As [`abi::thread::Cancel`].
    pub fn cancel(&self) -> Result<bool, Error> {
        sys::thread::cancel(self.thread.get())
    }

    /// The thread, for requests.
    pub fn handle(&self) -> abi::Handle {
        self.thread.get()
    }

    /// Its number in this process.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Waits for the end, and gives the stack back. One that may still be in use stays where it is: that of a thread
    /// that drops its own handle, for instance, or whose handle somebody has closed.
    fn finish(&self) -> Option<T> {
        sys::thread::join(self.thread.get()).ok()?;
        // SAFETY: the thread has ended, so nobody else uses the block, which `spawn` made for these types;
        // what is taken out is not taken twice.
        let result = unsafe { (self.take)(self.stack.block) };
        self.stack.unmap();
        result
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        drop(self.finish());
    }
}

/// What a thread is to do, and what came of it.
struct Block<F, T> {
    work: Option<F>,
    result: Option<T>,
}

/// Where a thread begins: the kernel passes the word of [`CreateThread`] in x2.
extern "C" fn begin<F: FnOnce() -> T, T>(_: u64, _: u64, block: *mut Block<F, T>) -> ! {
    // SAFETY: `spawn` passed it a block that nobody else uses before this thread has ended.
    let block = unsafe { &mut *block };
    block.result = block.work.take().map(|work| work());
    sys::thread::exit(0)
}

/// # Safety
/// At `block` is a `Block<F, T>` that nobody else uses.
unsafe fn take<F, T>(block: NonNull<u8>) -> Option<T> {
    // SAFETY: as the caller promises.
    unsafe { block.cast::<Block<F, T>>().as_mut() }.result.take()
}

/// Pages that are a thread's stack, with a block on top.
#[derive(Debug)]
struct Stack {
    lowest: u64,
    length: u64,
    block: NonNull<u8>,
}

// SAFETY: the block is used by one thread at a time, whoever holds this.
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

    /// Gives it back, what it has grown by included.
    fn unmap(&self) {
        let start = self.lowest - STACK_GROWTH;
        sys::memory::unmap(start, self.length + STACK_GROWTH).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::{STACK_BYTES, STACK_GROWTH, spawn};
    use crate::fake;
    use abi::layout::PAGE_BYTES;
    use abi::memory::Unmap;
    use abi::process::CreateThread;
    use abi::thread::Join;
    use abi::{Errno, Label, Request, Tag};
    use core::cell::Cell;
    use std::boxed::Box;
    use std::rc::Rc;

    /// How often a stack is unmapped when the handle of a thread is dropped whose join is answered so.
    fn unmapped_after(join: u64) -> u32 {
        let bytes = (STACK_GROWTH + STACK_BYTES + PAGE_BYTES) as usize;
        let memory = Box::leak(std::vec![0u8; bytes].into_boxed_slice());
        let stack =
            (memory.as_mut_ptr().expose_provenance() as u64 + STACK_GROWTH).next_multiple_of(PAGE_BYTES);
        let unmapped = Rc::new(Cell::new(0));
        let count = Rc::clone(&unmapped);
        fake::install(move |sent, page| {
            let label = Tag::decode(sent[1]).expect("a tag").label();
            count.set(count.get() + u32::from(label == Unmap::LABEL));
            let (tag, word) = match label {
                CreateThread::LABEL => {
                    page.handles[0] = 77;
                    (Tag::new(Label::DONE).with_handles(1).expect("fits").encode(), 1)
                }
                Join::LABEL => (join, 1),
                _ => (0, stack),
            };
            [0, tag, word, 0, 0, 0, 0, 0, 0]
        });
        drop(spawn(|| ()).expect("a thread"));
        unmapped.get()
    }

    #[test]
    fn the_stack_of_a_thread_that_has_ended_is_given_back() {
        assert_eq!(unmapped_after(0), 1);
    }

    #[test]
    fn the_stack_of_a_thread_whose_end_cannot_be_waited_for_stays() {
        assert_eq!(unmapped_after(Errno::EINVAL.number().into()), 0);
    }
}
