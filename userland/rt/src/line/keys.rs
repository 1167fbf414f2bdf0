//! From bytes of a terminal to keys: control characters, and escape sequences (ECMA-48, "Control functions").

/// A key that means something while a line is typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Character(char),
    Enter,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    Tab,
    DeleteToStart,
    DeleteToEnd,
    DeleteWord,
    ClearScreen,
    Cancel,
    EndOfInput,
}

const ESCAPE: u8 = 0x1b;

/// The byte a letter sends with Control held.
const fn control(letter: u8) -> u8 {
    letter & 0x1f
}

/// How much of an escape sequence has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Keys {
    #[default]
    Nothing,
    /// ESC.
    Begun,
    /// ESC and `[`: ends with a byte from `@` on. With its number, if it has one and nothing else.
    Sequence(Option<u8>),
    /// ESC and `O`: ends with the next byte.
    OneMore,
}

impl Keys {
    pub const fn new() -> Self {
        Self::Nothing
    }

    /// Takes a byte; a key, if the byte is one or is the last of one that has a meaning here.
    pub fn take(&mut self, byte: u8) -> Option<Key> {
        let (next, key) = self.follow(byte);
        *self = next;
        key
    }

    fn follow(self, byte: u8) -> (Self, Option<Key>) {
        match (self, byte) {
            (_, ESCAPE) => (Self::Begun, None),
            // Control characters end whatever was begun, and keep their meaning.
            (_, ..b' ') | (Self::Nothing, _) => (Self::Nothing, plain(byte)),
            (Self::Begun, b'[') => (Self::Sequence(Some(0)), None),
            (Self::Begun, b'O') => (Self::OneMore, None),
            (Self::Sequence(number), b'0'..=b'9') => {
                let digit = byte - b'0';
                let number = number.and_then(|number| number.checked_mul(10)?.checked_add(digit));
                (Self::Sequence(number), None)
            }
            (Self::Sequence(_), b' '..b'@') => (Self::Sequence(None), None),
            (Self::Sequence(Some(number)), b'~') => (Self::Nothing, numbered(number)),
            (Self::Sequence(Some(0)) | Self::OneMore, _) => (Self::Nothing, lettered(byte)),
            (Self::Begun | Self::Sequence(_), _) => (Self::Nothing, None),
        }
    }
}

fn plain(byte: u8) -> Option<Key> {
    const BACKSPACE: u8 = control(b'H');
    const DELETE: u8 = 0x7f;
    const CONTROL_A: u8 = control(b'A');
    const CONTROL_B: u8 = control(b'B');
    const CONTROL_C: u8 = control(b'C');
    const CONTROL_D: u8 = control(b'D');
    const CONTROL_E: u8 = control(b'E');
    const CONTROL_F: u8 = control(b'F');
    const CONTROL_K: u8 = control(b'K');
    const CONTROL_L: u8 = control(b'L');
    const CONTROL_N: u8 = control(b'N');
    const CONTROL_P: u8 = control(b'P');
    const CONTROL_U: u8 = control(b'U');
    const CONTROL_W: u8 = control(b'W');
    Some(match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        BACKSPACE | DELETE => Key::Backspace,
        CONTROL_A => Key::Home,
        CONTROL_B => Key::Left,
        CONTROL_C => Key::Cancel,
        CONTROL_D => Key::EndOfInput,
        CONTROL_E => Key::End,
        CONTROL_F => Key::Right,
        CONTROL_K => Key::DeleteToEnd,
        CONTROL_L => Key::ClearScreen,
        CONTROL_N => Key::Down,
        CONTROL_P => Key::Up,
        CONTROL_U => Key::DeleteToStart,
        CONTROL_W => Key::DeleteWord,
        b' '..=b'~' => Key::Character(char::from(byte)),
        _ => return None,
    })
}

fn lettered(letter: u8) -> Option<Key> {
    Some(match letter {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        _ => return None,
    })
}

/// Keys that VT220 and those after it number.
fn numbered(number: u8) -> Option<Key> {
    Some(match number {
        1 | 7 => Key::Home,
        3 => Key::Delete,
        4 | 8 => Key::End,
        _ => return None,
    })
}
