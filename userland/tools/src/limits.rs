//! What `ipcs` shows of limits, and of what users have.

use abi::memory::UserUsage;
use abi::shm::ShmSetting;
use core::fmt;

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
