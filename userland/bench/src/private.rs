//! Private pages.

use crate::measure::Row;
use abi::memory::Protection;
use rt::sys::memory::{map, unmap};
use rt::{Error, hazard};

const COUNT: u64 = 1000;
const PAGE: u64 = abi::layout::PAGE_BYTES;

/// Measures mapping, touching and unmapping one.
pub fn measure() -> Result<[Row; 1], Error> {
    let row = Row::measure("anon_map_touch_unmap", COUNT, || {
        let address = map(0, PAGE, Protection::READ | Protection::WRITE)?;
        hazard::write(address, 1);
        unmap(address, PAGE)
    })?;
    Ok([row])
}
