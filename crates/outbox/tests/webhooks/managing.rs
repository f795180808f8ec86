//! Webhooks as their teams manage them: who may, what is refused, what is shown and what never is.

use crate::ground::{HOOKS, Hook, drain, fulfil, manager};
use crate::listening::keys;
use crate::receiver::Receiver;
use accounts::PersonalKeys;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outbox::Webhooks;
use outbox::webhooks::{Policy, Resealed, SECRETS_MAX, WEBHOOKS_MAX};
use serde_json::{Value, json};
use testkit::{World, both_engines};
use web::Role;

const URL: &str = "https://game.example/hooks";

fn body(change: &[(&str, Value)]) -> Value {
    let mut body = json!({ "url": URL, "topics": ["fulfilment.created"] });
    for (name, value) in change {
        body[*name] = value.clone();
    }
    body
}

both_engines! {
    async fn a_webhook_is_made_shown_changed_and_deleted(world: &World) {
        let manager = manager(world).await;
        let more = [("description", json!("item server")), ("concurrency", json!(3)), ("topics", json!(["claim.granted", "fulfilment.created"]))];
        let made = manager.post(HOOKS, body(&more)).await.expect(201);
        assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
        let path = format!("{HOOKS}/{}", made["webhook"].as_str().unwrap());
        let read = manager.get(&path).await.expect(200);
        assert!(read.get("secret").is_none());
        assert_eq!((&read["description"], &read["concurrency"], &read["state"]), (&json!("item server"), &json!(3), &json!("enabled")));
        assert_eq!(manager.get(HOOKS).await.expect(200), json!([read]));

        let changed = manager.patch(&path, json!({ "url": "https://game.example/other" })).await.expect(200);
        assert_eq!((&changed["url"], &changed["topics"]), (&json!("https://game.example/other"), &read["topics"]));
        manager.delete(&path).await.expect(204);
        for refused in [manager.get(&path).await, manager.patch(&path, json!({})).await, manager.delete(&path).await, manager.get(&format!("{path}/deliveries")).await] {
            refused.refused("not-found");
        }
        assert_eq!(manager.get(HOOKS).await.expect(200), json!([]));
        world.app.webhooks.tidy_up().await.unwrap();
    }

    async fn every_change_is_in_the_audit_log_without_the_url(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::with(world, &receiver.url(), json!({ "url": "https://game.example/hooks?token=hush" })).await;
        hook.manager.post(&format!("{}/rotate", hook.path), json!({})).await.expect(200);
        hook.manager.post(&format!("{}/test", hook.path), json!({})).await.expect(202);
        hook.manager.delete(&hook.path).await.expect(204);
        let audit = world.person(&[Role::Operator]).await.get("/v1/audit?subject=game/kart&size=100").await;
        for act in ["webhook.created", "webhook.rotated", "webhook.tested", "webhook.deleted"] {
            assert!(audit.text.contains(act), "{act}: {}", audit.text);
        }
        assert!(audit.text.contains("game.example") && !audit.text.contains("hush") && !audit.text.contains("whsec_"), "{}", audit.text);
        world.app.webhooks.tidy_up().await.unwrap();
    }

    async fn a_secret_is_shown_once_and_stored_sealed(world: &World) {
        let manager = manager(world).await;
        let made = manager.post_keyed(HOOKS, "key-1", body(&[])).await.expect(201);
        manager.post_keyed(HOOKS, "key-1", body(&[])).await.refused("already-done");
        let rotate = format!("{HOOKS}/{}/rotate", made["webhook"].as_str().unwrap());
        let rotated = manager.post_keyed(&rotate, "key-2", json!({})).await.expect(200);
        manager.post_keyed(&rotate, "key-2", json!({})).await.refused("already-done");
        assert_eq!(manager.get(HOOKS).await.expect(200).as_array().unwrap().len(), 1);

        static STORED: db::Statement = db::Statement::new("test.stored", "select {hex sealed} from webhook_secret order by number");
        static ANSWERS: db::Statement = db::Statement::new("test.answers", "select answer from idempotency");
        let stored = world.db().fetch(&STORED, &[], |row| row.text(0)).await.unwrap();
        let answers = world.db().fetch(&ANSWERS, &[], |row| row.text(0)).await.unwrap().join(" ");
        assert_eq!(stored.len(), 2);
        for (secret, sealed) in [&made, &rotated].into_iter().zip(&stored) {
            let text = secret["secret"].as_str().unwrap();
            let key: String = STANDARD.decode(&text[6..]).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!sealed.to_lowercase().contains(&key) && !answers.contains(text));
        }
    }

    async fn what_cannot_be_is_refused_with_what_would_be_right(world: &World) {
        let manager = manager(world).await;
        let long = format!("https://game.example/{}", "x".repeat(2_000));
        for (change, code, named) in [
            (("url", json!("ftp://game.example")), "bad-text", "not https"),
            (("url", json!("https://me:secret@game.example")), "bad-text", "names a user"),
            (("url", json!("")), "bad-text", "url has 0 characters"),
            (("url", json!(long)), "bad-text", "1 to 2000"),
            (("url", json!(7)), "bad-body", "invalid type"),
            (("topics", json!([])), "bad-body", "topics is empty"),
            (("topics", json!(["moon.rise"])), "bad-body", "moon.rise"),
            (("concurrency", json!(0)), "bad-body", "1 to 32"),
            (("concurrency", json!(33)), "bad-body", "1 to 32"),
            (("description", json!("x".repeat(201))), "bad-text", "201 characters"),
            (("secret", json!("whsec_mine")), "bad-body", "secret"),
        ] {
            let refused = manager.post(HOOKS, body(std::slice::from_ref(&change))).await.refused(code);
            assert!(refused["detail"].as_str().unwrap().contains(named), "{change:?}: {refused}");
        }
        assert_eq!(manager.get(HOOKS).await.expect(200), json!([]));
        manager.get(&format!("{HOOKS}/not-an-id")).await.refused("bad-path");
        manager.get(&format!("{HOOKS}/01890a5d-ac96-774b-bcce-b302099a8057")).await.refused("not-found");
        let operator = world.person(&[Role::Operator]).await;
        operator.get("/v1/games/nowhere/webhooks").await.refused("not-found");
        operator.post("/v1/games/nowhere/webhooks", body(&[])).await.refused("not-found");
    }

    async fn a_webhook_is_managed_by_its_games_managers_and_read_by_its_team(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let operator = world.person(&[Role::Operator]).await;
        operator.post("/v1/games", json!({ "id": "maple", "name": "Maple", "zone": "UTC" })).await.expect(201);
        let (member, stranger) = (world.player().await, world.player().await);
        operator.put(&format!("/v1/games/kart/members/{}", member.id), json!({ "role": "team_member" })).await.expect(204);
        operator.put(&format!("/v1/games/maple/members/{}", stranger.id), json!({ "role": "campaign_manager" })).await.expect(204);

        member.get(&hook.path).await.expect(200);
        member.get(&format!("{}/deliveries", hook.path)).await.expect(200);
        for person in [&member, &stranger] {
            person.post(HOOKS, body(&[])).await.refused("forbidden");
            person.patch(&hook.path, json!({ "enabled": false })).await.refused("forbidden");
            person.delete(&hook.path).await.refused("forbidden");
            person.post(&format!("{}/rotate", hook.path), json!({})).await.refused("forbidden");
            person.post(&format!("{}/test", hook.path), json!({})).await.refused("forbidden");
        }
        stranger.get(HOOKS).await.refused("forbidden");
        let through_theirs = hook.path.replace("/kart/", "/maple/");
        for refused in [
            stranger.get(&through_theirs).await,
            stranger.patch(&through_theirs, json!({ "url": "https://evil.example" })).await,
            stranger.delete(&through_theirs).await,
            stranger.post(&format!("{through_theirs}/rotate"), json!({})).await,
            stranger.post(&format!("{through_theirs}/test"), json!({})).await,
            stranger.get(&format!("{through_theirs}/deliveries")).await,
        ] {
            refused.refused("not-found");
        }
    }

    async fn another_webhooks_delivery_is_not_redelivered(world: &World) {
        let receiver = Receiver::start().await;
        let (hook, other) = (Hook::at(world, &receiver).await, Hook::at(world, &receiver).await);
        fulfil(world, &[("f/1", 1)]).await;
        drain(world).await;
        let delivery = hook.deliveries("").await[0]["delivery"].as_str().unwrap().to_owned();
        other.manager.post(&format!("{}/deliveries/{delivery}/redeliver", other.path), json!({})).await.refused("not-found");
        hook.manager.post(&format!("{}/deliveries/{}/redeliver", hook.path, kernel::DeliveryId::new()), json!({})).await.refused("not-found");
    }

    async fn deliveries_come_in_pages_and_by_state(world: &World) {
        let mut receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let aggregates: Vec<String> = (0..25).map(|n| format!("f/{n}")).collect();
        fulfil(world, &aggregates[..20].iter().map(|aggregate| (aggregate.as_str(), 1)).collect::<Vec<_>>()).await;
        drain(world).await;
        receiver.down().await;
        fulfil(world, &aggregates[20..].iter().map(|aggregate| (aggregate.as_str(), 1)).collect::<Vec<_>>()).await;
        let (mut seen, mut query, mut pages) = (Vec::new(), String::from("?size=7"), 0);
        loop {
            let page = hook.manager.get(&format!("{}/deliveries{query}", hook.path)).await.expect(200);
            seen.extend(page["items"].as_array().unwrap().iter().map(|one| one["delivery"].as_str().unwrap().to_owned()));
            pages += 1;
            let Some(next) = page["next"].as_str() else { break };
            query = format!("?size=7&cursor={next}");
        }
        assert_eq!((seen.len(), pages), (25, 4));
        assert!(seen.is_sorted_by(|a, b| a > b), "newest first, each once");
        assert_eq!((hook.deliveries("&state=due").await.len(), hook.deliveries("&state=delivered").await.len()), (5, 20));
        hook.manager.get(&format!("{}/deliveries?state=lost", hook.path)).await.refused("bad-query");
        hook.manager.get(&format!("{}/deliveries?cursor=x", hook.path)).await.refused("bad-cursor");
    }

    async fn a_game_has_so_many_webhooks_and_a_webhook_so_many_secrets(world: &World) {
        let manager = manager(world).await;
        let mut last = String::new();
        for _ in 0..WEBHOOKS_MAX {
            last = manager.post(HOOKS, body(&[])).await.expect(201)["webhook"].as_str().unwrap().to_owned();
        }
        manager.post(HOOKS, body(&[])).await.refused("limit-reached");
        for _ in 1..SECRETS_MAX {
            manager.post(&format!("{HOOKS}/{last}/rotate"), json!({})).await.expect(200);
        }
        manager.post(&format!("{HOOKS}/{last}/rotate"), json!({})).await.refused("limit-reached");
        manager.delete(&format!("{HOOKS}/{last}")).await.expect(204);
        manager.post(HOOKS, body(&[])).await.expect(201);
    }

    async fn secrets_move_to_a_new_master_key(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        let (old, policy) = (keys(world), Policy { allow_private: true, ..Policy::default() });
        let new = (old.current.0 + 1, [9; 32]);
        let with = |keys: &PersonalKeys| Webhooks::new(world.db(), &world.app.accounts, keys, policy.clone(), None).unwrap();
        let both = PersonalKeys { current: new, older: vec![old.current], lookup: Vec::new() };
        let only_new = with(&PersonalKeys { current: new, older: Vec::new(), lookup: Vec::new() });

        fulfil(world, &[("f/1", 1)]).await;
        assert_eq!(only_new.drain_once().await.unwrap(), 0, "what cannot be signed is not sent");
        assert_eq!(only_new.rotate_personal_key().await.unwrap(), Resealed { resealed: 0, unreadable: 1 });
        assert_eq!(with(&both).rotate_personal_key().await.unwrap(), Resealed { resealed: 1, unreadable: 0 });
        assert_eq!(with(&both).rotate_personal_key().await.unwrap(), Resealed::default());
        world.wait_s(10);
        assert_eq!(only_new.drain_once().await.unwrap(), 1);
        assert!(receiver.got()[0].is_signed_with(&hook.secret));
    }
}

#[tokio::test]
async fn what_only_we_can_reach_is_refused_when_a_webhook_is_made_and_when_it_is_sent_to() {
    let world = World::start(|config| config.webhooks.allow_private = false, None).await;
    let receiver = Receiver::start().await;
    let manager = manager(&world).await;
    for private in [
        receiver.url(),
        receiver.url().replace("http:", "https:"),
        "https://[::1]/".into(),
        "https://169.254.169.254/latest".into(),
        "https://10.0.0.1/".into(),
    ] {
        let refused = manager.post(HOOKS, body(&[("url", json!(private))])).await.refused("bad-text");
        assert!(refused["detail"].as_str().unwrap().contains("url"), "{refused}");
    }
    let by_name = format!("https://localhost:{}/", receiver.address.port());
    let hook = Hook::with(&world, &by_name, json!({})).await;
    fulfil(&world, &[("f/1", 1)]).await;
    assert_eq!(drain(&world).await, 0);
    assert_eq!(hook.deliveries("").await[0]["told"], "the host has no address on the public internet");
    assert_eq!(receiver.got().len(), 0);
    world.check().await;
    world.stop().await;
}
