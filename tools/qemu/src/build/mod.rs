//! From source to what a loader takes: `kernel8.img` and `initrd.cpio`.
//!
//! Cargo compiles and links; where the kernel and the programs lie in memory is decided by their own
//! linker scripts, which their build scripts name. This module packs: [`image`] makes the flat kernel, [`program`]
//! drops what a loader does not read, and [`archive`] bundles the programs.

pub mod archive;
pub mod image;
pub mod program;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::workspace::{Program, Workspace, cargo};

/// Builds the kernel and all programs and writes both files.
///
/// # Errors
///
/// When something does not compile, or a linked file is not what the loaders can take.
pub fn build(workspace: &Workspace) -> Result<()> {
    compile_kernel(workspace)?;
    compile_programs(workspace, &workspace.programs())?;
    write_image(workspace)?;
    write_archive(workspace)
}

fn compile_kernel(workspace: &Workspace) -> Result<()> {
    let mut command = cargo();
    command.args(["build", "--release", "--package", "kernel"]);
    command.args(["--target", "aarch64-unknown-none-softfloat"]);
    compile(workspace, &mut command, "the kernel")
}

fn compile_programs(workspace: &Workspace, programs: &[Program]) -> Result<()> {
    ensure!(
        !programs.is_empty(),
        "there is no program under userland/; the kernel needs at least init"
    );
    let mut command = cargo();
    command.args(["build", "--profile", "user"]);
    command.args(["--target", "aarch64-unknown-none"]);
    for program in programs {
        command.args(["--package", &program.package]);
        command.args(["--bin", &program.name]);
    }
    compile(workspace, &mut command, "the user programs")
}

fn compile(workspace: &Workspace, command: &mut Command, what: &str) -> Result<()> {
    let status = command
        .current_dir(workspace.root())
        .status()
        .context("cannot start cargo; install Rust, or put cargo on PATH")?;
    ensure!(
        status.success(),
        "cargo could not build {what}; its messages are above"
    );
    Ok(())
}

fn write_image(workspace: &Workspace) -> Result<()> {
    let path = workspace.kernel_elf();
    let image = image::flatten(&read(&path)?)
        .with_context(|| format!("cannot make kernel8.img from {}", path.display()))?;
    replace(&workspace.image(), &image)
}

fn write_archive(workspace: &Workspace) -> Result<()> {
    let mut entries = Vec::new();
    for program in workspace.programs() {
        let path = workspace.program_elf(&program);
        let bytes =
            program::strip(&read(&path)?).with_context(|| format!("cannot pack {}", path.display()))?;
        entries.push(archive::Entry {
            name: program.archive_path(),
            bytes,
        });
    }
    entries.extend(texts(workspace)?);
    replace(&workspace.initrd(), &archive::pack(entries)?)
}

/// What programs have for people to read and for the shell to run: the files in their folders `etc`.
fn texts(workspace: &Workspace) -> Result<Vec<archive::Entry>> {
    let mut entries = Vec::new();
    for folder in workspace.text_folders() {
        let files = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for file in files {
            let path = file?.path();
            let name = path
                .file_name()
                .expect("a listed file has a name")
                .to_string_lossy();
            entries.push(archive::Entry {
                name: format!("etc/{name}"),
                bytes: read(&path)?,
            });
        }
    }
    Ok(entries)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes the file beside its place and renames it, so that a machine started meanwhile by another
/// process sees the old file or the new one, never half of one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let folder = path.parent().expect("an output file lies in a folder");
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&partial, bytes))
        .and_then(|()| fs::rename(&partial, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The SHA-256 of the bytes, in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
