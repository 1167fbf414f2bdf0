//! Data that one CPU has as a whole, or that CPUs share: each uses a part that is no other one's.
//!
//! Each CPU has a turn, a lock of its own. To share it takes that one, which others seldom want: so CPUs that share do not wait
//! for each other here, and touch no memory that another writes. For something that is another CPU's it takes that one's turn
//! as well, and who wants the whole takes those of all CPUs; whoever takes several takes the lowest first. As one that shares again and again would have its
//! turn back before anybody from afar gets it, it lets those go first who want the whole, for a while.

use super::{Before, Held, Level};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use kcore::{CpuId, MAX_CPUS};

/// Data that CPUs share, at a level: a whole, and for each what leads to its part of that.
pub struct Shared<T, S, L: Level> {
    seats: [Seat<S>; MAX_CPUS],
    /// How many CPUs there are, as far as this is concerned. Changed by whoever has the whole.
    cpus: AtomicUsize,
    /// How many wait for the whole. A courtesy: nothing is safe because of it.
    wanted: Wanted,
    whole: UnsafeCell<T>,
    level: PhantomData<L>,
}

/// What one CPU needs to share data, on cache lines of its own.
#[repr(align(64))]
struct Seat<S> {
    turn: Turn,
    /// Changed by whoever has the whole.
    part: UnsafeCell<Option<S>>,
}

/// The right of one CPU to share data: a byte that is not 0 while it is taken.
#[repr(transparent)]
pub struct Turn(AtomicBool);

/// On a cache line that is written only where there is a wait anyway.
#[repr(align(64))]
struct Wanted(AtomicUsize);

/// For how many looks a CPU lets others go first.
const COURTESY: u32 = 256;

// SAFETY: Whoever has the whole has it alone. Those who share get no reference to it from here, but each to what leads to
// its own part.
unsafe impl<T: Send, S: Send, L: Level> Sync for Shared<T, S, L> {}

/// A CPU shares the data until this is dropped: nobody has the whole.
pub struct Sharing<'a, T, S, L: Level> {
    shared: &'a Shared<T, S, L>,
    cpu: CpuId,
}

/// A CPU shares the data with the turn of another one besides its own: that one does not share it meanwhile.
pub struct Both<'a, T, S, L: Level> {
    own: Sharing<'a, T, S, L>,
    other: Sharing<'a, T, S, L>,
}

/// The whole data until this is dropped: nobody shares it.
pub struct Whole<'a, T, S, L: Level> {
    shared: &'a Shared<T, S, L>,
    data: PhantomData<&'a mut T>,
}

/// What others may have done between the end of sharing and having the whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meanwhile {
    /// Nothing: there was no such time.
    Nothing,
    /// Anything.
    Anything,
}

impl<S> Seat<S> {
    const fn empty() -> Self {
        Self {
            turn: Turn(AtomicBool::new(false)),
            part: UnsafeCell::new(None),
        }
    }
}

impl Turn {
    #[inline(always)] // into what is to be short
    fn take(&self) {
        while self.try_take().is_err() {
            self.wait();
        }
    }

    #[inline(always)] // as above
    fn try_take(&self) -> Result<bool, bool> {
        self.0
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
    }

    /// Takes it unless somebody has it.
    fn try_take_now(&self) -> bool {
        self.0
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Looks until there is a chance, so that the holder keeps the cache line to itself.
    #[cold]
    fn wait(&self) {
        while self.0.load(Ordering::Relaxed) {
            let_others_run();
        }
    }

    /// Whoever has it gives it back, and does nothing to the data any more.
    #[inline(always)] // as above
    fn give_back(&self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<T, S, L: Level> Shared<T, S, L> {
    /// A whole, which nobody has.
    pub const fn new(whole: T) -> Self {
        Self {
            seats: [const { Seat::empty() }; MAX_CPUS],
            cpus: AtomicUsize::new(MAX_CPUS),
            wanted: Wanted(AtomicUsize::new(0)),
            whole: UnsafeCell::new(whole),
            level: PhantomData,
        }
    }

    /// Shares the data, for `cpu`, which runs this code and is among those that the data was
    /// [narrowed](Whole::narrow) to, as soon as nobody has the whole. Another one would wait for ever.
    #[inline(always)] // into what is to be short
    pub fn share<'a, P: Before<L>>(
        &'a self,
        cpu: CpuId,
        _held: &'a mut Held<'_, P>,
    ) -> (Sharing<'a, T, S, L>, Held<'a, L>) {
        if self.is_wanted() {
            self.let_others_go_first();
        }
        self.seats[cpu.index()].turn.take();
        (Sharing { shared: self, cpu }, Held(PhantomData))
    }

    /// Goes on with the turn of `cpu` that was [kept](Sharing::keep).
    ///
    /// # Safety
    /// This is that CPU. It has kept its turn, and has not gone on since.
    #[inline(always)] // as above
    pub unsafe fn kept<'a, P: Before<L>>(
        &'a self,
        cpu: CpuId,
        _held: &'a mut Held<'_, P>,
    ) -> (Sharing<'a, T, S, L>, Held<'a, L>) {
        (Sharing { shared: self, cpu }, Held(PhantomData))
    }

    /// Takes the whole, as soon as nobody else shares it or has it.
    #[inline(always)] // as above
    pub fn whole<'a, P: Before<L>>(
        &'a self,
        _held: &'a mut Held<'_, P>,
    ) -> (Whole<'a, T, S, L>, Held<'a, L>) {
        (self.take_whole(), Held(PhantomData))
    }

    #[inline(always)] // as above
    fn take_whole(&self) -> Whole<'_, T, S, L> {
        let [first, ..] = &self.seats;
        match self.other_seats() {
            [] => first.turn.take(),
            others => self.take_all(first, others),
        }
        self.have_whole()
    }

    #[inline(never)] // so that a CPU that is alone does not pay for it
    fn take_all(&self, first: &Seat<S>, others: &[Seat<S>]) {
        self.wanted.0.fetch_add(1, Ordering::Relaxed);
        first.turn.take();
        for other in others {
            other.turn.take();
        }
        self.wanted.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// For whoever has all turns.
    #[inline(always)] // as above
    fn have_whole(&self) -> Whole<'_, T, S, L> {
        Whole {
            shared: self,
            data: PhantomData,
        }
    }

    #[inline(always)] // as above
    fn is_wanted(&self) -> bool {
        self.wanted.0.load(Ordering::Relaxed) != 0
    }

    /// Waits, but not for ever: there may always be somebody.
    #[cold]
    fn let_others_go_first(&self) {
        for _ in 0..COURTESY {
            if !self.is_wanted() {
                break;
            }
            let_others_run();
        }
    }

    /// All but that of the first CPU, which is always there.
    #[inline(always)] // as above
    fn other_seats(&self) -> &[Seat<S>] {
        match self.cpus() {
            1 => &[],
            count => &self.seats[1..count],
        }
    }

    #[inline(always)] // as above
    fn cpus(&self) -> usize {
        // The limits tell the compiler what is so anyhow.
        self.cpus.load(Ordering::Relaxed).clamp(1, MAX_CPUS)
    }
}

impl<'a, T, S, L: Level> Sharing<'a, T, S, L> {
    /// Whose turn it is.
    #[inline(always)] // into what is to be short
    pub fn cpu(&self) -> CpuId {
        self.cpu
    }

    /// What leads to this CPU's part, which nobody else uses.
    ///
    /// # Panics
    /// If the data was not [narrowed](Whole::narrow) yet.
    #[inline(always)] // as above
    pub fn part(&mut self) -> &mut S {
        // SAFETY: Who shares the data for another CPU uses another one, whoever had this CPU's turn before does so no
        // longer, and nobody has the whole; `self` is borrowed.
        match unsafe { &mut *self.seat().part.get() } {
            Some(part) => part,
            None => nothing_shared(self.cpu),
        }
    }

    /// Shares the data with the turn of `other`, another one of the CPUs that the data was [narrowed](Whole::narrow) to, as
    /// well, as soon as nobody else has that. Others may have done anything meanwhile: if that one comes first, and its turn is not
    /// free, this CPU's is given back and taken again.
    ///
    /// # Panics
    /// If it is this one.
    pub fn with(self, other: CpuId) -> Both<'a, T, S, L> {
        let (shared, cpu) = (self.shared, self.cpu);
        assert!(other != cpu, "{cpu:?} has its own turn already");
        let [own, others] = [cpu, other].map(|cpu| &shared.seats[cpu.index()].turn);
        // From here on turns are taken and given back by hand.
        core::mem::forget(self);
        if cpu < other {
            others.take();
        } else if !others.try_take_now() {
            own.give_back();
            others.take();
            own.take();
        }
        let [own, other] = [cpu, other].map(|cpu| Sharing { shared, cpu });
        Both { own, other }
    }

    #[inline(always)] // as above
    fn seat(&self) -> &'a Seat<S> {
        &self.shared.seats[self.cpu.index()]
    }

    /// The turn is not given back, so nobody has the whole before [`Shared::kept`] has gone on with it, or the vectors
    /// have given it back.
    #[inline(always)] // as above
    pub fn keep(self) -> &'a Turn {
        let turn = &self.seat().turn;
        core::mem::forget(self);
        turn
    }

    /// Takes the whole in place of sharing it.
    #[inline]
    pub fn into_whole(self) -> (Whole<'a, T, S, L>, Meanwhile) {
        let shared = self.shared;
        if shared.other_seats().is_empty() {
            core::mem::forget(self);
            return (shared.have_whole(), Meanwhile::Nothing);
        }
        drop(self);
        (shared.take_whole(), Meanwhile::Anything)
    }
}

impl<'a, T, S, L: Level> Both<'a, T, S, L> {
    /// The CPU's own turn, and the other one's.
    pub fn each(&mut self) -> (&mut Sharing<'a, T, S, L>, &mut Sharing<'a, T, S, L>) {
        (&mut self.own, &mut self.other)
    }

    /// Goes on with the own one alone.
    pub fn into_own(self) -> Sharing<'a, T, S, L> {
        self.own
    }
}

impl<T, S, L: Level> Drop for Sharing<'_, T, S, L> {
    #[inline(always)] // into what is to be short
    fn drop(&mut self) {
        self.seat().turn.give_back();
    }
}

impl<'a, T, S, L: Level> Whole<'a, T, S, L> {
    /// Shares the data, for `cpu`, in place of having the whole: nobody else gets that meanwhile.
    ///
    /// # Panics
    /// If that CPU is not among those that the data was [narrowed](Self::narrow) to.
    #[inline]
    pub fn into_sharing(self, cpu: CpuId) -> Sharing<'a, T, S, L> {
        let shared = self.shared;
        assert!(cpu.index() < shared.cpus(), "{cpu:?} does not share this");
        core::mem::forget(self);
        for (seat, other) in shared.seats[..shared.cpus()].iter().zip(0..) {
            if other != cpu.index() {
                seat.turn.give_back();
            }
        }
        Sharing { shared, cpu }
    }

    /// From now on only the first `cpus` CPUs, one at least, share the data or take it, and this leads them to their parts.
    pub fn narrow(&mut self, cpus: usize, mut part: impl FnMut(CpuId) -> S) {
        let before = 1 + self.shared.other_seats().len();
        // The turns of others stay taken.
        self.shared.cpus.store(cpus.clamp(1, before), Ordering::Relaxed);
        for (seat, cpu) in self.shared.seats.iter().zip((0..cpus).filter_map(CpuId::new)) {
            // SAFETY: Nobody shares the data.
            unsafe { *seat.part.get() = Some(part(cpu)) };
        }
    }
}

impl<T, S, L: Level> Deref for Whole<'_, T, S, L> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: This has all turns, so nobody else has one.
        unsafe { &*self.shared.whole.get() }
    }
}

impl<T, S, L: Level> DerefMut for Whole<'_, T, S, L> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As above, and this is borrowed.
        unsafe { &mut *self.shared.whole.get() }
    }
}

impl<T, S, L: Level> Drop for Whole<'_, T, S, L> {
    #[inline(always)] // into what is to be short
    fn drop(&mut self) {
        let [first, ..] = &self.shared.seats;
        for other in self.shared.other_seats() {
            other.turn.give_back();
        }
        first.turn.give_back();
    }
}

/// Somewhere else, so that no register is needed for it.
#[cold]
fn nothing_shared(cpu: CpuId) -> ! {
    panic!("nothing leads {cpu:?} to its part yet")
}

/// Between two looks at what another CPU is to change: an emulator that runs CPUs by turns lets that one go on at once (Arm ARM,
/// "YIELD").
fn let_others_run() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: It is a hint, and changes nothing.
    unsafe {
        core::arch::asm!("yield", options(nomem, nostack, preserves_flags));
    }
    core::hint::spin_loop();
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Meanwhile, Shared};
    use crate::sync::{Held, level};
    use kcore::CpuId;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn cpu(number: usize) -> CpuId {
        CpuId::new(number).expect("there can be such a CPU")
    }

    #[test]
    fn all_share_at_a_time_and_who_has_the_whole_has_it_alone() {
        const CPUS: u32 = 4;
        const TIMES: u32 = 2000;
        let data: Shared<u32, usize, level::Kernel> = Shared::new(0);
        data.whole(&mut Held::nothing())
            .0
            .narrow(CPUS as usize, |cpu| cpu.index());
        let sharing = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for number in 0..CPUS {
                let (data, sharing) = (&data, &sharing);
                scope.spawn(move || {
                    for time in 0..TIMES {
                        let mut held = Held::nothing();
                        let (mut share, _) = data.share(cpu(number as usize), &mut held);
                        assert_eq!(*share.part(), number as usize);
                        sharing.fetch_add(1, Ordering::Relaxed);
                        sharing.fetch_sub(1, Ordering::Relaxed);
                        if time % 4 == 0 {
                            let (mut whole, meanwhile) = share.into_whole();
                            assert_eq!(
                                (meanwhile, sharing.load(Ordering::Relaxed)),
                                (Meanwhile::Anything, 0)
                            );
                            *whole += 1;
                        }
                    }
                });
            }
        });
        assert_eq!(*data.whole(&mut Held::nothing()).0, CPUS * TIMES / 4);
    }

    #[test]
    fn two_share_without_waiting_for_each_other() {
        let data: Shared<(), (), level::Kernel> = Shared::new(());
        let (mut held, mut elsewhere) = (Held::nothing(), Held::nothing());
        let (first, _) = data.share(cpu(0), &mut held);
        let (second, _) = data.share(cpu(1), &mut elsewhere);
        assert_eq!((first.cpu(), second.cpu()), (cpu(0), cpu(1)));
    }

    #[test]
    fn with_the_turn_of_another_cpu_comes_its_part_and_both_are_given_back() {
        let mut data: Shared<(), usize, level::Kernel> = Shared::new(());
        data.whole(&mut Held::nothing()).0.narrow(3, |cpu| cpu.index());
        for [own, other] in [[0, 2], [2, 0]] {
            let mut held = Held::nothing();
            let mut both = data.share(cpu(own), &mut held).0.with(cpu(other));
            let (mine, theirs) = both.each();
            assert_eq!([*mine.part(), *theirs.part()], [own, other]);
            let turns =
                |data: &Shared<_, _, _>| [0, 1, 2].map(|cpu| data.seats[cpu].turn.0.load(Ordering::Relaxed));
            assert_eq!(turns(&data), [true, false, true]);
            let mine = both.into_own();
            assert_eq!(turns(&data), [0, 1, 2].map(|cpu| cpu == own));
            drop(mine);
        }
        assert!(data.seats[..3].iter_mut().all(|seat| !*seat.turn.0.get_mut()));
    }

    #[test]
    fn who_has_a_turn_has_that_part_alone_whoever_else_takes_one_two_or_all() {
        const CPUS: usize = 4;
        const TIMES: usize = 4000;
        let data: Shared<usize, usize, level::Kernel> = Shared::new(0);
        data.whole(&mut Held::nothing()).0.narrow(CPUS, |_| 0);
        std::thread::scope(|scope| {
            for own in 0..CPUS {
                let data = &data;
                scope.spawn(move || {
                    for time in 0..TIMES {
                        let mut held = Held::nothing();
                        let (mut mine, _) = data.share(cpu(own), &mut held);
                        *mine.part() += 1;
                        if time % 16 == 0 {
                            *mine.into_whole().0 += 1;
                        } else {
                            let other = (own + 1 + time % (CPUS - 1)) % CPUS;
                            *mine.with(cpu(other)).each().1.part() += 1;
                        }
                    }
                });
            }
        });
        let mut held = Held::nothing();
        let wholes = CPUS * TIMES.div_ceil(16);
        assert_eq!(*data.whole(&mut held).0, wholes);
        let parts = (0..CPUS).map(|number| *data.share(cpu(number), &mut held).0.part());
        assert_eq!(parts.sum::<usize>(), 2 * CPUS * TIMES - wholes);
    }

    #[test]
    #[should_panic(expected = "has its own turn already")]
    fn a_cpu_does_not_wait_for_its_own_turn() {
        let data: Shared<(), (), level::Kernel> = Shared::new(());
        let mut held = Held::nothing();
        data.share(cpu(1), &mut held).0.with(cpu(1));
    }

    #[test]
    fn a_turn_that_is_kept_keeps_others_from_the_whole_and_not_from_sharing() {
        let data: Shared<(), (), level::Kernel> = Shared::new(());
        let (mut held, mut elsewhere) = (Held::nothing(), Held::nothing());
        let (whole, _) = data.whole(&mut held);
        whole.into_sharing(cpu(1)).keep();
        assert!(data.seats[1].turn.0.load(Ordering::Relaxed));
        assert_eq!(data.share(cpu(0), &mut elsewhere).0.cpu(), cpu(0));
        // SAFETY: It was just kept.
        drop(unsafe { data.kept(cpu(1), &mut held) });
        assert!(data.seats.iter().all(|seat| !seat.turn.0.load(Ordering::Relaxed)));
    }

    #[test]
    fn a_cpu_that_is_alone_has_the_whole_at_once() {
        let data: Shared<u32, (), level::Kernel> = Shared::new(7);
        let mut held = Held::nothing();
        data.whole(&mut held).0.narrow(1, |_| ());
        let (share, _) = data.share(cpu(0), &mut held);
        let (whole, meanwhile) = share.into_whole();
        assert_eq!((*whole, meanwhile), (7, Meanwhile::Nothing));
        drop(whole);
        assert_eq!(data.share(cpu(0), &mut held).0.cpu(), cpu(0));
    }
}
