//! The serial port: opened for whoever drives it, and remembered for last words.
//!
//! Until the device tree has said where it is, last words go to the port that is most likely there.

use crate::device::{self, Registers};
use crate::exit;
use aarch64::boot::Handover;
use aarch64::cpu;
use alloc::boxed::Box;
use alloc::vec::Vec;
use boards::console::{
    AnyConsole, AnyRegisters, Console, Pl011Registers, PrimeCellRegisters, last_words_uarts,
};
use boards::{Board, ConsoleDevice, ConsoleKind, RegisterBlock, rpi4};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicPtr, Ordering};

/// The port for last words.
static LAST_WORDS: AtomicPtr<Port> = AtomicPtr::new(core::ptr::null_mut());

enum Port {
    /// The device tree names it.
    Known(AnyRegisters),
    /// One of these has a PL011, on the boards that we know; the first that says so, or the last, which cannot.
    Likely(Vec<LikelyPl011>),
}

struct LikelyPl011 {
    identification: &'static PrimeCellRegisters,
    registers: &'static Pl011Registers,
}

/// Lets last words go where a console most likely is. On a board that we don't know something else is there, so
/// nothing is read or written before there are last words; they have nobody to hear of them anyway.
pub fn guess(handover: &mut Handover) {
    let image = handover.image().start().start();
    let likely = last_words_uarts(image)
        .iter()
        .filter_map(|uart| likely_pl011(*uart, handover));
    remember(Port::Likely(likely.collect()));
}

fn likely_pl011(uart: RegisterBlock, handover: &mut Handover) -> Option<LikelyPl011> {
    let Handover { map, spare, .. } = handover;
    let mut table = || spare.take();
    // SAFETY: On the boards that we know, these are a PL011's registers, or RAM: reading is harmless.
    let identification = unsafe { device::map_block(uart, map, &mut table) };
    // SAFETY: As above, and the last one of the row is written to only where none before it is a PL011.
    let registers = unsafe { device::map_block(uart, map, &mut table) };
    Some(LikelyPl011 {
        identification: identification.ok()?,
        registers: registers.ok()?,
    })
}

impl Port {
    fn open(&self) -> Option<AnyConsole> {
        let registers = match self {
            Self::Known(registers) => *registers,
            Self::Likely(ports) => {
                let (last, others) = ports.split_last()?;
                let found = others.iter().find(|port| port.identification.is_pl011());
                AnyRegisters::Pl011(found.unwrap_or(last).registers)
            }
        };
        Some(registers.open(None))
    }
}

/// Opens the console that the device tree names.
pub fn open(board: &Board, devices: &mut Registers<'_>) -> AnyConsole {
    let Some(device) = board.console else {
        exit::cannot_start(format_args!(
            "the device tree has no serial port that this kernel can drive"
        ));
    };
    route_pins(board, device.kind, devices);
    let registers = map(device, devices);
    remember(Port::Known(registers));
    registers.open(device.clock_hz)
}

fn route_pins(board: &Board, console: ConsoleKind, devices: &mut Registers<'_>) {
    if let Some(gpio) = board.gpio {
        // SAFETY: The device tree says that this is a BCM2711's GPIO block.
        rpi4::route_console_pins(unsafe { devices.map("GPIO", gpio) }, console);
    }
}

fn map(device: ConsoleDevice, devices: &mut Registers<'_>) -> AnyRegisters {
    match device.kind {
        // SAFETY: The device tree says that these are a PL011's registers.
        ConsoleKind::Pl011 => AnyRegisters::Pl011(unsafe { devices.map("serial port", device.registers) }),
        ConsoleKind::MiniUart => {
            // SAFETY: As above, an auxiliary UART's.
            AnyRegisters::MiniUart(unsafe { devices.map("serial port", device.registers) })
        }
    }
}

fn remember(port: Port) {
    LAST_WORDS.store(Box::leak(Box::new(port)), Ordering::Release);
}

fn for_last_words() -> Option<AnyConsole> {
    // SAFETY: `remember` stored it, for ever; nobody writes to it.
    let port = unsafe { LAST_WORDS.load(Ordering::Acquire).as_ref() }?;
    port.open()
}

/// Prints a line, whoever else uses the console: nothing runs afterwards that minds.
pub fn say(words: fmt::Arguments<'_>) {
    let Some(mut console) = for_last_words() else {
        return;
    };
    // The console takes everything; the result is that of the trait.
    if writeln!(Output(&mut console), "{words}").is_err() {
        cpu::halt();
    }
    wait_until_sent(&console);
}

/// How often we look whether everything is sent. A full FIFO takes 3 ms; a device register cannot be read
/// this often in less.
const IDLE_POLLS: u32 = 100_000;

/// What is in a FIFO when the machine ends is lost.
fn wait_until_sent(console: &AnyConsole) {
    for _ in 0..IDLE_POLLS {
        if console.is_idle() {
            break;
        }
    }
}

/// Text for a console: lines end as a terminal wants it.
pub struct Output<'a>(pub &'a mut AnyConsole);

impl Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.put(b'\r');
            }
            self.put(byte);
        }
        Ok(())
    }
}

impl Output<'_> {
    fn put(&mut self, byte: u8) {
        while !self.0.try_put(byte) {
            core::hint::spin_loop();
        }
    }
}
