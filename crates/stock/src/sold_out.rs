//! A flag per product that says sold out without asking the database.
//! Refuses to outlive the truth: a flag lives 200 ms, then one request is let through to look.
//! Refuses to speak to those who have a copy, as far as it knows them: what they repeat has its first answer in the database.

use kernel::{ProductId, UserId};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a flag is believed.
pub const BELIEVED_FOR: Duration = Duration::from_millis(200);
/// Products that are remembered at most; beyond it the oldest are forgotten, which costs them a look at the database.
const REMEMBERED_MAX: usize = 100_000;

/// The flags of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SoldOut {
    flags: Arc<Mutex<HashMap<ProductId, Flag>>>,
    holders: Arc<Mutex<HashMap<ProductId, Arc<HashSet<UserId>>>>>,
}

#[derive(Debug, Clone, Copy)]
struct Flag {
    version: i64,
    sold_out: bool,
    until: Instant,
}

impl SoldOut {
    /// Remembers what a committed stock row said; an older row than the last one changes nothing.
    pub fn note(&self, product: ProductId, version: i64, available: i64) {
        let mut flags = self.flags.lock();
        if flags.len() >= REMEMBERED_MAX && !flags.contains_key(&product) {
            flags.clear();
            self.holders.lock().clear();
        }
        // Without its holders a flag would speak to them too.
        let sold_out = available < 1 && self.holders.lock().contains_key(&product);
        let flag = Flag { version, sold_out, until: Instant::now() + BELIEVED_FOR };
        let known = flags.entry(product).or_insert(flag);
        if version >= known.version {
            *known = flag;
        }
    }

    /// Takes a flag back, because copies were sold or came back: whoever asks next looks, and who has a copy is not known any more.
    /// Called before the commit too; a flag that was taken back for nothing costs one look.
    pub fn changed(&self, product: ProductId, version: i64) {
        if let Some(flag) = self.flags.lock().get_mut(&product)
            && version >= flag.version
        {
            *flag = Flag { version, sold_out: false, ..*flag };
        }
    }

    /// Remembers who has a copy; `None` where they are too many, so that no flag speaks.
    pub fn know_holders(&self, product: ProductId, holders: Option<HashSet<UserId>>) {
        let mut known = self.holders.lock();
        match holders {
            Some(holders) => drop(known.insert(product, Arc::new(holders))),
            None => drop(known.remove(&product)),
        }
    }

    /// True when the product is known to be sold out. Once the flag is old, one caller is told false and so looks again.
    pub fn is_sold_out(&self, product: ProductId, user: UserId) -> bool {
        if self.holders.lock().get(&product).is_some_and(|holders| holders.contains(&user)) {
            return false;
        }
        let mut flags = self.flags.lock();
        let Some(flag) = flags.get_mut(&product) else { return false };
        if !flag.sold_out {
            return false;
        }
        let now = Instant::now();
        if now >= flag.until {
            flag.until = now + BELIEVED_FOR;
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCT: ProductId = ProductId(7);
    const LOSER: UserId = UserId(kernel::Uuid::nil());
    const WINNER: UserId = UserId(kernel::Uuid::max());

    fn flags() -> SoldOut {
        let flags = SoldOut::default();
        flags.know_holders(PRODUCT, Some(HashSet::from([WINNER])));
        flags
    }

    #[test]
    fn a_copy_that_is_sold_or_comes_back_takes_the_flag_back() {
        let flags = flags();
        flags.note(PRODUCT, 3, 0);
        flags.changed(PRODUCT, 2);
        assert!(flags.is_sold_out(PRODUCT, LOSER), "an older row changes nothing");
        flags.changed(PRODUCT, 4);
        assert!(!flags.is_sold_out(PRODUCT, LOSER) && !flags.is_sold_out(PRODUCT, LOSER), "everybody looks");
        flags.note(PRODUCT, 4, 0);
        assert!(flags.is_sold_out(PRODUCT, LOSER), "the next refusal sets it again");
    }

    #[test]
    fn with_more_holders_than_are_known_no_flag_speaks() {
        let flags = flags();
        flags.know_holders(PRODUCT, None);
        flags.note(PRODUCT, 1, 0);
        assert!(!flags.is_sold_out(PRODUCT, LOSER));
    }

    #[test]
    fn who_has_a_copy_is_not_told_sold_out_and_without_holders_nobody_is() {
        let flags = flags();
        flags.note(PRODUCT, 1, 0);
        assert!(flags.is_sold_out(PRODUCT, LOSER));
        assert!(!flags.is_sold_out(PRODUCT, WINNER));
        let unknown = SoldOut::default();
        unknown.note(PRODUCT, 1, 0);
        assert!(!unknown.is_sold_out(PRODUCT, LOSER));
    }

    #[test]
    fn an_older_row_does_not_unset_a_newer_flag() {
        let flags = flags();
        flags.note(PRODUCT, 5, 0);
        flags.note(PRODUCT, 4, 3);
        assert!(flags.is_sold_out(PRODUCT, LOSER));
        flags.note(PRODUCT, 6, 1);
        assert!(!flags.is_sold_out(PRODUCT, LOSER));
    }

    #[test]
    fn once_a_flag_is_old_one_caller_looks_and_the_others_are_still_told() {
        let flags = flags();
        flags.note(PRODUCT, 1, 0);
        flags.flags.lock().get_mut(&PRODUCT).unwrap().until = Instant::now();
        assert!(!flags.is_sold_out(PRODUCT, LOSER), "the first looks");
        assert!(flags.is_sold_out(PRODUCT, LOSER), "the second is told");
    }
}
