//! Which machine this is: the device tree, read once.

use crate::exit;
use aarch64::boot::{DeviceTree, Handover, NoDeviceTree};
use aarch64::cpu::PerCpu;
use aarch64::gic::Intid;
use abi::device::{DeviceFacts, DeviceKind};
use abi::system::Machine;
use addr::{FrameRange, GRANULE};
use alloc::boxed::Box;
use boards::{Board, BoardKind, CheckedBlob, ConsoleDevice, ConsoleKind, DevTree, DevTreeError};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use kcore::Clock;
use kcore::kernel::Facts;
use kcore::object::device::Device;

/// Room to read the device tree in; it is RAM for programs afterwards.
#[repr(C, align(4096))]
struct Scratch(UnsafeCell<[MaybeUninit<u8>; boards::SCRATCH_BYTES]>);

// SAFETY: `read` alone uses it, once, before anybody else could run.
unsafe impl Sync for Scratch {}

#[unsafe(link_section = ".unset")]
static SCRATCH: Scratch = Scratch(UnsafeCell::new([MaybeUninit::uninit(); boards::SCRATCH_BYTES]));

/// Reads the device tree, which nobody needs any more then. Without one there is nothing the kernel could do.
pub fn read(tree: Result<DeviceTree, NoDeviceTree>, handover: &Handover) -> &'static Board {
    let tree = match tree {
        Ok(tree) => tree,
        Err(why) => {
            let x0 = handover.device_tree_at;
            exit::cannot_start(format_args!("{why}; x0 is {x0}"));
        }
    };
    // SAFETY: Nobody else has a reference to it: this runs once, before the frames are given away.
    let scratch = unsafe { &mut *SCRATCH.0.get() };
    scratch.fill(MaybeUninit::new(0));
    // SAFETY: Every byte was just written.
    let scratch = unsafe { scratch.assume_init_mut() };
    match boards::read(tree.bytes(), scratch, open) {
        Ok(board) => Box::leak(Box::new(board)),
        Err(error) => exit::cannot_start(format_args!("{error}")),
    }
}

fn open(blob: CheckedBlob<'_>) -> Result<DevTree<'_>, DevTreeError> {
    // SAFETY: A checked blob is aligned and as long as its header says.
    unsafe { DevTree::new(blob.bytes()) }
}

/// What people call the machine. QEMU's tree has no model worth reading.
pub fn name(board: &Board) -> &str {
    match board.kind {
        BoardKind::QemuVirt => "QEMU virt",
        BoardKind::RaspberryPi4 | BoardKind::Other => board.model.as_str(),
    }
}

/// The devices that programs may drive: the console's, if it is a PL011. Where others have registers in the same
/// frame (a BCM2711's further serial ports), whoever drives it reaches those as well.
pub fn devices(board: &Board) -> impl Iterator<Item = Device> {
    let pl011 = |device: &ConsoleDevice| device.kind == ConsoleKind::Pl011;
    board.console.filter(pl011).and_then(drivable).into_iter()
}

/// The console's interrupt, unless each CPU has one of its own with that number, which no other one could mask.
pub fn console_interrupt(device: ConsoleDevice) -> Option<Intid> {
    let intid = Intid::new(device.irq?.intid())?;
    (!intid.is_private()).then_some(intid)
}

fn drivable(device: ConsoleDevice) -> Option<Device> {
    let (base, bytes) = (device.registers.base, device.registers.bytes);
    let offset = base.raw() % GRANULE;
    let frames = FrameRange::new(base.frame(), (offset + bytes).div_ceil(GRANULE))?;
    let facts = DeviceFacts {
        kind: DeviceKind::Pl011,
        clock_hz: device.clock_hz.unwrap_or(0),
    };
    let interrupt = console_interrupt(device).map(Intid::get);
    Some(Device::new(facts, frames, (offset, bytes), interrupt))
}

/// What programs may know of the machine.
pub fn facts(board: &'static Board, handover: &Handover, clock: &'static Clock) -> Facts {
    let machine = Machine {
        cpus: u32::try_from(board.cpus.len().max(1)).unwrap_or(u32::MAX),
        running: u32::try_from(PerCpu::all().count()).unwrap_or(1),
        ram: board.memory.ram_bytes(),
        image: handover.kept_image().count() * GRANULE,
        clock_hz: clock.frequency().hertz().into(),
        asid_bits: crate::machine::asid_bits(board).get(),
    };
    Facts {
        machine,
        board: name(board),
        clock,
    }
}
