//! What is kept where, with made-up files and folders that go away.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Result, bail};

use super::{Collection, Files, cache_folder_of};

const COLLECTION: Collection = Collection {
    what: "a song",
    names: &["song", "note"],
    is_whole: |files| files["song"].ends_with(b"the end"),
    otherwise: "there is no song; write one",
};

fn song() -> Files {
    Files::from([
        ("song", b"la la la the end".to_vec()),
        ("note", b"made up".to_vec()),
    ])
}

/// A folder that is removed when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("granule-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn place(&self) -> PathBuf {
        self.0.join("target")
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

fn never(_: &Path) -> Result<Files> {
    panic!("fetched again")
}

#[test]
fn files_are_fetched_once_and_outlive_the_target_folder() {
    let folder = Folder::new("once");
    let (place, cache) = (folder.place(), folder.cache());
    assert_eq!(
        COLLECTION.keep(&place, Some(&cache), |_| Ok(song())).unwrap(),
        song()
    );
    COLLECTION.keep(&place, Some(&cache), never).unwrap();
    fs::remove_dir_all(&place).unwrap();
    COLLECTION.keep(&place, Some(&cache), never).unwrap();
    assert_eq!(COLLECTION.read(&place), Some(song()));
}

#[test]
fn without_a_cache_the_target_folder_is_enough() {
    let folder = Folder::new("alone");
    let place = folder.place();
    COLLECTION.keep(&place, None, |_| Ok(song())).unwrap();
    COLLECTION.keep(&place, None, never).unwrap();
    fs::write(folder.cache(), "a file where the folder should be").unwrap();
    fs::remove_dir_all(&place).unwrap();
    COLLECTION
        .keep(&place, Some(&folder.cache()), |_| Ok(song()))
        .unwrap();
    assert_eq!(COLLECTION.read(&place), Some(song()));
}

#[test]
fn damaged_and_missing_files_are_replaced() {
    let folder = Folder::new("damaged");
    let (place, cache) = (folder.place(), folder.cache());
    COLLECTION.keep(&place, Some(&cache), |_| Ok(song())).unwrap();
    fs::write(place.join("song"), "la la").unwrap();
    fs::remove_file(cache.join("note")).unwrap();
    let fetched = Cell::new(false);
    COLLECTION
        .keep(&place, Some(&cache), |_| {
            fetched.set(true);
            Ok(song())
        })
        .unwrap();
    assert!(fetched.get());
    assert_eq!(COLLECTION.read(&place), Some(song()));
}

#[test]
fn a_failure_leaves_nothing_behind_and_says_what_to_do() {
    let folder = Folder::new("failure");
    let (place, cache) = (folder.place(), folder.cache());
    let error = COLLECTION.keep(&place, Some(&cache), |scratch| {
        fs::write(scratch.join("half.deb"), "half").unwrap();
        bail!("no network")
    });
    let text = format!("{:#}", error.unwrap_err());
    assert_eq!(text, "there is no song; write one: no network");
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
            let place = folder.0.join(format!("target-{clone}"));
            let (cache, fetches) = (folder.cache(), &fetches);
            scope.spawn(move || {
                COLLECTION
                    .keep(&place, Some(&cache), |_| {
                        fetches.fetch_add(1, Ordering::Relaxed);
                        Ok(song())
                    })
                    .unwrap();
                assert_eq!(COLLECTION.read(&place), Some(song()));
            });
        }
    });
    assert_eq!(fetches.into_inner(), 1);
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
