//! Decides what players hold of a game's currencies, by the same step as the store's wallets. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked everything named here.

use kernel::{Code, Currency, GameId, Instant, Outcome, Refusal, text};
use std::collections::{BTreeMap, BTreeSet};
use wallet::decide::{AMOUNT_MAX, step};
use wallet::{Entry, Held};

/// The most currencies a game has.
pub const CURRENCIES_MAX: usize = 1_000;
/// The longest reason, in characters.
pub const REASON_MAX: usize = 100;
/// The longest reference, in characters.
pub const REFERENCE_MAX: usize = 200;

/// What a player holds of a currency, by game, player and currency.
pub type Key = (GameId, String, Currency);

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Whose and of which currency.
    pub of: Key,
    /// Minor units to add, or to take when negative; never zero.
    pub amount: i64,
    /// Who asks: `account:ID` or `key:ID`.
    pub counterparty: String,
    /// Why.
    pub reason: String,
    /// What it belongs to, as an order of the game's shop.
    pub reference: String,
}

/// What a batch touches, and the entries it has made so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cash {
    /// The currencies that the games have.
    pub currencies: BTreeSet<(GameId, Currency)>,
    /// What is held; nothing where there is no row.
    pub held: BTreeMap<Key, Held>,
    /// Entries to write, in the order they were decided.
    pub entries: Vec<(Key, Entry)>,
}

/// Checks the words of a posting.
///
/// # Errors
/// One is too short or too long.
pub fn check(reason: &str, reference: &str) -> Result<(), Refusal> {
    text::check("reason", reason, 1, REASON_MAX)?;
    text::check("reference", reference, 0, REFERENCE_MAX)
}

/// An amount as routes take it: the sign is the route's and never the body's.
///
/// # Errors
/// It is not 1 to [`AMOUNT_MAX`].
pub fn positive(amount: i64) -> Result<i64, Refusal> {
    let fits = (1..=AMOUNT_MAX).contains(&amount);
    let refused = || Refusal::new(Code::BadAmount, format!("amount_minor {amount} is outside 1 to {AMOUNT_MAX}"));
    if fits { Ok(amount) } else { Err(refused()) }
}

/// Adds to what a player holds or takes from it. It never goes below zero.
pub fn post(cash: &mut Cash, posting: &Posting, now: Instant) -> Outcome<Entry> {
    let (game, _, currency) = &posting.of;
    if !cash.currencies.contains(&(game.clone(), *currency)) {
        return Err(Refusal::not_found("currency of this game", currency));
    }
    let held = step(cash.held.get(&posting.of).copied().unwrap_or_default(), posting.amount, *currency)?;
    cash.held.insert(posting.of.clone(), held);
    let entry = Entry {
        currency: *currency,
        seq: held.seq,
        amount_minor: posting.amount,
        balance_after_minor: held.balance,
        counterparty: posting.counterparty.clone(),
        reason: posting.reason.clone(),
        reference: posting.reference.clone(),
        at: now,
    };
    cash.entries.push((posting.of.clone(), entry.clone()));
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(player: u8, currency: &str) -> Key {
        ("kart".parse().unwrap(), format!("p{player}"), currency.parse().unwrap())
    }

    fn posting(of: Key, amount: i64) -> Posting {
        Posting { of, amount, counterparty: "key:1".to_owned(), reason: "test".to_owned(), reference: String::new() }
    }

    #[test]
    fn a_currency_that_the_game_does_not_have_is_refused() {
        let mut cash = Cash { currencies: [("maple".parse().unwrap(), "GEM".parse().unwrap())].into(), ..Cash::default() };
        assert_eq!(post(&mut cash, &posting(key(1, "GEM"), 5), Instant(1)).unwrap_err().code, Code::NotFound);
        assert_eq!(positive(0).unwrap_err().code, Code::BadAmount);
        assert_eq!(positive(-5).unwrap_err().code, Code::BadAmount);
    }

    proptest! {
        #[test]
        fn what_is_held_is_always_the_sum_of_its_entries_and_never_negative(
            postings in prop::collection::vec((0..3_u8, prop::bool::ANY, prop_oneof![-100..100_i64, Just(i64::MIN), Just(i64::MAX)]), 0..200)
        ) {
            let gem: Currency = "GEM".parse().unwrap();
            let mut cash = Cash { currencies: [("kart".parse().unwrap(), gem)].into(), ..Cash::default() };
            for (player, known, amount) in postings {
                let before = cash.clone();
                let of = key(player, if known { "GEM" } else { "GOLD" });
                if post(&mut cash, &posting(of, amount), Instant(1)).is_err() {
                    prop_assert_eq!(&before, &cash, "a refusal changes nothing");
                }
            }
            for (of, held) in &cash.held {
                let mine: Vec<&Entry> = cash.entries.iter().filter(|(key, _)| key == of).map(|(_, entry)| entry).collect();
                prop_assert!(held.balance >= 0);
                prop_assert_eq!(held.balance, mine.iter().map(|entry| entry.amount_minor).sum::<i64>());
                prop_assert!(mine.iter().enumerate().all(|(i, entry)| entry.seq == i as i64 + 1));
            }
        }
    }
}
