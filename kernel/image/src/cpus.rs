//! The other CPUs: how boot starts them, what each does before it runs threads, and how they are stopped.

use crate::device;
use crate::exit;
use crate::ram::Ram;
use crate::start_log::StartLog;
use crate::trap;
use aarch64::boot::Handover;
use aarch64::cpu::start::{self, NotStarted, Release};
use aarch64::cpu::{self, PerCpu};
use aarch64::gic::{Alerts, Gic, InterruptController, Target};
use aarch64::timer;
use boards::{Board, Cpu, EnableMethod, RegisterBlock};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use device::BadRegisters;
use kcore::{CpuId, MAX_CPUS};
use mm::Spare;
use spin::Once;

/// Seconds that a CPU may take from its firmware to the kernel.
const PATIENCE: u64 = 2;

/// Why a CPU stays where it is.
enum Stays {
    Wanted,
    NoWay,
    BadAddress(BadRegisters),
    NotStarted(NotStarted),
}

/// Starts all other CPUs of the board, or as many as bootarg `cpus=N` or `maxcpus=N` says, and says of each
/// that stays behind why.
pub fn start(board: &Board, handover: &mut Handover, ram: &mut Ram, log: &mut StartLog) {
    let most = board.options().cpus().unwrap_or(usize::MAX);
    let here = cpu::affinity();
    for cpu in board.cpus.iter().filter(|cpu| cpu.mpidr.raw() != here) {
        let started = if PerCpu::all().count() < most {
            start_one(cpu, board, handover, ram)
        } else {
            Err(Stays::Wanted)
        };
        if let Err(why) = started
            && !matches!(why, Stays::Wanted)
        {
            log.say(format_args!("  CPU {:#x} is left out: {why}", cpu.mpidr.raw()));
        }
    }
    let (running, all) = (PerCpu::all().count(), board.cpus.len().max(1));
    log.say(format_args!("  {running} of {all} CPUs run"));
}

fn start_one(cpu: Cpu, board: &Board, handover: &mut Handover, ram: &mut Ram) -> Result<(), Stays> {
    let release = release(cpu, board, handover, ram)?;
    let patience = u64::from(timer::frequency()) * PATIENCE;
    start::start(handover, cpu.mpidr.raw(), release, patience, &mut |count| {
        ram.take(count)
    })
    .map_err(Stays::NotStarted)
}

fn release(cpu: Cpu, board: &Board, handover: &mut Handover, ram: &mut Ram) -> Result<Release, Stays> {
    match cpu.enable {
        EnableMethod::Psci => exit::psci(board, handover.entered_at)
            .map(Release::Psci)
            .ok_or(Stays::NoWay),
        EnableMethod::SpinTable { release } => {
            let word = RegisterBlock {
                base: release,
                bytes: size_of::<u64>() as u64,
            };
            // SAFETY: The device tree says that a CPU looks for an address there, so `Ram` has given it to nobody, and
            // has not mapped it either.
            let word = unsafe { device::map_block(word, &mut handover.map, &mut || ram.take(1)) };
            word.map(Release::SpinTable).map_err(Stays::BadAddress)
        }
        EnableMethod::Unknown => Err(Stays::NoWay),
    }
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted => f.write_str("the command line wants no more"),
            Self::NoWay => f.write_str("the device tree names no way to start it that works here"),
            Self::BadAddress(error) => write!(f, "its release address cannot be written: {error}"),
            Self::NotStarted(error) => write!(f, "{error}"),
        }
    }
}

/// Whether there is a kernel to run.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Lets all CPUs run threads.
pub fn open() {
    OPEN.store(true, Ordering::Release);
    cpu::wake_all();
}

/// Where every other CPU begins.
#[unsafe(no_mangle)]
fn kernel_secondary() -> ! {
    while !OPEN.load(Ordering::Acquire) {
        cpu::wait_for_event();
    }
    trap::run_other()
}

/// What CPUs zero without a lock, by number.
static SPARES: [Spare; MAX_CPUS] = [const { Spare::none() }; MAX_CPUS];

/// The spares that CPUs are to have. One that is alone waits for no lock, and needs none.
pub fn spares() -> &'static [Spare] {
    match PerCpu::all().count() {
        1 => &[],
        count => SPARES.get(..count).unwrap_or(&SPARES),
    }
}

/// That of this CPU.
#[inline]
pub fn spare() -> &'static Spare {
    spare_of(PerCpu::current().id())
}

/// That of `cpu`.
pub fn spare_of(cpu: CpuId) -> &'static Spare {
    &SPARES[cpu.index()]
}

/// Between two pieces of work, without the lock: long enough for a CPU that waits for it to take it.
pub fn let_others_in() {
    const PAUSES: u32 = 64;
    if PerCpu::all().count() > 1 {
        for _ in 0..PAUSES {
            core::hint::spin_loop();
        }
    }
}

/// What alerts other CPUs.
static ALERTS: Once<Alerts> = Once::new();
/// How each of them is alerted; 0 before it has joined.
static TARGETS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
/// The affinity of the CPU that alone goes on, marked as such; 0 as long as all do.
static ALONE: AtomicU64 = AtomicU64::new(0);
static STOPPED: AtomicUsize = AtomicUsize::new(0);

/// A bit of MPIDR_EL1 that is no affinity.
const MARK: u64 = 1 << 31;

/// Remembers how `cpu`, which has joined, is alerted.
pub fn remember(gic: &Gic, cpu: CpuId) {
    ALERTS.call_once(|| gic.alerts());
    let target = gic.target(cpu).map_or(0, Target::raw);
    TARGETS[cpu.index()].store(target, Ordering::Relaxed);
}

/// Alerts `cpu`, whatever others do in the kernel. One that has not joined looks around when it does.
pub fn alert(cpu: CpuId) {
    let target = TARGETS[cpu.index()].load(Ordering::Relaxed);
    if let (Some(alerts), Some(target)) = (ALERTS.get(), Target::from_raw(target)) {
        alerts.alert(target);
    }
}

/// Stops all other CPUs, for the machine's end. Stops this one if another has been faster.
pub fn stop_others() {
    let this = cpu::affinity() | MARK;
    match ALONE.compare_exchange(0, this, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => alert_and_wait(),
        Err(alone) if alone == this => {}
        Err(_) => cpu::halt(),
    }
}

/// One that waits for the kernel's lock, held by this CPU, does not answer; it does nothing else either.
fn alert_and_wait() {
    let Some(alerts) = ALERTS.get() else {
        return;
    };
    alerts.alert_all();
    let others = PerCpu::all().count() - 1;
    let end = timer::count().after(u64::from(timer::frequency()) / 100);
    while STOPPED.load(Ordering::Acquire) < others && timer::count() < end {
        core::hint::spin_loop();
    }
}

/// Stops this CPU if another wants to be alone. Asked wherever an interrupt is taken.
pub fn stop_if_asked() {
    let alone = ALONE.load(Ordering::Acquire);
    if alone != 0 && alone != (cpu::affinity() | MARK) {
        STOPPED.fetch_add(1, Ordering::Release);
        cpu::halt();
    }
}
