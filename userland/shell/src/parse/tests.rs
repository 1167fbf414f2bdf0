extern crate std;

use super::{Chain, Link, ParseError, Pipeline, parse};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::vec;

fn value(name: &str) -> Option<String> {
    match name {
        "A" => Some("one two".into()),
        "?" => Some("7".into()),
        "1" => Some("first".into()),
        _ => None,
    }
}

fn words(pipeline: &Pipeline) -> Vec<Vec<String>> {
    let words = |command: &super::Command| {
        command
            .words
            .iter()
            .filter_map(|word| word.expand(&value))
            .collect()
    };
    pipeline.commands.iter().map(words).collect()
}

/// The words of a line that is one command.
fn command(line: &str) -> Vec<String> {
    let chains = parse(line).expect(line);
    assert!(chains.len() == 1 && chains[0].rest.is_empty(), "{line}");
    words(&chains[0].first).remove(0)
}

#[test]
fn words_are_what_stands_between_blanks_and_quotes_keep_blanks_in() {
    assert_eq!(command("  echo a\tb  "), ["echo", "a", "b"]);
    assert_eq!(
        command(r#"echo 'a  b' "c  d" e\ f"#),
        ["echo", "a  b", "c  d", "e f"]
    );
    assert_eq!(command(r#"echo a'b'"c"\d ''"#), ["echo", "abcd", ""]);
    assert_eq!(
        command(r#"echo '$A\"' "\"\$A\x""#),
        ["echo", r#"$A\""#, r#""$A\x"#]
    );
    assert_eq!(command("echo ';' \\| '&&'"), ["echo", ";", "|", "&&"]);
    assert_eq!(command("echo a#b # c"), ["echo", "a#b"]);
}

#[test]
fn variables_stand_for_their_values_which_are_not_split() {
    assert_eq!(
        command("echo $A ${A}x \"$A\" '$A'"),
        ["echo", "one two", "one twox", "one two", "$A"]
    );
    assert_eq!(
        command("echo $? $1 $ $B \"$B\" x$B"),
        ["echo", "7", "first", "$", "", "x"]
    );
}

#[test]
fn assignments_come_before_the_command_and_may_stand_alone() {
    let chains = parse("X=1 Y=\"a $A\" echo Z=2").expect("good");
    let command = &chains[0].first.commands[0];
    let assigned: Vec<_> = command
        .assignments
        .iter()
        .map(|(name, word)| (name.as_str(), word.expand(&value)))
        .collect();
    assert_eq!(
        assigned,
        [("X", Some("1".into())), ("Y", Some("a one two".into()))]
    );
    assert_eq!(words(&chains[0].first), [["echo", "Z=2"]]);
    assert!(parse("X=").expect("good")[0].first.commands[0].words.is_empty());
    assert_eq!(command_words("'X=1' 1X=2"), ["X=1", "1X=2"]);
}

fn command_words(line: &str) -> Vec<String> {
    command(line)
}

#[test]
fn commands_are_joined_by_operators() {
    let chains = parse("a | b && c || d; e & f;").expect("good");
    let texts: Vec<_> = chains
        .iter()
        .map(|chain| (chain.text.as_str(), chain.background))
        .collect();
    assert_eq!(texts, [("a | b && c || d", false), ("e", true), ("f", false)]);
    let Chain { first, rest, .. } = &chains[0];
    assert_eq!(words(first), [["a"], ["b"]]);
    let rest: Vec<_> = rest
        .iter()
        .map(|(link, pipeline)| (*link, words(pipeline)))
        .collect();
    assert_eq!(
        rest,
        [
            (Link::And, vec![vec!["c".to_string()]]),
            (Link::Or, vec![vec!["d".to_string()]])
        ]
    );
    assert_eq!(parse(" # nothing "), Ok(vec![]));
}

#[test]
fn time_in_front_of_a_pipeline_is_no_command() {
    let chains = parse("time a | time").expect("good");
    assert!(chains[0].first.timed);
    assert_eq!(words(&chains[0].first), [["a"], ["time"]]);
    assert!(!parse("'time' a").expect("good")[0].first.timed);
}

#[test]
fn what_is_wrong_with_a_line_is_said() {
    for (line, says) in [
        ("echo 'a", "nothing closes the '"),
        ("echo \"a", "nothing closes the \""),
        ("echo ${A", "nothing closes the {"),
        ("echo \\", "there is nothing behind the last \\"),
        ("| a", "there is no command before |"),
        ("a ;; b", "there is no command before ;"),
        ("a | ; b", "there is no command behind |"),
        ("a &&", "there is no command behind &&"),
        (
            "ps > file",
            "this shell does not know >; quote it if you mean the character",
        ),
    ] {
        assert_eq!(
            parse(line).map_err(|error| error.to_string()),
            Err(says.into()),
            "{line}"
        );
    }
    assert_eq!(parse("a || || b"), Err(ParseError::NoCommandBehind("||")));
}
