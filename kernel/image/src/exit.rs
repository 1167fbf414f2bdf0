//! The end of the machine's work: how to switch it off, and the last words before that.

use aarch64::boot::{EntryLevel, Handover};
use aarch64::cpu::{self, psci};
use aarch64::semihosting;
use addr::{Frame, FrameRange, GRANULE, PhysAddr, VirtAddr};
use boards::console::{Console, Pl011, Pl011Registers};
use boards::{Board, PsciConduit};
use core::cell::UnsafeCell;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

/// Exit status of a panic, as Rust's own.
pub const PANIC_STATUS: u32 = 101;
/// Exit status when the machine is given something that the kernel cannot start with.
const CANNOT_START_STATUS: u32 = 1;

/// The registers of the PL011 in use, for whoever has last words.
static UART: AtomicPtr<Pl011Registers> = AtomicPtr::new(core::ptr::null_mut());
static WAY_OFF: AtomicU8 = AtomicU8::new(0);

/// Bits of [`WAY_OFF`].
const SEMIHOSTING: u8 = 1;
const PSCI_HVC: u8 = 2;
const PSCI_SMC: u8 = 4;

/// Notes how this machine is switched off.
pub fn choose(board: &Board, entered_at: EntryLevel) {
    let semihosting = if board.options().option("exit") == Some("semihosting") {
        SEMIHOSTING
    } else {
        0
    };
    let psci = match (entered_at, board.psci) {
        // Whatever the tree says: we were entered where that firmware would be.
        (EntryLevel::Three, _) | (_, None) => 0,
        (_, Some(PsciConduit::Hvc)) => PSCI_HVC,
        (_, Some(PsciConduit::Smc)) => PSCI_SMC,
    };
    WAY_OFF.store(semihosting | psci, Ordering::Relaxed);
}

/// Notes where last words go.
pub fn remember_uart(registers: &'static Pl011Registers) {
    UART.store((&raw const *registers).cast_mut(), Ordering::Relaxed);
}

/// Switches the machine off, with `status` for those who started it where there is a way to pass
/// it on.
pub fn power_off(status: u32) -> ! {
    let way = WAY_OFF.load(Ordering::Relaxed);
    if way & SEMIHOSTING != 0 {
        semihosting::exit(status);
    }
    // Each of these comes back only if the firmware refuses; then the next is tried.
    let refused = match way & (PSCI_HVC | PSCI_SMC) {
        PSCI_HVC => psci::system_off(psci::Conduit::Hvc).err(),
        PSCI_SMC => psci::system_off(psci::Conduit::Smc).err(),
        _ => None,
    };
    if let Some(error) = refused {
        say(format_args!(
            "the firmware does not switch the machine off: {error}"
        ));
    }
    say(format_args!("halted"));
    cpu::halt()
}

/// Prints a line to the console, whoever else uses it: nothing runs afterwards that minds.
pub fn say(words: fmt::Arguments<'_>) {
    let registers = UART.load(Ordering::Relaxed);
    if registers.is_null() {
        return;
    }
    // SAFETY: `remember_uart` stored it: the registers stay mapped for ever, and all of them are
    // cells that may be shared.
    let registers = unsafe { &*registers };
    let mut words_out = Words(Pl011::new(registers, None));
    // The console takes everything; the result is that of the trait.
    if writeln!(words_out, "{words}").is_err() {
        cpu::halt();
    }
}

struct Words(Pl011);

impl Write for Words {
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

impl Words {
    fn put(&mut self, byte: u8) {
        while !self.0.try_put(byte) {
            core::hint::spin_loop();
        }
    }
}

/// For what is not the kernel's mistake but its loader's: says why there is nothing to run, and
/// switches the machine off.
pub fn cannot_start(why: fmt::Arguments<'_>) -> ! {
    say(format_args!("Granule cannot start: {why}"));
    power_off(CANNOT_START_STATUS)
}

/// For a machine whose device tree cannot be read: says why on the UART that is most likely
/// there, and stops.
pub fn last_words(handover: &mut Handover, why: fmt::Arguments<'_>) -> ! {
    let image = handover.image().start().start();
    let guess = boards::console::last_words_uart(image);
    let mut spare = spare_tables(handover);
    let mut table = || match spare.next() {
        Some(frame) => frame,
        None => panic!("a page of registers takes three tables at most"),
    };
    if let Ok(registers) = handover.map.map_device(guess.base, guess.bytes, &mut table) {
        let registers = registers.cast::<Pl011Registers>();
        // SAFETY: Mapped for good just now, as device memory, by a guess that holds on all boards
        // we know; on others there is nobody to hear an abort either.
        remember_uart(unsafe { registers.as_ref() });
    }
    cannot_start(why)
}

const SPARE_TABLES: usize = 3;

#[repr(C, align(4096))]
struct SpareTables(UnsafeCell<[u8; SPARE_TABLES * GRANULE as usize]>);

// SAFETY: Reached by physical address only, by the translation table code, once.
unsafe impl Sync for SpareTables {}

static SPARE: SpareTables = SpareTables(UnsafeCell::new([0; SPARE_TABLES * GRANULE as usize]));

fn spare_tables(handover: &Handover) -> impl Iterator<Item = Frame> + use<> {
    let start: PhysAddr = handover.physical(VirtAddr::new((&raw const SPARE).addr() as u64));
    FrameRange::new(start.frame(), SPARE_TABLES as u64)
        .into_iter()
        .flat_map(FrameRange::iter)
}
