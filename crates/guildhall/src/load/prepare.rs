//! Prepares users, money, products, orders and payments through the services, in the database and before the server is started.
//! Refuses shortcuts past the services: what is driven later is what ordinary calls would have made.

use super::prepared::{PASSWORD, Prepared, Round, Shot, email};
use super::terms::{Plan, Scenario, Through};
use crate::App;
use accounts::NewAccount;
use catalogue::decide::{Asked, NewProduct};
use catalogue::detail::Detail;
use catalogue::generate::{FULL_GAMES, FULL_GENRE_ROWS, write_steam_file};
use catalogue::model::Platforms;
use db::{Db, Error, Meta};
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use kernel::{Currency, Money, ProductId, SessionId, UserId, Uuid};
use std::ops::ControlFlow;
use std::path::Path;
use stock::commands::Change;
use web::{Role, Roles, Who};

const ROUTE: &str = "load.prepare";
/// Commands that wait at once; the queues hold more.
const AT_ONCE: usize = 8_000;
/// Users of ordinary runs: each pays something else in each layer of shots.
const USERS_MAX: u64 = 10_000;
/// $4.99.
const PRICE: Money = Money { minor: 499, currency: Currency::USD };
/// More than [`PRICE`] in points.
const POINTS_PER_PRODUCT: i64 = 10_000;

/// Fills an empty catalogue with as many games as the public set has; the file is kept in the folder.
pub async fn fill_catalogue(db: &Db, folder: &Path) -> Result<(), String> {
    static COUNT: db::Statement = db::Statement::new("load.count_products", "select count(*) from product");
    let count = db.fetch(&COUNT, &[], |row| row.int(0)).await.map_err(|e| e.to_string())?;
    if count.first().is_some_and(|count| *count > 0) {
        return Ok(());
    }
    let path = folder.join("games.json");
    if !path.exists() {
        eprintln!("writing {FULL_GAMES} games");
        let out = std::fs::File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let wrote = tokio::task::spawn_blocking(move || write_steam_file(out, FULL_GAMES, FULL_GENRE_ROWS, 1)).await;
        wrote.map_err(|e| e.to_string())?.map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let bar = bar(u64::from(FULL_GAMES), "games imported");
    let shown = bar.clone();
    let imported = catalogue::import::run(db, &path, move |progress| {
        shown.set_position(progress.counts.read);
        ControlFlow::Continue(())
    })
    .await;
    bar.finish_and_clear();
    imported.map(drop).map_err(|e| e.to_string())
}

/// Prepares all rounds of a plan.
pub async fn prepare(app: &App, plan: &Plan) -> Result<Prepared, String> {
    let preparing = Preparing { app, plan, tag: Uuid::now_v7().simple().to_string() };
    let prepared = preparing.prepare().await.map_err(|e| format!("preparing failed: {e}"))?;
    // Plans are made for empty tables until the engine was told otherwise.
    app.db.analyse().await.map_err(|e| e.to_string())?;
    Ok(prepared)
}

struct Preparing<'a> {
    app: &'a App,
    plan: &'a Plan,
    tag: String,
}

impl Preparing<'_> {
    async fn prepare(&self) -> Result<Prepared, Error> {
        let sizes = self.plan.rounds();
        let (users, rounds) = match self.plan.scenario {
            Scenario::Browse => (Vec::new(), self.pages(&sizes)),
            Scenario::Login => {
                let users = self.users(sizes.iter().copied().max().unwrap_or(1)).await?;
                let round = |size: &u64| Round {
                    shots: (0..count(*size)).map(|user| Shot { user: user % users.len(), number: 0, id: None }).collect(),
                };
                let rounds = sizes.iter().map(round).collect();
                (users, rounds)
            }
            Scenario::Sale => {
                let users = self.users(self.plan.requests()).await?;
                let rounds = self.sales(&users, sizes.len()).await?;
                (users, rounds)
            }
            Scenario::Pay | Scenario::Enter | Scenario::Buy => {
                let users = self.users(self.plan.requests().min(USERS_MAX)).await?;
                let rounds = self.payments(&users, &sizes).await?;
                (users, rounds)
            }
        };
        let tokens = users.iter().map(|user| self.app.tokens.issue(&Who { user: *user, session: SessionId::new(), roles: player() }));
        let sale = self.plan.sale.as_ref().map(|sale| (i64::from(sale.stock), sale.through));
        Ok(Prepared { scenario: self.plan.scenario, tokens: tokens.collect(), sale, rounds, taken: 0, tag: self.tag.clone() })
    }

    /// Accounts that share one real password hash.
    async fn users(&self, wanted: u64) -> Result<Vec<UserId>, Error> {
        let password_hash = self.app.accounts.hash_password(PASSWORD).await?;
        let account = |number: usize| NewAccount {
            user: UserId::new(),
            email: email(&self.tag, number),
            name: format!("Player {number}"),
            phone: None,
            password_hash: password_hash.clone(),
            roles: player(),
        };
        let all: Vec<NewAccount> = (0..count(wanted)).map(account).collect();
        let users = all.iter().map(|account| account.user).collect();
        let bar = bar(wanted, "accounts");
        for chunk in all.chunks(1_000) {
            self.app.accounts.create_many(chunk.to_vec()).await?;
            bar.inc(chunk.len() as u64);
        }
        bar.finish_and_clear();
        Ok(users)
    }

    async fn credit(&self, users: &[UserId], points: i64) -> Result<(), Error> {
        let credit = async |user: UserId| {
            let money = Money { minor: points, currency: self.app.config.store.points_currency };
            let posting = wallet::Posting { user, money, counterparty: "load".to_owned(), reason: "charge", reference: self.tag.clone() };
            self.app.wallet.post(Meta::of(user, ROUTE), posting).await.map(drop)
        };
        let bar = bar(users.len() as u64, "wallets");
        let work = futures::stream::iter(users.iter().copied()).map(credit).buffer_unordered(AT_ONCE);
        work.try_for_each(async |()| {
            bar.inc(1);
            Ok(())
        })
        .await?;
        bar.finish_and_clear();
        Ok(())
    }

    async fn product(&self, number: usize, limited: bool) -> Result<ProductId, Error> {
        let product = NewProduct {
            name: format!("Load test {} {number}", self.tag),
            price: PRICE,
            developers: Vec::new(),
            publishers: Vec::new(),
            genres: vec!["Action".to_owned()],
            platforms: Platforms::default(),
            released: None,
            limited,
            player_limit: 0,
            detail: Detail::default(),
        };
        Ok(self.app.catalogue.change(Meta::ours(ROUTE), Asked::Add(Box::new(product))).await?.product)
    }

    /// Shots in layers: in each layer every user gets one product, so neighbours in a run are different users.
    async fn payments(&self, users: &[UserId], sizes: &[u64]) -> Result<Vec<Round>, Error> {
        let total = count(sizes.iter().sum());
        let layers = total.div_ceil(users.len());
        self.credit(users, POINTS_PER_PRODUCT * i64::try_from(layers).unwrap_or(1)).await?;
        let bar = bar(total as u64, "orders");
        let mut shots = Vec::with_capacity(total);
        for layer in 0..layers {
            let product = self.product(layer, false).await?;
            let layer: Vec<usize> = (0..users.len().min(total - shots.len())).collect();
            shots.extend(self.layer(users, layer, product, &bar).await?);
        }
        bar.finish_and_clear();
        let mut rest = shots.into_iter();
        Ok(sizes.iter().map(|size| Round { shots: rest.by_ref().take(count(*size)).collect() }).collect())
    }

    /// One sale per round: a product of its own with its copies, and every buyer.
    async fn sales(&self, users: &[UserId], rounds: usize) -> Result<Vec<Round>, Error> {
        let copies = self.plan.sale.as_ref().map_or(1, |sale| i64::from(sale.stock));
        self.credit(users, POINTS_PER_PRODUCT * i64::try_from(rounds).unwrap_or(1)).await?;
        let bar = bar((users.len() * rounds) as u64, "buyers");
        let mut sales = Vec::with_capacity(rounds);
        for number in 0..rounds {
            let product = self.product(number, true).await?;
            if copies > 0 {
                self.app.stock.change(Meta::ours(ROUTE), Change::Register(product, copies)).await?;
            }
            let shots = self.layer(users, (0..users.len()).collect(), product, &bar).await?;
            sales.push(Round { shots });
        }
        bar.finish_and_clear();
        Ok(sales)
    }

    /// One shot per user, with the order and the payment that the scenario begins from.
    async fn layer(&self, users: &[UserId], layer: Vec<usize>, product: ProductId, bar: &ProgressBar) -> Result<Vec<Shot>, Error> {
        let shot = async |user: usize| {
            let id = self.begin(users[user], product).await?;
            bar.inc(1);
            Ok::<Shot, Error>(Shot { user, number: product.0, id })
        };
        let mut shots: Vec<Shot> = futures::stream::iter(layer).map(shot).buffer_unordered(AT_ONCE).try_collect().await?;
        shots.sort_by_key(|shot| shot.user);
        Ok(shots)
    }

    async fn begin(&self, user: UserId, product: ProductId) -> Result<Option<Uuid>, Error> {
        let through = self.plan.sale.as_ref().map(|sale| sale.through);
        let is_ordered = matches!(self.plan.scenario, Scenario::Pay | Scenario::Enter) || through == Some(Through::Enter);
        if !is_ordered {
            return Ok(None);
        }
        self.app.orders.wish(Meta::of(user, ROUTE), user, product).await?;
        let order = self.app.orders.create(Meta::of(user, ROUTE), user).await?.id;
        if self.plan.scenario != Scenario::Pay {
            return Ok(Some(order.0));
        }
        Ok(Some(self.app.payments.enter(Meta::of(user, ROUTE), user, order).await?.id.0))
    }

    /// Random pages of ten, any page.
    fn pages(&self, sizes: &[u64]) -> Vec<Round> {
        let pages = i64::try_from(self.app.catalogue.snapshot().len().div_ceil(10)).unwrap_or(1).max(1);
        let shot = |_| Shot { user: 0, number: rand::random_range(1..=pages), id: None };
        sizes.iter().map(|size| Round { shots: (0..*size).map(shot).collect() }).collect()
    }
}

fn player() -> Roles {
    Roles::default().with(Role::Player)
}

fn count(number: u64) -> usize {
    usize::try_from(number).expect("as many as a list can hold")
}

/// A progress bar on standard error, none when nobody watches.
pub fn bar(total: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos}/{len} {msg} [{bar:40}] {per_sec}, {eta} left");
    let style = style.expect("the template is fixed").progress_chars("=> ");
    ProgressBar::new(total).with_style(style).with_message(what.to_owned())
}
