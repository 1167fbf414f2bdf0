//! The first program: found in the initrd, loaded by the kernel. All others are loaded by programs.

use crate::exit;
use crate::initrd;
use crate::machine::Machine;
use crate::start_log::StartLog;
use aarch64::mmu::direct_map;
use abi::layout::STACK_TOP;
use abi::memory::Map;
use abi::process::{InitStart, Pid};
use abi::{Errno, Handle, MessagePage, Request, Words};
use addr::{GRANULE, MemoryKind, Perms, VirtAddr};
use boards::{Board, MemoryRange};
use core::fmt;
use kcore::handle::Object;
use kcore::process::{FirstStart, Name};
use kcore::{Guarded, Kernel};
use loader::archive::{self, ArchiveError};
use loader::{LoadError, Segment};
use mm::mmu::Mmu;
use mm::{Access, Credential, Seconds, SpaceId};

/// The program that is started if bootarg `init=` names no other.
const DEFAULT: &str = "init";

/// Why there is no first program.
enum NoFirstProgram<'a> {
    NoInitrd,
    BadArchive(ArchiveError),
    NotFound(&'a str),
    BadName(&'a str),
    BadFile(&'a str, LoadError),
    Refused(&'static str, Errno),
}

/// Starts it. It is told where the archive is, and the kernel's command line. If it cannot be
/// started there is nothing else the kernel could do, so the machine ends, saying why.
pub fn start(kernel: &mut Kernel<Machine>, board: &Board, log: &mut StartLog) {
    let name = board.options().init().unwrap_or(DEFAULT);
    match load(kernel, board, name) {
        Ok(()) => log.say(format_args!("  first program: {name}")),
        Err(why) => exit::cannot_start(format_args!("{why}")),
    }
}

fn load<'a>(kernel: &mut Kernel<Machine>, board: &Board, name: &'a str) -> Result<(), NoFirstProgram<'a>> {
    let archive = initrd::place(board).ok_or(NoFirstProgram::NoInitrd)?;
    let file = find(archive, name)?;
    let plan = loader::plan(file).map_err(|error| NoFirstProgram::BadFile(name, error))?;
    let process_name = Name::new(name.as_bytes()).ok_or(NoFirstProgram::BadName(name))?;

    let (process, space) = kernel
        .new_process(process_name, Pid(0), Credential::ROOT)
        .map_err(refused("make a process"))?;
    for segment in plan.segments() {
        fill(kernel, space, segment).map_err(refused("load its file"))?;
    }
    map(kernel, space, Map::FIRST_STACK).map_err(refused("map its stack"))?;
    let start = map_archive(kernel, board, archive, space).map_err(refused("map the archive"))?;
    kernel.place_new(process, Handle::CONSOLE, Object::Console);
    kernel.place_new(process, Handle::PARENT, Object::System);
    let bytes = board.bootargs.as_str().as_bytes();
    kernel.start_first(
        process,
        &FirstStart {
            entry: plan.entry().raw(),
            stack: STACK_TOP,
            words: start.into_words(),
            bytes,
        },
    );
    Ok(())
}

fn refused<'a>(what: &'static str) -> impl Fn(Errno) -> NoFirstProgram<'a> {
    move |errno| NoFirstProgram::Refused(what, errno)
}

fn find(archive: MemoryRange, name: &str) -> Result<&'static [u8], NoFirstProgram<'_>> {
    // An address space of 64 bits has room for all of it.
    let bytes = archive.bytes() as usize;
    // SAFETY: The initrd is in the direct map for reading, its edges were cleared before, and nobody hands its
    // frames out.
    let bytes = unsafe { direct_map::constant_bytes(archive.start(), bytes) };
    let found = archive::find(bytes, archive::PROGRAMS, name).map_err(NoFirstProgram::BadArchive)?;
    found.ok_or(NoFirstProgram::NotFound(name))
}

fn map(kernel: &mut Kernel<Machine>, space: SpaceId, map: Map) -> Result<(), Errno> {
    let mut page = MessagePage::EMPTY;
    let request = (Map::LABEL, &map.into_words());
    kernel
        .memory
        .lock()
        .perform(request, space, &mut page, 0, None, Seconds(0))
        .map(|_| ())
}

/// Maps the pages of a segment and puts its bytes into them, by way of their frames.
fn fill(kernel: &mut Kernel<Machine>, space: SpaceId, segment: Segment<'_>) -> Result<(), Errno> {
    let start = segment.pages.start().start();
    let length = segment.pages.count().get() * GRANULE;
    map(kernel, space, Map::new(start.raw(), length, segment.protection))?;
    let mut at = start.raw() + segment.offset;
    let mut rest = segment.bytes;
    while !rest.is_empty() {
        let address = VirtAddr::new(at);
        let room = (GRANULE - address.offset()) as usize;
        let (part, behind) = rest.split_at(rest.len().min(room));
        let mut memory = kernel.memory.lock();
        memory
            .fault(space, address, Access::Read)
            .map_err(|_| Errno::ENOMEM)?;
        let (mmu, tables) = memory.mmu_space_mut(space).ok_or(Errno::ESRCH)?;
        let (frame, perms) = mmu.lookup(tables, address.page()).ok_or(Errno::EFAULT)?;
        direct_map::write(frame, address.offset() as usize, part);
        if perms.contains(Perms::EXECUTE) {
            mmu.publish_code(frame);
        }
        at += part.len() as u64;
        rest = behind;
    }
    Ok(())
}

fn map_archive(
    kernel: &mut Kernel<Machine>,
    board: &Board,
    archive: MemoryRange,
    space: SpaceId,
) -> Result<InitStart, Errno> {
    let frames = initrd::frames(board).ok_or(Errno::ENOENT)?;
    let start = kernel
        .memory
        .lock()
        .map_physical(space, frames, Perms::READ, MemoryKind::Normal)?;
    Ok(InitStart {
        archive: start.raw() + archive.start().offset(),
        archive_bytes: archive.bytes(),
    })
}

impl fmt::Display for NoFirstProgram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInitrd => f.write_str(
                "there is no initrd, and programs come in it; pass initrd.cpio with -initrd or initramfs",
            ),
            Self::BadArchive(error) => write!(f, "the initrd {error}"),
            Self::NotFound(name) => write!(f, "the initrd has no bin/{name}"),
            Self::BadName(name) => write!(f, "init={name} is no name for a process: 1 to 32 printable bytes"),
            Self::BadFile(name, error) => write!(f, "bin/{name} cannot be loaded: {error}"),
            Self::Refused(what, errno) => {
                write!(f, "the kernel could not {what} for the first program: {errno}")
            }
        }
    }
}
