//! Settling over HTTP, on both engines: payments whose refund window is over are counted by days, once.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use serde_json::json;
use testkit::both_engines;

both_engines! {
    async fn payments_are_settled_once_their_refund_window_is_over(world: &World) {
        let product = world.product("Castle", 599).await;
        let player = world.player().await;
        world.charge(&player, 10_000).await;
        let receipt = player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
        assert_eq!(world.app.payments.settle().await.unwrap(), 0);
        world.wait_s(8 * 24 * 3600);
        assert_eq!(world.app.payments.settle().await.unwrap(), 1);
        assert_eq!(world.app.payments.settle().await.unwrap(), 0, "it repeats nothing");
        let player = world.as_person(player.id, web::Roles::default());
        player.post(&format!("/v1/payments/{}/refunds", receipt["payment"].as_str().unwrap()), json!({})).await.refused("not-refundable");
        let operator = world.person(&[web::Role::Operator]).await;
        let settled = operator.get("/v1/settlements").await.expect(200);
        assert_eq!((&settled["items"][0]["payments"], &settled["items"][0]["net_minor"]), (&json!(1), &json!(7_787)));
    }

    async fn settlements_are_paged_by_days_whose_currencies_stay_together(world: &World) {
        let day = |number: i64| number * kernel::time::DAY_US;
        let product = world.product("Castle", 599).await;
        let player = world.player().await;
        world.charge(&player, 10_000).await;
        player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
        // Copies of that payment, settled on days 3, 5 and 9, on the middle one in two currencies.
        let id = if world.engine() == db::Engine::Sqlite { "randomblob(16)" } else { "uuid_send(gen_random_uuid())" };
        for (number, currency) in [(3, "POINTS"), (5, "GEMS"), (5, "POINTS"), (9, "POINTS"), (9, "POINTS")] {
            let at = day(number) + 7;
            world.db().plain(&format!(
                "insert into payment select {id}, order_id, user_id, state, '{currency}', amount, refunded, points_per_usd, entered_at, expires_at, paid_at, {at}, version
                 from payment where settled_at is null",
            )).await.unwrap();
        }
        let operator = world.person(&[web::Role::Operator]).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = operator.get(&format!("/v1/settlements?size=1{cursor}")).await.expect(200);
            seen.push(page["items"].as_array().unwrap().iter().map(|row| (row["currency"].clone(), row["payments"].clone())).collect::<Vec<_>>());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let row = |currency: &str, payments: i64| (json!(currency), json!(payments));
        assert_eq!(seen, [vec![row("POINTS", 2)], vec![row("GEMS", 1), row("POINTS", 1)], vec![row("POINTS", 1)]]);
        world.db().plain("delete from payment where settled_at is not null").await.unwrap();
    }
}
