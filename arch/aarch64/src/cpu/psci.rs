//! PSCI firmware: how CPUs of `virt` and many boards are started, and how they are switched off (Arm DEN0022, "Power State
//! Coordination Interface").
//!
//! Only to be called where the device tree has a PSCI node: elsewhere the instruction is undefined,
//! or hangs the machine.

use smccc::psci;
pub use smccc::psci::Error;
use smccc::{Hvc, Smc};

/// The instruction that enters the firmware.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduit {
    /// `hvc #0`.
    Hvc,
    /// `smc #0`.
    Smc,
}

/// Starts the CPU whose affinity fields are `target` at the physical address `entry`, with its MMU and caches
/// off, at the exception level of the caller or at EL2.
///
/// # Errors
/// What the firmware says.
pub fn cpu_on(conduit: Conduit, target: u64, entry: u64) -> Result<(), Error> {
    match conduit {
        Conduit::Hvc => psci::cpu_on::<Hvc>(target, entry, 0),
        Conduit::Smc => psci::cpu_on::<Smc>(target, entry, 0),
    }
}

/// Switches the machine off. Returns only if the firmware refuses.
///
/// # Errors
/// What the firmware says.
pub fn system_off(conduit: Conduit) -> Result<(), Error> {
    match conduit {
        Conduit::Hvc => psci::system_off::<Hvc>(),
        Conduit::Smc => psci::system_off::<Smc>(),
    }
}

/// Restarts the machine. Returns only if the firmware refuses.
///
/// # Errors
/// What the firmware says.
pub fn system_reset(conduit: Conduit) -> Result<(), Error> {
    match conduit {
        Conduit::Hvc => psci::system_reset::<Hvc>(),
        Conduit::Smc => psci::system_reset::<Smc>(),
    }
}
