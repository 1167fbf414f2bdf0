//! Fetches the tree from Debian's kernel package for arm64, with apt and without touching the system.
//!
//! apt gets folders of its own and is told that it works for arm64, so neither root nor a foreign architecture of dpkg is
//! needed. The package sources are those of the host, and so are the keys: apt checks the signed
//! lists, and the package against them, as ever.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::{NAME, Tree, is_tree};

/// The package that depends on the newest kernel.
const META_PACKAGE: &str = "linux-image-arm64";
/// A package that takes less room than this when installed, in KiB, holds no tree.
const TREE_KIB: u64 = 24;

/// Paths that begin with a dot are below the folder that apt runs in. Hooks are the system's affair, and what is
/// not the list of packages need not be fetched.
const APT_CONF: &str = r#"
APT::Architecture "arm64";
#clear APT::Architectures;
APT::Architectures { "arm64"; };
Dir::State "./state";
Dir::State::status "./status";
Dir::Cache "./cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"#;

/// What apt knows about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    /// Installed, in KiB.
    kib: u64,
    /// The `.deb`, in bytes.
    size: u64,
    sha256: String,
    /// Name and version of the source package.
    source: (String, String),
    /// What it needs in exactly one version, as its other parts: name and version.
    parts: Vec<(String, String)>,
}

/// Fetches the tree, working in an empty folder.
///
/// # Errors
///
/// When this is not Debian, no package source can be reached, or no package holds the tree.
pub(super) fn fetch(folder: &Path) -> Result<Tree> {
    let apt = Apt::new(folder)?;
    eprintln!("Fetching the device tree of a Raspberry Pi 4 from Debian's kernel package, once:");
    apt.update()?;
    let mut packages = with_parts(META_PACKAGE, |package| apt.show(package))?;
    packages.retain(|package| package.kib >= TREE_KIB);
    packages.sort_by_key(|package| package.size);
    for package in &packages {
        if let Some((path, bytes)) = tree_in_package(&apt.download(package)?)? {
            let origin = origin(package, &path);
            return Ok(Tree { bytes, origin });
        }
    }
    let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
    bail!("{NAME} is in none of these packages: {}", names.join(", "))
}

/// The package and all its parts, which are packages of the same build. Debian 13 has a kernel in one package, with
/// its trees; after that it is split.
fn with_parts(name: &str, show: impl Fn(&str) -> Result<Package>) -> Result<Vec<Package>> {
    let mut packages = vec![show(name)?];
    let mut next = 0;
    while let Some(package) = packages.get(next) {
        for (name, version) in package.parts.clone() {
            if !packages.iter().any(|known| known.name == name) {
                packages.push(show(&format!("{name}={version}"))?);
            }
        }
        next += 1;
    }
    Ok(packages)
}

/// apt, working in a folder of its own.
struct Apt<'a> {
    folder: &'a Path,
}

impl<'a> Apt<'a> {
    fn new(folder: &'a Path) -> Result<Self> {
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder.join("state/lists/partial"))?;
            fs::create_dir_all(folder.join("cache/archives/partial"))?;
            fs::write(folder.join("status"), "")?;
            fs::write(folder.join("apt.conf"), APT_CONF)
        };
        write().with_context(|| format!("cannot write to {}", folder.display()))?;
        Ok(Self { folder })
    }

    fn update(&self) -> Result<()> {
        self.tell("update")
    }

    /// apt checks the file against the signed list.
    fn download(&self, package: &Package) -> Result<PathBuf> {
        remove_packages(self.folder)?;
        self.tell(&format!("download {}={}", package.name, package.version))?;
        let mut files = packages_in(self.folder)?;
        files.pop().context("apt-get download left no package behind")
    }

    fn show(&self, package: &str) -> Result<Package> {
        let output = self
            .command("apt-cache")
            .args(["show", "--no-all-versions", package])
            .output()
            .context("cannot start apt-cache")?;
        ensure!(
            output.status.success() && !output.stdout.is_empty(),
            "apt knows no package {package} for arm64; is this Debian, is it online, and do its package sources \
             have arm64?"
        );
        Package::parse(&String::from_utf8_lossy(&output.stdout))
            .with_context(|| format!("apt-cache says too little about {package}"))
    }

    /// What apt-get says goes to standard error: standard output belongs to the machine.
    fn tell(&self, words: &str) -> Result<()> {
        let status = self
            .command("apt-get")
            .args(words.split(' '))
            .stdin(Stdio::null())
            .stdout(io::stderr())
            .status()
            .context("cannot start apt-get, which Debian has")?;
        ensure!(status.success(), "apt-get {words} failed; its messages are above");
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder).args(["-c", "apt.conf"]);
        command
    }
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let files: io::Result<Vec<_>> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let is_package = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    Ok(files?.into_iter().filter(is_package).collect())
}

fn remove_packages(folder: &Path) -> Result<()> {
    for file in packages_in(folder)? {
        fs::remove_file(file)?;
    }
    Ok(())
}

impl Package {
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let values = text.lines().filter_map(|line| line.split_once(": "));
            values
                .into_iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let (name, version) = (field("Package")?, field("Version")?);
        let built = field("Built-Using").and_then(exact);
        let source = field("Source").unwrap_or(name);
        Some(Self {
            name: name.into(),
            version: version.into(),
            kib: field("Installed-Size")?.parse().ok()?,
            size: field("Size")?.parse().ok()?,
            sha256: field("SHA256")?.into(),
            source: built.unwrap_or_else(|| versioned(source, version)),
            parts: field("Depends")
                .unwrap_or_default()
                .split(", ")
                .filter_map(exact)
                .collect(),
        })
    }
}

/// `linux (= 6.1)` as name and version; no other relation.
fn exact(relation: &str) -> Option<(String, String)> {
    let (name, version) = relation.strip_suffix(')')?.split_once(" (= ")?;
    Some((name.into(), version.into()))
}

/// `linux (6.1)` as name and version, or `linux` alone, whose version is that of the package.
fn versioned(source: &str, version: &str) -> (String, String) {
    let (name, version) = match source
        .strip_suffix(')')
        .and_then(|source| source.split_once(" ("))
    {
        Some(both) => both,
        None => (source, version),
    };
    (name.into(), version.into())
}

/// Looks for the tree in a `.deb`; returns its path and contents.
fn tree_in_package(package: &Path) -> Result<Option<(String, Vec<u8>)>> {
    let mut unpacking = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start dpkg-deb, which Debian has")?;
    let archive = unpacking.stdout.take().expect("standard output is a pipe");
    let found = tree_in(archive);
    // With the tree found, nobody read on, and dpkg-deb complains of that.
    let complaints = unpacking.wait_with_output()?;
    let found = found.with_context(|| String::from_utf8_lossy(&complaints.stderr).into_owned())?;
    ensure!(
        found.is_some() || complaints.status.success(),
        "dpkg-deb cannot read {}: {}",
        package.display(),
        String::from_utf8_lossy(&complaints.stderr)
    );
    Ok(found)
}

fn tree_in(archive: impl Read) -> Result<Option<(String, Vec<u8>)>> {
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if path.ends_with(Path::new("broadcom").join(NAME)) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            ensure!(
                is_tree(&bytes),
                "{} is not a device tree of this board",
                path.display()
            );
            return Ok(Some((path.display().to_string(), bytes)));
        }
    }
    Ok(None)
}

fn origin(package: &Package, path: &str) -> String {
    let Package {
        name,
        version,
        sha256,
        ..
    } = package;
    let (source, source_version) = &package.source;
    format!(
        "{NAME} is the device tree of a Raspberry Pi 4 model B from the Linux kernel.

Package:         {name} {version}, of Debian for arm64
SHA-256 of that: {sha256}
Path therein:    {path}
Licence:         GPL-2.0
Source:          arch/arm64/boot/dts/broadcom/bcm2711-rpi-4-b.dts and what it includes,
                 in Debian's source package {source} {source_version}
                 (apt-get source {source}={source_version})
"
    )
}

#[cfg(test)]
mod tests {
    use super::{Package, origin, tree_in, tree_in_package, with_parts};
    use crate::rpi4_tree::tests::tree_bytes;
    use anyhow::{Context, Result};
    use std::path::Path;

    /// The part of `apt-cache show` that is read, and a neighbour.
    const KERNEL: &str = "Package: linux-image-6.1.0-56-arm64
Source: linux-signed-arm64 (6.1.192+2)
Version: 6.1.192-2
Installed-Size: 350670
Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120) | linux-initramfs-tool
Description: Linux 6.1 for 64-bit ARMv8 machines (signed)
Built-Using: linux (= 6.1.192-2)
Size: 59812568
SHA256: 6f4ed2d1
";

    fn package(name: &str, depends: &str) -> Package {
        let text = format!(
            "Package: {name}\nSource: linux\nVersion: 7-1\nInstalled-Size: 15\nDepends: {depends}\nSize: 1\nSHA256: 0\n"
        );
        Package::parse(&text).unwrap()
    }

    #[test]
    fn what_apt_says_about_a_kernel_is_understood() {
        let kernel = Package::parse(KERNEL).unwrap();
        assert_eq!((kernel.kib, kernel.size), (350_670, 59_812_568));
        assert_eq!(kernel.source, ("linux".into(), "6.1.192-2".into()));
        assert_eq!(kernel.parts, []);
        assert!(Package::parse("Package: linux-image-arm64\n").is_none());
    }

    #[test]
    fn the_source_of_a_package_that_was_not_signed_apart_is_its_own() {
        let source = package("linux-base-7", "").source;
        assert_eq!(source, ("linux".into(), "7-1".into()));
    }

    #[test]
    fn all_parts_of_a_kernel_are_found_and_nothing_else() {
        let known = [
            package(
                "linux-image-arm64",
                "linux-base-arm64 (= 7-1), linux-image-7 (= 7-1)",
            ),
            package("linux-base-arm64", "linux-base-7 (= 7-1)"),
            package("linux-image-7", "kmod, linux-base (>= 4), linux-base-7 (= 7-1)"),
            package("linux-base-7", ""),
            package("kmod", ""),
        ];
        let show = |wanted: &str| -> Result<Package> {
            let found = known.iter().find(|package| {
                package.name == wanted || format!("{}={}", package.name, package.version) == wanted
            });
            found.cloned().context("asked for another package")
        };
        let found = with_parts("linux-image-arm64", show).unwrap();
        let names: Vec<_> = found.iter().map(|package| package.name.as_str()).collect();
        let expected = [
            "linux-image-arm64",
            "linux-base-arm64",
            "linux-image-7",
            "linux-base-7",
        ];
        assert_eq!(names, expected);
    }

    /// Makes the data of a package.
    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, *bytes).unwrap();
        }
        archive.into_inner().unwrap()
    }

    #[test]
    fn the_tree_is_found_wherever_a_kernel_package_has_it() {
        let tree = tree_bytes();
        for path in [
            "./usr/lib/linux-image-6.1.0-56-arm64/broadcom/bcm2711-rpi-4-b.dtb",
            "./usr/lib/modules/7.2.13+deb14-arm64/dtb/broadcom/bcm2711-rpi-4-b.dtb",
        ] {
            let archive = archive(&[("./usr/share/doc/copyright", b"GPL"), (path, &tree)]);
            let (found, bytes) = tree_in(&archive[..]).unwrap().unwrap();
            assert!(path.ends_with(&found), "{found}");
            assert_eq!(bytes, tree);
        }
    }

    #[test]
    fn other_files_are_not_taken_for_the_tree() {
        let tree = tree_bytes();
        let others: [(&str, &[u8]); 2] = [
            ("./usr/lib/linux/broadcom/bcm2711-rpi-400.dtb", &tree),
            ("./usr/share/bcm2711-rpi-4-b.dtb", &tree),
        ];
        assert_eq!(tree_in(&archive(&others)[..]).unwrap(), None);
        let spoiled = archive(&[("./usr/lib/linux/broadcom/bcm2711-rpi-4-b.dtb", b"<html>")]);
        assert!(tree_in(&spoiled[..]).is_err());
    }

    #[test]
    fn a_file_that_is_no_package_is_an_error() {
        assert!(tree_in_package(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn the_origin_names_package_licence_and_source() {
        let text = origin(&Package::parse(KERNEL).unwrap(), "usr/lib/x.dtb");
        for part in [
            "linux-image-6.1.0-56-arm64 6.1.192-2",
            "GPL-2.0",
            "apt-get source linux=6.1.192-2",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
