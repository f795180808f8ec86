//! Loads and writes orders and wishlists, set by set, inside the transaction of whoever calls.

use crate::model::{Order, Orders};
use db::{Column, Error, Rank, Rows, Statement, Tx, row};
use kernel::{Instant, OrderId, ProductId, UserId};
use std::collections::{BTreeMap, BTreeSet};

// The items come along, a row per item; only the order's row is locked.
static LOAD: Statement = Statement::new(
    "orders.load",
    "select o.id, o.user_id, o.state, o.created_at, o.version, i.product
     from rows r join orders o on o.id = r.id left join order_item i on i.order_id = o.id
     order by o.id, i.product {for update of o}",
)
.rows(&[("id", Column::Bytes)])
.locks(Rank::Orders);

static OPEN_PRODUCTS: Statement = Statement::new(
    "orders.open_products",
    "select o.user_id, i.product
     from rows r join orders o on o.user_id = r.user_id join order_item i on i.order_id = o.id
     where o.state in ('ready', 'ordered')",
)
.rows(&[("user_id", Column::Bytes)])
.locks(Rank::Orders);

static INSERT: Statement = Statement::new(
    "orders.insert",
    "insert into orders (id, user_id, state, created_at, version)
     select id, user_id, state, created_at, version
     from rows
     order by id",
)
.rows(&[("id", Column::Bytes), ("user_id", Column::Bytes), ("state", Column::Text), ("created_at", Column::Int), ("version", Column::Int)]);

static UPDATE: Statement = Statement::new(
    "orders.update",
    "update orders set state = r.state, version = r.version
     from rows r
     where orders.id = r.id",
)
.rows(&[("id", Column::Bytes), ("state", Column::Text), ("version", Column::Int)]);

static INSERT_ITEMS: Statement = Statement::new(
    "orders.insert_items",
    "insert into order_item (order_id, product)
     select order_id, product
     from rows
     order by order_id, product",
)
.rows(ITEM);

static DELETE_ITEMS: Statement =
    Statement::new("orders.delete_items", "delete from order_item where (order_id, product) in (select order_id, product from rows)")
        .rows(ITEM);

// A product that is wished for already stays as it was.
static INSERT_WISHES: Statement = Statement::new(
    "orders.insert_wishes",
    "insert into wishlist (user_id, product, added_at)
     select user_id, product, added_at
     from rows
     where true
     order by user_id, product
     on conflict do nothing",
)
.rows(&[("user_id", Column::Bytes), ("product", Column::Int), ("added_at", Column::Int)]);

static DELETE_WISHES: Statement =
    Statement::new("orders.delete_wishes", "delete from wishlist where (user_id, product) in (select user_id, product from rows)")
        .rows(&[("user_id", Column::Bytes), ("product", Column::Int)]);

static LOAD_WISHES: Statement = Statement::new(
    "orders.load_wishes",
    "select w.user_id, w.product, w.added_at
     from rows r join wishlist w on w.user_id = r.user_id",
)
.rows(&[("user_id", Column::Bytes)])
.locks(Rank::Orders);

const ITEM: &[(&str, Column)] = &[("order_id", Column::Bytes), ("product", Column::Int)];

/// Loads and locks orders with their items. The gates of their users must be held.
pub async fn load(tx: &mut Tx<'_>, ids: &BTreeSet<OrderId>) -> Result<Orders, Error> {
    let mut rows: BTreeMap<OrderId, Order> = BTreeMap::new();
    tx.load(&LOAD, Rows::of(ids, |id| row![*id]), |row| {
        let id: OrderId = row.id(0)?;
        if let std::collections::btree_map::Entry::Vacant(place) = rows.entry(id) {
            let (user, created_at) = (row.id(1)?, row.instant(3)?);
            place.insert(Order { id, user, state: row.parsed(2)?, products: BTreeSet::new(), created_at, version: row.int(4)? });
        }
        if let (Some(order), Some(product)) = (rows.get_mut(&id), row.int_opt(5)?) {
            order.products.insert(ProductId(product));
        }
        Ok(())
    })
    .await?;
    Ok(Orders { rows, ..Orders::default() })
}

/// Adds to `orders` the products that users have in open orders. Their gates must be held.
pub async fn open_products(tx: &mut Tx<'_>, orders: &mut Orders, users: &BTreeSet<UserId>) -> Result<(), Error> {
    let found = tx.load(&OPEN_PRODUCTS, of_users(users), |row| Ok((row.id(0)?, ProductId(row.int(1)?)))).await?;
    orders.open.extend(found);
    Ok(())
}

/// Adds to `orders` the wishlists of users. Their gates must be held.
pub(crate) async fn wishes(tx: &mut Tx<'_>, orders: &mut Orders, users: &BTreeSet<UserId>) -> Result<(), Error> {
    let wish =
        |row: &db::Row| -> Result<((UserId, ProductId), Instant), Error> { Ok(((row.id(0)?, ProductId(row.int(1)?)), row.instant(2)?)) };
    let found = tx.load(&LOAD_WISHES, of_users(users), wish).await?;
    orders.wishes.extend(found);
    Ok(())
}

fn of_users(users: &BTreeSet<UserId>) -> Rows {
    Rows::of(users, |user| row![*user])
}

/// Writes what was decided.
pub async fn write(tx: &mut Tx<'_>, orders: &Orders) -> Result<(), Error> {
    let created = || orders.created.iter().map(|id| &orders.rows[id]);
    let rows = Rows::of(created(), |o| row![o.id, o.user, o.state.as_str(), o.created_at, o.version]);
    tx.write(&INSERT, rows).await?;
    let items = created().flat_map(|order| order.products.iter().map(|product| (order.id, *product)));
    tx.write(&INSERT_ITEMS, Rows::of(items, |(id, product)| row![id, product])).await?;
    let rows = Rows::of(orders.changed.iter().map(|id| &orders.rows[id]), |o| row![o.id, o.state.as_str(), o.version]);
    tx.write(&UPDATE, rows).await?;
    tx.write(
        &DELETE_ITEMS,
        Rows::of(orders.dropped.iter().filter(|(id, _)| !orders.created.contains(id)), |(id, product)| row![*id, *product]),
    )
    .await?;
    tx.write_some(&DELETE_WISHES, Rows::of(&orders.unwished, |(user, product)| row![*user, *product])).await?;
    let rows = Rows::of(&orders.wished, |key| row![key.0, key.1, orders.wishes[key]]);
    tx.write_some(&INSERT_WISHES, rows).await.map(drop)
}
