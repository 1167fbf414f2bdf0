//! What the documentation shows of sessions at the prompt is what happens.
//!
//! The program of README.md is written, built and started as the page says. Then all commands in the `console` blocks of
//! README.md and docs/userland.md are typed, one after the other, and what the pages show below each must come. Numbers
//! may be others. With `GRANULE_RECORD=1` docs/userland.md is written anew from what came.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use granule_qemu::build::archive::{Entry, pack};
use granule_qemu::build::{build, program};
use granule_qemu::expect::{End, Script, Step};
use granule_qemu::guest::play;
use granule_qemu::machine::{Boot, Console, Machine, ensure_qemu};
use granule_qemu::suite::patient;
use granule_qemu::workspace::{Workspace, cargo};
use regex::Regex;

const PROMPT: &str = "granule> ";
const PAGE: &str = "docs/userland.md";

#[test]
fn the_sessions_of_the_pages_are_what_happens_at_the_prompt() {
    sessions().unwrap();
}

fn sessions() -> Result<()> {
    ensure_qemu()?;
    let workspace = Workspace::locate()?;
    build(&workspace)?;
    let readme = fs::read_to_string(workspace.root().join("README.md"))?;
    let page = fs::read_to_string(workspace.root().join(PAGE))?;
    let initrd = with_program(&workspace, &build_program(&workspace, &readme)?)?;
    let shown: Vec<Exchange> = [exchanges(&readme), exchanges(&page)].concat();
    let came = converse(&workspace, initrd, &shown)?;
    if std::env::var_os("GRANULE_RECORD").is_some() {
        return record(&workspace, &page, &came);
    }
    for (shown, came) in shown.iter().zip(&came) {
        ensure!(
            normal(&shown.output) == normal(&came.output),
            "`{}` is shown with\n{}\nand what came is\n{}\n(GRANULE_RECORD=1 writes {PAGE} anew)",
            shown.command,
            shown.output,
            came.output
        );
    }
    Ok(())
}

/// A command, and what comes until the next prompt.
#[derive(Clone, Debug)]
struct Exchange {
    command: String,
    output: String,
}

/// Those in the `console` blocks of a page.
fn exchanges(page: &str) -> Vec<Exchange> {
    let block = Regex::new(r"(?s)```console\n(.*?)\n *```").expect("the pattern is valid");
    let blocks = block.captures_iter(page);
    blocks.flat_map(|block| in_log(&unindented(&block[1]))).collect()
}

/// Blocks in lists are indented.
fn unindented(block: &str) -> String {
    let indent = block.len() - block.trim_start_matches(' ').len();
    let lines = block.lines().map(|line| line.get(indent..).unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

/// Those of a log.
fn in_log(log: &str) -> Vec<Exchange> {
    let parts = log.split(PROMPT).skip(1);
    let exchanges = parts.map(|part| {
        let (command, output) = part.split_once('\n').unwrap_or((part, ""));
        Exchange {
            command: command.trim_end().into(),
            output: output.trim_end().into(),
        }
    });
    exchanges.collect()
}

/// With every number and date replaced, columns that are wider or narrower the same, and whoever runs just now as if
/// they waited.
fn normal(output: &str) -> String {
    let numbers =
        Regex::new(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+(\.\d+)?([KMG]i)?").expect("the pattern is valid");
    let days =
        Regex::new(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b")
            .expect("the pattern is valid");
    let states = Regex::new("0 [RS] +0").expect("the pattern is valid");
    let blanks = Regex::new(r"[ \t]+").expect("the pattern is valid");
    let text = numbers.replace_all(output, "0");
    let text = days.replace_all(&text, "DAY MONTH");
    let text = states.replace_all(&text, "0 S 0");
    let lines = text
        .lines()
        .map(|line| blanks.replace_all(line, " ").trim().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Writes the files that README.md shows, and builds the program. It is in a workspace of its own, with all that
/// matters of the tree's.
fn build_program(workspace: &Workspace, readme: &str) -> Result<PathBuf> {
    let folder = workspace.output("readme");
    let file =
        Regex::new(r"(?s)`(userland/hello/\S+)`:\n\n *```\w+\n(.*?)\n *```").expect("the pattern is valid");
    for file in file.captures_iter(readme) {
        let path = folder.join(&file[1]);
        fs::create_dir_all(path.parent().expect("a file lies in a folder"))?;
        fs::write(path, unindented(&file[2]) + "\n")?;
    }
    write_workspace(workspace, &folder)?;
    let status = cargo()
        .args([
            "build",
            "--offline",
            "--profile",
            "user",
            "--target",
            "aarch64-unknown-none",
        ])
        .arg("--target-dir")
        .arg(folder.join("target"))
        .current_dir(&folder)
        .status()?;
    ensure!(status.success(), "the program of README.md cannot be built");
    Ok(folder.join("target/aarch64-unknown-none/user/hello"))
}

fn write_workspace(workspace: &Workspace, folder: &Path) -> Result<()> {
    let root = workspace.root();
    let mut manifest: toml::Table = toml::from_str(&fs::read_to_string(root.join("Cargo.toml"))?)?;
    let settings = manifest["workspace"]
        .as_table_mut()
        .context("Cargo.toml has a workspace")?;
    let members = settings["members"]
        .as_array()
        .context("the workspace has members")?;
    ensure!(
        members.contains(&"userland/*".into()),
        "a new folder in userland/ is no member of the workspace by itself"
    );
    settings.insert("members".into(), vec!["userland/hello"].into());
    settings.remove("default-members");
    let dependencies = settings["dependencies"]
        .as_table_mut()
        .context("it has dependencies")?;
    for dependency in dependencies
        .iter_mut()
        .filter_map(|(_, value)| value.as_table_mut())
    {
        if let Some(path) = dependency.get("path").and_then(|path| path.as_str()) {
            let path = root.join(path).display().to_string();
            dependency.insert("path".into(), path.into());
        }
    }
    fs::write(folder.join("Cargo.toml"), toml::to_string(&manifest)?)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let runtime = folder.join("userland/rt");
    if !runtime.exists() {
        symlink(root.join("userland/rt"), runtime)?;
    }
    Ok(())
}

/// The archive with one program more, in a file of its own.
fn with_program(workspace: &Workspace, path: &Path) -> Result<PathBuf> {
    let archive = fs::read(workspace.initrd())?;
    let mut entries = Vec::new();
    for file in loader::archive::files(&archive) {
        let file = file.map_err(|error| anyhow::anyhow!("the archive {error}"))?;
        entries.push(Entry {
            name: file.path.into(),
            bytes: file.bytes.into(),
        });
    }
    entries.push(Entry {
        name: "bin/hello".into(),
        bytes: program::strip(&fs::read(path)?)?,
    });
    let path = workspace.output("initrd-readme.cpio");
    fs::write(&path, pack(entries)?)?;
    Ok(path)
}

/// Types all commands, and collects what comes.
fn converse(workspace: &Workspace, initrd: PathBuf, shown: &[Exchange]) -> Result<Vec<Exchange>> {
    let prompt = || Step::Prompt(PROMPT.into());
    let typed = shown
        .iter()
        .flat_map(|shown| [prompt(), Step::Send(shown.command.clone())]);
    let script = Script {
        steps: typed.chain([prompt(), Step::Send("exit".into())]).collect(),
        anywhere: Vec::new(),
        forbidden: vec![Regex::new("^panic:")?],
        end: End::Status(0),
        deadline: patient(Duration::from_secs(120))?,
    };
    let machine = Machine::default();
    let boot = Boot {
        initrd: Some(initrd),
        ..Boot::new(workspace, &machine, &["exit=semihosting"])?
    };
    let report = play(&mut machine.command(&boot, Console::Stream), &script)?;
    ensure!(report.verdict.is_ok(), "the session stops\n{report}");
    let mut came = in_log(&report.serial);
    came.pop();
    Ok(came)
}

/// Puts what came into the page, in place of what it shows.
fn record(workspace: &Workspace, page: &str, came: &[Exchange]) -> Result<()> {
    let block = Regex::new(r"(?s)(```console\n).*?\n( *```)").expect("the pattern is valid");
    let mut rest = &came[came.len() - exchanges(page).len()..];
    let recorded = block.replace_all(page, |old: &regex::Captures<'_>| {
        let (now, later) = rest.split_at(exchanges(&old[0]).len());
        rest = later;
        let lines = now.iter().flat_map(|exchange| {
            let command = format!("{PROMPT}{}", exchange.command);
            [command, exchange.output.clone()]
        });
        let lines: Vec<String> = lines.filter(|text| !text.is_empty()).collect();
        format!("{}{}\n{}", &old[1], lines.join("\n"), &old[2])
    });
    fs::write(workspace.root().join(PAGE), recorded.as_ref())?;
    Ok(())
}
