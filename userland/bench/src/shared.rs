//! Shared memory segments.

use crate::measure::{Row, time};
use abi::memory::Protection;
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmKey};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use rt::shm::Shm;
use rt::sys::memory::{map, shm_attach, shm_control, shm_detach, shm_get, unmap};
use rt::{Error, Incoming, hazard};

const COUNT: u64 = 1000;
const PAGE: u64 = abi::layout::PAGE_BYTES;
const MIB: u64 = 1 << 20;
const KEY: ShmKey = ShmKey(0x6265_6e63);
const RW: Mode = Mode::from_bits(0o600);

/// Measures looking up, creating, attaching and touching them.
pub fn measure() -> Result<Vec<Row>, Error> {
    let mut rows = look_up()?.to_vec();
    rows.push(look_up_among_many()?);
    rows.push(create_and_remove("shm_create_remove_1p", PAGE)?);
    rows.push(create_and_remove("shm_create_remove_4m", 4 * MIB)?);
    rows.push(attach_and_detach("shm_attach_detach_1p", PAGE)?);
    rows.push(attach_and_detach("shm_attach_detach_64m", 64 * MIB)?);
    rows.push(attach_and_detach("shm_attach_detach_1g", 1024 * MIB)?);
    rows.push(first_touch()?);
    rows.extend(range()?);
    rows.push(first_touch_of_blocks()?);
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

/// One of 4,000 keys after the other.
fn look_up_among_many() -> Result<Row, Error> {
    let key = |number: u64| ShmKey(KEY.0 + number as i32);
    let segments = (0..4000).map(|number| Shm::create(key(number), PAGE, RW));
    let segments: Vec<Shm> = segments.collect::<Result<_, _>>()?;
    let mut number = 0;
    let row = Row::measure("shmget_lookup_4000", COUNT, || {
        number = (number + 1999) % segments.len() as u64;
        shm_get(key(number), PAGE, GetFlags::empty()).map(|_| ())
    });
    segments.into_iter().try_for_each(Shm::remove)?;
    row
}

/// Mapping 64 pages that somebody else has touched, and unmapping them: attach, read all, and detach.
fn range() -> Result<[Row; 2], Error> {
    const PAGES: u64 = 64;
    const ROUNDS: u64 = 100;
    let segment = Shm::create(ShmKey::PRIVATE, PAGES * PAGE, RW)?;
    let first = segment.attach()?;
    touch(&first);
    let [mut map, mut unmap] = [0; 2];
    for _ in 0..ROUNDS {
        let mut again = 0;
        let whole = time(|| {
            let attachment = segment.attach()?;
            touch(&attachment);
            again = time(|| {
                touch(&attachment);
                Ok(())
            })?;
            unmap += time(|| attachment.detach())?;
            Ok(())
        })?;
        map += whole.saturating_sub(2 * again);
    }
    drop(first);
    segment.remove()?;
    let pages = ROUNDS * PAGES;
    Ok([
        Row::share("map_range_page", map - unmap, pages),
        Row::share("unmap_range_page", unmap, pages),
    ])
}

/// Writes to all pages.
fn touch(attachment: &rt::shm::Attachment) {
    for word in attachment.words().iter().step_by(512) {
        word.store(1, Ordering::Relaxed);
    }
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

/// Touches as much memory as the kernel ever zeroes ahead (16 MiB), so that what is touched next has to be zeroed
/// first. Since no CPU is idle while this program runs, it stays so.
fn use_up_zeroed_frames() -> Result<(), Error> {
    const BYTES: u64 = 16 * MIB;
    let address = map(0, BYTES, Protection::READ | Protection::WRITE)?;
    (0..BYTES / PAGE).for_each(|page| hazard::write(address + page * PAGE, 1));
    unmap(address, BYTES)
}

/// The first write to each page of 1 MiB, zeroing included.
fn first_touch() -> Result<Row, Error> {
    use_up_zeroed_frames()?;
    let pages = MIB / PAGE;
    let segment = Shm::create(ShmKey::PRIVATE, MIB, RW)?;
    let attachment = segment.attach()?;
    let touch_all = || {
        touch(&attachment);
        Ok(())
    };
    let first = time(touch_all)?;
    let again = time(touch_all)?;
    drop(attachment);
    segment.remove()?;
    Ok(Row::new(
        "shm_first_touch_page",
        first.saturating_sub(again) / pages,
    ))
}

/// The first write to each block of 16 MiB, zeroing included.
fn first_touch_of_blocks() -> Result<Row, Error> {
    const BYTES: u64 = 16 * MIB;
    const BLOCK: u64 = 2 * MIB;
    let flags = GetFlags::CREAT | GetFlags::HUGETLB;
    let segment = Shm::from_id(shm_get(ShmKey::PRIVATE, BYTES, flags.with_mode(RW))?);
    let attachment = segment.attach()?;
    let touch = || {
        for word in attachment.words().iter().step_by((BLOCK / 8) as usize) {
            word.store(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let first = time(touch)?;
    let again = time(touch)?;
    drop(attachment);
    segment.remove()?;
    Ok(Row::new(
        "shm_block_first_touch",
        first.saturating_sub(again) / (BYTES / BLOCK),
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
    touch(&first);

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
