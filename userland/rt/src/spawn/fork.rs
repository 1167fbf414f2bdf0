//! Children that are copies of their parent.

use super::Child;
use crate::handle::OwnedHandle;
use crate::{Error, Outcome, start, sys};

/// Runs `part` in a copy of this process, which ends with what that returns, as a program does.
///
/// The copy has all values of this process at the time of the call, and none of them is dropped
/// there. It has the same segments attached; of other memory it has its own from then on.
/// Children of this process are not its children: their handles are closed there. Endpoints of this
/// process can be called there, not received from.
///
/// # Errors
/// As [`abi::process::Fork`].
pub fn fork(part: impl FnOnce() -> Outcome) -> Result<Child, Error> {
    // Only this thread goes on in the copy, where nobody would give back a heap that another one has.
    #[cfg(target_os = "none")]
    let heap = crate::heap::lock();
    let forked = sys::process::fork();
    #[cfg(target_os = "none")]
    drop(heap);
    match forked? {
        Some((process, pid)) => Ok(Child::new(OwnedHandle::new(process), pid)),
        None => start::end(part()),
    }
}

#[cfg(test)]
mod tests {
    use super::fork;
    use crate::{Error, fake};
    use abi::process::Pid;
    use abi::{Errno, Handle, Label, Tag};

    #[test]
    fn a_parent_is_told_its_child() {
        fake::install(|sent, page| {
            assert_eq!(sent[..2], [1, 0x110]);
            page.handles[0] = 77;
            let tag = Tag::new(Label::DONE).with_handles(1).expect("fits");
            [0, tag.encode(), 5, 0, 0, 0, 0, 0, 0]
        });
        let child = fork(|| panic!("this is not the child")).expect("a child");
        assert_eq!((child.handle(), child.pid()), (Handle::from_raw(77), Pid(5)));
        core::mem::forget(child);
    }

    #[test]
    fn without_memory_nobody_plays_the_childs_part() {
        fake::install(|_, _| [0, u64::from(Errno::ENOMEM.number()), 0, 0, 0, 0, 0, 0, 0]);
        let refused = fork(|| panic!("there is no child"));
        assert_eq!(refused.err(), Some(Error::Refused(Errno::ENOMEM)));
    }
}
