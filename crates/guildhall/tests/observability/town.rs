//! A store with a server in a process of its own, and people who keep it busy: what dashboards and alerts need to have something to show.
//! Asserts nothing about what is shown.

use crate::server::Server;
use crate::store::{Engine, Store};
use guildhall::load::games::{Desk, OWN, login, on_server};
use guildhall::services::TABLE;
use kernel::{Instant, SessionId, UserId};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;
use web::{Role, Roles, Who};

/// What is waited for on a busy machine.
pub(crate) const WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(50);
pub(crate) const PASSWORD: &str = "correct horse battery";
/// The campaign that one login on the server `s1` reaches.
pub(crate) const CAMPAIGN: &str = "first-login";

/// The store, its server and the keys to it.
pub(crate) struct Town {
    pub(crate) store: Store,
    pub(crate) server: Server,
    pub(crate) client: Client,
    /// Somebody with every role.
    pub(crate) chief: UserId,
    pub(crate) token: String,
    /// The game's own key.
    pub(crate) key: String,
    variables: Vec<(&'static str, String)>,
    through: Option<String>,
    /// What stands around the server, where it is part of a fleet.
    pub(crate) around: Option<Around>,
}

/// A registry and a gateway, through which the server is then reached.
pub(crate) struct Around {
    pub(crate) registry: Server,
    pub(crate) gateway: Server,
    /// Where the gateway shows its metrics.
    pub(crate) admin: String,
}

impl Town {
    /// A town on an engine, with settings of its own; none where the engine is not there, which is said.
    pub(crate) async fn found(label: &str, engine: Engine, variables: &[(&'static str, String)]) -> Option<Town> {
        Town::begin(Store::new(label, engine).await?, None, variables).await
    }

    /// The same on Postgres, whose server is reached through something that can be shut.
    pub(crate) async fn behind(label: &str, cut: impl AsyncFnOnce(&str) -> String) -> Option<Town> {
        let store = Store::new(label, Engine::Postgres).await?;
        let url = store.url().expect("it is on Postgres").to_owned();
        let through = cut(&url).await;
        Town::begin(store, Some(through), &[]).await
    }

    /// A town on Postgres behind a gateway that knows it from a registry, with a waiting room that is not needed.
    pub(crate) async fn fleet(label: &str, variables: &[(&'static str, String)]) -> Option<Town> {
        let store = Store::new(label, Engine::Postgres).await?;
        // The schema comes before the first process.
        store.app().await.stop().await;
        let services = |names: &str| ("GUILDHALL_SERVER_SERVICES", names.to_owned());
        let registry = start(&store, None, &[services("registry")]).await;
        let known = ("GUILDHALL_REGISTRY_URLS", registry.url());
        let place = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let rooms = store.folder().join("rooms.toml");
        let times = "from = \"2026-01-01T00:00:00Z\"\nopens = \"2026-01-01T01:00:00Z\"\nuntil = \"2026-01-01T02:00:00Z\"";
        std::fs::write(&rooms, format!("[[room]]\nname = \"new-year\"\n{times}\nadmit_per_s = 10\n"))
            .expect("a test may write to its folder");
        let shown = ("GUILDHALL_GATEWAY_ADMIN_LISTEN", place.to_string());
        let announced = ("GUILDHALL_GATEWAY_ROOMS_FILE", rooms.display().to_string());
        let own = [&[services("gateway"), known.clone(), shown, announced], variables].concat();
        let gateway = start(&store, None, &own).await;
        let others: Vec<&str> = TABLE.iter().map(|part| part.name).filter(|name| !["gateway", "registry"].contains(name)).collect();
        let mut town = Town::begin(store, None, &[&[services(&others.join(",")), known], variables].concat()).await?;
        town.around = Some(Around { registry, gateway, admin: format!("http://{place}") });
        until("the gateway has found the town", async || {
            let asked = town.client.get(format!("{}/v1/products", town.url())).send().await;
            asked.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        Some(town)
    }

    /// Where callers reach it.
    pub(crate) fn url(&self) -> String {
        self.around.as_ref().map_or_else(|| self.server.url(), |around| around.gateway.url())
    }

    /// Where each of its processes shows its metrics.
    pub(crate) fn shown_at(&self) -> Vec<String> {
        let around = self.around.iter().flat_map(|around| [around.registry.url(), around.admin.clone()]);
        std::iter::once(self.server.url()).chain(around).collect()
    }

    async fn begin(store: Store, through: Option<String>, variables: &[(&'static str, String)]) -> Option<Town> {
        let app = store.app().await;
        let roles = [Role::Player, Role::StoreManager, Role::Operator, Role::Admin, Role::PointsProvider];
        let roles = roles.into_iter().fold(Roles::default(), Roles::with);
        let chief = app.accounts.create_user("chief@example.org", PASSWORD, "Chief", roles).await.expect("an account");
        let token = app.tokens.issue(&Who { user: chief, session: SessionId::new(), roles });
        let desk = Desk::open(&app).await.expect("an operator");
        desk.register(OWN, &[on_server(CAMPAIGN, "s1", "login", now())]).await.expect("the documents are good");
        let key = desk.key(OWN).await.expect("a key");
        app.stop().await;
        let log = store.folder().join("log").display().to_string();
        let mut all = vec![
            ("GUILDHALL_BROKER_DIR", log),
            ("GUILDHALL_WEBHOOKS_ALLOW_PRIVATE", "true".to_owned()),
            ("GUILDHALL_ACCOUNTS_ARGON2_MEMORY_KIB", "64".to_owned()),
            ("GUILDHALL_ACCOUNTS_ARGON2_ITERATIONS", "1".to_owned()),
        ];
        all.extend(variables.iter().cloned());
        let server = start(&store, through.as_deref(), &all).await;
        let client = Client::builder().no_proxy().build().expect("a client without TLS");
        Some(Town { store, server, client, chief, token, key, variables: all, through, around: None })
    }

    /// Kills the server and starts another one on the same store, at another port.
    pub(crate) async fn restart(&mut self) {
        self.server.kill();
        self.server = start(&self.store, self.through.as_deref(), &self.variables).await;
    }

    /// Asks as the chief.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.ask_as(&self.token, method, path, body).await
    }

    /// Asks with any token; a server that is gone answers 0.
    pub(crate) async fn ask_as(&self, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.url())).bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let Ok(response) = request.send().await else { return (0, Value::Null) };
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// Asks, and is answered well.
    pub(crate) async fn get(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!((200..300).contains(&status), "{path} is answered {status}: {answer}");
        answer
    }

    /// A product at a price in US cents.
    pub(crate) async fn product(&self, name: &str, price_minor: i64) -> Value {
        let body = json!({ "name": name, "price_minor": price_minor, "currency": "USD", "genres": ["Action"] });
        self.get(Method::POST, "/v1/products", body).await["product"].clone()
    }

    /// Charges the chief.
    pub(crate) async fn charge(&self, points: i64) -> (u16, Value) {
        let path = format!("/v1/accounts/{}/wallet/credits", self.chief);
        self.ask(Method::POST, &path, json!({ "amount_minor": points, "currency": "POINTS" })).await
    }

    /// Somebody signs up and in.
    pub(crate) async fn sign_up(&self, email: &str) {
        self.get(Method::POST, "/v1/accounts", json!({ "email": email, "password": PASSWORD, "name": "Ada" })).await;
        self.get(Method::POST, "/v1/sessions", json!({ "email": email, "password": PASSWORD })).await;
    }

    /// A day in the store: sign-up, charge, products, limited stock, buying, playing, reading.
    pub(crate) async fn trade(&self, day: u32) {
        self.sign_up(&format!("ada{day}@example.org")).await;
        self.charge(1_000_000).await;
        let (plain, limited) = (self.product(&format!("Castle {day}"), 100).await, self.product(&format!("Racer {day}"), 100).await);
        self.get(Method::PUT, &format!("/v1/products/{limited}/limit"), json!({ "limited": true })).await;
        self.get(Method::POST, &format!("/v1/stocks/{limited}"), json!({ "quantity": 3 })).await;
        for product in [&plain, &limited] {
            self.get(Method::POST, "/v1/payments/buy", json!({ "products": [product] })).await;
        }
        for path in ["/v1/products", "/v1/library", "/v1/wishlist"] {
            self.get(Method::GET, path, Value::Null).await;
        }
        // Somebody asks for what is not there.
        self.ask(Method::GET, "/v1/products/999999", Value::Null).await;
    }

    /// The game sends lines. The log has no topic for them yet just after the server's start.
    pub(crate) async fn send_logs(&self, lines: &[String]) {
        let body = lines.join("\n");
        until("the log takes lines", async || {
            let request = self.client.post(format!("{}/v1/games/{OWN}/logs", self.url())).bearer_auth(&self.key);
            let sent = request.header("content-type", "application/x-ndjson").body(body.clone()).send().await;
            let status = sent.expect("it answers").status().as_u16();
            assert!([200, 503].contains(&status), "lines are answered {status}");
            status == 200
        })
        .await;
    }

    /// Players log in, which reaches their goal.
    pub(crate) async fn log_in(&self, players: &[String]) {
        let lines: Vec<String> = players.iter().map(|player| login(player, "s1", now())).collect();
        self.send_logs(&lines).await;
    }

    /// Waits until a player's goal is reached.
    pub(crate) async fn until_reached(&self, player: &str) {
        let path = format!("/v1/games/{OWN}/campaigns/{CAMPAIGN}/players/{player}");
        until("the goal is reached", async || {
            let (_, shown) = self.ask_as(&self.key, Method::GET, &path, Value::Null).await;
            shown["achievements"].as_array().is_some_and(|all| !all.is_empty())
        })
        .await;
    }

    /// A player's reward is claimed by the game, whose webhook is then told.
    pub(crate) async fn claim(&self, player: &str, traceparent: Option<&str>) {
        let path = format!("/v1/games/{OWN}/campaigns/{CAMPAIGN}/players/{player}/goals/first/claims");
        let mut request = self.client.post(format!("{}{path}", self.url())).bearer_auth(&self.key).json(&json!({}));
        if let Some(place) = traceparent {
            request = request.header("traceparent", place);
        }
        let response = request.send().await.expect("it answers");
        assert!(response.status().is_success(), "{}", response.text().await.unwrap_or_default());
    }

    /// The game wants to be told of what is granted.
    pub(crate) async fn webhook(&self, url: &str) {
        let body = json!({ "url": url, "topics": ["claim.granted", "fulfilment.created"] });
        self.get(Method::POST, &format!("/v1/games/{OWN}/webhooks"), body).await;
    }

    /// What each process says of itself.
    pub(crate) async fn metrics(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for place in self.shown_at() {
            let response = self.client.get(format!("{place}/metrics")).send().await.expect("it answers");
            texts.push(response.text().await.expect("the answer is whole"));
        }
        texts
    }
}

async fn start(store: &Store, through: Option<&str>, variables: &[(&str, String)]) -> Server {
    let started = Server::start_through(store, through, variables).await;
    started.unwrap_or_else(|log| panic!("the server ended while it started:\n{}", log.join("\n")))
}

/// The time now, for records that happen now.
pub(crate) fn now() -> Instant {
    guildhall::load::send::now()
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = std::time::Instant::now();
    while !holds().await {
        assert!(started.elapsed() < WITHIN, "{what}: not within {} s", WITHIN.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
