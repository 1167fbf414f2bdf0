//! `granule flash`: a card for a Raspberry Pi 4, written and read back, with a person at the keyboard.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use granule_image::flash::{Disk, Person, Step};

/// Makes sure that `device` is a card that may be overwritten, before anything is built for it.
///
/// # Errors
///
/// When it is none.
#[cfg(target_os = "linux")]
pub fn ensure_card(device: &Path) -> Result<()> {
    Disk::find(&granule_image::flash::Linux, device, 0)?;
    Ok(())
}

/// Overwrites the card with the image, after asking.
///
/// # Errors
///
/// When it is no card, nobody agrees, or it fails; the error says what state the card is in.
#[cfg(target_os = "linux")]
pub fn flash(device: &Path, image: &Path) -> Result<()> {
    use std::io::ErrorKind::PermissionDenied;
    let bytes = std::fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let mut person = AtTheKeyboard::default();
    let result = granule_image::flash::flash(&granule_image::flash::Linux, device, &bytes, &mut person);
    person.end_line();
    result.map_err(|error| match error.root_cause().downcast_ref::<io::Error>() {
        Some(cause) if cause.kind() == PermissionDenied => error.context(as_root(device, image)),
        _ => error,
    })?;
    eprintln!("The card is written and was read back; take it out, and put it into the board.");
    Ok(())
}

/// Elsewhere nobody tells us which disk is a card.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn ensure_card(_: &Path) -> Result<()> {
    anyhow::bail!(
        "this knows cards on Linux alone; make the image with `just image rpi4` and write it with Raspberry Pi Imager"
    )
}

/// Not here.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn flash(device: &Path, _: &Path) -> Result<()> {
    ensure_card(device)
}

/// The image is built as before, by a user; root has only to write it.
#[cfg(target_os = "linux")]
fn as_root(device: &Path, image: &Path) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "granule".into());
    format!(
        "to write to a disk takes root's rights; try: sudo {} flash --image {} {}",
        program.display(),
        image.display(),
        device.display()
    )
}

/// Whoever types, and reads standard error.
#[derive(Default)]
struct AtTheKeyboard {
    /// A line that is written over and over is not ended yet.
    in_line: bool,
}

impl AtTheKeyboard {
    fn end_line(&mut self) {
        if std::mem::take(&mut self.in_line) {
            eprintln!();
        }
    }
}

impl Person for AtTheKeyboard {
    fn agrees(&mut self, disk: &Disk) -> Result<bool> {
        eprintln!("Everything on {disk} will be lost.");
        eprint!("Type its name, {}, to go on: ", disk.name);
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin()
            .read_line(&mut answer)
            .context("cannot read the answer")?;
        if !io::stdin().is_terminal() {
            eprintln!();
        }
        Ok(answer.trim() == disk.name)
    }

    fn hear(&mut self, step: Step, bytes: u64, of: u64) {
        if !io::stderr().is_terminal() {
            return;
        }
        let step = match step {
            Step::Writing => "Writing ",
            Step::Checking => "Checking",
        };
        eprint!("\r{step} {:3} of {} MiB", bytes >> 20, of >> 20);
        self.in_line = true;
    }
}
