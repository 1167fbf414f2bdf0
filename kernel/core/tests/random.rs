//! Many programs do anything at all, and the kernel stays what it should be.
//!
//! Programs trap with requests, messages and nonsense, touch memory, fault, are interrupted in
//! the middle of the kernel's work for them, and end. After each step the kernel's own audit
//! must find nothing, answers must have the form that the boundary promises, and who waits for
//! nothing must find everything as it was. At the end everybody ends, and all frames are back.

use play::{OUTCOMES, Play, Size};
use proptest::prelude::{Strategy, any, proptest};

/// Something that happens.
#[derive(Clone, Copy, Debug)]
struct Step {
    kind: u8,
    picks: [u64; PICKS],
}

impl Step {
    fn play(&self, play: &mut Play) {
        play.step(self.kind, &mut self.picks.iter().copied());
    }
}

/// Enough for one that is in the kernel, one that runs, and others that have nothing to do.
const MOST_CPUS: usize = 4;

/// Numbers a step has.
const PICKS: usize = 16;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<u8>(), proptest::array::uniform16(any::<u64>()))
        .prop_map(|(kind, picks)| Step { kind, picks });
    proptest::collection::vec(step, 1..150)
}

proptest! {
    #[test]
    fn whatever_programs_do_the_kernel_keeps_its_promises(
        size in 0..Size::SCARCE.len(),
        cpus in 1..=MOST_CPUS,
        steps in steps(),
    ) {
        let mut play = Play::new(Size::SCARCE[size], cpus);
        for step in &steps {
            step.play(&mut play);
        }
        play.finish();
    }
}

/// A small generator (splitmix64): the same steps for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn step(&mut self) -> Step {
        Step {
            kind: self.next() as u8,
            picks: std::array::from_fn::<_, PICKS, _>(|_| self.next()),
        }
    }
}

/// Says which life it was in which something was wrong.
struct SaysWhich(u64);

impl Drop for SaysWhich {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it was that of seed {}", self.0);
        }
    }
}

/// The environment variable `STEPS` makes it longer.
#[test]
fn long_lives_of_many_programs_leave_nothing_behind() {
    let wanted = std::env::var("STEPS")
        .ok()
        .and_then(|steps| steps.parse().ok())
        .unwrap_or(5_000);
    let (mut steps, mut outcomes, mut woken) = (0, [0; OUTCOMES], 0);
    let (mut helped, mut told, mut touches, mut gaps) = (0, 0, 0, 0);
    for seed in 0.. {
        let _says = SaysWhich(seed);
        let mut random = Random(seed);
        let (size, cpus) = (
            seed as usize % Size::SCARCE.len(),
            seed as usize / Size::SCARCE.len(),
        );
        let mut play = Play::new(Size::SCARCE[size], 1 + cpus % MOST_CPUS);
        for _ in 0..1500 {
            random.step().play(&mut play);
            steps += usize::from(!play.is_over());
        }
        for (sum, times) in outcomes.iter_mut().zip(play.outcomes) {
            *sum += times;
        }
        woken = play.woken.saturating_add(woken);
        helped += play.helped;
        told += play.told_directly();
        touches += play.touches_beside();
        gaps += play.gaps();
        play.finish();
        let every_error_came = outcomes.iter().all(|&times| times > 0);
        if steps >= wanted
            && every_error_came
            && woken > 0
            && helped > 0
            && told > 0
            && touches > 0
            && gaps > 0
        {
            break;
        }
        assert!(
            steps < 20 * wanted,
            "each error of the trap comes now and then, somebody is woken, somebody's fault is told directly and \
             helped with, and somebody touches something while another is in the kernel, or does something between two turns \
             of another: {outcomes:?}, {woken}, {helped}, {told}, {touches}, {gaps}"
        );
    }
}
