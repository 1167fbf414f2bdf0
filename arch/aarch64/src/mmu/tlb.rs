//! Barriers and TLB invalidation, each sequence with its reason.
//!
//! All forms are broadcast in the inner shareable domain, which all CPUs that run this kernel are
//! in, so no CPU has to be interrupted. The sections meant are Arm ARM, "TLB maintenance
//! instructions" and "Ordering and completion of TLB maintenance instructions".

use aarch64_cpu::asm::barrier;
use addr::VirtAddr;
use core::arch::asm;
use vmsa::Invalidation;

/// Lets walkers see entries that were invalid before. No TLB holds an invalid entry, so nothing is
/// invalidated: the stores only have to be there before whatever comes next is translated (DSB),
/// and this CPU must not have fetched that already (ISB). Other CPUs that still fault find the
/// entry when they look.
pub(crate) fn publish_new_entries() {
    barrier::dsb(barrier::ISHST);
    barrier::isb(barrier::SY);
}

/// Lets no CPU start a walk that sees the old entries, and only then has what follows read the ASID
/// to invalidate: a space that is given an ASID later walks the new ones.
pub(crate) fn before_invalidation() {
    barrier::dsb(barrier::ISH);
}

/// Lets no walk under a new ASID start before every CPU finds that ASID in its space: whoever changes
/// the tables after such a walk has to invalidate what it has cached.
pub(crate) fn publish_asid() {
    barrier::dsb(barrier::ISH);
}

/// Makes every TLB forget, and waits for accesses that used what is forgotten.
pub(crate) fn invalidate(what: Invalidation) {
    match what {
        Invalidation::Nothing => return,
        Invalidation::LastLevel(pages) => {
            for page in pages {
                // SAFETY: Forgetting translations changes no memory; tables hold what is true.
                unsafe { asm!("tlbi vale1is, {}", in(reg) page, options(nostack, preserves_flags)) };
            }
        }
        Invalidation::EveryLevel(pages) => {
            for page in pages {
                // SAFETY: As above.
                unsafe { asm!("tlbi vae1is, {}", in(reg) page, options(nostack, preserves_flags)) };
            }
        }
        Invalidation::Asid(asid) => {
            // SAFETY: As above.
            unsafe { asm!("tlbi aside1is, {}", in(reg) asid, options(nostack, preserves_flags)) };
        }
    }
    after_invalidation();
}

/// As [`invalidate`], for the last-level entry of one of the kernel's pages, which is valid for
/// every ASID.
pub(crate) fn invalidate_kernel_page(page: VirtAddr) {
    let operand = (page.raw() >> addr::GRANULE_SHIFT) & ((1 << 44) - 1);
    before_invalidation();
    // SAFETY: Forgetting translations changes no memory; tables hold what is true.
    unsafe { asm!("tlbi vaale1is, {}", in(reg) operand, options(nostack, preserves_flags)) };
    after_invalidation();
}

/// Makes this CPU's TLB forget everything, the kernel's own entries included.
pub(crate) fn invalidate_this_cpu() {
    // A table base register that was written before is in force from here on.
    barrier::isb(barrier::SY);
    barrier::dsb(barrier::NSHST);
    // SAFETY: Forgetting translations changes no memory; tables hold what is true.
    unsafe { asm!("tlbi vmalle1", options(nostack, preserves_flags)) };
    barrier::dsb(barrier::NSH);
    barrier::isb(barrier::SY);
}

/// DSB: all CPUs have done it, and their accesses by old translations are over. ISB: so has what
/// this CPU had fetched.
fn after_invalidation() {
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}
