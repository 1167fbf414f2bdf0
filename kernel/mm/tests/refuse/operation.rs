//! The scene, and all operations that can lack something.

use crate::common::{CREATE, PAGE, PLAIN, PRIVATE, Size, World};
use abi::memory::{MapCopy, MapFlags, MemoryRequest, Move, Protection, RegionCreate};
use abi::process::Pid;
use abi::shm::{AttachFlags, ShmId};
use abi::{Errno, shm::GetFlags};
use addr::{MemoryKind, Perms};
use mm::{Credential, Identity, SpaceId};

/// Where the scene's mappings are.
pub const PLACE: u64 = 0x20_0000_0000;
/// Nothing is near this address.
pub const NOWHERE: u64 = 0x50_0000_0000;
/// Where a large segment is linked: three slots, the last of which it ends in.
pub const LARGE: u64 = 0x30_0000_0000;
/// Where a segment of three 2 MiB blocks is attached, in the same GiB.
pub const BLOCKS: u64 = 0x30_2000_0000;
/// Pages of the large segment.
pub const LARGE_PAGES: u64 = 2 * SLOT + 100;
/// Pages of a slot.
pub const SLOT: u64 = 512;

/// Two processes that hold something of everything.
pub struct Scene {
    pub world: World,
    pub p: SpaceId,
    pub other: SpaceId,
    pub id: ShmId,
    pub large: ShmId,
    pub blocks: ShmId,
}

impl Scene {
    pub fn new(size: Size) -> Self {
        let mut world = World::of(size);
        let (p, other) = (world.process(), world.process());
        let id = world.get(p, 7, 6 * PAGE, CREATE).expect("created");
        world.attach(p, id, PLACE, PLAIN).expect("free");
        world
            .map(p, PLACE + 8 * PAGE, 6 * PAGE, Protection::WRITE)
            .expect("free");
        world
            .map(other, PLACE, 4 * PAGE, Protection::WRITE)
            .expect("free");
        for page in [0, 2, 5, 8, 10, 13] {
            world.store(p, PLACE + page * PAGE, page + 1).expect("writable");
        }
        world.fill(other, PLACE, 2, 50);
        // Without a promise, so that a scene can be small.
        let large = world
            .get(p, 8, LARGE_PAGES * PAGE, CREATE | GetFlags::NORESERVE)
            .expect("created");
        world.attach(p, large, LARGE, PLAIN).expect("free");
        for page in [0, SLOT, 2 * SLOT, LARGE_PAGES - 1] {
            world.store(p, LARGE + page * PAGE, page + 1).expect("writable");
        }
        let flags = CREATE | GetFlags::NORESERVE | GetFlags::HUGETLB;
        let blocks = world.get(p, 10, 3 * SLOT * PAGE, flags).expect("created");
        world.attach(p, blocks, BLOCKS, PLAIN).expect("free");
        Self {
            world,
            p,
            other,
            id,
            large,
            blocks,
        }
    }

    /// VMAs the scene has.
    pub const VMAS: usize = 5;
    /// Segments the scene has.
    pub const REGIONS: usize = 3;
}

/// An operation, what it needs, and how it is done.
pub struct Operation {
    pub name: &'static str,
    /// Frames that must be unpromised for it.
    pub frames: u64,
    /// VMA slots that must be free for it.
    pub vmas: usize,
    pub act: fn(&mut Scene) -> Result<(), Errno>,
}

fn attach(scene: &mut Scene, address: u64, flags: AttachFlags) -> Result<(), Errno> {
    scene.world.attach(scene.p, scene.id, address, flags).map(|_| ())
}

fn map(scene: &mut Scene, address: u64, pages: u64) -> Result<(), Errno> {
    scene
        .world
        .map(scene.p, address, pages * PAGE, Protection::WRITE)
        .map(|_| ())
}

fn map_over(scene: &mut Scene, address: u64, pages: u64) -> Result<(), Errno> {
    scene
        .world
        .map_with(scene.p, address, pages * PAGE, MapFlags::REPLACE)
        .map(|_| ())
}

fn protect(scene: &mut Scene, place: u64, page: u64, pages: u64) -> Result<(), Errno> {
    scene
        .world
        .protect(scene.p, place + page * PAGE, pages * PAGE, Protection::READ)
}

fn unmap(scene: &mut Scene, page: u64, pages: u64) -> Result<(), Errno> {
    scene.world.unmap(scene.p, PLACE + page * PAGE, pages * PAGE)
}

fn cut(scene: &mut Scene, page: u64, pages: u64) -> Result<(), Errno> {
    scene.world.unmap(scene.p, LARGE + page * PAGE, pages * PAGE)
}

fn attach_large(scene: &mut Scene, address: u64) -> Result<(), Errno> {
    let Scene { world, p, large, .. } = scene;
    world.attach(*p, *large, address, PLAIN).map(|_| ())
}

fn attach_blocks(scene: &mut Scene, address: u64) -> Result<(), Errno> {
    let Scene { world, p, blocks, .. } = scene;
    world.attach(*p, *blocks, address, PLAIN).map(|_| ())
}

fn cut_blocks(scene: &mut Scene, block: u64) -> Result<(), Errno> {
    let at = BLOCKS + block * SLOT * PAGE;
    scene.world.unmap(scene.p, at, SLOT * PAGE)
}

fn create_space(scene: &mut Scene) -> Result<(), Errno> {
    let identity = Identity {
        credential: Credential::ROOT,
        pid: Pid(77),
    };
    scene.world.mm.create_space(identity).map(|_| ())
}

fn map_physical(scene: &mut Scene) -> Result<(), Errno> {
    let frames = Size::USUAL.kept();
    scene
        .world
        .mm
        .map_physical(scene.p, frames, Perms::READ, MemoryKind::Normal)
        .map(|_| ())
}

fn transfer(scene: &mut Scene, destination: u64) -> Result<(), Errno> {
    let request = Move {
        source: PLACE,
        length: 4 * PAGE,
        destination,
        protection: Protection::READ,
    };
    scene.world.transfer(scene.p, Some(scene.other), request)
}

fn copy(scene: &mut Scene, destination: u64) -> Result<(), Errno> {
    let request = MapCopy {
        source: PLACE + 100,
        bytes: PAGE,
        destination,
        length: 2 * PAGE,
        protection: Protection::READ,
    };
    scene.world.map_copy(scene.p, Some(scene.other), request)
}

fn get(scene: &mut Scene, size: u64, flags: GetFlags) -> Result<(), Errno> {
    scene.world.get(scene.p, PRIVATE, size, flags).map(|_| ())
}

fn create_unnamed(scene: &mut Scene) -> Result<(), Errno> {
    let request = MemoryRequest::RegionCreate(RegionCreate {
        size: 5 * PAGE,
        flags: CREATE,
    });
    let (answer, ..) = scene.world.begin_with(scene.p, request, &[], None);
    answer.map(|_| ())
}

const fn operation(
    name: &'static str,
    frames: u64,
    vmas: usize,
    act: fn(&mut Scene) -> Result<(), Errno>,
) -> Operation {
    Operation {
        name,
        frames,
        vmas,
        act,
    }
}

/// All of them. Where nothing is near, three tables are needed.
pub const OPERATIONS: &[Operation] = &[
    operation("create one page", 1, 0, |s| get(s, 1, CREATE)),
    operation("create five pages", 5 + 1, 0, |s| get(s, 5 * PAGE, CREATE)),
    operation("create 513 pages", 513 + 3, 0, |s| get(s, 513 * PAGE, CREATE)),
    operation("create without reserve", 0, 0, |s| {
        get(s, 513 * PAGE, CREATE | GetFlags::NORESERVE)
    }),
    operation("create five pages without a name", 5 + 1, 0, create_unnamed),
    operation("create a space", 1, 0, create_space),
    operation("attach anywhere", 2, 1, |s| attach(s, 0, PLAIN)),
    operation("attach far away", 2, 1, |s| attach(s, NOWHERE, PLAIN)),
    operation("attach farther away", 3, 1, |s| {
        attach(s, 0x1000_0000_0000, PLAIN)
    }),
    operation("attach nearby", 0, 1, |s| attach(s, PLACE + 20 * PAGE, PLAIN)),
    operation("attach across a table's border", 1, 1, |s| {
        attach(s, PLACE + 510 * PAGE, PLAIN)
    }),
    operation("attach over nothing", 2, 1, |s| {
        attach(s, NOWHERE, AttachFlags::REMAP)
    }),
    operation("attach over the middle of both", 3, 3, |s| {
        attach(s, PLACE + 4 * PAGE, AttachFlags::REMAP)
    }),
    operation("attach over one exactly", 3, 1, |s| {
        attach(s, PLACE + 8 * PAGE, AttachFlags::REMAP)
    }),
    operation("map nearby", 5, 1, |s| map(s, PLACE + 20 * PAGE, 5)),
    operation("map far away", 5 + 2, 1, |s| map(s, NOWHERE, 5)),
    operation("unmap a hole", 0, 2, |s| unmap(s, 10, 2)),
    operation("unmap an edge", 0, 1, |s| unmap(s, 8, 2)),
    operation("unmap two edges", 0, 2, |s| unmap(s, 4, 6)),
    operation("unmap all", 0, 0, |s| unmap(s, 0, 100)),
    operation("map over the middle of both", 6 + 3, 3, |s| {
        map_over(s, PLACE + 4 * PAGE, 6)
    }),
    operation("map over pages of a linked slot", 1 + 5 + 3, 5, |s| {
        map_over(s, LARGE + (SLOT + 3) * PAGE, 5)
    }),
    operation("map beside its like", 2, 0, |s| map(s, PLACE + 14 * PAGE, 2)),
    operation("map a stack", 3 + 2, 1, |s| {
        s.world
            .map_stack(s.p, NOWHERE + 200 * PAGE, 3 * PAGE, 100 * PAGE)
            .map(|_| ())
    }),
    operation("protect a whole mapping", 0, 0, |s| protect(s, PLACE, 8, 6)),
    operation("protect what is inside", 0, 2, |s| protect(s, PLACE, 10, 2)),
    operation("protect an edge", 0, 1, |s| protect(s, PLACE, 8, 2)),
    operation("protect all that is linked", 0, 0, |s| {
        protect(s, LARGE, 0, LARGE_PAGES)
    }),
    operation("protect a linked slot", 0, 2, |s| protect(s, LARGE, SLOT, SLOT)),
    operation("protect pages of a linked slot", 1, 4, |s| {
        protect(s, LARGE, SLOT + 3, 9)
    }),
    operation("protect pages across two linked slots", 2, 4, |s| {
        protect(s, LARGE, 500, 30)
    }),
    operation("protect the last page of what is linked", 1, 2, |s| {
        protect(s, LARGE, LARGE_PAGES - 1, 1)
    }),
    operation("map the message page", 1 + 2, 1, |s| {
        s.world.mm.map_message_page(s.p, 0).map(|_| ())
    }),
    operation("map physical memory", 2, 1, map_physical),
    operation("move nearby", 0, 1, |s| transfer(s, PLACE + 20 * PAGE)),
    operation("move far away", 2, 1, |s| transfer(s, NOWHERE)),
    operation("copy nearby", 2, 1, |s| copy(s, PLACE + 20 * PAGE)),
    operation("copy far away", 2 + 2, 1, |s| copy(s, NOWHERE)),
    operation("copy behind the end of a linked attachment", 2 + 1, 2, |s| {
        copy(s, LARGE + (LARGE_PAGES + 1) * PAGE)
    }),
    operation("attach a large segment linked", 1, 1, |s| {
        attach_large(s, NOWHERE)
    }),
    operation("attach a large segment beside a linked one", 0, 1, |s| {
        attach_large(s, LARGE + 3 * SLOT * PAGE)
    }),
    operation("attach a large segment paged", 3 + 1, 1, |s| {
        attach_large(s, NOWHERE + PAGE)
    }),
    operation("create a block", SLOT + 1, 0, |s| {
        get(s, 1, CREATE | GetFlags::HUGETLB)
    }),
    operation("create blocks without reserve", 0, 0, |s| {
        get(
            s,
            9 * SLOT * PAGE,
            CREATE | GetFlags::HUGETLB | GetFlags::NORESERVE,
        )
    }),
    operation("attach blocks", 1, 1, |s| attach_blocks(s, NOWHERE)),
    operation("attach blocks beside others", 0, 1, |s| {
        attach_blocks(s, BLOCKS + 3 * SLOT * PAGE)
    }),
    operation("cut off a block", 0, 1, |s| cut_blocks(s, 0)),
    operation("cut a block out of the middle", 0, 2, |s| cut_blocks(s, 1)),
    operation("cut off a linked slot", 0, 1, |s| cut(s, 0, SLOT)),
    operation("cut a hole between slots", 0, 2, |s| cut(s, SLOT, SLOT)),
    operation("cut a page off a linked attachment", 1, 2, |s| cut(s, 0, 1)),
    operation("cut the last page off a linked attachment", 1, 2, |s| {
        cut(s, LARGE_PAGES - 1, 1)
    }),
    operation("cut a hole into a linked slot", 1, 4, |s| cut(s, SLOT + 3, 9)),
    operation("cut a hole across two linked slots", 2, 4, |s| cut(s, 500, 30)),
    operation("cut a hole across three linked slots", 2, 4, |s| cut(s, 500, 550)),
    operation("map behind the end of a linked attachment", 1 + 5, 2, |s| {
        map(s, LARGE + LARGE_PAGES * PAGE, 5)
    }),
    operation("move behind the end of a linked attachment", 1, 2, |s| {
        transfer(s, LARGE + (LARGE_PAGES + 1) * PAGE)
    }),
    operation("attach over pages of a linked slot", 1 + 3, 5, |s| {
        attach(s, LARGE + (SLOT + 3) * PAGE, AttachFlags::REMAP)
    }),
    operation("attach over a linked slot and the next", 2 + 4, 5, |s| {
        attach(s, LARGE + 509 * PAGE, AttachFlags::REMAP)
    }),
    operation("attach over nothing behind a linked attachment", 1, 2, |s| {
        attach(s, LARGE + LARGE_PAGES * PAGE, AttachFlags::REMAP)
    }),
    // A root; two tables to PLACE and its neighbours, one more to LARGE; six private pages.
    operation("fork", 1 + 3 + 1 + 6, 4, |s| s.world.fork(s.p).map(|_| ())),
    operation("relocate to nearby", 0, 1, |s| {
        s.world.relocate(s.p, PLACE, PLACE + 20 * PAGE)
    }),
    operation("relocate what is linked far away", 1, 1, |s| {
        s.world.relocate(s.p, LARGE, NOWHERE)
    }),
    operation("detach what is linked", 0, 0, |s| s.world.detach(s.p, LARGE)),
    operation("detach", 0, 0, |s| s.world.detach(s.p, PLACE)),
    operation("remove", 0, 0, |s| s.world.remove(s.p, s.id)),
];
