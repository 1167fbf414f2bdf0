//! A player: sends messages until there were enough of all together, or it is ended, or ends itself.

use crate::message::{Known, Sent};
use abi::memory::LowerQuota;
use abi::process::Fork;
use abi::{Handle, Request};
use core::sync::atomic::Ordering::Relaxed;
use rt::shm::{Attachment, Region};
use rt::svc::trap_with;
use rt::sys::memory::lower_quota;
use rt::sys::process::close;
use rt::{Credential, Error, Incoming, Outcome, Outgoing};
use tests::Random;

/// The players' users.
const USERS: [u32; 2] = [4001, 4002];
/// What a player may have mapped, so that there is memory for all.
const QUOTA: LowerQuota = LowerQuota {
    pages: 1024,
    mappings: 64,
};

/// Whether this user is a player.
pub fn is_user(uid: u32) -> bool {
    USERS.contains(&uid)
}

/// What all of them share: how many messages they have sent.
pub struct Board(Attachment);

impl Board {
    /// A new one, which forks inherit.
    pub fn create() -> Result<Self, Error> {
        Region::create(abi::layout::PAGE_BYTES)?.attach().map(Self)
    }

    /// How many messages were sent.
    pub fn sent(&self) -> u64 {
        self.0.words()[0].load(Relaxed)
    }

    fn count(&self) {
        self.0.words()[0].fetch_add(1, Relaxed);
    }
}

/// The life of player `number`, which knows `broker`.
pub fn live(board: &Board, broker: Handle, number: u64, messages: u64) -> Outcome {
    let mut random = Random::new(number);
    // The system would be switched off, and the console is for the leader.
    close(Handle::PARENT)?;
    close(Handle::CONSOLE)?;
    lower_quota(Handle::MEMORY, QUOTA)?;
    let user = random.one_of(&USERS);
    Credential::new(user, user).give_to(Handle::SELF)?;
    let mut known = Known::new(broker);
    let mut incoming = Incoming::new();
    while board.sent() < messages {
        board.count();
        let sent = known.next(&mut random);
        let Sent { registers, page } = &sent;
        let outgoing = Outgoing {
            bytes: &page.bytes,
            handles: &page.handles,
        };
        let answer = trap_with(*registers, outgoing, &mut incoming);
        known.learn(&sent, &answer, incoming.handles());
        if registers[1] as u16 == Fork::LABEL.0 {
            // Parent and child go on differently: only one of them is told a number that is not 0.
            random = Random::new(random.word() ^ answer[2]);
        }
    }
    Ok(())
}
