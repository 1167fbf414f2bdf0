//! The names of things as people type them: segments, keys, processes.

use abi::process::Pid;
use abi::shm::{ShmId, ShmKey};
use alloc::format;
use alloc::string::String;
use rt::Credential;

/// A segment's identifier.
///
/// # Errors
/// A sentence about what is wrong with it.
pub fn segment(text: &str) -> Result<ShmId, String> {
    let id = text.parse().ok().and_then(ShmId::from_raw);
    id.ok_or_else(|| format!("{text} is no shmid; `ipcs` lists those there are"))
}

/// A segment's key: as C writes numbers, `0x1267` or `4711`; the upper half of hexadecimal ones is negative. No
/// segment has the key 0, `IPC_PRIVATE`.
///
/// # Errors
/// A sentence about what is wrong with it.
pub fn key(text: &str) -> Result<ShmKey, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok().map(u32::cast_signed),
        None => text.parse().ok(),
    };
    let key = number.map(ShmKey).filter(|&key| key != ShmKey::PRIVATE);
    key.ok_or_else(|| format!("{text} is no key; `ipcs` lists those there are"))
}

/// A process's number.
///
/// # Errors
/// A sentence about what is wrong with it.
pub fn process(text: &str) -> Result<Pid, String> {
    let pid = text.parse().ok().filter(|&number: &u32| number != 0);
    pid.map(Pid)
        .ok_or_else(|| format!("{text} is no process number; `ps` lists those there are"))
}

/// A user: `UID`, whose group has the same number, `UID:GID`, or that with `,GROUP` for each supplementary group.
///
/// # Errors
/// A sentence about what is wrong with it.
pub fn user(text: &str) -> Result<Credential, String> {
    credential(text).ok_or_else(|| format!("{text} is no user: UID[:GID[,GROUP...]]"))
}

fn credential(text: &str) -> Option<Credential> {
    let Some((uid, groups)) = text.split_once(':') else {
        let uid = text.parse().ok()?;
        return Some(Credential::new(uid, uid));
    };
    let mut groups = groups.split(',').map(str::parse);
    let credential = Credential::new(uid.parse().ok()?, groups.next()?.ok()?);
    let groups = groups.collect::<Result<_, _>>().ok()?;
    Some(Credential { groups, ..credential })
}

#[cfg(test)]
mod tests {
    use super::{key, process, segment, user};
    use abi::shm::ShmKey;
    use rt::Credential;

    #[test]
    fn keys_are_written_as_in_c_and_never_zero() {
        assert_eq!(key("0x1267"), Ok(ShmKey(4711)));
        assert_eq!(key("4711"), key("0x1267"));
        assert_eq!((key("0xffffffff"), key("-1")), (Ok(ShmKey(-1)), Ok(ShmKey(-1))));
        for wrong in ["0", "0x0", "x", "", "0x100000000", "2147483648"] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn neither_a_segment_nor_a_process_has_a_negative_number() {
        assert_eq!(segment("7").map(|id| id.raw()), Ok(7));
        for wrong in ["-1", "", "x", "4294967296"] {
            assert!(segment(wrong).is_err() && process(wrong).is_err(), "{wrong}");
        }
        assert!(process("0").is_err() && segment("2147483648").is_err());
    }

    #[test]
    fn a_user_may_come_with_groups() {
        let one = Credential::new(1000, 100);
        assert_eq!(user("7"), Ok(Credential::new(7, 7)));
        assert_eq!(user("1000:100"), Ok(one.clone()));
        let groups = [5, 6].into();
        assert_eq!(user("1000:100,5,6"), Ok(Credential { groups, ..one }));
        for wrong in ["x", "", "-1", "1:", ":1", "1:2,", "1:2,x", "4294967296"] {
            assert!(user(wrong).is_err(), "{wrong}");
        }
    }
}
