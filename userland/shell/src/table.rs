//! Lines of the lists that the shell prints.

use abi::memory::UserUsage;
use abi::shm::{Mode, SHM_DEST, SHM_LOCKED, ShmId, ShmSetting, ShmidDs};
use abi::system::ProcessFacts;
use core::fmt;

/// Heads the columns of [`SegmentLine`].
pub const SEGMENT_HEADER: &str = "key        shmid      owner      perms      bytes        nattch     status";

/// A segment as `ipcs -m` shows it elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct SegmentLine<'a> {
    /// Its identifier.
    pub id: ShmId,
    /// Its state.
    pub state: &'a ShmidDs,
}

impl fmt::Display for SegmentLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let perm = &self.state.shm_perm;
        write!(f, "{:#010x} {:<10} {:<10} ", perm.key, self.id.raw(), perm.uid)?;
        write!(f, "{:<10o} ", Mode::from_bits(perm.mode).bits())?;
        write!(f, "{:<12} {:<10}", self.state.shm_segsz, self.state.shm_nattch)?;
        for (flag, name) in [(SHM_DEST, " dest"), (SHM_LOCKED, " locked")] {
            if perm.mode & flag != 0 {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

/// Heads the columns of [`UsageLine`].
pub const USAGE_HEADER: &str = "user       segments   pages";

/// What a user has created that still exists.
#[derive(Clone, Copy, Debug)]
pub struct UsageLine {
    /// The user.
    pub uid: u32,
    /// Segments and pages.
    pub usage: UserUsage,
}

impl fmt::Display for UsageLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<10} {:<10} {}",
            self.uid, self.usage.segments, self.usage.pages
        )
    }
}

/// A limit or switch.
#[derive(Clone, Copy, Debug)]
pub struct SettingLine {
    /// Which.
    pub setting: ShmSetting,
    /// Its value.
    pub value: u64,
}

impl fmt::Display for SettingLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<16} ", self.setting.name())?;
        match (self.setting, self.value) {
            (ShmSetting::Shmall | ShmSetting::Shmuserall, u64::MAX) => write!(f, "{:>20}", "unlimited")?,
            (ShmSetting::Shmusermni, value) if value == u32::MAX.into() => write!(f, "{:>20}", "unlimited")?,
            (_, value) => write!(f, "{value:>20}")?,
        }
        write!(f, "  {}", meaning(self.setting))
    }
}

const fn meaning(setting: ShmSetting) -> &'static str {
    match setting {
        ShmSetting::Shmmni => "segments",
        ShmSetting::Shmmax => "bytes of a segment",
        ShmSetting::Shmall => "pages of all segments",
        ShmSetting::Shmseg => "attachments of a process",
        ShmSetting::Shmusermni => "segments that a user has created",
        ShmSetting::Shmuserall => "pages of these",
        ShmSetting::ShmRmidForced => "1: segments go with their last attachment",
    }
}

/// Heads the columns of [`ProcessLine`].
pub const PROCESS_HEADER: &str = "  pid parent state     mapped frames  asid name";

/// A process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessLine<'a> {
    /// What the system says about it.
    pub facts: &'a ProcessFacts,
    /// Its name.
    pub name: &'a str,
}

impl fmt::Display for ProcessLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.facts;
        write!(
            f,
            "{:>5} {:>6} {:<7} ",
            facts.pid.0,
            facts.parent.0,
            facts.state.name()
        )?;
        write!(f, "{:>8} {:>6} ", facts.mapped, facts.frames)?;
        match facts.asid {
            0 => write!(f, "    - {}", self.name),
            asid => write!(f, "{asid:>5} {}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{PROCESS_HEADER, ProcessLine, SEGMENT_HEADER, SegmentLine};
    use abi::process::Pid;
    use abi::shm::{IpcPerm, ShmId, ShmidDs};
    use abi::system::{ProcessFacts, ProcessState};
    use std::string::ToString;
    use std::vec::Vec;

    fn columns(line: &str) -> Vec<&str> {
        line.split_ascii_whitespace().collect()
    }

    #[test]
    fn a_segment_has_a_value_in_every_column() {
        let perm = IpcPerm {
            key: -1,
            uid: 7,
            mode: 0o1640,
            ..IpcPerm::default()
        };
        let state = ShmidDs {
            shm_perm: perm,
            shm_segsz: 4_194_304,
            shm_nattch: 2,
            ..ShmidDs::default()
        };
        let id = ShmId::from_raw(65536).expect("valid");
        let line = SegmentLine { id, state: &state }.to_string();
        assert_eq!(
            columns(&line),
            ["0xffffffff", "65536", "7", "640", "4194304", "2", "dest"]
        );
        assert_eq!(columns(SEGMENT_HEADER).len(), columns(&line).len());
        assert_eq!(SEGMENT_HEADER.find("nattch"), line.find("2     "));
        assert_eq!(SEGMENT_HEADER.find("status"), line.find("dest"));
    }

    #[test]
    fn a_process_has_a_value_in_every_column() {
        let facts = ProcessFacts {
            pid: Pid(12),
            parent: Pid(1),
            state: ProcessState::Waiting,
            mapped: 1234,
            frames: 56,
            asid: 0,
        };
        let line = ProcessLine {
            facts: &facts,
            name: "shell",
        }
        .to_string();
        assert_eq!(columns(&line), ["12", "1", "waiting", "1234", "56", "-", "shell"]);
        assert_eq!(columns(PROCESS_HEADER).len(), columns(&line).len());
        assert_eq!(PROCESS_HEADER.find("name"), line.find("shell"));
    }
}
