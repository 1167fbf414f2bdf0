//! Any bytes as a program: a plan that can be carried out, or a reason.

use abi::memory::Protection;

pub fn run(bytes: &[u8]) {
    let plan = match loader::plan(bytes) {
        Ok(plan) => plan,
        Err(reason) => return assert!(!reason.to_string().is_empty()),
    };
    let mut below = None;
    let mut holds_entry = false;
    for segment in plan.segments() {
        assert!(
            below.is_none_or(|end| end <= segment.pages.start()),
            "ascending, without overlap"
        );
        below = Some(segment.pages.end());
        let room = segment.pages.count().get() * addr::GRANULE;
        assert!(segment.offset + segment.bytes.len() as u64 <= room);
        let forbidden = Protection::WRITE | Protection::EXEC;
        assert!(!segment.protection.contains(forbidden));
        let is_code = segment.protection.contains(Protection::EXEC);
        holds_entry |= is_code && segment.pages.contains(plan.entry().page());
    }
    assert!(holds_entry, "the entry is in a segment of code");
}
