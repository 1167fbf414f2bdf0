//! What boot says: on the console, and in the log for later.

use crate::console::Output;
use crate::initrd;
use aarch64::boot::{EntryLevel, Handover};
use aarch64::cpu::{PrivilegedAccess, privileged_access};
use boards::Board;
use boards::console::AnyConsole;
use core::fmt::{self, Write};
use kcore::log::{LOG_BYTES, Log};
use spin::{Mutex, MutexGuard};

/// What the log keeps, taken once.
static KEPT: Mutex<[u8; LOG_BYTES]> = Mutex::new([0; LOG_BYTES]);

/// The console and the log, until the first program takes the console over.
pub struct StartLog {
    console: Option<AnyConsole>,
    log: Log,
}

impl StartLog {
    /// Nothing said yet.
    pub fn new(console: AnyConsole) -> Self {
        Self {
            console: Some(console),
            log: Log::new(&mut MutexGuard::leak(KEPT.lock())[..]),
        }
    }

    /// Which machine this is.
    pub fn describe_machine(&mut self, board: &Board, handover: &Handover) {
        let level = match handover.entered_at {
            EntryLevel::One => 1,
            EntryLevel::Two => 2,
            EntryLevel::Three => 3,
        };
        let pan = match privileged_access() {
            PrivilegedAccess::Never => "PAN on",
            PrivilegedAccess::Possible => "no PAN",
        };
        // A tree without CPUs has at least the one that reads it.
        let cpus = board.cpus.len().max(1);
        let mebibytes = board.memory.ram_bytes() >> 20;
        self.say(format_args!(
            "Granule {} on {}",
            env!("CARGO_PKG_VERSION"),
            crate::board::name(board)
        ));
        self.say(format_args!(
            "  {cpus} CPUs; {mebibytes} MiB of RAM; entered at EL{level}; {pan}"
        ));
        if let Some(syndrome) = handover.left_error {
            self.say(format_args!(
                "  the firmware left a system error pending, which is ignored (syndrome {syndrome:#x})"
            ));
        }
        for range in board.memory.ram() {
            self.say(format_args!("  RAM {}-{}", range.start(), range.end()));
        }
        if board.memory.leaves_ram_out() {
            self.say(format_args!(
                "  more RAM in pieces too many and too small to keep"
            ));
        }
        self.say(format_args!(
            "  image at {}, device tree at {}",
            handover.image().start().start(),
            handover.device_tree_at
        ));
        match initrd::place(board) {
            Some(range) => self.say(format_args!(
                "  initrd at {}, {} bytes",
                range.start(),
                range.bytes()
            )),
            None => self.say(format_args!("  no initrd")),
        }
    }

    /// Says a line.
    #[inline(never)] // much is said
    pub fn say(&mut self, line: fmt::Arguments<'_>) {
        // Neither the log nor the console refuses text; the result is that of the trait.
        let said = writeln!(self, "{line}");
        debug_assert!(said.is_ok());
    }

    /// The console, for whoever drives it from now on. What is said afterwards is in the log only.
    pub fn console(&mut self) -> AnyConsole {
        match self.console.take() {
            Some(console) => console,
            None => panic!("the console was handed over already"),
        }
    }

    /// The log.
    pub fn into_log(self) -> Log {
        self.log
    }
}

impl Write for StartLog {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.log.write_str(text)?;
        match &mut self.console {
            Some(console) => Output(console).write_str(text),
            None => Ok(()),
        }
    }
}
