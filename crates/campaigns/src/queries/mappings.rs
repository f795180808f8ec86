//! Reads of mappings, and trying one out on sample lines without saving it.

use crate::Campaigns;
use db::{Error, Row, Statement, row};
use kernel::{Cursor, GameId, Instant, Page, Refusal, UserId, page};
use rules::{Mapping, Scratch, Value};
use serde::Serialize;
use std::collections::BTreeMap;

/// Sample lines of one try.
pub const LINES_MAX: usize = 1_000;

static NEWEST: Statement = Statement::new(
    "campaigns.read_mapping",
    "select version, document, author, at from mapping where game = $1 order by version desc limit 1",
);

static HISTORY: Statement = Statement::new(
    "campaigns.list_mappings",
    "select version, document, author, at
     from mapping
     where game = $1 and version < $2
     order by version desc
     limit $3",
);

/// A version of a game's mapping.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct MappingView {
    /// Its number, from 1.
    pub version: i64,
    /// The mapping, in its own language.
    #[schema(value_type = Object)]
    pub mapping: serde_json::Value,
    /// Who wrote it.
    pub author: UserId,
    /// When.
    pub at: Instant,
}

/// What a sample line came to.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Tried {
    /// The line's place, from 1.
    pub line: usize,
    /// Its events; none when the mapping does not want it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<TriedEvent>,
    /// Why it does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfit: Option<TriedUnfit>,
}

/// Why a line does not fit; in the stream it would be a dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct TriedUnfit {
    /// The stable reason, as `missing_field`.
    pub reason: String,
    /// Which field, and what was found.
    pub detail: String,
}

/// An event of a sample line.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct TriedEvent {
    /// Equal for a repeat of the same record.
    pub id: String,
    /// The game's name for the player.
    pub player: String,
    /// What was done.
    pub kind: String,
    /// When.
    pub at: Instant,
    /// How much.
    pub amount: i64,
    /// With what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Attributes that the record has.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
}

impl Campaigns {
    /// The mapping in force.
    ///
    /// # Errors
    /// There is none.
    pub async fn mapping(&self, game: &GameId) -> Result<MappingView, Error> {
        let found = self.inner.db.fetch(&NEWEST, &row![game.as_str()], view).await?.pop();
        found.ok_or_else(|| Refusal::not_found("mapping of", game).into())
    }

    /// A game's mappings, newest first.
    ///
    /// # Errors
    /// The size is out of range.
    pub async fn mappings(&self, game: &GameId, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<MappingView>, Error> {
        let size = page::size(size)?;
        let below = after.map_or(Ok(i64::MAX), Cursor::number)?;
        let found = self.inner.db.fetch(&HISTORY, &row![game.as_str(), below, size + 1], view).await?;
        Ok(Page::cut(found, size, |one| Cursor::of(one.version)))
    }
}

fn view(row: &Row<'_>) -> Result<MappingView, Error> {
    let document = row.text(1)?;
    let mapping = serde_json::from_str(&document).map_err(|e| Error::Broken(format!("a stored mapping is no JSON: {e}")))?;
    Ok(MappingView { version: row.int(0)?, mapping, author: row.id(2)?, at: row.instant(3)? })
}

/// What sample lines come to, each as if it were appended at `now`.
pub fn tried(mapping: &Mapping, lines: &[String], now: Instant) -> Vec<Tried> {
    let (mapper, mut scratch) = (mapping.compile(), Scratch::default());
    let mut all = Vec::with_capacity(lines.len());
    for (place, line) in lines.iter().enumerate() {
        let mut events = Vec::new();
        let mapped = mapper.map(&mut scratch, line.as_bytes(), now, &mut |event| events.push(event_view(mapping, event)));
        let unfit = mapped.err().map(|unfit| TriedUnfit { reason: unfit.reason.as_str().to_owned(), detail: unfit.detail });
        all.push(Tried { line: place + 1, events, unfit });
    }
    all
}

fn event_view(mapping: &Mapping, event: &rules::Event<'_>) -> TriedEvent {
    let value = |value: &Value<'_>| match value {
        Value::Missing => None,
        Value::Integer(number) => Some(serde_json::json!(number)),
        Value::Text(text) => Some(serde_json::json!(text)),
        Value::Flag(flag) => Some(serde_json::json!(flag)),
    };
    let attributes = mapping.attributes().iter().zip(event.attributes).filter_map(|(name, of)| Some((name.clone(), value(of)?)));
    TriedEvent {
        id: format!("{:016x}", event.id),
        player: event.player.to_owned(),
        kind: event.kind.to_owned(),
        at: event.at,
        amount: event.amount,
        item: event.item.map(str::to_owned),
        attributes: attributes.collect(),
    }
}
