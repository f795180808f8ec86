//! A currency granted to many by a server that is killed again and again while it gives: everybody has theirs once, and progress never goes back.
//! Leaves what a grant may hold to the tests of `teams`.
//!
//! A run has 6,000 players and a few deaths, so that the suite stays quick; `GUILDHALL_FULL=1` makes them 100,000 players and 20 deaths.

#![expect(clippy::print_stdout, reason = "a run tells its figures")]

#[allow(dead_code, reason = "the tests of kills need what is not used here")]
#[path = "processes/server.rs"]
mod server;
#[allow(dead_code, reason = "the tests of kills need what is not used here")]
#[path = "processes/store.rs"]
mod store;

use kernel::SessionId;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use server::Server;
use std::time::{Duration, Instant};
use store::{Engine, Store};
use web::{Role, Roles, Who};

const GAME: &str = "/v1/games/kart";
/// A grant that is not done by then never is.
const DONE_MAX: Duration = Duration::from_secs(240);

fn is_full() -> bool {
    std::env::var_os("GUILDHALL_FULL").is_some()
}

/// A server's operator.
struct Desk {
    client: Client,
    token: String,
}

impl Desk {
    async fn ask(&self, server: &Server, method: Method, path: &str, body: Option<&Value>) -> Value {
        let request = self.client.request(method, format!("{}{path}", server.url())).bearer_auth(&self.token);
        let request = if let Some(body) = body { request.json(body) } else { request };
        let answer = request.send().await.expect("the server answers");
        let (status, text) = (answer.status().as_u16(), answer.text().await.expect("the answer is whole"));
        assert!(status < 300, "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// How far the grant is; none when the server died over it.
    async fn done(&self, server: &Server, grant: &str) -> Option<(i64, String)> {
        let answer = self.client.get(format!("{}{grant}", server.url())).bearer_auth(&self.token).send().await.ok()?;
        let grant: Value = answer.json().await.ok()?;
        Some((grant["done"].as_i64()?, grant["state"].as_str()?.to_owned()))
    }
}

async fn everybody_gets_theirs_once(engine: Engine) {
    let Some(store) = Store::new("grants_survive_kills", engine).await else { return };
    let (players, kills) = if is_full() { (100_000, 20) } else { (6_000, 4) };
    let app = store.app().await;
    let roles = Roles::default().with(Role::Player).with(Role::Operator);
    let user = app.accounts.create_user("desk@example.org", "correct horse battery", "Ada", roles).await.expect("an account");
    let token = app.tokens.issue(&Who { user, session: SessionId::new(), roles });
    app.stop().await;
    let desk = Desk { client: Client::builder().no_proxy().build().expect("a client without TLS"), token };

    let mut server = Server::start(&store).await;
    let game = json!({ "id": "kart", "name": "Kart", "zone": "Asia/Seoul" });
    desk.ask(&server, Method::POST, "/v1/games", Some(&game)).await;
    desk.ask(&server, Method::PUT, &format!("{GAME}/currencies/LUCCI"), Some(&json!({ "name": "Lucci" }))).await;
    let made =
        desk.ask(&server, Method::POST, &format!("{GAME}/grants"), Some(&json!({ "currency": "LUCCI", "reason": "season 7" }))).await;
    let grant = format!("{GAME}/grants/{}", made["grant"].as_str().expect("a grant has an id"));
    let numbers: Vec<i64> = (0..players).collect();
    for piece in numbers.chunks(5_000) {
        let piece: Vec<Value> = piece.iter().map(|n| json!({ "player": format!("p{n}"), "amount_minor": n + 1 })).collect();
        desk.ask(&server, Method::POST, &format!("{grant}/players"), Some(&json!({ "players": piece }))).await;
    }
    server.stop().await;

    // The first server dies between two writes of a step; those after it are killed from outside, wherever they are.
    let crash = [("GUILDHALL_CRASH_AT", "teams.between_grant_writes:3".to_owned())];
    server = Server::start_with(&store, &crash).await.expect("it starts");
    let begun = Instant::now();
    desk.ask(&server, Method::POST, &format!("{grant}/start"), Some(&json!({}))).await;
    assert!(server.ended().await.is_some_and(|status| !status.success()), "it dies in its third step");
    let (mut seen, mut deaths) = (0, 1);
    loop {
        server = Server::start(&store).await;
        let target = seen + players / (kills + 1);
        let (done, state) = loop {
            let (done, state) = desk.done(&server, &grant).await.expect("a server that lives answers");
            assert!(done >= seen, "progress went back from {seen} to {done}");
            seen = done;
            if state == "done" || (deaths < kills && done >= target) {
                break (done, state);
            }
            assert!(begun.elapsed() < DONE_MAX, "it stands at {done} of {players}");
        };
        if state == "done" {
            assert_eq!(done, players);
            break;
        }
        server.kill();
        deaths += 1;
    }
    println!("{engine:?}: {players} players, {deaths} deaths, done after {:.1} s", begun.elapsed().as_secs_f64());
    for n in (0..players).step_by(usize::try_from(players / 50).expect("a few")) {
        let held = desk.ask(&server, Method::GET, &format!("{GAME}/players/p{n}/currencies"), None).await;
        assert_eq!(held, json!([{ "currency": "LUCCI", "balance_minor": n + 1 }]));
    }
    server.stop().await;
    server::check(&store).await.expect("every invariant holds: each player has one ledger row of the grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_grant_gives_to_each_once_on_sqlite() {
    everybody_gets_theirs_once(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_grant_gives_to_each_once_on_postgres() {
    everybody_gets_theirs_once(Engine::Postgres).await;
}
