//! Who is told of the faults of a process, and what becomes of a thread that has faulted.
//!
//! A fault is a call that the kernel makes in the thread's name: it queues, is received, answered or abandoned as
//! every call is. But the thread has asked nobody anything, so its registers stay as they are, and an answer that
//! does not let it go on, or that never comes, ends its process as the fault alone would have.

use crate::fault::Fault;
use crate::handle::{Capability, Object};
#[cfg(doc)]
use crate::here::Here;
use crate::ipc::Endpoint;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::object::{Call, Outcome};
use crate::platform::Platform;
use crate::process::ProcessId;
use crate::thread::{State, ThreadId};
use abi::fault::Resolve;
use abi::process::{FaultKind, Pid};
use abi::{Arrival, Badge, Errno, IpcError, Label, Request, Rights, Tag, Words, Words6};
use slots::Id;

/// Where a process's faults are told. The endpoint is not kept: if it is gone, nobody is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultHandler {
    pub(crate) endpoint: Id<Endpoint>,
    pub(crate) badge: Badge,
}

impl FaultHandler {
    /// Where they are told.
    pub const fn object(&self) -> Object {
        Object::Endpoint(self.endpoint)
    }
}

impl Fault {
    /// What its handler is told, if a thread with this `number`, of the process with this one, has done it at `pc`.
    pub(crate) fn told(self, pc: u64, pid: Pid, number: u32) -> Words6 {
        Resolve {
            kind: self.kind,
            access: self.access,
            address: self.address,
            pc,
            pid,
            thread: number,
        }
        .into_words()
    }
}

impl<'a> Message<'a> {
    /// What a fault is [told](Fault::told) as.
    pub(crate) const fn fault(told: &'a Words6) -> Self {
        let tag = Tag::new(Resolve::LABEL).arriving(Arrival::Fault);
        Self { tag, words: told }
    }
}

impl<P: Platform> Kernel<P> {
    /// Names the handler of the faults of `target`, or nobody.
    pub(crate) fn handle_faults(&mut self, call: &Call<'_>, target: ProcessId) -> Result<Outcome, Errno> {
        let handler = match call.tag.handles() {
            0 => None,
            _ => {
                let (endpoint, badge) = self.passed_endpoint(call, Rights::CALL)?;
                Some(FaultHandler { endpoint, badge })
            }
        };
        self.check_lives_on(target)?;
        self.process(target).fault_handler = handler;
        Ok(self.answer(call.thread, ()))
    }

    /// Lets `thread`, which runs and has faulted, wait for whoever handles the faults of its process. `false` if
    /// nobody does, and nothing has happened. [`Here::tell_handler`] decides the same for most.
    pub(crate) fn tell_handler(&mut self, thread: ThreadId, fault: Fault) -> bool {
        let Some(FaultHandler { endpoint, badge }) = self.process_of(thread).1.fault_handler else {
            return false;
        };
        let Some(Endpoint {
            receiving: 1..,
            receivers,
            server,
            ..
        }) = self.endpoints.get(endpoint)
        else {
            return false;
        };
        // Who would have to receive its own fault waits for itself.
        let serves_itself = receivers.is_empty() && *server == Some(thread);
        if serves_itself || fault.kind == FaultKind::Hardware {
            return false;
        }
        let receiver = receivers.first();
        self.thread(thread).fault = Some(fault);
        match receiver {
            Some(handler) => {
                self.endpoint_receivers_remove(endpoint, handler);
                self.hand_fault_over(thread, handler, (endpoint, badge));
                let home = self.thread(handler).home;
                self.switch_to(handler, home);
            }
            None => self.queue_to_be_received(thread, endpoint, badge, Arrival::Fault),
        }
        true
    }

    /// `handler`, which goes on, receives the fault of `thread`, which waits for it.
    pub(crate) fn hand_fault_over(
        &mut self,
        thread: ThreadId,
        handler: ThreadId,
        (endpoint, badge): (Id<Endpoint>, Badge),
    ) {
        let Some(fault) = self.thread(thread).fault else {
            panic!("{thread:?} waits for a handler without a fault");
        };
        let (pc, pid) = (self.registers(thread).pc, self.process_of(thread).1.pid);
        let told = fault.told(pc, pid, self.thread(thread).number);
        self.deliver(handler, Message::fault(&told), badge);
        let server = handler;
        self.hand_over(thread, server, State::Faulted { server, endpoint });
    }

    /// The handler answers the fault of `thread` with this label. Whether the thread is to go on now; if not, its
    /// process ends.
    pub(crate) fn resolve_fault(&mut self, thread: ThreadId, label: Label) -> bool {
        let Some(fault) = self.thread(thread).fault.take() else {
            panic!("the fault of {thread:?} is answered, and there is none");
        };
        if label == Label::DONE {
            // Unlike who waited in a trap, it has something in all of its registers.
            self.cpu().chooses = true;
            return true;
        }
        self.wake(thread);
        self.end_faulting(
            thread,
            fault.kind,
            fault.address,
            &format_args!("{fault}, and its handler did not help"),
        );
        false
    }

    /// `caller`, which is in no queue, waits for what will not come: an answer, or that its message is received.
    pub(crate) fn disappoint(&mut self, caller: ThreadId, why: IpcError) {
        match self.thread(caller).fault.take() {
            Some(fault) => {
                self.wake(caller);
                self.end_faulting(
                    caller,
                    fault.kind,
                    fault.address,
                    &format_args!("{fault}, and its handler did not answer"),
                );
            }
            None => {
                self.refuse(caller, why);
                self.wake(caller);
            }
        }
    }

    /// Gives `handler` a handle of the thread whose fault it has received last.
    pub(crate) fn open_faulted(&mut self, handler: ThreadId) -> Result<Outcome, Errno> {
        let thread = self.thread(handler).caller.filter(|&caller| {
            let thread = self.threads.get(caller);
            thread.is_some_and(
                |thread| matches!(thread.state, State::Faulted { server, .. } if server == handler),
            )
        });
        let thread = thread.ok_or(Errno::ESRCH)?;
        if self.process_of(handler).1.handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        Ok(self.answer_with_handles(handler, (), [Capability::to_thread(thread)]))
    }
}
