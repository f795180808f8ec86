//! Batched changes of products, and the lock under which every transaction that changes the catalogue takes its version.

use crate::decide::{self, Asked, Changed, Record, State};
use crate::detail::{Detail, Packer};
use crate::model::{Platforms, Sale};
use crate::{Catalogue, Policy};
use db::{Act, Announcement, Column, Command, Error, Meta, Rank, Row, Rows, Statement, Tx, announce, row};
use kernel::{Instant, Money, Outcome, ProductId};
use std::collections::{BTreeMap, BTreeSet};

// Held until the commit: versions become visible in their order, and product ids have no gap.
static LOCK_VERSION: Statement =
    Statement::new("catalogue.lock_version", "select version, next_product from catalogue_version where one = 1 {for update}")
        .locks(Rank::Other);

static SET_VERSION: Statement =
    Statement::new("catalogue.set_version", "update catalogue_version set version = $1, next_product = $2 where one = 1")
        .locks(Rank::Other);

static LOAD: Statement = Statement::new(
    "catalogue.load_products",
    "select p.id, p.name, p.price_minor, p.price_currency, p.sale_percent, p.sale_starts_at, p.sale_ends_at, p.limited, p.player_limit, p.released,
            p.platforms, p.developers, p.publishers, p.genres, p.version
     from rows r join product p on p.id = r.id",
)
.rows(&[("id", Column::Int)]);

const RECORD: &[(&str, Column)] = &[
    ("id", Column::Int),
    ("name", Column::Text),
    ("price_minor", Column::Int),
    ("price_currency", Column::Text),
    ("sale_percent", Column::Int),
    ("sale_starts_at", Column::Int),
    ("sale_ends_at", Column::Int),
    ("limited", Column::Int),
    ("player_limit", Column::Int),
    ("released", Column::Text),
    ("platforms", Column::Int),
    ("developers", Column::Text),
    ("publishers", Column::Text),
    ("genres", Column::Text),
    ("version", Column::Int),
];

// A product of the store's own has its id as its id at the source.
static INSERT: Statement = Statement::new(
    "catalogue.insert_products",
    "insert into product (id, source, source_id, name, price_minor, price_currency, sale_percent, sale_starts_at, sale_ends_at, limited, player_limit,
                          released, platforms, popularity, developers, publishers, genres, version)
     select id, 'store', id, name, price_minor, price_currency, sale_percent, sale_starts_at, sale_ends_at, limited, player_limit,
            released, platforms, 0, developers, publishers, genres, version
     from rows
     order by id",
)
.rows(RECORD)
.locks(Rank::Other);

static UPDATE: Statement = Statement::new(
    "catalogue.update_products",
    "update product
     set name = r.name, price_minor = r.price_minor, price_currency = r.price_currency, sale_percent = r.sale_percent,
         sale_starts_at = r.sale_starts_at, sale_ends_at = r.sale_ends_at, limited = r.limited, player_limit = r.player_limit,
         released = r.released, platforms = r.platforms, developers = r.developers, publishers = r.publishers, genres = r.genres, version = r.version
     from rows r
     where product.id = r.id",
)
.rows(RECORD)
.locks(Rank::Other);

static DROP_GENRES: Statement = Statement::new("catalogue.drop_genres", "delete from product_genre where product in (select id from rows)")
    .rows(&[("id", Column::Int)])
    .locks(Rank::Other);

static ADD_GENRES: Statement = Statement::new(
    "catalogue.add_genres",
    "insert into product_genre (product, genre)
     select r.id, g.value
     from rows r, json_each(r.genres) g",
)
.on_postgres(
    "insert into product_genre (product, genre)
     select r.id, g.value
     from rows r, jsonb_array_elements_text(cast(r.genres as jsonb)) g (value)",
)
.rows(&[("id", Column::Int), ("genres", Column::Text)])
.locks(Rank::Other);

// $2 holds the documents one after the other.
static PUT_DETAILS: Statement = Statement::new(
    "catalogue.put_details",
    "insert into product_detail (product, body)
     select id, substr($2, cast(start as integer), cast(length as integer))
     from rows
     where true
     order by id
     on conflict (product) do update set body = excluded.body",
)
.rows(&[("id", Column::Int), ("start", Column::Int), ("length", Column::Int)])
.locks(Rank::Other);

/// Locks the catalogue for this transaction; the version is the one its changes get.
pub(crate) async fn lock(tx: &mut Tx<'_>) -> Result<State, Error> {
    let found = tx.fetch(&LOCK_VERSION, &[], |row| Ok((row.int(0)?, row.int(1)?))).await?;
    let (version, next_product) =
        *found.first().ok_or_else(|| Error::Broken("catalogue_version has no row: the migration writes it".to_owned()))?;
    Ok(State { version: version + 1, next_product, ..State::default() })
}

/// Takes the version that [`lock`] gave out; wanted when anything was written.
pub(crate) async fn take_version(tx: &mut Tx<'_>, version: i64, next_product: i64) -> Result<(), Error> {
    tx.execute(&SET_VERSION, &row![version, next_product]).await.map(drop)
}

/// Writes the genre rows of products, as their ids with a JSON list of names each once.
pub(crate) async fn write_genres(tx: &mut Tx<'_>, had_some: Rows, genres: Rows) -> Result<(), Error> {
    tx.write_some(&DROP_GENRES, had_some).await?;
    tx.write_some(&ADD_GENRES, genres).await.map(drop)
}

/// Packed documents one after the other, with the product and the length of each.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) parts: Rows,
    pub(crate) bytes: Vec<u8>,
}

impl Documents {
    /// Adds a packed document.
    pub(crate) fn push(&mut self, product: ProductId, packed: &[u8]) {
        let number = |length: usize| i64::try_from(length).expect("a batch fits the memory");
        self.parts.push(&row![product, number(self.bytes.len()) + 1, number(packed.len())]);
        self.bytes.extend_from_slice(packed);
    }

    /// Writes them all.
    pub(crate) async fn write(self, tx: &mut Tx<'_>) -> Result<(), Error> {
        tx.write_with(&PUT_DETAILS, self.parts, &row![self.bytes]).await
    }
}

/// Changes of products by people.
pub struct Change {
    pub(crate) policy: Policy,
}

impl Command for Change {
    const NAME: &'static str = "catalogue.change";
    type Input = Asked;
    type Reply = Changed;

    fn privileged(&self, input: &Asked, reply: &Changed) -> Option<Act> {
        let (act, detail) = match input {
            Asked::Add(new) => ("product.added", serde_json::json!({ "price_minor": new.price.minor })),
            Asked::Edit(..) => ("product.changed", serde_json::json!({ "version": reply.version })),
            Asked::SetSale(_, sale) => {
                ("product.sale_set", serde_json::json!({ "percent": sale.percent, "starts_at": sale.starts_at, "ends_at": sale.ends_at }))
            }
            Asked::RemoveSale(_) => ("product.sale_removed", serde_json::json!({})),
            Asked::SetLimit(_, limited, limit) => ("product.limit_set", serde_json::json!({ "limited": limited, "player_limit": limit })),
        };
        Some(Act { act, subject: format!("product/{}", reply.product), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Asked], now: Instant) -> Result<Vec<Outcome<Changed>>, Error> {
        let mut state = lock(tx).await?;
        let asked: BTreeSet<ProductId> = batch.iter().filter_map(|asked| asked.product()).collect();
        let loaded = tx.load(&LOAD, Rows::of(asked, |id| row![id]), record).await?;
        state.products = loaded.into_iter().map(|record| (record.id, record)).collect();
        let outcomes = batch.iter().map(|asked| decide::change(&mut state, asked, &self.policy, now)).collect();
        write(tx, &state).await?;
        Ok(outcomes)
    }
}

async fn write(tx: &mut Tx<'_>, state: &State) -> Result<(), Error> {
    if state.added.is_empty() && state.changed.is_empty() {
        return Ok(());
    }
    take_version(tx, state.version, state.next_product).await?;
    tx.write(&INSERT, Rows::of(&state.added, |id| columns(&state.products[id]))).await?;
    tx.write(&UPDATE, Rows::of(&state.changed, |id| columns(&state.products[id]))).await?;
    let touched: Vec<&Record> = state.added.iter().chain(&state.changed).map(|id| &state.products[id]).collect();
    let genres = Rows::of(&touched, |record| row![record.id, list(&record.genres)]);
    write_genres(tx, Rows::of(&state.changed, |id| row![*id]), genres).await?;
    documents(&state.details).write(tx).await?;
    announce_changes(tx, touched.iter().map(|record| record.id), state.version).await
}

/// Announces changed products; receivers read what they want of them.
pub(crate) async fn announce_changes(tx: &mut Tx<'_>, products: impl Iterator<Item = ProductId>, version: i64) -> Result<(), Error> {
    const TOPIC: &str = "product.changed";
    if !tx.is_subscribed(TOPIC) {
        return Ok(());
    }
    let announcements: Vec<Announcement> = products
        .map(|product| Announcement {
            topic: TOPIC,
            aggregate: format!("product/{product}"),
            version,
            payload: serde_json::json!({ "product": product, "version": version }),
        })
        .collect();
    announce(tx, &announcements).await
}

fn documents(details: &BTreeMap<ProductId, Detail>) -> Documents {
    let mut packer = Packer::new();
    let mut documents = Documents::default();
    for (product, detail) in details {
        let text = serde_json::to_vec(detail).expect("a detail is plain data");
        documents.push(*product, packer.pack(&text));
    }
    documents
}

fn columns(record: &Record) -> [db::Value<'_>; 15] {
    let sale = record.sale;
    row![
        record.id,
        &record.name,
        record.price.minor,
        record.price.currency.as_str().to_owned(),
        sale.map(|sale| sale.percent),
        sale.map(|sale| sale.starts_at),
        sale.map(|sale| sale.ends_at),
        record.limited,
        record.player_limit,
        record.released.map(|day| day.to_string()),
        record.platforms.bits(),
        list(&record.developers),
        list(&record.publishers),
        list(&record.genres),
        record.version,
    ]
}

fn list(names: &[String]) -> String {
    serde_json::to_string(names).expect("a list of texts is plain data")
}

fn record(row: &Row) -> Result<Record, Error> {
    let names = |column: usize| -> Result<Vec<String>, Error> {
        serde_json::from_str(&row.text(column)?).map_err(|e| Error::Broken(format!("column {column} is no JSON list of texts: {e}")))
    };
    Ok(Record {
        id: ProductId(row.int(0)?),
        name: row.text(1)?,
        price: Money { minor: row.int(2)?, currency: row.parsed(3)? },
        sale: sale(row, 4)?,
        limited: row.flag(7)?,
        player_limit: row.int(8)?,
        released: row.text_opt(9)?.and_then(|day| day.parse().ok()),
        platforms: Platforms::from_bits(u8::try_from(row.int(10)?).unwrap_or(0)),
        developers: names(11)?,
        publishers: names(12)?,
        genres: names(13)?,
        version: row.int(14)?,
    })
}

/// A sale in three columns from `first` on.
pub(crate) fn sale(row: &Row, first: usize) -> Result<Option<Sale>, Error> {
    let Some(percent) = row.int_opt(first)? else { return Ok(None) };
    let percent = u8::try_from(percent).map_err(|_| Error::Broken(format!("a sale of {percent} percent: 1 to 100 would be right")))?;
    Ok(Some(Sale { percent, starts_at: row.instant(first + 1)?, ends_at: row.instant(first + 2)? }))
}

impl Catalogue {
    /// Makes one change. When it answers, this process reads the product as changed; others do within a moment.
    ///
    /// # Errors
    /// The product is unknown, or a value is out of range.
    pub async fn change(&self, meta: Meta, asked: Asked) -> Result<Changed, Error> {
        let changed = self.changes.send(meta, asked).await?;
        self.catch_up(changed.version).await;
        Ok(changed)
    }
}
