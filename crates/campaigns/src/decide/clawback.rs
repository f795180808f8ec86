//! Decides what is taken back when a purchase is refunded: all that is still there, and never more than there is.
//! The gate of the claim's account is held; its wallet, library rows and fulfilments are locked.

use super::claims::reference;
use crate::model::{Claim, ClaimState, FulfilmentState, Granted, Key};
use kernel::{ClaimId, FulfilmentId, Instant, Money};
use library::{Library, Source};
use std::collections::{BTreeMap, BTreeSet};
use wallet::{Posting, Wallets};

/// What a batch of clawbacks has loaded, and what it changes.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Achievements of purchases; those without a claim were not granted yet.
    pub claims: BTreeMap<Key, Option<Claim>>,
    /// Where the claims' fulfilments stand.
    pub fulfilments: BTreeMap<FulfilmentId, FulfilmentState>,
    /// Products of the claims' accounts.
    pub library: Library,
    /// Wallets of the claims' accounts.
    pub wallets: Wallets,
    /// Claims to write that were not there.
    pub added: BTreeSet<Key>,
    /// Claims that changed.
    pub changed: BTreeSet<Key>,
    /// Fulfilments that were called off before they were handed out.
    pub called_off: BTreeSet<FulfilmentId>,
    /// Fulfilments that the game team has to take back.
    pub to_take_back: BTreeSet<FulfilmentId>,
}

/// Takes back what an achievement brought; what was not granted yet never will be. Whether anything changed.
pub fn claw_back(state: &mut State, key: &Key, id: ClaimId, now: Instant) -> bool {
    match state.claims.get(key).cloned() {
        Some(None) => {
            let claim =
                Claim { id, state: ClaimState::ClawedBack, user: None, granted_at: None, clawed_back_at: Some(now), rewards: Vec::new() };
            state.claims.insert(key.clone(), Some(claim));
            state.added.insert(key.clone());
            true
        }
        Some(Some(mut claim)) if claim.state == ClaimState::Granted => {
            let taken: Vec<i64> = (0..claim.rewards.len()).map(|place| take(state, &claim, place, now)).collect();
            claim.rewards.iter_mut().zip(taken).for_each(|(reward, taken)| reward.1 = taken);
            claim.state = ClaimState::ClawedBack;
            claim.clawed_back_at = Some(now);
            state.claims.insert(key.clone(), Some(claim));
            state.changed.insert(key.clone());
            true
        }
        _ => false,
    }
}

/// Takes one reward back; how much of it was still there.
fn take(state: &mut State, claim: &Claim, place: usize, now: Instant) -> i64 {
    match (&claim.rewards[place].0, claim.user) {
        (Granted::Points { amount, currency }, Some(user)) => {
            let held = state.wallets.held.get(&(user, *currency)).map_or(0, |held| held.balance);
            // What was spent already stays spent: a wallet never goes below zero.
            let taken = held.min(*amount);
            if taken > 0 {
                let posting = Posting {
                    user,
                    money: Money { minor: -taken, currency: *currency },
                    counterparty: "campaign".to_owned(),
                    reason: "clawback",
                    reference: reference(claim.id, place),
                };
                wallet::decide::post(&mut state.wallets, &posting, now).expect("no more is taken than the wallet holds");
            }
            taken
        }
        (Granted::Product { product }, Some(user)) => {
            i64::from(library::decide::remove(&mut state.library, user, *product, Source::Reward(claim.id)).is_ok())
        }
        (Granted::Item { quantity, fulfilment, .. }, _) => match state.fulfilments.get(fulfilment) {
            Some(FulfilmentState::Pending | FulfilmentState::Parked) => {
                state.fulfilments.insert(*fulfilment, FulfilmentState::Failed);
                state.called_off.insert(*fulfilment);
                *quantity
            }
            Some(FulfilmentState::Delivered | FulfilmentState::Acknowledged) => {
                state.to_take_back.insert(*fulfilment);
                0
            }
            _ => 0,
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Currency, ProductId, UserId, Uuid};

    fn key() -> Key {
        Key { game: "kart".parse().unwrap(), player: "p1".to_owned(), number: 1, lineage: 1, goal: 0, period: 0, n: 1 }
    }

    fn id(n: u8) -> ClaimId {
        ClaimId(Uuid::from_bytes([n; 16]))
    }

    #[test]
    fn what_was_not_granted_yet_is_never_granted() {
        let mut state = State { claims: [(key(), None)].into(), ..State::default() };
        assert!(claw_back(&mut state, &key(), id(1), Instant(5)));
        let claim = state.claims[&key()].clone().unwrap();
        assert_eq!((claim.state, claim.granted_at, claim.rewards.len()), (ClaimState::ClawedBack, None, 0));
        assert!(!claw_back(&mut state, &key(), id(2), Instant(6)), "once is enough");
        assert_eq!(state.added.len(), 1);
    }

    #[test]
    fn all_that_is_still_there_is_taken_and_no_more() {
        let user = UserId(Uuid::from_bytes([9; 16]));
        let (product, fulfilment) = (ProductId(7), FulfilmentId(Uuid::from_bytes([3; 16])));
        let points = Granted::Points { amount: 100, currency: Currency::POINTS };
        let item = Granted::Item { item: "wheel".to_owned(), quantity: 2, fulfilment };
        let rewards = vec![(points, 0), (Granted::Product { product }, 0), (item, 0)];
        let claim =
            Claim { id: id(1), state: ClaimState::Granted, user: Some(user), granted_at: Some(Instant(1)), clawed_back_at: None, rewards };
        let mut state = State { claims: [(key(), Some(claim))].into(), ..State::default() };
        state.wallets.held.insert((user, Currency::POINTS), wallet::model::Held { balance: 30, seq: 4 });
        library::decide::add(&mut state.library, user, product, Source::Reward(id(1)), Instant(1)).unwrap();
        state.fulfilments.insert(fulfilment, FulfilmentState::Pending);

        assert!(claw_back(&mut state, &key(), id(2), Instant(5)));

        let taken: Vec<i64> = state.claims[&key()].as_ref().unwrap().rewards.iter().map(|(_, taken)| *taken).collect();
        assert_eq!(taken, [30, 1, 2]);
        assert_eq!(state.wallets.held[&(user, Currency::POINTS)].balance, 0);
        assert!(state.library.rows.is_empty());
        assert_eq!(state.called_off, [fulfilment].into());
    }

    #[test]
    fn what_was_handed_out_is_left_to_the_game_team() {
        let fulfilment = FulfilmentId(Uuid::from_bytes([3; 16]));
        let item = Granted::Item { item: "wheel".to_owned(), quantity: 2, fulfilment };
        let claim = Claim {
            id: id(1),
            state: ClaimState::Granted,
            user: None,
            granted_at: Some(Instant(1)),
            clawed_back_at: None,
            rewards: vec![(item, 0)],
        };
        let mut state = State { claims: [(key(), Some(claim))].into(), ..State::default() };
        state.fulfilments.insert(fulfilment, FulfilmentState::Acknowledged);
        assert!(claw_back(&mut state, &key(), id(2), Instant(5)));
        assert_eq!((state.to_take_back, state.called_off), ([fulfilment].into(), BTreeSet::new()));
    }
}
