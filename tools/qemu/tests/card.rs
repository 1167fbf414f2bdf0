//! The SD card, judged by tools that had no part in making it, and booted from the very files that they find on it.
//!
//! Wants sfdisk, fsck.fat and mtools (Debian: fdisk, dosfstools, mtools), and the board's firmware. What is missing is
//! said, and the trials that need it are ignored; with `CI=true` they fail.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use granule_image::card::{File, card};
use granule_qemu::board::Board;
use granule_qemu::build::build;
use granule_qemu::guest::play;
use granule_qemu::machine::{Boot, Console, Machine, ensure_qemu};
use granule_qemu::suite::{cases, must_be_complete, patient};
use granule_qemu::workspace::Workspace;
use granule_qemu::{card as contents, rpi4_tree};
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share the files that they take off the card.
    arguments.test_threads = Some(1);
    match subject(&arguments) {
        Ok(subject) => {
            let trials = TRIALS.map(|(name, tools, test)| trial(name, tools, test, &subject));
            libtest_mimic::run(&arguments, trials.into()).exit_code()
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The card, unless it is not needed now or something for it cannot be had: then the reason.
fn subject(arguments: &Arguments) -> Result<Subject> {
    let is_selected = |name: &&str| !arguments.is_filtered_out(&Trial::test(*name, || Ok(())));
    if arguments.list || !TRIALS.iter().map(|(name, _, _)| name).any(is_selected) {
        return Ok(Err("it was not asked for".into()));
    }
    let workspace = Workspace::locate()?;
    if let Err(why) = machine(Board::Rpi4 { gib: 2 }).fetch(&workspace) {
        eprintln!("The card is not tested: {why:#}");
        return Ok(Err(format!("{why:#}")));
    }
    build(&workspace)?;
    Ok(Ok(Arc::new(Card {
        image: contents::write(&workspace)?,
        files: contents::files(&workspace)?,
        workspace,
    })))
}

type Subject = Result<Arc<Card>, String>;

fn machine(board: Board) -> Machine {
    Machine {
        board,
        ..Machine::default()
    }
}

type Test = fn(&Card) -> Result<()>;

const TRIALS: [(&str, &[&str], Test); 9] = [
    ("card_is_the_same_each_time", &[], is_the_same_each_time),
    (
        "card_has_one_partition_that_boots",
        &["sfdisk"],
        has_one_partition_that_boots,
    ),
    (
        "card_has_a_file_system_without_a_flaw",
        &["fsck.fat"],
        has_a_file_system_without_a_flaw,
    ),
    (
        "card_has_every_file_byte_for_byte",
        &["mdir", "mcopy"],
        has_every_file_byte_for_byte,
    ),
    (
        "card_has_a_kernel_as_long_as_it_is_in_memory",
        &[],
        has_a_kernel_as_long_as_it_is_in_memory,
    ),
    ("card_boots_what_is_on_it", &["mcopy"], |card| {
        plays(card, &raspi4b(), "demonstration")
    }),
    ("card_has_a_kernel_that_boots_on_virt_too", &["mcopy"], |card| {
        plays(card, &Machine::default(), "demonstration")
    }),
    ("card_keeps_the_rules_of_shared_memory", &["mcopy"], |card| {
        plays(card, &raspi4b(), "conform")
    }),
    ("card_keeps_all_cpus_busy_and_loses_nothing", &["mcopy"], |card| {
        plays(card, &raspi4b(), "smp-stress")
    }),
];

fn trial(name: &'static str, tools: &'static [&'static str], test: Test, subject: &Subject) -> Trial {
    let missing: Vec<&str> = tools.iter().copied().filter(|name| !is_there(name)).collect();
    let reason = match (subject.clone(), missing.as_slice()) {
        (Ok(card), []) => {
            return Trial::test(name, move || {
                test(&card).map_err(|error| format!("{error:#}").into())
            });
        }
        (Ok(_), missing) => {
            let missing = missing.join(", ");
            let why = format!("this machine has no {missing} (Debian: fdisk, dosfstools, mtools)");
            eprintln!("{name} cannot run: {why}");
            why
        }
        (Err(why), _) => why,
    };
    Trial::test(name, || Err(reason.into())).with_ignored_flag(!must_be_complete())
}

/// A card, and what should be on it.
struct Card {
    workspace: Workspace,
    image: PathBuf,
    files: Vec<File>,
}

impl Card {
    /// The file system, as mtools name it.
    fn volume(&self) -> String {
        format!("{}@@1M", self.image.display())
    }

    /// Takes all files off the card, into a folder of their own.
    fn unpack(&self) -> Result<PathBuf> {
        let folder = self.workspace.output("card");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let target = folder.display().to_string();
        run("mcopy", &["-n", "-i", &self.volume(), "::*", &target])?;
        Ok(folder)
    }
}

fn is_the_same_each_time(it: &Card) -> Result<()> {
    let first = fs::read(&it.image)?;
    fs::remove_file(&it.image)?;
    contents::write(&it.workspace)?;
    ensure!(fs::read(&it.image)? == first, "the second card is another");
    ensure!(
        card(&it.files)? == first,
        "the files that are said to be on it make another card"
    );
    Ok(())
}

fn has_one_partition_that_boots(it: &Card) -> Result<()> {
    let table = run("sfdisk", &["-d", &it.image.display().to_string()])?;
    let without_blanks = table.replace(' ', "");
    let partitions: Vec<&str> = without_blanks
        .lines()
        .filter(|line| line.contains("start="))
        .collect();
    let [partition] = partitions.as_slice() else {
        bail!("there is not one partition:\n{table}");
    };
    ensure!(
        partition.ends_with(":start=2048,size=129024,type=c,bootable"),
        "the partition is another:\n{table}"
    );
    ensure!(
        without_blanks.contains("label:dos\nlabel-id:0x52504934"),
        "the disk is another:\n{table}"
    );
    Ok(())
}

fn has_a_file_system_without_a_flaw(it: &Card) -> Result<()> {
    let file = it.workspace.output("card.volume");
    fs::write(&file, &fs::read(&it.image)?[1 << 20..])?;
    let said = run("fsck.fat", &["-n", &file.display().to_string()])?;
    fs::remove_file(&file)?;
    // Its version, and a line with numbers of files and clusters: nothing else to say.
    ensure!(said.trim().lines().count() == 2, "fsck.fat has found:\n{said}");
    Ok(())
}

fn has_every_file_byte_for_byte(it: &Card) -> Result<()> {
    let listed = run("mdir", &["-b", "-i", &it.volume(), "::"])?;
    let mut listed: Vec<&str> = listed
        .lines()
        .map(|line| line.trim_start_matches("::/"))
        .collect();
    listed.sort_unstable();
    let expected: BTreeMap<&str, &[u8]> = it
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.bytes.as_slice()))
        .collect();
    ensure!(
        listed == expected.keys().copied().collect::<Vec<_>>(),
        "these files are there: {listed:?}"
    );
    let folder = it.unpack()?;
    for (name, bytes) in expected {
        ensure!(fs::read(folder.join(name))? == bytes, "{name} has other bytes");
    }
    Ok(())
}

/// So that older firmware, which puts the initrd behind the file, does not put it into zero-initialised data.
fn has_a_kernel_as_long_as_it_is_in_memory(it: &Card) -> Result<()> {
    let kernel = it.files.iter().find(|file| file.name == contents::KERNEL);
    let kernel = &kernel.context("there is no kernel")?.bytes;
    let image_size = u64::from_le_bytes(kernel[16..24].try_into()?);
    ensure!(
        kernel.len() as u64 == image_size,
        "the file has {} bytes, the kernel in memory {image_size}",
        kernel.len()
    );
    Ok(())
}

fn raspi4b() -> Machine {
    machine(Board::Raspi4b)
}

/// Boots what is on it and plays the case of this name, with the words of the card's own command line and those of
/// the case. The card's device tree is for its own board alone.
fn plays(it: &Card, machine: &Machine, name: &str) -> Result<()> {
    ensure_qemu()?;
    let folder = it.unpack()?;
    let cases = cases(&it.workspace)?;
    let case = cases.iter().find(|case| case.name == name);
    let case = case.with_context(|| format!("there is no case {name}"))?;
    let words = fs::read_to_string(folder.join("cmdline.txt"))?;
    let words = [words.trim(), "exit=semihosting", &case.bootargs];
    let own = Boot::new(&it.workspace, machine, &words)?;
    let boot = Boot {
        image: folder.join(contents::KERNEL),
        initrd: Some(folder.join(contents::INITRD)),
        device_tree: own.device_tree.as_ref().map(|_| folder.join(rpi4_tree::NAME)),
        ..own
    };
    let mut script = case.script.clone();
    script.deadline = patient(script.deadline)?;
    let report = play(&mut machine.command(&boot, Console::Stream), &script)?;
    ensure!(report.verdict.is_ok(), "{report}");
    Ok(())
}

/// Runs a tool that must succeed, and returns what it says.
fn run(tool: &str, arguments: &[&str]) -> Result<String> {
    let output = command(tool)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {tool}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "{tool} fails:\n{said}");
    Ok(said)
}

fn is_there(tool: &str) -> bool {
    let mut command = command(tool);
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok()
}

/// Debian has some of them where only root looks.
fn command(tool: &str) -> Command {
    let for_root = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(tool));
    match for_root.into_iter().find(|path| path.exists()) {
        Some(path) => Command::new(path),
        None => Command::new(tool),
    }
}
