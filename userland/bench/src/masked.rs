//! How long an interrupt waits at most, while the kernel has much to do.
//!
//! The most important thread of all sleeps until arbitrary moments, and notes how late it goes on. What it waits for
//! longest is a stretch in which the kernel takes no interrupt, and the way from there to it (`irq_to_user`).

use crate::measure::Row;
use abi::layout::PAGE_BYTES;
use abi::memory::Protection;
use abi::process::Priority;
use abi::shm::{Mode, ShmKey};
use core::sync::atomic::{AtomicU64, Ordering};
use rt::archive::Archive;
use rt::shm::Shm;
use rt::spawn::{Command, fork};
use rt::sys::memory::{map, protect, unmap};
use rt::sys::process::{create_endpoint, set_priority};
use rt::time::{Duration, Instant, sleep_until};
use rt::{Error, Failure, Outcome, hazard};

const SHARED_BYTES: u64 = 64 << 20;
const PRIVATE_BYTES: u64 = 8 << 20;
const RW: Protection = Protection::READ.union(Protection::WRITE);

/// Keeps the kernel busy in one way.
type Stress = fn(Archive) -> Outcome;

/// Measures it under each of these, so that one sees where it is longest.
pub fn measure(archive: Archive) -> Result<[Row; 7], Failure> {
    let segment = Shm::create(ShmKey::PRIVATE, PAGE_BYTES, Mode::from_bits(0o600))?;
    let attachment = segment.attach()?;
    segment.remove()?;
    let latest = &attachment.words()[0];
    let watcher = fork(|| watch(latest))?;
    set_priority(watcher.handle(), Priority::MOST, Priority::MOST)?;
    let row = |id, stress: Stress| {
        latest.store(0, Ordering::Relaxed);
        stress(archive)?;
        Ok::<_, Failure>(Row::new(id, latest.load(Ordering::Relaxed)))
    };
    let rows = [
        row("irq_to_user_most_fork", forks)?,
        row("irq_to_user_most_spawn", spawns)?,
        row("irq_to_user_most_shared", shared)?,
        row("irq_to_user_most_map", maps)?,
        row("irq_to_user_most_protect", protects)?,
        row("irq_to_user_most_holes", holes)?,
        row("irq_to_user_most_handles", handles)?,
    ];
    watcher.kill()?;
    Ok(rows)
}

/// Notes how late it is at most, in nanoseconds.
fn watch(latest: &AtomicU64) -> Outcome {
    let mut seed = 1u32;
    loop {
        // Numerical Recipes' generator; its upper bits are arbitrary enough.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let moment = Instant::now().after(Duration::from_nanos(2000 + u64::from(seed >> 18)));
        sleep_until(moment);
        let late = Instant::now().duration_since(moment).as_nanos();
        latest.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

fn forks(_: Archive) -> Outcome {
    let address = touched(PRIVATE_BYTES)?;
    for _ in 0..10 {
        let child = fork(|| {
            for page in pages(address, PRIVATE_BYTES).step_by(3) {
                hazard::write(page, 1);
            }
            Ok(())
        })?;
        child.wait()?;
    }
    Ok(unmap(address, PRIVATE_BYTES)?)
}

fn spawns(archive: Archive) -> Outcome {
    let missing = || Failure::new("bench: its programs are not in the archive");
    let file = archive.program("nothing").ok_or_else(missing)?;
    for _ in 0..20 {
        Command::new("nothing", file).spawn()?.wait()?;
    }
    Ok(())
}

fn shared(_: Archive) -> Outcome {
    for _ in 0..2 {
        let segment = Shm::create(ShmKey::PRIVATE, SHARED_BYTES, Mode::from_bits(0o600))?;
        let attachment = segment.attach()?;
        for page in attachment.words().chunks(PAGE_BYTES as usize / 8) {
            page[0].store(1, Ordering::Relaxed);
        }
        drop(attachment);
        segment.remove()?;
    }
    Ok(())
}

fn maps(_: Archive) -> Outcome {
    for _ in 0..5 {
        let address = touched(PRIVATE_BYTES)?;
        unmap(address, PRIVATE_BYTES)?;
    }
    Ok(())
}

fn protects(_: Archive) -> Outcome {
    let address = touched(PRIVATE_BYTES)?;
    for _ in 0..20 {
        protect(address, PRIVATE_BYTES, Protection::READ)?;
        protect(address, PRIVATE_BYTES, RW)?;
        pages(address, PRIVATE_BYTES).for_each(|page| hazard::write(page, 1));
    }
    Ok(unmap(address, PRIVATE_BYTES)?)
}

/// A mapping with a hole behind each page, which goes in one go.
fn holes(_: Archive) -> Outcome {
    for _ in 0..5 {
        let address = touched(PRIVATE_BYTES)?;
        for page in pages(address, PRIVATE_BYTES).step_by(2) {
            unmap(page, PAGE_BYTES)?;
        }
        unmap(address, PRIVATE_BYTES)?;
    }
    Ok(())
}

/// A process that ends with as many handles as it can have.
fn handles(_: Archive) -> Outcome {
    for _ in 0..20 {
        let child = fork(|| {
            while create_endpoint().is_ok() {}
            Ok(())
        })?;
        child.wait()?;
    }
    Ok(())
}

fn touched(bytes: u64) -> Result<u64, Error> {
    let address = map(0, bytes, RW)?;
    pages(address, bytes).for_each(|page| hazard::write(page, 1));
    Ok(address)
}

fn pages(address: u64, bytes: u64) -> impl Iterator<Item = u64> {
    (0..bytes / PAGE_BYTES).map(move |page| address + page * PAGE_BYTES)
}
