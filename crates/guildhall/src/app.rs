//! The application: the services of one process on one database, in the order they need each other, with their routes and jobs.
//! Refuses to start on a schema that could not be brought up to date; which services there are stands in `services`.

use crate::config::{Config, RefundMode};
use crate::exports;
use crate::follow::Fulfilled;
use crate::jobs::{self, Jobs};
use crate::logs::Logs;
use crate::pages;
use crate::secrets::Secrets;
use crate::services::{Need, Services, TABLE};
use accounts::{Accounts, PersonalKeys};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use campaigns::Campaigns;
use catalogue::Catalogue;
use db::{Db, Error};
use insight::Insight;
use kernel::time::{HOUR_US, SECOND_US};
use library::LibraryService;
use orders::OrderService;
use outbox::{Outbox, Webhooks};
use payments::PaymentService;
use registry::{EurekaUser, FleetToken, Registry};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stock::StockService;
use stream::Stream;
use teams::Teams;
use teams::recipes::{self, Recipes};
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
    /// Sends what is announced; none in a process that does not serve the outbox.
    pub outbox: Option<Outbox>,
    /// The games' endpoints.
    pub webhooks: Webhooks,
    /// Campaigns, progress and claims.
    pub campaigns: Campaigns,
    /// Players, currencies and banners of games.
    pub teams: Teams,
    /// Registered queries of games.
    pub recipes: Recipes,
    /// Who is there.
    pub registry: Registry,
    /// Why it is slow.
    pub insight: Insight,
    logs: Arc<OnceLock<Logs>>,
    jobs: Jobs,
}

impl App {
    /// Brings the schema up to date and starts the configured services. Every service can be called from inside the process, since one
    /// calls another; what is costly to have (the catalogue in memory, sinks) is there only where a configured service needs it.
    ///
    /// # Errors
    /// The database cannot be reached or migrated.
    pub async fn start(config: Config, secrets: &Secrets) -> Result<App, Error> {
        // Queues take their metrics when they are made: from a recorder that is not there yet they would be lost.
        std::sync::LazyLock::force(&pages::METRICS);
        pages::measured::started(&config);
        let options = database_options(&config);
        db::migrate(&options).await?;
        let db = Db::open(options).await?;
        let tokens = Arc::new(Tokens::new(secrets.token_key().reveal(), i64::from(config.accounts.access_token_s), db.clone()));
        let accounts = Accounts::new(&db, tokens.clone(), personal_keys(secrets), accounts_policy(&config));
        accounts.check_keys().await?;
        let wallet = Wallet::new(&db);
        let services = config.server.services.clone();
        let catalogue = catalogue(&db, &config, &services).await?;
        let stock = StockService::new(&db);
        let orders = OrderService::new(&db);
        let library = LibraryService::new(&db);
        let payments = PaymentService::new(&db, payment_policy(&config), &catalogue, stock.sold_out());
        let campaigns = Campaigns::new(&db, &accounts, &campaigns::Policy { points_currency: config.store.points_currency });
        if services.need(Need::Campaigns) {
            campaigns.live().refresh().await?;
        }
        let teams = Teams::new(&db, &accounts, &campaigns, &teams_policy(&config));
        let recipes = Recipes::new(&db, &accounts, &recipes_policy(&config, secrets))?;
        let registry = Registry::new(&db, registry_policy(&config, secrets));
        let insight = Insight::new(&db, config.database_url().reveal());
        let listener = Arc::new(Fulfilled);
        let webhooks = Webhooks::new(&db, &accounts, &personal_keys(secrets), webhooks_policy(&config), Some(listener))?;
        let outbox = match services.need(Need::Sinks) {
            true => Some(jobs::start_outbox(&config, &db, &accounts, &campaigns, &webhooks).await?),
            false => {
                // What this process commits is announced to those that other processes subscribed.
                db.refresh_subscriptions().await?;
                None
            }
        };
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
            teams,
            recipes,
            registry,
            insight,
            logs: Arc::default(),
            jobs: Jobs::default(),
        };
        exports::register(&app);
        Ok(app)
    }

    /// Opens the log of games, if a service needs it and the configuration names one, and starts to read it. Before [`App::router`]: its
    /// routes are part of it.
    ///
    /// # Errors
    /// The log is in use, its port is taken, Kafka's client cannot be made, or the database fails.
    pub async fn start_logs(&self) -> Result<(), Error> {
        if !self.config.server.services.need(Need::Logs) {
            return Ok(());
        }
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
        let eureka = if self.config.server.services.has("registry") { self.registry.eureka_routes() } else { Router::new() };
        let console = if self.config.server.services.has("console") { console::pages() } else { Router::new() };
        routes
            .merge(pages::routes(self, api))
            .merge(eureka)
            .merge(console)
            .method_not_allowed_fallback(web::wrong_method)
            .fallback(web::no_such_route)
            .layer(DefaultBodyLimit::max(self.config.server.body_limit_bytes))
            .layer(axum::middleware::from_fn(accounts::rate_headers))
            .layer(axum::middleware::from_fn_with_state(edge, web::edge))
    }

    /// The routes of the process's services, with the description of the whole API: whichever process of a fleet is asked tells all.
    pub fn routes(&self) -> web::Routes {
        let services = &self.config.server.services;
        let mut routes = services.iter().fold(pages::described(), |routes, part| routes.merge(part.routes(self)));
        if !services.are_all() {
            let whole = TABLE.iter().fold(pages::described(), |routes, part| routes.merge(part.routes(self)));
            *routes.get_openapi_mut() = whole.into_openapi();
            // Where logs come from a Kafka another process of the fleet has the stream.
            if self.stream().is_none() && !self.config.kafka.brokers.is_empty() {
                routes.get_openapi_mut().merge(stream::described());
            }
        }
        pages::description::complete(routes.get_openapi_mut());
        routes
    }

    /// Answers those who wait for something to happen here, for a process that is about to stop taking requests.
    pub fn let_go(&self) {
        self.registry.let_go();
    }

    /// Stops the jobs, finishes the checkpoints under way, answers what was taken, closes the database.
    pub async fn stop(&self) {
        self.jobs.stop().await;
        if let Some(logs) = self.logs.get() {
            logs.stop().await;
        }
        if let Err(error) = self.accounts.note_uses().await {
            tracing::warn!(%error, "what keys were used for since the last minute is not noted");
        }
        self.db.close().await;
    }
}

/// All products in memory where a service needs them; else a service that knows none, and that nobody asks.
async fn catalogue(db: &Db, config: &Config, services: &Services) -> Result<Catalogue, Error> {
    let catalogue = Catalogue::unread(db, catalogue_policy(config));
    if services.need(Need::Catalogue) {
        catalogue.refresh().await?;
    }
    Ok(catalogue)
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
        key_requests_per_s: of.key_requests_per_s,
        key_burst: of.key_burst,
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

fn registry_policy(config: &Config, secrets: &Secrets) -> registry::Policy {
    let user = |(name, password): (&str, &str)| EurekaUser { name: name.to_owned(), password: password.to_owned() };
    registry::Policy {
        fleet: FleetToken::derive(secrets.token_key().reveal()),
        eureka: config.registry.eureka.reveal().map(user),
        reserved: TABLE.iter().map(|part| part.name.to_owned()).collect(),
    }
}

fn teams_policy(config: &Config) -> teams::Policy {
    teams::Policy { answer_cache_bytes: config.teams.answer_cache_bytes, banner_max_age_s: config.teams.banner_max_age_s }
}

fn recipes_policy(config: &Config, secrets: &Secrets) -> recipes::Policy {
    let (of, policy) = (&config.teams, recipes::Policy::new(*secrets.token_key().reveal()));
    recipes::Policy { scan_rows_max: of.recipe_scan_rows_max, at_once: of.recipes_at_once, ..policy }
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
