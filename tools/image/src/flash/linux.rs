//! Linux, with a real card.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, OFlags, fadvise, major, minor};

use super::{Disk, Medium, System};

/// The machine this runs on.
#[derive(Debug, Clone, Copy)]
pub struct Linux;

impl System for Linux {
    fn sys(&self) -> &Path {
        Path::new("/sys")
    }

    fn mounts(&self) -> io::Result<String> {
        fs::read_to_string("/proc/self/mountinfo")
    }

    fn number(&self, path: &Path) -> io::Result<Option<String>> {
        fs::metadata(path).map(|metadata| number_of(&metadata))
    }

    /// `O_EXCL` makes Linux refuse a disk that is mounted or otherwise in use, and keep others from it (open(2)).
    fn open(&self, path: &Path, disk: &Disk) -> io::Result<Box<dyn Medium>> {
        let flags = OFlags::EXCL.bits().cast_signed();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(flags).open(path)?;
        if number_of(&file.metadata()?).as_ref() != Some(&disk.number) {
            return Err(io::Error::other("it is another device than a moment ago"));
        }
        Ok(Box::new(Card(file)))
    }
}

fn number_of(metadata: &Metadata) -> Option<String> {
    let number = metadata.rdev();
    let is_device = metadata.file_type().is_block_device();
    is_device.then(|| format!("{}:{}", major(number), minor(number)))
}

/// An open card.
struct Card(File);

impl Medium for Card {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    /// Linux would else answer a read from its memory.
    fn settle(&mut self) -> io::Result<()> {
        self.0.sync_all()?;
        Ok(fadvise(&self.0, 0, None, Advice::DontNeed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::Card;
    use crate::flash::write;
    use std::fs::{self, OpenOptions};

    #[test]
    fn a_file_that_stands_in_for_a_card_gets_every_byte_and_keeps_what_is_behind() {
        let path = std::env::temp_dir().join(format!("granule-card-{}", std::process::id()));
        fs::write(&path, vec![7; 6 << 20]).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let image: Vec<u8> = (0..5_u32 << 20).map(|byte| (byte >> 8) as u8).collect();
        let result = write(&mut Card(file), &image, &mut |_, _| {});
        let written = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        result.unwrap();
        assert!(written[..image.len()] == image);
        assert!(written[image.len()..].iter().all(|byte| *byte == 7));
    }
}
