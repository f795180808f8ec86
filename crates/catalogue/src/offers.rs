//! What a product costs inside a store transaction: the authoritative rows, read in the caller's own transaction.
//! Refuses the copy in memory, which may be a moment behind, and takes no locks: prices are fixed by whoever writes them down.

use db::{Column, Error, Row, Rows, Statement, Tx, row};
use kernel::{Currency, Instant, Money, ProductId, money};
use std::collections::{BTreeSet, HashMap};

static LOAD: Statement = Statement::new(
    "catalogue.load_offers",
    "select p.id, p.name, p.price_minor, p.price_currency, p.sale_percent, p.sale_starts_at, p.sale_ends_at, p.limited, p.player_limit
     from rows r join product p on p.id = r.id",
)
.rows(&[("id", Column::Int)]);

/// A product as it can be bought at the time of the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The product.
    pub product: ProductId,
    /// Its name.
    pub name: String,
    /// The regular price, in minor units.
    pub price_minor: i64,
    /// The currency of the price.
    pub currency: Currency,
    /// What it costs now, less the sale if one is on, in minor units.
    pub effective_minor: i64,
    /// Percent off now, none outside a sale.
    pub sale_percent: Option<u8>,
    /// Whether copies are counted by stock.
    pub limited: bool,
    /// Copies one player may buy; 0 is no limit.
    pub player_limit: i64,
}

impl Offer {
    /// What it costs now.
    pub fn money(&self) -> Money {
        Money { minor: self.effective_minor, currency: self.currency }
    }
}

/// Reads the offers of these products at the time of the transaction; a product that does not exist is not among them.
pub async fn load(tx: &mut Tx<'_>, products: &BTreeSet<ProductId>) -> Result<HashMap<ProductId, Offer>, Error> {
    let now = tx.now();
    let rows = Rows::of(products, |product| row![*product]);
    let offers = tx.load(&LOAD, rows, |row| offer(row, now)).await?;
    Ok(offers.into_iter().map(|offer| (offer.product, offer)).collect())
}

fn offer(row: &Row, now: Instant) -> Result<Offer, Error> {
    let price_minor = row.int(2)?;
    let on = |starts: Instant, ends: Instant| starts <= now && now < ends;
    let sale_percent = match (row.int_opt(4)?, row.instant_opt(5)?, row.instant_opt(6)?) {
        (Some(percent), Some(starts), Some(ends)) if on(starts, ends) => Some(u8::try_from(percent).unwrap_or(0)),
        _ => None,
    };
    Ok(Offer {
        product: ProductId(row.int(0)?),
        name: row.text(1)?,
        price_minor,
        currency: row.parsed(3)?,
        effective_minor: sale_percent.map_or(price_minor, |percent| money::percent_off(price_minor, percent)),
        sale_percent,
        limited: row.flag(7)?,
        player_limit: row.int(8)?,
    })
}
