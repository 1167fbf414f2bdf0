//! The kernel heap, for facts that boot finds out. No path that a program can reach uses it.

use aarch64::sync::{Held, Lock, level};
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use linked_list_allocator::Heap;

/// Bytes of the heap: the board's facts, and lists of memory ranges.
const HEAP_BYTES: usize = 12 * 1024;

#[repr(align(16))]
struct HeapMemory(UnsafeCell<[u8; HEAP_BYTES]>);

// SAFETY: Its bytes are reached only through the allocator that `open` gives them to.
unsafe impl Sync for HeapMemory {}

static MEMORY: HeapMemory = HeapMemory(UnsafeCell::new([0; HEAP_BYTES]));

struct KernelHeap(Lock<Heap, level::Heap>);

#[global_allocator]
static HEAP: KernelHeap = KernelHeap(Lock::new(Heap::empty()));

/// Gives the heap its memory. Called once, first of all.
pub fn open() {
    let mut held = Held::nothing();
    let (mut heap, _) = HEAP.0.lock(&mut held);
    // SAFETY: The memory is static and nobody else's, and the heap is empty: this runs once.
    unsafe { heap.init(MEMORY.0.get().cast(), HEAP_BYTES) };
}

// SAFETY: `linked_list_allocator` gives out each byte at most once, and the lock keeps CPUs apart.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut held = Held::nothing();
        let (mut heap, _) = self.0.lock(&mut held);
        heap.allocate_first_fit(layout)
            .map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let Some(pointer) = NonNull::new(pointer) else {
            return;
        };
        let mut held = Held::nothing();
        let (mut heap, _) = self.0.lock(&mut held);
        // SAFETY: The caller passes what `alloc` gave for this layout.
        unsafe { heap.deallocate(pointer, layout) };
    }
}
