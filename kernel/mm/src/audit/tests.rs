//! Each thing that the audit counts anew, counted wrongly on purpose: it says what is wrong.

extern crate std;

use super::Broken;
use super::hardware::Lists;
use crate::frame::frame_words;
use crate::identity::{Credential, Identity, Seconds, Uid};
use crate::job::{Job, Stepped};
use crate::limits::Limits;
use crate::manager::{MemoryManager, Storage, typed};
use crate::message::Companion;
use crate::place::Wish;
use crate::region::{KeyBucket, Region, RegionId, RegionState, Wanted};
use crate::sharing::{Each, InSpace};
use crate::space::{Space, SpaceId};
use crate::subject::Subject;
use crate::vma::{Backing, Vma, VmaId, VmaState, existing, existing_mut, join_ring, split};
use crate::{Access, FaultCause};
use abi::memory::{Map, MemoryRequest, Protection, ShmAttach, ShmGet};
use abi::process::Pid;
use abi::shm::{AttachFlags, GetFlags, Mode, ShmId, ShmKey};
use abi::{MessagePage, Rights, Words6};
use addr::{Frame, FrameRange, Page, PageRange, Perms, VirtAddr};
use slots::Slot;
use std::vec::Vec;

const PAGE: u64 = 4096;
/// Where a parent has private pages, two attachments of a segment and a stack.
const PRIVATE: u64 = 0x20_0000_0000;
const SHARED: u64 = 0x30_0000_0000;
const AGAIN: u64 = 0x38_0000_0000;
const STACK: u64 = 0x40_0000_0000;

/// A parent that has one of each, with one page touched in each; its child; and segments.
struct Scene {
    mm: MemoryManager<Lists>,
    parent: SpaceId,
    child: SpaceId,
    segment: RegionId,
    /// Nobody has attached it.
    other: RegionId,
}

fn slots<T>(count: usize) -> &'static mut [Slot<T>] {
    (0..count).map(|_| Slot::empty()).collect::<Vec<_>>().leak()
}

impl Scene {
    fn new() -> Self {
        let ram = [FrameRange::new(Frame::from_number(0x1000), 1024).expect("a range")];
        let storage = Storage {
            frame_words: std::vec![!0; frame_words(&ram).expect("good")].leak(),
            apart: std::boxed::Box::leak(std::boxed::Box::new(crate::Apart::empty())),
            spaces: slots(4),
            accounts: slots(4),
            regions: slots(4),
            vmas: slots(32),
            keys: (0..4).map(|_| KeyBucket::EMPTY).collect::<Vec<_>>().leak(),
        };
        let mut mm = MemoryManager::new(storage, &ram, Lists::default(), Limits::WIDEST).expect("enough");
        let identity = |pid| Identity {
            credential: Credential::ROOT,
            pid: Pid(pid),
        };
        let [parent, child] = [1, 2].map(|pid| mm.create_space(identity(pid)).expect("room"));
        let mut scene = Self {
            mm,
            parent,
            child,
            segment: RegionId::from_parts(0, 0),
            other: RegionId::from_parts(0, 0),
        };
        scene.fill();
        assert_eq!(scene.mm.audit(), Ok(()));
        scene
    }

    fn fill(&mut self) {
        let protection = Protection::READ | Protection::WRITE;
        self.ask(MemoryRequest::Map(Map::new(PRIVATE, 3 * PAGE, protection)));
        self.ask(MemoryRequest::Map(Map {
            growth: 4 * PAGE,
            ..Map::new(STACK, PAGE, protection)
        }));
        let ids = [7, 8].map(|key| {
            let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o600));
            let size = 5 * PAGE;
            let request = ShmGet {
                key: ShmKey(key),
                size,
                flags,
            };
            ShmId::from_raw(self.ask(MemoryRequest::ShmGet(request))[0] as i32).expect("an identifier")
        });
        let [segment, other] = ids.map(|id| self.mm.regions.by_identifier(id).expect("a segment"));
        (self.segment, self.other) = (segment, other);
        for address in [SHARED, AGAIN] {
            let (id, flags) = (ids[0], AttachFlags::empty());
            self.ask(MemoryRequest::ShmAttach(ShmAttach { id, address, flags }));
        }
        for address in [PRIVATE, PRIVATE + PAGE, SHARED, STACK] {
            self.touch(address).expect("mapped");
        }
        let mut job = Some(self.mm.fork(self.parent, self.child).expect("room"));
        while let Some(rest) = job {
            job = self.mm.step(rest, Seconds(1));
        }
        // One page is the parent's own again.
        self.touch(PRIVATE + PAGE).expect("mapped");
    }

    /// A space detaches a region beside others, wherever it has it.
    fn remove_all_of(&mut self, space: SpaceId, region: RegionId) {
        let of_region = |vma: &Vma| {
            vma.attachment()
                .is_some_and(|attachment| attachment.region == region)
        };
        let set = &self.mm.spaces.get(typed(space)).expect("there").set;
        let vmas = &self.mm.vmas;
        let ids: Vec<VmaId> = set
            .iter(vmas)
            .filter(|&id| of_region(existing(vmas, id)))
            .collect();
        for id in ids {
            let detached = self.mm.enter(space, |space| space.begin_detach(id, Seconds(1)));
            assert_eq!(detached, Some(()));
        }
        while self.mm.sharing().step(Job::Sweep(space), Seconds(1)) == Stepped::Partly {}
    }

    fn ask(&mut self, request: MemoryRequest) -> Words6 {
        let (label, words) = request.encode();
        let mut message = MessagePage {
            bytes: [0; abi::BUFFER_BYTES],
            handles: [0; abi::MAX_HANDLES],
        };
        let none: Option<Companion> = None;
        let reply = self
            .mm
            .perform((label, &words), self.parent, &mut message, 0, none, Seconds(1));
        reply.expect("a good request").words
    }

    fn touch(&mut self, address: u64) -> Result<(), FaultCause> {
        self.mm.fault(self.parent, VirtAddr::new(address), Access::Write)
    }

    fn space(&mut self) -> &mut Space<<Lists as crate::Mmu>::Space> {
        self.mm.spaces.get_mut(typed(self.parent)).expect("there")
    }

    fn vma(&mut self, address: u64) -> VmaId {
        let page = VirtAddr::new(address).page();
        let space = self.mm.spaces.get(typed(self.parent)).expect("there");
        space.set.containing(&self.mm.vmas, page).expect("mapped")
    }

    fn change(&mut self, address: u64, change: impl FnOnce(&mut Vma)) {
        let (id, parent) = (self.vma(address), self.parent);
        change(existing_mut(&mut self.mm.vmas_in(parent), id));
    }

    fn region(&mut self, id: RegionId) -> &mut Region {
        self.mm.regions.get_mut(id).expect("a region")
    }

    fn segment(&mut self) -> &mut Region {
        self.region(self.segment)
    }

    fn other(&mut self) -> &mut Region {
        self.region(self.other)
    }

    /// Gives a region's promise back.
    fn release(&mut self, id: RegionId) {
        let MemoryManager { regions, frames, .. } = &mut self.mm;
        regions
            .get_mut(id)
            .expect("a region")
            .contents
            .release_promise(frames);
    }

    /// Maps a page into which the stack has not grown, and counts it.
    fn map_below_the_stack(&mut self) {
        let below = VirtAddr::new(STACK - PAGE).page().number();
        let own = *self.entry(STACK);
        let space = self.space();
        space.hardware.pages.insert(below, own);
        space.pages.shared += 1;
        let _lost = space.pages.promise.split(1);
    }

    /// Puts a frame behind the pages of the segment.
    fn put_behind_the_end(&mut self) {
        let tree = self
            .region(self.segment)
            .contents
            .tree()
            .expect("a page was touched");
        self.mm
            .mmu
            .shared
            .insert((tree.root.number(), 5), Frame::from_number(0x1000));
    }

    fn entry(&mut self, address: u64) -> &mut (Frame, Perms) {
        let page = VirtAddr::new(address).page().number();
        self.space().hardware.pages.get_mut(&page).expect("touched")
    }
}

/// What the audit says after a mistake.
fn after(mistake: impl FnOnce(&mut Scene)) -> Result<(), Broken> {
    let mut scene = Scene::new();
    mistake(&mut scene);
    scene.mm.audit()
}

#[test]
fn what_is_charged_to_users_is_counted() {
    assert_eq!(
        after(|scene| scene.mm.accounts.charge(Uid(9), 1)),
        Err("only who has regions has an account")
    );
    assert_eq!(
        after(|scene| scene.mm.accounts.charge(Uid(0), 1)),
        Err("what a user has is counted")
    );
    let nobodys = |scene: &mut Scene| {
        for _ in 0..2 {
            scene.mm.accounts.discharge(Uid(0), 5);
        }
    };
    assert_eq!(after(nobodys), Err("every region is charged to its creator"));
}

#[test]
fn vmas_are_counted_and_none_is_two() {
    let divided = |scene: &mut Scene| {
        let id = scene.vma(PRIVATE);
        let at = VirtAddr::new(PRIVATE + PAGE).page();
        let divided = scene.mm.enter(scene.parent, |space| {
            let Each { space, mut vmas, .. } = space.each();
            space.mappings += 1;
            let mut slots = vmas.reserve(1).expect("room");
            split(&mut space.set, &mut vmas, &mut slots, id, at);
        });
        assert_eq!(divided, Some(()));
    };
    assert_eq!(
        after(divided),
        Err("private neighbours that could be one VMA are one")
    );
    assert_eq!(
        after(|scene| scene.space().mappings += 1),
        Err("mappings are counted")
    );
    assert_eq!(
        after(|scene| scene.space().mapped += 1),
        Err("mapped pages are counted")
    );
    let stray = |scene: &mut Scene| {
        let range = PageRange::between(Page::from_number(100), Page::from_number(101)).expect("a page");
        let vma = Vma::new(range, Perms::READ, Backing::Anonymous, VmaState::Live);
        let mut vmas = scene.mm.vmas_in(scene.parent);
        let mut slots = vmas.reserve(1).expect("room");
        vmas.insert(&mut slots, vma);
    };
    assert_eq!(after(stray), Err("every VMA is in a set or about to be"));
    let reserved = |scene: &mut Scene| {
        let _lost = scene.mm.vmas_in(scene.parent).reserve(1);
    };
    assert_eq!(
        after(reserved),
        Err("every slot for a VMA that is reserved is somebody's")
    );
}

#[test]
fn a_region_that_is_left_while_an_attachment_to_it_comes_goes_if_that_does_not() {
    for is_made in [false, true] {
        let mut scene = Scene::new();
        let (parent, child, segment) = (scene.parent, scene.child, scene.segment);
        let held = Subject::Held(segment, Rights::REGION);
        let attach = |space: &mut InSpace<'_, '_, Lists>| space.begin_attachment(held, Wanted::READ);
        let coming = scene.mm.enter(child, attach).expect("there").expect("it may");
        // Everybody else goes meanwhile.
        scene.mm.regions.retire(segment);
        scene.remove_all_of(parent, segment);
        scene.remove_all_of(child, segment);
        assert_eq!(scene.mm.audit(), Ok(()));
        let finish = |space: &mut InSpace<'_, '_, Lists>| {
            if is_made {
                let placed = space.place_attachment(coming, Perms::READ, Wish::Anywhere, Seconds(1));
                assert!(placed.is_ok());
            }
            space.finish_attachment(coming, is_made, Seconds(1))
        };
        let finished = scene.mm.enter(child, finish).expect("there");
        assert_eq!(
            finished.is_ok(),
            is_made,
            "whoever is left with it has to ask all"
        );
        assert_eq!(scene.mm.audit(), Ok(()));
        if !is_made {
            // All are asked, who refuse it for its own sake, and do what is left.
            let again = scene.mm.enter(child, attach).expect("there").expect("it may");
            let refused =
                |space: &mut InSpace<'_, '_, Lists>| space.finish_attachment(again, false, Seconds(1));
            assert_eq!(scene.mm.enter(child, refused), Some(Ok(())));
        }
        assert_eq!(scene.mm.sweep_refused(child, Seconds(1)), None);
        let state = scene.mm.regions.get(segment).map(|region| region.state);
        assert_eq!(state, is_made.then_some(RegionState::Removed));
        assert_eq!(scene.mm.audit(), Ok(()));
    }
}

#[test]
fn who_is_to_be_emptied_is_leaving_and_who_is_leaving_is_to_be_emptied() {
    let not_leaving = |scene: &mut Scene| {
        let live = scene.vma(PRIVATE);
        scene.space().leaving = Some(live);
    };
    assert_eq!(after(not_leaving), Err("a VMA to be emptied is leaving"));
    let not_listed = |scene: &mut Scene| {
        let id = scene.vma(PRIVATE);
        let left = scene.mm.enter(scene.parent, |space| {
            let Each { space, mut vmas, .. } = space.each();
            space.begin_leaving(&mut vmas, id, None);
            space.leaving = None;
        });
        assert_eq!(left, Some(()));
    };
    assert_eq!(after(not_listed), Err("every leaving VMA is to be emptied"));
}

#[test]
fn what_an_address_space_is_charged_with_is_counted() {
    for (mistake, sentence) in [
        (
            (|scene| scene.space().tables.present += 1) as fn(&mut Scene),
            "a table is charged for each extent that a VMA touches",
        ),
        (
            |scene| scene.space().pages.present += 1,
            "a frame is charged for each private page",
        ),
        (
            |scene| {
                scene.space().pages.present += 1;
                scene.space().pages.shared -= 1;
            },
            "present private pages are counted, shared ones apart",
        ),
        (
            |scene| scene.change(PRIVATE, |vma| vma.owned += 1),
            "what a VMA owns is counted",
        ),
        (
            |scene| scene.change(SHARED, |vma| vma.owned += 1),
            "what a VMA owns is counted",
        ),
        (
            |scene| scene.change(PRIVATE, |vma| vma.is_touched = false),
            "an untouched VMA has neither translations nor tables",
        ),
        (
            |scene| scene.entry(PRIVATE).1 = Perms::READ_WRITE,
            "nobody writes to a frame that is shared since a fork",
        ),
    ] {
        assert_eq!(after(mistake), Err(sentence));
    }
}

#[test]
fn attachments_are_counted_in_their_process_and_in_their_segment() {
    let mixed = |scene: &mut Scene| {
        let (one, other) = (scene.vma(SHARED), scene.vma(AGAIN));
        join_ring(&mut scene.mm.vmas_in(scene.parent), one, other);
    };
    for (mistake, sentence) in [
        (mixed as fn(&mut Scene), "a ring is one attachment"),
        (
            |scene| scene.space().attachments += 1,
            "attachments are counted once, however many VMAs are left",
        ),
        (
            |scene| scene.space().headless += 1,
            "attachments without their first page are counted",
        ),
        (
            |scene| scene.segment().attached += 1,
            "nattch is the number of attachments",
        ),
        (
            |scene| scene.segment().leaving += 1,
            "attachments that cannot be used any more are counted",
        ),
    ] {
        assert_eq!(after(mistake), Err(sentence));
    }
}

#[test]
fn translations_lead_where_their_vmas_say_and_allow_no_more() {
    let linked_by_name = |scene: &mut Scene| {
        scene.change(SHARED, |vma| {
            if let Backing::Paged(attachment) = vma.backing {
                vma.backing = Backing::Linked(attachment);
            }
        });
        // It would have a table less.
        let _lost = scene.space().tables.promise.split(1);
    };
    for (mistake, sentence) in [
        (
            linked_by_name as fn(&mut Scene),
            "a VMA that is linked or has blocks is made of whole slots, in step with its region's tables",
        ),
        (
            |scene| scene.mm.mmu.all_linked = true,
            "linked VMAs are linked, others are not",
        ),
        (
            |scene| scene.map_below_the_stack(),
            "only what a VMA stands for is mapped",
        ),
        (
            |scene| scene.entry(SHARED).0 = Frame::from_number(0x1000),
            "a translation leads to its VMA's frame",
        ),
        (
            |scene| scene.entry(SHARED).1 = Perms::all(),
            "nothing is writable and executable at once",
        ),
        (
            |scene| scene.entry(SHARED).1 = Perms::READ_EXECUTE,
            "a translation allows no more than its VMA",
        ),
        (
            |scene| scene.put_behind_the_end(),
            "no frame stands behind a region's end",
        ),
    ] {
        assert_eq!(after(mistake), Err(sentence));
    }
}

#[test]
fn a_region_has_what_its_state_says_and_is_found_by_it() {
    for (mistake, sentence) in [
        (
            (|scene| scene.release(scene.other)) as fn(&mut Scene),
            "a region holds, or is promised, all its frames and tables",
        ),
        (|scene| scene.other().key = ShmKey(9), "a key finds its region"),
        (
            |scene| scene.other().state = RegionState::Unnamed,
            "a region without a name has a handle or is attached",
        ),
        (
            |scene| scene.other().state = RegionState::Removed,
            "a removed region has an attachment that can be used",
        ),
        (
            |scene| {
                scene.release(scene.segment);
                scene.segment().state = RegionState::Dead;
            },
            "a dead region has no handle and is not attached",
        ),
        (
            |scene| {
                scene.release(scene.other);
                scene.other().state = RegionState::Dead;
                scene.other().handles = 1;
            },
            "a dead region has no handle and is not attached",
        ),
        (
            |scene| {
                scene.release(scene.other);
                scene.other().state = RegionState::Dead;
            },
            "somebody takes a dead region apart",
        ),
    ] {
        assert_eq!(after(mistake), Err(sentence));
    }
}

#[test]
fn sharers_since_a_fork_are_counted() {
    let one_too_many = |scene: &mut Scene| {
        let frame = scene.entry(PRIVATE).0;
        let mut promise = scene.mm.frames.promise(1).expect("room");
        assert!(scene.mm.frames.share(frame, &mut promise).is_some());
    };
    assert_eq!(
        after(one_too_many),
        Err("those who share a frame since a fork are counted")
    );
}

#[test]
fn everything_in_use_and_everything_promised_belongs_to_somebody() {
    for (mistake, sentence) in [
        (
            (|scene| scene.mm.in_runs += 1) as fn(&mut Scene),
            "every frame in use belongs to somebody",
        ),
        (
            |scene| {
                let _lost = scene.mm.frames.promise(1);
            },
            "every promise is kept by somebody",
        ),
        (
            |scene| scene.segment().state = RegionState::Unnamed,
            "regions are counted",
        ),
        (
            |scene| scene.mm.frames.count_in_regions(1),
            "present shared pages are counted",
        ),
    ] {
        assert_eq!(after(mistake), Err(sentence));
    }
}
