//! A kernel for tests on the host: a function that gets the registers and the message page.

use super::Registers;
use abi::{IpcError, MessagePage};
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::boxed::Box;
use std::thread_local;

type Kernel = Box<dyn FnMut(Registers, &mut MessagePage) -> Registers>;

struct Thread {
    kernel: RefCell<Kernel>,
    page: NonNull<MessagePage>,
}

thread_local! {
    static THREAD: Thread = Thread {
        kernel: RefCell::new(Box::new(absent)),
        page: NonNull::from(Box::leak(Box::new(MessagePage::EMPTY))),
    };
}

thread_local! {
    static DEADLINE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Until when this thread wanted to wait the last time that it said so, in ticks.
pub fn deadline() -> Option<u64> {
    DEADLINE.get()
}

/// No message arrives where no kernel is.
fn absent(_: Registers, _: &mut MessagePage) -> Registers {
    [IpcError::PeerGone as u64, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// From now on `kernel` answers what this thread sends.
pub fn install(kernel: impl FnMut(Registers, &mut MessagePage) -> Registers + 'static) {
    THREAD.with(|thread| *thread.kernel.borrow_mut() = Box::new(kernel));
}

pub(crate) fn trap(registers: Registers) -> Registers {
    THREAD.with(|thread| {
        let mut page = thread.page;
        // SAFETY: the page belongs to this thread alone, and whoever called `trap` holds no
        // reference to it: the runtime reaches it through raw pointers only.
        let page = unsafe { page.as_mut() };
        (thread.kernel.borrow_mut())(registers, page)
    })
}

pub(crate) fn trap_until(registers: Registers, deadline: u64) -> Registers {
    DEADLINE.set(Some(deadline));
    trap(registers)
}

pub(crate) fn message_page() -> NonNull<MessagePage> {
    THREAD.with(|thread| thread.page)
}
