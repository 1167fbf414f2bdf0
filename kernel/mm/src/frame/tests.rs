//! Tests of the page allocator and its promises.

extern crate std;
use super::buddy::Buddy;
use super::run::Run;
use super::{BadRam, Frames, NeverMapped, OutOfFrames, Promise, frame_words};
use addr::{Frame, FrameRange};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

fn range(start: u64, count: u64) -> FrameRange {
    FrameRange::new(Frame::from_number(start), count).expect("a range")
}

fn frames(ranges: &[FrameRange]) -> Frames {
    let words = frame_words(ranges).expect("good ranges");
    Frames::new(vec![!0; words].leak(), ranges).expect("enough words")
}

/// Three ranges that start and end anywhere, one of them above 4 GiB.
fn scattered() -> [FrameRange; 3] {
    [range(0x80, 7), range(0x4_0001, 2000), range(0x10_0000, 513)]
}

#[test]
fn every_frame_of_every_range_is_given_out_once_and_none_outside() {
    let ranges = scattered();
    let mut frames = frames(&ranges);
    let mut promise = frames.promise(2520).expect("all of them");
    assert_eq!(frames.promise(1).err(), Some(OutOfFrames));
    let taken: BTreeSet<Frame> = (0..2520).map(|_| frames.take(&mut promise)).collect();
    let expected: BTreeSet<Frame> = ranges.iter().flat_map(|range| range.iter()).collect();
    assert_eq!(taken, expected);
    assert_eq!((frames.counts().free, frames.counts().promised), (0, 0));
}

#[test]
fn what_was_never_taken_is_free_and_what_is_in_no_range_is_not() {
    let ranges = scattered();
    let mut frames = frames(&ranges);
    for range in &ranges {
        assert!(range.iter().all(|frame| frames.is_free(frame)));
    }
    assert!(!frames.is_free(Frame::from_number(0x7f)) && !frames.is_free(Frame::from_number(0x87)));
    let mut promise = frames.promise(600).expect("some of them");
    for _ in 0..600 {
        let taken = frames.take(&mut promise);
        assert!(!frames.is_free(taken));
    }
}

#[test]
fn a_frame_right_behind_a_range_is_not_the_first_one_of_the_next() {
    let gibibyte = 1 << 18;
    let frames = frames(&[range(gibibyte, gibibyte), range(3 * gibibyte, 10)]);
    assert!(frames.is_free(Frame::from_number(2 * gibibyte - 1)));
    assert!(!frames.is_free(Frame::from_number(2 * gibibyte)));
    assert!(frames.is_free(Frame::from_number(3 * gibibyte)));
}

#[test]
fn a_run_grows_at_either_end_and_nowhere_else() {
    let mut run = Run::new(5, 2);
    assert!(!run.extend(3) && !run.extend(8));
    assert!(run.extend(4) && run.extend(7));
    assert_eq!((run.start(), run.count()), (4, 4));
}

#[test]
fn an_allocator_has_a_tree_of_bits_for_each_size_of_block_and_no_other() {
    // Of 1024 frames and 512 blocks of two, each with a level above; of 256, and so on, to two of 512; and a
    // word for each of nine larger sizes.
    let trees = [16 + 1, 8 + 1, 4 + 1, 2 + 1, 1, 1, 1, 1, 1, 1, 9];
    assert_eq!(Buddy::words_for(1024), trees.iter().sum());
}

#[test]
fn freed_frames_join_into_the_largest_blocks_again() {
    let mut frames = frames(&[range(0x1000, 1024)]);
    let mut promise = frames.promise(1024).expect("all of them");
    let mut taken: Vec<Frame> = (0..1024).map(|_| frames.take(&mut promise)).collect();
    assert_eq!(frames.buddy.largest_free(), None);
    // Every second first, so that none can join, then the others.
    taken.sort_by_key(|frame| (frame.number() % 2, frame.number() * 7919 % 1024));
    for (count, frame) in taken.into_iter().enumerate() {
        frames.give_back(frame, &NeverMapped);
        if count == 511 {
            assert_eq!(frames.buddy.largest_free(), Some(0));
        }
    }
    frames.put_away();
    assert_eq!(frames.buddy.largest_free(), Some(10));
    assert_eq!(frames.counts().free, 1024);
}

#[test]
fn no_more_frames_wait_for_their_neighbours_than_can_be_put_away_at_once() {
    let mut frames = frames(&[range(0x1000, 2048)]);
    let mut promise = frames.promise(2048).expect("all of them");
    let taken: Vec<Frame> = (0..2048).map(|_| frames.take(&mut promise)).collect();
    for frame in taken.into_iter().rev() {
        frames.give_back(frame, &NeverMapped);
        let mut runs = frames.at_hand.runs();
        assert!(runs.all(|run| run.count() <= super::run::MOST_IN_RUN));
    }
    frames.put_away();
    assert_eq!(frames.buddy.largest_free(), Some(11));
}

#[test]
fn the_largest_block_is_one_gibibyte() {
    let gibibyte = 1 << 18;
    let mut frames = frames(&[range(gibibyte, 2 * gibibyte)]);
    assert_eq!(frames.buddy.largest_free(), Some(18));
    assert_eq!(frames.buddy.whole(), 1024);
    assert_eq!(frames.take_run(gibibyte + 1, 1), Err(OutOfFrames));
    assert!(frames.take_run(gibibyte, 1).is_ok());
}

#[test]
fn a_promised_block_is_there_whatever_single_frames_are_taken() {
    let mut frames = frames(&[range(0x1000, 2048 + 3)]);
    let mut blocks = frames
        .promise_blocks(2, 1)
        .expect("two of four blocks, and a frame");
    let mut singles = frames.promise(1026).expect("all others");
    assert_eq!(frames.promise(1).err(), Some(OutOfFrames));
    for _ in 0..1026 {
        let _ = frames.take(&mut singles);
    }
    let _ = frames.take(&mut blocks);
    let taken = [frames.take_block(&mut blocks), frames.take_block(&mut blocks)];
    assert!(taken.iter().all(|first| first.number().is_multiple_of(512)));
    assert_ne!(taken[0], taken[1]);
    assert_eq!((frames.counts().free, frames.counts().promised), (0, 0));
    for first in taken {
        frames.give_back_block(first, &NeverMapped);
    }
    assert_eq!((frames.counts().free, frames.buddy.whole()), (1024, 2));
}

#[test]
fn a_block_with_one_frame_in_use_cannot_be_promised_until_that_is_given_back() {
    let mut frames = frames(&[range(0x1000, 1024)]);
    let mut promise = frames.promise(1).expect("one");
    let frame = frames.take(&mut promise);
    assert_eq!(frames.promise_blocks(2, 0).err(), Some(OutOfFrames));
    frames.give_back(frame, &NeverMapped);
    let promise = frames
        .promise_blocks(2, 0)
        .expect("what waits for its neighbours is put away first");
    assert_eq!(frames.counts().promised, 1024);
    frames.release(promise);
    assert_eq!(frames.counts().promised, 0);
}

/// RAM with two whole blocks, and three with a frame less.
fn two_blocks_and_crumbs() -> [FrameRange; 4] {
    [
        range(0x1000, 1024),
        range(0x2001, 511),
        range(0x3001, 511),
        range(0x4001, 511),
    ]
}

#[test]
fn a_block_that_is_promised_is_promised_to_nobody_else_however_many_frames_are_free() {
    let mut frames = frames(&two_blocks_and_crumbs());
    let first = frames.promise_blocks(1, 0).expect("one of two");
    let second = frames.promise_blocks(1, 0).expect("the other one");
    assert_eq!(frames.promise_blocks(1, 0).err(), Some(OutOfFrames));
    assert_eq!(frames.promise_blocks(1, 1).err(), Some(OutOfFrames));
    frames.release(first);
    frames.release(second);
}

#[test]
fn what_waits_for_its_neighbours_is_put_away_too_when_another_block_is_promised() {
    let mut frames = frames(&[range(0x1000, 1024)]);
    let mut promise = frames.promise(1).expect("one");
    let frame = frames.take(&mut promise);
    let first = frames.promise_blocks(1, 0).expect("the other block");
    frames.give_back(frame, &NeverMapped);
    let second = frames.promise_blocks(1, 0).expect("the one it is of");
    assert_eq!(frames.counts().promised, 1024);
    frames.release(first);
    frames.release(second);
}

#[test]
fn a_run_may_be_all_that_nobody_was_promised() {
    let mut frames = frames(&[range(0x1000, 1024), range(0x2001, 10)]);
    let promise = frames.promise(10).expect("the crumbs");
    let run = frames.take_run(1024, 1).expect("all else");
    assert_eq!(frames.counts().free, 10);
    frames.release(promise);
    frames.give_back_run(run, &NeverMapped);
}

#[test]
fn no_run_is_taken_from_the_last_block_that_is_promised_however_many_frames_are_free() {
    let mut frames = frames(&two_blocks_and_crumbs());
    let blocks = frames.promise_blocks(2, 0).expect("both");
    assert_eq!(frames.take_run(300, 1), Err(OutOfFrames));
    let run = frames.take_run(256, 1).expect("as long as a crumb has");
    frames.release(blocks);
    frames.give_back_run(run, &NeverMapped);
}

#[test]
fn frames_that_were_promised_singly_are_no_blocks_for_others() {
    let mut frames = frames(&[range(0x1000, 1024)]);
    let singles = frames.promise(513).expect("half and one");
    assert_eq!(frames.promise_blocks(1, 0).err(), Some(OutOfFrames));
    frames.release(singles);
    assert!(frames.promise_blocks(2, 1).is_err());
    assert!(frames.promise_blocks(2, 0).is_ok());
}

#[test]
#[should_panic(expected = "a promise without blocks is not worth one")]
fn no_block_is_taken_against_frames() {
    let mut frames = frames(&[range(0x1000, 1024)]);
    let mut promise = frames.promise(600).expect("some");
    let _ = frames.take_block(&mut promise);
}

#[test]
fn a_run_is_in_a_row_aligned_and_as_long_as_asked_for() {
    let mut frames = frames(&[range(0x1001, 5000)]);
    for (count, alignment) in [(1, 1), (3, 1), (5, 16), (512, 1), (600, 512), (1, 1024)] {
        let run = frames.take_run(count, alignment).expect("room");
        assert_eq!(run.count(), count);
        assert!(run.start().number().is_multiple_of(alignment), "{run:?}");
        assert!(run.iter().all(|frame| !frames.is_free(frame)));
        assert!(!run.contains(Frame::from_number(0x1000)));
        assert_eq!(frames.counts().free, 5000 - count);
        frames.give_back_run(run, &NeverMapped);
        assert_eq!(frames.counts().free, 5000);
    }
    assert_eq!(frames.take_run(0, 1), Err(OutOfFrames));
    assert_eq!(frames.take_run(1, 1 << 40), Err(OutOfFrames));
    assert_eq!(
        frames.take_run(4096, 1),
        Err(OutOfFrames),
        "no such block starts in this RAM"
    );
}

#[test]
fn no_run_is_taken_from_what_is_promised() {
    let mut frames = frames(&[range(0x1000, 1024)]);
    let blocks = frames.promise_blocks(2, 0).expect("both");
    assert_eq!(frames.take_run(1, 1), Err(OutOfFrames));
    frames.release(blocks);
    let block = frames.promise_blocks(1, 0).expect("one");
    let run = frames.take_run(300, 1).expect("from the other one");
    assert_eq!(frames.take_run(300, 1), Err(OutOfFrames));
    let rest = frames.take_run(120, 1).expect("from what is left of it");
    let singles = frames.promise(92).expect("the rest of the rest");
    assert_eq!(frames.take_run(1, 1), Err(OutOfFrames));
    frames.release(singles);
    frames.release(block);
    frames.give_back_run(run, &NeverMapped);
    frames.give_back_run(rest, &NeverMapped);
    assert_eq!(frames.buddy.whole(), 2);
}

#[test]
fn ranges_that_lie_in_the_same_gibibyte_share_its_words() {
    let apart = frame_words(&[range(0x4_0000, 0x1_0000)]).expect("good");
    let pieces = [
        range(0x4_0000, 0x100),
        range(0x4_0200, 0x800),
        range(0x4_8000, 0x8000),
    ];
    assert_eq!(frame_words(&pieces), Ok(apart));
}

#[test]
fn sixty_free_frames_of_sixty_four_are_enough_for_one_wherever_they_lie() {
    // The allocator that NuttX had skipped holes of a nearly free area.
    for held in 0..64 {
        let mut frames = frames(&[range(0x1000, 64)]);
        let mut promise = frames.promise(64).expect("all of them");
        let taken: Vec<Frame> = (0..64).map(|_| frames.take(&mut promise)).collect();
        for (place, frame) in taken.into_iter().enumerate() {
            if place != held {
                frames.give_back(frame, &NeverMapped);
            }
        }
        let mut promise = frames.promise(63).expect("all but one");
        let again: BTreeSet<Frame> = (0..63).map(|_| frames.take(&mut promise)).collect();
        assert_eq!(again.len(), 63);
    }
}

#[test]
fn what_is_promised_cannot_be_promised_again_and_comes_back_when_released() {
    let mut frames = frames(&[range(0x1000, 10)]);
    let mut first = frames.promise(6).expect("six");
    assert!(frames.promise(5).is_err());
    let frame = frames.take(&mut first);
    assert!(frames.promise(5).is_err());
    let second = frames.promise(4).expect("the other four");
    frames.release(first);
    frames.release(second);
    assert_eq!((frames.counts().free, frames.counts().promised), (9, 0));
    let mut kept = Promise::none();
    frames.exchange(frame, &NeverMapped, &mut kept);
    assert_eq!(
        (frames.counts().free, frames.counts().promised, kept.frames()),
        (10, 1, 1)
    );
    frames.release(kept);
}

#[test]
#[should_panic(expected = "a promise of 0 is not worth 1")]
fn no_frame_is_taken_without_a_promise() {
    frames(&[range(0x1000, 10)]).take(&mut Promise::none());
}

#[test]
fn lists_of_ram_that_make_no_sense_are_refused() {
    assert_eq!(
        frame_words(&[range(0x1000, 10), range(0x100, 10)]),
        Err(BadRam::NotSorted)
    );
    assert_eq!(
        frame_words(&[range(0x1000, 10), range(0x1009, 10)]),
        Err(BadRam::NotSorted)
    );
    let many: Vec<FrameRange> = (0..33).map(|n| range(n * 0x1000, 1)).collect();
    assert_eq!(frame_words(&many), Err(BadRam::TooManyRanges));
    assert_eq!(frame_words(&many[..32]).map(|words| words > 0), Ok(true));
    let refused = Frames::new(vec![0; 10].leak(), &[range(0x1000, 4096)]);
    assert_eq!(refused.err(), Some(BadRam::TooFewWords));
}

#[test]
fn the_allocator_takes_three_quarters_of_a_byte_a_frame() {
    let half_a_gibibyte = 131_072;
    let words = frame_words(&[range(0x4_0000, half_a_gibibyte)]).expect("good");
    assert!(words as u64 * 8 * 100 < half_a_gibibyte * 77, "{words} words");
}

proptest! {
    #[test]
    fn any_order_of_taking_and_giving_back_keeps_the_counts_exact(steps in proptest::collection::vec(any::<u16>(), 1..400)) {
        let mut frames = frames(&scattered());
        let mut held: Vec<Frame> = Vec::new();
        for step in steps {
            if step % 5 < 3 {
                for _ in 0..step % 7 {
                    if let Ok(mut promise) = frames.promise(1) {
                        let frame = frames.take(&mut promise);
                        prop_assert!(!held.contains(&frame));
                        prop_assert!(!frames.is_free(frame));
                        held.push(frame);
                    }
                }
            } else if !held.is_empty() {
                let frame = held.swap_remove(usize::from(step) % held.len());
                frames.give_back(frame, &NeverMapped);
                prop_assert!(frames.is_free(frame));
            }
            prop_assert_eq!(frames.counts().free, 2520 - held.len() as u64);
        }
    }
}
