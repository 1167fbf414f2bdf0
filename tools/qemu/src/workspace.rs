//! Where the tree, the target folder, the programs and the finished files lie.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The Cargo workspace this tool was started in, as `cargo metadata` describes it.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
    packages: Vec<Package>,
}

/// A member of the workspace.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// The name `cargo -p` takes.
    pub name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Clone, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// A user program: a package under `userland/` that has a binary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// The binary's name, and its name in the archive.
    pub name: String,
    /// The package that builds it.
    pub package: String,
}

impl Program {
    /// Where it is in the archive: programs that exist for the sake of tests and measurements are kept apart, so
    /// that people need not see them; so are those that the shell gives the system to.
    #[must_use]
    pub fn archive_path(&self) -> String {
        let folder = match self.package.as_str() {
            "tests" | "bench" => "test",
            "system" => "sbin",
            _ => "bin",
        };
        format!("{folder}/{}", self.name)
    }
}

impl Workspace {
    /// Asks Cargo about the workspace around the current folder.
    ///
    /// # Errors
    ///
    /// When Cargo is missing, or the current folder is not inside the Granule tree.
    pub fn locate() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start cargo; install Rust, or put cargo on PATH")?;
        ensure!(
            output.status.success(),
            "cargo does not see the workspace; run this inside the Granule tree"
        );
        Self::from_metadata(&output.stdout)
    }

    fn from_metadata(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Metadata {
            packages: Vec<Package>,
            workspace_root: PathBuf,
            target_directory: PathBuf,
        }
        let metadata: Metadata =
            serde_json::from_slice(json).context("cargo metadata answered in an unknown form")?;
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            packages: metadata.packages,
        })
    }

    /// The top folder of the tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All members of the workspace.
    #[must_use]
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The user programs, sorted by name.
    #[must_use]
    pub fn programs(&self) -> Vec<Program> {
        let userland = self.root.join("userland");
        let mut programs: Vec<Program> = self
            .packages
            .iter()
            .filter(|package| package.manifest_path.starts_with(&userland))
            .flat_map(Package::programs)
            .collect();
        programs.sort();
        programs
    }

    /// The folders `etc` of the user programs, whose files are part of the archive.
    #[must_use]
    pub fn text_folders(&self) -> Vec<PathBuf> {
        let userland = self.root.join("userland");
        let of_programs = self
            .packages
            .iter()
            .map(Package::folder)
            .filter(|folder| folder.starts_with(&userland));
        let folders = of_programs.map(|folder| folder.join("etc"));
        folders.filter(|folder| folder.is_dir()).collect()
    }

    /// The kernel as an ELF file, with its symbols.
    #[must_use]
    pub fn kernel_elf(&self) -> PathBuf {
        self.target.join("aarch64-unknown-none-softfloat/release/kernel")
    }

    /// A user program as an ELF file, with its symbols.
    #[must_use]
    pub fn program_elf(&self, program: &Program) -> PathBuf {
        self.program_folder().join(&program.name)
    }

    /// Where all these are.
    #[must_use]
    pub fn program_folder(&self) -> PathBuf {
        self.target.join("aarch64-unknown-none/user")
    }

    /// The kernel as a loader takes it.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.output("kernel8.img")
    }

    /// The archive of user programs.
    #[must_use]
    pub fn initrd(&self) -> PathBuf {
        self.output("initrd.cpio")
    }

    /// The SD card for a Raspberry Pi 4: a person looks for it, so it is on top of the target folder.
    #[must_use]
    pub fn card(&self) -> PathBuf {
        self.target.join("granule-rpi4.img")
    }

    /// A file of the given name in the folder this tool writes to.
    #[must_use]
    pub fn output(&self, name: &str) -> PathBuf {
        self.target.join("granule").join(name)
    }
}

impl Package {
    /// The folder that holds the package's `Cargo.toml`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.manifest_path
            .parent()
            .expect("a manifest path names a file in a folder")
    }

    fn programs(&self) -> Vec<Program> {
        self.targets
            .iter()
            .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
            .map(|target| Program {
                name: target.name.clone(),
                package: self.name.clone(),
            })
            .collect()
    }
}

/// Returns a command for the Cargo that started this tool, or the one on PATH.
#[must_use]
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

#[cfg(test)]
mod tests {
    use super::Workspace;

    const METADATA: &str = r#"{
        "packages": [
            {"name": "shell", "manifest_path": "/g/userland/shell/Cargo.toml", "targets": [
                {"name": "shell", "kind": ["lib"]}, {"name": "sh", "kind": ["bin"]}]},
            {"name": "rt", "manifest_path": "/g/userland/rt/Cargo.toml", "targets": [
                {"name": "rt", "kind": ["lib"]}]},
            {"name": "init", "manifest_path": "/g/userland/init/Cargo.toml", "targets": [
                {"name": "init", "kind": ["bin"]}]},
            {"name": "kernel", "manifest_path": "/g/kernel/image/Cargo.toml", "targets": [
                {"name": "kernel", "kind": ["bin"]}]}
        ],
        "workspace_root": "/g", "target_directory": "/elsewhere"
    }"#;

    #[test]
    fn programs_are_the_userland_packages_that_have_a_binary() {
        let workspace = Workspace::from_metadata(METADATA.as_bytes()).unwrap();
        let names: Vec<_> = workspace
            .programs()
            .into_iter()
            .map(|program| (program.name, program.package))
            .collect();
        let expected = [("init", "init"), ("sh", "shell")];
        assert_eq!(names, expected.map(|(n, p)| (n.into(), p.into())));
    }

    #[test]
    fn finished_files_go_to_the_target_folder_that_cargo_names() {
        let workspace = Workspace::from_metadata(METADATA.as_bytes()).unwrap();
        assert_eq!(workspace.image().to_str(), Some("/elsewhere/granule/kernel8.img"));
    }
}
