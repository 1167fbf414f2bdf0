//! What processes do.

use crate::common::PAGE;
use abi::memory::{MapFlags, Protection};
use abi::shm::AttachFlags;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;

/// How many processes there are at a time.
pub const PROCESSES: usize = 3;
/// How many segments a process may know of.
pub const SEGMENTS: usize = 5;
/// Pages of the windows in which fixed addresses are.
pub const WINDOW_PAGES: u64 = 12;

/// Windows across the borders of tables of level 3, 2 and 1, where mistakes would be. The second
/// one is where an attachment of a little more than 2 MiB in the first one ends.
const WINDOWS: [u64; 4] = [0x20_0020_0000, 0x20_0040_0000, 0x20_4000_0000, 0x80_0000_0000];

/// One operation. `process` and `segment` are places in lists.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Creates a segment in a place whose segment is gone, or finds it.
    Get {
        process: usize,
        segment: usize,
        pages: u64,
        /// Of 2 MiB blocks, as many as have so many pages.
        blocks: bool,
    },
    Attach {
        process: usize,
        segment: usize,
        address: u64,
        flags: AttachFlags,
    },
    Detach {
        process: usize,
        address: u64,
    },
    /// Detaches the attachment at this place among those the process has.
    DetachOne {
        process: usize,
        place: usize,
    },
    /// Moves an attachment within its process.
    Relocate {
        process: usize,
        from: u64,
        to: u64,
    },
    Remove {
        process: usize,
        segment: usize,
    },
    Map {
        process: usize,
        address: u64,
        pages: u64,
        protection: Protection,
        flags: MapFlags,
        /// Pages that it may grow by.
        growth: u64,
    },
    Protect {
        process: usize,
        address: u64,
        pages: u64,
        protection: Protection,
    },
    Unmap {
        process: usize,
        address: u64,
        pages: u64,
    },
    /// Protects, or unmaps, every other page, so that there are many mappings.
    Stripe {
        process: usize,
        address: u64,
        protection: Option<Protection>,
    },
    Move {
        process: usize,
        source: usize,
        from: u64,
        pages: u64,
        to: u64,
        protection: Protection,
    },
    Load {
        process: usize,
        address: u64,
    },
    Store {
        process: usize,
        address: u64,
        value: u64,
    },
    Jump {
        process: usize,
        address: u64,
    },
    /// Ends a process; another one takes its place.
    Exit {
        process: usize,
    },
    /// Ends a process; a copy of another one takes its place.
    Fork {
        process: usize,
        child: usize,
    },
    /// A thread beside the first one begins, or ends: it gets a message page, or gives it back. The other model
    /// knows nothing of threads.
    Thread {
        process: usize,
        number: u32,
    },
    /// Lowers how many pages a process may have, tables included.
    LowerQuota {
        process: usize,
        pages: u64,
    },
    /// Nobody runs for so many steps.
    Idle {
        steps: u8,
    },
}

impl Action {
    /// The requests that make `count` stripes.
    pub fn stripes(
        process: usize,
        address: u64,
        protection: Option<Protection>,
        count: u64,
    ) -> impl Iterator<Item = Self> {
        let places = (0..count).map(move |stripe| address + 2 * stripe * PAGE);
        places.map(move |address| match protection {
            Some(protection) => Self::Protect {
                process,
                address,
                pages: 1,
                protection,
            },
            None => Self::Unmap {
                process,
                address,
                pages: 1,
            },
        })
    }

    /// The process that may get pages by it.
    pub fn process(&self) -> Option<usize> {
        match *self {
            Self::Attach { process, .. }
            | Self::Relocate { process, .. }
            | Self::Map { process, .. }
            | Self::Protect { process, .. }
            | Self::Move { process, .. }
            | Self::Load { process, .. }
            | Self::Store { process, .. }
            | Self::Jump { process, .. } => Some(process),
            _ => None,
        }
    }
}

/// Where the slots begin in which large segments are attached and cut.
const SLOTS: u64 = 0x20_0000_0000;
const SLOT_PAGES: u64 = 512;
/// A page less than a slot.
pub const LARGE: u64 = 511;

/// An address in a window, often at the border itself.
fn address() -> impl Strategy<Value = u64> + Clone {
    let page = proptest::prop_oneof![3 => 0..WINDOW_PAGES, 1 => Just(WINDOW_PAGES / 2)];
    (select(&WINDOWS[..]), page).prop_map(|(window, page)| window + page * PAGE - WINDOW_PAGES / 2 * PAGE)
}

/// An address in one of a few slots, most often at its start.
fn address_in_slots() -> impl Strategy<Value = u64> + Clone {
    let page = proptest::prop_oneof![4 => Just(0), 1 => select(&[1, 2, 188, 300, 510, 511][..])];
    (0u64..5, page).prop_map(|(slot, page)| SLOTS + (slot * SLOT_PAGES + page) * PAGE)
}

fn attach_flags() -> impl Strategy<Value = AttachFlags> {
    let remap = AttachFlags::REMAP;
    select(vec![
        AttachFlags::empty(),
        AttachFlags::empty(),
        AttachFlags::RDONLY,
        AttachFlags::EXEC,
        remap,
        remap | AttachFlags::RDONLY,
    ])
}

fn protection() -> impl Strategy<Value = Protection> {
    let write = Protection::WRITE;
    select(vec![
        write,
        write,
        write,
        Protection::READ,
        Protection::EXEC,
        write | Protection::EXEC,
    ])
}

fn protection_or_none() -> impl Strategy<Value = Protection> {
    proptest::prop_oneof![4 => protection(), 1 => Just(Protection::empty())]
}

fn map_flags() -> impl Strategy<Value = MapFlags> {
    let plain = MapFlags::empty();
    select(vec![
        plain,
        plain,
        plain,
        MapFlags::HINT,
        MapFlags::REPLACE,
        MapFlags::all(),
    ])
}

/// One action of any kind, most often on segments and mappings of a few pages.
pub fn action() -> impl Strategy<Value = Action> {
    // Now and then one with tables of its own to link.
    let pages = proptest::prop_oneof![4 => 1u64..7, 1 => LARGE..LARGE + 4];
    action_of(address(), pages, 1u64..9)
}

/// One action of any kind, on segments that are linked where they start with a slot, and cut in all
/// places.
pub fn large_action() -> impl Strategy<Value = Action> {
    let pages = select(&[3, 511, 512, 513, 700, 1024, 1030][..]);
    action_of(
        address_in_slots(),
        pages,
        select(&[1, 2, 200, 511, 512, 513, 1200][..]),
    )
}

fn action_of(
    address: impl Strategy<Value = u64> + Clone + 'static,
    pages: impl Strategy<Value = u64> + 'static,
    unmapped: impl Strategy<Value = u64> + Clone + 'static,
) -> impl Strategy<Value = Action> {
    let p = || 0..PROCESSES;
    let s = || 0..SEGMENTS;
    let at = || address.clone();
    let at_or_any = || proptest::prop_oneof![3 => address.clone(), 1 => Just(0)];
    proptest::prop_oneof![
        2 => (p(), s(), pages, proptest::bool::weighted(0.25)).prop_map(|(process, segment, pages, blocks)| {
            Action::Get { process, segment, pages, blocks }
        }),
        4 => (p(), s(), at_or_any(), attach_flags())
            .prop_map(|(process, segment, address, flags)| Action::Attach { process, segment, address, flags }),
        1 => (p(), at()).prop_map(|(process, address)| Action::Detach { process, address }),
        2 => (p(), 0..8usize).prop_map(|(process, place)| Action::DetachOne { process, place }),
        2 => (p(), at(), at()).prop_map(|(process, from, to)| Action::Relocate { process, from, to }),
        1 => (p(), s()).prop_map(|(process, segment)| Action::Remove { process, segment }),
        3 => (p(), at_or_any(), 1u64..7, protection(), map_flags(), select(&[0, 0, 0, 1, 5][..])).prop_map(
            |(process, address, pages, protection, flags, growth)| {
                Action::Map { process, address, pages, protection, flags, growth }
            }
        ),
        3 => (p(), at(), unmapped.clone(), protection_or_none()).prop_map(
            |(process, address, pages, protection)| Action::Protect { process, address, pages, protection }
        ),
        3 => (p(), at(), unmapped).prop_map(|(process, address, pages)| Action::Unmap { process, address, pages }),
        1 => (p(), at(), proptest::option::of(protection_or_none())).prop_map(
            |(process, address, protection)| Action::Stripe { process, address, protection }
        ),
        1 => (p(), p(), at(), 1u64..7, at(), protection()).prop_map(
            |(process, source, from, pages, to, protection)| Action::Move { process, source, from, pages, to, protection }
        ),
        3 => (p(), at()).prop_map(|(process, address)| Action::Load { process, address }),
        5 => (p(), at(), any::<u64>()).prop_map(|(process, address, value)| Action::Store { process, address, value }),
        2 => (p(), at()).prop_map(|(process, address)| Action::Jump { process, address }),
        1 => p().prop_map(|process| Action::Exit { process }),
        2 => (p(), p()).prop_map(|(process, child)| Action::Fork { process, child }),
        1 => (p(), 1u32..4).prop_map(|(process, number)| Action::Thread { process, number }),
        1 => (p(), select(&[1000, 30, 12][..])).prop_map(|(process, pages)| Action::LowerQuota { process, pages }),
        1 => (1u8..4).prop_map(|steps| Action::Idle { steps }),
    ]
}
