//! Reads of wishlists and orders.

use crate::OrderService;
use crate::model::{Order, Wish};
use db::{Error, Row, Statement, row};
use kernel::{Cursor, OrderId, Page, ProductId, Refusal, UserId, Uuid, page};
use std::collections::BTreeSet;

static WISHES: Statement = Statement::new(
    "orders.wishlist",
    "select product, added_at
     from wishlist
     where user_id = $1 and product > $2
     order by product
     limit $3",
);

static READ: Statement = Statement::new(
    "orders.read",
    "select o.id, o.user_id, o.state, o.created_at, o.version, i.product
     from orders o left join order_item i on i.order_id = o.id
     where o.id = $1 and o.user_id = $2",
);

static LIST: Statement = Statement::new(
    "orders.list",
    "select o.id, o.user_id, o.state, o.created_at, o.version, i.product
     from (
         select id, user_id, state, created_at, version
         from orders
         where user_id = $1 and id < $2
         order by id desc
         limit $3
     ) o left join order_item i on i.order_id = o.id
     order by o.id desc, i.product",
);

impl OrderService {
    /// A wishlist, by product.
    pub async fn wishlist(&self, user: UserId, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Wish>, Error> {
        let size = page::size(size)?;
        let above = after.map_or(Ok(0), Cursor::number)?;
        let wish = |row: &Row| Ok(Wish { product: ProductId(row.int(0)?), added_at: row.instant(1)? });
        let wishes = self.db.fetch(&WISHES, &row![user, above, size + 1], wish).await?;
        Ok(Page::cut(wishes, size, |wish| Cursor::of(wish.product.0)))
    }

    /// One order of an account.
    ///
    /// # Errors
    /// `not-found` when it is another's or none.
    pub async fn read(&self, user: UserId, id: OrderId) -> Result<Order, Error> {
        let found = self.db.fetch(&READ, &row![id, user], item).await?;
        Ok(gather(found).pop().ok_or_else(|| Refusal::not_found("order", id))?)
    }

    /// An account's orders, newest first.
    pub async fn list(&self, user: UserId, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Order>, Error> {
        let size = page::size(size)?;
        let below = after.map_or(Ok(Uuid::max()), Cursor::id)?;
        let found = self.db.fetch(&LIST, &row![user, below, size + 1], item).await?;
        Ok(Page::cut(gather(found), size, |order| Cursor::of_id(order.id.0)))
    }
}

/// A row of an order and one of its items.
fn item(row: &Row) -> Result<(Order, Option<ProductId>), Error> {
    let order = Order {
        id: row.id(0)?,
        user: row.id(1)?,
        state: row.parsed(2)?,
        products: BTreeSet::new(),
        created_at: row.instant(3)?,
        version: row.int(4)?,
    };
    Ok((order, row.int_opt(5)?.map(ProductId)))
}

/// Orders of rows that stand together by order.
fn gather(rows: Vec<(Order, Option<ProductId>)>) -> Vec<Order> {
    let mut orders: Vec<Order> = Vec::new();
    for (order, product) in rows {
        if orders.last().is_none_or(|last| last.id != order.id) {
            orders.push(order);
        }
        if let (Some(last), Some(product)) = (orders.last_mut(), product) {
            last.products.insert(product);
        }
    }
    orders
}
