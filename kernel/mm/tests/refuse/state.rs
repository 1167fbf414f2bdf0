//! All that can be seen of a scene.

use super::operation::{BLOCKS, LARGE, LARGE_PAGES, NOWHERE, PLACE, SLOT, Scene};
use crate::common::PAGE;
use abi::memory::Usage;
use abi::shm::ShmidDs;
use abi::system::FrameCounts;
use addr::{Frame, Perms, VirtAddr};
use mm::{Mmu, SpaceId, VmaFacts};

/// What one page of a process is.
type Seen = (u64, Option<VmaFacts>, Option<(Frame, Perms)>);

/// A picture of a scene.
#[derive(PartialEq, Debug)]
pub struct State {
    frames: FrameCounts,
    segments: (i32, u64),
    segments_told: [ShmidDs; 3],
    usages: [Usage; 2],
    pages: [Vec<Seen>; 2],
}

impl State {
    pub fn of(scene: &mut Scene) -> Self {
        let Scene {
            world,
            p,
            other,
            id,
            large,
            blocks,
        } = scene;
        Self {
            frames: world.mm.frame_counts(),
            segments: world.segments(),
            segments_told: [*id, *large, *blocks].map(|id| world.facts(id)),
            usages: [world.usage(*p), world.usage(*other)],
            pages: [pages(world, *p), pages(world, *other)],
        }
    }
}

fn pages(world: &mut crate::common::World, p: SpaceId) -> Vec<Seen> {
    let windows = [
        PLACE,
        PLACE + 508 * PAGE,
        NOWHERE,
        LARGE,
        LARGE + (SLOT - 20) * PAGE,
        LARGE + (2 * SLOT - 20) * PAGE,
        LARGE + (LARGE_PAGES - 20) * PAGE,
        LARGE + (3 * SLOT - 20) * PAGE,
        BLOCKS,
        BLOCKS + (SLOT - 20) * PAGE,
        BLOCKS + (3 * SLOT - 20) * PAGE,
        abi::layout::AREA_START,
        abi::layout::MESSAGE_PAGES,
    ];
    let addresses = windows
        .into_iter()
        .flat_map(|window| (0..40).map(move |page| window + page * PAGE));
    let mut seen = vec![];
    for address in addresses {
        let facts = world.mm.describe(p, VirtAddr::new(address));
        let (machine, space) = world.mm.mmu_space_mut(p).expect("alive");
        let present = machine.lookup(space, VirtAddr::new(address).page());
        if facts.is_some() || present.is_some() {
            seen.push((address, facts, present));
        }
    }
    seen
}
