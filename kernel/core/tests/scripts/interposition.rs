//! A parent's endpoint in place of its child's memory manager: the child cannot tell.
//!
//! Two children ask the same things. One has the kernel's memory manager; the other has an
//! endpoint of its parent, which passes everything on. Both must get the same kind of answers.

use super::world;
use abi::memory::ShmIdArgument;
use abi::memory::{
    CountUsage, Map, MapCopy, MemoryRequest, Move, Protection, RegionAttach, RegionCreate, ShmAttach,
    ShmControl, ShmGet, Unmap,
};
use abi::process::{Close, Exit, Give, Kill, Wait};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmId, ShmKey, ShmidDs};
use abi::{Badge, Errno, Handle, IpcError, Label, Operation, Request, Rights, Tag, Words, Words6};
use play::{Back, World};

const INIT: u32 = 0;
/// Has the kernel's memory manager.
const PLAIN: u32 = 1;
/// Has its parent's endpoint.
const GUARDED: u32 = 2;
const PAGE: u64 = 4096;
const WRITABLE: Protection = Protection::READ.union(Protection::WRITE);

/// `init` serves an endpoint in the place of the memory manager of one of its children.
struct Guard {
    world: World,
    endpoint: Handle,
    /// The guarded child.
    child: Handle,
    /// Its real memory manager.
    memory: Handle,
    /// Handles that came with an answer and were passed on.
    passed: Vec<Handle>,
}

/// What a message consists of.
struct Message<'a> {
    label: Label,
    words: Words6,
    bytes: &'a [u8],
    handles: &'a [Handle],
}

/// What a program can tell of an answer.
#[derive(Debug, PartialEq)]
struct Seen {
    back: Back,
    bytes: Vec<u8>,
}

impl Guard {
    fn new() -> Self {
        let mut world = world();
        let (plain, _) = world.create("plain").expect("room");
        let (child, memory) = world.create("guarded").expect("room");
        let endpoint = world.create_endpoint();
        let calling = world.derive(endpoint, Rights::CALL | Rights::PASS, Badge(0));
        let place = Handle::MEMORY.index();
        world
            .call_with(child, Give { place }, &[], &[calling])
            .expect("gives");
        world
            .call(Handle::SELF, Close { handle: calling })
            .expect("closes");
        world.start(plain);
        world.start(child);
        world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
        Self {
            world,
            endpoint,
            child,
            memory,
            passed: Vec::new(),
        }
    }

    /// Lets `program` call its memory manager, whichever that is.
    fn ask(&mut self, program: u32, message: &Message<'_>) -> Seen {
        self.world.until(program);
        send(&mut self.world, Handle::MEMORY, message);
        if program == GUARDED {
            self.pass_on();
        }
        assert_eq!(self.world.running, Some(program), "the answer comes at once");
        see(&mut self.world)
    }

    /// What came with the last answer is not wanted.
    fn close_all(&mut self) {
        for handle in self.world.handles() {
            self.world
                .call(Handle::SELF, Close { handle })
                .expect("it came along");
        }
    }

    /// The parent passes the message it has just received on, and then the answer.
    fn pass_on(&mut self) {
        let Self {
            world,
            endpoint,
            memory,
            passed,
            ..
        } = self;
        assert_eq!(world.running, Some(INIT), "the message arrives");
        let seen = see(world);
        let handles = world.handles();
        let message = Message {
            label: seen.back.tag.label(),
            words: seen.back.words,
            bytes: &seen.bytes,
            handles: &handles,
        };
        send(world, *memory, &message);
        let answer = see(world);
        let answered = world.handles();
        for handle in handles.into_iter().chain(core::mem::take(passed)) {
            world.call(Handle::SELF, Close { handle }).expect("it came along");
        }
        world.page().bytes[..answer.bytes.len()].copy_from_slice(&answer.bytes);
        for (place, handle) in world.page().handles.iter_mut().zip(&answered) {
            *place = handle.raw();
        }
        *passed = answered;
        let tag = answer.back.tag.encode();
        world.trap(
            Operation::ReplyReceive as u64,
            endpoint.raw().into(),
            tag,
            answer.back.words,
        );
    }

    /// Both children ask; what they see is the same.
    fn compare(&mut self, message: &Message<'_>) -> Seen {
        let plain = self.ask(PLAIN, message);
        self.close_all();
        let guarded = self.ask(GUARDED, message);
        self.close_all();
        assert_eq!(plain, guarded, "{:?} {:x?}", message.label, message.words);
        guarded
    }

    fn compare_request<R: Request>(&mut self, request: R) -> Result<R::Answer, Errno> {
        let seen = self.compare(&Message {
            label: R::LABEL,
            words: request.into_words(),
            bytes: &[],
            handles: &[],
        });
        answer::<R>(&seen)
    }
}

fn send(world: &mut World, to: Handle, message: &Message<'_>) {
    let page = world.page();
    page.bytes[..message.bytes.len()].copy_from_slice(message.bytes);
    for (place, handle) in page.handles.iter_mut().zip(message.handles) {
        *place = handle.raw();
    }
    let tag = Tag::new(message.label).with_bytes(message.bytes.len());
    let tag = tag
        .and_then(|tag| tag.with_handles(message.handles.len()))
        .expect("small enough");
    world.trap(
        Operation::Call as u64,
        to.raw().into(),
        tag.encode(),
        message.words,
    );
}

fn see(world: &mut World) -> Seen {
    let back = world.back();
    let bytes = world.page().bytes[..back.tag.bytes()].to_vec();
    Seen { back, bytes }
}

fn answer<R: Request>(seen: &Seen) -> Result<R::Answer, Errno> {
    assert_eq!(seen.back.outcome, None, "the message arrived");
    match Errno::from_number(seen.back.tag.label().0) {
        Some(errno) => Err(errno),
        None => Ok(R::Answer::from_words(&seen.back.words).expect("a good answer")),
    }
}

#[test]
fn private_memory_behaves_the_same() {
    let mut guard = Guard::new();
    let map = Map::new(0, 5 * PAGE, WRITABLE);
    let (base,) = guard.compare_request(map).expect("room");
    let usage = guard.compare_request(CountUsage {}).expect("counts");
    assert_eq!(usage.mapped, 6, "with the message page");
    assert_eq!(
        guard.compare_request(Map { address: base, ..map }),
        Err(Errno::EINVAL),
        "occupied"
    );
    assert_eq!(
        guard.compare_request(Unmap {
            address: base + PAGE,
            length: PAGE
        }),
        Ok(())
    );
    assert_eq!(
        guard.compare_request(Unmap {
            address: base + 1,
            length: PAGE
        }),
        Err(Errno::EINVAL)
    );
}

#[test]
fn segments_behave_the_same() {
    let mut guard = Guard::new();
    let flags = GetFlags::CREAT.with_mode(Mode::from_bits(0o600));
    let get = ShmGet {
        key: ShmKey(7),
        size: 3 * PAGE,
        flags,
    };
    let (id,) = guard
        .compare_request(get)
        .expect("one creates it, the other finds it");
    assert_eq!(
        guard.compare_request(ShmGet {
            flags: flags | GetFlags::EXCL,
            ..get
        }),
        Err(Errno::EEXIST)
    );
    let attach = ShmAttach {
        id,
        address: 0,
        flags: AttachFlags::RDONLY,
    };
    let (base,) = guard.compare_request(attach).expect("room");
    let stat = ShmControl {
        id: ShmIdArgument(id.raw()),
        command: ShmCommand::Stat as i32,
    };
    let plain = guard.ask(
        PLAIN,
        &Message {
            label: ShmControl::LABEL,
            words: stat.into_words(),
            bytes: &[],
            handles: &[],
        },
    );
    assert_eq!(plain.bytes.len(), size_of::<ShmidDs>());
    guard
        .compare_request(stat)
        .expect("the structure comes in the bytes");
    let missing = ShmControl {
        command: ShmCommand::Set as i32,
        ..stat
    };
    assert_eq!(
        guard.compare_request(missing),
        Err(Errno::EFAULT),
        "nothing to set came along"
    );
    let set = Message {
        label: ShmControl::LABEL,
        words: missing.into_words(),
        bytes: &plain.bytes,
        handles: &[],
    };
    assert_eq!(answer::<ShmControl>(&guard.compare(&set)), Ok((0,)));
    assert_eq!(
        guard.compare_request(abi::memory::ShmDetach { address: base }),
        Ok(())
    );
    assert_eq!(
        guard.compare_request(ShmAttach {
            id: ShmId::from_raw(99).expect("positive"),
            ..attach
        }),
        Err(Errno::EINVAL)
    );
}

#[test]
fn a_handle_that_comes_along_reaches_the_real_memory_manager() {
    let protection = Protection::READ;
    let (source, destination) = (0x100_0000, 0x100_0000);
    // Each from itself, where there is nothing.
    comes_along(
        Move {
            source,
            length: PAGE,
            destination,
            protection,
        },
        Errno::EINVAL,
    );
    comes_along(
        MapCopy {
            source,
            bytes: 1,
            destination,
            length: 1,
            protection,
        },
        Errno::EFAULT,
    );
}

fn comes_along<R: Request<Answer = ()>>(request: R, refused: Errno) {
    let mut guard = Guard::new();
    let words = request.into_words();
    let message = |handles| Message {
        label: R::LABEL,
        words,
        bytes: &[],
        handles,
    };
    for handles in [&[][..], &[Handle::SELF], &[Handle::MEMORY, Handle::MEMORY]] {
        let seen = guard.compare(&message(handles));
        assert_eq!(answer::<R>(&seen), Err(Errno::EBADF), "{handles:?}");
    }
    // A memory manager that is the parent's endpoint is none to the kernel.
    let own = message(&[Handle::MEMORY]);
    assert_eq!(answer::<R>(&guard.ask(GUARDED, &own)), Err(Errno::EBADF));
    assert_eq!(answer::<R>(&guard.ask(PLAIN, &own)), Err(refused));
}

#[test]
fn regions_and_handles_to_them_pass_through() {
    let mut guard = Guard::new();
    let create = Message {
        label: RegionCreate::LABEL,
        words: RegionCreate {
            size: 3 * PAGE,
            flags: GetFlags::empty(),
        }
        .into_words(),
        bytes: &[],
        handles: &[],
    };
    let attach = RegionAttach {
        address: 0,
        flags: AttachFlags::empty(),
    };
    let seen = [PLAIN, GUARDED].map(|program| {
        let made = guard.ask(program, &create);
        assert_eq!(made.back.tag.handles(), 1, "a handle comes back");
        let region = guard.world.handles();
        let attached = guard.ask(
            program,
            &Message {
                label: RegionAttach::LABEL,
                words: attach.into_words(),
                bytes: &[],
                handles: &region,
            },
        );
        let (address,) = answer::<RegionAttach>(&attached).expect("all rights");
        let usage = guard.ask(
            program,
            &Message {
                label: CountUsage::LABEL,
                words: [0; 6],
                bytes: &[],
                handles: &[],
            },
        );
        let mapped = answer::<CountUsage>(&usage).expect("counts").mapped;
        (address, mapped, region)
    });
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].1, 4, "with the message page");
}

#[test]
fn any_words_with_any_label_get_the_same_answers() {
    let mut guard = Guard::new();
    let values = [
        0,
        1,
        4095,
        4096,
        0x60_0000,
        0x10_0000_0000,
        1 << 31,
        1 << 47,
        1 << 63,
        u64::MAX,
    ];
    let labels = MemoryRequest::TABLE.iter().map(|row| row.label);
    let mut cases = 0;
    for label in labels.chain([0, 0x100, 0x1ff, 0x208, 0x300, 0x400, 0xffff].map(Label)) {
        for (number, &one) in values.iter().enumerate() {
            for shift in [0, 3, 7] {
                let at = |step: usize| values[(number + step * shift) % values.len()];
                let words = [one, at(1), at(2), at(3), 0, 0];
                // Segments are shared, so what one child makes or removes the other would find.
                let shared = label == ShmGet::LABEL || label == ShmControl::LABEL;
                if shared && guard_changes(label, words) {
                    continue;
                }
                guard.compare(&Message {
                    label,
                    words,
                    bytes: &[0; 48],
                    handles: &[],
                });
                cases += 1;
            }
        }
    }
    assert!(cases > 300, "{cases}");
}

/// Whether a request for segments might change them.
fn guard_changes(label: Label, words: Words6) -> bool {
    match MemoryRequest::decode(label, &words) {
        Ok(MemoryRequest::ShmGet(get)) => get.key == ShmKey::PRIVATE || get.flags.contains(GetFlags::CREAT),
        Ok(MemoryRequest::ShmControl(control)) => control.command == ShmCommand::Remove as i32,
        _ => false,
    }
}

#[test]
fn errors_of_the_trap_are_the_same() {
    let mut guard = Guard::new();
    let nothing = Handle::from_raw(40);
    let seen = [PLAIN, GUARDED].map(|program| {
        guard.world.until(program);
        let bad = Message {
            label: CountUsage::LABEL,
            words: [0; 6],
            bytes: &[],
            handles: &[nothing],
        };
        send(&mut guard.world, Handle::MEMORY, &bad);
        assert_eq!(guard.world.running, Some(program));
        let bad_handle = see(&mut guard.world);
        guard.world.trap(
            Operation::Call as u64,
            Handle::MEMORY.raw().into(),
            513 << 16,
            [0; 6],
        );
        (bad_handle, see(&mut guard.world))
    });
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].0.back.outcome, Some(IpcError::BadHandle));
    assert_eq!(seen[0].1.back.outcome, Some(IpcError::BadTag));
}

#[test]
fn a_memory_manager_that_is_gone_is_gone_whoever_it_was() {
    let mut guard = Guard::new();
    guard.world.until(GUARDED);
    send(
        &mut guard.world,
        Handle::MEMORY,
        &Message {
            label: Label(0x207),
            words: [0; 6],
            bytes: &[],
            handles: &[],
        },
    );
    let endpoint = guard.endpoint;
    guard
        .world
        .call(Handle::SELF, Close { handle: endpoint })
        .expect("closes");
    guard
        .world
        .trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(guard.world.back().outcome, Some(IpcError::BadHandle));
    guard.world.send(guard.child, Kill {}, &[], &[]);
    guard.world.until(INIT);
    assert_eq!(
        guard.world.call(guard.child, Wait {}),
        Ok(abi::process::End::Killed)
    );
    guard.world.send(guard.memory, CountUsage {}, &[], &[]);
    assert_eq!(guard.world.back().outcome, Some(IpcError::PeerGone));
}

#[test]
fn a_guarded_child_holds_nothing_of_the_kernels_memory_manager() {
    let mut guard = Guard::new();
    guard.world.until(GUARDED);
    let (_, process) = guard
        .world
        .kernel
        .processes()
        .find(|(_, process)| process.pid.0 == 3)
        .expect("the child");
    assert!(
        process
            .handles
            .iter()
            .all(|held| !matches!(held.object, kcore::handle::Object::Memory(_)))
    );
    guard.world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    guard.world.until(PLAIN);
}
