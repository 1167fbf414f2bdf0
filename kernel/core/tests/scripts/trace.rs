//! A traced trap does what a trap does, and says so.

use super::world;
use abi::memory::CountUsage;
use abi::process::Close;
use abi::system::{MachineEnd, ShutDown};
use abi::{Handle, Operation, Request, Tag};

/// What is printed for a call of the first process, which is called `init`.
fn printed<R: Request>(handle: Handle, request: R) -> String {
    let mut world = world();
    let registers = world.registers();
    registers.x[0] = handle.raw().into();
    registers.x[1] = Tag::new(R::LABEL).encode();
    registers.x[2..8].copy_from_slice(&request.into_words());
    registers.x[8] = Operation::Call as u64;
    world.kernel.trap_traced();
    String::from_utf8(world.kernel.platform.printed.clone()).expect("text")
}

#[test]
fn a_call_is_shown_with_its_fields_and_its_answer() {
    let closed = printed(
        Handle::SELF,
        Close {
            handle: Handle::CONSOLE,
        },
    );
    assert_eq!(closed, "trace: 1 init process.Close handle=3 -> done\n");
    let counted = printed(Handle::MEMORY, CountUsage {});
    assert!(
        counted.starts_with("trace: 1 init memory.CountUsage -> mapped="),
        "{counted}"
    );
}

#[test]
fn dots_stand_where_no_answer_comes() {
    let end = MachineEnd::PowerOff;
    let stopped = printed(Handle::PARENT, ShutDown { status: 3, end });
    assert_eq!(stopped, "trace: 1 init system.ShutDown status=3 end=0 ...\n");
}

#[test]
fn what_is_refused_is_shown_with_the_error() {
    let handle = Handle::from_parts(99, 0);
    let refused = printed(Handle::SELF, Close { handle });
    assert_eq!(refused, "trace: 1 init process.Close handle=99 -> EBADF\n");
    let lost = printed(handle, Close { handle });
    assert_eq!(
        lost,
        format!("trace: 1 init nothing.{:#x} -> BadHandle\n", Close::LABEL.0)
    );
}
