//! Identifiers: section S.

use crate::common::{PAGE, PLAIN, World};
use abi::Errno;
use std::collections::BTreeSet;

/// Proves: S-02, S-04
#[test]
fn two_hundred_rounds_of_creation_and_removal_repeat_no_identifier() {
    let mut world = World::new();
    let p = world.process();
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let id = world.segment(p, PAGE);
        assert!(seen.insert(id.raw()));
        world.remove(p, id).expect("there");
        assert_eq!(world.stat(p, id), Err(Errno::EINVAL));
    }
}

/// Proves: S-03
#[test]
fn an_identifier_that_outlived_its_segment_never_reaches_the_next_one() {
    let mut world = World::new();
    let p = world.process();
    let stale = world.segment(p, PAGE);
    world.remove(p, stale).expect("there");
    let heir = world.segment(p, PAGE);
    assert_eq!(heir.index(), stale.index(), "the place is taken again");
    assert_eq!(world.stat(p, stale), Err(Errno::EINVAL));
    assert_eq!(world.attach(p, stale, 0, PLAIN), Err(Errno::EINVAL));
    assert_eq!(world.remove(p, stale), Err(Errno::EINVAL));
    assert!(world.stat(p, heir).is_ok());
}

/// Proves: S-05
#[test]
fn identifiers_stay_positive_when_the_sequence_starts_over() {
    let mut world = World::quick(crate::common::Size::USUAL);
    let p = world.process();
    for _ in 0..70_000 {
        let id = world.segment(p, PAGE);
        assert!(id.raw() >= 0);
        world.remove(p, id).expect("there");
    }
    world.check_now();
}

/// Proves: S-06
#[test]
fn the_place_of_a_removed_segment_is_not_taken_while_somebody_has_it_attached() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    world.attach_anywhere(p, id);
    world.remove(p, id).expect("there");
    for _ in 0..10 {
        assert_ne!(world.segment(p, PAGE).index(), id.index());
    }
    assert!(world.stat(p, id).is_ok());
}
