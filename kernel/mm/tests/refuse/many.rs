//! Operations on more mappings than one step deals with.

use super::operation::{LARGE, Operation, PLACE, SLOT, Scene};
use super::state::State;
use crate::common::{PAGE, Size};
use abi::Errno;
use abi::memory::{MapFlags, Protection};

/// Mappings of two pages, each with other permissions than the one below.
const MANY: u64 = 150;
/// Where they are: behind the slots of what is linked.
const AT: u64 = LARGE + 3 * SLOT * PAGE;
/// A page inside of the last of them.
const END: u64 = AT + (2 * MANY - 1) * PAGE;

fn scene(vmas: usize) -> Scene {
    let mut scene = Scene::new(Size {
        vmas: Scene::VMAS + MANY as usize + vmas,
        ..Size::USUAL
    });
    let Scene { world, p, .. } = &mut scene;
    for place in 0..MANY {
        let protection = if place % 2 == 0 {
            Protection::WRITE
        } else {
            Protection::READ
        };
        let at = AT + 2 * place * PAGE;
        world.map(*p, at, 2 * PAGE, protection).expect("free");
    }
    scene
}

const OPERATIONS: [Operation; 4] = [
    Operation {
        name: "protect many, in part at the ends",
        frames: 0,
        vmas: 2,
        act: |s| {
            s.world
                .protect(s.p, AT + PAGE, END - AT - PAGE, Protection::empty())
        },
    },
    Operation {
        name: "unmap many, in part at the ends",
        frames: 0,
        vmas: 2,
        act: |s| s.world.unmap(s.p, AT + PAGE, END - AT - PAGE),
    },
    Operation {
        name: "unmap many and pages of a linked slot",
        frames: 1,
        vmas: 4,
        act: |s| {
            let start = LARGE + (SLOT + 3) * PAGE;
            s.world.unmap(s.p, start, END - start)
        },
    },
    Operation {
        name: "map over many, in part at the ends",
        frames: 2 * MANY - 2 + 3,
        vmas: 3,
        act: |s| {
            let length = END - AT - PAGE;
            let mapped = s.world.map_with(s.p, AT + PAGE, length, MapFlags::REPLACE);
            mapped.map(|_| ())
        },
    },
];

/// All mappings that there are many of, by what they allow.
fn allowed(scene: &mut Scene) -> Vec<Option<mm::VmaFacts>> {
    let Scene { world, p, .. } = scene;
    let of = |page| world.mm.describe(*p, addr::VirtAddr::new(AT + page * PAGE));
    (0..2 * MANY).map(of).collect()
}

fn assert_refused_but_with_enough(operation: &Operation, mut scene: Scene, is_enough: bool) {
    let before = (State::of(&mut scene), allowed(&mut scene));
    let answer = (operation.act)(&mut scene);
    scene.world.check_now();
    if is_enough {
        assert_eq!(answer, Ok(()), "{}", operation.name);
        return;
    }
    assert_eq!(answer, Err(Errno::ENOMEM), "{}", operation.name);
    let after = (State::of(&mut scene), allowed(&mut scene));
    assert_eq!(after, before, "{}", operation.name);
    let Scene { world, p, .. } = &mut scene;
    assert_eq!(world.load(*p, PLACE), Ok(1), "requests and touches go on");
}

#[test]
fn what_changes_many_mappings_is_refused_with_one_slot_too_few_and_changes_none() {
    for operation in &OPERATIONS {
        for left in 0..=operation.vmas {
            assert_refused_but_with_enough(operation, scene(left), left == operation.vmas);
        }
    }
}

#[test]
fn so_it_is_with_one_frame_too_few() {
    for operation in &OPERATIONS {
        for left in operation.frames.saturating_sub(2)..=operation.frames {
            let mut scene = scene(operation.vmas);
            let Scene { world, p, .. } = &mut scene;
            let rest = world.unpromised() - left;
            let id = world.segment(*p, (rest - tables_of(rest)) * PAGE);
            assert_eq!(world.unpromised(), left, "{id:?} takes the rest");
            assert_refused_but_with_enough(operation, scene, left == operation.frames);
        }
    }
}

/// Tables of a segment that takes up `frames` frames in all.
fn tables_of(frames: u64) -> u64 {
    1 + (frames - 1).div_ceil(SLOT + 1)
}
