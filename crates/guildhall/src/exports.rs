//! What each service keeps about an account, for `export my data`.

use crate::App;
use accounts::export::DataSource;
use campaigns::Campaigns;
use campaigns::commands::links::{Ask, What};
use db::{Error, Meta};
use kernel::{Code, Cursor, Page, UserId, page::PAGE_SIZE_MAX};
use payments::queries::Part;
use serde::Serialize;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use teams::Teams;

/// A part by its name and how it is gathered.
struct Source<F> {
    name: &'static str,
    gather: F,
}

/// Which players of games an account is, what the games' teams know of them, and what they reached there. The links go with the account;
/// what was reached, and what a game knows of its player, stays the game's.
struct Players(Campaigns, Teams);

impl DataSource for Players {
    fn name(&self) -> &'static str {
        "players"
    }

    fn export(&self, user: UserId) -> accounts::export::Part {
        let (campaigns, teams) = (self.0.clone(), self.1.clone());
        Box::pin(async move {
            let mut parts = Vec::new();
            for link in campaigns.links(user).await? {
                let achievements = all(|cursor| {
                    let (campaigns, link) = (campaigns.clone(), link.clone());
                    async move { campaigns.achievements(&link.game, &link.player, cursor.as_ref(), Some(PAGE_SIZE_MAX)).await }
                });
                let profile = teams.players(&link.game, std::slice::from_ref(&link.player)).await?.pop();
                let currencies = teams.balances(&link.game, &link.player).await?.to_vec();
                parts.push(json!({ "achievements": achievements.await?, "link": link, "profile": profile, "currencies": currencies }));
            }
            Ok(Value::Array(parts))
        })
    }

    fn forget(&self, user: UserId) -> accounts::export::Forgotten {
        let campaigns = self.0.clone();
        Box::pin(async move {
            for link in campaigns.links(user).await? {
                let ask = Ask { user, what: What::Unlink(link.game, link.player), by_operator: false };
                match campaigns.relink(Meta::ours("account erased"), ask).await {
                    Ok(_) => {}
                    // Somebody was quicker.
                    Err(Error::Refused(refusal)) if refusal.code == Code::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }
}

impl<F: Fn(UserId) -> accounts::export::Part + Send + Sync> DataSource for Source<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn export(&self, user: UserId) -> accounts::export::Part {
        (self.gather)(user)
    }
}

/// Adds the store's parts to every export.
pub(crate) fn register(app: &App) {
    app.accounts.add_source(Arc::new(Players(app.campaigns.clone(), app.teams.clone())));
    let wallet = app.wallet.clone();
    add(app, "wallet", move |user| {
        let wallet = wallet.clone();
        Box::pin(async move {
            let mut parts = Vec::new();
            for balance in wallet.balances(user).await? {
                let entries = all(|cursor| {
                    let wallet = wallet.clone();
                    async move { wallet.entries(user, balance.currency, cursor.as_ref(), Some(PAGE_SIZE_MAX)).await }
                });
                parts.push(json!({ "balance": balance, "entries": entries.await? }));
            }
            Ok(Value::Array(parts))
        })
    });
    let orders = app.orders.clone();
    add(app, "wishlist", move |user| {
        let orders = orders.clone();
        listed(move |cursor| {
            let orders = orders.clone();
            async move { orders.wishlist(user, cursor.as_ref(), Some(PAGE_SIZE_MAX)).await }
        })
    });
    let orders = app.orders.clone();
    add(app, "orders", move |user| {
        let orders = orders.clone();
        listed(move |cursor| {
            let orders = orders.clone();
            async move { orders.list(user, cursor.as_ref(), Some(PAGE_SIZE_MAX)).await }
        })
    });
    let payments = app.payments.clone();
    add(app, "payments", move |user| {
        let payments = payments.clone();
        listed(move |cursor| {
            let payments = payments.clone();
            async move { payments.list(user, Part::After(cursor), Some(PAGE_SIZE_MAX)).await }
        })
    });
    let library = app.library.clone();
    add(app, "library", move |user| {
        let library = library.clone();
        listed(move |cursor| {
            let library = library.clone();
            async move { library.list(user, cursor.as_ref(), Some(PAGE_SIZE_MAX)).await }
        })
    });
}

fn add(app: &App, name: &'static str, gather: impl Fn(UserId) -> accounts::export::Part + Send + Sync + 'static) {
    app.accounts.add_source(Arc::new(Source { name, gather }));
}

/// A part that is one list, read to its end.
fn listed<T, F>(page: impl Fn(Option<Cursor>) -> F + Send + 'static) -> accounts::export::Part
where
    T: Serialize + Send + 'static,
    F: Future<Output = Result<Page<T>, Error>> + Send,
{
    Box::pin(async move {
        serde_json::to_value(all(page).await?).map_err(|e| Error::Broken(format!("an export cannot be written as JSON: {e}")))
    })
}

/// Every page of a list.
async fn all<T, F: Future<Output = Result<Page<T>, Error>>>(page: impl Fn(Option<Cursor>) -> F) -> Result<Vec<T>, Error> {
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let next = page(cursor).await?;
        items.extend(next.items);
        match next.next {
            Some(next) => cursor = Some(next),
            None => return Ok(items),
        }
    }
}
