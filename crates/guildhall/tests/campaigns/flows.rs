//! Logs of four games, each in its own schema, become progress, achievements and claims: from Kafka and from the embedded log, on both engines.

use crate::hub::{Hub, Log, until, until_committed};
use crate::run;
use crate::server::{self, Server};
use crate::store::Engine;
use db::{Db, Statement, row};
use guildhall::load::backlog::GAMES;
use guildhall::load::games::campaigns;
use guildhall::load::logs_terms::LogTerms;
use guildhall::load::records::Records;
use kernel::Instant;
use reqwest::Method;
use rules::{Mapping, Scratch};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const RECORDS: u64 = 20_000;
const PLAYERS: u64 = 800;
/// Claims tried per game.
const CLAIMS: usize = 5;
/// Plays that the campaign `ten-plays` asks for.
const PLAYS: usize = 10;

static REACHED: Statement = Statement::new(
    "test.reached",
    "select a.player
     from achievement a join campaign c on c.game = a.game and c.number = a.number
     where a.game = $1 and c.id = $2",
);

/// A record of a game: the game, the key and the text.
pub(crate) type Sent = (String, Vec<u8>, Vec<u8>);

/// Generated records of the four games.
pub(crate) fn generated(records: u64, players: u64, seed: u64) -> Vec<Sent> {
    let mut generator = Records::new(&LogTerms { records, players, seed, ..LogTerms::plain() });
    let mut all = Vec::new();
    for _ in 0..records {
        generator.next(true, |game, key, value, _| all.push((game.to_owned(), key.to_vec(), value.to_vec())));
    }
    all
}

pub(crate) fn documents(now: Instant) -> Vec<(&'static str, Vec<Value>)> {
    GAMES.into_iter().map(|game| (game, campaigns(game, &Records::items(game), now))).collect()
}

/// Counted without the rules: who has played often enough, by the events of the mapping, each id once.
pub(crate) fn with_enough_plays(records: &[Sent]) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut reached = BTreeMap::new();
    for game in GAMES {
        let mapper = Mapping::parse(rules::preset(game).expect("it is shipped")).expect("it is right").compile();
        let (mut scratch, mut plays) = (Scratch::default(), BTreeMap::<String, BTreeSet<u64>>::new());
        for (_, _, value) in records.iter().filter(|(of, _, _)| of == game) {
            let mut events = Vec::new();
            let mapped = mapper.map(&mut scratch, value, Instant(i64::MAX / 2), &mut |event| {
                events.push((event.kind.to_owned(), event.player.to_owned(), event.id));
            });
            if mapped.is_ok() {
                for (_, player, id) in events.into_iter().filter(|(kind, _, _)| kind == "play") {
                    plays.entry(player).or_default().insert(id);
                }
            }
        }
        reached.insert(game, plays.into_iter().filter(|(_, ids)| ids.len() >= PLAYS).map(|(player, _)| player).collect());
    }
    reached
}

pub(crate) async fn reached(db: &Db, game: &str, campaign: &str) -> BTreeSet<String> {
    db.fetch(&REACHED, &row![game, campaign], |row| row.text(0)).await.expect("the database answers").into_iter().collect()
}

async fn flow(label: &str, engine: Engine, log: Log) {
    let Some(mut hub) = Hub::new(label, engine, log).await else { return };
    hub.register(&documents(crate::hub::now()), 3).await;
    let server = hub.serve().await;
    let records = generated(RECORDS, PLAYERS, 7);
    let expected = with_enough_plays(&records);
    let (over_http, by_protocol) = match hub.log {
        Log::Own(_) => records.split_at(records.len() / 2),
        Log::Kafka(_) => records.split_at(0),
    };
    for game in GAMES {
        let lines: Vec<&[u8]> = over_http.iter().filter(|(of, _, _)| of == game).map(|(_, _, value)| value.as_slice()).collect();
        if !lines.is_empty() {
            hub.post_lines(&server, game, &lines).await;
        }
    }
    hub.send(by_protocol.to_vec()).await;
    let db = hub.db().await;
    until_committed(&db, RECORDS).await;
    for game in GAMES {
        let reached = reached(&db, game, "ten-plays").await;
        assert_eq!(reached, expected[game], "{game}");
        assert!(reached.len() >= CLAIMS, "{game}: only {} players reached the goal", reached.len());
        for player in reached.iter().take(CLAIMS) {
            claims_once(&hub, &server, game, player).await;
        }
    }
    db.close().await;
    server::check(&hub.store).await.unwrap_or_else(|told| panic!("{told}"));
    server.stop().await;
}

async fn claims_once(hub: &Hub, server: &Server, game: &str, player: &str) {
    let path = Hub::player_path(game, "ten-plays", player);
    until("the progress shows what was reached", async || {
        let shown = hub.ask(server, game, Method::GET, &path, None).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        shown.body["achievements"][0]["standing"] == "claimable" && shown.body["goals"][0]["current"].as_u64() >= Some(PLAYS as u64)
    })
    .await;
    let claim = format!("{path}/goals/plays/claims");
    let first = hub.ask(server, game, Method::POST, &claim, Some(json!({}))).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.body["claims"][0]["rewards"][0]["item"], "box", "{}", first.body);
    let again = hub.ask(server, game, Method::POST, &claim, Some(json!({}))).await;
    assert_eq!((again.status, &again.body), (200, &first.body), "a second claim gets the first result");
}

#[test]
fn four_games_logs_become_claims_through_the_embedded_log_on_sqlite() {
    run(flow("flow_own_sqlite", Engine::Sqlite, Hub::own_log()));
}

#[test]
fn four_games_logs_become_claims_through_the_embedded_log_on_postgres() {
    run(flow("flow_own_postgres", Engine::Postgres, Hub::own_log()));
}

#[test]
fn four_games_logs_become_claims_through_kafka_on_sqlite() {
    run(async {
        if let Some(kafka) = Hub::kafka("flow_kafka_sqlite") {
            flow("flow_kafka_sqlite", Engine::Sqlite, kafka).await;
        }
    });
}

#[test]
fn four_games_logs_become_claims_through_kafka_on_postgres() {
    run(async {
        if let Some(kafka) = Hub::kafka("flow_kafka_postgres") {
            flow("flow_kafka_postgres", Engine::Postgres, kafka).await;
        }
    });
}
