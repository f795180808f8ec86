//! Loads everything a batch of payment commands touches, and writes everything it changed.

use crate::commands::with_limited;
use crate::model::{Item, Payment, PaymentState, Refund};
use crate::policy::Policy;
use crate::state::State;
use db::{Column, Error, Rank, Row, Rows, Statement, Tx, row};
use kernel::{Currency, OrderId, PaymentId, ProductId, UserId};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// What a batch needs loaded.
#[derive(Debug, Default)]
pub struct Needs {
    /// Payments by id, of these users.
    pub payments: BTreeSet<(PaymentId, UserId)>,
    /// Orders, with the payments of theirs that are ready.
    pub orders: BTreeSet<(OrderId, UserId)>,
    /// Products that are to be bought.
    pub buys: BTreeSet<(UserId, ProductId)>,
    /// Users whose wallets are touched.
    pub wallets: BTreeSet<UserId>,
    /// The orders of the payments.
    pub orders_of_payments: bool,
    /// The refunds of the payments.
    pub refunds: bool,
    /// What the catalogue sells the products for.
    pub prices: bool,
    /// Which of the products are owned.
    pub library: bool,
    /// Limited stock of the products, and holds of the payments.
    pub stock: bool,
}

// A row per item; only the payment's row is locked.
static LOAD: Statement = Statement::new(
    "payments.load",
    "select p.id, p.order_id, p.user_id, p.state, p.currency, p.amount, p.refunded, p.points_per_usd, p.entered_at, p.expires_at,
            p.paid_at, p.settled_at, p.version, i.product, i.price_minor, i.price_currency, i.amount, i.limited, i.refund
     from rows r join payment p on p.id = r.id and p.user_id = r.user_id join payment_item i on i.payment = p.id
     order by p.id, i.product {for update of p}",
)
.rows(&[("id", Column::Bytes), ("user_id", Column::Bytes)])
.locks(Rank::Payments);

// Those that are not ready are left out here: a condition on the state would let Postgres read all that are ready instead, by their
// index of expiries, which looks cheap while a table is new.
static LOAD_OF_ORDERS: Statement = Statement::new(
    "payments.load_of_orders",
    "select p.id, p.order_id, p.user_id, p.state, p.currency, p.amount, p.refunded, p.points_per_usd, p.entered_at, p.expires_at,
            p.paid_at, p.settled_at, p.version, i.product, i.price_minor, i.price_currency, i.amount, i.limited, i.refund
     from rows r join payment p on p.order_id = r.order_id and p.user_id = r.user_id join payment_item i on i.payment = p.id
     order by p.id, i.product {for update of p}",
)
.rows(&[("order_id", Column::Bytes), ("user_id", Column::Bytes)])
.locks(Rank::Payments);

static LOAD_REFUNDS: Statement = Statement::new(
    "payments.load_refunds",
    "select f.id, f.payment, f.user_id, f.state, f.amount, f.requested_at, f.due_at, f.done_at
     from rows r join refund f on f.payment = r.payment
     order by f.id {for update of f}",
)
.rows(&[("payment", Column::Bytes)])
.locks(Rank::Payments);

static INSERT: Statement = Statement::new(
    "payments.insert",
    "insert into payment (id, order_id, user_id, state, currency, amount, refunded, points_per_usd, entered_at, expires_at, paid_at, settled_at, version)
     select id, order_id, user_id, state, currency, amount, refunded, points_per_usd, entered_at, expires_at, paid_at, settled_at, version
     from rows
     order by id",
)
.rows(&[
    ("id", Column::Bytes),
    ("order_id", Column::Bytes),
    ("user_id", Column::Bytes),
    ("state", Column::Text),
    ("currency", Column::Text),
    ("amount", Column::Int),
    ("refunded", Column::Int),
    ("points_per_usd", Column::Int),
    ("entered_at", Column::Int),
    ("expires_at", Column::Int),
    ("paid_at", Column::Int),
    ("settled_at", Column::Int),
    ("version", Column::Int),
]);

static UPDATE: Statement = Statement::new(
    "payments.update",
    "update payment set state = r.state, amount = r.amount, refunded = r.refunded, paid_at = r.paid_at, settled_at = r.settled_at, version = r.version
     from rows r
     where payment.id = r.id",
)
.rows(&[
    ("id", Column::Bytes),
    ("state", Column::Text),
    ("amount", Column::Int),
    ("refunded", Column::Int),
    ("paid_at", Column::Int),
    ("settled_at", Column::Int),
    ("version", Column::Int),
]);

static INSERT_ITEMS: Statement = Statement::new(
    "payments.insert_items",
    "insert into payment_item (payment, product, price_minor, price_currency, amount, limited, refund)
     select payment, product, price_minor, price_currency, amount, limited, refund
     from rows
     order by payment, product",
)
.rows(&[
    ("payment", Column::Bytes),
    ("product", Column::Int),
    ("price_minor", Column::Int),
    ("price_currency", Column::Text),
    ("amount", Column::Int),
    ("limited", Column::Int),
    ("refund", Column::Bytes),
]);

static MARK_ITEMS: Statement = Statement::new(
    "payments.mark_items",
    "update payment_item set refund = r.refund
     from rows r
     where payment_item.payment = r.payment and payment_item.product = r.product",
)
.rows(&[("payment", Column::Bytes), ("product", Column::Int), ("refund", Column::Bytes)]);

static DELETE_ITEMS: Statement =
    Statement::new("payments.delete_items", "delete from payment_item where (payment, product) in (select payment, product from rows)")
        .rows(&[("payment", Column::Bytes), ("product", Column::Int)]);

static UPSERT_REFUNDS: Statement = Statement::new(
    "payments.upsert_refunds",
    "insert into refund (id, payment, user_id, state, amount, requested_at, due_at, done_at)
     select id, payment, user_id, state, amount, requested_at, due_at, done_at
     from rows
     where true
     order by id
     on conflict (id) do update set state = excluded.state, amount = excluded.amount, done_at = excluded.done_at",
)
.rows(&[
    ("id", Column::Bytes),
    ("payment", Column::Bytes),
    ("user_id", Column::Bytes),
    ("state", Column::Text),
    ("amount", Column::Int),
    ("requested_at", Column::Int),
    ("due_at", Column::Int),
    ("done_at", Column::Int),
]);

static LOAD_BOUGHT: Statement = Statement::new(
    "payments.load_bought",
    "select p.user_id, i.product, count(*)
     from rows r join payment p on p.user_id = r.user_id join payment_item i on i.payment = p.id and i.product = r.product
     where p.paid_at is not null
     group by p.user_id, i.product",
)
.rows(&[("user_id", Column::Bytes), ("product", Column::Int)]);

static LOAD_HOLDERS: Statement = Statement::new(
    "payments.load_holders",
    "select h.product, h.user_id
     from rows r join hold h on h.product = r.product
     limit 10000",
)
.rows(&[("product", Column::Int)]);

/// Holders of copies that are looked up at most, as [`LOAD_HOLDERS`] says.
pub(crate) const HOLDERS_MAX: usize = 10_000;

/// Who holds or bought copies of limited products.
pub(crate) async fn holders(tx: &mut Tx<'_>, products: &BTreeSet<ProductId>) -> Result<Vec<(ProductId, UserId)>, Error> {
    tx.load(&LOAD_HOLDERS, Rows::of(products, |product| row![*product]), |row| Ok((ProductId(row.int(0)?), row.id(1)?))).await
}

/// Loads and locks, in rank order. The gates of all users must be held.
pub(crate) async fn load(tx: &mut Tx<'_>, policy: &Policy, needs: &Needs) -> Result<State, Error> {
    let mut state = State { payments: payments(tx, needs).await?, ..State::default() };
    if needs.refunds {
        let refunds = tx.load(&LOAD_REFUNDS, Rows::of(state.payments.keys(), |id| row![*id]), refund).await?;
        state.refunds = refunds.into_iter().map(|refund| (refund.id, refund)).collect();
    }
    let mut order_ids: BTreeSet<OrderId> = needs.orders.iter().map(|(order, _)| *order).collect();
    if needs.orders_of_payments {
        order_ids.extend(state.payments.values().map(|payment| payment.order));
    }
    state.orders = orders::load(tx, &order_ids).await?;
    orders::open_products(tx, &mut state.orders, &needs.buys.iter().map(|(user, _)| *user).collect()).await?;

    let mut things = needs.buys.clone();
    things.extend(state.payments.values().flat_map(|payment| payment.items.keys().map(|product| (payment.user, *product))));
    things.extend(state.orders.rows.values().flat_map(|order| order.products.iter().map(|product| (order.user, *product))));
    if needs.prices {
        state.offers = catalogue::offers::load(tx, &things.iter().map(|(_, product)| *product).collect()).await?;
        let is_limited = |(_, product): &&(UserId, ProductId)| state.offers.get(product).is_some_and(|offer| offer.player_limit > 0);
        let asked = Rows::of(things.iter().filter(is_limited), |(user, product)| row![*user, *product]);
        let bought = tx.load(&LOAD_BOUGHT, asked, |row| Ok(((row.id(0)?, ProductId(row.int(1)?)), row.int(2)?))).await?;
        state.bought = bought.into_iter().collect();
    }
    if needs.library {
        state.library = library::commands::load(tx, &things).await?;
    }
    let mut wallets: BTreeSet<(UserId, Currency)> = needs.wallets.iter().map(|user| (*user, policy.points_currency)).collect();
    // What was entered or paid in another currency, before the setting was changed, is paid and refunded in that.
    wallets.extend(state.payments.values().filter(|of| needs.wallets.contains(&of.user)).map(|of| (of.user, of.currency)));
    state.wallets = wallet::commands::load(tx, &wallets).await?;
    if needs.stock {
        let (holders, mut limited) = with_limited(&state.payments);
        limited.extend(state.offers.values().filter(|offer| offer.limited).map(|offer| offer.product));
        state.stocks = stock::commands::load(tx, &limited, &holders).await?;
    }
    Ok(state)
}

async fn payments(tx: &mut Tx<'_>, needs: &Needs) -> Result<BTreeMap<PaymentId, Payment>, Error> {
    let mut payments = BTreeMap::new();
    tx.load(&LOAD, Rows::of(&needs.payments, |(id, user)| row![*id, *user]), |row| gather(&mut payments, row)).await?;
    let mut of_orders = BTreeMap::new();
    tx.load(&LOAD_OF_ORDERS, Rows::of(&needs.orders, |(order, user)| row![*order, *user]), |row| gather(&mut of_orders, row)).await?;
    payments.extend(of_orders.into_iter().filter(|(_, payment)| payment.state == PaymentState::Ready));
    Ok(payments)
}

/// Adds a row of a payment and one of its items.
pub(crate) fn gather(payments: &mut BTreeMap<PaymentId, Payment>, row: &Row) -> Result<(), Error> {
    let id: PaymentId = row.id(0)?;
    let payment = match payments.entry(id) {
        Entry::Occupied(place) => place.into_mut(),
        Entry::Vacant(place) => place.insert(Payment {
            id,
            order: row.id(1)?,
            user: row.id(2)?,
            state: row.parsed(3)?,
            currency: row.parsed(4)?,
            amount: row.int(5)?,
            refunded: row.int(6)?,
            points_per_usd: row.int(7)?,
            entered_at: row.instant(8)?,
            expires_at: row.instant(9)?,
            paid_at: row.instant_opt(10)?,
            settled_at: row.instant_opt(11)?,
            version: row.int(12)?,
            items: BTreeMap::new(),
        }),
    };
    let item = Item {
        price_minor: row.int(14)?,
        price_currency: row.parsed(15)?,
        amount: row.int(16)?,
        limited: row.flag(17)?,
        refund: row.id_opt(18)?,
    };
    payment.items.insert(ProductId(row.int(13)?), item);
    Ok(())
}

/// A row of the refund table.
pub(crate) fn refund(row: &Row) -> Result<Refund, Error> {
    Ok(Refund {
        id: row.id(0)?,
        payment: row.id(1)?,
        user: row.id(2)?,
        state: row.parsed(3)?,
        amount: row.int(4)?,
        requested_at: row.instant(5)?,
        due_at: row.instant(6)?,
        done_at: row.instant_opt(7)?,
    })
}

/// Writes what was decided, one statement per table.
pub(crate) async fn write(tx: &mut Tx<'_>, state: &State) -> Result<(), Error> {
    let created = || state.created.iter().map(|id| &state.payments[id]);
    let rows = Rows::of(created(), |p| {
        let (state, currency) = (p.state.as_str(), p.currency.as_str());
        row![
            p.id,
            p.order,
            p.user,
            state,
            currency,
            p.amount,
            p.refunded,
            p.points_per_usd,
            p.entered_at,
            p.expires_at,
            p.paid_at,
            p.settled_at,
            p.version
        ]
    });
    tx.write(&INSERT, rows).await?;
    let items = created().flat_map(|payment| payment.items.iter().map(move |(product, item)| (payment.id, *product, item)));
    let rows = Rows::of(items, |(id, product, item)| {
        row![id, product, item.price_minor, item.price_currency.as_str(), item.amount, item.limited, item.refund]
    });
    tx.write(&INSERT_ITEMS, rows).await?;
    let changed = state.changed.iter().map(|id| &state.payments[id]);
    let rows = Rows::of(changed, |p| row![p.id, p.state.as_str(), p.amount, p.refunded, p.paid_at, p.settled_at, p.version]);
    tx.write(&UPDATE, rows).await?;
    let old = |key: &&(PaymentId, ProductId)| !state.created.contains(&key.0);
    let marked = state.marked.iter().filter(old);
    tx.write(&MARK_ITEMS, Rows::of(marked, |key| row![key.0, key.1, state.payments[&key.0].items[&key.1].refund])).await?;
    tx.write(&DELETE_ITEMS, Rows::of(state.dropped.iter().filter(old), |key| row![key.0, key.1])).await?;
    let refunds = state.touched_refunds.iter().map(|id| &state.refunds[id]);
    let rows = Rows::of(refunds, |f| row![f.id, f.payment, f.user, f.state.as_str(), f.amount, f.requested_at, f.due_at, f.done_at]);
    tx.write(&UPSERT_REFUNDS, rows).await?;
    orders::write(tx, &state.orders).await?;
    library::commands::write(tx, &state.library).await?;
    wallet::commands::write(tx, &state.wallets).await?;
    stock::commands::write(tx, &state.stocks).await
}
