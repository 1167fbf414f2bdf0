//! More and more mappings of one process.

use super::{Round, Sweep};
use abi::layout::AREA_START;
use abi::memory::Protection;
use rt::sys::memory::{map, unmap};
use rt::{Error, hazard};

const COUNTS: [u64; 8] = [1, 3, 10, 30, 100, 300, 1000, 5000];
const TIMES: u64 = 1000;
const PAGE: u64 = abi::layout::PAGE_BYTES;
const RW: Protection = Protection::READ.union(Protection::WRITE);

/// Mapping, touching and unmapping while there are so many mappings of a page, a hole of a page behind each. The
/// kernel looks for room from there on, so what is larger than a hole has to go behind all of them.
pub fn measure() -> Result<(), Error> {
    let mut there = 0;
    for count in COUNTS {
        for number in there..count {
            map(place(number), PAGE, RW)?;
        }
        there = count;
        measure_among(count)?;
    }
    unmap(place(0), 2 * there * PAGE)
}

fn place(number: u64) -> u64 {
    AREA_START + 2 * number * PAGE
}

fn measure_among(count: u64) -> Result<(), Error> {
    let sweep = Sweep {
        name: "mappings",
        count,
    };
    let mut round = Round::of(count);
    sweep.measure("map+unmap-anywhere", TIMES, || {
        unmap(map(0, 2 * PAGE, RW)?, 2 * PAGE)
    })?;
    let replace = |address| {
        unmap(address, PAGE)
            .and_then(|()| map(address, PAGE, RW))
            .map(|_| ())
    };
    let replaced = sweep.measure("unmap+map-there", TIMES, || replace(place(round.next())))?;
    let touched = crate::measure::each(TIMES, || {
        let address = place(round.next());
        replace(address)?;
        hazard::write(address, 1);
        Ok(())
    })?;
    // What unmapping takes longer with a page is part of it.
    sweep.point("touch", touched.saturating_sub(replaced));
    Ok(())
}
