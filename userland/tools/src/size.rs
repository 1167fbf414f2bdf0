//! Amounts of memory, as people write and read them.

use alloc::format;
use alloc::string::String;

/// Bytes in `64K`, `4M`, `1G`, `1000` (and `4MiB`, as util-linux has it).
pub fn parse(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// With three digits and a unit: `512Mi`, `1.5Gi`, as `free -h` has it.
pub fn human(bytes: u64) -> String {
    let mut unit = 1;
    let mut name = "B";
    for next in ["Ki", "Mi", "Gi", "Ti"] {
        if bytes / unit < 1024 {
            break;
        }
        (unit, name) = (unit << 10, next);
    }
    // Tenths, which are shown of less than ten.
    let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
    if unit > 1 && tenths < 100 {
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    } else {
        format!("{}{name}", tenths / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::{human, parse};

    #[test]
    fn sizes_may_have_a_unit() {
        assert_eq!(
            (parse("1000"), parse("64K"), parse("4MiB")),
            (Some(1000), Some(65536), Some(4 << 20))
        );
        for wrong in ["", "K", "-1", "4X", "99999999999G"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn amounts_are_shown_with_a_unit_that_leaves_three_digits() {
        let cases = [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0Ki"),
            (1536, "1.5Ki"),
            (512 << 20, "512Mi"),
            (9 << 30, "9.0Gi"),
        ];
        for (bytes, text) in cases {
            assert_eq!(human(bytes), text);
        }
        assert_eq!(human(10_239), "10Ki");
    }
}
