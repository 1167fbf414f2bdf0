//! Removes shared memory segments: `ipcrm [-m SHMID | -M KEY]... | -a`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::Errno;
use abi::shm::{SHM_DEST, ShmId, ShmKey};
use alloc::format;
use alloc::vec::Vec;
use rt::shm::{self, Shm};
use rt::{Error, Failure, Outcome, Start};
use tools::names;
use tools::options::{Options, Usage, each};

const USAGE: Usage = Usage {
    line: "ipcrm [-m SHMID | -M KEY]... [SHMID...] | -a",
    letters: "m:M:a",
    help: "Removes shared memory segments; each goes when nobody has it attached any more.\n  -m  by identifier\n  \
           -M  by key\n  -a  all",
};

rt::program!(ipcrm);

fn ipcrm(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    if options.has('a') {
        return remove_all();
    }
    let mut which = Vec::new();
    for (letter, value) in options.iter() {
        which.push(named(letter, value)?);
    }
    for id in &options.operands {
        which.push(named('m', id)?);
    }
    if which.is_empty() {
        return Err(USAGE.failure("nothing is named"));
    }
    each(which, remove);
    Ok(())
}

/// A way to name a segment.
#[derive(Clone, Copy)]
enum Which {
    Id(ShmId),
    Key(ShmKey),
}

fn named(letter: char, text: &str) -> Result<Which, Failure> {
    let which = match letter {
        'M' => names::key(text).map(Which::Key),
        _ => names::segment(text).map(Which::Id),
    };
    which.map_err(|wrong| USAGE.failure(&wrong))
}

fn remove(which: Which) -> Outcome {
    let removed = match which {
        Which::Id(id) => Shm::from_id(id).remove(),
        Which::Key(key) => Shm::open(key).and_then(Shm::remove),
    };
    removed.map_err(|error| match (which, error) {
        (Which::Id(id), Error::Refused(Errno::EINVAL)) => {
            Failure::new(format!("ipcrm: invalid id ({}): nothing has it", id.raw()))
        }
        (Which::Key(key), Error::Refused(Errno::ENOENT)) => {
            Failure::new(format!("ipcrm: invalid key ({:#x}): nothing has it", key.0))
        }
        (Which::Id(id), Error::Refused(Errno::EPERM | Errno::EACCES)) => {
            Failure::new(format!("ipcrm: permission denied for id ({})", id.raw()))
        }
        (_, other) => other.into(),
    })
}

/// Those that are removed already, and attached still, are passed over.
fn remove_all() -> Outcome {
    for segment in shm::segments()? {
        let (id, state) = segment?;
        if state.shm_perm.mode & SHM_DEST == 0 {
            remove(Which::Id(id))?;
        }
    }
    Ok(())
}
