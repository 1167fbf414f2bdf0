//! Permissions and memory types as descriptor bits, and back.
//!
//! This is the only place that knows AP, UXN, PXN, SH, AttrIndx and nG. Every mapping is either
//! for user programs (EL0, tagged with an ASID, never executable by the kernel) or for the
//! kernel (EL1 only, global, never executable by programs, writable or executable but not both).

use crate::control::MemoryIndex;
use crate::descriptor::LEAF;
use addr::{MemoryKind, Perms};
use tock_registers::LocalRegisterCopy;
use tock_registers::fields::FieldValue;

/// What a leaf descriptor says besides its output address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// Who may do what.
    pub access: Access,
    /// What is behind it.
    pub kind: MemoryKind,
}

/// Who may do what with a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// User programs may do this. The kernel can load what they can load and store what they can store,
    /// but does so with unprivileged accesses only.
    User(Perms),
    /// The kernel may do this, user programs nothing.
    Kernel(KernelAccess),
}

/// What the kernel may do with a mapping of its own: W^X by construction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelAccess {
    /// Loads.
    ReadOnly,
    /// Loads and stores.
    ReadWrite,
    /// Loads and instruction fetches.
    ReadExecute,
}

impl Attributes {
    /// For a user page.
    ///
    /// Descriptors can't withhold loads from what may be stored to, and a page that may be
    /// executed is always readable here (the kernel copies with the program's own rights), so
    /// any permission brings [`Perms::READ`]. Memory that is not [`MemoryKind::Normal`] is never
    /// executable: fetches from device memory may be speculative (Arm ARM, "Device memory").
    ///
    /// A page without permissions keeps its frame, and every access of a program faults.
    pub const fn user(perms: Perms, kind: MemoryKind) -> Self {
        let perms = if perms.is_empty() {
            perms
        } else {
            perms.union(Perms::READ)
        };
        let perms = match kind {
            MemoryKind::Normal => perms,
            MemoryKind::NormalNonCacheable | MemoryKind::Device => perms.difference(Perms::EXECUTE),
        };
        Self {
            access: Access::User(perms),
            kind,
        }
    }

    /// For a leaf in a region's table: all that any attacher may have. What one attacher may do
    /// less stands in the descriptor that links the table, see [`crate::Link`].
    pub const fn shared() -> Self {
        Self::user(Perms::all(), MemoryKind::Normal)
    }

    /// For a mapping of the kernel.
    ///
    /// # Panics
    /// If memory that is not [`MemoryKind::Normal`] were to be executable.
    pub const fn kernel(access: KernelAccess, kind: MemoryKind) -> Self {
        assert!(
            matches!(kind, MemoryKind::Normal) || !matches!(access, KernelAccess::ReadExecute),
            "only normal memory holds kernel code"
        );
        Self {
            access: Access::Kernel(access),
            kind,
        }
    }

    /// The descriptor's attribute fields. The access flag is always set: it is not used to find
    /// out about use, so no access should fault for it.
    pub(crate) fn fields(self) -> FieldValue<u64, LEAF::Register> {
        access_fields(self.access) + kind_fields(self.kind) + LEAF::AF::SET
    }

    /// What the attribute fields of a valid leaf descriptor mean.
    pub(crate) fn of(leaf: LocalRegisterCopy<u64, LEAF::Register>) -> Self {
        Self {
            access: access_of(leaf),
            kind: MemoryIndex::kind(leaf.read(LEAF::ATTR_INDX)),
        }
    }
}

/// Arm ARM, "Data accesses permissions for stage 1 translations" and "Instruction execution
/// permissions for stage 1 translations".
fn access_fields(access: Access) -> FieldValue<u64, LEAF::Register> {
    match access {
        Access::User(perms) => {
            let data = if perms.contains(Perms::WRITE) {
                LEAF::AP::ReadWrite
            } else if perms.contains(Perms::READ) {
                LEAF::AP::ReadOnly
            } else {
                LEAF::AP::PrivilegedReadOnly
            };
            let fetch = if perms.contains(Perms::EXECUTE) {
                LEAF::UXN::CLEAR
            } else {
                LEAF::UXN::SET
            };
            data + fetch + LEAF::PXN::SET + LEAF::NG::SET
        }
        Access::Kernel(access) => {
            let (data, fetch) = match access {
                KernelAccess::ReadOnly => (LEAF::AP::PrivilegedReadOnly, LEAF::PXN::SET),
                KernelAccess::ReadWrite => (LEAF::AP::PrivilegedReadWrite, LEAF::PXN::SET),
                KernelAccess::ReadExecute => (LEAF::AP::PrivilegedReadOnly, LEAF::PXN::CLEAR),
            };
            data + fetch + LEAF::UXN::SET + LEAF::NG::CLEAR
        }
    }
}

fn access_of(leaf: LocalRegisterCopy<u64, LEAF::Register>) -> Access {
    let user = |data: Perms| {
        let fetch = if leaf.is_set(LEAF::UXN) {
            Perms::empty()
        } else {
            Perms::EXECUTE
        };
        Access::User(data | fetch)
    };
    match leaf.read_as_enum(LEAF::AP) {
        Some(LEAF::AP::Value::ReadWrite) => user(Perms::READ_WRITE),
        Some(LEAF::AP::Value::ReadOnly) => user(Perms::READ),
        // The kernel's mappings are global.
        Some(LEAF::AP::Value::PrivilegedReadOnly) if leaf.is_set(LEAF::NG) => user(Perms::empty()),
        Some(LEAF::AP::Value::PrivilegedReadWrite) => Access::Kernel(KernelAccess::ReadWrite),
        Some(LEAF::AP::Value::PrivilegedReadOnly) | None if leaf.is_set(LEAF::PXN) => {
            Access::Kernel(KernelAccess::ReadOnly)
        }
        Some(LEAF::AP::Value::PrivilegedReadOnly) | None => Access::Kernel(KernelAccess::ReadExecute),
    }
}

/// Shareability counts for cacheable memory only; everything else is outer shareable whatever
/// the field says (Arm ARM, "Shareability, stage 1 translations"), so it says that.
fn kind_fields(kind: MemoryKind) -> FieldValue<u64, LEAF::Register> {
    let index = LEAF::ATTR_INDX.val(MemoryIndex::of(kind));
    match kind {
        MemoryKind::Normal => index + LEAF::SH::Inner,
        MemoryKind::NormalNonCacheable | MemoryKind::Device => index + LEAF::SH::Outer,
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Attributes, KernelAccess};
    use crate::{Descriptor, Leaf, Level};
    use addr::{Frame, MemoryKind, Perms};

    const KINDS: [MemoryKind; 3] = [
        MemoryKind::Normal,
        MemoryKind::NormalNonCacheable,
        MemoryKind::Device,
    ];
    const AP_EL0: u64 = 1 << 6;
    const AP_READ_ONLY: u64 = 1 << 7;
    const AF: u64 = 1 << 10;
    const NG: u64 = 1 << 11;
    const PXN: u64 = 1 << 53;
    const UXN: u64 = 1 << 54;

    fn raw(attributes: Attributes) -> u64 {
        Descriptor::Leaf(Leaf {
            frame: Frame::from_number(0),
            attributes,
        })
        .encode(Level::Three)
    }

    #[test]
    fn user_pages_come_back_as_they_went_in() {
        for kind in KINDS {
            for perms in (0..8).map(Perms::from_bits_truncate) {
                let attributes = Attributes::user(perms, kind);
                let leaf = Leaf {
                    frame: Frame::from_number(0x1234_5678),
                    attributes,
                };
                let raw = Descriptor::Leaf(leaf).encode(Level::Three);
                assert_eq!(Descriptor::decode(raw, Level::Three), Descriptor::Leaf(leaf));
            }
        }
    }

    #[test]
    fn user_pages_are_tagged_and_never_executable_by_the_kernel() {
        for kind in KINDS {
            for perms in (1..8).map(Perms::from_bits_truncate) {
                let raw = raw(Attributes::user(perms, kind));
                assert_eq!(raw & (AP_EL0 | AF | NG | PXN), AP_EL0 | AF | NG | PXN);
                assert_eq!(raw & AP_READ_ONLY == 0, perms.contains(Perms::WRITE));
                let executable = perms.contains(Perms::EXECUTE) && kind == MemoryKind::Normal;
                assert_eq!(raw & UXN == 0, executable, "{perms:?} {kind:?}");
            }
        }
    }

    #[test]
    fn kernel_mappings_are_global_and_closed_to_user_programs() {
        for kind in KINDS {
            for access in [
                KernelAccess::ReadOnly,
                KernelAccess::ReadWrite,
                KernelAccess::ReadExecute,
            ] {
                if access == KernelAccess::ReadExecute && kind != MemoryKind::Normal {
                    continue;
                }
                let attributes = Attributes::kernel(access, kind);
                let raw = raw(attributes);
                assert_eq!(raw & (AP_EL0 | NG), 0);
                assert_eq!(raw & (UXN | AF), UXN | AF);
                let (writable, executable) = (raw & AP_READ_ONLY == 0, raw & PXN == 0);
                assert!(!(writable && executable), "{access:?}");
                assert_eq!(executable, access == KernelAccess::ReadExecute);
                let back = Descriptor::decode(raw, Level::Three);
                assert_eq!(
                    back,
                    Descriptor::Leaf(Leaf {
                        frame: Frame::from_number(0),
                        attributes
                    })
                );
            }
        }
    }

    #[test]
    fn leaves_of_regions_allow_everything_that_a_link_may_leave() {
        let attributes = Attributes::shared();
        assert_eq!(attributes.access, Access::User(Perms::all()));
        // Inner shareable write-back, EL0 read-write, nG, AF, PXN, a page.
        assert_eq!(raw(attributes), PXN | NG | AF | (0b11 << 8) | AP_EL0 | 0b11);
    }

    #[test]
    fn a_user_page_without_permissions_is_closed_to_programs_and_to_kernel_fetches() {
        let raw = raw(Attributes::user(Perms::empty(), MemoryKind::Normal));
        assert_eq!(raw & (AP_EL0 | AP_READ_ONLY), AP_READ_ONLY);
        assert_eq!(raw & (UXN | PXN | NG), UXN | PXN | NG);
    }
}
