//! Decides postings. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked every wallet named here.

use crate::model::{Entry, Held, Posting, Wallets};
use kernel::{Code, Currency, Instant, Outcome, Refusal};

/// The largest single amount, in minor units.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000;
/// The largest balance, in minor units: ten thousand largest amounts.
pub const BALANCE_MAX: i64 = 10_000 * AMOUNT_MAX;

/// One step of a ledger, whoever holds it: what is held after an amount came, or went when it is negative.
/// Never below zero or above [`BALANCE_MAX`].
pub fn step(held: Held, amount: i64, currency: Currency) -> Outcome<Held> {
    if amount == 0 || amount.unsigned_abs() > AMOUNT_MAX.unsigned_abs() {
        return Err(Refusal::new(Code::BadAmount, format!("amount {amount} is not 1 to {AMOUNT_MAX} minor units")));
    }
    let balance = held.balance.checked_add(amount).filter(|balance| *balance <= BALANCE_MAX);
    let Some(balance) = balance else {
        return Err(Refusal::new(Code::BadAmount, format!("{amount} more would take the wallet above {BALANCE_MAX} minor units")));
    };
    if balance < 0 {
        let facts = serde_json::json!({ "balance_minor": held.balance, "needed_minor": -amount, "currency": currency });
        let told = format!("the wallet holds {} {currency} and {} are needed", held.balance, -amount);
        return Err(Refusal::new(Code::InsufficientFunds, told).with_facts(facts));
    }
    Ok(Held { balance, seq: held.seq + 1 })
}

/// Adds to a wallet or takes from it.
pub fn post(wallets: &mut Wallets, posting: &Posting, now: Instant) -> Outcome<Entry> {
    let amount = posting.money.minor;
    let key = (posting.user, posting.money.currency);
    let held = step(wallets.held.get(&key).copied().unwrap_or_default(), amount, posting.money.currency)?;
    wallets.held.insert(key, held);
    let entry = Entry {
        currency: posting.money.currency,
        seq: held.seq,
        amount_minor: amount,
        balance_after_minor: held.balance,
        counterparty: posting.counterparty.clone(),
        reason: posting.reason.to_owned(),
        reference: posting.reference.clone(),
        at: now,
    };
    wallets.entries.push((posting.user, entry.clone()));
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Money, UserId, Uuid};
    use proptest::prelude::*;

    fn posting(user: u8, minor: i64) -> Posting {
        Posting {
            user: UserId(Uuid::from_bytes([user; 16])),
            money: Money { minor, currency: Currency::POINTS },
            counterparty: "test".to_owned(),
            reason: "charge",
            reference: String::new(),
        }
    }

    proptest! {
        #[test]
        fn a_balance_is_always_the_sum_of_its_entries_and_never_negative(
            postings in prop::collection::vec((0..4_u8, prop_oneof![-100..100_i64, Just(i64::MIN), Just(i64::MAX), Just(AMOUNT_MAX)]), 0..200)
        ) {
            let mut wallets = Wallets::default();
            for (user, minor) in postings {
                let before = wallets.clone();
                if post(&mut wallets, &posting(user, minor), Instant(1)).is_err() {
                    prop_assert_eq!(&before.entries, &wallets.entries, "a refusal writes nothing");
                }
            }
            for ((user, currency), held) in &wallets.held {
                let mine: Vec<&Entry> = wallets.entries.iter().filter(|(u, e)| u == user && e.currency == *currency).map(|(_, e)| e).collect();
                prop_assert!(held.balance >= 0);
                prop_assert_eq!(held.balance, mine.iter().map(|e| e.amount_minor).sum::<i64>());
                prop_assert!(mine.iter().enumerate().all(|(i, e)| e.seq == i as i64 + 1));
                prop_assert_eq!(held.balance, mine.last().map_or(0, |e| e.balance_after_minor));
            }
        }
    }
}
