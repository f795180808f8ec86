//! Batched writes of wishlists and orders. Cancelling and dropping touch payments too, so they live there.

use crate::model::{Order, Orders, Wish};
use crate::{decide, rows};
use catalogue::offers;
use db::{Command, Error, Meta, Tx};
use kernel::{Instant, OrderId, Outcome, ProductId, Refusal, UserId};
use std::collections::BTreeSet;

/// A change of a wishlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WishAsk {
    /// Adds a product.
    Add(UserId, ProductId),
    /// Removes a product.
    Remove(UserId, ProductId),
}

/// The command that changes wishlists.
pub struct ChangeWishlist;

impl Command for ChangeWishlist {
    const NAME: &'static str = "orders.change_wishlist";
    type Input = WishAsk;
    type Reply = Option<Wish>;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a WishAsk], now: Instant) -> Result<Vec<Outcome<Option<Wish>>>, Error> {
        let keys: BTreeSet<(UserId, ProductId)> = batch.iter().map(|ask| ask.key()).collect();
        let added = batch.iter().filter_map(|ask| matches!(ask, WishAsk::Add(..)).then_some(ask.key().1)).collect();
        let offers = offers::load(tx, &added).await?;
        let mut orders = Orders::default();
        rows::wishes(tx, &mut orders, &keys.iter().map(|(user, _)| *user).collect()).await?;
        let library = library::commands::load(tx, &keys).await?;
        let outcomes = batch
            .iter()
            .map(|ask| match **ask {
                WishAsk::Remove(user, product) => decide::unwish(&mut orders, user, product).map(|()| None),
                WishAsk::Add(_, product) if !offers.contains_key(&product) => Err(Refusal::not_found("product", product)),
                WishAsk::Add(user, product) if library.rows.contains_key(&(user, product)) => Err(library::decide::owned_already(product)),
                WishAsk::Add(user, product) => {
                    decide::wish(&mut orders, user, product, now).map(|()| Some(Wish { product, added_at: now }))
                }
            })
            .collect();
        rows::write(tx, &orders).await?;
        Ok(outcomes)
    }
}

impl WishAsk {
    fn key(&self) -> (UserId, ProductId) {
        match *self {
            WishAsk::Add(user, product) | WishAsk::Remove(user, product) => (user, product),
        }
    }
}

/// An order of the whole wishlist.
#[derive(Debug, Clone, Copy)]
pub struct CreateAsk {
    /// Whose wishlist.
    pub user: UserId,
    /// The order's id.
    pub id: OrderId,
}

/// The command that makes orders.
pub struct CreateOrder;

impl Command for CreateOrder {
    const NAME: &'static str = "orders.create";
    type Input = CreateAsk;
    type Reply = Order;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a CreateAsk], now: Instant) -> Result<Vec<Outcome<Order>>, Error> {
        let users: BTreeSet<UserId> = batch.iter().map(|ask| ask.user).collect();
        let mut orders = Orders::default();
        rows::wishes(tx, &mut orders, &users).await?;
        rows::open_products(tx, &mut orders, &users).await?;
        let library = library::commands::load(tx, &orders.wishes.keys().copied().collect()).await?;
        let owned = library.rows.into_keys().collect();
        let outcomes = batch.iter().map(|ask| decide::create(&mut orders, &owned, ask.user, ask.id, now)).collect();
        rows::write(tx, &orders).await?;
        Ok(outcomes)
    }
}

impl crate::OrderService {
    /// Adds a product to a wishlist.
    ///
    /// # Errors
    /// No such product, it is owned, it is on the list already, or the list is full.
    pub async fn wish(&self, meta: Meta, user: UserId, product: ProductId) -> Result<Wish, Error> {
        let wish = self.wishes.send(meta, WishAsk::Add(user, product)).await?;
        wish.ok_or_else(|| Error::Broken("adding a wish answers with it".to_owned()))
    }

    /// Removes a product from a wishlist.
    ///
    /// # Errors
    /// It is not on the list.
    pub async fn unwish(&self, meta: Meta, user: UserId, product: ProductId) -> Result<(), Error> {
        self.wishes.send(meta, WishAsk::Remove(user, product)).await.map(drop)
    }

    /// Orders the whole wishlist. Repeating the key returns the first order.
    ///
    /// # Errors
    /// The wishlist is empty, or holds what is owned or in another open order.
    pub async fn create(&self, meta: Meta, user: UserId) -> Result<Order, Error> {
        self.creates.send(meta, CreateAsk { user, id: OrderId::new() }).await
    }
}
