//! Outbox rows: what a transaction announces, written inside it.
//! Refuses to write for topics nobody subscribed to, and to send anything: the `outbox` crate does that after the commit.

use crate::{Column, Error, Rows, Statement, Tx, row};
use kernel::Uuid;

/// Something that became true with this transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// What kind of thing, as `payment.paid`.
    pub topic: &'static str,
    /// What it is about; order is kept per aggregate.
    pub aggregate: String,
    /// Rises with every announcement of the same aggregate.
    pub version: i64,
    /// The facts, as receivers get them.
    pub payload: serde_json::Value,
}

static APPEND: Statement = Statement::new(
    "db.append_outbox",
    "insert into outbox (id, topic, aggregate, version, payload, at, due_at, trace)
     select id, topic, aggregate, version, payload, at, at, trace
     from rows",
)
.rows(&[
    ("id", Column::Bytes),
    ("topic", Column::Text),
    ("aggregate", Column::Text),
    ("version", Column::Int),
    ("payload", Column::Text),
    ("at", Column::Int),
    ("trace", Column::Text),
]);

/// Writes announcements that someone waits for.
pub async fn announce(tx: &mut Tx<'_>, announcements: &[Announcement]) -> Result<(), Error> {
    let now = tx.now();
    let wanted = announcements.iter().filter(|announcement| tx.is_subscribed(announcement.topic));
    // Whoever sends it goes on with the trace of the batch that wrote it.
    let place = trace::place(&tracing::Span::current());
    let rows = Rows::of(wanted, |a| row![Uuid::now_v7(), a.topic, &a.aggregate, a.version, a.payload.to_string(), now, place.as_deref()]);
    tx.write(&APPEND, rows).await
}
