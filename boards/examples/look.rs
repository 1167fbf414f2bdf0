//! Says what the kernel finds in a device tree: the first thing to try for a new board (docs/porting.md).
//!
//! ```text
//! cargo run --package boards --example look -- BOARD.dtb ...
//! ```

use boards::{
    Board, CheckedBlob, ConsoleDevice, Cpu, DevTree, DevTreeError, EnableMethod, Gic, SCRATCH_BYTES,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("name a device tree blob: look BOARD.dtb");
        return ExitCode::FAILURE;
    }
    let mut outcome = ExitCode::SUCCESS;
    for file in files {
        match look(&file) {
            Ok(board) => print!("{}", said(&board)),
            Err(error) => {
                eprintln!("{file}: {error}");
                outcome = ExitCode::FAILURE;
            }
        }
    }
    outcome
}

fn look(file: &str) -> Result<Board, String> {
    let blob = std::fs::read(file).map_err(|error| error.to_string())?;
    boards::read(&blob, &mut vec![0; SCRATCH_BYTES], open).map_err(|error| error.to_string())
}

fn open(blob: CheckedBlob<'_>) -> Result<DevTree<'_>, DevTreeError> {
    // SAFETY: A checked blob is aligned and as long as its header says.
    unsafe { DevTree::new(blob.bytes()) }
}

/// What a kernel cannot do without is followed by what it would say.
fn said(board: &Board) -> String {
    let mut lines = format!("{} ({:?})\n", board.model.as_str(), board.kind);
    let mut line = |name: &str, what: String| lines += &format!("  {name:<22}{what}\n");
    let none = |needed: &str| format!("NONE, and {needed}");
    for ram in board.memory.ram() {
        line("RAM", format!("{}-{}", ram.start(), ram.end()));
    }
    if board.memory.ram().next().is_none() {
        line("RAM", none("the loader has to fill it in"));
    }
    for reserved in board.memory.reserved() {
        line("reserved", format!("{}-{}", reserved.start(), reserved.end()));
    }
    let console = board.console.map(about_console);
    line(
        "console",
        console.unwrap_or_else(|| none("a driver has to be written")),
    );
    let gic = board.gic.map(about_gic);
    line(
        "interrupt controller",
        gic.unwrap_or_else(|| none("a driver has to be written")),
    );
    let timer = board
        .timer
        .map(|timer| format!("interrupt {}", timer.physical.intid()));
    line("timer", timer.unwrap_or_else(|| none("there is no way without")));
    for cpu in board.cpus.iter() {
        line("CPU", about_cpu(cpu));
    }
    let psci = board.psci.map(|conduit| format!("by {conduit:?}"));
    line(
        "PSCI",
        psci.unwrap_or_else(|| "none: switched off by hand".into()),
    );
    let rtc = board.rtc.map(|block| format!("PL031 at {}", block.base));
    line("clock", rtc.unwrap_or_else(|| "none: bootarg time=N".into()));
    lines
}

fn about_console(console: ConsoleDevice) -> String {
    let interrupt = console.irq.map_or_else(
        || "without an interrupt, so it hears nothing".into(),
        |irq| format!("interrupt {}", irq.intid()),
    );
    let line = console.clock_hz.map_or_else(
        || "baud rate as firmware left it".into(),
        |hz| format!("115200 baud from {hz} Hz"),
    );
    format!(
        "{:?} at {}, {interrupt}, {line}",
        console.kind, console.registers.base
    )
}

fn about_gic(gic: Gic) -> String {
    match gic {
        Gic::V2 {
            distributor,
            cpu_interface,
        } => format!("GICv2 at {} and {}", distributor.base, cpu_interface.base),
        Gic::V3 {
            distributor,
            redistributors,
        } => format!("GICv3 at {} and {}", distributor.base, redistributors.base),
    }
}

fn about_cpu(cpu: Cpu) -> String {
    let how = match cpu.enable {
        EnableMethod::Psci => "started by PSCI".into(),
        EnableMethod::SpinTable { release } => format!("waits at {release}"),
        EnableMethod::Unknown => "no known way to start it".into(),
    };
    format!("{:#x}, {how}", cpu.mpidr.raw())
}
