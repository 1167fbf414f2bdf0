//! The system counter.

use abi::time::Frequency;

/// Ticks since it started.
#[inline(always)]
pub(super) fn ticks() -> u64 {
    machine::ticks()
}

/// How fast it counts.
pub(super) fn frequency() -> Frequency {
    Frequency::new(machine::hertz()).expect("the kernel does not start without a frequency")
}

#[cfg(target_os = "none")]
mod machine {
    use core::arch::asm;

    #[inline(always)]
    pub(super) fn ticks() -> u64 {
        let ticks;
        // SAFETY: reads a counter that programs may read.
        unsafe {
            asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nostack, preserves_flags));
        }
        ticks
    }

    pub(super) fn hertz() -> u32 {
        let frequency: u64;
        // SAFETY: reads a register that programs may read.
        unsafe {
            asm!("mrs {}, cntfrq_el0", out(reg) frequency,
                options(nomem, nostack, preserves_flags));
        }
        // The upper half is reserved.
        frequency as u32
    }
}

#[cfg(not(target_os = "none"))]
mod machine {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(super) fn ticks() -> u64 {
        u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn hertz() -> u32 {
        1_000_000_000
    }
}
