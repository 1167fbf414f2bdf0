//! The time: the counter that every program can read.

/// Ticks of the system counter since the machine was switched on.
///
/// Reads of it are not reordered with what comes before (Arm ARM, "Reads of CNTVCT_EL0").
pub fn ticks() -> u64 {
    machine::ticks()
}

/// Ticks in a second.
pub fn ticks_per_second() -> u64 {
    machine::frequency()
}

/// How many nanoseconds that many ticks are.
pub fn nanoseconds(ticks: u64) -> u64 {
    let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(ticks_per_second().max(1));
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
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

    pub(super) fn frequency() -> u64 {
        let frequency;
        // SAFETY: reads a register that programs may read.
        unsafe {
            asm!("mrs {}, cntfrq_el0", out(reg) frequency,
                options(nomem, nostack, preserves_flags));
        }
        frequency
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

    pub(super) fn frequency() -> u64 {
        1_000_000_000
    }
}
