//! What the sources of `kernel/abi` say: documentation comments, and the items below them.
//!
//! This reads Rust as text. It knows the shapes that occur there and no others: an item's line
//! begins with a given heading, its members have a line each, and each has a `///` above it.

/// `kernel/abi/src/lib.rs`.
pub const LIB: &str = include_str!("../../../kernel/abi/src/lib.rs");
/// `kernel/abi/src/errno.rs`.
pub const ERRNO: &str = include_str!("../../../kernel/abi/src/errno.rs");
/// `kernel/abi/src/handle.rs`.
pub const HANDLE: &str = include_str!("../../../kernel/abi/src/handle.rs");
/// `kernel/abi/src/layout.rs`.
pub const LAYOUT: &str = include_str!("../../../kernel/abi/src/layout.rs");
/// `kernel/abi/src/message.rs`.
pub const MESSAGE: &str = include_str!("../../../kernel/abi/src/message.rs");
/// `kernel/abi/src/operation.rs`.
pub const OPERATION: &str = include_str!("../../../kernel/abi/src/operation.rs");
/// `kernel/abi/src/process.rs`.
pub const PROCESS: &str = include_str!("../../../kernel/abi/src/process.rs");
/// `kernel/abi/src/memory.rs`.
pub const MEMORY: &str = include_str!("../../../kernel/abi/src/memory.rs");
/// `kernel/abi/src/console.rs`.
pub const CONSOLE: &str = include_str!("../../../kernel/abi/src/console.rs");
/// `kernel/abi/src/device.rs`.
pub const DEVICE: &str = include_str!("../../../kernel/abi/src/device.rs");
/// `kernel/abi/src/fault.rs`.
pub const FAULT: &str = include_str!("../../../kernel/abi/src/fault.rs");
/// `kernel/abi/src/system.rs`.
pub const SYSTEM: &str = include_str!("../../../kernel/abi/src/system.rs");
/// `kernel/abi/src/thread.rs`.
pub const THREAD: &str = include_str!("../../../kernel/abi/src/thread.rs");
/// `kernel/abi/src/time.rs`.
pub const TIME: &str = include_str!("../../../kernel/abi/src/time.rs");
/// `kernel/abi/src/shm.rs`.
pub const SHM: &str = include_str!("../../../kernel/abi/src/shm.rs");

/// A struct, enum or set of flags.
pub struct Item<'source> {
    /// Its documentation, line by line.
    pub docs: Vec<&'source str>,
    /// Its fields, variants or flags that are documented.
    pub members: Vec<Member<'source>>,
}

/// A field, variant, flag or constant.
pub struct Member<'source> {
    /// Its name.
    pub name: &'source str,
    /// A field's type, or a constant's.
    pub kind: &'source str,
    /// The value of a variant, flag or constant, as written.
    pub value: &'source str,
    /// Its documentation, line by line.
    pub docs: Vec<&'source str>,
}

/// The documentation of a whole file, `//!`.
#[must_use]
pub fn module_docs(source: &str) -> Vec<&str> {
    let docs = source.lines().map_while(|line| line.strip_prefix("//!"));
    docs.map(without_blank).collect()
}

/// The chapters of a file's documentation, one level deeper than they are there.
#[must_use]
pub fn chapters(source: &str) -> Option<String> {
    let docs = module_docs(source);
    let first = docs.iter().position(|line| line.starts_with("# "))?;
    let lines = docs[first..].iter().map(|line| match line.strip_prefix('#') {
        Some(heading) => format!("##{heading}\n"),
        None => format!("{line}\n"),
    });
    Some(lines.collect())
}

/// The item whose line begins with `heading`.
///
/// # Panics
/// If there is none: then `kernel/abi` has changed its shape, and this crate has to follow.
#[must_use]
pub fn item<'source>(source: &'source str, heading: &str) -> Item<'source> {
    let lines: Vec<_> = source.lines().collect();
    let found = lines
        .iter()
        .position(|line| line.trim_start().starts_with(heading));
    let Some(at) = found else {
        panic!("kernel/abi has no `{heading}`")
    };
    let docs = docs_above(&lines[..at]);
    let members = if lines[at].ends_with('{') {
        members(&lines[at..])
    } else {
        Vec::new()
    };
    Item { docs, members }
}

/// All public constants of a file that are in no block.
#[must_use]
pub fn constants(source: &str) -> Vec<Member<'_>> {
    let lines: Vec<_> = source.lines().collect();
    let constants = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.starts_with("pub const "));
    constants
        .map(|(at, line)| member(line, docs_above(&lines[..at])))
        .collect()
}

/// The comment at the end of `lines`; attributes may stand below it.
fn docs_above<'source>(lines: &[&'source str]) -> Vec<&'source str> {
    let block = lines.iter().rev().take_while(|line| !line.trim().is_empty());
    let comment = block.skip_while(|line| doc(line).is_none());
    let mut docs: Vec<_> = comment.map_while(|line| doc(line)).collect();
    docs.reverse();
    docs
}

/// The members of the item whose heading is the first line.
fn members<'source>(lines: &[&'source str]) -> Vec<Member<'source>> {
    let indent = indent(lines[0]);
    let inside = lines[1..]
        .iter()
        .take_while(|line| indent_of_end(line) != Some(indent));
    let (mut found, mut docs) = (Vec::new(), Vec::new());
    for line in inside {
        if let Some(text) = doc(line) {
            docs.push(text);
        } else if !docs.is_empty() && !line.trim_start().starts_with("#[") {
            found.push(member(line, std::mem::take(&mut docs)));
        }
    }
    found
}

fn member<'source>(line: &'source str, docs: Vec<&'source str>) -> Member<'source> {
    let line = line.trim().trim_end_matches([',', ';']);
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("const ").unwrap_or(line);
    let (head, value) = line.split_once(" = ").unwrap_or((line, ""));
    let (name, kind) = head.split_once(": ").unwrap_or((head, ""));
    Member {
        name,
        kind,
        value,
        docs,
    }
}

fn doc(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("///").map(without_blank)
}

fn without_blank(line: &str) -> &str {
    line.strip_prefix(' ').unwrap_or(line)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn indent_of_end(line: &str) -> Option<usize> {
    line.trim_start().starts_with('}').then(|| indent(line))
}

#[cfg(test)]
mod tests {
    use super::{constants, item, module_docs};

    const SOURCE: &str = "//! First.\n//!\n//! # More\n\n/// A set.\n#[derive(\n    Clone\n)]\npub struct Set {\n    \
        /// One\n    /// of them.\n    #[allow]\n    pub one: u32,\n    // Not said.\n    pub two: u8,\n}\n\n\
        /// Seven.\npub const SEVEN: u32 = 3 + 4;\n/// Nine.\npub const NINE: u32 = 9;\nconst EIGHT: u32 = 8;\n";

    #[test]
    fn an_item_has_the_comment_above_its_attributes_and_the_members_that_are_documented() {
        let set = item(SOURCE, "pub struct Set");
        assert_eq!(set.docs, ["A set."]);
        let members: Vec<_> = set
            .members
            .iter()
            .map(|m| (m.name, m.kind, m.docs.join(" ")))
            .collect();
        assert_eq!(members, [("one", "u32", "One of them.".to_owned())]);
    }

    #[test]
    fn public_constants_are_found_with_their_value_as_written() {
        let found: Vec<_> = constants(SOURCE)
            .iter()
            .map(|c| (c.name, c.value, c.docs.join(" ")))
            .collect();
        assert_eq!(
            found,
            [
                ("SEVEN", "3 + 4", "Seven.".to_owned()),
                ("NINE", "9", "Nine.".to_owned())
            ]
        );
    }

    #[test]
    fn the_comment_of_a_file_ends_where_it_ends() {
        assert_eq!(module_docs(SOURCE), ["First.", "", "# More"]);
    }

    #[test]
    #[should_panic(expected = "kernel/abi has no `pub struct Gone`")]
    fn an_item_that_is_gone_is_a_panic_and_not_an_empty_chapter() {
        let _gone = item(SOURCE, "pub struct Gone");
    }
}
