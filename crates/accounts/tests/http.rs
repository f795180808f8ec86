//! Accounts over HTTP: the whole application, on both engines.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the error, in its helpers too")]

use serde_json::{Value, json};
use testkit::{Person, World, both_engines};
use web::Role;

const EMAIL: &str = "jane@example.com";
const PASSWORD: &str = "correct horse";

async fn sign_up(world: &World) -> Value {
    world.nobody().post("/v1/accounts", json!({ "email": EMAIL, "password": PASSWORD, "name": "Jane" })).await.expect(201)
}

async fn log_in(world: &World) -> (Person, Value) {
    let signed = world.nobody().post("/v1/sessions", json!({ "email": EMAIL, "password": PASSWORD })).await.expect(201);
    (world.nobody().with_token(signed["access_token"].as_str().unwrap()), signed)
}

both_engines! {
    async fn from_sign_up_to_logout(world: &World) {
        let made = sign_up(world).await;
        let (jane, signed) = log_in(world).await;
        assert_eq!((&signed["user"], &signed["roles"], &signed["access_expires_in_s"]), (&made["user"], &json!(["player"]), &json!(900)));
        let profile = jane.get("/v1/accounts/me").await.expect(200);
        assert_eq!((&profile["email"], &profile["name"], &profile["phone"]), (&json!(EMAIL), &json!("Jane"), &Value::Null));
        let changed = jane.patch("/v1/accounts/me", json!({ "name": "Jane D.", "phone": "555-0100" })).await.expect(200);
        assert_eq!((&changed["name"], &changed["phone"]), (&json!("Jane D."), &json!("555-0100")));
        let refreshed = world.nobody().post("/v1/sessions/refresh", json!({ "refresh_token": signed["refresh_token"] })).await.expect(200);
        assert_ne!(refreshed["refresh_token"], signed["refresh_token"]);
        assert_eq!(jane.get("/v1/sessions").await.expect(200)["items"].as_array().unwrap().len(), 1);
        let export = jane.get("/v1/accounts/me/export").await.expect(200);
        assert_eq!(export["profile"]["email"], EMAIL);
        jane.delete("/v1/sessions/current").await.expect(204);
        jane.get("/v1/accounts/me").await.refused("unauthenticated");
    }

    async fn what_is_wrong_is_told_by_its_code_and_without_the_address(world: &World) {
        sign_up(world).await;
        let nobody = world.nobody();
        let body = |email: &str, password: &str| json!({ "email": email, "password": password, "name": "Jane" });
        nobody.post("/v1/accounts", body("JANE@example.com", PASSWORD)).await.refused("already-exists");
        nobody.post("/v1/accounts", body("no-address", PASSWORD)).await.refused("bad-text");
        nobody.post("/v1/accounts", body("john@example.com", "short")).await.refused("bad-text");
        let login = |email: &str| json!({ "email": email, "password": "wrong horse" });
        let known = nobody.post("/v1/sessions", login(EMAIL)).await.refused("wrong-credentials");
        assert_eq!(known, nobody.post("/v1/sessions", login("nobody@example.com")).await.refused("wrong-credentials"));
        for _ in 0..4 {
            nobody.post("/v1/sessions", login(EMAIL)).await.refused("wrong-credentials");
        }
        let limited = nobody.post("/v1/sessions", login(EMAIL)).await.refused("too-many-attempts");
        assert!(limited["facts"]["retry_after_s"].as_i64().unwrap() >= 1);
        nobody.post("/v1/password-resets", json!({ "email": "nobody@example.com" })).await.expect(202);
    }

    async fn a_repeated_sign_up_gets_the_first_answer_and_a_repeated_login_none(world: &World) {
        let nobody = world.nobody();
        let body = || json!({ "email": EMAIL, "password": PASSWORD, "name": "Jane" });
        let first = nobody.post_keyed("/v1/accounts", "k1", body()).await.expect(201);
        assert_eq!(nobody.post_keyed("/v1/accounts", "k1", body()).await.expect(201), first);
        let other = json!({ "email": EMAIL, "password": "another horse", "name": "Jane" });
        nobody.post_keyed("/v1/accounts", "k1", other).await.refused("key-reused");
        let login = || json!({ "email": EMAIL, "password": PASSWORD });
        nobody.post_keyed("/v1/sessions", "k1", login()).await.expect(201);
        nobody.post_keyed("/v1/sessions", "k1", login()).await.refused("already-done");
    }

    async fn staff_look_up_block_and_give_roles(world: &World) {
        let made = sign_up(world).await;
        let (jane, _) = log_in(world).await;
        let (operator, admin) = (world.person(&[Role::Operator]).await, world.person(&[Role::Admin]).await);
        let path = format!("/v1/accounts/{}", made["user"].as_str().unwrap());
        jane.get(&path).await.refused("forbidden");
        let found = operator.post("/v1/accounts/find", json!({ "email": EMAIL })).await.expect(200);
        assert_eq!((&found["user"], &found["email_hint"]), (&made["user"], &json!("j***@example.com")));
        assert!(!operator.get(&path).await.text.contains(EMAIL));
        operator.put(&format!("{path}/roles/store_manager"), json!({})).await.refused("forbidden");
        let roles = admin.put(&format!("{path}/roles/store_manager"), json!({})).await.expect(200);
        assert_eq!(roles["roles"], json!(["player", "store_manager"]));
        operator.post(&format!("{path}/block"), json!({ "reason": "fraud" })).await.expect(200);
        jane.get("/v1/accounts/me").await.refused("unauthenticated");
        operator.post(&format!("{path}/unblock"), json!({ "reason": "resolved" })).await.expect(200);
        log_in(world).await;
        let log = operator.get(&format!("/v1/audit?subject=account/{}", made["user"].as_str().unwrap())).await.expect(200);
        let acts: Vec<&str> = log["items"].as_array().unwrap().iter().map(|noted| noted["act"].as_str().unwrap()).collect();
        assert_eq!(acts, ["account.unblocked", "account.blocked", "role.granted"]);
        assert_eq!(log["items"][1]["detail"], json!({ "reason": "fraud" }));
        jane.get("/v1/audit").await.refused("unauthenticated");
    }

    async fn a_game_its_team_and_its_keys(world: &World) {
        let (operator, manager, player) = (world.person(&[Role::Operator]).await, world.player().await, world.player().await);
        let game = json!({ "id": "kart", "name": "Kart", "zone": "Asia/Seoul" });
        player.post("/v1/games", game.clone()).await.refused("forbidden");
        operator.post("/v1/games", game).await.expect(201);
        let member = |id| format!("/v1/games/kart/members/{id}");
        operator.put(&member(manager.id), json!({ "role": "campaign_manager" })).await.expect(204);
        manager.put(&member(player.id), json!({ "role": "team_member" })).await.expect(204);
        assert_eq!(player.get("/v1/games/kart/members").await.expect(200).as_array().unwrap().len(), 2);
        player.post("/v1/games/kart/keys", json!({ "name": "shop", "scopes": ["players:read"] })).await.refused("forbidden");
        manager.post("/v1/games/kart/keys", json!({ "name": "shop", "scopes": ["moon:read"] })).await.refused("bad-body");
        let made = manager.post("/v1/games/kart/keys", json!({ "name": "shop", "scopes": ["players:read"] })).await.expect(201);
        let secret = made["secret"].as_str().unwrap();
        assert_eq!(world.app.accounts.verify_key(secret).await.unwrap().game.as_str(), "kart");
        assert!(!player.get("/v1/games/kart/keys").await.text.contains(secret));
        manager.delete(&format!("/v1/games/kart/keys/{}", made["key"].as_str().unwrap())).await.expect(204);
        assert!(world.app.accounts.verify_key(secret).await.is_err());
        world.player().await.get("/v1/games/kart/members").await.refused("forbidden");
    }

    async fn an_erased_account_is_gone_at_once(world: &World) {
        sign_up(world).await;
        let (jane, _) = log_in(world).await;
        let erase = |password: &str| jane.request("DELETE".parse().unwrap(), "/v1/accounts/me").json(&json!({ "password": password }));
        jane.send(erase("wrong horse")).await.refused("wrong-credentials");
        jane.send(erase(PASSWORD)).await.expect(204);
        jane.get("/v1/accounts/me").await.refused("unauthenticated");
        world.nobody().post("/v1/sessions", json!({ "email": EMAIL, "password": PASSWORD })).await.refused("wrong-credentials");
    }

    async fn a_password_that_is_changed_again_under_its_key_is_told_that_it_is_done(world: &World) {
        sign_up(world).await;
        let (jane, _) = log_in(world).await;
        let change = |key: &'static str, new: &str| {
            let (jane, body) = (jane.clone(), json!({ "old_password": PASSWORD, "new_password": new }));
            async move { jane.post_keyed("/v1/accounts/me/password", key, body).await }
        };
        change("k1", "another horse").await.expect(204);
        change("k1", "another horse").await.expect(204);
        change("k1", "a third horse").await.refused("wrong-credentials");
        change("k2", "another horse").await.refused("wrong-credentials");
    }

    async fn whoever_runs_the_machine_erases_as_well(world: &World) {
        let made = sign_up(world).await;
        let user = made["user"].as_str().unwrap().parse().unwrap();
        world.app.accounts.erase_account(user).await.unwrap();
        world.nobody().post("/v1/sessions", json!({ "email": EMAIL, "password": PASSWORD })).await.refused("wrong-credentials");
        assert!(world.app.accounts.erase_account(user).await.is_err(), "it is gone");
        let operator = world.person(&[Role::Operator]).await;
        let noted = operator.get(&format!("/v1/audit?subject=account/{}", made["user"].as_str().unwrap())).await.expect(200);
        let erased = noted["items"].as_array().unwrap().iter().find(|row| row["act"] == "account.erased").unwrap();
        assert_eq!(erased["actor"], Value::Null, "nobody's account did it: {erased}");
    }
}
