# What one does with Granule; plain `just` lists it. The work is done by `cargo` and by tools/qemu.

# Where tools/just made a toolchain for a machine without rustup. Where there is rustup, it knows.
export PATH := `command -v rustup >/dev/null || printf %s "${RUSTUP_HOME:-$HOME/.rustup}/toolchains/granule/bin:"` + env('PATH')

granule := 'cargo run --package granule-qemu --'
kernel := '--package kernel --package aarch64 --target aarch64-unknown-none-softfloat'
programs := `printf -- '--package %s ' $(ls userland)` + '--target aarch64-unknown-none'

_list:
    @just --list --unsorted

# Boot on an emulated board, virt, raspi4b, rpi4 or versal, and show its console; `just run virt --help` lists options
[no-exit-message]
run board='virt' *options:
    @{{ granule }} run {{ board }} {{ options }}

# Run all tests, on the host and in QEMU, or those whose name contains FILTER
test filter='':
    cargo test {{ filter }}

# Look for bytes that break a reader of untrusted input, `just fuzz TARGET SECONDS`; `just fuzz --help` lists targets
[no-exit-message]
fuzz *options:
    @cargo run --quiet --package granule-fuzz -- {{ options }}

# Have many programs send ten million messages made up of anything, `just soak --messages N --seed S`
[no-exit-message]
soak *options:
    @{{ granule }} soak {{ options }}

# Change FILES of a crate in every way that cargo-mutants knows and list what no test notices (`cargo install cargo-mutants`)
[no-exit-message]
mutants +files:
    @cargo run --quiet --package granule-mutants -- {{ files }}

# Check the formatting, lints and documentation of every crate
check:
    cargo fmt --all -- --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy {{ kernel }} -- -D warnings
    cargo clippy {{ programs }} -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps {{ kernel }}
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps {{ programs }}

# Measure the kernel, in counted instructions and bytes
[no-exit-message]
bench *options:
    @{{ granule }} bench {{ options }}

# Start QEMU halted and attach gdb, with symbols loaded
[no-exit-message]
debug board='virt' *options:
    @{{ granule }} debug {{ board }} {{ options }}

# List every rule of the shm catalogue with the test that proves it and its result
[no-exit-message]
conformance:
    @{{ granule }} conformance

# Build kernel8.img and initrd.cpio, ready to boot; `just image rpi4` also target/granule-rpi4.img, an SD card
[no-exit-message]
image board='':
    @{{ granule }} image {{ board }}

# Write the SD card for a Raspberry Pi 4 to DEVICE (/dev/sdb, for instance), after asking, and read it back
[no-exit-message]
flash device:
    @{{ granule }} flash {{ device }}

# Delete everything that was built
clean:
    cargo clean
