//! The page in the tree is the one that would be written.

use std::fs;

#[test]
fn docs_syscalls_md_says_what_kernel_abi_says() {
    let page = fs::read_to_string(abigen::page_path()).unwrap_or_default();
    let wanted = abigen::reference();
    if page != wanted {
        let same = page
            .lines()
            .zip(wanted.lines())
            .take_while(|(there, wanted)| there == wanted)
            .count();
        panic!(
            "docs/syscalls.md has drifted from kernel/abi; run `cargo run -p abigen`.\nline {}: {:?}\nshould be: {:?}",
            same + 1,
            page.lines().nth(same),
            wanted.lines().nth(same)
        );
    }
}

#[test]
fn every_request_and_every_error_is_on_the_page() {
    let page = abigen::reference();
    let tables = [
        abi::process::ProcessRequest::TABLE,
        abi::memory::MemoryRequest::TABLE,
        abi::console::ConsoleRequest::TABLE,
        abi::system::SystemRequest::TABLE,
        abi::thread::ThreadRequest::TABLE,
        abi::device::DeviceRequest::TABLE,
    ];
    for row in tables.into_iter().flatten() {
        let heading = format!("### `{:#05x}` {}\n", row.label.0, row.name);
        assert!(page.contains(&heading), "{}", row.name);
    }
    for errno in abi::Errno::ALL {
        let row = format!("| {} | {} | ", errno.number(), errno.name());
        assert!(page.contains(&row), "{errno}");
    }
}

#[test]
fn nothing_that_is_listed_lacks_a_meaning() {
    let page = abigen::reference();
    let mut meanings = 0;
    let mut has_meaning = false;
    for line in page.lines() {
        if !line.starts_with('|') {
            has_meaning = false;
        } else if line.ends_with("| meaning |") {
            has_meaning = true;
        } else if has_meaning && line.starts_with("| out |") && line.contains("|  |") {
            // An answer of one word has no name; the text above says what it is.
        } else if has_meaning {
            meanings += 1;
            assert!(!line.ends_with("|  |"), "{line}");
        }
    }
    assert!(meanings > 100, "only {meanings} lines say what something means");
}
