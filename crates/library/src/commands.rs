//! Batched writes of the library, and what payments call inside their own transactions: [`load`] and [`write`].

use crate::decide;
use crate::model::{Key, Library, Owned, Source};
use db::{Act, Column, Command, Error, Meta, Rank, Row, Rows, Statement, Tx, row};
use kernel::{Code, Instant, Outcome, ProductId, Refusal, UserId};
use std::collections::BTreeSet;

static LOAD: Statement = Statement::new(
    "library.load",
    "select l.user_id, l.product, l.source, l.source_id, l.acquired_at, l.minutes, l.plays, l.last_played_at
     from rows r join library l on l.user_id = r.user_id and l.product = r.product
     order by l.user_id, l.product {for update of l}",
)
.rows(&[("user_id", Column::Bytes), ("product", Column::Int)])
.locks(Rank::Library);

static INSERT: Statement = Statement::new(
    "library.insert",
    "insert into library (user_id, product, source, source_id, acquired_at, minutes, plays, last_played_at)
     select user_id, product, source, source_id, acquired_at, minutes, plays, last_played_at
     from rows
     order by user_id, product",
)
.rows(COLUMNS);

static UPDATE: Statement = Statement::new(
    "library.update",
    "update library set minutes = r.minutes, plays = r.plays, last_played_at = r.last_played_at
     from rows r
     where library.user_id = r.user_id and library.product = r.product",
)
.rows(COLUMNS);

static DELETE: Statement =
    Statement::new("library.delete", "delete from library where (user_id, product) in (select user_id, product from rows)")
        .rows(&[("user_id", Column::Bytes), ("product", Column::Int)]);

static APPEND_PLAYS: Statement = Statement::new(
    "library.append_plays",
    "insert into play (user_id, product, seq, minutes, at)
     select user_id, product, seq, minutes, at
     from rows
     order by user_id, product, seq",
)
.rows(&[("user_id", Column::Bytes), ("product", Column::Int), ("seq", Column::Int), ("minutes", Column::Int), ("at", Column::Int)]);

// A product that was refunded and bought again starts its plays anew.
static DELETE_PLAYS: Statement =
    Statement::new("library.delete_plays", "delete from play where (user_id, product) in (select user_id, product from rows)")
        .rows(&[("user_id", Column::Bytes), ("product", Column::Int)]);

const COLUMNS: &[(&str, Column)] = &[
    ("user_id", Column::Bytes),
    ("product", Column::Int),
    ("source", Column::Text),
    ("source_id", Column::Text),
    ("acquired_at", Column::Int),
    ("minutes", Column::Int),
    ("plays", Column::Int),
    ("last_played_at", Column::Int),
];

/// Loads and locks library rows; those that are not there are not owned. The users' gates must be held.
pub async fn load(tx: &mut Tx<'_>, keys: &BTreeSet<Key>) -> Result<Library, Error> {
    let rows = Rows::of(keys, |(user, product)| row![*user, *product]);
    let found = tx.load(&LOAD, rows, |row| Ok(((row.id(0)?, ProductId(row.int(1)?)), owned(row)?))).await?;
    Ok(Library { rows: found.into_iter().collect(), ..Library::default() })
}

/// Writes what was decided.
pub async fn write(tx: &mut Tx<'_>, library: &Library) -> Result<(), Error> {
    let keys = |keys: &BTreeSet<Key>| Rows::of(keys, |key| row![key.0, key.1]);
    tx.write(&DELETE, keys(&library.removed)).await?;
    tx.write_some(&DELETE_PLAYS, keys(&library.removed)).await?;
    tx.write(&INSERT, rows(library, &library.added)).await?;
    let played = library.played.difference(&library.added).copied().collect();
    tx.write(&UPDATE, rows(library, &played)).await?;
    let plays = Rows::of(&library.plays, |(user, play)| row![*user, play.product, play.seq, play.minutes, play.at]);
    tx.write(&APPEND_PLAYS, plays).await
}

fn rows(library: &Library, keys: &BTreeSet<Key>) -> Rows {
    Rows::of(keys, |key| {
        let owned = &library.rows[key];
        let (source, source_id) = owned.source.stored();
        row![key.0, key.1, source, source_id, owned.acquired_at, owned.minutes, owned.plays, owned.last_played_at]
    })
}

/// A row of the library table, which starts with the user.
pub(crate) fn owned(row: &Row) -> Result<Owned, Error> {
    let (kind, id) = (row.text(2)?, row.text(3)?);
    Ok(Owned {
        product: ProductId(row.int(1)?),
        source: Source::read(&kind, &id).map_err(Error::Broken)?,
        acquired_at: row.instant(4)?,
        minutes: row.int(5)?,
        plays: row.int(6)?,
        last_played_at: row.instant_opt(7)?,
    })
}

/// A player played something.
#[derive(Debug, Clone, Copy)]
pub struct PlayAsk {
    /// Who.
    pub user: UserId,
    /// What.
    pub product: ProductId,
    /// For how many minutes.
    pub minutes: i64,
}

/// The command that records plays.
pub struct Play;

impl Command for Play {
    const NAME: &'static str = "library.play";
    type Input = PlayAsk;
    type Reply = Owned;

    fn gates(&self, input: &PlayAsk, gates: &mut BTreeSet<UserId>) {
        gates.insert(input.user);
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a PlayAsk], now: Instant) -> Result<Vec<Outcome<Owned>>, Error> {
        let mut library = load(tx, &batch.iter().map(|ask| (ask.user, ask.product)).collect()).await?;
        let outcomes = batch.iter().map(|ask| decide::play(&mut library, ask.user, ask.product, ask.minutes, now)).collect();
        write(tx, &library).await?;
        Ok(outcomes)
    }
}

/// An operator gives a product.
#[derive(Debug, Clone, Copy)]
pub struct GrantAsk {
    /// Who gives.
    pub operator: UserId,
    /// Who gets.
    pub user: UserId,
    /// What.
    pub product: ProductId,
}

/// The command that grants products.
pub struct Grant;

impl Command for Grant {
    const NAME: &'static str = "library.grant";
    type Input = GrantAsk;
    type Reply = Owned;

    fn gates(&self, input: &GrantAsk, gates: &mut BTreeSet<UserId>) {
        gates.insert(input.user);
    }

    fn privileged(&self, input: &GrantAsk, _reply: &Owned) -> Option<Act> {
        let detail = serde_json::json!({ "product": input.product });
        Some(Act { act: "library.granted", subject: format!("account/{}", input.user), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a GrantAsk], now: Instant) -> Result<Vec<Outcome<Owned>>, Error> {
        let offers = catalogue::offers::load(tx, &batch.iter().map(|ask| ask.product).collect()).await?;
        let mut library = load(tx, &batch.iter().map(|ask| (ask.user, ask.product)).collect()).await?;
        let grant = |ask: &&GrantAsk| {
            let offer = offers.get(&ask.product).ok_or_else(|| Refusal::not_found("product", ask.product))?;
            if offer.limited {
                let told = format!("product {} is sold in limited copies, which are counted: another product would be right", ask.product);
                return Err(Refusal::new(Code::WrongState, told));
            }
            decide::add(&mut library, ask.user, ask.product, Source::Operator(ask.operator), now)
        };
        let outcomes = batch.iter().map(grant).collect();
        write(tx, &library).await?;
        Ok(outcomes)
    }
}

impl crate::LibraryService {
    /// Records a play of an owned product. Repeating the key returns the first answer.
    ///
    /// # Errors
    /// The product is not owned, or the minutes are out of range.
    pub async fn play(&self, meta: Meta, ask: PlayAsk) -> Result<Owned, Error> {
        self.plays.send(meta, ask).await
    }

    /// Gives a product. Repeating the key returns the first answer.
    ///
    /// # Errors
    /// No such product or account, it is sold in limited copies, or it is owned already.
    pub async fn grant(&self, meta: Meta, ask: GrantAsk) -> Result<Owned, Error> {
        self.grants.send(meta, ask).await
    }
}
