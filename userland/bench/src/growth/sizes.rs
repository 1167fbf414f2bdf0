//! Larger and larger segments.

use super::Sweep;
use crate::measure::time;
use abi::shm::{AttachFlags, Mode, ShmKey};
use core::sync::atomic::Ordering;
use rt::Error;
use rt::shm::{Attachment, Shm};
use rt::sys::memory::{shm_attach, shm_detach};

const PAGE: u64 = abi::layout::PAGE_BYTES;
const WORDS: usize = PAGE as usize / 8;
/// 4 KiB to 1 GiB, in pages.
const COUNTS: [u64; 10] = [1, 4, 16, 64, 256, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18];
const TIMES: u64 = 200;
const RW: Mode = Mode::from_bits(0o600);

/// What whole segments cost, untouched and touched.
pub fn measure() -> Result<(), Error> {
    for count in COUNTS {
        let sweep = Sweep { name: "sizes", count };
        untouched(sweep)?;
        touched(sweep)?;
    }
    Ok(())
}

fn untouched(sweep: Sweep) -> Result<(), Error> {
    let create = || Shm::create(ShmKey::PRIVATE, sweep.count * PAGE, RW);
    sweep.measure("create+remove", TIMES, || create()?.remove())?;
    let segment = create()?;
    sweep.measure("shmat+shmdt", TIMES, || {
        shm_detach(shm_attach(segment.id(), 0, AttachFlags::empty())?)
    })?;
    segment.remove()
}

/// Every page is written to. Small segments take too little time for one to be measured.
fn touched(sweep: Sweep) -> Result<(), Error> {
    let rounds = (1024 / sweep.count).max(1);
    let [mut touch, mut detach, mut remove] = [0; 3];
    for _ in 0..rounds {
        let segment = Shm::create(ShmKey::PRIVATE, sweep.count * PAGE, RW)?;
        let attachment = segment.attach()?;
        let first = time(|| write_all(&attachment))?;
        touch += first.saturating_sub(time(|| write_all(&attachment))?);
        detach += time(|| attachment.detach())?;
        remove += time(|| segment.remove())?;
    }
    sweep.point("first-touch-a-page", touch / rounds / sweep.count);
    sweep.point("shmdt-touched", detach / rounds);
    sweep.point("remove-touched-a-page", remove / rounds / sweep.count);
    Ok(())
}

fn write_all(attachment: &Attachment) -> Result<(), Error> {
    for word in attachment.words().iter().step_by(WORDS) {
        word.store(1, Ordering::Relaxed);
    }
    Ok(())
}
