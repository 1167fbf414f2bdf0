//! Fetches files from Debian's packages, with apt and without touching the system.
//!
//! apt gets folders of its own and is told that it works for arm64, so neither root nor a foreign architecture of dpkg is
//! needed. The package sources are those of the host, or another component of the same mirror, and the keys are
//! Debian's: apt checks the signed lists, and the package against them, as ever.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

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
/// With package sources of its own as well.
const OWN_SOURCES: &str = r#"
Dir::Etc::sourcelist "./sources.list";
Dir::Etc::sourceparts "/dev/null";
"#;
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where packages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// The host's package sources.
    Host,
    /// This component of the Debian that the host has, from the host's mirror, whether the host uses it or not.
    Component(&'static str),
}

/// What apt knows about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Installed, in KiB.
    pub kib: u64,
    /// The `.deb`, in bytes.
    pub size: u64,
    /// Digest of the `.deb`.
    pub sha256: String,
    /// Name and version of the source package.
    pub source: (String, String),
    /// What it needs in exactly one version, as its other parts: name and version.
    pub parts: Vec<(String, String)>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagedFile {
    /// Where the package puts it.
    pub path: PathBuf,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// apt, working in a folder of its own.
pub struct Apt<'a> {
    folder: &'a Path,
}

impl<'a> Apt<'a> {
    /// Makes apt's folders in `folder`, which is empty, and gets the lists of packages.
    ///
    /// # Errors
    ///
    /// When this is not Debian, or no package source can be reached.
    pub fn new(folder: &'a Path, sources: Sources) -> Result<Self> {
        let (configuration, list) = match sources {
            Sources::Host => (APT_CONF.to_owned(), String::new()),
            Sources::Component(component) => (format!("{APT_CONF}{OWN_SOURCES}"), source_line(component)?),
        };
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder.join("state/lists/partial"))?;
            fs::create_dir_all(folder.join("cache/archives/partial"))?;
            fs::write(folder.join("status"), "")?;
            fs::write(folder.join("sources.list"), list)?;
            fs::write(folder.join("apt.conf"), configuration)
        };
        write().with_context(|| format!("cannot write to {}", folder.display()))?;
        let apt = Self { folder };
        apt.tell("update")?;
        Ok(apt)
    }

    /// Downloads a package; apt checks the file against the signed list.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub fn download(&self, package: &Package) -> Result<PathBuf> {
        remove_packages(self.folder)?;
        self.tell(&format!("download {}={}", package.name, package.version))?;
        let mut files = packages_in(self.folder)?;
        files.pop().context("apt-get download left no package behind")
    }

    /// Looks up a package, `NAME` or `NAME=VERSION`; without a version, the newest.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn show(&self, package: &str) -> Result<Package> {
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

/// The package source for a component that the host need not use itself.
fn source_line(component: &str) -> Result<String> {
    let codename = fs::read_to_string("/etc/os-release")
        .ok()
        .and_then(|text| codename(&text))
        .context("this is not Debian")?;
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(RELEASE) $(REPO_URI)"])
        .args(["Created-By: Packages", "Component: main"])
        .output()
        .context("cannot start apt-get, which Debian has")?;
    let (release, mirror) = mirror(&String::from_utf8_lossy(&output.stdout), &codename)
        .with_context(|| format!("apt has no package source for Debian {codename}"))?;
    Ok(format!("deb [signed-by={KEYS}] {mirror} {release} {component}\n"))
}

/// What `/etc/os-release` calls this Debian.
fn codename(os_release: &str) -> Option<String> {
    let value = |key| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    let name = value("VERSION_CODENAME").filter(|_| value("ID") == Some("debian"))?;
    Some(name.trim_matches('"').into())
}

/// Release and mirror of the first package source for this Debian, of lines `RELEASE MIRROR`. Who follows testing or
/// unstable may have it under that name.
fn mirror(lines: &str, codename: &str) -> Option<(String, String)> {
    let sources = || lines.lines().filter_map(|line| line.split_once(' '));
    let releases = [codename, "testing", "unstable", "sid"].into_iter();
    let (release, mirror) = releases
        .filter_map(|wanted| sources().find(|(release, _)| *release == wanted))
        .next()?;
    Some((release.into(), mirror.into()))
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
    /// Reads what `apt-cache show` says about a package.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
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

/// Takes the files out of a `.deb` whose paths are wanted. It is read no further than to the `most`th of them.
///
/// # Errors
///
/// When it is no package.
pub fn files_in_package(
    package: &Path,
    most: usize,
    is_wanted: impl Fn(&Path) -> bool,
) -> Result<Vec<PackagedFile>> {
    let mut unpacking = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start dpkg-deb, which Debian has")?;
    let archive = unpacking.stdout.take().expect("standard output is a pipe");
    let found = files_in(archive, most, is_wanted);
    // With all found, nobody read on, and dpkg-deb complains of that.
    let complaints = unpacking.wait_with_output()?;
    let found = found.with_context(|| String::from_utf8_lossy(&complaints.stderr).into_owned())?;
    ensure!(
        found.len() == most || complaints.status.success(),
        "dpkg-deb cannot read {}: {}",
        package.display(),
        String::from_utf8_lossy(&complaints.stderr)
    );
    Ok(found)
}

fn files_in(archive: impl Read, most: usize, is_wanted: impl Fn(&Path) -> bool) -> Result<Vec<PackagedFile>> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if is_wanted(&path) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            found.push(PackagedFile { path, bytes });
        }
        if found.len() == most {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Package, codename, files_in, files_in_package, mirror};
    use std::path::Path;

    /// The part of `apt-cache show` that is read, and a neighbour.
    pub(crate) const KERNEL: &str = "Package: linux-image-6.1.0-56-arm64
Source: linux-signed-arm64 (6.1.192+2)
Version: 6.1.192-2
Installed-Size: 350670
Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120) | linux-initramfs-tool
Description: Linux 6.1 for 64-bit ARMv8 machines (signed)
Built-Using: linux (= 6.1.192-2)
Size: 59812568
SHA256: 6f4ed2d1
";

    pub(crate) fn package(name: &str, depends: &str) -> Package {
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
    fn another_component_comes_from_the_mirror_of_this_debian_and_no_other_source() {
        let sources = "stable http://tools.example/
bookworm-backports http://mirror.example/stable/
bookworm http://mirror.example/stable/
bookworm http://other.example/debian/
";
        let found = mirror(sources, "bookworm").unwrap();
        assert_eq!(found, ("bookworm".into(), "http://mirror.example/stable/".into()));
        assert_eq!(mirror("sid http://a/", "forky").unwrap().0, "sid");
        assert_eq!(mirror(sources, "trixie"), None);
    }

    #[test]
    fn only_debian_has_debians_names() {
        let debian = "NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(codename(debian).as_deref(), Some("bookworm"));
        assert_eq!(codename(&debian.replace("ID=debian", "ID=ubuntu")), None);
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
    fn the_wanted_files_of_a_package_are_found_up_to_a_number() {
        let archive = archive(&[("./a", b"one"), ("./b/c", b"two"), ("./b/d", b"three")]);
        let found = |most, folder: &str| -> Vec<_> {
            let files = files_in(&archive[..], most, |path| path.starts_with(folder)).unwrap();
            files.into_iter().map(|file| file.bytes).collect()
        };
        assert_eq!(found(9, "b"), [&b"two"[..], b"three"]);
        assert_eq!(found(1, "b"), [b"two"]);
        assert!(found(9, "e").is_empty());
    }

    #[test]
    fn a_file_that_is_no_package_is_an_error() {
        assert!(files_in_package(Path::new("/dev/null"), 1, |_| true).is_err());
    }
}
