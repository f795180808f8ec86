//! Currencies granted to many: lists in pieces, worked off once by however many processes.

use crate::kart;
use db::Meta;
use serde_json::{Value, json};
use teams::commands::grants::PurgeGrants;
use testkit::{Person, both_engines};

const GRANTS: &str = "/v1/games/kart/grants";

async fn grant(key: &Person) -> String {
    key.put("/v1/games/kart/currencies/LUCCI", json!({ "name": "Lucci" })).await.expect(200);
    let made = key.post(GRANTS, json!({ "currency": "LUCCI", "reason": "season 7" })).await.expect(201);
    assert_eq!((&made["state"], &made["total"]), (&json!("open"), &json!(0)));
    format!("{GRANTS}/{}", made["grant"].as_str().unwrap())
}

fn piece(players: std::ops::Range<i64>) -> Value {
    json!({ "players": players.map(|n| json!({ "player": format!("p{n}"), "amount_minor": n + 1 })).collect::<Vec<_>>() })
}

async fn held(key: &Person, player: i64) -> Value {
    key.get(&format!("/v1/games/kart/players/p{player}/currencies")).await.expect(200)[0]["balance_minor"].clone()
}

both_engines! {
    async fn a_list_in_pieces_is_given_once_each(world: &World) {
        let (_, key) = kart(world).await;
        let path = grant(&key).await;
        key.post(&format!("{path}/start"), json!({})).await.refused("wrong-state");
        assert_eq!(key.post(&format!("{path}/players"), piece(0..400)).await.expect(200), json!({ "added": 400, "known": 0, "total": 400 }));
        assert_eq!(key.post(&format!("{path}/players"), piece(300..1_200)).await.expect(200), json!({ "added": 800, "known": 100, "total": 1_200 }));
        let other = json!({ "players": [{ "player": "new", "amount_minor": 1 }, { "player": "p7", "amount_minor": 9 }] });
        key.post(&format!("{path}/players"), other).await.refused("already-exists");
        key.post(&format!("{path}/players"), json!({ "players": [{ "player": "x", "amount_minor": 0 }] })).await.refused("bad-amount");

        assert_eq!(held(&key, 7).await, Value::Null, "nobody has anything before it starts");
        key.post(&format!("{path}/start"), json!({})).await.expect(202);
        assert_eq!(key.get(&path).await.expect(200)["done"], 0);
        world.app.teams.work_off_grants().await.unwrap();
        let done = key.get(&path).await.expect(200);
        assert_eq!((&done["state"], &done["done"], &done["refused"]), (&json!("done"), &json!(1_200), &json!(0)));
        for player in [0, 7, 499, 500, 1_199] {
            assert_eq!(held(&key, player).await, player + 1);
        }
        world.app.teams.work_off_grants().await.unwrap();
        key.post(&format!("{path}/start"), json!({})).await.expect(202);
        assert_eq!(held(&key, 7).await, 8, "again is nothing");
        let entry = key.get("/v1/games/kart/players/p7/currencies/LUCCI/entries").await.expect(200)["items"][0].clone();
        assert_eq!((&entry["reason"], entry["reference"].as_str().unwrap()), (&json!("season 7"), &*path.replace("/v1/games/kart/grants/", "grant/")));
        let listed = key.get(&format!("{path}/players?size=2")).await.expect(200);
        assert_eq!((&listed["items"][1]["place"], &listed["items"][1]["outcome"]), (&json!(2), &json!("granted")));
        assert_eq!(key.get(GRANTS).await.expect(200)["items"].as_array().unwrap().len(), 1);
    }

    async fn a_list_comes_as_csv_too(world: &World) {
        let (_, key) = kart(world).await;
        let path = format!("{}/players", grant(&key).await);
        let send = async |media: &str, lines: &str| {
            key.send(key.request(reqwest::Method::POST, &path).header("content-type", media).body(lines.to_owned())).await
        };
        let list = "player,amount_minor\np1,500\n\"a, b\",7\n길동,1\n";
        assert_eq!(send("text/csv; charset=utf-8", list).await.expect(200), json!({ "added": 3, "known": 0, "total": 3 }));
        assert_eq!(send("text/csv", list).await.expect(200), json!({ "added": 0, "known": 3, "total": 3 }), "again adds nobody");
        assert_eq!(key.get(&path).await.expect(200)["items"][0]["player"], "a, b", "a piece is listed by name");
        assert!(send("text/csv", "p2,5\np3;5\n").await.refused("bad-body")["detail"].as_str().unwrap().contains("line 2"));
        send("text/csv", "p2,0\n").await.refused("bad-amount");
        send("text/csv", "").await.refused("bad-body");
        send("text/plain", list).await.refused("wrong-media-type");
    }

    async fn grants_that_ended_long_ago_go_and_what_they_gave_stays(world: &World) {
        let (_, key) = kart(world).await;
        let (old, open) = (grant(&key).await, grant(&key).await);
        for from in (0..12_000).step_by(4_000) {
            key.post(&format!("{old}/players"), piece(from..from + 4_000)).await.expect(200);
        }
        key.post(&format!("{open}/players"), piece(0..10)).await.expect(200);
        key.post(&format!("{old}/start"), json!({})).await.expect(202);
        world.app.teams.work_off_grants().await.unwrap();
        let purge = world.db().queue(PurgeGrants);
        let purged = async |hours: i64| {
            let before = world.db().now().plus_us(hours * kernel::time::HOUR_US);
            purge.send(Meta::ours("purge"), before).await.unwrap()
        };
        assert_eq!(purged(-1).await, 0);
        assert_eq!(key.get(&old).await.expect(200)["state"], "done", "it ended a moment ago");
        assert_eq!(purged(1).await, PurgeGrants::MAX);
        key.get(&old).await.refused("not-found");
        assert!(db::check::check(world.db(), teams::check::INVARIANTS).await.unwrap().is_empty(), "all holds while its list is going");
        assert_eq!((purged(1).await, purged(1).await), (2_000, 0));
        let left = key.get(GRANTS).await.expect(200);
        assert_eq!((left["items"].as_array().unwrap().len(), &left["items"][0]["state"]), (1, &json!("open")));
        assert_eq!(held(&key, 11_999).await, 12_000);
        let entry = key.get("/v1/games/kart/players/p7/currencies/LUCCI/entries").await.expect(200)["items"][0].clone();
        assert_eq!(entry["reason"], "season 7");
    }

    async fn two_processes_work_one_list_off_together(world: &World) {
        let (_, key) = kart(world).await;
        let neighbour = world.sibling().await;
        let path = grant(&key).await;
        for from in (0..6_000).step_by(3_000) {
            key.post(&format!("{path}/players"), piece(from..from + 3_000)).await.expect(200);
        }
        key.post(&format!("{path}/start"), json!({})).await.expect(202);
        let (here, there) = tokio::join!(world.app.teams.work_off_grants(), neighbour.app.teams.work_off_grants());
        here.unwrap();
        there.unwrap();
        assert_eq!(key.get(&path).await.expect(200)["state"], "done");
        for player in (0..6_000).step_by(997) {
            assert_eq!(held(&key, player).await, player + 1);
        }
        neighbour.stop().await;
    }

    async fn a_cancelled_grant_stops_where_it_is(world: &World) {
        let (_, key) = kart(world).await;
        let path = grant(&key).await;
        key.post(&format!("{path}/players"), piece(0..10)).await.expect(200);
        key.post(&format!("{path}/start"), json!({})).await.expect(202);
        assert_eq!(key.post(&format!("{path}/cancel"), json!({})).await.expect(200)["state"], "cancelled");
        world.app.teams.work_off_grants().await.unwrap();
        assert_eq!(held(&key, 3).await, Value::Null);
        key.post(&format!("{path}/start"), json!({})).await.refused("wrong-state");
        key.post(&format!("{path}/players"), piece(10..11)).await.refused("wrong-state");
        assert_eq!(key.get(&format!("{path}/players")).await.expect(200)["items"][0]["outcome"], "waiting");
        key.post(GRANTS, json!({ "currency": "GEM", "reason": "x" })).await.refused("not-found");
        key.get(&format!("{GRANTS}/01890a5d-ac96-774b-bcce-b302099a8057")).await.refused("not-found");
    }
}
