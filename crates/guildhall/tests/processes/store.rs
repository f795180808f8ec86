//! A store for tests with real processes: its folder, secrets and database, filled through the services before any server starts.
//! Refuses to start servers; see `server`.

use catalogue::decide::{Asked, NewProduct};
use db::{Error, Meta};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use guildhall::config::DatabaseUrl;
use guildhall::demo::crowd::{Member, WAITING_MAX};
use guildhall::secrets::{Missing, Secrets};
use guildhall::{App, Config};
use kernel::{Currency, Money, OrderId, PaymentId, ProductId};
use std::path::Path;
use stock::commands::Change;
use tempfile::TempDir;

/// A day: what is prepared outlives every test.
const DAY_S: u32 = 86_400;

/// Which database is underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// The place of a store.
pub(crate) struct Store {
    folder: TempDir,
    url: Option<String>,
    /// Secrets are made before the database is, as a first start does.
    secrets: Secrets,
}

impl Store {
    /// An empty store; none when the engine is not there, which is said.
    pub(crate) async fn new(label: &str, engine: Engine) -> Option<Store> {
        let url = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let url = testkit::fresh_postgres(label).await;
                if url.is_none() {
                    eprintln!("left out: {} is not set, so {label} ran on SQLite only", testkit::postgres::VARIABLE);
                }
                Some(url?)
            }
        };
        let folder = tempfile::tempdir().expect("a test gets a temporary folder");
        let database = folder.path().join("guildhall.db");
        let secrets = Secrets::load(folder.path(), |_| None, Missing::Generate { database: &database }).expect("secrets are generated");
        Some(Store { folder, url, secrets })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database's address; none for SQLite in the folder.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The flags that lead the program here, to the database by another address if one is given.
    pub(crate) fn flags(&self, through: Option<&str>) -> Vec<String> {
        let mut flags = vec!["--data".to_owned(), self.folder().display().to_string()];
        flags.extend(through.or(self.url()).into_iter().flat_map(|url| ["--db".to_owned(), url.to_owned()]));
        flags
    }

    /// The application in this process, to prepare what a test needs; stop it before a server starts on SQLite.
    pub(crate) async fn app(&self) -> App {
        let mut config = Config::default();
        config.data.dir = self.folder().to_owned();
        config.accounts.argon2_memory_kib = 64;
        config.accounts.argon2_iterations = 1;
        config.accounts.access_token_s = DAY_S;
        config.store.hold_s = DAY_S;
        if let Some(url) = &self.url {
            config.db.url = DatabaseUrl::parse(url).expect("the server's URL is one");
        }
        App::start(config, &self.secrets).await.expect("the application starts")
    }
}

/// A product; with a number of copies it is a limited one.
pub(crate) async fn product(app: &App, name: &str, price_cents: i64, copies: Option<i64>) -> Result<ProductId, Error> {
    let new = NewProduct {
        name: name.to_owned(),
        price: Money { minor: price_cents, currency: Currency::USD },
        developers: Vec::new(),
        publishers: Vec::new(),
        genres: vec!["Action".to_owned()],
        platforms: catalogue::model::Platforms::default(),
        released: None,
        limited: copies.is_some(),
        player_limit: 0,
        detail: catalogue::detail::Detail::default(),
    };
    let product = app.catalogue.change(Meta::ours("test"), Asked::Add(Box::new(new))).await?.product;
    if let Some(copies) = copies {
        app.stock.change(Meta::ours("test"), Change::Register(product, copies)).await?;
    }
    Ok(product)
}

/// An order of one product for each of these players, all prepared side by side.
pub(crate) async fn ordered(app: &App, members: &[Member], product: ProductId) -> Result<Vec<OrderId>, Error> {
    let order = |member: &Member| {
        let user = member.user;
        async move {
            app.orders.wish(Meta::ours("test"), user, product).await?;
            Ok(app.orders.create(Meta::ours("test"), user).await?.id)
        }
    };
    stream::iter(members.iter().map(order).collect::<Vec<_>>()).buffered(WAITING_MAX).try_collect().await
}

/// A payment of one product entered for each of these players.
pub(crate) async fn entered(app: &App, members: &[Member], product: ProductId) -> Result<Vec<PaymentId>, Error> {
    let orders = ordered(app, members, product).await?;
    let enter = members.iter().zip(orders).map(|(member, order)| {
        let user = member.user;
        async move { Ok(app.payments.enter(Meta::ours("test"), user, order).await?.id) }
    });
    stream::iter(enter.collect::<Vec<_>>()).buffered(WAITING_MAX).try_collect().await
}
