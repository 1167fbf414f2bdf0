//! Shared memory segments.

use crate::measure::{Row, time};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmKey};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use rt::shm::Shm;
use rt::sys::memory::{shm_attach, shm_control, shm_detach, shm_get};
use rt::{Error, Incoming};

const COUNT: u64 = 1000;
const PAGE: u64 = abi::layout::PAGE_BYTES;
const MIB: u64 = 1 << 20;
const KEY: ShmKey = ShmKey(0x6265_6e63);
const RW: Mode = Mode::from_bits(0o600);

/// Measures looking up, creating, attaching and touching them.
pub fn measure() -> Result<Vec<Row>, Error> {
    let mut rows = look_up()?.to_vec();
    rows.push(create_and_remove("shm_create_remove_1p", PAGE)?);
    rows.push(create_and_remove("shm_create_remove_4m", 4 * MIB)?);
    rows.push(attach_and_detach("shm_attach_detach_1p", PAGE)?);
    rows.push(attach_and_detach("shm_attach_detach_64m", 64 * MIB)?);
    rows.push(attach_and_detach("shm_attach_detach_1g", 1024 * MIB)?);
    rows.push(first_touch()?);
    rows.extend(large()?);
    Ok(rows)
}

fn look_up() -> Result<[Row; 2], Error> {
    let segment = Shm::create(KEY, PAGE, RW)?;
    let find = Row::measure("shmget_lookup_1", COUNT, || {
        shm_get(KEY, PAGE, GetFlags::empty()).map(|_| ())
    });
    let mut incoming = Incoming::new();
    let stat = Row::measure("shmctl_stat", COUNT, || {
        let (id, command) = (segment.id().raw(), ShmCommand::Stat as i32);
        shm_control(id, command, &[], &mut incoming).map(|_| ())
    });
    segment.remove()?;
    Ok([find?, stat?])
}

fn create_and_remove(id: &'static str, bytes: u64) -> Result<Row, Error> {
    Row::measure(id, COUNT, || Shm::create(ShmKey::PRIVATE, bytes, RW)?.remove())
}

/// Of segments that are promised no frames, since there may be fewer than the largest has pages.
fn attach_and_detach(id: &'static str, bytes: u64) -> Result<Row, Error> {
    let flags = GetFlags::NORESERVE.with_mode(RW);
    let segment = Shm::from_id(shm_get(ShmKey::PRIVATE, bytes, flags)?);
    let row = Row::measure(id, COUNT, || {
        shm_detach(shm_attach(segment.id(), 0, AttachFlags::empty())?)
    });
    segment.remove()?;
    row
}

/// The first write to each page of 1 MiB, zeroing included.
fn first_touch() -> Result<Row, Error> {
    let pages = MIB / PAGE;
    let segment = Shm::create(ShmKey::PRIVATE, MIB, RW)?;
    let attachment = segment.attach()?;
    let touch = || {
        for word in attachment.words().iter().step_by(512) {
            word.store(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let first = time(touch)?;
    let again = time(touch)?;
    drop(attachment);
    segment.remove()?;
    Ok(Row::new(
        "shm_first_touch_page",
        first.saturating_sub(again) / pages,
    ))
}

/// What a second attacher, the last detach and the removal of 64 MiB cost.
fn large() -> Result<[Row; 3], Error> {
    let bytes = 64 * MIB;
    let pages = bytes / PAGE;
    let segment = Shm::create(ShmKey::PRIVATE, bytes, RW)?;
    let read_all = |attachment: &rt::shm::Attachment| {
        time(|| {
            for word in attachment.words().iter().step_by(512) {
                core::hint::black_box(word.load(Ordering::Relaxed));
            }
            Ok(())
        })
    };
    let first = segment.attach()?;
    first
        .words()
        .iter()
        .step_by(512)
        .for_each(|word| word.store(1, Ordering::Relaxed));

    let mut cost_of_pages = 0;
    let second = time(|| {
        let second = segment.attach()?;
        read_all(&second)?;
        cost_of_pages = read_all(&second)?;
        second.detach()
    })?;
    let detach = time(|| first.detach())?;
    let remove = time(|| segment.remove())?;
    let second = second.saturating_sub(2 * cost_of_pages);
    Ok([
        Row::share("shm_second_read_64m_page", second, pages),
        Row::new("shm_detach_64m", detach),
        Row::new("shm_remove_page", remove / pages),
    ])
}
