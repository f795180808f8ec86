//! The four games of a load test: registered, mapped and given five campaigns each, by the same routes that game teams use.
//! Refuses shortcuts past the API: what a test measures later was made as anyone would make it.

use super::send::Outgoing;
use crate::App;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request};
use kernel::time::{HOUR_US, SECOND_US};
use kernel::{Instant, SessionId, Uuid};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tower::ServiceExt as _;
use web::{Role, Roles, Who};

/// Bytes of an answer that are read at most.
const ANSWER_BYTES_MAX: usize = 1 << 22;
/// Records lie within so many hours before now, and campaigns around them.
const PERIOD_H: i64 = 30 * 24;
/// A week, the most there is: a backlog is older than live records are.
const LATE_S: u32 = 604_800;

/// Calls the application's own routes in this process, as an operator.
pub struct Desk {
    router: Router,
    token: String,
}

impl Desk {
    /// An operator with an account of their own.
    ///
    /// # Errors
    /// The account cannot be made.
    pub async fn open(app: &App) -> Result<Desk, String> {
        let roles = [Role::Operator, Role::StoreManager].into_iter().fold(Roles::default().with(Role::Player), Roles::with);
        let email = format!("desk-{}@example.org", Uuid::now_v7().simple());
        let user = app.accounts.create_user(&email, "correct horse battery", "Desk", roles).await.map_err(|e| e.to_string())?;
        Ok(Desk { router: app.router(), token: app.tokens.issue(&Who { user, session: SessionId::new(), roles }) })
    }

    /// The operator's access token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends a request with a JSON body and answers what came back; a status of 400 or more is an error.
    ///
    /// # Errors
    /// The request was refused; what it was told is in the error.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let request = Request::builder().method(&method).uri(path).header(AUTHORIZATION, format!("Bearer {}", self.token));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = request.header(CONTENT_TYPE, "application/json").body(body).map_err(|e| e.to_string())?;
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 0))));
        let answer = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = answer.status().as_u16();
        let bytes = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|e| e.to_string())?;
        if status >= 400 {
            return Err(format!("{method} {path} answered {status}: {}", String::from_utf8_lossy(&bytes)));
        }
        Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Registers a game with the shipped mapping of its name, and campaigns.
    ///
    /// # Errors
    /// A document was refused.
    pub async fn register(&self, game: &str, campaigns: &[Value]) -> Result<(), String> {
        self.ask(Method::POST, "/v1/games", &json!({ "id": game, "name": game, "zone": "UTC" })).await?;
        let mapping = rules::preset(game).ok_or_else(|| format!("there is no shipped mapping of {game}"))?;
        let mapping: Value = serde_json::from_str(mapping).map_err(|e| e.to_string())?;
        self.ask(Method::PUT, &format!("/v1/games/{game}/mapping"), &json!({ "mapping": mapping })).await?;
        for campaign in campaigns {
            self.ask(Method::POST, &format!("/v1/games/{game}/campaigns"), &json!({ "campaign": campaign })).await?;
        }
        Ok(())
    }

    /// An API key of a game that reads progress, claims and sends logs.
    ///
    /// # Errors
    /// The key was refused.
    pub async fn key(&self, game: &str) -> Result<String, String> {
        let scopes = json!(["players:read", "campaigns:read", "claims:read", "claims:write", "logs:write"]);
        let made = self.ask(Method::POST, &format!("/v1/games/{game}/keys"), &json!({ "name": "load", "scopes": scopes })).await?;
        made["secret"].as_str().map(str::to_owned).ok_or_else(|| "the new key was not shown".to_owned())
    }
}

/// The campaigns of a drain: count 10 plays, streak of 3 days, collect 5, 5 in an hour, both of two.
pub fn campaigns(game: &str, items: &[String], now: Instant) -> Vec<Value> {
    let goal = |id: &str, condition: Value| json!({ "id": id, "title": id, "condition": condition, "rewards": [{ "item": "box" }] });
    let of = |id: &str, goals: Vec<Value>| campaign(game, id, now, goals);
    vec![
        of("ten-plays", vec![goal("plays", json!({ "measure": "count", "on": ["play"], "target": 10 }))]),
        of("three-days", vec![goal("days", json!({ "measure": "streak", "on": ["login"], "target": 3 }))]),
        of("five-items", vec![goal("items", json!({ "measure": "collect", "on": ["item"], "items": items, "target": items.len() }))]),
        of("busy-hour", vec![goal("hour", json!({ "measure": "count", "on": ["play"], "within_s": 3600, "target": 5 }))]),
        of(
            "both",
            vec![
                goal("missions", json!({ "measure": "count", "on": ["mission"], "target": 2 })),
                goal("logins", json!({ "measure": "count", "on": ["login"], "target": 2 })),
                goal("both", json!({ "all_of": [{ "goal": "missions" }, { "goal": "logins" }] })),
            ],
        ),
    ]
}

/// The game whose records this file can write by itself, for players that the generator does not know.
pub const OWN: &str = "kartrush";

/// A campaign of [`OWN`] that one login or play on a server of that name reaches.
pub fn on_server(id: &str, server: &str, on: &str, now: Instant) -> Value {
    let condition = json!({ "measure": "count", "on": [on], "where": { "attribute": "server", "is": server }, "target": 1 });
    let goal = json!({ "id": "first", "title": "The first", "condition": condition, "rewards": [{ "item": "box" }] });
    campaign(OWN, id, now, vec![goal])
}

fn campaign(game: &str, id: &str, now: Instant, goals: Vec<Value>) -> Value {
    let now = Instant(now.0 - now.0.rem_euclid(SECOND_US));
    let period = json!({ "starts": now.plus_us(-PERIOD_H * HOUR_US), "ends": now.plus_us(PERIOD_H * HOUR_US) });
    json!({ "id": id, "game": game, "title": id, "period": period, "late_s": LATE_S, "goals": goals })
}

/// A record of [`OWN`]: somebody logs in on a server.
pub fn login(player: &str, server: &str, at: Instant) -> String {
    json!({
        "event_type": "session_start", "event_id": format!("{player}-in"), "user_id": player, "ts": at.0 / 1_000, "server": server,
        "payload": { "device": "pc" },
    })
    .to_string()
}

/// A record of [`OWN`]: somebody finishes a race, their so-and-so-manieth.
pub fn race(player: &str, number: u64, at: Instant) -> Value {
    let ts = at.0 / 1_000;
    json!({
        "event_type": "race_finish", "event_id": format!("{player}-race-{number}"), "user_id": player, "ts": ts, "server": "s1",
        "payload": { "started_at": ts - 180_000, "mode": "item", "rank": 1, "score": 9_000, "kart_id": "kart-7" },
    })
}

/// A login as it is sent.
pub fn outgoing<'a>(topic: &'a str, player: &'a str, value: &'a str) -> Outgoing<'a> {
    Outgoing { topic, key: player.as_bytes(), value: value.as_bytes(), at_ms: None }
}
