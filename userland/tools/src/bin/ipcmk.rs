//! Makes a shared memory segment: `ipcmk -M SIZE [-p MODE]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use abi::Errno;
use abi::shm::{Mode, ShmKey};
use rt::shm::Shm;
use rt::time::Instant;
use rt::{Error, Outcome, Start, println};
use tools::options::{Options, Usage};
use tools::size;

const USAGE: Usage = Usage {
    line: "ipcmk -M SIZE [-p MODE]",
    letters: "M:p:",
    help: "Makes a shared memory segment with a key of its own.\n  -M  its size, 64K for instance\n  -p  permissions, 0644 \
           if there are none",
};

rt::program!(ipcmk);

fn ipcmk(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    let size = options
        .value('M')
        .ok_or_else(|| USAGE.failure("the size is missing"))?;
    let bytes = size::parse(size).ok_or_else(|| USAGE.failure("that is no size"))?;
    let mode = u32::from_str_radix(options.value('p').unwrap_or("644"), 8).ok();
    let mode = mode.filter(|&mode| mode <= 0o777);
    let mode = mode.ok_or_else(|| USAGE.failure("permissions are up to 777, octal"))?;
    let segment = create(bytes, Mode::from_bits(mode))?;
    println!("Shared memory id: {}", segment.id().raw());
    Ok(())
}

/// With a key that nobody has: the counter is never twice the same.
fn create(bytes: u64, mode: Mode) -> Result<Shm, Error> {
    loop {
        let now = Instant::now().since_start().as_nanos();
        let key = ShmKey((now & 0x7fff_ffff) as i32 | 1);
        match Shm::create(key, bytes, mode) {
            Err(Error::Refused(Errno::EEXIST)) => {}
            created_or_error => return created_or_error,
        }
    }
}
