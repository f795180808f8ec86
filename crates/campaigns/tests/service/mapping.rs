//! Mappings: tried out before they are saved, versioned, and bound to what runs.

use crate::ground::*;
use serde_json::{Value, json};
use testkit::both_engines;

fn mapping() -> Value {
    json!({
        "format": "json", "keyed_by": "player", "zone": "UTC", "id": "id", "kind": "type", "player": "who", "at": "at",
        "attributes": { "mode": "mode" }, "events": [{}],
    })
}

fn line(id: &str, mode: &str) -> String {
    json!({ "id": id, "type": "play", "who": "p1", "at": "2026-11-21T09:00:00Z", "mode": mode }).to_string()
}

both_engines! {
    async fn sample_lines_show_their_events_or_the_reason(world: &World) {
        let ground = Ground::lay(world).await;
        let lines = json!([line("a", "ranked"), "{\"id\": \"b\"}", "no json"]);
        let tried = ground.manager.post("/v1/games/kart/mapping/try", json!({ "mapping": mapping(), "lines": lines })).await.expect(200);
        assert_eq!((&tried[0]["events"][0]["player"], &tried[0]["events"][0]["attributes"]["mode"]), (&json!("p1"), &json!("ranked")), "{tried}");
        assert_eq!(tried[0]["events"][0]["id"], format!("{:016x}", rules::event_id("a", "play", 0)), "refunds find events by this");
        assert!(tried[1]["unfit"]["reason"].is_string() && tried[2]["unfit"]["reason"].is_string(), "{tried}");
        ground.manager.get("/v1/games/kart/mapping").await.refused("not-found");
        ground.manager.post("/v1/games/kart/mapping/try", json!({ "lines": ["x"] })).await.refused("not-found");
    }

    async fn a_mapping_is_versioned_and_must_fit_what_runs(world: &World) {
        let ground = Ground::lay(world).await;
        let path = "/v1/games/kart/mapping";
        ground.manager.put(path, json!({ "mapping": { "format": "yaml" } })).await.refused("invalid-document");
        assert_eq!(ground.manager.put(path, json!({ "mapping": mapping() })).await.expect(200)["version"], 1);
        let mut ranked = goal("ten", &points(100));
        ranked["condition"]["where"] = json!({ "attribute": "mode", "is": "ranked" });
        ground.register(&campaign(world, "ranked", &json!([ranked]))).await;
        let mut without = mapping();
        without["attributes"] = json!({ "track": "track" });
        let refused = ground.manager.put(path, json!({ "mapping": without })).await.refused("invalid-document");
        assert!(refused["detail"].as_str().unwrap().contains("ranked"), "{refused}");
        without["attributes"]["mode"] = json!("mode");
        assert_eq!(ground.manager.put(path, json!({ "mapping": without })).await.expect(200)["version"], 2);
        let history = ground.manager.get("/v1/games/kart/mapping/versions").await.expect(200);
        assert_eq!(history["items"].as_array().unwrap().len(), 2);
        assert_eq!(live(world).await.mapping_version, 2);
    }

    async fn every_preset_is_a_mapping(world: &World) {
        let ground = Ground::lay(world).await;
        let names = ground.manager.get("/v1/mappings/presets").await.expect(200);
        for name in names.as_array().unwrap() {
            let preset = ground.manager.get(&format!("/v1/mappings/presets/{}", name.as_str().unwrap())).await.expect(200);
            ground.manager.put("/v1/games/kart/mapping", json!({ "mapping": preset })).await.expect(200);
        }
        ground.manager.get("/v1/mappings/presets/none").await.refused("not-found");
    }
}
