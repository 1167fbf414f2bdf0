//! The machine as the portable kernel sees it: registers of threads, the console, interrupts, time.

use crate::board::console_interrupt;
use crate::cpus;
use crate::device::Registers as DeviceRegisters;
use crate::exit;
use crate::interrupts::{self, Interrupts};
use crate::ram::Ram;
use crate::storage::Counts;
use aarch64::context::{FpState, FpUnit, FpUsage};
use aarch64::cpu::{self, PerCpu};
use aarch64::gic::{Gic, GicError, GicV2, GicV3, InterruptController, Intid};
use aarch64::mmu::{self, Activation, Hardware, Space, direct_map};
use aarch64::sync::{Before, Held, Inside, Lock, Shared, level};
use aarch64::timer::{self, Ticks};
use abi::process::Pid;
use abi::{BUFFER_BYTES, MAX_HANDLES, MessagePage};
use addr::Frame;
use boards::Board;
use boards::console::{AnyConsole, Console};
use core::mem::MaybeUninit;
use core::ops::DerefMut;
use core::ptr::NonNull;
use kcore::object::word::AwaitedWords;
use kcore::{CpuId, Guarded, Interrupt, Local, Platform, Registers};
use mm::{MemoryManager, Others, SpaceId, Tray, Ways};
use vmsa::asid::AsidBits;

/// The memory manager, on this machine.
pub type Memory = MemoryManager<Hardware>;

/// It, as one CPU has it, or several share it.
pub type SharedMemory = Shared<Memory, MemoryShare, level::Memory>;

/// What a CPU has of it that shares it.
pub struct MemoryShare(mm::Sharing<'static, Hardware>);

/// What is kept for a CPU that shares it.
pub struct MemoryPlace {
    parts: mm::Parts<Hardware>,
    hardware: Hardware,
    tray: Tray,
}

/// It, for whoever holds a lock of level `P`.
pub struct MemoryInside<'a, P: Before<level::Memory>>(Held<'a, P>, &'static SharedMemory);

impl<'a, P: Before<level::Memory>> MemoryInside<'a, P> {
    /// `memory`, for whoever holds this.
    #[inline]
    pub const fn new(memory: &'static SharedMemory, held: Held<'a, P>) -> Self {
        Self(held, memory)
    }
}

impl<P: Before<level::Memory>> Guarded<Memory> for MemoryInside<'_, P> {
    #[inline]
    fn lock(&mut self) -> impl DerefMut<Target = Memory> {
        self.1.whole(&mut self.0).0
    }
}

impl<P: Before<level::Memory>> kcore::MemoryLock<Hardware> for MemoryInside<'_, P> {
    #[inline]
    fn share<T>(&mut self, act: impl FnOnce(&mut mm::Sharing<'_, Hardware>) -> T) -> T {
        let (mut sharing, _) = self.1.share(PerCpu::current().id(), &mut self.0);
        act(&mut sharing.part().0)
    }
}

/// Lets as many CPUs share `memory` as there are places.
pub fn share_memory(memory: &'static SharedMemory, places: &'static mut [MaybeUninit<MemoryPlace>]) {
    let mut held = Held::nothing();
    let (mut whole, _) = memory.whole(&mut held);
    let (parts, hardware) = (whole.parts(), whole.mmu().again());
    let count = places.len();
    let mut places = places.iter_mut();
    whole.narrow(count, |cpu| {
        let Some(place) = places.next() else {
            panic!("there is no place for {cpu:?}");
        };
        let hardware = hardware.again();
        let tray = Tray::EMPTY;
        share_of(
            cpu,
            place.write(MemoryPlace {
                parts,
                hardware,
                tray,
            }),
        )
    });
}

fn share_of(cpu: CpuId, place: &'static mut MemoryPlace) -> MemoryShare {
    let taker = cpu.owner();
    let MemoryPlace {
        parts,
        hardware,
        tray,
    } = place;
    // SAFETY: It is used by this CPU as long as that shares the memory manager: nobody has the whole then, and all others
    // who share it use what is made here, too. There is one memory manager, and it stays where it is.
    let spaces = unsafe { parts.spaces.turns(taker) };
    // SAFETY: As above. These spaces are the only ones of which anybody takes one with them.
    let vmas = unsafe { parts.vmas.belongings(taker) };
    // SAFETY: As above.
    let regions = unsafe { parts.regions.turns(taker) };
    // SAFETY: As above, and they are the memory manager's own.
    let frames = unsafe { parts.frames.in_turn(taker) };
    // SAFETY: As above, and nobody takes them.
    let limits = unsafe { parts.limits.common() };
    MemoryShare(mm::Sharing::of(Ways {
        mmu: hardware,
        spaces,
        vmas,
        regions,
        frames,
        limits,
        spare: cpus::spare_of(cpu),
        tray,
        others: Others::Some,
    }))
}

/// The lock around the words that threads wait for.
pub type WordsLock = Lock<AwaitedWords, level::Words>;

/// ASIDs that are used: what the CPU has, or fewer with bootarg `asid-bits=N`, for tests.
pub fn asid_bits(board: &Board) -> AsidBits {
    let implemented = cpu::asid_bits();
    let wanted = board
        .options()
        .asid_bits()
        .and_then(|bits| AsidBits::new(bits.into()));
    wanted.map_or(implemented, |wanted| wanted.min(implemented))
}

/// The translation hardware.
pub fn hardware(board: &Board, ram: &mut Ram) -> Hardware {
    if board.options().flag("bench") {
        cpu::open_cycle_counter();
    }
    Hardware::new(Some(asid_bits(board)), |words| ram.take_slice(words, || 0))
}

/// The interrupt controller, taken over from firmware.
pub fn interrupt_controller(board: &Board, devices: &mut DeviceRegisters<'_>) -> Gic {
    const WHAT: &str = "interrupt controller";
    match board.gic {
        Some(boards::Gic::V2 {
            distributor,
            cpu_interface,
        }) => {
            let distributor = devices.map_bytes(WHAT, distributor.base, GicV2::DISTRIBUTOR_BYTES);
            let cpu_interface = devices.map_bytes(WHAT, cpu_interface.base, GicV2::CPU_INTERFACE_BYTES);
            // SAFETY: The device tree says that these are a GICv2's, and they were just mapped,
            // once, for good.
            Gic::V2(unsafe { GicV2::new(distributor, cpu_interface) })
        }
        Some(boards::Gic::V3 {
            distributor,
            redistributors,
        }) => {
            let bytes = redistributors.bytes.min(MOST_REDISTRIBUTOR_BYTES);
            let distributor = devices.map_bytes(WHAT, distributor.base, GicV3::DISTRIBUTOR_BYTES);
            let region = devices.map_bytes(WHAT, redistributors.base, bytes);
            // SAFETY: As above, for a GICv3, and the region has that length.
            match unsafe { GicV3::new(distributor, region, bytes) } {
                Ok(gic) => Gic::V3(gic),
                Err(error) => unusable(error),
            }
        }
        None => exit::cannot_start(format_args!(
            "the device tree has no interrupt controller that this kernel can drive"
        )),
    }
}

fn unusable(error: GicError) -> ! {
    exit::cannot_start(format_args!(
        "the interrupt controller, a GICv3, cannot be used: {error}"
    ))
}

/// Redistributors of 256 CPUs at most are looked at, however many the tree claims.
const MOST_REDISTRIBUTOR_BYTES: u64 = 256 << 18;

/// What is kept of one thread. [`FpUnit`] has its other registers.
#[repr(C)] // the registers come first
struct Kept {
    /// The vectors' while the thread runs.
    registers: Registers,
    /// Of its address space, if that was active for it.
    activation: Activation,
    fp: FpUsage,
    /// The address space it runs in, if there is such a thread. Constant as long as it lives.
    space: Option<SpaceId>,
}

impl Kept {
    /// Of a thread that has not run.
    const NOTHING: Self = Self {
        registers: Registers::ZERO,
        activation: Activation::NONE,
        fp: FpUsage::Never,
        space: None,
    };
}

/// The address space of the thread with these registers, which has just been running on this CPU.
pub fn space_of(registers: NonNull<Registers>) -> Option<SpaceId> {
    let kept = registers.cast::<Kept>().as_ptr();
    // SAFETY: The vectors have the registers of threads from `Place::registers` alone. What is read was written
    // before the thread first ran, and is not again before it has left this CPU.
    unsafe { (*kept).space }
}

/// Where what is kept of one thread is, for ever.
#[derive(Clone, Copy)]
pub struct Place(NonNull<Kept>);

impl Place {
    /// Where the vectors find and leave its registers.
    #[inline]
    pub fn registers(self) -> NonNull<Registers> {
        self.0.cast()
    }
}

/// What the machine keeps of threads, each CPU using those that are its own: at home there, or nowhere else while it
/// has all of the kernel.
pub struct Threads {
    /// One for each thread, by number.
    kept: NonNull<Kept>,
    count: u32,
    fp: FpUnit,
    /// How far the count that timers go by is ahead of the one that programs read.
    timer_ahead: u64,
}

// SAFETY: It is addresses of what lives for ever, and CPUs use different parts of that, as said.
unsafe impl Send for Threads {}
// SAFETY: As above.
unsafe impl Sync for Threads {}

/// The machine.
pub struct Machine {
    threads: Threads,
    console: AnyConsole,
    gic: Gic,
    timer: Intid,
    console_interrupt: Option<Intid>,
}

// SAFETY: Everything else in it is device registers that any CPU may use, one at a time: whoever has all of the kernel.
unsafe impl Send for Machine {}

impl Machine {
    /// The machine, with its timer and the console's interrupt ready to come.
    pub fn new(board: &Board, mut gic: Gic, mut console: AnyConsole, ram: &mut Ram, counts: Counts) -> Self {
        let Some(timer) = board.timer.and_then(|timer| Intid::new(timer.physical.intid())) else {
            exit::cannot_start(format_args!("the device tree has no generic timer"));
        };
        if let Err(error) = gic.join(CpuId::BOOT) {
            unusable(error);
        }
        cpus::remember(&gic, CpuId::BOOT);
        interrupts::remember(Interrupts::new(gic.interface(), timer));
        timer::disarm();
        gic.enable(timer);
        let console_interrupt = board.console.and_then(console_interrupt);
        if let Some(interrupt) = console_interrupt {
            console.enable_receive_interrupt();
            gic.enable(interrupt);
        }
        let kept = ram.take_slice(counts.threads, || Kept::NOTHING);
        Self {
            threads: Threads {
                count: u32::try_from(kept.len()).unwrap_or(u32::MAX),
                kept: NonNull::from_mut(kept).cast(),
                fp: FpUnit::new(ram.take_slice(counts.threads, || FpState::UNUSED)),
                timer_ahead: timer::ahead(),
            },
            console,
            gic,
            timer,
            console_interrupt,
        }
    }

    /// Lets the timer, and alerts from other CPUs, come to this one, which has not run before.
    pub fn join(&mut self) {
        let this = PerCpu::current().id();
        if let Err(error) = self.gic.join(this) {
            panic!("{this:?} cannot use the interrupt controller: {error}");
        }
        cpus::remember(&self.gic, this);
        timer::disarm();
        self.gic.enable(self.timer);
    }

    /// What is kept of threads, for CPUs that share the kernel.
    pub fn threads(&self) -> &Threads {
        &self.threads
    }
}

impl Threads {
    /// The same once more.
    ///
    /// # Safety
    /// It is used by one CPU while that shares the kernel, for threads at home there.
    #[inline]
    pub unsafe fn again(&self) -> Self {
        Self { ..*self }
    }

    /// The number of the thread whose registers these are.
    pub fn thread_of(&self, registers: NonNull<Registers>) -> u32 {
        let bytes = registers.addr().get() - self.kept.addr().get();
        (bytes / size_of::<Kept>()) as u32
    }

    /// Gives thread number `thread`, which runs and has tried to use them, FP/SIMD registers.
    pub fn open_fp(&mut self, thread: u32) {
        *self.others_of(thread).1 = FpUsage::Used;
        // SAFETY: It runs on this CPU.
        unsafe { self.fp.first_use(thread) };
    }

    /// What is kept besides registers. Unlike those, it is never the vectors'.
    #[inline]
    fn others(&mut self, place: Place) -> (&mut Activation, &mut FpUsage) {
        let kept = place.0.as_ptr();
        // SAFETY: The array lives for ever, and of what a CPU has of it, `self`, which is borrowed, alone leads to this
        // part.
        let activation = unsafe { &mut (*kept).activation };
        // SAFETY: As above; it is another part.
        let fp = unsafe { &mut (*kept).fp };
        (activation, fp)
    }

    fn others_of(&mut self, thread: u32) -> (&mut Activation, &mut FpUsage) {
        self.others(self.place(thread))
    }

    fn set_space(&mut self, thread: u32, space: Option<SpaceId>) {
        let kept = self.place(thread).0.as_ptr();
        // SAFETY: As in `others`; it is another part, and [`space_of`] does not read it now: the thread has not run
        // yet, or has left.
        unsafe { (*kept).space = space }
    }
}

/// Somewhere else, so that no number is kept in memory for the message.
#[cold]
fn no_thread(thread: u32) -> ! {
    panic!("there is no thread {thread}")
}

impl Local for Threads {
    type Place = Place;
    type Mmu = Hardware;

    #[inline(always)] // into what has a message in registers
    fn place(&self, thread: u32) -> Place {
        if thread >= self.count {
            no_thread(thread);
        }
        // SAFETY: Within the array, as just checked.
        Place(unsafe { self.kept.add(thread as usize) })
    }

    #[inline(always)] // into what has a message in registers
    fn registers_at(&mut self, place: Place) -> &mut Registers {
        let mut registers = place.registers();
        // SAFETY: The array lives for ever. The kernel asks for registers of this CPU's threads that do not
        // run: the running one left them to it at its exception, and `self` is
        // borrowed, so nobody else has a reference.
        unsafe { registers.as_mut() }
    }

    #[inline(always)] // into what has a message in registers
    fn prepare_thread(&mut self, thread: u32, place: Place) {
        let usage = *self.others(place).1;
        if usage == FpUsage::Used || !self.fp.is_closed() {
            // SAFETY: The kernel asks for threads of this CPU.
            unsafe { self.fp.switch_to(thread, usage) };
        }
    }

    fn activate(&mut self, mmu: &mut Hardware, space: &mut Space, process: Pid, place: Place) {
        *self.others(place).0 = mmu.activate(space, process.0, PerCpu::current());
    }

    #[inline(always)] // into what has a message in registers
    fn activate_again(&mut self, place: Place) -> bool {
        self.others(place).0.again(PerCpu::current())
    }

    fn put_away(&mut self) {
        self.fp.put_away();
    }

    fn deactivate(&mut self) {
        mmu::activate_none(PerCpu::current());
    }

    fn alert(&mut self, cpu: CpuId) {
        cpus::alert(cpu);
    }

    fn read_message(&mut self, frame: Frame, bytes: usize, handles: usize, to: &mut MessagePage) {
        direct_map::read(frame, 0, &mut to.bytes[..bytes]);
        let mut raw = [0; MAX_HANDLES * 4];
        direct_map::read(frame, BUFFER_BYTES, &mut raw[..handles * 4]);
        for (handle, raw) in to.handles[..handles].iter_mut().zip(raw.as_chunks().0) {
            *handle = u32::from_le_bytes(*raw);
        }
    }

    fn write_message(&mut self, frame: Frame, bytes: usize, handles: usize, from: &MessagePage) {
        direct_map::write(frame, 0, &from.bytes[..bytes]);
        for (handle, offset) in from.handles[..handles].iter().zip((BUFFER_BYTES..).step_by(4)) {
            direct_map::write(frame, offset, &handle.to_le_bytes());
        }
    }

    fn rough_ticks(&self) -> u64 {
        timer::rough_count().get()
    }

    fn ticks(&self) -> u64 {
        timer::count().get()
    }

    fn set_timer(&mut self, time: u64) {
        timer::arm(Ticks::new(time).after(self.timer_ahead));
    }

    fn unmask_interrupt(&mut self, interrupt: u32) {
        if let Some(intid) = Intid::new(interrupt) {
            interrupts::unmask(intid);
        }
    }

    fn take_interrupt(&mut self) -> Option<Interrupt> {
        interrupts::take()
    }
}

/// Its threads' part of it.
impl Local for Machine {
    type Place = Place;
    type Mmu = Hardware;

    #[inline]
    fn place(&self, thread: u32) -> Place {
        self.threads.place(thread)
    }

    #[inline]
    fn registers_at(&mut self, place: Place) -> &mut Registers {
        self.threads.registers_at(place)
    }

    #[inline]
    fn prepare_thread(&mut self, thread: u32, place: Place) {
        self.threads.prepare_thread(thread, place);
    }

    fn activate(&mut self, mmu: &mut Hardware, space: &mut Space, process: Pid, place: Place) {
        self.threads.activate(mmu, space, process, place);
    }

    #[inline]
    fn activate_again(&mut self, place: Place) -> bool {
        self.threads.activate_again(place)
    }

    fn put_away(&mut self) {
        self.threads.put_away();
    }

    fn deactivate(&mut self) {
        self.threads.deactivate();
    }

    fn alert(&mut self, cpu: CpuId) {
        self.threads.alert(cpu);
    }

    fn read_message(&mut self, frame: Frame, bytes: usize, handles: usize, to: &mut MessagePage) {
        self.threads.read_message(frame, bytes, handles, to);
    }

    fn write_message(&mut self, frame: Frame, bytes: usize, handles: usize, from: &MessagePage) {
        self.threads.write_message(frame, bytes, handles, from);
    }

    #[inline]
    fn rough_ticks(&self) -> u64 {
        self.threads.rough_ticks()
    }

    #[inline]
    fn ticks(&self) -> u64 {
        self.threads.ticks()
    }

    #[inline]
    fn set_timer(&mut self, time: u64) {
        self.threads.set_timer(time);
    }

    fn unmask_interrupt(&mut self, interrupt: u32) {
        self.threads.unmask_interrupt(interrupt);
    }

    fn take_interrupt(&mut self) -> Option<Interrupt> {
        self.threads.take_interrupt()
    }
}

impl Platform for Machine {
    type Part = Threads;

    type Memory = MemoryInside<'static, level::Kernel>;

    type Words = Inside<'static, AwaitedWords, level::Words, level::Kernel>;

    fn part(&mut self) -> &mut Threads {
        &mut self.threads
    }

    fn new_thread(&mut self, thread: u32, space: SpaceId) {
        self.threads.set_space(thread, Some(space));
    }

    fn forget_thread(&mut self, thread: u32) {
        self.threads.fp.forget(thread);
        let (activation, fp) = self.threads.others_of(thread);
        (*activation, *fp) = (Activation::NONE, FpUsage::Never);
        self.threads.set_space(thread, None);
    }

    fn copy_thread(&mut self, from: u32, to: u32) {
        let usage = *self.threads.others_of(from).1;
        *self.threads.others_of(to).1 = usage;
        if usage == FpUsage::Used {
            // SAFETY: This CPU has all of the kernel.
            unsafe { self.threads.fp.copy(from, to) };
        }
    }

    fn asid(&self, space: &Space) -> u32 {
        space.asid().map_or(0, u32::from)
    }

    fn interrupt_pending(&self) -> bool {
        cpu::interrupt_pending()
    }

    fn let_interrupt_come(&mut self, interrupt: u32) {
        if let Some(intid) = Intid::new(interrupt) {
            self.gic.enable(intid);
        }
    }

    fn take_interrupt_back(&mut self, interrupt: u32) {
        let Some(intid) = Intid::new(interrupt) else {
            return;
        };
        if Some(intid) == self.console_interrupt {
            self.console.enable_receive_interrupt();
            self.gic.enable(intid);
        } else {
            interrupts::mask(intid);
        }
    }

    fn is_console(&self, interrupt: u32) -> bool {
        self.console_interrupt.map(Intid::get) == Some(interrupt)
    }

    fn silence_console(&mut self) {
        self.console.acknowledge();
    }

    fn console_put(&mut self, byte: u8) -> bool {
        self.console.try_put(byte)
    }

    fn console_get(&mut self) -> Option<u8> {
        self.console.try_get()
    }
}
