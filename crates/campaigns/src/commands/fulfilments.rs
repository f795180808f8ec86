//! Fulfilments: items that a game team hands out, acknowledged by it or settled by its webhooks, never both; sent again one by one or all that were parked.
//! Refuses to go back: what was handed out stays so.

use super::claims_write::fulfilment_announcement;
use crate::Campaigns;
use crate::model::{FulfilBy, FulfilmentState, Resent};
use db::{Column, Command, Error, Meta, Rank, Row, Rows, Statement, Tx, announce, row};
use kernel::{ClaimId, Code, FulfilmentId, GameId, Instant, Outcome, Refusal, text};
use std::collections::{BTreeMap, BTreeSet};

static LOAD: Statement = Statement::new(
    "campaigns.load_fulfilments",
    "select f.id, f.game, f.player, f.claim, f.item, f.quantity, f.fulfil_by, f.state, f.note, f.version
     from rows r join fulfilment f on f.id = r.id
     order by f.id {for update of f}",
)
.rows(&[("id", Column::Bytes)])
.locks(Rank::Claims);

static PARKED: Statement = Statement::new(
    "campaigns.load_parked_fulfilments",
    "select f.id, f.game, f.player, f.claim, f.item, f.quantity, f.fulfil_by, f.state, f.note, f.version
     from rows r join fulfilment f on f.game = r.game
     where f.state = 'parked' and f.fulfil_by = 'webhook'
     order by f.id
     limit 500 {for update of f}",
)
.rows(&[("game", Column::Text)])
.locks(Rank::Claims);

/// Parked fulfilments that are sent again at once at most; the limit in the statement.
const AGAIN_MAX: usize = 500;

static UPDATE: Statement = Statement::new(
    "campaigns.update_fulfilments",
    "update fulfilment set state = r.state, note = r.note, version = r.version, changed_at = $2
     from rows r
     where fulfilment.id = r.id",
)
.rows(&[("id", Column::Bytes), ("state", Column::Text), ("note", Column::Text), ("version", Column::Int)]);

/// The longest note, in characters.
pub const NOTE_MAX: usize = 200;

/// A fulfilment, as it is loaded for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    game: GameId,
    player: String,
    claim: ClaimId,
    item: String,
    quantity: i64,
    fulfil_by: FulfilBy,
    state: FulfilmentState,
    note: String,
    version: i64,
}

/// What becomes of a fulfilment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The game team handed it out; with its receipt.
    Acknowledge(String),
    /// The game team cannot hand it out, and why.
    Fail(String),
    /// It is sent to the webhooks again.
    Resend,
}

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The game that asks.
    pub game: GameId,
    /// Which.
    pub fulfilment: FulfilmentId,
    /// What becomes of it.
    pub change: Change,
}

/// The command that changes fulfilments.
pub struct Settle;

impl Command for Settle {
    const NAME: &'static str = "campaigns.settle_fulfilment";
    type Input = Ask;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Ask], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let mut standing = load(tx, batch.iter().map(|ask| ask.fulfilment).collect()).await?;
        let (mut changed, mut again) = (BTreeSet::new(), Vec::new());
        let outcomes = batch
            .iter()
            .map(|ask| {
                let found = standing.get_mut(&ask.fulfilment).filter(|one| one.game == ask.game);
                let one = found.ok_or_else(|| Refusal::not_found("fulfilment", ask.fulfilment))?;
                if decide(one, &ask.change)? {
                    changed.insert(ask.fulfilment);
                    if ask.change == Change::Resend {
                        again.push(ask.fulfilment);
                    }
                }
                Ok(())
            })
            .collect();
        write(tx, &standing, &changed).await?;
        let told: Vec<db::Announcement> = again.iter().map(|id| announcement(*id, &standing[id])).collect();
        announce(tx, &told).await?;
        Ok(outcomes)
    }
}

/// Changes one fulfilment; whether anything changed. A repeat changes nothing.
fn decide(one: &mut Standing, change: &Change) -> Outcome<bool> {
    let (to, note) = match change {
        Change::Acknowledge(note) => (FulfilmentState::Acknowledged, note.clone()),
        Change::Fail(note) => (FulfilmentState::Failed, note.clone()),
        Change::Resend => (FulfilmentState::Pending, String::new()),
    };
    if *change != Change::Resend && one.state == to {
        return Ok(false);
    }
    let fits = match change {
        Change::Acknowledge(_) | Change::Fail(_) => one.fulfil_by == FulfilBy::Poll && one.state == FulfilmentState::Pending,
        Change::Resend => one.fulfil_by == FulfilBy::Webhook && matches!(one.state, FulfilmentState::Pending | FulfilmentState::Parked),
    };
    if !fits {
        let told = format!("the fulfilment is {} and goes by {}: that cannot become {to}", one.state, one.fulfil_by);
        return Err(Refusal::new(Code::WrongState, told));
    }
    (one.state, one.note) = (to, note);
    one.version += 1;
    Ok(true)
}

/// The command that sends parked fulfilments of games again, oldest first, so many at once.
pub struct ResendParked;

impl Command for ResendParked {
    const NAME: &'static str = "campaigns.resend_parked_fulfilments";
    type Input = GameId;
    type Reply = Resent;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a GameId], _: Instant) -> Result<Vec<Outcome<Resent>>, Error> {
        let games: BTreeSet<&str> = batch.iter().map(|game| game.as_str()).collect();
        let found = tx.load(&PARKED, Rows::of(games, |game| row![game]), standing).await?;
        let more = found.len() == AGAIN_MAX;
        let mut parked: BTreeMap<FulfilmentId, Standing> = found.into_iter().collect();
        let mut resent: BTreeMap<GameId, u64> = BTreeMap::new();
        for one in parked.values_mut() {
            decide(one, &Change::Resend)?;
            *resent.entry(one.game.clone()).or_default() += 1;
        }
        write(tx, &parked, &parked.keys().copied().collect()).await?;
        let told: Vec<db::Announcement> = parked.iter().map(|(id, one)| announcement(*id, one)).collect();
        announce(tx, &told).await?;
        // Who asks for the same in one batch finds nothing left.
        Ok(batch.iter().map(|game| Ok(Resent { resent: resent.remove(*game).unwrap_or(0), more })).collect())
    }
}

async fn load(tx: &mut Tx<'_>, ids: BTreeSet<FulfilmentId>) -> Result<BTreeMap<FulfilmentId, Standing>, Error> {
    Ok(tx.load(&LOAD, Rows::of(&ids, |id| row![*id]), standing).await?.into_iter().collect())
}

fn standing(row: &Row<'_>) -> Result<(FulfilmentId, Standing), Error> {
    let of = Standing {
        game: row.parsed(1)?,
        player: row.text(2)?,
        claim: row.id(3)?,
        item: row.text(4)?,
        quantity: row.int(5)?,
        fulfil_by: row.parsed(6)?,
        state: row.parsed(7)?,
        note: row.text(8)?,
        version: row.int(9)?,
    };
    Ok((row.id(0)?, of))
}

async fn write(tx: &mut Tx<'_>, standing: &BTreeMap<FulfilmentId, Standing>, changed: &BTreeSet<FulfilmentId>) -> Result<(), Error> {
    let now = tx.now();
    let rows = Rows::of(changed, |id| {
        let one = &standing[id];
        row![*id, one.state.as_str(), one.note.as_str(), one.version]
    });
    tx.write_with(&UPDATE, rows, &row![now]).await
}

fn announcement(id: FulfilmentId, one: &Standing) -> db::Announcement {
    fulfilment_announcement(id, one.version, &one.game, &one.player, one.claim, &one.item, one.quantity)
}

/// What became of a fulfilment on its way to the game's webhooks, and a note that says why.
pub type Ended = (FulfilmentId, FulfilmentState, &'static str);

/// How webhooks ended with fulfilments, told in the transaction that settles their deliveries.
/// What was delivered stays delivered; what was parked may still be delivered; what goes by polling is left alone.
///
/// # Errors
/// The database fails.
pub async fn settled(tx: &mut Tx<'_>, ended: &[Ended]) -> Result<(), Error> {
    let mut standing = load(tx, ended.iter().map(|(id, ..)| *id).collect()).await?;
    let mut changed = BTreeSet::new();
    for (id, to, note) in ended {
        let Some(one) = standing.get_mut(id) else { continue };
        let waits = one.fulfil_by == FulfilBy::Webhook && matches!(one.state, FulfilmentState::Pending | FulfilmentState::Parked);
        if waits && one.state != *to {
            (one.state, one.note) = (*to, (*note).to_owned());
            one.version += 1;
            changed.insert(*id);
        }
    }
    write(tx, &standing, &changed).await
}

impl Campaigns {
    /// Acknowledges, fails or resends a fulfilment. Repeating it changes nothing more.
    ///
    /// # Errors
    /// There is no such fulfilment in this game, or it cannot become that.
    pub async fn settle(&self, meta: Meta, ask: Ask) -> Result<(), Error> {
        if let Change::Acknowledge(note) | Change::Fail(note) = &ask.change {
            text::check("note", note, 0, NOTE_MAX)?;
        }
        self.inner.settles.send(meta, ask).await
    }

    /// Sends up to 500 of a game's fulfilments to its webhooks again, of those that were parked, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn resend_parked(&self, meta: Meta, game: GameId) -> Result<Resent, Error> {
        self.inner.parked_resends.send(meta, game).await
    }
}
