//! Calls of System V shared memory as `strace` shows them: `shmget(0x1267, 4096, IPC_CREAT|0600) = 0`.

use abi::memory::{ShmAttach, ShmControl, ShmDetach, ShmGet};
use abi::shm::{
    AttachFlags, GetFlags, IpcPerm, Mode, ShmCommand, ShmInfoLimits, ShmInfoTotals, ShmKey, ShmidDs,
};
use abi::{Errno, Label, Request, Words6};
use core::fmt::{self, Display, Formatter};
use zerocopy::FromBytes;

/// A call and its result. It is shown as it was made, whether it makes sense or not.
#[derive(Clone, Copy, Debug)]
pub struct ShmCall<'a> {
    function: Function,
    words: Words6,
    sent: &'a [u8],
    answer: Result<Words6, Errno>,
    received: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Function {
    Get,
    Attach,
    Detach,
    Control,
}

impl<'a> ShmCall<'a> {
    /// What a message to a memory manager asks, with the bytes sent; `None` if it is about anything else. `answer`
    /// and the bytes received are what came back.
    pub fn new(
        (label, words, sent): (Label, Words6, &'a [u8]),
        (answer, received): (Result<Words6, Errno>, &'a [u8]),
    ) -> Option<Self> {
        let function = match label {
            ShmGet::LABEL => Function::Get,
            ShmAttach::LABEL => Function::Attach,
            ShmDetach::LABEL => Function::Detach,
            ShmControl::LABEL => Function::Control,
            _ => return None,
        };
        Some(Self {
            function,
            words,
            sent,
            answer,
            received,
        })
    }

    fn arguments(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [one, two, three, ..] = self.words;
        match self.function {
            Function::Get => write!(
                f,
                "shmget({}, {two}, {})",
                Key(int(one)),
                Flags::of_get(three as u32)
            ),
            Function::Attach => {
                let (id, address) = (int(one), Address(two));
                write!(f, "shmat({id}, {address}, {})", Flags::of_attach(three as u32))
            }
            Function::Detach => write!(f, "shmdt({})", Address(one)),
            Function::Control => self.control(f, int(one), int(two)),
        }
    }

    fn control(&self, f: &mut Formatter<'_>, id: i32, number: i32) -> fmt::Result {
        let Ok(command) = ShmCommand::decode(number) else {
            return write!(f, "shmctl({id}, {number:#x}, ...)");
        };
        write!(f, "shmctl({id}, {}, ", name(command))?;
        match command {
            ShmCommand::Remove | ShmCommand::Lock | ShmCommand::Unlock => f.write_str("NULL")?,
            ShmCommand::Set => structure(f, self.sent, settable)?,
            ShmCommand::Stat | ShmCommand::StatIndex | ShmCommand::StatAny => {
                structure(f, self.received, state)?;
            }
            ShmCommand::Limits => structure(f, self.received, limits)?,
            ShmCommand::Totals => structure(f, self.received, totals)?,
        }
        f.write_str(")")
    }
}

impl Display for ShmCall<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.arguments(f)?;
        match (self.answer, self.function) {
            (Ok(words), Function::Attach) => write!(f, " = {:#x}", words[0]),
            (Ok(_), Function::Detach) => f.write_str(" = 0"),
            (Ok(words), Function::Get | Function::Control) => write!(f, " = {}", words[0]),
            (Err(errno), _) => {
                let meaning = errno.meaning().trim_end_matches('.');
                write!(f, " = -1 {} ({meaning})", errno.name())
            }
        }
    }
}

/// A C `int` in a register.
fn int(word: u64) -> i32 {
    word as u32 as i32
}

fn name(command: ShmCommand) -> &'static str {
    match command {
        ShmCommand::Remove => "IPC_RMID",
        ShmCommand::Set => "IPC_SET",
        ShmCommand::Stat => "IPC_STAT",
        ShmCommand::Limits => "IPC_INFO",
        ShmCommand::Lock => "SHM_LOCK",
        ShmCommand::Unlock => "SHM_UNLOCK",
        ShmCommand::StatIndex => "SHM_STAT",
        ShmCommand::Totals => "SHM_INFO",
        ShmCommand::StatAny => "SHM_STAT_ANY",
    }
}

struct Key(i32);

impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match ShmKey(self.0) {
            ShmKey::PRIVATE => f.write_str("IPC_PRIVATE"),
            ShmKey(key) => write!(f, "{key:#x}"),
        }
    }
}

struct Address(u64);

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("NULL"),
            address => write!(f, "{address:#x}"),
        }
    }
}

/// Flags as C writes them: names, what has none, and for `shmget` the mode.
struct Flags {
    bits: u32,
    names: &'static [(u32, &'static str)],
    mode: Option<Mode>,
}

impl Flags {
    fn of_get(bits: u32) -> Self {
        const NAMES: &[(u32, &str)] = &[
            (GetFlags::CREAT.bits(), "IPC_CREAT"),
            (GetFlags::EXCL.bits(), "IPC_EXCL"),
            (GetFlags::HUGETLB.bits(), "SHM_HUGETLB"),
            (GetFlags::NORESERVE.bits(), "SHM_NORESERVE"),
        ];
        let mode = Mode::from_bits(bits);
        Self {
            bits: bits & !mode.bits(),
            names: NAMES,
            mode: Some(mode),
        }
    }

    fn of_attach(bits: u32) -> Self {
        const NAMES: &[(u32, &str)] = &[
            (AttachFlags::RDONLY.bits(), "SHM_RDONLY"),
            (AttachFlags::RND.bits(), "SHM_RND"),
            (AttachFlags::REMAP.bits(), "SHM_REMAP"),
            (AttachFlags::EXEC.bits(), "SHM_EXEC"),
        ];
        Self {
            bits,
            names: NAMES,
            mode: None,
        }
    }
}

impl Display for Flags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (mut between, mut rest) = ("", self.bits);
        for (bit, name) in self.names.iter().filter(|(bit, _)| self.bits & bit != 0) {
            write!(f, "{between}{name}")?;
            (between, rest) = ("|", rest & !bit);
        }
        if rest != 0 {
            write!(f, "{between}{rest:#x}")?;
            between = "|";
        }
        match self.mode {
            Some(mode) if mode.bits() != 0 => write!(f, "{between}0{:o}", mode.bits()),
            _ if between.is_empty() => f.write_str("0"),
            _ => Ok(()),
        }
    }
}

/// A structure that C passes by address; dots if there is none, as after a failure.
fn structure<T: FromBytes>(
    f: &mut Formatter<'_>,
    bytes: &[u8],
    show: fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    match T::read_from_bytes(bytes) {
        Ok(structure) => show(f, &structure),
        Err(_) => f.write_str("..."),
    }
}

fn state(f: &mut Formatter<'_>, state: &ShmidDs) -> fmt::Result {
    let IpcPerm {
        key,
        uid,
        gid,
        cuid,
        cgid,
        mode,
        ..
    } = state.shm_perm;
    write!(
        f,
        "{{shm_perm={{uid={uid}, gid={gid}, mode=0{mode:o}, key={}, ",
        Key(key)
    )?;
    write!(f, "cuid={cuid}, cgid={cgid}}}, shm_segsz={}, ", state.shm_segsz)?;
    write!(f, "shm_cpid={}, shm_lpid={}, ", state.shm_cpid, state.shm_lpid)?;
    write!(
        f,
        "shm_nattch={}, shm_atime={}, ",
        state.shm_nattch, state.shm_atime
    )?;
    write!(
        f,
        "shm_dtime={}, shm_ctime={}}}",
        state.shm_dtime, state.shm_ctime
    )
}

/// What `IPC_SET` sets.
fn settable(f: &mut Formatter<'_>, state: &ShmidDs) -> fmt::Result {
    let IpcPerm { uid, gid, mode, .. } = state.shm_perm;
    write!(f, "{{shm_perm={{uid={uid}, gid={gid}, mode=0{mode:o}}}, ...}}")
}

fn limits(f: &mut Formatter<'_>, limits: &ShmInfoLimits) -> fmt::Result {
    let ShmInfoLimits {
        shmmax,
        shmmin,
        shmmni,
        shmseg,
        shmall,
        ..
    } = limits;
    write!(
        f,
        "{{shmmax={shmmax}, shmmin={shmmin}, shmmni={shmmni}, shmseg={shmseg}, shmall={shmall}}}"
    )
}

fn totals(f: &mut Formatter<'_>, totals: &ShmInfoTotals) -> fmt::Result {
    let ShmInfoTotals {
        used_ids,
        shm_tot,
        shm_rss,
        shm_swp,
        swap_attempts,
        swap_successes,
        ..
    } = totals;
    write!(
        f,
        "{{used_ids={used_ids}, shm_tot={shm_tot}, shm_rss={shm_rss}, shm_swp={shm_swp}, "
    )?;
    write!(
        f,
        "swap_attempts={swap_attempts}, swap_successes={swap_successes}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::ShmCall;
    use abi::shm::{IpcPerm, ShmidDs};
    use abi::{Errno, Label, Words6};
    use alloc::string::{String, ToString};
    use zerocopy::IntoBytes;

    const GET: Label = Label(0x200);
    const ATTACH: Label = Label(0x201);
    const DETACH: Label = Label(0x202);
    const CONTROL: Label = Label(0x203);

    fn shown(label: Label, words: [u64; 3], answer: Result<u64, Errno>, received: &[u8]) -> String {
        let words: Words6 = [words[0], words[1], words[2], 0, 0, 0];
        let answer = answer.map(|word| [word, 0, 0, 0, 0, 0]);
        let call = ShmCall::new((label, words, &[]), (answer, received));
        call.expect("a call of shared memory").to_string()
    }

    #[test]
    fn calls_are_written_as_in_c() {
        let get = shown(GET, [0x1267, 4096, 0o1600], Ok(7), &[]);
        assert_eq!(get, "shmget(0x1267, 4096, IPC_CREAT|0600) = 7");
        let attach = shown(ATTACH, [7, 0, 0o10000], Ok(0x10_0000_0000), &[]);
        assert_eq!(attach, "shmat(7, NULL, SHM_RDONLY) = 0x1000000000");
        let at = shown(ATTACH, [7, 0x5000, 0], Ok(0x5000), &[]);
        assert_eq!(at, "shmat(7, 0x5000, 0) = 0x5000");
        assert_eq!(shown(DETACH, [0x5000, 0, 0], Ok(0), &[]), "shmdt(0x5000) = 0");
        let remove = shown(CONTROL, [7, 0, 0], Ok(0), &[]);
        assert_eq!(remove, "shmctl(7, IPC_RMID, NULL) = 0");
    }

    #[test]
    fn errors_have_names() {
        let get = shown(GET, [0, 0, 0o3000], Err(Errno::EINVAL), &[]);
        assert_eq!(
            get,
            "shmget(IPC_PRIVATE, 0, IPC_CREAT|IPC_EXCL) = -1 EINVAL (An argument makes no sense)"
        );
        let stat = shown(CONTROL, [9, 2, 0], Err(Errno::EINVAL), &[]);
        assert_eq!(
            stat,
            "shmctl(9, IPC_STAT, ...) = -1 EINVAL (An argument makes no sense)"
        );
    }

    #[test]
    fn what_makes_no_sense_is_shown_as_it_is() {
        let get = shown(GET, [u64::MAX, 1, 0o600 | 1 << 20], Ok(1), &[]);
        assert_eq!(get, "shmget(0xffffffff, 1, 0x100000|0600) = 1");
        let control = shown(CONTROL, [u64::MAX, 77, 0], Err(Errno::EINVAL), &[]);
        assert!(control.starts_with("shmctl(-1, 0x4d, ...) = -1"), "{control}");
    }

    #[test]
    fn structures_are_shown_field_by_field() {
        let shm_perm = IpcPerm {
            key: 0x1267,
            uid: 1,
            mode: 0o1640,
            ..IpcPerm::default()
        };
        let state = ShmidDs {
            shm_perm,
            shm_segsz: 5000,
            shm_nattch: 2,
            ..ShmidDs::default()
        };
        let text = shown(CONTROL, [7, 2, 0], Ok(0), state.as_bytes());
        let start = "shmctl(7, IPC_STAT, {shm_perm={uid=1, gid=0, mode=01640, key=0x1267, cuid=0, ";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("shm_segsz=5000, "), "{text}");
        assert!(text.ends_with("shm_ctime=0}) = 0"), "{text}");
    }

    #[test]
    fn other_requests_are_no_calls_of_shared_memory() {
        let call = ShmCall::new((Label(0x204), [0; 6], &[]), (Ok([0; 6]), &[]));
        assert!(call.is_none());
    }
}
