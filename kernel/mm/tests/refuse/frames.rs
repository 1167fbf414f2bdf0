//! Too few frames.

use super::operation::{OPERATIONS, Scene};
use super::state::State;
use crate::common::{PAGE, Size, World};
use abi::Errno;
use mm::FaultCause;

/// Promises frames to segments of one page until `left` are not promised.
fn promise_all_but(world: &mut World, left: u64) {
    let root = world.root;
    world.thorough = false;
    while world.unpromised() > left {
        world.segment(root, PAGE);
    }
    world.thorough = true;
}

#[test]
fn an_operation_with_one_frame_too_few_is_refused_and_changes_nothing() {
    for operation in OPERATIONS {
        for left in 0..=operation.frames {
            if left + 8 < operation.frames {
                continue;
            }
            let mut scene = Scene::new(Size {
                frames: 620,
                regions: 640,
                ..Size::USUAL
            });
            promise_all_but(&mut scene.world, left);
            let before = State::of(&mut scene);
            let answer = (operation.act)(&mut scene);
            scene.world.check_now();
            if left == operation.frames {
                assert_eq!(answer, Ok(()), "{} with {left} frames", operation.name);
            } else {
                assert_eq!(
                    answer,
                    Err(Errno::ENOMEM),
                    "{} with {left} frames",
                    operation.name
                );
                assert_eq!(
                    State::of(&mut scene),
                    before,
                    "{} with {left} frames",
                    operation.name
                );
            }
        }
    }
}

#[test]
fn a_touch_of_what_was_promised_needs_no_other_frame() {
    let mut scene = Scene::new(Size {
        frames: 200,
        regions: 210,
        ..Size::USUAL
    });
    promise_all_but(&mut scene.world, 0);
    let Scene { mut world, p, .. } = scene;
    for page in (0..6).chain(8..14) {
        world
            .store(p, super::operation::PLACE + page * PAGE, 1)
            .expect("promised");
    }
}

#[test]
fn a_touch_without_a_promise_fails_alone_and_succeeds_as_soon_as_there_is_a_frame() {
    for left in 0..4 {
        let mut scene = Scene::new(Size {
            frames: 200,
            regions: 210,
            ..Size::USUAL
        });
        let Scene { world, p, .. } = &mut scene;
        let flags = crate::common::CREATE | abi::shm::GetFlags::NORESERVE;
        let id = world.get(*p, 9, 3 * PAGE, flags).expect("no frame is needed");
        let at = world.attach_anywhere(*p, id);
        promise_all_but(world, left);
        let before = State::of(&mut scene);
        let Scene { world, p, .. } = &mut scene;
        // A page and the region's table.
        if left < 2 {
            assert_eq!(world.store(*p, at, 1), Err(FaultCause::OutOfMemory));
            assert_eq!(State::of(&mut scene), before);
            let Scene { world, p, id, .. } = &mut scene;
            world
                .unmap(*p, super::operation::PLACE + 8 * PAGE, 6 * PAGE)
                .expect("mapped");
            assert!(world.facts(*id).shm_nattch == 1 && world.unpromised() >= 2);
        }
        let Scene { world, p, .. } = &mut scene;
        assert_eq!(world.store(*p, at, 1), Ok(()));
    }
}
