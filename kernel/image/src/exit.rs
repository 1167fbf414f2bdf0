//! The end of the machine's work: how it is switched off or restarted.

use crate::console::say;
use crate::cpus;
use crate::device::Registers;
use aarch64::boot::EntryLevel;
use aarch64::cpu::{self, psci};
use aarch64::semihosting;
use abi::system::MachineEnd;
use alloc::boxed::Box;
use boards::rpi4::{self, WatchdogRegisters};
use boards::{Board, PsciConduit};
use core::fmt;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Exit status of a panic, as Rust's own.
pub const PANIC_STATUS: u32 = 101;
/// Exit status when the machine, or what its loader has put there, is nothing that the kernel can start with.
const CANNOT_START_STATUS: u32 = 1;

/// How this machine ends. Whatever it takes is mapped at boot: nothing may be missing in the end.
struct Ways {
    /// Somebody listens who wants an exit status (bootarg `exit=semihosting`).
    semihosting: bool,
    switch: Option<Switch>,
}

/// What switches the machine off, or restarts it.
#[derive(Clone, Copy)]
enum Switch {
    Psci(psci::Conduit),
    Watchdog(&'static WatchdogRegisters),
}

static WAYS: AtomicPtr<Ways> = AtomicPtr::new(core::ptr::null_mut());

/// Notes how this machine ends.
pub fn choose(board: &Board, entered_at: EntryLevel, devices: &mut Registers<'_>) {
    let ways = Ways {
        semihosting: board.options().option("exit") == Some("semihosting"),
        switch: psci(board, entered_at)
            .map(Switch::Psci)
            .or_else(|| watchdog(board, devices)),
    };
    WAYS.store(Box::leak(Box::new(ways)), Ordering::Release);
}

/// The way to the firmware that switches CPUs on and the machine off.
pub fn psci(board: &Board, entered_at: EntryLevel) -> Option<psci::Conduit> {
    // Whatever the tree says: we were entered where that firmware would be.
    if entered_at == EntryLevel::Three {
        return None;
    }
    board.psci.map(|conduit| match conduit {
        PsciConduit::Hvc => psci::Conduit::Hvc,
        PsciConduit::Smc => psci::Conduit::Smc,
    })
}

fn watchdog(board: &Board, devices: &mut Registers<'_>) -> Option<Switch> {
    board.watchdog.map(|block| {
        // SAFETY: The device tree says that this is a BCM2711's power management block.
        Switch::Watchdog(unsafe { devices.map("watchdog", block) })
    })
}

fn ways() -> Option<&'static Ways> {
    // SAFETY: `choose` stored it, for ever; nobody writes to it.
    unsafe { WAYS.load(Ordering::Acquire).as_ref() }
}

/// For what is not the kernel's mistake but the machine's or its loader's: says why there is nothing to run,
/// and switches the machine off.
pub fn cannot_start(why: fmt::Arguments<'_>) -> ! {
    say(format_args!("Granule cannot start: {why}"));
    power_off(CANNOT_START_STATUS)
}

/// Switches the machine off: [`end`].
pub fn power_off(status: u32) -> ! {
    end(MachineEnd::PowerOff, status)
}

/// Ends the machine, with `status` for those who started it where there is a way to pass it on. Each way is
/// taken if the one before has left the machine running.
pub fn end(how: MachineEnd, status: u32) -> ! {
    cpus::stop_others();
    let ways = ways();
    let switch = ways.and_then(|ways| ways.switch);
    if how == MachineEnd::PowerOff && ways.is_some_and(|ways| ways.semihosting) {
        semihosting::exit_or(status, || switch_or_halt(switch, how))
    }
    switch_or_halt(switch, how)
}

fn switch_or_halt(switch: Option<Switch>, how: MachineEnd) -> ! {
    if let Some(switch) = switch {
        use_switch(switch, how);
    }
    say(format_args!("halted: {}", by_hand(how)));
    cpu::halt()
}

fn use_switch(switch: Switch, how: MachineEnd) {
    match (switch, how) {
        (Switch::Psci(conduit), MachineEnd::PowerOff) => report(psci::system_off(conduit)),
        (Switch::Psci(conduit), MachineEnd::Restart) => report(psci::system_reset(conduit)),
        (Switch::Watchdog(registers), MachineEnd::PowerOff) => wait_for(rpi4::power_off, registers),
        (Switch::Watchdog(registers), MachineEnd::Restart) => wait_for(rpi4::restart, registers),
    }
}

/// The firmware comes back only if it refuses.
fn report(outcome: Result<(), psci::Error>) {
    if let Err(error) = outcome {
        say(format_args!("the firmware refuses: {error}"));
    }
}

/// The watchdog takes a moment.
fn wait_for(reset: fn(&WatchdogRegisters), registers: &WatchdogRegisters) {
    /// Some hundred times that moment.
    const SPINS: u32 = 10_000_000;
    reset(registers);
    for _ in 0..SPINS {
        core::hint::spin_loop();
    }
}

fn by_hand(how: MachineEnd) -> &'static str {
    match how {
        MachineEnd::PowerOff => "this machine has to be switched off by hand",
        MachineEnd::Restart => "this machine has to be restarted by hand",
    }
}
