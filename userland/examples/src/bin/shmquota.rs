//! Limits how much shared memory a program creates: `shmquota BYTES PROGRAM [ARGUMENT...]`.
//!
//! The program has this one for a memory manager, which passes everything on but what would be too much. What the
//! program has created counts until it is destroyed, whoever uses it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::layout::PAGE_BYTES;
use abi::memory::{MemoryRequest, ReadShmSetting, RegionCreate, ShmControl, ShmGet, ShmIdArgument};
use abi::shm::{GetFlags, ShmCommand, ShmId, ShmKey, ShmSetting};
use abi::{Errno, Word, Words, Words6};
use alloc::format;
use alloc::vec::Vec;
use rt::interpose::{self, Asked, Memory};
use rt::{Error, Outcome, Start};
use tools::options::Usage;
use tools::{launch, size};

const USAGE: Usage = Usage {
    line: "shmquota BYTES PROGRAM [ARGUMENT...]",
    letters: "",
    help: "Runs a program that may have so many bytes of shared memory segments, as 64K or 4M, of its own making.\n\
           More is refused with ENOSPC, and so are segments without an identifier, as nobody could say when they are \
           gone.\nThe program cannot start others.",
};

rt::program!(shmquota);

fn shmquota(start: &Start) -> Outcome {
    let words = USAGE.words(start);
    let [limit, name, arguments @ ..] = &words[..] else {
        return Err(USAGE.failure("it takes a limit and a program"));
    };
    let limit = size::parse(limit).ok_or_else(|| USAGE.failure(&format!("{limit} is no number of bytes")))?;
    let command = launch::command(&USAGE, start, name, arguments)?;
    let mut quota = Quota {
        limit,
        created: Vec::new(),
    };
    let end = interpose::run(&command, |asked, memory| quota.answer(asked, memory))?;
    launch::end_as(name, end)
}

/// Bytes a program may have created, and what it has.
struct Quota {
    limit: u64,
    created: Vec<(ShmId, u64)>,
}

impl Quota {
    fn answer(&mut self, asked: &Asked<'_>, memory: &mut Memory) -> Result<Words6, Errno> {
        match MemoryRequest::decode(asked.label, &asked.words) {
            Ok(MemoryRequest::ShmGet(get)) => self.get(asked, get, memory),
            Ok(MemoryRequest::RegionCreate(RegionCreate { .. })) => Err(Errno::ENOSPC),
            _ => memory.forward(asked),
        }
    }

    /// As the kernel does it, but in two steps, so that it is known who creates.
    fn get(&mut self, asked: &Asked<'_>, get: ShmGet, memory: &mut Memory) -> Result<Words6, Errno> {
        let creates = get.key == ShmKey::PRIVATE || get.flags.contains(GetFlags::CREAT);
        loop {
            match find(asked, get, memory) {
                Err(Errno::ENOENT) if creates => {}
                found => return found,
            }
            match self.create(asked, get, memory) {
                // Somebody else was faster.
                Err(Errno::EEXIST) if !get.flags.contains(GetFlags::EXCL) => {}
                created => return created,
            }
        }
    }

    fn create(&mut self, asked: &Asked<'_>, get: ShmGet, memory: &mut Memory) -> Result<Words6, Errno> {
        let bytes = get
            .size
            .checked_next_multiple_of(PAGE_BYTES)
            .ok_or(Errno::EINVAL)?;
        if !self.has_room_after_all(bytes, memory) {
            return Err(refusal(get.size, memory));
        }
        let created = forward(asked, get, get.flags | GetFlags::CREAT | GetFlags::EXCL, memory)?;
        self.created.push((ShmId::from_word(created[0])?, bytes));
        Ok(created)
    }

    /// Whether there is room for so many bytes more, now that some segments may be gone.
    fn has_room_after_all(&mut self, bytes: u64, memory: &Memory) -> bool {
        if !self.has_room(bytes) {
            self.created.retain(|&(id, _)| exists(id, memory));
        }
        self.has_room(bytes)
    }

    fn has_room(&self, bytes: u64) -> bool {
        let used: u64 = self.created.iter().map(|(_, bytes)| bytes).sum();
        used.checked_add(bytes).is_some_and(|sum| sum <= self.limit)
    }
}

/// What exists, and `ENOENT` if nothing does.
fn find(asked: &Asked<'_>, get: ShmGet, memory: &mut Memory) -> Result<Words6, Errno> {
    if get.key == ShmKey::PRIVATE {
        return Err(Errno::ENOENT);
    }
    match forward(asked, get, get.flags.difference(GetFlags::CREAT), memory) {
        Err(Errno::ENOENT) => Err(Errno::ENOENT),
        _ if get.flags.contains(GetFlags::CREAT | GetFlags::EXCL) => Err(Errno::EEXIST),
        found => found,
    }
}

/// Passes `get` on with other flags.
fn forward(asked: &Asked<'_>, get: ShmGet, flags: GetFlags, memory: &mut Memory) -> Result<Words6, Errno> {
    let words = ShmGet { flags, ..get }.into_words();
    memory.forward(&Asked { words, ..*asked })
}

/// What is said of a segment that is too large. The kernel knows sizes that are too large for anybody.
fn refusal(size: u64, memory: &Memory) -> Errno {
    let setting = ShmSetting::Shmmax;
    match memory.call(ReadShmSetting { setting }) {
        Ok((most,)) if size > most => Errno::EINVAL,
        _ => Errno::ENOSPC,
    }
}

/// Whether a segment is there, if only until its last detach.
fn exists(id: ShmId, memory: &Memory) -> bool {
    let stat = ShmControl {
        id: ShmIdArgument(id.raw()),
        command: ShmCommand::Stat as i32,
    };
    !matches!(
        memory.call(stat),
        Err(Error::Refused(Errno::EINVAL | Errno::EIDRM))
    )
}
