//! Too few slots.

use super::operation::{OPERATIONS, Scene};
use super::state::State;
use crate::common::{CREATE, PAGE, PRIVATE, Size};
use abi::Errno;

#[test]
fn an_operation_with_one_vma_slot_too_few_is_refused_and_changes_nothing() {
    for operation in OPERATIONS {
        for left in 0..=operation.vmas {
            let mut scene = Scene::new(Size {
                vmas: Scene::VMAS + left,
                ..Size::USUAL
            });
            let before = State::of(&mut scene);
            let answer = (operation.act)(&mut scene);
            scene.world.check_now();
            if left == operation.vmas {
                assert_eq!(answer, Ok(()), "{} with {left} slots", operation.name);
            } else {
                assert_eq!(answer, Err(Errno::ENOMEM), "{} with {left} slots", operation.name);
                assert_eq!(
                    State::of(&mut scene),
                    before,
                    "{} with {left} slots",
                    operation.name
                );
            }
        }
    }
}

#[test]
fn without_a_region_slot_nothing_is_created() {
    let mut scene = Scene::new(Size {
        regions: Scene::REGIONS,
        ..Size::USUAL
    });
    let before = State::of(&mut scene);
    let p = scene.p;
    assert_eq!(scene.world.get(p, PRIVATE, PAGE, CREATE), Err(Errno::ENOSPC));
    assert_eq!(State::of(&mut scene), before);
}

#[test]
fn a_region_that_is_being_taken_apart_keeps_its_slot_and_the_refusal_loses_no_frame() {
    let mut scene = Scene::new(Size {
        regions: Scene::REGIONS + 1,
        ..Size::USUAL
    });
    let Scene { world, p, .. } = &mut scene;
    let id = world.get(*p, 9, 300 * PAGE, CREATE).expect("room");
    let at = world.attach_anywhere(*p, id);
    world.touch(*p, at, 300);
    world.detach(*p, at).expect("attached");
    let remove = abi::memory::ShmControl {
        id: abi::memory::ShmIdArgument(id.raw()),
        command: 0,
    };
    let (_, job) = world.begin(*p, abi::memory::MemoryRequest::ShmControl(remove), &[], None);
    assert!(job.is_some());
    let before = State::of(&mut scene);
    let Scene { world, p, .. } = &mut scene;
    assert_eq!(world.get(*p, 9, 10 * PAGE, CREATE), Err(Errno::ENOSPC));
    assert_eq!(State::of(&mut scene), before);
    scene.world.finish(job);
    let p = scene.p;
    scene.world.get(p, 9, 10 * PAGE, CREATE).expect("room again");
}
