//! The first code on the ARM cores of a Raspberry Pi 4: the "armstub", which its firmware carries.
//!
//! It runs at EL3 on all four cores, sets up timer, interrupt controller and core, and drops to EL2: core 0 to the
//! kernel, the others to a loop at the spin table. The firmware fills in where kernel and device tree are; so do we,
//! and QEMU's `raspi4b` runs it like the board. It is nobody's to pass on without the firmware, so it is taken out
//! of the file when it is needed.

use anyhow::{Context, Result, ensure};

/// Where things are in a stub, in bytes (raspberrypi/tools, `armstubs/armstub8.S`).
const MAGIC_AT: usize = 0xf0;
const TREE_AT: usize = 0xf8;
const KERNEL_AT: usize = 0xfc;
const BYTES: usize = 0x200;

const MAGIC: u32 = 0x5afe_570b;
/// Constants that only the stub has that we want. The firmware carries more of them: for 32-bit kernels, for boards
/// without a GIC, for the addresses of "high peripheral mode".
const OURS: [u64; 3] = [SCTLR_EL2, OSCILLATOR_HZ, DISTRIBUTOR];
/// AArch64: what it writes there.
const SCTLR_EL2: u64 = 0x30c5_0830;
const OSCILLATOR_HZ: u64 = 54_000_000;
const DISTRIBUTOR: u64 = 0xff84_1000;

/// Takes the stub for AArch64 and the GIC-400 out of `start4.elf`, and fills in the addresses of a kernel and of its
/// device tree.
///
/// # Errors
///
/// When there is not exactly one.
pub fn armstub(firmware: &[u8], kernel: u32, tree: u32) -> Result<Vec<u8>> {
    let mut stubs = firmware
        .windows(size_of::<u32>())
        .enumerate()
        .filter(|(_, bytes)| *bytes == MAGIC.to_le_bytes())
        .filter_map(|(at, _)| firmware.get(at.checked_sub(MAGIC_AT)?..)?.get(..BYTES))
        .filter(|stub| OURS.iter().all(|constant| has(stub, *constant)));
    let stub = stubs
        .next()
        .context("the firmware has no armstub for 64-bit kernels and the GIC")?;
    ensure!(
        stubs.next().is_none(),
        "the firmware has two armstubs that could be meant"
    );
    let mut stub = stub.to_vec();
    // Magic number and version: the firmware has read them, and they are where core 3 looks for an address to go to.
    stub[MAGIC_AT..TREE_AT].fill(0);
    for (at, address) in [(TREE_AT, tree), (KERNEL_AT, kernel)] {
        stub[at..at + 4].copy_from_slice(&address.to_le_bytes());
    }
    Ok(stub)
}

/// Whether the stub has this constant, where constants can be.
fn has(stub: &[u8], constant: u64) -> bool {
    let (words, _) = stub.as_chunks();
    words.iter().any(|word| u64::from_le_bytes(*word) == constant)
}

#[cfg(test)]
mod tests {
    use super::{BYTES, MAGIC, OURS, armstub};

    fn stub(constants: &[u64]) -> Vec<u8> {
        let mut stub = vec![0; BYTES];
        for (index, constant) in constants.iter().enumerate() {
            stub[0xa8 + index * 8..][..8].copy_from_slice(&constant.to_le_bytes());
        }
        stub[0xf0..0xf4].copy_from_slice(&MAGIC.to_le_bytes());
        stub
    }

    /// The right one between two others, at an address that is aligned to nothing.
    fn firmware() -> Vec<u8> {
        let parts = [
            MAGIC.to_le_bytes().to_vec(),
            vec![0xaa; 1001],
            stub(&[OURS[0], 19_200_000]),
            stub(&OURS),
            stub(&[OURS[0], OURS[1], 0x4_c004_1000]),
            vec![0xbb; 77],
        ];
        parts.concat()
    }

    #[test]
    fn the_stub_for_the_gic_is_found_among_others_and_gets_both_addresses() {
        let found = armstub(&firmware(), 0x20_0000, 0x2eff_0000).unwrap();
        let mut expected = stub(&OURS);
        expected[0xf0..0xf8].fill(0);
        expected[0xf8..0x100].copy_from_slice(&[0, 0, 0xff, 0x2e, 0, 0, 0x20, 0]);
        assert_eq!(found, expected);
    }

    #[test]
    fn firmware_without_it_or_with_two_is_an_error() {
        assert!(armstub(b"no firmware", 0, 0).is_err());
        assert!(armstub(&MAGIC.to_le_bytes(), 0, 0).is_err());
        assert!(armstub(&stub(&OURS[..2]), 0, 0).is_err());
        assert!(armstub(&[firmware(), firmware()].concat(), 0, 0).is_err());
        assert!(armstub(&firmware()[..1600], 0, 0).is_err(), "it is cut off");
    }
}
