//! The kernel that boots: every part put together.
//!
//! Boot flow:
//! 1. `_start` (arch/aarch64, `boot/entry.S`): from firmware to EL1 with the MMU on, at high addresses.
//! 2. [`kernel_main`]: the table of contents below.
//! 3. [`trap`]: from then on the kernel runs only when a program or a device wants something.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod clock;
mod console;
mod cpus;
mod device;
mod exit;
mod first_program;
mod heap;
mod initrd;
mod interrupts;
mod machine;
mod panic;
mod ram;
mod start_log;
mod storage;
mod trap;

use aarch64::boot::{DeviceTree, Handover, NoDeviceTree};
use aarch64::cpu::PerCpu;
use aarch64::sync::{Held, Shared};
use core::mem::MaybeUninit;
use device::Registers;
use start_log::StartLog;

/// First of all a guess at the console: from then on a panic can be read, that of too small a stack included.
#[unsafe(no_mangle)]
fn kernel_main(mut handover: Handover, tree: Result<DeviceTree, NoDeviceTree>) -> ! {
    heap::open();
    console::guess(&mut handover);
    start(handover, tree)
}

/// Everything in order. What comes later needs what came before.
#[inline(never)] // its stack frame is the largest of all
fn start(mut handover: Handover, tree: Result<DeviceTree, NoDeviceTree>) -> ! {
    let board = board::read(tree, &handover);
    let mut ram = ram::Ram::of(board, &handover);
    let mut devices = Registers::new(&mut handover.map, &mut ram);
    exit::choose(board, handover.entered_at, &mut devices);
    let mut log = StartLog::new(console::open(board, &mut devices));
    log.describe_machine(board, &handover);
    storage::check_room(board, &ram);
    initrd::check(board, &handover);
    initrd::clear_edges(board, &mut handover.map);
    ram.map(&mut handover);
    let mut devices = Registers::new(&mut handover.map, &mut ram);
    let gic = machine::interrupt_controller(board, &mut devices);
    let clock = clock::set(board, &mut devices);
    log.say(format_args!("  {}", clock::About(clock)));
    cpus::start(board, &mut handover, &mut ram, &mut log);
    let counts = storage::Counts::for_frames(ram.frames());
    let machine = machine::Machine::new(board, gic, log.console(), &mut ram, counts);
    let hardware = machine::hardware(board, &mut ram);
    let facts = board::facts(board, &handover, clock);
    let queued = storage::queued(&mut ram, counts);
    let objects = storage::kernel_storage(&mut ram, counts, queued);
    let words = trap::guard_words(storage::awaited_words(&mut ram, counts, queued));
    // Made where they stay: with all their tables they are too large to be handed around on the stack.
    let (memory, kernel) = (ram.take_place(), ram.take_place());
    let places = ram.take_slice(PerCpu::count(), MaybeUninit::uninit);
    let memory: &machine::SharedMemory =
        memory.write(Shared::new(storage::memory_manager(hardware, ram, counts, board)));
    machine::share_memory(memory, places);
    let locks = (words.inside(), machine::MemoryInside::new(memory, Held::inside()));
    let kernel = kernel.write(kcore::Kernel::new(machine, locks, objects, facts));
    board::devices(board).for_each(|device| kernel.add_device(device));
    first_program::start(kernel, board, &mut log);
    kernel.log = log.into_log();
    trap::choose_way(board);
    trap::run(kernel, memory)
}
