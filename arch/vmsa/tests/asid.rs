//! ASIDs under rollover: who has one, who keeps it, and that no two share one.

use proptest::prelude::{Strategy, prop_oneof, proptest};
use std::collections::{HashMap, HashSet};
use vmsa::asid::{Asid, AsidAllocator, AsidBits, AsidCell, BeforeSwitch, CpuAsid, Switched};

struct Machine {
    allocator: AsidAllocator,
    cpus: Vec<CpuAsid>,
    spaces: Vec<AsidCell>,
    /// Which space each CPU runs, and the ASID in its TTBR0.
    running: Vec<Option<(usize, Asid)>>,
    /// Which ASIDs each CPU's TLB may hold entries of, and whose these are.
    cached: Vec<HashMap<Asid, usize>>,
    fast: usize,
}

fn allocator(bits: u32) -> AsidAllocator {
    let bits = AsidBits::new(bits).expect("4 to 16");
    AsidAllocator::new(bits, vec![0; bits.words()].leak())
}

impl Machine {
    fn new(bits: u32, cpus: usize, spaces: usize) -> Self {
        Self {
            allocator: allocator(bits),
            cpus: (0..cpus).map(|_| CpuAsid::new()).collect(),
            spaces: (0..spaces).map(|_| AsidCell::new()).collect(),
            running: vec![None; cpus],
            cached: vec![HashMap::new(); cpus],
            fast: 0,
        }
    }

    /// Switches as the kernel does, and checks that the TLB holds nothing of others under the ASID.
    fn switch(&mut self, cpu: usize, space: usize) -> Asid {
        let wanted = self.spaces[space].get();
        let asid = match self.cpus[cpu].try_switch(wanted) {
            Switched::Yes => {
                self.fast += 1;
                wanted.asid().expect("a space that was switched to has an ASID")
            }
            Switched::No => {
                let (asid, before) =
                    self.allocator
                        .switch(&self.spaces[space], &self.cpus[cpu], self.cpus.iter());
                if before == BeforeSwitch::InvalidateLocal {
                    self.cached[cpu].clear();
                }
                asid
            }
        };
        self.running[cpu] = Some((space, asid));
        self.check();
        asid
    }

    fn leave(&mut self, cpu: usize) {
        self.cpus[cpu].leave();
        self.running[cpu] = None;
        self.check();
    }

    /// Ends a space that no CPU runs, and puts a new one in its place.
    fn end(&mut self, space: usize) {
        if self
            .running
            .iter()
            .flatten()
            .any(|(running, _)| *running == space)
        {
            return;
        }
        let ended = self.spaces[space].get();
        if let Some(asid) = ended.asid() {
            for cached in &mut self.cached {
                cached.remove(&asid);
            }
        }
        self.allocator.release(ended, self.cpus.iter());
        self.spaces[space] = AsidCell::new();
    }

    /// Each CPU may fill its TLB under the ASID it runs at any time, so it does.
    fn check(&mut self) {
        let mut owners = HashMap::new();
        for (cpu, running) in self.running.iter().enumerate() {
            let Some((space, asid)) = *running else {
                continue;
            };
            assert_ne!(asid, Asid::NO_PROCESS);
            assert_eq!(
                self.spaces[space].get().asid(),
                Some(asid),
                "a running space keeps its ASID"
            );
            assert_eq!(
                *owners.entry(asid).or_insert(space),
                space,
                "two running spaces share {asid:?}"
            );
            let owner = *self.cached[cpu].entry(asid).or_insert(space);
            assert_eq!(
                owner, space,
                "CPU {cpu} has entries of space {owner} under {asid:?} of space {space}"
            );
        }
    }
}

#[test]
fn forty_spaces_take_turns_with_four_bits() {
    let mut machine = Machine::new(4, 1, 40);
    for round in 0..5 {
        for space in 0..40 {
            machine.switch(0, space);
        }
        assert!(machine.allocator.rollovers() >= round * 2);
    }
}

#[test]
fn switching_between_two_spaces_takes_no_lock_after_the_first_time() {
    let mut machine = Machine::new(8, 1, 2);
    machine.switch(0, 0);
    machine.switch(0, 1);
    assert_eq!(machine.fast, 0);
    for turn in 0..10 {
        machine.switch(0, turn % 2);
    }
    assert_eq!(machine.fast, 10);
    machine.leave(0);
    machine.switch(0, 1);
    assert_eq!(machine.fast, 11, "an idle CPU comes back as fast");
}

#[test]
fn a_rollover_leaves_the_asids_of_running_spaces_alone() {
    let mut machine = Machine::new(4, 2, 40);
    let kept = machine.switch(1, 0);
    for space in (1..40).cycle().take(200) {
        let other = machine.switch(0, space);
        assert_ne!(other, kept);
    }
    assert!(machine.allocator.rollovers() > 2);
    // Through several rollovers without a switch of its own, then moved to another CPU.
    assert_eq!(machine.switch(0, 0), kept);
    assert_eq!(machine.switch(1, 0), kept);
}

#[test]
fn a_space_on_two_cpus_keeps_its_asid_on_the_one_that_stays_through_two_rollovers() {
    let mut machine = Machine::new(4, 3, 60);
    let kept = machine.switch(0, 0);
    machine.switch(1, 0);
    let mut others = 1..60;
    let mut roll_over = |machine: &mut Machine| {
        let before = machine.allocator.rollovers();
        while machine.allocator.rollovers() == before {
            machine.switch(2, others.next().expect("enough of them"));
        }
    };
    roll_over(&mut machine);
    assert_eq!(machine.switch(2, 0), kept);
    machine.switch(0, 59);
    roll_over(&mut machine);
    assert_eq!(machine.switch(2, 0), kept);
}

#[test]
fn each_cpu_empties_its_tlb_once_after_a_rollover() {
    let allocator = &mut allocator(4);
    let cpus = [CpuAsid::new(), CpuAsid::new()];
    let spaces: Vec<_> = (0..17).map(|_| AsidCell::new()).collect();
    let mut switch = |cpu: usize, space: usize| allocator.switch(&spaces[space], &cpus[cpu], cpus.iter()).1;
    for space in 0..15 {
        assert_eq!(switch(0, space), BeforeSwitch::Nothing);
    }
    assert_eq!(switch(0, 15), BeforeSwitch::InvalidateLocal);
    assert_eq!(switch(0, 16), BeforeSwitch::Nothing);
    assert_eq!(switch(1, 16), BeforeSwitch::InvalidateLocal);
}

#[test]
fn asids_of_ended_spaces_are_used_again_without_a_rollover() {
    let mut machine = Machine::new(4, 1, 3);
    for turn in 0..200 {
        let space = turn % 3;
        machine.end(space);
        machine.switch(0, space);
        machine.leave(0);
    }
    assert_eq!(machine.allocator.rollovers(), 0);
}

#[test]
fn an_asid_kept_over_a_rollover_is_free_when_its_space_ends() {
    let mut machine = Machine::new(4, 2, 60);
    machine.switch(1, 0);
    for space in 1..=15 {
        machine.switch(0, space);
    }
    assert_eq!(machine.allocator.rollovers(), 1);
    machine.leave(1);
    machine.end(0);
    // Of 15, space 14 kept one and space 15 was given one.
    for space in 16..16 + 13 {
        machine.switch(0, space);
        assert_eq!(machine.allocator.rollovers(), 1);
    }
    machine.switch(0, 30);
    assert_eq!(machine.allocator.rollovers(), 2);
}

#[test]
fn sixteen_bits_give_65535_spaces_an_asid_each() {
    let mut machine = Machine::new(16, 1, 65_535);
    let asids: HashSet<_> = (0..65_535).map(|space| machine.switch(0, space)).collect();
    assert_eq!(asids.len(), 65_535);
    assert_eq!(machine.allocator.rollovers(), 0);
}

#[test]
fn widths_come_from_the_id_register() {
    assert_eq!(AsidBits::implemented(0x1122).get(), 16);
    assert_eq!(AsidBits::implemented(0x1102).get(), 8);
    assert_eq!(AsidBits::new(3), None);
    assert_eq!(AsidBits::new(17), None);
}

#[test]
#[should_panic(expected = "more CPUs than ASIDs of 4 bits")]
fn more_cpus_than_asids_are_refused() {
    let mut machine = Machine::new(4, 16, 16);
    for cpu in 0..16 {
        machine.switch(cpu, cpu);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Switch(usize, usize),
    Leave(usize),
    End(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4usize, 0..30usize).prop_map(|(cpu, space)| Step::Switch(cpu, space)),
        1 => (0..4usize).prop_map(Step::Leave),
        2 => (0..30usize).prop_map(Step::End),
    ]
}

proptest! {
    #[test]
    fn no_two_spaces_ever_share_an_asid_on_a_cpu(steps in proptest::collection::vec(any_step(), 1..400)) {
        let mut machine = Machine::new(4, 4, 30);
        for step in steps {
            match step {
                Step::Switch(cpu, space) => {
                    machine.switch(cpu, space);
                }
                Step::Leave(cpu) => machine.leave(cpu),
                Step::End(space) => machine.end(space),
            }
        }
    }
}
