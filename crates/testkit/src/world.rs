//! The application under test and what surrounds it: database, server, clock, people.
//! With `GUILDHALL_THROUGH=gateway` the same tests run before a gateway (see `behind`); nothing in them knows.

use crate::behind::{self, Behind};
use crate::fresh::fresh_postgres;
use crate::person::Person;
use crate::postgres;
use db::{Db, Engine};
use guildhall::config::{Config, DatabaseUrl};
use guildhall::secrets::{Missing, Secrets};
use guildhall::{App, checks, server};
use kernel::{ProductId, SessionId, UserId};
use serde_json::json;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use web::{Role, Roles, Who};

/// An application with its server, on a database of its own.
pub struct World {
    /// The application.
    pub app: App,
    /// Where its server is, as `http://127.0.0.1:PORT`.
    pub url: String,
    /// The secrets it was started with.
    pub secrets: Secrets,
    /// Calls it.
    pub client: reqwest::Client,
    folder: Arc<TempDir>,
    stop: Arc<Notify>,
    serving: JoinHandle<()>,
    people: AtomicU32,
    behind: Option<Behind>,
}

type Test = for<'w> fn(&'w World) -> Pin<Box<dyn Future<Output = ()> + 'w>>;

impl World {
    /// Runs a test on an engine, then checks every invariant. An engine that is not there is said to be left out.
    pub fn run<F: Future<Output = Option<World>>>(name: &str, engine: impl FnOnce(String) -> F, test: Test) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a test gets its threads");
        runtime.block_on(async {
            let Some(world) = engine(name.to_owned()).await else {
                match behind::is_asked_for() {
                    true => eprintln!("left out: {name} runs through the gateway on Postgres only, which {} names", postgres::VARIABLE),
                    false => eprintln!("left out: {} is not set, so {name} ran on SQLite only", postgres::VARIABLE),
                }
                return;
            };
            test(&world).await;
            world.check().await;
            world.stop().await;
        });
    }

    /// A world on SQLite.
    pub async fn sqlite(_name: String) -> Option<World> {
        if behind::is_asked_for() {
            // A fleet's processes share a Postgres.
            return None;
        }
        Some(World::start(|_| {}, None).await)
    }

    /// A world on a database of its own on the Postgres that the environment names, if it does.
    pub async fn postgres(name: String) -> Option<World> {
        let url = fresh_postgres(&name).await?;
        Some(World::start(|_| {}, Some(url)).await)
    }

    /// A world with another configuration.
    pub async fn start(change: impl FnOnce(&mut Config), url: Option<String>) -> World {
        World::begin(change, url, false).await
    }

    /// A world that reads logs: the embedded log without a port, the stream, and the jobs.
    pub async fn streaming(change: impl FnOnce(&mut Config), url: Option<String>) -> World {
        World::begin(change, url, true).await
    }

    async fn begin(change: impl FnOnce(&mut Config), url: Option<String>, streams: bool) -> World {
        let folder = Arc::new(tempfile::tempdir().expect("a test gets a temporary folder"));
        let mut config = Config::default();
        config.data.dir = folder.path().to_owned();
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.accounts.argon2_memory_kib = 64;
        config.accounts.argon2_iterations = 1;
        config.store.sweep_interval_ms = 50;
        config.broker.listen = None;
        config.broker.dir = folder.path().join("log");
        config.webhooks.allow_private = true;
        if let Some(url) = &url {
            config.db.url = DatabaseUrl::parse(url).expect("the server's URL is one");
        }
        change(&mut config);
        let database = folder.path().join("guildhall.db");
        let secrets = Secrets::load(folder.path(), |_| None, Missing::Generate { database: &database }).expect("secrets are generated");
        let through_gateway = behind::is_asked_for() && config.database_url().sqlite_file().is_none();
        World::with(config, secrets, folder, streams, through_gateway).await
    }

    /// Another process's view: a second application on the same database and secrets, with its own server. It reads no logs.
    pub async fn sibling(&self) -> World {
        self.sibling_with(|_| {}).await
    }

    /// The same with another configuration.
    pub async fn sibling_with(&self, change: impl FnOnce(&mut Config)) -> World {
        let mut config = self.app.config.as_ref().clone();
        change(&mut config);
        World::with(config, self.secrets.clone(), self.folder.clone(), false, false).await
    }

    async fn with(mut config: Config, secrets: Secrets, folder: Arc<TempDir>, streams: bool, through_gateway: bool) -> World {
        let whole = config.clone();
        if through_gateway {
            config.server.services = behind::own_services();
        }
        let listener = server::bind(config.server.listen).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let app = App::start(config, &secrets).await.expect("the application starts");
        if streams {
            app.start_logs().await.expect("the embedded log opens");
            app.start_jobs();
        }
        let stop = Arc::new(Notify::new());
        let (serving_app, serving_stop) = (app.clone(), stop.clone());
        let serving = tokio::spawn(async move { server::serve(&serving_app, listener, serving_stop.notified()).await });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client without TLS");
        let behind = match through_gateway {
            true => Some(Behind::start(&whole, &secrets, (&app, address), streams).await),
            false => None,
        };
        let url = format!("http://{}", behind.as_ref().map_or(address, |behind| behind.address));
        World { app, url, secrets, client, folder, stop, serving, people: AtomicU32::new(0), behind }
    }

    /// Asserts that every invariant holds.
    pub async fn check(&self) {
        let breaches = checks::check(&self.app.db).await.expect("checks run");
        assert!(breaches.is_empty(), "invariants are broken: {breaches:#?}");
    }

    /// Stops the server and closes the database.
    pub async fn stop(self) {
        if let Some(behind) = self.behind {
            behind.stop().await;
        }
        self.stop.notify_one();
        self.serving.await.expect("the server ends by itself");
        self.app.stop().await;
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.app.db
    }

    /// Which engine is underneath.
    pub fn engine(&self) -> Engine {
        self.app.db.engine()
    }

    /// Moves the clock forward.
    pub fn wait_s(&self, seconds: i64) {
        let others = self.behind.iter().flat_map(|behind| behind.apps.iter());
        for app in others.chain([&self.app]) {
            app.db.clock().advance_us(seconds * kernel::time::SECOND_US);
        }
    }

    /// A caller without a token.
    pub fn nobody(&self) -> Person {
        Person { id: UserId::new(), url: self.url.clone(), token: None, client: self.client.clone(), followers: self.followers() }
    }

    /// A player with a fresh account.
    pub async fn player(&self) -> Person {
        self.person(&[]).await
    }

    /// Someone with a fresh account and roles besides player.
    pub async fn person(&self, roles: &[Role]) -> Person {
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        let roles = roles.iter().fold(Roles::default().with(Role::Player), |set, role| set.with(*role));
        let email = format!("person{number}.{}@example.org", std::process::id());
        let id = self.app.accounts.create_user(&email, "correct horse battery", "Ada", roles).await.expect("an account");
        self.as_person(id, roles)
    }

    /// The same account, calling this world's server.
    pub fn as_person(&self, id: UserId, roles: Roles) -> Person {
        let token = self.app.tokens.issue(&Who { user: id, session: SessionId::new(), roles });
        Person { id, url: self.url.clone(), token: Some(token), client: self.client.clone(), followers: self.followers() }
    }

    /// The processes that hear of a change a little later than the one that made it.
    fn followers(&self) -> Arc<[App]> {
        match &self.behind {
            Some(behind) => behind.apps.iter().chain([&self.app]).cloned().collect(),
            None => Arc::new([]),
        }
    }

    /// A product at a price in US cents.
    pub async fn product(&self, name: &str, price_minor: i64) -> ProductId {
        let manager = self.person(&[Role::StoreManager]).await;
        let body = json!({ "name": name, "price_minor": price_minor, "currency": "USD", "genres": ["Action"] });
        let made = manager.post("/v1/products", body).await.expect(201);
        ProductId(made["product"].as_i64().expect("a product has an id"))
    }

    /// A product in limited stock.
    pub async fn limited_product(&self, name: &str, price_minor: i64, copies: i64) -> ProductId {
        let manager = self.person(&[Role::StoreManager]).await;
        let product = self.product(name, price_minor).await;
        manager.put(&format!("/v1/products/{product}/limit"), json!({ "limited": true })).await.expect(200);
        manager.post(&format!("/v1/stocks/{product}"), json!({ "quantity": copies })).await.expect(200);
        product
    }

    /// A game with the shipped mapping of its name, its operator, and its log.
    pub async fn game(&self, id: &str) -> Person {
        let operator = self.person(&[Role::Operator]).await;
        operator.post("/v1/games", json!({ "id": id, "name": id, "zone": "UTC" })).await.expect(201);
        let mapping = operator.get(&format!("/v1/mappings/presets/{id}")).await.expect(200);
        operator.put(&format!("/v1/games/{id}/mapping"), json!({ "mapping": mapping })).await.expect(200);
        while self.app.stream().is_some() && operator.get(&format!("/v1/games/{id}/partitions")).await.expect(200) == json!([]) {
            // The stream makes the topic when it sees the mapping.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        operator
    }

    /// The game itself, calling with an API key.
    pub async fn key(&self, operator: &Person, game: &str, scopes: &[&str]) -> Person {
        let made = operator.post(&format!("/v1/games/{game}/keys"), json!({ "name": "test", "scopes": scopes })).await.expect(201);
        self.nobody().with_token(made["secret"].as_str().expect("a new key is shown"))
    }

    /// Registers a campaign.
    pub async fn campaign(&self, operator: &Person, document: &serde_json::Value) {
        let game = document["game"].as_str().expect("a campaign names its game");
        operator.post(&format!("/v1/games/{game}/campaigns"), json!({ "campaign": document })).await.expect(201);
    }

    /// Sends log records over HTTP; they are durable when it returns.
    pub async fn send_logs(&self, caller: &Person, game: &str, lines: &[String]) {
        let request = caller.request(reqwest::Method::POST, &format!("/v1/games/{game}/logs")).body(lines.join("\n"));
        let taken = caller.send(request).await.expect(200);
        assert_eq!(taken["accepted"], lines.len(), "every line is a record");
    }

    /// Charges a player.
    pub async fn charge(&self, player: &Person, points: i64) {
        let provider = self.person(&[Role::PointsProvider]).await;
        let path = format!("/v1/accounts/{}/wallet/credits", player.id);
        provider.post(&path, json!({ "amount_minor": points, "currency": "POINTS" })).await.expect(200);
    }
}
