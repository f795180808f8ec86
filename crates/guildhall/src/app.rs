//! The application: every service on one database, in the order they need each other, with its routes and jobs.
//! Refuses to start on a schema that could not be brought up to date.

use crate::config::{Config, RefundMode};
use crate::exports;
use crate::follow::Fulfilled;
use crate::jobs::{self, Jobs};
use crate::logs::Logs;
use crate::pages;
use crate::secrets::Secrets;
use accounts::{Accounts, PersonalKeys};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use campaigns::Campaigns;
use catalogue::Catalogue;
use db::{Db, Error};
use kernel::time::{HOUR_US, SECOND_US};
use library::LibraryService;
use orders::OrderService;
use outbox::{Outbox, Webhooks};
use payments::PaymentService;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stock::StockService;
use stream::Stream;
use wallet::Wallet;
use web::{Edge, Tokens};

/// A running application, without its HTTP server.
#[derive(Clone)]
pub struct App {
    /// The configuration it was started with.
    pub config: Arc<Config>,
    /// The database.
    pub db: Db,
    /// Makes and checks tokens.
    pub tokens: Arc<Tokens>,
    /// People, games and keys.
    pub accounts: Accounts,
    /// Balances.
    pub wallet: Wallet,
    /// Products.
    pub catalogue: Catalogue,
    /// Limited stock.
    pub stock: StockService,
    /// Wishlists and orders.
    pub orders: OrderService,
    /// Owned products.
    pub library: LibraryService,
    /// Payments and refunds.
    pub payments: PaymentService,
    /// What is announced.
    pub outbox: Outbox,
    /// The games' endpoints.
    pub webhooks: Webhooks,
    /// Campaigns, progress and claims.
    pub campaigns: Campaigns,
    logs: Arc<OnceLock<Logs>>,
    jobs: Jobs,
}

impl App {
    /// Brings the schema up to date and starts every service.
    ///
    /// # Errors
    /// The database cannot be reached or migrated.
    pub async fn start(config: Config, secrets: &Secrets) -> Result<App, Error> {
        // Queues take their metrics when they are made: from a recorder that is not there yet they would be lost.
        std::sync::LazyLock::force(&pages::METRICS);
        let options = database_options(&config);
        db::migrate(&options).await?;
        let db = Db::open(options).await?;
        let tokens = Arc::new(Tokens::new(secrets.token_key().reveal(), i64::from(config.accounts.access_token_s), db.clone()));
        let accounts = Accounts::new(&db, tokens.clone(), personal_keys(secrets), accounts_policy(&config));
        let wallet = Wallet::new(&db);
        let catalogue = Catalogue::new(&db, catalogue_policy(&config)).await?;
        let stock = StockService::new(&db);
        let orders = OrderService::new(&db);
        let library = LibraryService::new(&db);
        let payments = PaymentService::new(&db, payment_policy(&config), &catalogue, stock.sold_out());
        let campaigns = Campaigns::new(&db, &accounts, &campaigns::Policy { points_currency: config.store.points_currency });
        campaigns.live().refresh().await?;
        let listener = Arc::new(Fulfilled);
        let webhooks = Webhooks::new(&db, &accounts, &personal_keys(secrets), webhooks_policy(&config), Some(listener))?;
        let outbox = jobs::start_outbox(&config, &db, &accounts, &campaigns, &webhooks).await?;
        let app = App {
            config: Arc::new(config),
            db,
            tokens,
            accounts,
            wallet,
            catalogue,
            stock,
            orders,
            library,
            payments,
            outbox,
            webhooks,
            campaigns,
            logs: Arc::default(),
            jobs: Jobs::default(),
        };
        exports::register(&app);
        Ok(app)
    }

    /// Opens the log of games, if the configuration names one, and starts to read it. Before [`App::router`]: its routes are part of it.
    ///
    /// # Errors
    /// The log is in use, its port is taken, Kafka's client cannot be made, or the database fails.
    pub async fn start_logs(&self) -> Result<(), Error> {
        if let Some(logs) = Logs::start(&self.config, &self.db, &self.campaigns, &self.accounts).await? {
            drop(self.logs.set(logs));
        }
        Ok(())
    }

    /// The stream, where logs are read.
    pub fn stream(&self) -> Option<&Stream> {
        self.logs.get().map(|logs| &logs.stream)
    }

    /// Where the embedded log takes Kafka's clients, if it does.
    pub fn log_port(&self) -> Option<SocketAddr> {
        self.logs.get().and_then(Logs::port)
    }

    /// Starts the jobs that time brings: sweeps, settlement, feeds, the outbox.
    pub fn start_jobs(&self) {
        jobs::start(self, &self.jobs);
    }

    /// All routes.
    pub fn router(&self) -> Router {
        let (routes, api) = self.routes().split_for_parts();
        let edge = Edge::new(self.tokens.clone(), Duration::from_millis(self.config.server.request_timeout_ms));
        routes
            .merge(pages::routes(self, api))
            .method_not_allowed_fallback(web::wrong_method)
            .fallback(web::no_such_route)
            .layer(DefaultBodyLimit::max(self.config.server.body_limit_bytes))
            .layer(axum::middleware::from_fn_with_state(edge, web::edge))
    }

    /// The routes of every service, with their descriptions.
    pub fn routes(&self) -> web::Routes {
        let mut routes = pages::described()
            .merge(self.accounts.routes())
            .merge(self.catalogue.routes())
            .merge(self.wallet.routes())
            .merge(self.stock.routes())
            .merge(self.orders.routes())
            .merge(self.payments.routes())
            .merge(self.library.routes())
            .merge(self.webhooks.routes())
            .merge(self.campaigns.routes());
        if let Some(stream) = self.stream() {
            routes = routes.merge(stream.routes());
        }
        pages::description::complete(routes.get_openapi_mut());
        routes
    }

    /// Stops the jobs, finishes the checkpoints under way, answers what was taken, closes the database.
    pub async fn stop(&self) {
        self.jobs.stop().await;
        if let Some(logs) = self.logs.get() {
            logs.stop().await;
        }
        self.db.close().await;
    }
}

/// How the configuration has the database used.
pub fn database_options(config: &Config) -> db::Options {
    db::Options {
        readers: config.db.readers as usize,
        writers: config.db.writers as usize,
        batch_max: config.db.batch_max,
        queue_max: config.db.queue_max,
        statement_timeout_ms: config.db.statement_timeout_ms,
        ..db::Options::new(config.database_url().reveal())
    }
}

fn personal_keys(secrets: &Secrets) -> PersonalKeys {
    let bytes = |key: &crate::secrets::NumberedKey| (key.id, *key.key.reveal());
    let (current, older) = secrets.personal_keys().split_last().expect("secrets hold at least one personal key");
    let lookup = secrets.lookup_keys().iter().rev().map(|key| *key.key.reveal()).collect();
    PersonalKeys { current: bytes(current), older: older.iter().map(bytes).collect(), lookup }
}

fn accounts_policy(config: &Config) -> accounts::Policy {
    let of = &config.accounts;
    accounts::Policy {
        refresh_token_s: i64::from(of.refresh_token_s),
        argon2_memory_kib: of.argon2_memory_kib,
        argon2_iterations: of.argon2_iterations,
        argon2_concurrency: of.argon2_concurrency,
        login_attempts_per_account_per_min: of.login_attempts_per_account_per_min,
        login_attempts_per_address_per_min: of.login_attempts_per_address_per_min,
        reset_token_s: i64::from(of.reset_token_s),
        confirm_token_s: i64::from(of.confirm_token_s),
        public_url: config.public_url(),
    }
}

fn webhooks_policy(config: &Config) -> outbox::webhooks::Policy {
    let of = &config.webhooks;
    outbox::webhooks::Policy {
        allow_private: of.allow_private,
        ca_file: Some(of.ca_file.clone()).filter(|file| !file.as_os_str().is_empty()),
        keep_delivered_h: i64::from(of.keep_delivered_h),
        keep_parked_h: i64::from(of.keep_parked_h),
    }
}

fn catalogue_policy(config: &Config) -> catalogue::Policy {
    catalogue::Policy { points_per_usd: config.store.points_per_usd, points_currency: config.store.points_currency }
}

fn payment_policy(config: &Config) -> payments::Policy {
    let store = &config.store;
    payments::Policy {
        points_currency: store.points_currency,
        points_per_usd: store.points_per_usd,
        hold_us: i64::from(store.hold_s) * SECOND_US,
        refund_window_us: i64::from(store.refund_window_h) * HOUR_US,
        refund_minutes_max: i64::from(store.refund_played_minutes_max),
        refund_mode: match store.refund_mode {
            RefundMode::Immediate => payments::RefundMode::Immediate,
            RefundMode::NextDay => payments::RefundMode::NextDay,
        },
    }
}
