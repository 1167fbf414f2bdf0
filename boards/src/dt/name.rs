//! Node names in the length that the parser takes.
//!
//! `fdt-rs` gives up on the whole tree at the first node name of 30 characters or more, though the
//! specification's limit of 31 is for the part before the `@`, and trees exceed even that. So the
//! copy that it reads has longer names shortened, and names from paths are shortened the same way
//! before they are compared.

/// The longest name that `fdt-rs` reads.
pub(super) const MAX_NAME_BYTES: usize = 29;

/// A node name of at most [`MAX_NAME_BYTES`].
#[derive(PartialEq, Eq, Debug)]
pub(super) struct ShortName {
    bytes: [u8; MAX_NAME_BYTES],
    len: usize,
}

impl ShortName {
    /// Shortens `name`: the front part loses its tail, the unit address stays whole if it can,
    /// since that tells siblings apart.
    pub(super) fn of(name: &[u8]) -> Self {
        let mut short = Self {
            bytes: [0; MAX_NAME_BYTES],
            len: 0,
        };
        let unit_at = name.iter().position(|byte| *byte == b'@').unwrap_or(name.len());
        let (front, unit) = name.split_at(unit_at);
        let front_room = MAX_NAME_BYTES.saturating_sub(unit.len());
        short.push(&front[..front.len().min(front_room)]);
        short.push(unit);
        short
    }

    /// The name.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Adds as much of `part` as fits.
    fn push(&mut self, part: &[u8]) {
        let taken = part.len().min(MAX_NAME_BYTES - self.len);
        self.bytes[self.len..self.len + taken].copy_from_slice(&part[..taken]);
        self.len += taken;
    }
}

#[cfg(test)]
mod tests {
    use super::ShortName;

    #[test]
    fn names_that_fit_stay_as_they_are() {
        for name in ["", "cpus", "interrupt-controller@40041000"] {
            assert_eq!(ShortName::of(name.as_bytes()).as_bytes(), name.as_bytes());
        }
    }

    #[test]
    fn longer_names_keep_their_unit_address() {
        let short = ShortName::of(b"interrupt-controller@1f000041000");
        assert_eq!(short.as_bytes(), b"interrupt-control@1f000041000");
        let unit_alone_is_too_long = ShortName::of(b"x@0123456789012345678901234567890123456789");
        assert_eq!(
            unit_alone_is_too_long.as_bytes(),
            b"@0123456789012345678901234567"
        );
        assert_eq!(ShortName::of(&[b'a'; 40]).as_bytes(), [b'a'; 29]);
    }
}
