//! Every checked-in input, once: seeds, and what once broke something.

use granule_fuzz::TARGETS;

#[test]
fn no_input_that_is_checked_in_breaks_anything() {
    for target in TARGETS {
        for path in target.inputs().expect("the inputs") {
            // In the output if it fails, so that one knows which it was.
            println!("{}: {}", target.name, path.display());
            (target.run)(&std::fs::read(&path).expect("an input"));
        }
    }
}

#[test]
fn every_target_has_something_to_begin_with() {
    for target in TARGETS {
        assert!(
            !target.inputs().expect("the inputs").is_empty(),
            "{}",
            target.name
        );
    }
}

#[test]
fn no_input_at_all_breaks_nothing() {
    for target in TARGETS {
        (target.run)(&[]);
    }
}
