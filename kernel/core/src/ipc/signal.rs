//! Signals: bits that an endpoint keeps until somebody receives there.
//!
//! A signal never waits and carries nothing but bits, so it is what an interrupt becomes, and what tells
//! somebody who must not be waited for. Signals that nobody has received yet are or-ed together.

use super::Endpoint;
use crate::handle::Object;
use crate::here::{Here, There};
use crate::kernel::Kernel;
use crate::message::Message;
use crate::object::Call;
use crate::platform::{Local, Platform};
use crate::sched::CpuId;
use crate::thread::ThreadId;
use abi::{Badge, Errno, Handle, IpcError, Label, Rights};
use slots::Id;

/// Whom something that happens is told by signals. The endpoint is not kept: if it is gone, nobody is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignalTarget {
    endpoint: Id<Endpoint>,
    bits: u64,
}

impl SignalTarget {
    /// The endpoint at which it is told.
    pub(crate) const fn endpoint(self) -> Id<Endpoint> {
        self.endpoint
    }
}

impl<P: Platform> Kernel<P> {
    /// Signals `bits`, or those of the handle's badge if it has one. The signalling thread goes on.
    ///
    /// # Errors
    /// `handle` is no endpoint, or cannot signal; or nobody can ever receive there.
    pub(crate) fn signal(&mut self, thread: ThreadId, handle: Handle, bits: u64) -> Result<(), IpcError> {
        let capability = self.capability(thread, handle, Rights::SIGNAL)?;
        let Object::Endpoint(endpoint) = capability.object else {
            return Err(IpcError::NotPermitted);
        };
        if self.endpoint(endpoint).receiving == 0 {
            return Err(IpcError::PeerGone);
        }
        self.deliver(thread, Message::empty(Label::DONE), Badge(0));
        self.add_signals(endpoint, signalled_by(capability.badge, bits));
        Ok(())
    }

    /// What the one handle that came along with `call` is a target for: the bits of its badge, or the lowest.
    ///
    /// # Errors
    /// `EINVAL` not one handle came along; `EBADF` it names no endpoint; `EPERM` it is not one to signal with.
    pub(crate) fn signal_target(&mut self, call: &Call<'_>) -> Result<SignalTarget, Errno> {
        let (endpoint, badge) = self.passed_endpoint(call, Rights::SIGNAL)?;
        Ok(SignalTarget {
            endpoint,
            bits: badge.0.max(1),
        })
    }

    /// The endpoint whose handle, with these rights, is the one that came along with `call`, and its badge.
    ///
    /// # Errors
    /// `EINVAL` not one handle came along; `EBADF` it names no endpoint; `EPERM` it lacks these rights.
    pub(crate) fn passed_endpoint(
        &mut self,
        call: &Call<'_>,
        rights: Rights,
    ) -> Result<(Id<Endpoint>, Badge), Errno> {
        if call.tag.handles() != 1 {
            return Err(Errno::EINVAL);
        }
        let handle = Handle::from_raw(self.message().handles[0]);
        let passed = self
            .capability(call.thread, handle, Rights::PASS)
            .map_err(|_| Errno::EBADF)?;
        match passed.object {
            Object::Endpoint(_) if !passed.rights.contains(rights) => Err(Errno::EPERM),
            Object::Endpoint(endpoint) => Ok((endpoint, passed.badge)),
            _ => Err(Errno::EBADF),
        }
    }

    /// Tells `target`, if there is anybody to be told.
    pub(crate) fn signal_to(&mut self, target: SignalTarget) {
        if self.can_be_told(target) {
            self.add_signals(target.endpoint, target.bits);
        }
    }

    /// Whether anybody can ever receive there.
    pub(crate) fn can_be_told(&self, target: SignalTarget) -> bool {
        let endpoint = self.endpoints.get(target.endpoint);
        endpoint.is_some_and(|endpoint| endpoint.receiving > 0)
    }

    /// Adds signals, which go to the first who waits to receive.
    pub(crate) fn add_signals(&mut self, id: Id<Endpoint>, bits: u64) {
        let endpoint = self.endpoint(id);
        endpoint.signals |= bits;
        if let Some(receiver) = endpoint.receivers.first()
            && let Some(bits) = endpoint.take_due_signals()
        {
            self.endpoint_receivers_remove(id, receiver);
            self.deliver_signals(receiver, bits);
            self.wake(receiver);
        }
    }

    /// Puts signals into the registers of `receiver`.
    pub(crate) fn deliver_signals(&mut self, receiver: ThreadId, bits: u64) {
        self.deliver(receiver, Message::signals(&[bits, 0, 0, 0, 0, 0]), Badge(0));
    }
}

/// What is signalled through a handle with this mark by whoever says `bits`: the mark, if there is one.
#[inline]
pub(super) const fn signalled_by(badge: Badge, bits: u64) -> u64 {
    match badge {
        Badge(0) => bits,
        Badge(own) => own,
    }
}

/// Whether somebody was told of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// It was signalled.
    Yes,
    /// Not yet: whoever receives is at home on this other CPU, and it takes that one's turn.
    At(CpuId),
    /// No, and it takes the whole kernel.
    No,
}

impl<L: Local> Here<'_, L> {
    /// Tells `target`, if whoever receives there is at home here, or on the other CPU whose turn this one has. If not, that
    /// one may have become the home of whoever receives, and nothing else has happened.
    pub fn tell(&mut self, there: Option<&mut There<'_>>, target: SignalTarget) -> Told {
        self.try_to_tell(there, target).unwrap_or(Told::No)
    }

    fn try_to_tell(&mut self, there: Option<&mut There<'_>>, target: SignalTarget) -> Option<Told> {
        let mut endpoint = self.endpoints.take(target.endpoint)?;
        if endpoint.receiving == 0 {
            return None;
        }
        let Some(receiver) = endpoint.receivers.first() else {
            endpoint.signals |= target.bits;
            return Some(Told::Yes);
        };
        if let Some(there) = there {
            if there.who_stays(receiver, self.shown).is_some() {
                endpoint.signals_go_to_first(&mut self.cpu.queued);
                drop(endpoint);
                self.deliver_signals(receiver, target.bits);
                self.wake_there(there, receiver);
                return Some(Told::Yes);
            }
            there.let_come(receiver, self.id)?;
        }
        let Some(to) = self.threads.get_mut(receiver) else {
            drop(endpoint);
            return self.home_of(receiver).map(Told::At);
        };
        if !to.may_run_on(self.id) {
            return None;
        }
        endpoint.signals_go_to_first(&mut self.cpu.queued);
        drop(endpoint);
        self.deliver_signals(receiver, target.bits);
        self.make_ready(receiver);
        Some(Told::Yes)
    }
}

impl Endpoint {
    /// The signals, if there are any and it is their turn: they and messages are received alternately, so
    /// that neither keeps the other waiting for ever.
    pub(crate) fn take_due_signals(&mut self) -> Option<u64> {
        if self.signals == 0 {
            return None;
        }
        self.signals_came_last = self.signals_are_due();
        self.signals_came_last.then(|| core::mem::take(&mut self.signals))
    }

    /// Whether there are any, and it is their turn.
    pub(super) fn signals_are_due(&self) -> bool {
        self.signals != 0 && (!self.signals_came_last || self.callers.is_empty())
    }
}
