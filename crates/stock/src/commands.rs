//! Batched writes of stock, and what payments call inside their own transactions: [`load`] and [`write`].

use crate::decide;
use crate::model::{Hold, Stock, Stocks};
use crate::sold_out::SoldOut;
use db::{Act, Announcement, Column, Command, Error, Meta, Rank, Rows, Statement, Tx, announce, row};
use kernel::{Code, Instant, Outcome, PaymentId, ProductId, Refusal};
use std::collections::{BTreeSet, HashMap};

static LOAD: Statement = Statement::new(
    "stock.load",
    "select s.product, s.registered, s.available, s.held, s.sold, s.by_hand, s.version
     from rows r join stock s on s.product = r.product
     order by s.product {for update of s}",
)
.rows(&[("product", Column::Int)])
.locks(Rank::Stock);

static LOAD_HOLDS: Statement = Statement::new(
    "stock.load_holds",
    "select h.payment, h.product, h.user_id, h.state, h.expires_at
     from rows r join hold h on h.payment = r.payment
     order by h.payment, h.product {for update of h}",
)
.rows(&[("payment", Column::Bytes)])
.locks(Rank::Stock);

// A row that is not there cannot be locked: two who register the first copies would each write over the other's.
static ENSURE: Statement = Statement::new(
    "stock.ensure",
    "insert into stock (product, registered, available, held, sold, by_hand, version)
     select product, 0, 0, 0, 0, 0, 0
     from rows
     where true
     order by product
     on conflict do nothing",
)
.rows(&[("product", Column::Int)])
.locks(Rank::Stock);

static UPSERT: Statement = Statement::new(
    "stock.upsert",
    "insert into stock (product, registered, available, held, sold, by_hand, version)
     select product, registered, available, held, sold, by_hand, version
     from rows
     where true
     order by product
     on conflict (product) do update set registered = excluded.registered, available = excluded.available, held = excluded.held,
         sold = excluded.sold, by_hand = excluded.by_hand, version = excluded.version",
)
.rows(&[
    ("product", Column::Int),
    ("registered", Column::Int),
    ("available", Column::Int),
    ("held", Column::Int),
    ("sold", Column::Int),
    ("by_hand", Column::Int),
    ("version", Column::Int),
]);

static UPSERT_HOLDS: Statement = Statement::new(
    "stock.upsert_holds",
    "insert into hold (payment, product, user_id, state, expires_at)
     select payment, product, user_id, state, expires_at
     from rows
     where true
     order by payment, product
     on conflict (payment, product) do update set state = excluded.state, expires_at = excluded.expires_at",
)
.rows(&[
    ("payment", Column::Bytes),
    ("product", Column::Int),
    ("user_id", Column::Bytes),
    ("state", Column::Text),
    ("expires_at", Column::Int),
]);

static DELETE_HOLDS: Statement =
    Statement::new("stock.delete_holds", "delete from hold where (payment, product) in (select payment, product from rows)")
        .rows(&[("payment", Column::Bytes), ("product", Column::Int)]);

/// Loads and locks the stock of products and the holds of payments.
pub async fn load(tx: &mut Tx<'_>, products: &BTreeSet<ProductId>, payments: &BTreeSet<PaymentId>) -> Result<Stocks, Error> {
    let rows = tx.load(&LOAD, Rows::of(products, |product| row![*product]), stock).await?;
    let holds = tx
        .load(&LOAD_HOLDS, Rows::of(payments, |payment| row![*payment]), |row| {
            Ok(((row.id(0)?, ProductId(row.int(1)?)), Hold { user: row.id(2)?, state: row.parsed(3)?, expires_at: row.instant(4)? }))
        })
        .await?;
    Ok(Stocks {
        rows: rows.into_iter().map(|stock| (stock.product, stock)).collect(),
        holds: holds.into_iter().collect(),
        ..Stocks::default()
    })
}

/// Writes what was decided.
pub async fn write(tx: &mut Tx<'_>, stocks: &Stocks) -> Result<(), Error> {
    let rows = Rows::of(stocks.changed.iter().map(|product| stocks.rows[product]), |s| {
        row![s.product, s.registered, s.available, s.held, s.sold, s.by_hand, s.version]
    });
    tx.write(&UPSERT, rows).await?;
    let rows = Rows::of(&stocks.kept, |key| {
        let hold = stocks.holds[key];
        row![key.0, key.1, hold.user, hold.state.as_str(), hold.expires_at]
    });
    tx.write(&UPSERT_HOLDS, rows).await?;
    // A hold that was taken and given back within the batch was never written.
    tx.write_some(&DELETE_HOLDS, Rows::of(&stocks.gone, |key| row![key.0, key.1])).await.map(drop)
}

/// A row of the stock table.
pub(crate) fn stock(row: &db::Row) -> Result<Stock, Error> {
    Ok(Stock {
        product: ProductId(row.int(0)?),
        registered: row.int(1)?,
        available: row.int(2)?,
        held: row.int(3)?,
        sold: row.int(4)?,
        by_hand: row.int(5)?,
        version: row.int(6)?,
    })
}

/// A change of stock by a store manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Adds copies that were not there before.
    Register(ProductId, i64),
    /// Takes available copies out of sale.
    Decrease(ProductId, i64),
    /// Puts back copies that were taken.
    Increase(ProductId, i64),
}

impl Change {
    fn product(self) -> ProductId {
        match self {
            Change::Register(product, _) | Change::Decrease(product, _) | Change::Increase(product, _) => product,
        }
    }
}

/// The command that changes stock by hand.
pub struct ChangeStock {
    pub(crate) sold_out: SoldOut,
}

impl Command for ChangeStock {
    const NAME: &'static str = "stock.change";
    type Input = Change;
    type Reply = Stock;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Change], _now: Instant) -> Result<Vec<Outcome<Stock>>, Error> {
        let products: BTreeSet<ProductId> = batch.iter().map(|change| change.product()).collect();
        let offers = catalogue::offers::load(tx, &products).await?;
        let mut stocks = load(tx, &products, &BTreeSet::new()).await?;
        let registered = batch.iter().filter(|change| matches!(change, Change::Register(..))).map(|change| change.product());
        let is_new = |product: &ProductId| !stocks.rows.contains_key(product) && offers.get(product).is_some_and(|offer| offer.limited);
        let new: BTreeSet<ProductId> = registered.filter(is_new).collect();
        if !new.is_empty() {
            tx.write_some(&ENSURE, Rows::of(&new, |product| row![*product])).await?;
            stocks = load(tx, &products, &BTreeSet::new()).await?;
        }
        let outcomes = batch.iter().map(|change| change_stock(&mut stocks, &offers, **change)).collect();
        write(tx, &stocks).await?;
        announce(tx, &announcements(&stocks)).await?;
        Ok(outcomes)
    }

    fn privileged(&self, input: &Change, _reply: &Stock) -> Option<Act> {
        let (act, quantity) = match *input {
            Change::Register(_, quantity) => ("stock.registered", quantity),
            Change::Decrease(_, quantity) => ("stock.decreased", quantity),
            Change::Increase(_, quantity) => ("stock.increased", quantity),
        };
        Some(Act { act, subject: format!("product/{}", input.product()), detail: serde_json::json!({ "quantity": quantity }) })
    }

    fn committed(&self, _input: &Change, outcome: &Outcome<Stock>) {
        if let Ok(stock) = outcome {
            self.sold_out.note(stock.product, stock.version, stock.available);
        }
    }
}

fn change_stock(stocks: &mut Stocks, offers: &HashMap<ProductId, catalogue::offers::Offer>, change: Change) -> Outcome<Stock> {
    let product = change.product();
    let offer = offers.get(&product).ok_or_else(|| Refusal::not_found("product", product))?;
    if !offer.limited {
        let told = format!("product {product} is not sold in limited stock: set `limited` on the product first");
        return Err(Refusal::new(Code::WrongState, told));
    }
    match change {
        Change::Register(product, quantity) => decide::register(stocks, product, quantity),
        Change::Decrease(product, quantity) => decide::decrease(stocks, product, quantity),
        Change::Increase(product, quantity) => decide::increase(stocks, product, quantity),
    }
}

fn announcements(stocks: &Stocks) -> Vec<Announcement> {
    let changed = stocks.changed.iter().map(|product| stocks.rows[product]);
    changed
        .map(|stock| Announcement {
            topic: "stock.changed",
            aggregate: format!("stock/{}", stock.product),
            version: stock.version,
            payload: serde_json::json!(stock),
        })
        .collect()
}

impl crate::StockService {
    /// Registers, takes or puts back copies. Repeating the key returns the first answer.
    ///
    /// # Errors
    /// No such product, a product that is not limited, or a quantity beyond the bounds.
    pub async fn change(&self, meta: Meta, change: Change) -> Result<Stock, Error> {
        self.changes.send(meta, change).await
    }
}
