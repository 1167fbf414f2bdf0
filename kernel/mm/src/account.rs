//! Whose regions there are: how many of each user, and how many pages they have.
//!
//! A region is its creator's for this purpose, whoever owns, attaches or touches it, until it is
//! destroyed. So nobody's share grows by what others do.

use crate::identity::Uid;
use abi::memory::UserUsage;
use slots::trie::{Below, Node, Trie};
use slots::{Id, Slot, Slots};

/// What one user has. Users who have nothing have no account.
pub struct Account {
    uid: Uid,
    regions: u32,
    pages: u64,
    below: Below<Self>,
}

impl Node for Account {
    type Number = u32;

    fn number(&self) -> u32 {
        self.uid.0
    }

    fn below(&self) -> Below<Self> {
        self.below
    }

    fn below_mut(&mut self) -> &mut Below<Self> {
        &mut self.below
    }
}

/// All accounts.
pub(crate) struct Accounts {
    slots: Slots<Account>,
    by_uid: Trie<Account>,
}

impl Accounts {
    pub fn new(slots: &'static mut [Slot<Account>]) -> Self {
        Self {
            slots: Slots::new(slots),
            by_uid: Trie::EMPTY,
        }
    }

    /// What a user has.
    pub fn usage(&self, uid: Uid) -> UserUsage {
        let account = self.find(uid).and_then(|id| self.slots.get(id));
        account.map_or(UserUsage::NOTHING, |account| UserUsage {
            segments: account.regions,
            pages: account.pages,
        })
    }

    /// Whether something can be charged to a user: it has an account, or can get one.
    pub fn is_open_to(&self, uid: Uid) -> bool {
        self.slots.available() > 0 || self.find(uid).is_some()
    }

    /// Charges a region to a user, to whom this is open.
    pub fn charge(&mut self, uid: Uid, pages: u64) {
        let account = self.find(uid).or_else(|| self.open(uid));
        if let Some(account) = account.and_then(|id| self.slots.get_mut(id)) {
            account.regions += 1;
            account.pages += pages;
        }
    }

    /// Takes back what was charged.
    pub fn discharge(&mut self, uid: Uid, pages: u64) {
        let Some(id) = self.find(uid) else { return };
        let Some(account) = self.slots.get_mut(id) else {
            return;
        };
        account.regions -= 1;
        account.pages -= pages;
        if account.regions == 0 {
            self.by_uid.remove(&mut self.slots, id, uid.0);
            self.slots.remove(id);
        }
    }

    /// Users that have an account. For checks.
    pub fn users(&self) -> impl Iterator<Item = Uid> {
        self.slots.iter().map(|(_, account)| account.uid)
    }

    fn find(&self, uid: Uid) -> Option<Id<Account>> {
        self.by_uid.find(&self.slots, uid.0)
    }

    fn open(&mut self, uid: Uid) -> Option<Id<Account>> {
        let account = Account {
            uid,
            regions: 0,
            pages: 0,
            below: [None; 2],
        };
        let id = self.slots.insert(account).ok()?;
        self.by_uid.insert(&mut self.slots, id, uid.0);
        Some(id)
    }
}
