//! shmctl, IPC_STAT and IPC_SET: section C.

use crate::expect::{CREAT, KEY, PAGE, RW, Temporary, equal, holds, never_issued, refused};
use crate::{Rule, alone};
use abi::Errno;
use abi::memory::{ShmControl, ShmIdArgument};
use abi::shm::{SHM_DEST, SHM_LOCKED, ShmCommand, ShmidDs};
use abi::{BUFFER_BYTES, Handle};
use alloc::format;
use rt::sys::memory::shm_control;
use rt::{Incoming, Outcome, call};

pub const RULES: &[Rule] = &[
    alone(&["C-01", "C-02", "C-03"], a_segment_is_described),
    alone(&["H-07", "H-12"], what_has_no_meaning_is_zero),
    alone(&["C-09"], unknown_commands_and_identifiers_are_refused),
    alone(
        &["C-20", "C-21", "C-22", "C-23"],
        only_owner_group_and_mode_are_set,
    ),
    alone(&["C-27"], setting_needs_a_structure_before_an_identifier),
    alone(&["C-30"], a_removed_segment_stays_removed_when_it_is_set),
    alone(&["L-01", "L-02", "L-03", "L-07", "L-09"], locks_do_not_nest),
];

fn a_segment_is_described() -> Outcome {
    let segment = Temporary::get(KEY, 100, CREAT)?;
    let state = segment.stat()?;
    equal("key", state.shm_perm.key, KEY.0)?;
    equal("shm_segsz", state.shm_segsz, 100)?;
    equal("mode", state.shm_perm.mode, RW.bits())?;
    equal("seq", u32::from(state.shm_perm.seq), segment.id().sequence())
}

fn what_has_no_meaning_is_zero() -> Outcome {
    let state = Temporary::private(1)?.stat()?;
    equal("reserved words", state.reserved, [0; 2])?;
    equal("padding", state.shm_perm.pad, [0; 3])?;
    equal("reserved words", state.shm_perm.reserved, [0; 2])?;
    equal("upper half of mode", state.shm_perm.mode >> 16, 0)
}

fn unknown_commands_and_identifiers_are_refused() -> Outcome {
    let segment = Temporary::private(1)?;
    let mut incoming = Incoming::new();
    let bytes = [0; BUFFER_BYTES];
    for command in [-1, 4, 10, 99, i32::MAX, i32::MIN] {
        let done = shm_control(segment.id().raw(), command, &bytes, &mut incoming);
        refused(&format!("command {command}"), done, Errno::EINVAL)?;
    }
    for id in [-1, i32::MIN, never_issued().raw()] {
        let done = shm_control(id, ShmCommand::Stat as i32, &[], &mut incoming);
        refused(&format!("identifier {id}"), done, Errno::EINVAL)?;
    }
    Ok(())
}

fn only_owner_group_and_mode_are_set() -> Outcome {
    let segment = Temporary::get(KEY, 100, CREAT)?;
    let before = segment.stat()?;
    let mut wanted = ShmidDs {
        shm_segsz: 1,
        shm_nattch: 9,
        shm_cpid: 9,
        ..before
    };
    wanted.shm_perm.uid = 1000;
    wanted.shm_perm.gid = 100;
    wanted.shm_perm.mode = 0o7640;
    wanted.shm_perm.key = 1;
    wanted.shm_perm.cuid = 1000;
    segment.set(&wanted)?;

    let after = segment.stat()?;
    equal("owner", [after.shm_perm.uid, after.shm_perm.gid], [1000, 100])?;
    equal("mode", after.shm_perm.mode, 0o640)?;
    holds(after.shm_ctime >= before.shm_ctime, || {
        "shm_ctime went back".into()
    })?;
    let mut expected = before;
    expected.shm_perm.uid = 1000;
    expected.shm_perm.gid = 100;
    expected.shm_perm.mode = 0o640;
    expected.shm_ctime = after.shm_ctime;
    equal("everything else", after, expected)
}

fn setting_needs_a_structure_before_an_identifier() -> Outcome {
    let segment = Temporary::private(1)?;
    let command = ShmCommand::Set as i32;
    for id in [segment.id(), never_issued()] {
        let request = ShmControl {
            id: ShmIdArgument(id.raw()),
            command,
        };
        refused(
            "without a structure",
            call(Handle::MEMORY, request),
            Errno::EFAULT,
        )?;
    }
    Ok(())
}

fn a_removed_segment_stays_removed_when_it_is_set() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let attachment = segment.attach()?;
    segment.remove()?;
    let mut state = segment.stat()?;
    state.shm_perm.mode = 0o644;
    segment.set(&state)?;
    equal("mode", segment.stat()?.shm_perm.mode, SHM_DEST | 0o644)?;
    attachment.detach().map_err(Into::into)
}

fn locks_do_not_nest() -> Outcome {
    let segment = Temporary::private(PAGE)?;
    let before = segment.stat()?;
    let mut incoming = Incoming::new();
    let mut send = |command: ShmCommand, id: i32| shm_control(id, command as i32, &[], &mut incoming);
    let id = segment.id().raw();
    send(ShmCommand::Unlock, id)?;
    send(ShmCommand::Lock, id)?;
    send(ShmCommand::Lock, id)?;
    equal("mode", segment.stat()?.shm_perm.mode, SHM_LOCKED | RW.bits())?;
    send(ShmCommand::Unlock, id)?;
    equal("the state", segment.stat()?, before)?;
    let nothing = send(ShmCommand::Lock, never_issued().raw());
    refused("locking nothing", nothing, Errno::EINVAL)
}
