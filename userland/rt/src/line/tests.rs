use super::{Editor, Typed, no_completion};
use alloc::string::{String, ToString};
use std::vec;
use std::vec::Vec;

const PROMPT: &str = "> ";

/// A terminal of one line that understands what the editor sends.
#[derive(Default)]
struct Terminal {
    line: Vec<char>,
    cursor: usize,
    /// Lines that were left.
    above: Vec<String>,
}

impl Terminal {
    fn show(&mut self, text: &str) {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\n' => {
                    self.above.push(self.line.drain(..).collect());
                    self.cursor = 0;
                }
                '\r' => self.cursor = 0,
                '\u{8}' => self.cursor -= 1,
                '\x1b' => self.obey(&mut characters),
                _ => {
                    self.line.truncate(self.line.len().max(self.cursor));
                    if self.cursor == self.line.len() {
                        self.line.push(character);
                    } else {
                        self.line[self.cursor] = character;
                    }
                    self.cursor += 1;
                }
            }
        }
    }

    fn obey(&mut self, sequence: &mut core::str::Chars<'_>) {
        assert_eq!(sequence.next(), Some('['));
        let mut number = String::new();
        for character in sequence {
            match character {
                '0'..='9' => number.push(character),
                'D' => return self.cursor -= number.parse::<usize>().expect("a count"),
                'C' => return self.cursor += number.parse::<usize>().expect("a count"),
                'K' => return self.line.truncate(self.cursor),
                'H' => return self.cursor = 0,
                'J' => return self.line.clear(),
                other => panic!("{other} is no sequence of the editor's"),
            }
        }
    }

    fn line(&self) -> String {
        self.line.iter().collect::<String>().trim_end().to_string()
    }
}

/// Types `keys` into a new editor; what was entered, and the terminal.
fn type_in(keys: &str) -> (Vec<Typed>, Terminal) {
    type_with(keys, &no_completion)
}

fn type_with(keys: &str, complete: super::Complete<'_>) -> (Vec<Typed>, Terminal) {
    let (mut editor, mut terminal, mut entered) = (Editor::new(), Terminal::default(), Vec::new());
    terminal.show(PROMPT);
    for byte in keys.bytes() {
        let mut screen = String::new();
        let typed = editor.take(byte, PROMPT, complete, &mut screen);
        terminal.show(&screen);
        if typed.is_some() {
            terminal.show(PROMPT);
        }
        entered.extend(typed);
        let shown = std::format!("{PROMPT}{}", editor.line);
        assert_eq!(terminal.line(), shown.trim_end(), "after {byte:#x} of {keys:?}");
        assert_eq!(
            terminal.cursor,
            PROMPT.len() + editor.cursor,
            "after {byte:#x} of {keys:?}"
        );
    }
    (entered, terminal)
}

fn lines(keys: &str) -> Vec<String> {
    let line = |typed| match typed {
        Typed::Line(line) => line,
        Typed::EndOfInput => "END".into(),
    };
    type_in(keys).0.into_iter().map(line).collect()
}

#[test]
fn text_is_inserted_and_deleted_where_the_cursor_is() {
    assert_eq!(lines("ac\x1b[Db\r"), ["abc"]);
    assert_eq!(lines("abc\x1b[D\x1b[D\x7f\r"), ["bc"]);
    assert_eq!(lines("abc\x1b[H\x1b[3~\x1b[C\x1b[C\x1b[Cd\r"), ["bcd"]);
    assert_eq!(lines("bc\x01a\x05d\r"), ["abcd"]);
    assert_eq!(lines("bc\x1bOHa\x1b[4~d\r"), ["abcd"]);
    assert_eq!(lines("ab\x1b[D\x04\r"), ["a"]);
}

#[test]
fn control_keys_delete_to_the_start_to_the_end_and_a_word() {
    assert_eq!(lines("one two\x15three\r"), ["three"]);
    assert_eq!(lines("one two\x1b[D\x1b[D\x15\r"), ["wo"]);
    assert_eq!(lines("one two\x01\x1b[C\x0b\r"), ["o"]);
    assert_eq!(lines("one two  \x17x\r"), ["one x"]);
    assert_eq!(lines("one\x17\x17x\r"), ["x"]);
}

#[test]
fn up_and_down_show_earlier_lines_and_what_was_being_typed_comes_back() {
    assert_eq!(lines("one\rtwo\r\x1b[A\x1b[A\r"), ["one", "two", "one"]);
    assert_eq!(lines("one\rtw\x1b[A\x1b[Bo\r"), ["one", "two"]);
    assert_eq!(lines("one\r\x1b[A\x1b[A\x1b[A2\r"), ["one", "one2"]);
    assert_eq!(lines("\x1b[B\x1b[Ax\r"), ["x"]);
    assert_eq!(lines("one\rone\r  \r\x1b[A\x1b[A\r"), ["one", "one", "  ", "one"]);
}

#[test]
fn control_c_gives_a_line_up_and_control_d_ends_the_input_only_where_there_is_none() {
    assert_eq!(lines("rm\x03\x04"), ["", "END"]);
    assert_eq!(lines("a\x04\r"), ["a"]);
}

#[test]
fn the_screen_is_cleared_and_the_line_stays() {
    let (entered, terminal) = type_in("abc\x1b[D\x0c");
    assert!(entered.is_empty());
    assert_eq!((terminal.line().as_str(), terminal.cursor), ("> abc", 4));
}

#[test]
fn a_word_is_completed_as_far_as_all_candidates_agree_and_then_they_are_shown() {
    let commands = |before: &str| match before {
        "" | "ps |" => vec!["ipcs".into(), "ipcrm".into(), "ps".into()],
        _ => vec!["bin/ps".into()],
    };
    let (entered, terminal) = type_with("i\tx\x7f\ts\r", &commands);
    assert_eq!(entered, [Typed::Line("ipcs".into())]);
    assert!(
        terminal.above.contains(&"ipcrm  ipcs".into()),
        "{:?}",
        terminal.above
    );
    let line = |keys| type_with(keys, &commands).0;
    assert_eq!(line("p\t-a\r"), [Typed::Line("ps -a".into())]);
    assert_eq!(line("cat b\t\r"), [Typed::Line("cat bin/ps ".into())]);
    assert_eq!(line("ps |ipcr\t\r"), [Typed::Line("ps |ipcrm ".into())]);
    assert_eq!(line("x\t\r"), [Typed::Line("x".into())]);
}

#[test]
fn what_does_not_fit_or_is_no_printable_ascii_is_passed_over() {
    let long = "x".repeat(300);
    assert_eq!(lines(&(long + "\r")), ["x".repeat(256)]);
    assert_eq!(lines("a\u{e4}b\u{1}\u{1b}[1;5Dc\r"), ["cab"]);
}
