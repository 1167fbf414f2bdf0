//! The machines of the demonstration are a matrix: every two settings meet in all their values.

use std::collections::BTreeSet;
use std::path::Path;

use granule_qemu::board::{Board, GicVersion, Virt};
use granule_qemu::case::read_all;

/// What can be set, with the values that Granule is tried with.
const SETTINGS: [(&str, &[&str]); 6] = [
    (
        "cpu",
        &[
            "cortex-a53",
            "cortex-a57",
            "cortex-a72",
            "cortex-a76",
            "neoverse-n1",
            "max",
        ],
    ),
    ("memory", &["64M", "128M", "512M", "1G", "3G", "8G"]),
    ("smp", &["1", "2", "4", "8", "9"]),
    ("gic-version", &["2", "3"]),
    ("secure", &["off", "on"]),
    ("virtualization", &["off", "on"]),
];

/// A setting with its value.
type Chosen = (&'static str, String);

/// QEMU refuses no other pair of these.
fn is_possible(one: &Chosen, other: &Chosen) -> bool {
    let is = |chosen: &Chosen, name: &str, value: &str| *chosen == (name, value.into());
    // A GICv2 has room for 8 CPUs.
    !(is(one, "smp", "9") && is(other, "gic-version", "2"))
}

/// The settings of a machine, if it leaves nothing to QEMU's choice; in the order of [`SETTINGS`].
fn chosen(virt: &Virt) -> Option<Vec<Chosen>> {
    let switch = |on| if on { "on" } else { "off" };
    let gic = match virt.gic_version? {
        GicVersion::V2 => "2",
        GicVersion::V3 => "3",
    };
    let smp = virt.smp.to_string();
    let values = [
        &virt.cpu,
        &virt.memory,
        &smp,
        gic,
        switch(virt.secure),
        switch(virt.virtualization),
    ];
    let names = SETTINGS.iter().map(|(name, _)| *name);
    Some(names.zip(values.map(String::from)).collect())
}

fn pairs(chosen: &[Chosen]) -> impl Iterator<Item = (Chosen, Chosen)> {
    let later = |at: usize| chosen[at + 1..].iter();
    let all = chosen.iter().enumerate();
    all.flat_map(move |(at, one)| later(at).map(|other| (one.clone(), other.clone())))
}

fn possible_pairs() -> BTreeSet<(Chosen, Chosen)> {
    let mut possible = BTreeSet::new();
    for (at, (name, values)) in SETTINGS.iter().enumerate() {
        for (other_name, other_values) in &SETTINGS[at + 1..] {
            for value in *values {
                let others = other_values.iter().map(|value| (*other_name, (*value).into()));
                possible.extend(others.map(|other| ((*name, (*value).into()), other)));
            }
        }
    }
    possible.retain(|(one, other)| is_possible(one, other));
    possible
}

fn machines() -> Vec<Vec<Chosen>> {
    let cases = read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")).unwrap();
    let case = cases.iter().find(|case| case.name == "demonstration").unwrap();
    let boards = case.machines.iter().map(|machine| &machine.board);
    boards
        .filter_map(|board| match board {
            Board::Virt(virt) => chosen(virt),
            Board::Raspi4b | Board::Rpi4 { .. } | Board::Versal => None,
        })
        .collect()
}

#[test]
fn every_two_settings_of_a_virt_meet_in_all_their_values() {
    let listed: BTreeSet<_> = machines()
        .iter()
        .flat_map(|machine| pairs(machine).collect::<Vec<_>>())
        .collect();
    let possible = possible_pairs();
    let missing: Vec<_> = possible.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "no machine of cases/demonstration.toml has {missing:#?}"
    );
    let unknown: Vec<_> = listed.difference(&possible).collect();
    assert!(
        unknown.is_empty(),
        "add to SETTINGS, or QEMU refuses it: {unknown:#?}"
    );
}

#[test]
fn no_machine_is_listed_twice() {
    let machines = machines();
    let different: BTreeSet<_> = machines.iter().collect();
    assert_eq!(different.len(), machines.len());
}
