//! The copy of the tree that is changed in the tree's place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::mutant::Mutant;
use crate::rewrite::Rewritten;
use crate::site::{Sites, sites};

/// What `chooser.rs` needs to tell what the compiler computes from what a program does.
pub const FEATURES: &str = "#![feature(core_intrinsics, const_eval_select)] ";
/// The module that chooses.
pub const CHOOSER: &str = include_str!("chooser.rs");

/// A crate of which a copy is tried.
pub struct Crate {
    /// The root of the tree.
    tree: PathBuf,
    /// Everything that is made.
    pub work: PathBuf,
    /// The crate's folder, seen from the root.
    pub folder: PathBuf,
}

impl Crate {
    /// The crate to which all of these belong.
    ///
    /// # Errors
    ///
    /// They belong to several, or to a program.
    pub fn of(mutants: &[Mutant]) -> Result<Self> {
        let mut command = Command::new("cargo");
        let manifest = text_of(command.args(["locate-project", "--workspace", "--message-format", "plain"]))?;
        let tree = Path::new(manifest.trim())
            .parent()
            .context("a file is in a folder")?
            .to_owned();
        let folder_of = |mutant: &Mutant| {
            let mut folders = Path::new(&mutant.file).ancestors().skip(1);
            folders
                .find(|folder| tree.join(folder).join("Cargo.toml").is_file())
                .map(Path::to_owned)
        };
        let folders: BTreeSet<_> = mutants.iter().filter_map(folder_of).collect();
        let [folder] = &Vec::from_iter(folders)[..] else {
            bail!("these files are of several crates; name those of one");
        };
        ensure!(
            tree.join(folder).join("src/lib.rs").is_file(),
            "{} is not a library; use `cargo mutants` itself",
            folder.display()
        );
        Ok(Self {
            work: tree.join("target/granule/mutants"),
            folder: folder.clone(),
            tree,
        })
    }

    /// Where it is said what became of each mutant.
    pub fn results(&self) -> PathBuf {
        let name = self.folder.to_string_lossy().replace('/', "-");
        self.work.join(format!("{name}.tsv"))
    }

    /// The crate's folder in a copy of the tree.
    pub fn in_copy(&self, copy: &str) -> PathBuf {
        self.work.join(copy).join(&self.folder)
    }

    /// The names, as rustc knows them, of what has the module that chooses in it.
    ///
    /// # Errors
    ///
    /// The crate's folder cannot be read.
    pub fn crates(&self) -> Result<String> {
        let manifest = fs::read_to_string(self.tree.join(&self.folder).join("Cargo.toml"))?;
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
        let name = name
            .context("the crate has no name")?
            .trim_matches('"')
            .replace('-', "_");
        let mut names = vec![name];
        for test in fs::read_dir(self.tree.join(&self.folder).join("tests"))
            .into_iter()
            .flatten()
        {
            let test = test?.path();
            names.extend(test.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
        Ok(names.join(","))
    }

    /// A changed file, with all of these mutants in it, and what is known of them.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not Rust.
    pub fn rewrite(&self, file: &str, mutants: &[(usize, &Mutant)]) -> Result<(Rewritten, Sites)> {
        let source = fs::read_to_string(self.tree.join(file))?;
        let sites = sites(&source, mutants).with_context(|| file.to_owned())?;
        Ok((Rewritten::new(self.before(file), &source, &sites.found), sites))
    }

    /// What the first line of a file begins with.
    fn before(&self, file: impl AsRef<Path>) -> &'static str {
        if self.has_chooser(file.as_ref()) {
            FEATURES
        } else {
            ""
        }
    }

    /// Whether this is the first file of the crate, or of a test that takes some of its source into itself.
    fn has_chooser(&self, file: &Path) -> bool {
        file == self.folder.join("src/lib.rs")
            || file.parent() == Some(&self.folder.join("tests"))
                && fs::read_to_string(self.tree.join(file)).is_ok_and(|text| text.contains("\"../src/"))
    }

    /// Writes the copy, except for what is there already, so that cargo builds only what is new.
    ///
    /// # Errors
    ///
    /// A file cannot be read or written.
    pub fn write(&self, copy: &str, changed: &BTreeMap<String, Rewritten>) -> Result<()> {
        let mut command = Command::new("git");
        let command = command.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let list = text_of(command.current_dir(&self.tree))?;
        let files: BTreeSet<&str> = list.lines().collect();
        let copy = self.work.join(copy);
        forget_all_but(&files, &copy)?;
        for file in files {
            let changed = changed.get(file).map(|new| new.text.clone().into_bytes());
            let text = changed.map_or_else(|| fs::read(self.tree.join(file)), Ok);
            // What is deleted and not yet committed has none.
            if let Ok(text) = text {
                write_file(&copy.join(file), &self.with_chooser(Path::new(file), text))?;
            }
        }
        write_file(&copy.join(&self.folder).join("src/mutant.rs"), CHOOSER.as_bytes())
    }

    fn with_chooser(&self, file: &Path, mut text: Vec<u8>) -> Vec<u8> {
        if !self.has_chooser(file) {
            return text;
        }
        if !text.starts_with(FEATURES.as_bytes()) {
            text.splice(0..0, FEATURES.bytes());
        }
        let folder = if file.ends_with("lib.rs") { "" } else { "../src/" };
        text.extend(format!("\n#[path = \"{folder}mutant.rs\"]\nmod mutant;\n").bytes());
        text
    }
}

/// Removes from a copy what is in the tree no longer.
fn forget_all_but(files: &BTreeSet<&str>, copy: &Path) -> Result<()> {
    fs::create_dir_all(copy)?;
    let list = copy.with_extension("files");
    for file in fs::read_to_string(&list).unwrap_or_default().lines() {
        if !files.contains(file) && copy.join(file).is_file() {
            fs::remove_file(copy.join(file))?;
        }
    }
    Ok(fs::write(list, Vec::from_iter(files.iter().copied()).join("\n"))?)
}

fn write_file(path: &Path, text: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What a command prints.
fn text_of(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
