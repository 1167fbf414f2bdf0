//! What is kept where, with a made-up tree and folders that go away.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Result, bail};

use super::{NAME, Tree, cache_folder_of, is_tree, kept, named};

/// A header, and the name that tells this SoC.
pub(super) fn tree_bytes() -> Vec<u8> {
    let mut bytes = vec![0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 40];
    bytes.extend(b"raspberrypi,4-model-b\0");
    bytes.resize(32, 0);
    bytes.extend(b"brcm,bcm2711\0");
    bytes
}

fn tree() -> Tree {
    Tree {
        bytes: tree_bytes(),
        origin: "made up".into(),
    }
}

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("granule-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn place(&self) -> PathBuf {
        self.0.join("target").join(NAME)
    }

    fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn never(_: &Path) -> Result<Tree> {
    panic!("fetched again")
}

#[test]
fn the_tree_is_fetched_once_and_outlives_the_target_folder() {
    let folder = Folder::new("once");
    let (place, cache) = (folder.place(), folder.cache());
    assert_eq!(kept(&place, Some(&cache), |_| Ok(tree())).unwrap(), place);
    kept(&place, Some(&cache), never).unwrap();
    fs::remove_dir_all(place.parent().unwrap()).unwrap();
    kept(&place, Some(&cache), never).unwrap();
    assert_eq!(Tree::read(&place), Some(tree()));
}

#[test]
fn without_a_cache_the_target_folder_is_enough() {
    let folder = Folder::new("alone");
    let place = folder.place();
    kept(&place, None, |_| Ok(tree())).unwrap();
    kept(&place, None, never).unwrap();
    fs::write(folder.cache(), "a file where the folder should be").unwrap();
    fs::remove_dir_all(place.parent().unwrap()).unwrap();
    kept(&place, Some(&folder.cache()), |_| Ok(tree())).unwrap();
    assert_eq!(Tree::read(&place), Some(tree()));
}

#[test]
fn a_damaged_tree_is_replaced() {
    let folder = Folder::new("damaged");
    let (place, cache) = (folder.place(), folder.cache());
    kept(&place, Some(&cache), |_| Ok(tree())).unwrap();
    for file in [&place, &cache.join(NAME)] {
        fs::write(file, &tree_bytes()[..20]).unwrap();
    }
    let fetched = Cell::new(false);
    kept(&place, Some(&cache), |_| {
        fetched.set(true);
        Ok(tree())
    })
    .unwrap();
    assert!(fetched.get());
    assert_eq!(Tree::read(&place), Some(tree()));
}

#[test]
fn a_failure_leaves_nothing_behind_and_says_what_to_do() {
    let folder = Folder::new("failure");
    let (place, cache) = (folder.place(), folder.cache());
    let error = kept(&place, Some(&cache), |scratch| {
        fs::write(scratch.join("half.deb"), "half").unwrap();
        bail!("no network")
    });
    let text = format!("{:#}", error.unwrap_err());
    assert!(
        text.contains("GRANULE_RPI4_DTB") && text.contains("no network"),
        "{text}"
    );
    assert!(!place.exists());
    let left: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["lock"]);
}

#[test]
fn of_several_at_once_one_fetches_for_all() {
    let folder = Folder::new("several");
    let fetches = AtomicU32::new(0);
    thread::scope(|scope| {
        for clone in 0..8 {
            let place = folder.0.join(format!("target-{clone}")).join(NAME);
            let (cache, fetches) = (folder.cache(), &fetches);
            scope.spawn(move || {
                kept(&place, Some(&cache), |_| {
                    fetches.fetch_add(1, Ordering::Relaxed);
                    Ok(tree())
                })
                .unwrap();
                assert_eq!(Tree::read(&place), Some(tree()));
            });
        }
    });
    assert_eq!(fetches.into_inner(), 1);
}

#[test]
fn a_file_that_somebody_names_is_checked() {
    let folder = Folder::new("named");
    let file = folder.0.join("own.dtb");
    assert!(named(file.clone()).is_err());
    fs::write(&file, "no tree").unwrap();
    let error = named(file.clone()).unwrap_err();
    assert!(error.to_string().contains("not a device tree"), "{error}");
    fs::write(&file, tree_bytes()).unwrap();
    assert_eq!(named(file.clone()).unwrap(), file);
    let error = named("own.dtb".into()).unwrap_err();
    assert!(error.to_string().contains("whole path"), "{error}");
}

#[test]
fn only_a_whole_tree_of_this_soc_is_one() {
    let tree = tree_bytes();
    assert!(is_tree(&tree));
    assert!(!is_tree(&tree[..39]));
    assert!(!is_tree(b""));
    let mut other = tree;
    other[40] = b'6';
    assert!(!is_tree(&other));
}

#[test]
fn the_cache_is_where_users_expect_it() {
    let folder = |cache: Option<&str>, home: Option<&str>| {
        cache_folder_of(cache.map(Into::into), home.map(Into::into))
    };
    assert_eq!(folder(Some("/c"), Some("/h")), Some("/c/granule".into()));
    assert_eq!(
        folder(Some("relative"), Some("/h")),
        Some("/h/.cache/granule".into())
    );
    assert_eq!(folder(None, None), None);
}
