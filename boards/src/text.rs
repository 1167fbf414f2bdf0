//! A short string in place.

use core::fmt;

/// At most `N` bytes of text, copied out of the tree so that nothing borrows from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    /// Text without a character.
    pub const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
    };

    /// As many whole characters of `text` as fit.
    pub fn cut(text: &str) -> Self {
        Self::copy(text, floor_char_boundary(text, N))
    }

    /// As many whole words of `text` as fit: half a word could mean something else.
    pub fn cut_to_words(text: &str) -> Self {
        if text.len() <= N {
            return Self::copy(text, text.len());
        }
        // Not by indices: how they would panic takes along how to print any character, which is 5 KiB of the kernel.
        let halves = text.split_at_checked(floor_char_boundary(text, N));
        let (fits, rest) = halves.unwrap_or_default();
        let next_starts_a_word = rest.starts_with(char::is_whitespace);
        let end = if next_starts_a_word {
            fits.len()
        } else {
            fits.rfind(char::is_whitespace).unwrap_or(0)
        };
        Self::copy(text, end)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Only `copy` fills the bytes, and it takes whole characters.
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    fn copy(text: &str, len: usize) -> Self {
        let mut bytes = [0; N];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Self { bytes, len }
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

/// The largest length up to `limit` that does not split a character.
fn floor_char_boundary(text: &str, limit: usize) -> usize {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn text_that_is_too_long_ends_with_a_whole_character() {
        assert_eq!(Text::<4>::cut("abc").as_str(), "abc");
        assert_eq!(Text::<4>::cut("abcü").as_str(), "abc");
        assert_eq!(Text::<5>::cut("abcü").as_str(), "abcü");
    }

    #[test]
    fn words_that_do_not_fit_are_left_out_whole() {
        assert_eq!(Text::<7>::cut_to_words("init=sh").as_str(), "init=sh");
        assert_eq!(Text::<7>::cut_to_words("a b=1234").as_str(), "a");
        assert_eq!(Text::<7>::cut_to_words("a b=1234 c").as_str(), "a");
        assert_eq!(Text::<8>::cut_to_words("a b=1234 c").as_str(), "a b=1234");
        assert_eq!(Text::<7>::cut_to_words("0123456789").as_str(), "");
    }
}
