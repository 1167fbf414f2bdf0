//! Threads on a kernel that lends those of the host.

use super::stack::STACK_GROWTH;
use super::{scope, spawn};
use crate::fake;
use abi::layout::PAGE_BYTES;
use abi::memory::{Map, Unmap};
use abi::process::{Close, CreateThread, ExitThread};
use abi::thread::JoinAndClose;
use abi::{Errno, IpcError, Label, MessagePage, Request, Tag};
use core::sync::atomic::{AtomicU32, Ordering};
use std::boxed::Box;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::vec::Vec;

/// What the host calls of a thread: its entry.
type Entry = extern "C" fn(u64, u64, u64) -> !;

/// Answers what this thread asks.
struct Kernel {
    /// Tells of each thread's end, by the number that is its handle, too.
    ends: Vec<Receiver<()>>,
    /// The handles of those that were joined.
    closed: Vec<u64>,
    /// How the next waits for an end fail.
    failures: Vec<IpcError>,
    unmapped: Arc<Mutex<u32>>,
}

/// What it answers from now on; the first waits for an end fail in these ways, the last of them first. Returns how many
/// stacks are given back.
fn kernel(failures: &[IpcError]) -> Arc<Mutex<u32>> {
    let unmapped = Arc::new(Mutex::new(0));
    let mut kernel = Kernel {
        ends: Vec::new(),
        closed: Vec::new(),
        failures: failures.to_vec(),
        unmapped: Arc::clone(&unmapped),
    };
    fake::install(move |sent, page| kernel.answer(sent, page));
    unmapped
}

impl Kernel {
    fn answer(&mut self, sent: [u64; 9], page: &mut MessagePage) -> [u64; 9] {
        let (mut tag, mut word) = (Tag::new(Label::DONE).encode(), 0);
        match Tag::decode(sent[1]).expect("a tag").label() {
            Map::LABEL => word = memory(),
            Unmap::LABEL => *self.unmapped.lock().expect("nobody fails") += 1,
            CreateThread::LABEL => {
                page.handles[0] = self.ends.len() as u32;
                self.ends.push(begin(sent[2], sent[4]));
                tag = Tag::new(Label::DONE).with_handles(1).expect("one").encode();
            }
            JoinAndClose::LABEL => match self.failures.pop() {
                Some(failure) => return [failure as u64, 0, 0, 0, 0, 0, 0, 0, 0],
                None => {
                    self.ends[sent[0] as usize].recv().ok();
                    self.closed.push(sent[0]);
                }
            },
            Close::LABEL => assert!(!self.closed.contains(&sent[2]), "it is closed once"),
            _ => {}
        }
        [0, tag, word.max(1), 0, 0, 0, 0, 0, 0]
    }
}

/// Where a stack is; the room that it may grow by is there, too.
fn memory() -> u64 {
    let bytes = std::vec![0_u8; (STACK_GROWTH + 16 * PAGE_BYTES) as usize];
    let start = Box::leak(bytes.into_boxed_slice())
        .as_mut_ptr()
        .expose_provenance() as u64;
    (start + STACK_GROWTH).next_multiple_of(PAGE_BYTES)
}

/// A thread of the host, which ends nothing but the wait of others.
fn begin(entry: u64, word: u64) -> Receiver<()> {
    let (ended, end) = channel();
    std::thread::spawn(move || {
        fake::install(move |sent, _| exit(sent[1], &ended));
        let entry = core::ptr::with_exposed_provenance::<()>(entry as usize);
        // SAFETY: it is the address of such a function, whose last parameter is a pointer.
        let entry: Entry = unsafe { core::mem::transmute(entry) };
        entry(0, 0, word)
    });
    end
}

/// The same work, but so large that no stack for it is kept.
fn large<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let room = [0_u8; PAGE_BYTES as usize];
    move || {
        std::hint::black_box(&room);
        work()
    }
}

/// Nothing else is asked by the threads here.
fn exit(tag: u64, ended: &Sender<()>) -> ! {
    assert_eq!(Tag::decode(tag).map(Tag::label), Ok(ExitThread::LABEL));
    // Who waited may be gone, if they found their own way to wait.
    ended.send(()).ok();
    loop {
        std::thread::park();
    }
}

#[test]
fn what_a_thread_returns_comes_to_who_joins_it_and_its_stack_is_given_back() {
    let unmapped = kernel(&[]);
    let thread = spawn(large(|| std::string::String::from("result"))).expect("a thread");
    assert_eq!(thread.join().as_deref(), Some("result"));
    drop(spawn(large(|| ())).expect("another"));
    assert_eq!(*unmapped.lock().expect("nobody fails"), 2);
}

#[test]
fn the_stack_of_a_thread_whose_end_cannot_be_waited_for_stays() {
    let unmapped = kernel(&[IpcError::BadHandle]);
    drop(spawn(|| ()).expect("a thread"));
    assert_eq!(*unmapped.lock().expect("nobody fails"), 0);
}

#[test]
fn who_is_cancelled_while_joining_waits_on_and_loses_neither_result_nor_stack() {
    let unmapped = kernel(&[IpcError::Cancelled; 3]);
    assert_eq!(spawn(large(|| 7)).expect("a thread").join(), Some(7));
    assert_eq!(*unmapped.lock().expect("nobody fails"), 1);
    let unmapped = kernel(&[IpcError::Cancelled; 2]);
    let joined = scope(|scope| scope.spawn(large(|| 8)).expect("a thread").join());
    assert_eq!((joined, *unmapped.lock().expect("nobody fails")), (Some(8), 1));
}

#[test]
fn the_stack_of_a_thread_that_ended_in_the_middle_of_its_work_stays_for_those_it_has_lent_it_to() {
    let unmapped = kernel(&[]);
    let thread = spawn(|| -> () { crate::sys::thread::exit(3) }).expect("a thread");
    assert!(thread.join().is_none());
    assert_eq!(*unmapped.lock().expect("nobody fails"), 0);
}

#[test]
fn a_scope_ends_after_its_threads_have_which_borrow_what_is_around_it() {
    let unmapped = kernel(&[]);
    let (mut words, sum) = ([1, 2, 3], AtomicU32::new(0));
    let last = scope(|scope| {
        for word in &mut words {
            let sum = &sum;
            drop(scope.spawn(large(move || {
                std::thread::yield_now();
                sum.fetch_add(*word, Ordering::Relaxed);
                *word = 0;
            })));
        }
        scope.spawn(large(|| &sum)).expect("a thread").join().is_some()
    });
    assert!(last);
    assert_eq!((words, sum.into_inner()), ([0; 3], 6));
    assert_eq!(*unmapped.lock().expect("nobody fails"), 4);
}

#[test]
fn a_scope_waits_even_for_threads_whose_handles_somebody_has_closed() {
    let unmapped = kernel(&[IpcError::BadHandle; 3]);
    let mut done = [false; 3];
    let joined = scope(|scope| {
        let [first, second, third] = &mut done;
        drop(scope.spawn(|| *first = true));
        drop(scope.spawn(|| *second = true));
        scope.spawn(|| *third = true).expect("a thread").join()
    });
    assert_eq!((joined, done), (Some(()), [true; 3]));
    assert_eq!(
        *unmapped.lock().expect("nobody fails"),
        0,
        "they may be about to end"
    );
}

#[test]
fn a_panic_in_a_scope_waits_for_its_threads() {
    kernel(&[]);
    let done = AtomicU32::new(0);
    let panicked = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        scope(|scope| {
            drop(scope.spawn(|| done.store(1, Ordering::Relaxed)));
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(done.into_inner(), 1);
}

#[test]
fn what_a_thread_that_cannot_begin_was_to_do_is_dropped() {
    fake::install(|sent, _| match Tag::decode(sent[1]).expect("a tag").label() {
        Map::LABEL => [0, 0, memory(), 0, 0, 0, 0, 0, 0],
        CreateThread::LABEL => [0, Errno::EAGAIN.number().into(), 0, 0, 0, 0, 0, 0, 0],
        _ => [0; 9],
    });
    let lent = Arc::new(());
    let moved = Arc::clone(&lent);
    assert!(spawn(move || drop(moved)).is_err());
    assert_eq!(Arc::strong_count(&lent), 1);
}
