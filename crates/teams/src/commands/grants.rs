//! Currencies granted to many: a list that comes in pieces, worked off step by step, each step one transaction with how far it came.
//! Refuses to give twice: a process that dies leaves a step done or not done, and the next one goes on behind it.

mod purge;
mod rows;

pub use purge::PurgeGrants;

use super::cash_rows;
use crate::answers::Answers;
use crate::decide::cash::{self, Key};
use crate::decide::grants::{self, Change, Held, PIECE_MAX};
use crate::model::{Added, Grant, GrantState, Listed, PLAYER_MAX};
use crate::{Balances, Teams};
use db::{Act, Command, Error, Meta, Tx};
use kernel::{Code, Currency, GameId, GrantId, Instant, Outcome, Refusal, text};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is asked of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Whose.
    pub game: GameId,
    /// Which; a new id where it is made.
    pub grant: GrantId,
    /// What.
    pub what: What,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is made, with an empty list.
    Create {
        /// The currency.
        currency: Currency,
        /// Why, in each player's history.
        reason: String,
        /// Who asks: `account:ID` or `key:ID`.
        created_by: String,
    },
    /// It starts or stops.
    Change(Change),
}

/// The command that makes, starts and stops grants.
pub struct Manage;

impl Command for Manage {
    const NAME: &'static str = "teams.manage_grant";
    type Input = Ask;
    type Reply = Grant;

    fn privileged(&self, input: &Ask, reply: &Grant) -> Option<Act> {
        let act = match input.what {
            What::Create { .. } => "grant.created",
            What::Change(Change::Start) => "grant.started",
            What::Change(Change::Cancel) => "grant.cancelled",
        };
        let detail = serde_json::json!({ "grant": reply.grant, "currency": reply.currency, "total": reply.total, "done": reply.done });
        Some(Act { act, subject: format!("game/{}", input.game), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Ask], now: Instant) -> Result<Vec<Outcome<Grant>>, Error> {
        let ids: BTreeSet<GrantId> = batch.iter().map(|ask| ask.grant).collect();
        let mut held = rows::load(tx, &ids).await?;
        let mut wanted: BTreeSet<(GameId, Currency)> = BTreeSet::new();
        for ask in batch {
            if let What::Create { currency, .. } = ask.what {
                wanted.insert((ask.game.clone(), currency));
            }
        }
        let known = rows::currencies(tx, &wanted).await?;
        let before = held.clone();
        let mut made = BTreeSet::new();
        let outcomes = batch
            .iter()
            .map(|ask| match &ask.what {
                What::Create { currency, reason, created_by } => {
                    if !known.contains(&(ask.game.clone(), *currency)) {
                        return Err(Refusal::not_found("currency of this game", currency));
                    }
                    let grant = new(ask.grant, *currency, reason, created_by, now);
                    made.insert(ask.grant);
                    let one = Held { game: ask.game.clone(), grant: grant.clone(), listed: BTreeMap::new(), added: Vec::new() };
                    held.insert(ask.grant, one);
                    Ok(grant)
                }
                What::Change(change) => {
                    let held = held.get_mut(&ask.grant).filter(|held| held.game == ask.game);
                    grants::change(&mut held.ok_or_else(|| Refusal::not_found("grant", ask.grant))?.grant, *change, now)
                }
            })
            .collect();
        rows::write(tx, &before, &held, &made).await?;
        Ok(outcomes)
    }
}

fn new(grant: GrantId, currency: Currency, reason: &str, created_by: &str, now: Instant) -> Grant {
    Grant {
        grant,
        currency,
        reason: reason.to_owned(),
        state: GrantState::Open,
        total: 0,
        done: 0,
        refused: 0,
        created_by: created_by.to_owned(),
        created_at: now,
        changed_at: now,
    }
}

/// A piece of a grant's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whose.
    pub game: GameId,
    /// Which grant.
    pub grant: GrantId,
    /// The players.
    pub players: Vec<Listed>,
}

/// The command that puts players on lists.
pub struct Add;

impl Command for Add {
    const NAME: &'static str = "teams.add_to_grant";
    type Input = Piece;
    type Reply = Added;

    fn privileged(&self, input: &Piece, reply: &Added) -> Option<Act> {
        let detail = serde_json::json!({ "grant": input.grant, "added": reply.added, "total": reply.total });
        Some(Act { act: "grant.listed", subject: format!("game/{}", input.game), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Piece], now: Instant) -> Result<Vec<Outcome<Added>>, Error> {
        let ids: BTreeSet<GrantId> = batch.iter().map(|piece| piece.grant).collect();
        let mut held = rows::load(tx, &ids).await?;
        rows::load_listed(tx, &mut held, batch).await?;
        let before = held.clone();
        let outcomes = batch
            .iter()
            .map(|piece| {
                let held = held.get_mut(&piece.grant).filter(|held| held.game == piece.game);
                grants::add(held.ok_or_else(|| Refusal::not_found("grant", piece.grant))?, &piece.players, now)
            })
            .collect();
        rows::write(tx, &before, &held, &BTreeSet::new()).await?;
        rows::append(tx, &held).await?;
        Ok(outcomes)
    }
}

/// The command that works lists off; who is next stands in the grant's row, so no key is needed.
pub struct Step {
    pub(crate) answers: Arc<Answers<Balances>>,
}

/// Where a grant stands after a step, and who had something then.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stepped {
    is_running: bool,
    game: GameId,
    players: Vec<String>,
}

impl Command for Step {
    const NAME: &'static str = "teams.step_grant";
    const KEYED: bool = false;
    type Input = GrantId;
    type Reply = Stepped;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a GrantId], now: Instant) -> Result<Vec<Outcome<Stepped>>, Error> {
        let ids: BTreeSet<GrantId> = batch.iter().map(|id| **id).collect();
        let mut held = rows::load(tx, &ids).await?;
        held.retain(|_, held| held.grant.state == GrantState::Running);
        let before = held.clone();
        let next = rows::load_next(tx, &held).await?;
        let keys: BTreeSet<Key> = next
            .iter()
            .flat_map(|(id, players)| {
                let held = &held[id];
                players.iter().map(|(_, player, _)| (held.game.clone(), player.clone(), held.grant.currency))
            })
            .collect();
        let mut cash = cash_rows::load(tx, &keys.iter().collect()).await?;
        let mut refused = Vec::new();
        for (id, players) in &next {
            let held = held.get_mut(id).expect("what is next was loaded for grants that are held");
            let without = grants::step(&held.game, &mut held.grant, players, &mut cash, now);
            refused.extend(without.into_iter().map(|(player, why)| (*id, player, why)));
        }
        cash_rows::write(tx, &cash).await?;
        db::crash::point("teams.between_grant_writes");
        rows::refuse(tx, &refused).await?;
        rows::write(tx, &before, &held, &BTreeSet::new()).await?;
        let answer = |id: &GrantId| {
            let Some(held) = held.get(id) else { return Err(Refusal::not_found("grant that runs", id)) };
            let players = next.get(id).into_iter().flatten().map(|(_, player, _)| player.clone()).collect();
            Ok(Stepped { is_running: held.grant.state == GrantState::Running, game: held.game.clone(), players })
        };
        Ok(batch.iter().map(|id| answer(id)).collect())
    }

    fn committed(&self, _: &GrantId, outcome: &Outcome<Stepped>) {
        for stepped in outcome.iter() {
            stepped.players.iter().for_each(|player| self.answers.written(&crate::player_key(&stepped.game, player)));
        }
    }
}

impl Teams {
    /// Makes, starts or stops a grant.
    ///
    /// # Errors
    /// There is no such grant or currency, its list is empty, or it is not in a state for that.
    pub async fn manage_grant(&self, meta: Meta, ask: Ask) -> Result<Grant, Error> {
        if let What::Create { reason, .. } = &ask.what {
            cash::check(reason, "")?;
        }
        self.inner.grants.send(meta, ask).await
    }

    /// Puts 1 to [`PIECE_MAX`] players on an open grant's list. A piece that is sent again adds nobody.
    ///
    /// # Errors
    /// The grant is none or not open, a player is on the list with another amount, or the piece is too large; then nobody is put on it.
    pub async fn add_to_grant(&self, meta: Meta, piece: Piece) -> Result<Added, Error> {
        if !(1..=PIECE_MAX).contains(&piece.players.len()) {
            let told = format!("players names {} of them: 1 to {PIECE_MAX} in one piece would be right", piece.players.len());
            return Err(Refusal::new(Code::BadBody, told).into());
        }
        for Listed { player, amount_minor } in &piece.players {
            text::check("player", player, 1, PLAYER_MAX)?;
            cash::positive(*amount_minor)?;
        }
        let _permit = self.inner.pieces.acquire().await.map_err(|_| Error::Gone("the service has stopped".to_owned()))?;
        self.inner.additions.send(meta, piece).await
    }

    /// Works off every grant that runs, a step of each in turn, until none is left. Any number of processes may do so at once.
    ///
    /// # Errors
    /// The database fails; the next round goes on where this one stopped.
    pub async fn work_off_grants(&self) -> Result<(), Error> {
        let mut running = self.running_grants().await?;
        while !running.is_empty() {
            let mut left = Vec::with_capacity(running.len());
            for grant in running {
                match self.inner.steps.send(Meta::ours("step grant"), grant).await {
                    Ok(stepped) if stepped.is_running => left.push(grant),
                    // Done, or cancelled meanwhile.
                    Ok(_) | Err(Error::Refused(Refusal { code: Code::NotFound, .. })) => {}
                    Err(error) => return Err(error),
                }
            }
            running = left;
        }
        Ok(())
    }
}
