//! Checks that need another user: sections P, and what depends on it in the others.
//!
//! A child becomes that user, does one thing, and tells by its exit status which error it got.

use crate::children::child_ends;
use crate::expect::{KEY, PAGE, Temporary, equal, holds};
use crate::{Rule, rule};
use abi::process::End;
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmId, ShmidDs};
use abi::{Errno, Handle};
use alloc::format;
use alloc::string::{String, ToString};
use core::sync::atomic::Ordering;
use rt::shm::Shm;
use rt::sys::memory::{shm_attach, shm_control, shm_get};
use rt::{Credential, Error, Failure, Incoming, Outcome, sys};
use tests::Family;

pub const RULES: &[Rule] = &[
    rule(&["P-01", "P-02"], the_owner_has_the_owners_bits_alone),
    rule(&["P-03", "P-04"], the_group_has_the_groups_bits_alone),
    rule(
        &["P-05", "P-06", "P-08"],
        others_have_the_others_bits_and_user_0_needs_none,
    ),
    rule(&["A-19", "A-20", "A-21"], each_way_of_attaching_needs_its_bits),
    rule(&["G-21"], too_large_is_said_before_not_permitted),
    rule(
        &["G-33", "G-34", "G-35", "G-36", "G-37"],
        finding_asks_for_what_the_mode_argument_says,
    ),
    rule(&["C-04", "I-06"], looking_needs_read_permission),
    rule(
        &["C-24", "C-46", "L-04"],
        only_owner_creator_and_user_0_change_a_segment,
    ),
    rule(&["C-25", "C-26"], creator_and_new_owner_share_what_an_owner_may),
    rule(&["C-28"], a_mode_of_0_keeps_what_is_mapped),
    rule(&["C-51"], an_owner_removes_what_it_may_not_read),
    rule(&["F-17"], becoming_another_user_keeps_attachments),
];

/// Who owns the segments here.
const OWNER: Credential = Credential::new(1000, 100);
/// In the group of the segments.
const MEMBER: Credential = Credential::new(2000, 100);
const STRANGER: Credential = Credential::new(3000, 300);

/// What a user gets.
type Got = Option<Errno>;
const OK: Got = None;
const EACCES: Got = Some(Errno::EACCES);
const EPERM: Got = Some(Errno::EPERM);

/// What `who` gets for doing `deed` with a segment.
fn does(family: &Family, who: &Credential, deed: &str, shm: Shm) -> Result<Got, Failure> {
    let id = shm.id().raw().to_string();
    let child = family
        .command(["as", deed, &id])
        .credential(who.clone())
        .spawn()?;
    let number = match child.wait()? {
        End::Exited(0) => return Ok(None),
        End::Exited(status) => u16::try_from(status).ok().and_then(Errno::from_number),
        _ => None,
    };
    number
        .map(Some)
        .ok_or_else(|| Failure::new(format!("conform: `{deed}` did not end as it should")))
}

/// Checks what `who` gets for doing `deed`.
fn expect(family: &Family, who: &Credential, deed: &str, shm: Shm, expected: Got) -> Outcome {
    let found = does(family, who, deed, shm)?;
    equal(&format!("`{deed}` as user {}", who.uid), found, expected)
}

/// In a child: does one thing, and ends with the number of the error it got.
pub fn act(deed: Option<&str>, id: Option<&str>) -> Outcome {
    let id = id.and_then(|id| id.parse().ok()).and_then(ShmId::from_raw);
    let shm = Shm::from_id(id.ok_or_else(|| Failure::new("conform: usage: conform as DEED SHMID"))?);
    match perform(deed.unwrap_or_default(), shm) {
        Ok(()) => Ok(()),
        Err(Error::Refused(errno)) => sys::process::exit(errno.number().into()),
        Err(other) => Err(other.into()),
    }
}

fn perform(deed: &str, shm: Shm) -> Result<(), Error> {
    let id = shm.id();
    let attach = |flags| shm_attach(id, 0, flags).map(|_| ());
    let control =
        |id: i32, command: ShmCommand| shm_control(id, command as i32, &[], &mut Incoming::new()).map(|_| ());
    let index = (id.index()).cast_signed();
    match deed {
        "attach" => attach(AttachFlags::empty()),
        "attach read-only" => attach(AttachFlags::RDONLY),
        "attach to execute" => attach(AttachFlags::EXEC),
        "stat" => shm.stat().map(|_| ()),
        "stat by index" => control(index, ShmCommand::StatIndex),
        "stat whatever the mode" => control(index, ShmCommand::StatAny),
        "count" => control(0, ShmCommand::Totals),
        "set" => shm.set(&ShmidDs::default()),
        "set to mine" => shm.set(&owned_by(&Credential::of(Handle::SELF)?, 0o600)),
        "remove" => shm.remove(),
        "lock" => control(id.raw(), ShmCommand::Lock),
        "unlock" => control(id.raw(), ShmCommand::Unlock),
        "create" => shm_get(KEY, PAGE, GetFlags::CREAT.with_mode(Mode::from_bits(0o600))).map(|_| ()),
        "find too large" => find(2 * PAGE, 0o400),
        deed => find(0, deed.strip_prefix("find ").map_or(0, octal)),
    }
}

/// `shmget` of what is there, asking for these bits.
fn find(size: u64, mode: u32) -> Result<(), Error> {
    shm_get(KEY, size, GetFlags::empty().with_mode(Mode::from_bits(mode))).map(|_| ())
}

fn octal(digits: &str) -> u32 {
    u32::from_str_radix(digits, 8).unwrap_or(0)
}

fn owned_by(who: &Credential, mode: u32) -> ShmidDs {
    let mut state = ShmidDs::default();
    state.shm_perm.uid = who.uid;
    state.shm_perm.gid = who.gid;
    state.shm_perm.mode = mode;
    state
}

/// A segment of the owner's, created by user 0.
fn segment(mode: u32) -> Result<Temporary, Error> {
    let segment = Temporary::get(KEY, PAGE, GetFlags::CREAT)?;
    segment.set(&owned_by(&OWNER, mode))?;
    Ok(segment)
}

/// One that the owner has created.
fn created_by_owner(family: &Family) -> Result<Temporary, Failure> {
    let other = Temporary::private(1)?;
    expect(family, &OWNER, "create", *other, OK)?;
    Ok(Temporary::get(KEY, 0, GetFlags::empty())?)
}

fn the_owner_has_the_owners_bits_alone(family: &Family) -> Outcome {
    expect(family, &OWNER, "attach", *segment(0o600)?, OK)?;
    expect(family, &OWNER, "attach", *segment(0o077)?, EACCES)
}

fn the_group_has_the_groups_bits_alone(family: &Family) -> Outcome {
    let supplementary = Credential {
        groups: [7, OWNER.gid].into(),
        ..STRANGER
    };
    for who in [&MEMBER, &supplementary] {
        expect(family, who, "attach", *segment(0o060)?, OK)?;
        expect(family, who, "attach", *segment(0o607)?, EACCES)?;
    }
    let in_creators_group = Credential::new(STRANGER.uid, 0);
    expect(family, &in_creators_group, "attach", *segment(0o060)?, OK)
}

fn others_have_the_others_bits_and_user_0_needs_none(family: &Family) -> Outcome {
    expect(family, &STRANGER, "attach", *segment(0o006)?, OK)?;
    expect(family, &STRANGER, "attach", *segment(0o660)?, EACCES)?;
    expect(family, &Credential::new(0, 300), "attach", *segment(0)?, OK)
}

fn each_way_of_attaching_needs_its_bits(family: &Family) -> Outcome {
    let cases = [
        (0o400, EACCES, OK, EACCES),
        (0o200, EACCES, EACCES, EACCES),
        (0o600, OK, OK, EACCES),
        (0o500, EACCES, OK, OK),
    ];
    for (mode, plain, read_only, execute) in cases {
        let segment = segment(mode)?;
        expect(family, &OWNER, "attach", *segment, plain)?;
        expect(family, &OWNER, "attach read-only", *segment, read_only)?;
        expect(family, &OWNER, "attach to execute", *segment, execute)?;
        equal("shm_nattch", segment.attached()?, 0)?;
    }
    Ok(())
}

fn too_large_is_said_before_not_permitted(family: &Family) -> Outcome {
    let segment = segment(0o600)?;
    expect(family, &STRANGER, "find too large", *segment, Some(Errno::EINVAL))?;
    expect(family, &STRANGER, "find 0400", *segment, EACCES)
}

fn finding_asks_for_what_the_mode_argument_says(family: &Family) -> Outcome {
    let readable = segment(0o640)?;
    expect(family, &STRANGER, "find 0400", *readable, EACCES)?;
    expect(family, &STRANGER, "find 0", *readable, OK)?;
    drop(readable);
    let writable = segment(0o200)?;
    expect(family, &OWNER, "find 0004", *writable, EACCES)?;
    expect(family, &OWNER, "find 0002", *writable, OK)?;
    drop(writable);
    let closed = segment(0)?;
    expect(family, &OWNER, "find 0400", *closed, EACCES)?;
    let found = shm_get(KEY, 0, GetFlags::empty().with_mode(Mode::from_bits(0o600)))?;
    equal("what user 0 finds", found, closed.id())
}

fn looking_needs_read_permission(family: &Family) -> Outcome {
    let segment = segment(0o640)?;
    for (who, got) in [(&MEMBER, OK), (&STRANGER, EACCES)] {
        expect(family, who, "stat", *segment, got)?;
        expect(family, who, "stat by index", *segment, got)?;
        expect(family, who, "stat whatever the mode", *segment, OK)?;
        expect(family, who, "count", *segment, OK)?;
    }
    segment.set(&owned_by(&OWNER, 0))?;
    expect(family, &OWNER, "stat", *segment, EACCES)
}

fn only_owner_creator_and_user_0_change_a_segment(family: &Family) -> Outcome {
    let segment = segment(0o666)?;
    let before = segment.stat()?;
    for who in [&MEMBER, &STRANGER] {
        for deed in ["set", "lock", "unlock", "remove"] {
            expect(family, who, deed, *segment, EPERM)?;
        }
    }
    equal("the state", segment.stat()?, before)?;
    for deed in ["lock", "unlock", "set to mine", "remove"] {
        expect(family, &OWNER, deed, *segment, OK)?;
    }
    Ok(())
}

fn creator_and_new_owner_share_what_an_owner_may(family: &Family) -> Outcome {
    let segment = created_by_owner(family)?;
    let perm = segment.stat()?.shm_perm;
    equal("creator", [perm.cuid, perm.cgid], [OWNER.uid, OWNER.gid])?;
    equal("owner", [perm.uid, perm.gid], [OWNER.uid, OWNER.gid])?;
    segment.set(&owned_by(&STRANGER, 0o600))?;
    for who in [&OWNER, &STRANGER] {
        for deed in ["stat", "attach", "lock", "unlock"] {
            expect(family, who, deed, *segment, OK)?;
        }
    }
    expect(family, &OWNER, "set to mine", *segment, OK)?;
    expect(family, &STRANGER, "stat", *segment, EACCES)?;
    equal("creator", segment.stat()?.shm_perm.cuid, OWNER.uid)?;
    expect(family, &OWNER, "remove", *segment, OK)
}

fn a_mode_of_0_keeps_what_is_mapped(family: &Family) -> Outcome {
    let segment = segment(0o600)?;
    let attachment = segment.attach()?;
    segment.set(&owned_by(&OWNER, 0))?;
    attachment.words()[0].store(1, Ordering::Relaxed);
    expect(family, &OWNER, "attach read-only", *segment, EACCES)?;
    expect(family, &OWNER, "stat", *segment, EACCES)
}

fn an_owner_removes_what_it_may_not_read(family: &Family) -> Outcome {
    let segment = segment(0)?;
    expect(family, &OWNER, "set", *segment, OK)?;
    segment.set(&owned_by(&OWNER, 0))?;
    expect(family, &OWNER, "remove", *segment, OK)
}

/// The child is user 0 when it attaches.
fn becoming_another_user_keeps_attachments(family: &Family) -> Outcome {
    let segment = segment(0o600)?;
    let end = child_ends(family, "become-another", segment.id())?;
    equal("the end of the child", end, End::Exited(0))?;
    let word = segment.attach()?.words()[0].load(Ordering::Relaxed);
    equal("what it wrote as another user", word, 17)
}

/// What that child does.
pub fn become_another(shm: Shm) -> Outcome {
    let attachment = shm.attach()?;
    STRANGER.give_to(Handle::SELF)?;
    attachment.words()[0].store(17, Ordering::Relaxed);
    let refused = |what: &str, done: Result<(), Error>, errno: Errno| {
        holds(done == Err(Error::Refused(errno)), || {
            String::from(what) + ": not refused"
        })
    };
    refused("attaching again", shm.attach().map(|_| ()), Errno::EACCES)?;
    let back = Credential::new(0, 0).give_to(Handle::SELF);
    refused("becoming user 0 again", back, Errno::EPERM)
}
