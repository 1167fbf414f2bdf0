//! Descriptors as the hardware reads them: raw bits, with nothing of the code under test.
//!
//! Arm ARM, "VMSAv8-64 descriptor formats", "Data access permissions" and "Hierarchical control
//! of ...".

use addr::{Frame, Perms};
use vmsa::Level;

/// What a descriptor means to a walker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    Invalid,
    Table { frame: Frame, limits: Rights },
    Leaf { frame: Frame, rights: Rights },
}

/// What a translation allows; in a table descriptor, what it leaves of that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rights {
    pub(crate) user: Perms,
    pub(crate) privileged_fetch: bool,
}

impl Rights {
    /// Before any descriptor was read.
    pub(crate) const ALL: Self = Self {
        user: Perms::all(),
        privileged_fetch: true,
    };

    pub(crate) fn narrow(self, limits: Self) -> Self {
        Self {
            user: self.user & limits.user,
            privileged_fetch: self.privileged_fetch && limits.privileged_fetch,
        }
    }

    pub(crate) fn includes(self, other: Self) -> bool {
        self.user.contains(other.user) && (self.privileged_fetch || !other.privileged_fetch)
    }
}

impl Word {
    /// Reads `raw` in a table of `level` below TTBR0.
    ///
    /// # Panics
    /// If it is a leaf that is global or lacks the access flag: user mappings are neither.
    pub(crate) fn read(raw: u64, level: Level) -> Self {
        let frame = Frame::from_number((raw & OUTPUT_ADDRESS) >> 12);
        match (raw & 0b11, level) {
            (0b11, Level::Zero | Level::One | Level::Two) => Self::Table {
                frame,
                limits: limits(raw),
            },
            (0b11, Level::Three) | (0b01, Level::One | Level::Two) => {
                assert!(
                    raw & ACCESS_FLAG != 0,
                    "descriptor {raw:#x} would fault for its access flag"
                );
                assert!(
                    raw & NOT_GLOBAL != 0,
                    "descriptor {raw:#x} maps user memory for all ASIDs"
                );
                Self::Leaf {
                    frame,
                    rights: rights(raw),
                }
            }
            _ => Self::Invalid,
        }
    }
}

/// Whether two leaves differ in what programs may do, and in nothing else: such a change needs no
/// break (Arm ARM, "Using break-before-make when updating translation table entries").
pub(crate) fn permits_otherwise(one: u64, other: u64) -> bool {
    one != other && (one ^ other) & !(EL0 | READ_ONLY | UXN) == 0
}

const OUTPUT_ADDRESS: u64 = 0x0000_ffff_ffff_f000;
const EL0: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const ACCESS_FLAG: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;
const PXN_TABLE: u64 = 1 << 59;
const UXN_TABLE: u64 = 1 << 60;
const NO_EL0_TABLE: u64 = 1 << 61;
const READ_ONLY_TABLE: u64 = 1 << 62;

fn rights(raw: u64) -> Rights {
    let mut user = Perms::all();
    user.set(Perms::READ, raw & EL0 != 0);
    user.set(Perms::WRITE, raw & EL0 != 0 && raw & READ_ONLY == 0);
    user.set(Perms::EXECUTE, raw & UXN == 0);
    Rights {
        user,
        privileged_fetch: raw & PXN == 0,
    }
}

fn limits(raw: u64) -> Rights {
    let mut user = Perms::all();
    user.set(Perms::READ, raw & NO_EL0_TABLE == 0);
    user.set(Perms::WRITE, raw & (NO_EL0_TABLE | READ_ONLY_TABLE) == 0);
    user.set(Perms::EXECUTE, raw & UXN_TABLE == 0);
    Rights {
        user,
        privileged_fetch: raw & PXN_TABLE == 0,
    }
}
