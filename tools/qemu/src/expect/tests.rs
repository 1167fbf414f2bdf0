//! Made-up transcripts that the expect engine must accept or reject.

use std::time::Duration;

use regex::Regex;

use super::{End, Ending, Failure, Script, Session, Step};

fn script(steps: Vec<Step>) -> Script {
    Script {
        steps,
        anywhere: Vec::new(),
        forbidden: vec![Regex::new("^panic:").unwrap()],
        end: End::Status(0),
        deadline: Duration::from_secs(1),
    }
}

fn line(text: &str) -> Step {
    Step::Line(text.into())
}

fn regex(text: &str) -> Step {
    Step::Regex(text.into())
}

fn prompt(text: &str) -> Step {
    Step::Prompt(text.into())
}

fn send(text: &str) -> Step {
    Step::Send(text.into())
}

fn verdict(script: &Script, output: &str, ending: Ending) -> Result<(), Failure> {
    let mut session = Session::new(script);
    session.feed(output.as_bytes());
    session.end(ending)
}

#[test]
fn lines_in_order_and_the_right_status_pass() {
    let script = script(vec![line("one"), line("three")]);
    let output = "one\r\ntwo\r\nnumber three\r\n";
    assert_eq!(verdict(&script, output, Ending::Ended(End::Status(0))), Ok(()));
}

#[test]
fn a_missing_line_fails() {
    let script = script(vec![line("one"), line("three")]);
    let result = verdict(&script, "one\ntwo\n", Ending::Ended(End::Status(0)));
    assert_eq!(result, Err(Failure::Missing("a line with `three`".into())));
}

#[test]
fn lines_in_the_wrong_order_fail() {
    let script = script(vec![line("one"), line("two")]);
    let result = verdict(&script, "two\none\n", Ending::Ended(End::Status(0)));
    assert_eq!(result, Err(Failure::Missing("a line with `two`".into())));
}

#[test]
fn one_line_does_not_satisfy_two_steps() {
    let script = script(vec![line("a"), line("b")]);
    assert!(verdict(&script, "a b\n", Ending::Ended(End::Status(0))).is_err());
    assert_eq!(
        verdict(&script, "a b\nb\n", Ending::Ended(End::Status(0))),
        Ok(())
    );
}

#[test]
fn a_forbidden_line_fails_even_when_all_else_is_right() {
    let script = script(vec![line("one")]);
    let result = verdict(&script, "one\npanic: no\n", Ending::Ended(End::Status(0)));
    let expected = Failure::Forbidden {
        pattern: "^panic:".into(),
        line: "panic: no".into(),
    };
    assert_eq!(result, Err(expected));
}

#[test]
fn a_forbidden_text_at_the_very_end_without_a_line_ending_fails() {
    let script = script(vec![]);
    assert!(verdict(&script, "panic: cut o", Ending::Ended(End::Status(0))).is_err());
}

#[test]
fn a_forbidden_line_is_known_before_the_machine_ends() {
    let script = script(vec![line("never")]);
    let mut session = Session::new(&script);
    session.feed(b"panic: now\n");
    assert!(matches!(session.failure(), Some(Failure::Forbidden { .. })));
}

#[test]
fn a_deadline_fails_and_names_what_was_awaited() {
    let script = script(vec![line("one"), line("two")]);
    let result = verdict(&script, "one\n", Ending::DeadlinePassed);
    assert_eq!(result, Err(Failure::Late("a line with `two`".into())));
}

#[test]
fn a_machine_that_prints_everything_but_never_ends_fails() {
    let script = script(vec![line("one")]);
    let result = verdict(&script, "one\n", Ending::DeadlinePassed);
    assert_eq!(result, Err(Failure::Late("the machine to end".into())));
}

#[test]
fn a_wrong_exit_status_fails() {
    let script = script(vec![line("one")]);
    let result = verdict(&script, "one\n", Ending::Ended(End::Status(3)));
    let expected = Failure::End {
        expected: End::Status(0),
        actual: End::Status(3),
    };
    assert_eq!(result, Err(expected));
}

#[test]
fn a_halt_can_be_demanded_and_shows_in_the_last_line() {
    let mut script = script(vec![line("cannot start")]);
    script.end = End::Halt;
    let mut session = Session::new(&script);
    session.feed(b"cannot start\r\nhalted: switch me off");
    assert!(!session.has_halted(), "the line is not finished");
    session.feed(b"\r\n");
    assert!(session.has_halted());
    assert_eq!(session.end(Ending::Ended(End::Halt)), Ok(()));
    let output = "cannot start\nhalted\n";
    assert!(verdict(&script, output, Ending::Ended(End::Status(0))).is_err());
}

#[test]
fn a_status_other_than_zero_can_be_demanded() {
    let mut script = script(vec![]);
    script.end = End::Status(7);
    assert_eq!(verdict(&script, "", Ending::Ended(End::Status(7))), Ok(()));
    assert!(verdict(&script, "", Ending::Ended(End::Status(0))).is_err());
}

#[test]
fn an_emulator_that_crashes_fails() {
    let script = script(vec![]);
    assert_eq!(verdict(&script, "", Ending::Killed), Err(Failure::Killed));
}

#[test]
fn lines_of_two_programs_may_come_in_any_order_but_must_come() {
    let mut script = script(vec![line("start")]);
    script.anywhere = vec![Regex::new("^a done").unwrap(), Regex::new("^b done").unwrap()];
    let both = "start\nb done\na done\n";
    assert_eq!(verdict(&script, both, Ending::Ended(End::Status(0))), Ok(()));
    let result = verdict(&script, "start\nb done\n", Ending::Ended(End::Status(0)));
    assert_eq!(result, Err(Failure::NeverSeen("^a done".into())));
}

#[test]
fn a_captured_text_must_come_again_where_it_is_named() {
    let steps = vec![regex("sum (?<sum>[0-9a-f.]{4})"), line("sum {sum}")];
    let script = script(steps);
    let same = "producer: sum ab.1\nconsumer: sum ab.1\n";
    assert_eq!(verdict(&script, same, Ending::Ended(End::Status(0))), Ok(()));
    let other = "producer: sum ab.1\nconsumer: sum ab01\n";
    assert!(verdict(&script, other, Ending::Ended(End::Status(0))).is_err());
}

#[test]
fn a_captured_text_is_taken_literally_inside_an_expression() {
    let script = script(vec![regex("is (?<x>.+)$"), regex("^again {x}$")]);
    let output = "is a.c\nagain abc\n";
    assert!(verdict(&script, output, Ending::Ended(End::Status(0))).is_err());
    let output = "is a.c\nagain a.c\n";
    assert_eq!(verdict(&script, output, Ending::Ended(End::Status(0))), Ok(()));
}

#[test]
fn nothing_is_typed_before_the_prompt_appears() {
    let script = script(vec![prompt("> "), send("help"), line("commands")]);
    let mut session = Session::new(&script);
    assert_eq!(session.feed(b"booting\n"), "");
    assert_eq!(session.feed(b"granule"), "");
    assert_eq!(session.feed(b"> "), "help\r");
    assert_eq!(session.feed(b"help\r\ncommands: help\r\n"), "");
    assert_eq!(session.end(Ending::Ended(End::Status(0))), Ok(()));
}

#[test]
fn one_prompt_does_not_answer_two_steps() {
    let steps = vec![prompt("> "), send("a"), prompt("> "), send("b")];
    let script = script(steps);
    let mut session = Session::new(&script);
    assert_eq!(session.feed(b"> "), "a\r");
    assert_eq!(session.feed(b"a\r"), "");
    assert_eq!(session.feed(b"\n> "), "b\r");
}

#[test]
fn a_line_that_arrives_in_pieces_is_matched_whole() {
    let script = script(vec![regex("^value (?<v>[0-9]+)$"), line("again {v}!")]);
    let mut session = Session::new(&script);
    for piece in ["val", "ue 12", "34\nag", "ain 1234!\n"] {
        session.feed(piece.as_bytes());
    }
    assert_eq!(session.end(Ending::Ended(End::Status(0))), Ok(()));
}
