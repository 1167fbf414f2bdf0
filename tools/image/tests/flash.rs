//! Which disks are taken for cards, and what becomes of one that fails: with a pretended sysfs and pretended cards.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use granule_image::flash::{Disk, Failure, Medium, Person, Step, System, flash, write};

const MIB: usize = 1 << 20;

/// A machine with one disk, `sdb`, of 16 MiB in a reader on USB, with a partition `sdb1`.
struct Pretended {
    sys: PathBuf,
    mounts: String,
    devices: BTreeMap<PathBuf, &'static str>,
    card: Rc<RefCell<Card>>,
}

impl Pretended {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let sys = std::env::temp_dir().join(format!("granule-sys-{}-{number}", std::process::id()));
        let machine = Self {
            sys,
            mounts: "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n".into(),
            devices: BTreeMap::from([("/dev/sdb".into(), "8:16"), ("/dev/sdb1".into(), "8:17")]),
            card: Rc::new(RefCell::new(Card::new(16 * MIB))),
        };
        for (name, value) in [
            ("removable", "1\n"),
            ("size", "32768\n"),
            ("ro", "0\n"),
            ("dev", "8:16\n"),
            ("device/vendor", "Generic \n"),
            ("device/model", "STORAGE DEVICE  \n"),
            ("sdb1/partition", "1\n"),
            ("sdb1/dev", "8:17\n"),
        ] {
            machine.set(name, value);
        }
        fs::create_dir_all(machine.sys.join("dev/block")).unwrap();
        symlink("../../devices/usb/block/sdb", machine.sys.join("dev/block/8:16")).unwrap();
        symlink(
            "../../devices/usb/block/sdb/sdb1",
            machine.sys.join("dev/block/8:17"),
        )
        .unwrap();
        machine
    }

    /// Sets an attribute of the disk.
    fn set(&self, name: &str, value: &str) {
        let file = self.sys.join("devices/usb/block/sdb").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, value).unwrap();
    }

    fn refusal(&self, path: &str) -> String {
        Disk::find(self, Path::new(path), 2 * MIB as u64)
            .unwrap_err()
            .to_string()
    }
}

impl Drop for Pretended {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.sys));
    }
}

impl System for Pretended {
    fn sys(&self) -> &Path {
        &self.sys
    }

    fn mounts(&self) -> io::Result<String> {
        Ok(self.mounts.clone())
    }

    fn number(&self, path: &Path) -> io::Result<Option<String>> {
        if path == "/home/me/granule.img" {
            return Ok(None);
        }
        let number = self.devices.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Some((*number).into()))
    }

    fn open(&self, _: &Path, _: &Disk) -> io::Result<Box<dyn Medium>> {
        Ok(Box::new(Shared(self.card.clone())))
    }
}

/// A card that fails where it is told to.
struct Card {
    bytes: Vec<u8>,
    /// Writes that touch this byte fail.
    broken: Option<usize>,
    /// Bytes from here on are the same as those from the start: it holds less than it says.
    wraps: Option<usize>,
    /// Reads that touch this byte fail.
    unreadable: Option<usize>,
    /// What was written does not fail before it is to be settled.
    lazy: bool,
    unsettled: usize,
    /// The most that was ever unsettled.
    most: usize,
    failed: bool,
}

impl Card {
    fn new(size: usize) -> Self {
        Self {
            bytes: vec![0xee; size],
            broken: None,
            wraps: None,
            unreadable: None,
            lazy: false,
            unsettled: 0,
            most: 0,
            failed: false,
        }
    }

    fn has_partition_table(&self) -> bool {
        self.bytes[510..512] == [0x55, 0xaa]
    }
}

fn touches(offset: u64, length: usize, byte: Option<usize>) -> bool {
    byte.is_some_and(|byte| (offset as usize..offset as usize + length).contains(&byte))
}

impl Medium for Card {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if touches(offset, bytes.len(), self.broken) {
            self.failed = true;
            if !self.lazy {
                return Err(io::Error::other("it is broken"));
            }
        }
        self.unsettled += bytes.len();
        self.most = self.most.max(self.unsettled);
        let start = offset as usize % self.wraps.unwrap_or(usize::MAX);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        assert_eq!(self.unsettled, 0, "what is read may not have reached the card");
        if touches(offset, bytes.len(), self.unreadable) {
            return Err(io::Error::other("it is unreadable"));
        }
        let start = offset as usize % self.wraps.unwrap_or(usize::MAX);
        bytes.copy_from_slice(&self.bytes[start..start + bytes.len()]);
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        self.unsettled = 0;
        match self.lazy && self.failed {
            true => Err(io::Error::other("it is broken")),
            false => Ok(()),
        }
    }
}

struct Shared(Rc<RefCell<Card>>);

impl Medium for Shared {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.borrow_mut().write_at(bytes, offset)
    }

    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.borrow_mut().read_at(bytes, offset)
    }

    fn settle(&mut self) -> io::Result<()> {
        self.0.borrow_mut().settle()
    }
}

/// Says the same to everything, and remembers what it heard.
struct Somebody {
    agrees: bool,
    heard: Vec<(Step, u64, u64)>,
}

impl Person for Somebody {
    fn agrees(&mut self, _: &Disk) -> Result<bool> {
        Ok(self.agrees)
    }

    fn hear(&mut self, step: Step, bytes: u64, of: u64) {
        self.heard.push((step, bytes, of));
    }
}

fn somebody(agrees: bool) -> Somebody {
    Somebody {
        agrees,
        heard: Vec::new(),
    }
}

/// No two chunks are alike, and there is a partition table.
fn image(size: usize) -> Vec<u8> {
    let mut image: Vec<u8> = (0..size).map(|at| (at / 4099) as u8).collect();
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    image
}

#[test]
fn a_card_in_a_reader_on_usb_is_one() {
    let machine = Pretended::new();
    let disk = Disk::find(&machine, Path::new("/dev/sdb"), 16 * MIB as u64).unwrap();
    assert_eq!((disk.name.as_str(), disk.bytes), ("sdb", 16 * MIB as u64));
    assert_eq!(disk.to_string(), "sdb (0.0 GB, Generic STORAGE DEVICE)");
}

#[test]
fn a_card_in_a_built_in_reader_is_one_though_that_is_not_removable() {
    let machine = Pretended::new();
    machine.set("removable", "0\n");
    machine.set("device/type", "SD\n");
    Disk::find(&machine, Path::new("/dev/sdb"), 1).unwrap();
    machine.set("device/type", "MMC\n");
    assert!(machine.refusal("/dev/sdb").contains("no removable disk"));
}

#[test]
fn what_is_no_card_is_refused_with_a_reason() {
    for (path, attribute, reason) in [
        ("/dev/sdc", None, "cannot look at /dev/sdc"),
        ("/home/me/granule.img", None, "is no device"),
        ("/dev/sdb1", None, "is a partition; name the whole card, /dev/sdb"),
        ("/dev/sdb", Some(("removable", "0\n")), "no removable disk"),
        ("/dev/sdb", Some(("ro", "1\n")), "write-protected"),
        ("/dev/sdb", Some(("size", "0\n")), "no card in sdb"),
        (
            "/dev/sdb",
            Some(("size", "4095\n")),
            "holds 2096640 bytes, and 2097152 are to be written",
        ),
        ("/dev/sdb", Some(("holders/dm-0", "")), "sdb is in use by dm-0"),
        (
            "/dev/sdb",
            Some(("sdb1/holders/dm-0", "")),
            "sdb1 is in use by dm-0",
        ),
    ] {
        let machine = Pretended::new();
        if let Some((name, value)) = attribute {
            machine.set(name, value);
        }
        let refusal = machine.refusal(path);
        assert!(refusal.contains(reason), "{refusal}");
    }
}

#[test]
fn a_device_that_sysfs_does_not_know_is_refused() {
    let machine = Pretended::new();
    fs::remove_file(machine.sys.join("dev/block/8:16")).unwrap();
    assert!(machine.refusal("/dev/sdb").contains("sysfs knows nothing"));
}

#[test]
fn a_card_that_is_mounted_is_refused_with_every_place() {
    let mut machine = Pretended::new();
    machine.mounts += r"40 22 8:17 / /media/my\040card rw - vfat /dev/sdb1 rw
41 22 8:16 / /mnt rw shared:2 - vfat /dev/sdb rw
";
    let refusal = machine.refusal("/dev/sdb");
    assert!(
        refusal.contains("sdb1 at /media/my card and sdb at /mnt"),
        "{refusal}"
    );
}

#[test]
fn a_mount_with_a_number_of_its_own_is_known_by_its_device() {
    let mut machine = Pretended::new();
    machine.mounts += "40 22 0:44 / /data rw - btrfs /dev/sdb1 rw\n";
    assert!(machine.refusal("/dev/sdb").contains("sdb1 at /data"));
}

#[test]
fn a_card_is_overwritten_from_its_first_byte_and_no_further_than_the_image() {
    let machine = Pretended::new();
    let image = image(10 * MIB + 5);
    flash(&machine, Path::new("/dev/sdb"), &image, &mut somebody(true)).unwrap();
    let card = machine.card.borrow();
    assert!(card.bytes[..image.len()] == image);
    assert!(card.bytes[image.len()..].iter().all(|byte| *byte == 0xee));
    assert!(card.most <= 4 * MIB, "{} bytes were under way at once", card.most);
}

#[test]
fn who_does_not_agree_keeps_the_card_as_it_is() {
    let machine = Pretended::new();
    let image = image(2 * MIB);
    let error = flash(&machine, Path::new("/dev/sdb"), &image, &mut somebody(false)).unwrap_err();
    assert_eq!(error.to_string(), "/dev/sdb was left as it is");
    assert!(machine.card.borrow().bytes.iter().all(|byte| *byte == 0xee));
}

#[test]
fn progress_goes_up_to_the_whole_in_both_steps() {
    let machine = Pretended::new();
    let image = image(10 * MIB);
    let mut person = somebody(true);
    flash(&machine, Path::new("/dev/sdb"), &image, &mut person).unwrap();
    for step in [Step::Writing, Step::Checking] {
        let steps = person.heard.iter().filter(|(which, _, _)| *which == step);
        let done: Vec<u64> = steps.map(|(_, bytes, _)| *bytes).collect();
        assert!(done.is_sorted(), "{done:?}");
        assert_eq!(done.last(), Some(&(10 * MIB as u64)));
    }
    assert!(person.heard.iter().all(|(_, _, of)| *of == 10 * MIB as u64));
}

fn failure(card: &mut Card) -> Failure {
    write(card, &image(10 * MIB), &mut |_, _| {}).unwrap_err()
}

#[test]
fn a_card_that_stops_taking_bytes_is_left_without_a_partition_table() {
    for lazy in [false, true] {
        let mut card = Card::new(16 * MIB);
        card.bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        card.broken = Some(7 * MIB + 3);
        card.lazy = lazy;
        let failure = failure(&mut card);
        let Failure::Write(range, _) = &failure else {
            panic!("{failure}")
        };
        assert!(range.contains(&(7 * MIB as u64 + 3)), "{range:?}");
        assert!(range.end - range.start <= 4 * MIB as u64);
        let text = failure.to_string();
        assert!(text.contains("between byte 7340032 and") || lazy, "{text}");
        assert!(text.contains("no partition table now"), "{text}");
        assert!(!card.has_partition_table());
    }
}

#[test]
fn a_card_that_takes_nothing_at_all_is_said_to_be_much_as_it_was() {
    let mut card = Card::new(16 * MIB);
    card.broken = Some(0);
    let text = failure(&mut card).to_string();
    assert!(text.contains("at most the partition table is lost"), "{text}");
    assert!(card.bytes.iter().all(|byte| *byte == 0xee));
}

#[test]
fn a_card_that_holds_less_than_it_says_is_found_out() {
    for size in [2, 8, 9] {
        let mut card = Card::new(16 * MIB);
        card.wraps = Some(size * MIB);
        let failure = failure(&mut card);
        let text = failure.to_string();
        assert!(matches!(failure, Failure::Differs(_)), "{size}: {text}");
        assert!(text.contains("holds less than it says"), "{text}");
        assert!(!card.has_partition_table(), "{size}");
    }
}

#[test]
fn a_card_that_cannot_be_read_back_is_reported_with_the_place() {
    let mut card = Card::new(16 * MIB);
    card.unreadable = Some(5 * MIB);
    let failure = failure(&mut card);
    let text = failure.to_string();
    assert!(
        matches!(&failure, Failure::Read(range, _) if range.start == 5 * MIB as u64),
        "{text}"
    );
    assert!(!card.has_partition_table());
}

#[test]
fn a_partition_table_that_does_not_come_back_is_not_to_be_trusted() {
    let mut card = Card::new(16 * MIB);
    card.unreadable = Some(511);
    let text = failure(&mut card).to_string();
    assert!(text.contains("do not use it as it is"), "{text}");
}
