//! Descriptors: one 64-bit word of a table, its fields under the manual's names.

use crate::{Attributes, Level};
use addr::{Frame, Perms};
use tock_registers::fields::FieldValue;
use tock_registers::{LocalRegisterCopy, register_bitfields};

register_bitfields! {u64,
    /// What all descriptors have (Arm ARM, "VMSAv8-64 descriptor formats").
    ANY [
        VALID OFFSET(0) NUMBITS(1) [],
        /// 1: a table above level 3, a page at level 3. 0: a block, not allowed at levels 0 and 3.
        TYPE OFFSET(1) NUMBITS(1) []
    ],
    /// Block and page descriptors, "Attribute fields in stage 1 VMSAv8-64 Block and Page
    /// descriptors".
    pub(crate) LEAF [
        VALID OFFSET(0) NUMBITS(1) [],
        TYPE OFFSET(1) NUMBITS(1) [Block = 0, Page = 1],
        ATTR_INDX OFFSET(2) NUMBITS(3) [],
        AP OFFSET(6) NUMBITS(2) [
            PrivilegedReadWrite = 0b00,
            ReadWrite = 0b01,
            PrivilegedReadOnly = 0b10,
            ReadOnly = 0b11
        ],
        SH OFFSET(8) NUMBITS(2) [Outer = 0b10, Inner = 0b11],
        AF OFFSET(10) NUMBITS(1) [],
        NG OFFSET(11) NUMBITS(1) [],
        /// Output address bits 47 to 12: a frame number.
        OA OFFSET(12) NUMBITS(36) [],
        PXN OFFSET(53) NUMBITS(1) [],
        UXN OFFSET(54) NUMBITS(1) []
    ],
    /// Table descriptors, "Attribute fields in stage 1 VMSAv8-64 Table descriptors".
    TABLE [
        VALID OFFSET(0) NUMBITS(1) [],
        TYPE OFFSET(1) NUMBITS(1) [],
        /// Next-level table address bits 47 to 12: a frame number.
        NLTA OFFSET(12) NUMBITS(36) [],
        /// Ours, in bits that the hardware ignores: the table below belongs to a region.
        LINKED OFFSET(55) NUMBITS(1) [],
        PXN_TABLE OFFSET(59) NUMBITS(1) [],
        UXN_TABLE OFFSET(60) NUMBITS(1) [],
        /// No effect, nothing for EL0, no stores, both.
        AP_TABLE OFFSET(61) NUMBITS(2) [NoEffect = 0b00, NoEl0 = 0b01, ReadOnly = 0b10, Both = 0b11]
    ]
}

/// A descriptor, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Descriptor {
    /// Translates nothing.
    Invalid,
    /// Points to the table of the next level.
    Table(Table),
    /// A block (levels 1 and 2) or page (level 3): the end of a walk.
    Leaf(Leaf),
}

/// A table descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    /// The table of the next level.
    pub frame: Frame,
    /// Whose it is, and what may be done through it.
    pub link: Link,
}

/// Whose a next-level table is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// It belongs to the tree it hangs in and takes nothing away from what its leaves allow.
    Own,
    /// It belongs to a region. User programs may do what its leaves and these permissions both
    /// allow; the kernel executes nothing through it (Arm ARM, "Hierarchical control of data
    /// access permissions" and "... of instruction fetching").
    Region(Perms),
}

impl Link {
    /// What is left of `perms` behind this link.
    pub const fn narrow(self, perms: Perms) -> Perms {
        match self {
            Self::Own => perms,
            Self::Region(allowed) => perms.intersection(allowed),
        }
    }
}

/// A block or page descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// The first frame mapped.
    pub frame: Frame,
    /// How.
    pub attributes: Attributes,
}

/// The word that translates nothing.
pub(crate) const INVALID: u64 = 0;

/// What a word is, with none of its fields taken apart: all that most steps of a walk want to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Invalid,
    Table,
    Leaf,
}

impl Shape {
    /// What the hardware takes `raw` for at `level`.
    #[inline]
    pub(crate) fn of(raw: u64, level: Level) -> Self {
        let any = LocalRegisterCopy::<u64, ANY::Register>::new(raw);
        match (any.is_set(ANY::VALID), any.is_set(ANY::TYPE), level) {
            (false, _, _) | (true, false, Level::Zero | Level::Three) => Self::Invalid,
            (true, true, Level::Zero | Level::One | Level::Two) => Self::Table,
            (true, true, Level::Three) | (true, false, Level::One | Level::Two) => Self::Leaf,
        }
    }
}

impl Table {
    /// Takes the word of a table apart.
    #[inline]
    pub(crate) fn decode(raw: u64) -> Self {
        let table = LocalRegisterCopy::<u64, TABLE::Register>::new(raw);
        let link = if table.is_set(TABLE::LINKED) {
            Link::Region(limits(table))
        } else {
            Link::Own
        };
        Self {
            frame: Frame::from_number(table.read(TABLE::NLTA)),
            link,
        }
    }
}

impl Table {
    /// Whether the word of a table links a region's.
    #[inline]
    pub(crate) fn is_link(raw: u64) -> bool {
        LocalRegisterCopy::<u64, TABLE::Register>::new(raw).is_set(TABLE::LINKED)
    }
}

impl Leaf {
    /// Takes the word of a leaf apart.
    pub(crate) fn decode(raw: u64) -> Self {
        let leaf = LocalRegisterCopy::<u64, LEAF::Register>::new(raw);
        Self {
            frame: Self::frame_of(raw),
            attributes: Attributes::of(leaf),
        }
    }

    /// The word of a user page without the right to write: AP[2] set, which takes nothing from a page that
    /// has less.
    #[inline]
    pub(crate) fn without_write(raw: u64) -> u64 {
        raw | LEAF::AP::PrivilegedReadOnly.value
    }

    /// The word of a page that leads where the page `raw` does, with these attributes.
    #[inline]
    pub(crate) fn page_like(raw: u64, attributes: Attributes) -> u64 {
        let frame = LEAF::OA.mask << LEAF::OA.shift;
        raw & frame | u64::from(LEAF::VALID::SET + LEAF::TYPE::Page + attributes.fields())
    }

    /// The first frame that the word of a leaf maps.
    #[inline]
    pub(crate) fn frame_of(raw: u64) -> Frame {
        let leaf = LocalRegisterCopy::<u64, LEAF::Register>::new(raw);
        Frame::from_number(leaf.read(LEAF::OA))
    }
}

impl Descriptor {
    /// What the hardware takes `raw` for at `level`.
    pub fn decode(raw: u64, level: Level) -> Self {
        match Shape::of(raw, level) {
            Shape::Invalid => Self::Invalid,
            Shape::Table => Self::Table(Table::decode(raw)),
            Shape::Leaf => Self::Leaf(Leaf::decode(raw)),
        }
    }

    /// The word for a table of `level`.
    ///
    /// # Panics
    /// If `level` has no such descriptor, or a block is not aligned to its size.
    pub fn encode(self, level: Level) -> u64 {
        match self {
            Self::Invalid => INVALID,
            Self::Table(table) => encode_table(table, level),
            Self::Leaf(leaf) => encode_leaf(leaf, level),
        }
    }
}

fn limits(table: LocalRegisterCopy<u64, TABLE::Register>) -> Perms {
    let data = match table.read_as_enum(TABLE::AP_TABLE) {
        Some(TABLE::AP_TABLE::Value::NoEffect) => Perms::READ_WRITE,
        Some(TABLE::AP_TABLE::Value::ReadOnly) => Perms::READ,
        Some(TABLE::AP_TABLE::Value::NoEl0 | TABLE::AP_TABLE::Value::Both) | None => Perms::empty(),
    };
    let fetch = if table.is_set(TABLE::UXN_TABLE) {
        Perms::empty()
    } else {
        Perms::EXECUTE
    };
    data | fetch
}

fn encode_table(table: Table, level: Level) -> u64 {
    assert!(level != Level::Three, "level 3 has no table descriptors");
    let link = match table.link {
        Link::Own => FieldValue::none(),
        Link::Region(perms) => link_fields(perms),
    };
    u64::from(TABLE::VALID::SET + TABLE::TYPE::SET + TABLE::NLTA.val(table.frame.number()) + link)
}

fn link_fields(perms: Perms) -> FieldValue<u64, TABLE::Register> {
    assert!(
        perms.contains(Perms::READ),
        "a linked table can't be made unreadable"
    );
    let data = if perms.contains(Perms::WRITE) {
        TABLE::AP_TABLE::NoEffect
    } else {
        TABLE::AP_TABLE::ReadOnly
    };
    let fetch = if perms.contains(Perms::EXECUTE) {
        TABLE::UXN_TABLE::CLEAR
    } else {
        TABLE::UXN_TABLE::SET
    };
    TABLE::LINKED::SET + TABLE::PXN_TABLE::SET + data + fetch
}

fn encode_leaf(leaf: Leaf, level: Level) -> u64 {
    let shape = match level {
        Level::Zero => panic!("level 0 has no block descriptors"),
        Level::One | Level::Two => LEAF::TYPE::Block,
        Level::Three => LEAF::TYPE::Page,
    };
    assert!(
        leaf.frame.number().is_multiple_of(level.pages()),
        "a block must be aligned to its size"
    );
    u64::from(LEAF::VALID::SET + shape + LEAF::OA.val(leaf.frame.number()) + leaf.attributes.fields())
}

#[cfg(test)]
mod tests {
    use super::{Descriptor, Leaf, Link, Table};
    use crate::{Attributes, KernelAccess, Level};
    use addr::{Frame, MemoryKind, Perms};

    const READ_ONLY: u64 = 1 << 62;
    const UXN: u64 = 1 << 60;
    const PXN: u64 = 1 << 59;

    fn table(link: Link) -> Descriptor {
        Descriptor::Table(Table {
            frame: Frame::from_number(0x40_0123),
            link,
        })
    }

    #[test]
    fn a_link_narrows_what_the_leaves_allow() {
        let limits = |perms| table(Link::Region(perms)).encode(Level::Two) & (READ_ONLY | UXN | PXN);
        assert_eq!(limits(Perms::READ), READ_ONLY | UXN | PXN);
        assert_eq!(limits(Perms::READ_WRITE), UXN | PXN);
        assert_eq!(limits(Perms::READ_EXECUTE), READ_ONLY | PXN);
    }

    #[test]
    fn a_page_without_the_right_to_write_is_one_that_was_made_so() {
        for perms in (0..8).map(Perms::from_bits_truncate) {
            let page = |perms| {
                let (frame, attributes) =
                    (Frame::from_number(5), Attributes::user(perms, MemoryKind::Normal));
                Descriptor::Leaf(Leaf { frame, attributes }).encode(Level::Three)
            };
            let perms_then = perms.difference(Perms::WRITE);
            let readable = perms.intersects(Perms::READ_WRITE);
            let expected = if readable {
                perms_then | Perms::READ
            } else {
                perms_then
            };
            assert_eq!(Leaf::without_write(page(perms)), page(expected), "{perms:?}");
        }
    }

    #[test]
    fn a_page_like_another_one_leads_to_its_frame() {
        let frame = Frame::from_number(0xf_1234_5678);
        let page = |attributes| Descriptor::Leaf(Leaf { frame, attributes }).encode(Level::Three);
        let attributes = Attributes::user(Perms::READ, MemoryKind::Normal);
        assert_eq!(
            Leaf::page_like(page(Attributes::shared()), attributes),
            page(attributes)
        );
    }

    #[test]
    fn tables_come_back_as_they_went_in() {
        let links = [
            Link::Own,
            Link::Region(Perms::READ),
            Link::Region(Perms::READ_WRITE),
            Link::Region(Perms::all()),
        ];
        for level in [Level::Zero, Level::One, Level::Two] {
            for link in links {
                assert_eq!(Descriptor::decode(table(link).encode(level), level), table(link));
            }
        }
    }

    #[test]
    fn an_own_table_is_its_address_and_two_bits() {
        assert_eq!(table(Link::Own).encode(Level::One), 0x4_0012_3003);
    }

    #[test]
    fn reserved_encodings_translate_nothing() {
        assert_eq!(Descriptor::decode(0b01, Level::Zero), Descriptor::Invalid);
        assert_eq!(Descriptor::decode(0b01, Level::Three), Descriptor::Invalid);
        assert_eq!(Descriptor::decode(u64::MAX - 1, Level::Two), Descriptor::Invalid);
    }

    #[test]
    #[should_panic(expected = "a block must be aligned to its size")]
    fn an_unaligned_block_is_refused() {
        let attributes = Attributes::kernel(KernelAccess::ReadWrite, MemoryKind::Normal);
        let leaf = Leaf {
            frame: Frame::from_number(511),
            attributes,
        };
        let _ = Descriptor::Leaf(leaf).encode(Level::Two);
    }
}
