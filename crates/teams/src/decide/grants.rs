//! Decides about currencies granted to many: what goes on the list, and how it is worked off. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked the grants, their lists and what the players hold.

use super::cash::{self, Cash, Posting};
use crate::model::{Added, Grant, GrantState, Listed};
use kernel::{Code, GameId, GrantId, Instant, Outcome, Refusal};
use std::collections::BTreeMap;

/// The most players of one grant.
pub const PLAYERS_MAX: i64 = 1_000_000;
/// The most players of one piece of a list.
pub const PIECE_MAX: usize = 5_000;
/// Players that one step sees to: about what a writer's turn may take.
pub const STEP_PLAYERS: i64 = 500;

/// A grant while a batch is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its game.
    pub game: GameId,
    /// The grant.
    pub grant: Grant,
    /// What of its list is loaded: amounts by player.
    pub listed: BTreeMap<String, i64>,
    /// Players put on the list since: name, place, amount.
    pub added: Vec<(String, i64, i64)>,
}

/// What is done to a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Its list is whole: it begins.
    Start,
    /// It stops where it is.
    Cancel,
}

/// Puts players on the list. A piece that is sent again adds nobody.
pub fn add(held: &mut Held, piece: &[Listed], now: Instant) -> Outcome<Added> {
    let mut new: BTreeMap<&str, i64> = BTreeMap::new();
    let mut known = 0;
    for Listed { player, amount_minor } in piece {
        match held.listed.get(player.as_str()).or_else(|| new.get(player.as_str())) {
            None => drop(new.insert(player, *amount_minor)),
            Some(before) if before == amount_minor => known += 1,
            Some(before) => {
                let told = format!("player {player:?} is on the list with {before} already: the same amount, or nothing, would be right");
                return Err(Refusal::new(Code::AlreadyExists, told));
            }
        }
    }
    let total = held.grant.total + new.len() as i64;
    if !new.is_empty() && held.grant.state != GrantState::Open {
        return Err(wrong_state(&held.grant, "players are put on the list of an open grant"));
    }
    if total > PLAYERS_MAX {
        return Err(Refusal::new(
            Code::LimitReached,
            format!("the list would have {total} players and {PLAYERS_MAX} fit: another grant would be right"),
        ));
    }
    let added = new.len() as i64;
    for (place, (player, amount)) in (held.grant.total + 1..).zip(&new) {
        held.added.push(((*player).to_owned(), place, *amount));
    }
    if added > 0 {
        held.grant.total = total;
        held.grant.changed_at = now;
    }
    held.listed.extend(new.into_iter().map(|(player, amount)| (player.to_owned(), amount)));
    Ok(Added { added, known, total })
}

/// Starts or cancels. Doing it again changes nothing.
pub fn change(grant: &mut Grant, change: Change, now: Instant) -> Outcome<Grant> {
    let to = match (change, grant.state) {
        (Change::Start, GrantState::Open) if grant.total == 0 => {
            return Err(wrong_state(grant, "its list is empty: put players on it first"));
        }
        (Change::Start, GrantState::Open) => GrantState::Running,
        (Change::Start, GrantState::Running | GrantState::Done) | (Change::Cancel, GrantState::Cancelled) => return Ok(grant.clone()),
        (Change::Start, GrantState::Cancelled) => return Err(wrong_state(grant, "a new grant would be right")),
        (Change::Cancel, GrantState::Open | GrantState::Running) => GrantState::Cancelled,
        (Change::Cancel, GrantState::Done) => return Err(wrong_state(grant, "everybody has been seen to")),
    };
    grant.state = to;
    grant.changed_at = now;
    Ok(grant.clone())
}

fn wrong_state(grant: &Grant, why: &str) -> Refusal {
    Refusal::new(Code::WrongState, format!("the grant is {}: {why}", grant.state.as_str()))
}

/// Gives the next players of the list what is theirs; returns those who could not get it, with the reason.
pub fn step(game: &GameId, grant: &mut Grant, next: &[(i64, String, i64)], cash: &mut Cash, now: Instant) -> Vec<(String, &'static str)> {
    let mut refused = Vec::new();
    for (place, player, amount) in next {
        let posting = Posting {
            of: (game.clone(), player.clone(), grant.currency),
            amount: *amount,
            counterparty: grant.created_by.clone(),
            reason: grant.reason.clone(),
            reference: reference(grant.grant),
        };
        if let Err(refusal) = cash::post(cash, &posting, now) {
            refused.push((player.clone(), refusal.code.as_str()));
            grant.refused += 1;
        }
        grant.done = *place;
    }
    if grant.done >= grant.total {
        grant.state = GrantState::Done;
    }
    grant.changed_at = now;
    refused
}

/// What stands in the history of a player who was granted something.
pub fn reference(grant: GrantId) -> String {
    format!("grant/{grant}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held() -> Held {
        let grant = Grant {
            grant: GrantId(kernel::Uuid::nil()),
            currency: "GEM".parse().unwrap(),
            reason: "opening".to_owned(),
            state: GrantState::Open,
            total: 0,
            done: 0,
            refused: 0,
            created_by: "key:1".to_owned(),
            created_at: Instant(0),
            changed_at: Instant(0),
        };
        Held { game: "kart".parse().unwrap(), grant, listed: BTreeMap::new(), added: Vec::new() }
    }

    fn listed(player: &str, amount_minor: i64) -> Listed {
        Listed { player: player.to_owned(), amount_minor }
    }

    #[test]
    fn a_piece_that_is_sent_again_adds_nobody_and_another_amount_is_refused() {
        let mut held = held();
        let piece = [listed("p1", 5), listed("p2", 7), listed("p1", 5)];
        assert_eq!(add(&mut held, &piece, Instant(1)), Ok(Added { added: 2, known: 1, total: 2 }));
        assert_eq!(add(&mut held, &piece, Instant(1)), Ok(Added { added: 0, known: 3, total: 2 }));
        let before = held.clone();
        assert_eq!(add(&mut held, &[listed("p3", 1), listed("p2", 8)], Instant(2)).unwrap_err().code, Code::AlreadyExists);
        assert_eq!(held, before, "a refusal puts nobody on the list");
    }

    #[test]
    fn a_grant_goes_its_way_once() {
        let mut held = held();
        assert_eq!(change(&mut held.grant, Change::Start, Instant(1)).unwrap_err().code, Code::WrongState);
        add(&mut held, &[listed("p1", 5)], Instant(1)).unwrap();
        assert_eq!(change(&mut held.grant, Change::Start, Instant(2)).unwrap().state, GrantState::Running);
        assert_eq!(change(&mut held.grant, Change::Start, Instant(3)).unwrap().changed_at, Instant(2), "again is nothing");
        assert_eq!(add(&mut held, &[listed("p2", 5)], Instant(3)).unwrap_err().code, Code::WrongState);
        assert!(add(&mut held, &[listed("p1", 5)], Instant(3)).is_ok(), "a late repeat of a piece is answered");
        assert_eq!(change(&mut held.grant, Change::Cancel, Instant(4)).unwrap().state, GrantState::Cancelled);
        assert_eq!(change(&mut held.grant, Change::Start, Instant(5)).unwrap_err().code, Code::WrongState);
    }

    #[test]
    fn who_holds_as_much_as_a_ledger_takes_is_refused_and_the_others_are_not() {
        let mut held = held();
        add(&mut held, &[listed("p1", 5), listed("p2", 5)], Instant(1)).unwrap();
        change(&mut held.grant, Change::Start, Instant(1)).unwrap();
        let full = wallet::Held { balance: wallet::decide::BALANCE_MAX, seq: 7 };
        let key = |player: &str| (held.game.clone(), player.to_owned(), held.grant.currency);
        let currencies = [(held.game.clone(), held.grant.currency)].into();
        let mut cash = Cash { currencies, held: [(key("p1"), full)].into(), entries: Vec::new() };
        let next = [(1, "p1".to_owned(), 5), (2, "p2".to_owned(), 5)];
        let (p1, p2) = (key("p1"), key("p2"));
        assert_eq!(step(&held.game, &mut held.grant, &next, &mut cash, Instant(2)), [("p1".to_owned(), "bad-amount")]);
        assert_eq!((held.grant.state, held.grant.done, held.grant.refused), (GrantState::Done, 2, 1));
        assert_eq!((cash.held[&p1], cash.held[&p2].balance), (full, 5));
    }

    proptest! {
        #[test]
        fn everybody_gets_theirs_once_however_the_list_is_cut(amounts in prop::collection::vec(1..100_i64, 1..60), steps in prop::collection::vec(1..9_usize, 60)) {
            let mut held = held();
            let list: Vec<Listed> = amounts.iter().enumerate().map(|(i, amount)| listed(&format!("p{i:03}"), *amount)).collect();
            for piece in list.chunks(7) {
                add(&mut held, piece, Instant(1)).unwrap();
            }
            change(&mut held.grant, Change::Start, Instant(1)).unwrap();
            let mut cash = Cash { currencies: [(held.game.clone(), held.grant.currency)].into(), ..Cash::default() };
            for size in steps {
                let next: Vec<(i64, String, i64)> = held.added.iter().filter(|(_, place, _)| *place > held.grant.done).take(size)
                    .map(|(player, place, amount)| (*place, player.clone(), *amount)).collect();
                if held.grant.state == GrantState::Running {
                    prop_assert!(step(&held.game, &mut held.grant, &next, &mut cash, Instant(2)).is_empty());
                }
            }
            prop_assert_eq!(held.grant.state, GrantState::Done);
            prop_assert_eq!(cash.entries.len(), amounts.len());
            for one in &list {
                prop_assert_eq!(cash.held[&(held.game.clone(), one.player.clone(), held.grant.currency)].balance, one.amount_minor);
            }
        }
    }
}
