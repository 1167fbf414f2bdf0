//! Whatever can be asked has a function that asks it.

const SOURCES: [&str; 6] = [
    include_str!("../src/sys/process.rs"),
    include_str!("../src/sys/memory.rs"),
    include_str!("../src/sys/console.rs"),
    include_str!("../src/sys/system.rs"),
    include_str!("../src/sys/thread.rs"),
    include_str!("../src/device.rs"),
];

#[test]
fn every_request_of_the_boundary_has_a_function() {
    let tables = [
        abi::process::ProcessRequest::TABLE,
        abi::memory::MemoryRequest::TABLE,
        abi::console::ConsoleRequest::TABLE,
        abi::system::SystemRequest::TABLE,
        abi::thread::ThreadRequest::TABLE,
        abi::device::DeviceRequest::TABLE,
    ];
    for row in tables.into_iter().flatten() {
        // Made in the function, or given to it.
        let ways = ["{} {", ": {},", ": {})"].map(|way| way.replace("{}", row.name));
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let mut lines = SOURCES.iter().flat_map(|source| source.lines()).filter(is_code);
        let asks = |line: &str| ways.iter().any(|way| line.contains(way));
        assert!(
            lines.any(asks),
            "no function of `sys` or `device` asks {}",
            row.name
        );
    }
}
