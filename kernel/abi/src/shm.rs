//! Shared memory: the types, flags and structures of POSIX `sys/shm.h` and `sys/ipc.h`.
//!
//! Values and layouts are those of Linux on AArch64, so that C programs compiled for it agree.

use crate::request::numbered;
use crate::{Errno, Word};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The name by which unrelated processes find a segment (`key_t`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct ShmKey(pub i32);

impl ShmKey {
    /// `IPC_PRIVATE`: always a new segment that no key finds.
    pub const PRIVATE: Self = Self(0);
}

impl Word for ShmKey {
    fn into_word(self) -> u64 {
        self.0.into_word()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        i32::from_word(word).map(Self)
    }
}

/// A segment's identifier: `sequence * 32768 + index`, never negative.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct ShmId(i32);

impl ShmId {
    /// Bits of an identifier that are the index.
    pub const INDEX_BITS: u32 = 15;
    /// How many sequence numbers there are before they start over.
    pub const SEQUENCES: u32 = 1 << (31 - Self::INDEX_BITS);

    /// The identifier of slot `index` in its `sequence`-th use; both are cut to their bits.
    pub const fn from_parts(index: u32, sequence: u32) -> Self {
        let index = index & ((1 << Self::INDEX_BITS) - 1);
        let sequence = sequence % Self::SEQUENCES;
        Self((sequence << Self::INDEX_BITS | index).cast_signed())
    }

    /// An identifier as a program wrote it; `None` if negative.
    pub const fn from_raw(raw: i32) -> Option<Self> {
        if raw < 0 { None } else { Some(Self(raw)) }
    }

    /// As a C `int`.
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// Place in the region table.
    pub const fn index(self) -> u32 {
        self.0.cast_unsigned() & ((1 << Self::INDEX_BITS) - 1)
    }

    /// Which use of that place.
    pub const fn sequence(self) -> u32 {
        self.0.cast_unsigned() >> Self::INDEX_BITS
    }
}

impl Word for ShmId {
    fn into_word(self) -> u64 {
        self.0.into_word()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        i32::from_word(word)
            .ok()
            .and_then(Self::from_raw)
            .ok_or(Errno::EINVAL)
    }
}

macro_rules! flags {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])* $flag:ident = $value:literal;)* }) => {
        bitflags::bitflags! {
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Eq, Debug)]
            pub struct $name: u32 {
                $($(#[doc = $doc])* const $flag = $value;)*
                // Unknown bits are kept and ignored, as Linux does.
                const _ = !0;
            }
        }

        impl Word for $name {
            fn into_word(self) -> u64 {
                self.bits().into()
            }

            fn from_word(word: u64) -> Result<Self, Errno> {
                i32::from_word(word).map(|flags| Self::from_bits_retain(flags.cast_unsigned()))
            }
        }
    };
}

flags! {
    /// `shmflg` of `shmget`: nine mode bits and these.
    GetFlags {
        /// `IPC_CREAT`: create if the key has no segment.
        CREAT = 0o1000;
        /// `IPC_EXCL`: with `IPC_CREAT`, fail if it has.
        EXCL = 0o2000;
        /// `SHM_HUGETLB`: use 2 MiB blocks.
        HUGETLB = 0o4000;
        /// `SHM_NORESERVE`: promise no frames.
        NORESERVE = 0o10000;
        /// `SHM_HUGE_2MB`, with `SHM_HUGETLB`: log2 of the block's bytes in the highest six bits. It is also
        /// what no such bit stands for.
        HUGE_2MB = 0x5400_0000;
    }
}

impl GetFlags {
    /// These flags with mode bits.
    pub const fn with_mode(self, mode: Mode) -> Self {
        Self::from_bits_retain(self.bits() | mode.0)
    }

    /// The mode bits.
    pub const fn mode(self) -> Mode {
        Mode::from_bits(self.bits())
    }

    /// log2 of the bytes of a block, 0 for the usual size (`SHM_HUGE_SHIFT`).
    pub const fn block_shift(self) -> u32 {
        self.bits() >> 26
    }
}

flags! {
    /// `shmflg` of `shmat`.
    AttachFlags {
        /// `SHM_RDONLY`: no stores.
        RDONLY = 0o10000;
        /// `SHM_RND`: round the address down to a multiple of `SHMLBA`.
        RND = 0o20000;
        /// `SHM_REMAP`: replace what is mapped there.
        REMAP = 0o40000;
        /// `SHM_EXEC`: allow instruction fetches (and, on Granule, no stores).
        EXEC = 0o100000;
    }
}

/// The nine permission bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode(u32);

impl Mode {
    /// The low nine bits of `bits`.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & 0o777)
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// Mode flag in [`IpcPerm::mode`]: removed, goes with its last attachment (`SHM_DEST`).
pub const SHM_DEST: u32 = 0o1000;
/// Mode flag in [`IpcPerm::mode`]: locked in memory (`SHM_LOCKED`).
pub const SHM_LOCKED: u32 = 0o2000;

/// Commands of `shmctl`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum ShmCommand {
    /// `IPC_RMID`: remove the segment.
    Remove = 0,
    /// `IPC_SET`: set owner, group and mode from a [`ShmidDs`].
    Set = 1,
    /// `IPC_STAT`: read a [`ShmidDs`].
    Stat = 2,
    /// `IPC_INFO`: read the limits, a [`ShmInfoLimits`].
    Limits = 3,
    /// `SHM_LOCK`.
    Lock = 11,
    /// `SHM_UNLOCK`.
    Unlock = 12,
    /// `SHM_STAT`: as `IPC_STAT`, by index; answers the identifier.
    StatIndex = 13,
    /// `SHM_INFO`: read the totals, a [`ShmInfoTotals`].
    Totals = 14,
    /// `SHM_STAT_ANY`: as `SHM_STAT`, whatever the mode.
    StatAny = 15,
}

impl ShmCommand {
    /// The command with this number.
    ///
    /// # Errors
    /// `EINVAL` if there is none.
    pub const fn decode(number: i32) -> Result<Self, Errno> {
        Ok(match number {
            0 => Self::Remove,
            1 => Self::Set,
            2 => Self::Stat,
            3 => Self::Limits,
            11 => Self::Lock,
            12 => Self::Unlock,
            13 => Self::StatIndex,
            14 => Self::Totals,
            15 => Self::StatAny,
            _ => return Err(Errno::EINVAL),
        })
    }
}

/// A limit or switch of shared memory. Bootargs set them too, by the same names in small letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum ShmSetting {
    /// `shmmni`: most segments.
    Shmmni = 1,
    /// `shmmax`: most bytes of a segment.
    Shmmax = 2,
    /// `shmall`: most pages of all segments together.
    Shmall = 3,
    /// `shmseg`: most attachments of a process.
    Shmseg = 4,
    /// `shmusermni`: most segments that a user other than 0 has created.
    Shmusermni = 5,
    /// `shmuserall`: most pages of these together.
    Shmuserall = 6,
    /// `shm_rmid_forced`: 1 if a segment goes when it is detached for the last time, or with its creator
    /// if it was never attached; 0 if it stays until it is removed.
    ShmRmidForced = 7,
}

numbered!(
    ShmSetting: Shmmni, Shmmax, Shmall, Shmseg, Shmusermni, Shmuserall, ShmRmidForced,
);

impl ShmSetting {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Shmmni,
        Self::Shmmax,
        Self::Shmall,
        Self::Shmseg,
        Self::Shmusermni,
        Self::Shmuserall,
        Self::ShmRmidForced,
    ];

    /// What bootargs call it, and people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shmmni => "shmmni",
            Self::Shmmax => "shmmax",
            Self::Shmall => "shmall",
            Self::Shmseg => "shmseg",
            Self::Shmusermni => "shmusermni",
            Self::Shmuserall => "shmuserall",
            Self::ShmRmidForced => "shm_rmid_forced",
        }
    }
}

/// Owner and permissions of a segment (`struct ipc_perm`, 48 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct IpcPerm {
    /// Key, 0 once removed.
    pub key: i32,
    /// Owner's user.
    pub uid: u32,
    /// Owner's group.
    pub gid: u32,
    /// Creator's user.
    pub cuid: u32,
    /// Creator's group.
    pub cgid: u32,
    /// Nine mode bits, [`SHM_DEST`], [`SHM_LOCKED`].
    pub mode: u32,
    /// Sequence number of the identifier.
    pub seq: u16,
    /// Zero.
    pub pad: [u16; 3],
    /// Zero.
    pub reserved: [u64; 2],
}

/// State of a segment (`struct shmid_ds`, 112 bytes). Times are seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ShmidDs {
    /// Owner and permissions.
    pub shm_perm: IpcPerm,
    /// Size in bytes, as asked for.
    pub shm_segsz: u64,
    /// Last attach, 0 if never.
    pub shm_atime: i64,
    /// Last detach, 0 if never.
    pub shm_dtime: i64,
    /// Creation or last `IPC_SET`.
    pub shm_ctime: i64,
    /// Creator.
    pub shm_cpid: i32,
    /// Who attached or detached last, 0 if nobody did.
    pub shm_lpid: i32,
    /// Attachments.
    pub shm_nattch: u64,
    /// Zero.
    pub reserved: [u64; 2],
}

/// Limits in force (`struct shminfo`, 72 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ShmInfoLimits {
    /// Most bytes of a segment.
    pub shmmax: u64,
    /// Fewest bytes of a segment: 1.
    pub shmmin: u64,
    /// Most segments.
    pub shmmni: u64,
    /// Most attachments of a process.
    pub shmseg: u64,
    /// Most pages of all segments together.
    pub shmall: u64,
    /// Zero.
    pub reserved: [u64; 4],
}

/// Totals (`struct shm_info`, 48 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ShmInfoTotals {
    /// Segments.
    pub used_ids: i32,
    /// Zero.
    pub pad: i32,
    /// Pages of all segments.
    pub shm_tot: u64,
    /// Of these, in memory.
    pub shm_rss: u64,
    /// Of these, swapped out: 0.
    pub shm_swp: u64,
    /// 0.
    pub swap_attempts: u64,
    /// 0.
    pub swap_successes: u64,
}

const _: () = {
    assert!(size_of::<IpcPerm>() == 48 && size_of::<ShmidDs>() == 112);
    assert!(size_of::<ShmInfoLimits>() == 72 && size_of::<ShmInfoTotals>() == 48);
    assert!(core::mem::offset_of!(IpcPerm, mode) == 20 && core::mem::offset_of!(IpcPerm, seq) == 24);
    assert!(core::mem::offset_of!(IpcPerm, reserved) == 32);
    assert!(
        core::mem::offset_of!(ShmidDs, shm_segsz) == 48 && core::mem::offset_of!(ShmidDs, shm_cpid) == 80
    );
    assert!(core::mem::offset_of!(ShmidDs, shm_nattch) == 88);
    assert!(size_of::<ShmidDs>() <= crate::BUFFER_BYTES);
};

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{AttachFlags, GetFlags, IpcPerm, SHM_DEST, SHM_LOCKED, ShmCommand, ShmId, ShmidDs};
    use super::{ShmInfoLimits, ShmInfoTotals};
    use crate::{Errno, Word};
    use core::mem::offset_of;
    use std::vec::Vec;
    use zerocopy::IntoBytes;

    /// Proves: H-04
    #[test]
    fn flags_have_the_values_of_linux_and_none_overlaps_the_mode_bits() {
        assert_eq!((GetFlags::CREAT.bits(), GetFlags::EXCL.bits()), (0o1000, 0o2000));
        let attach = [
            AttachFlags::RDONLY,
            AttachFlags::RND,
            AttachFlags::REMAP,
            AttachFlags::EXEC,
        ];
        assert_eq!(attach.map(|f| f.bits()), [0o10000, 0o20000, 0o40000, 0o100000]);
        assert_eq!((SHM_DEST, SHM_LOCKED), (0o1000, 0o2000));
        let numbers = [
            ShmCommand::Remove,
            ShmCommand::Set,
            ShmCommand::Stat,
            ShmCommand::Limits,
        ]
        .map(|c| c as i32);
        assert_eq!(numbers, [0, 1, 2, 3]);
        let linux = [
            ShmCommand::Lock,
            ShmCommand::Unlock,
            ShmCommand::StatIndex,
            ShmCommand::Totals,
            ShmCommand::StatAny,
        ];
        assert_eq!(linux.map(|c| c as i32), [11, 12, 13, 14, 15]);
        for flag in attach.map(|f| f.bits()).into_iter().chain([0o1000, 0o2000]) {
            assert_eq!(flag & 0o777, 0);
        }
    }

    /// Proves: H-04
    #[test]
    fn flags_of_one_call_differ_in_every_bit_from_each_other_and_from_the_mode() {
        let (get, attach) = (GetFlags::all().iter_names(), AttachFlags::all().iter_names());
        // HUGE_2MB is a number in six bits of its own.
        let one_bit = |flag: &GetFlags| *flag != GetFlags::HUGE_2MB;
        let get: Vec<u32> = get
            .map(|(_, flag)| flag)
            .filter(one_bit)
            .map(|flag| flag.bits())
            .collect();
        let attach: Vec<u32> = attach.map(|(_, flag)| flag.bits()).collect();
        assert_eq!(get, [0o1000, 0o2000, 0o4000, 0o10000]);
        for flags in [get, attach, std::vec![SHM_DEST, SHM_LOCKED]] {
            let all = flags.iter().fold(0o777, |seen, flag| {
                assert_eq!(seen & flag, 0, "{flag:o}");
                seen | flag
            });
            assert_eq!(all.count_ones() as usize, 9 + flags.len());
            assert_eq!(all & GetFlags::HUGE_2MB.bits(), 0);
        }
    }

    /// Proves: H-06, H-12
    #[test]
    fn structures_have_the_sizes_and_places_of_linux_on_aarch64() {
        assert_eq!((size_of::<IpcPerm>(), size_of::<ShmidDs>()), (48, 112));
        assert_eq!((size_of::<ShmInfoLimits>(), size_of::<ShmInfoTotals>()), (72, 48));
        let perm = [
            offset_of!(IpcPerm, key),
            offset_of!(IpcPerm, uid),
            offset_of!(IpcPerm, gid),
            offset_of!(IpcPerm, cuid),
            offset_of!(IpcPerm, cgid),
            offset_of!(IpcPerm, mode),
            offset_of!(IpcPerm, seq),
        ];
        assert_eq!(perm, [0, 4, 8, 12, 16, 20, 24]);
        let state = [
            offset_of!(ShmidDs, shm_segsz),
            offset_of!(ShmidDs, shm_atime),
            offset_of!(ShmidDs, shm_dtime),
            offset_of!(ShmidDs, shm_ctime),
            offset_of!(ShmidDs, shm_cpid),
            offset_of!(ShmidDs, shm_lpid),
            offset_of!(ShmidDs, shm_nattch),
        ];
        assert_eq!(state, [48, 56, 64, 72, 80, 84, 88]);
        let perm = IpcPerm {
            mode: 0o1777,
            ..IpcPerm::default()
        };
        assert_eq!(
            perm.as_bytes()[20..28],
            [0xff, 0x03, 0, 0, 0, 0, 0, 0],
            "mode has 32 bits"
        );
    }

    /// Proves: H-07
    #[test]
    fn nothing_between_the_fields_is_left_as_it_was() {
        // `IntoBytes` cannot be derived for a structure with padding, so each byte belongs to a field.
        let state = ShmidDs::default();
        assert_eq!(state.as_bytes(), [0; 112]);
        let fields = size_of::<IpcPerm>() + 4 * 8 + 2 * 4 + 8 + 2 * 8;
        assert_eq!(fields, size_of::<ShmidDs>());
    }

    /// Proves: S-05
    #[test]
    fn identifiers_stay_positive_when_the_sequence_wraps() {
        let last = ShmId::from_parts(32767, ShmId::SEQUENCES - 1);
        assert_eq!(last.raw(), i32::MAX);
        assert_eq!(ShmId::from_parts(5, ShmId::SEQUENCES), ShmId::from_parts(5, 0));
        assert_eq!((last.index(), last.sequence()), (32767, 65535));
    }

    #[test]
    fn negative_identifiers_and_unknown_commands_are_refused() {
        assert_eq!(ShmId::from_word(u64::MAX), Err(Errno::EINVAL));
        for number in [-1, 4, 10, 16, i32::MIN, i32::MAX] {
            assert_eq!(ShmCommand::decode(number), Err(Errno::EINVAL));
        }
    }
}
