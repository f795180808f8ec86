//! Every invariant is broken on purpose, in a store with real orders, payments, refunds, holds and plays: `check` has to name it and the row.
//! Refuses invariants without a case here.

#[path = "checks/campaign_cases.rs"]
mod campaign_cases;
#[path = "checks/corruptions.rs"]
mod corruptions;
#[path = "checks/team_cases.rs"]
mod team_cases;

use super::dump::tables;
use super::ground::{PASSWORD, text};
use corruptions::{Case, Stage};
use db::Engine;
use guildhall::checks;
use kernel::ProductId;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{Person, World, both_engines};
use web::{Role, Roles};

async fn bought(player: &Person, products: &[ProductId]) -> Value {
    player.post("/v1/payments/buy", json!({ "products": products })).await.expect(201)
}

/// A store in which something of everything has happened.
async fn stage(world: &World) -> Stage {
    let roles = Roles::default().with(Role::Player).with(Role::Admin);
    let boss = world.app.accounts.create_user("boss@example.org", PASSWORD, "Ada", roles).await.unwrap();
    let pair = world.nobody().post("/v1/sessions", json!({ "email": "boss@example.org", "password": PASSWORD })).await.expect(201);
    let boss = world.as_person(boss, roles);
    let player = world.player().await;
    let charge = json!({ "amount_minor": 100_000, "currency": "POINTS", "reference": "receipt-1" });
    boss.post(&format!("/v1/accounts/{}/wallet/credits", player.id), charge).await.expect(200);
    let (castle, knight, tower, plain) = (
        world.product("Castle", 599).await,
        world.product("Knight", 100).await,
        world.product("Tower", 200).await,
        world.product("Plain", 300).await,
    );
    let (racer, rare) = (world.limited_product("Racer", 1999, 10).await, world.limited_product("Rare", 100, 3).await);
    boss.post(&format!("/v1/stocks/{racer}/decrease"), json!({ "quantity": 2 })).await.expect(200);

    let paid = bought(&player, &[castle, racer]).await;
    bought(&player, &[knight]).await;
    player.post(&format!("/v1/library/{knight}/plays"), json!({ "minutes": 30 })).await.expect(200);
    let returned = bought(&player, &[tower]).await;
    let refund = player.post(&format!("/v1/payments/{}/refunds", text(&returned["payment"])), json!({})).await.expect(201);
    let ordered = super::ground::order(&player, &[rare]).await;
    let held = player.post("/v1/payments", json!({ "order": ordered })).await.expect(201);
    let ready = super::ground::order(&player, &[plain]).await;

    let spent = world.player().await;
    world.charge(&spent, 1_300).await;
    bought(&spent, &[knight]).await;

    boss.post("/v1/games", json!({ "id": "kart", "name": "Kart", "zone": "Asia/Seoul" })).await.expect(201);
    boss.put(&format!("/v1/games/kart/members/{}", player.id), json!({ "role": "team_member" })).await.expect(204);
    let key = boss.post("/v1/games/kart/keys", json!({ "name": "shop", "scopes": ["players:read"] })).await.expect(201);
    let claimed = campaign_cases::claimed(world, &boss, world.product("Gift", 100).await).await;
    let grant = team_cases::granted(world, &boss).await;
    let (webhook, parked) = super::ground::webhook_with_delivery(world, &boss, "kart").await;
    for id in ["reg-1", "reg-2"] {
        let registration = registry::Registration { lease_ms: 300_000, ..registry::Registration::new(["quests"], "10.0.0.9:8081") };
        world.app.registry.register(id, &registration).await.unwrap();
    }
    let due = boss.post(&format!("/v1/games/kart/webhooks/{webhook}/test"), json!({})).await.expect(202);
    Stage {
        engine: world.engine(),
        boss: hex(&boss.id.to_string()),
        session: hex(&text(&pair["session"])),
        player: hex(&player.id.to_string()),
        spent: hex(&spent.id.to_string()),
        key: hex(&text(&key["key"])),
        claimed,
        grant,
        webhook: hex(&webhook),
        parked: hex(&parked),
        due: hex(&text(&due["delivery"])),
        castle,
        knight,
        tower,
        racer,
        rare,
        paid: hex(&text(&paid["payment"])),
        returned: hex(&text(&returned["payment"])),
        refund: hex(&text(&refund["id"])),
        held: hex(&text(&held["id"])),
        ordered: hex(&ordered),
        ready: hex(&ready),
    }
}

/// Every way to break an invariant.
fn cases() -> impl Iterator<Item = &'static Case> {
    corruptions::CASES.iter().chain(campaign_cases::CASES).chain(team_cases::CASES)
}

/// An id as checks show it.
fn hex(id: &str) -> String {
    id.replace('-', "")
}

/// Copies of all tables, to undo a corruption with.
async fn keep(world: &World) -> String {
    let mut undo = String::new();
    for table in tables(world.db()).await.keys() {
        world.db().plain(&format!("create table kept_{table} as select * from {table}")).await.unwrap();
        undo += &format!("delete from {table}; insert into {table} select * from kept_{table};");
    }
    undo
}

#[test]
fn every_invariant_has_a_case() {
    let cases: BTreeSet<&str> = cases().map(|case| case.invariant).collect();
    let invariants: BTreeSet<&str> = checks::invariants().iter().map(|invariant| invariant.name).collect();
    assert_eq!(checks::invariants().len(), invariants.len(), "names are distinct");
    assert_eq!(cases, invariants);
}

both_engines! {
    async fn check_finds_what_was_broken_on_purpose(world: &World) {
        let stage = stage(world).await;
        world.check().await;
        let undo = keep(world).await;
        let mut missed = Vec::new();
        for case in cases() {
            let (sql, row) = ((case.sql)(&stage), (case.row)(&stage));
            let touched = world.db().plain(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            assert!(touched > 0, "{sql} broke nothing");
            let breaches = checks::check(world.db()).await.unwrap();
            if !breaches.iter().any(|breach| breach.invariant == case.invariant && breach.row == row && !breach.what.is_empty()) {
                missed.push(format!("{} at {row} after {sql}: {breaches:#?}", case.invariant));
            }
            world.db().plain(&undo).await.unwrap();
        }
        assert!(missed.is_empty(), "check missed {}: {}", missed.len(), missed.join("\n"));
    }

    async fn the_command_line_names_what_is_broken_and_exits_with_one(world: &World) {
        let stage = stage(world).await;
        let clean = check_by_command(world, &[]).await;
        assert_eq!((clean.code, clean.out.as_str()), (0, ""), "{}", clean.err);
        assert!(clean.err.contains(&format!("{} invariants hold", checks::invariants().len())), "{}", clean.err);

        let undo = keep(world).await;
        let case = cases().find(|case| case.invariant == "wallet.balance-is-the-sum-of-its-entries").unwrap();
        world.db().plain(&(case.sql)(&stage)).await.unwrap();
        let broken = check_by_command(world, &[]).await;
        assert_eq!(broken.code, 1, "{}", broken.err);
        assert!(broken.out.contains(case.invariant) && broken.out.contains(&(case.row)(&stage)), "{}", broken.out);
        assert!(broken.err.contains("a wallet's balance equals the sum of its ledger rows"), "{}", broken.err);

        let lines = check_by_command(world, &["--json"]).await;
        let breaches: Vec<Value> = lines.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(breaches.iter().any(|breach| breach["invariant"] == case.invariant && breach["row"] == (case.row)(&stage)), "{}", lines.out);
        world.db().plain(&undo).await.unwrap();
    }
}

struct Ended {
    code: i32,
    out: String,
    err: String,
}

async fn check_by_command(world: &World, more: &[&str]) -> Ended {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_guildhall"));
    command.arg("check").args(more).arg("--data").arg(&world.app.config.data.dir);
    if world.engine() == Engine::Postgres {
        command.arg("--db").arg(world.app.config.database_url().reveal());
    }
    let output = command.output().await.unwrap();
    let told = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ended { code: output.status.code().unwrap(), out: told(&output.stdout), err: told(&output.stderr) }
}
