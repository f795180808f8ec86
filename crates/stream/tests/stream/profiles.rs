//! A game's mapping keeps players' profiles: from any log, in any order, over repeats, and beside a team that sends its own.

use crate::both::both_engines;
use crate::ground::{DAY_MS, GAME, KEYED, MATCHES, campaign, matches, plays};
use db::{Db, Statement, row};
use std::collections::BTreeMap;

static PROFILES: Statement = Statement::new(
    "test.profiles",
    "select player, nickname, level, server, playtime_minutes, last_seen_at from player_profile where game = $1",
);

/// Nickname, level, server, minutes, and the millisecond of the day on which the player was seen last.
type Shown = (Option<String>, Option<i64>, Option<String>, i64, i64);

async fn profiles(db: &Db) -> BTreeMap<String, Shown> {
    let one = |row: &db::Row<'_>| {
        let seen = row.instant_opt(5)?.map_or(0, |at| at.0 / 1_000 - DAY_MS);
        Ok((row.text(0)?, (row.text_opt(1)?, row.int_opt(2)?, row.text_opt(3)?, row.int(4)?, seen)))
    };
    db.fetch(&PROFILES, &row![GAME], one).await.unwrap().into_iter().collect()
}

fn shown(nickname: &str, level: i64, server: &str, minutes: i64, seen: i64) -> Shown {
    (Some(nickname.to_owned()), Some(level), Some(server.to_owned()), minutes, seen)
}

fn with(mapping: &str, profile: serde_json::Value, attributes: &[(&str, serde_json::Value)]) -> String {
    let mut document: serde_json::Value = serde_json::from_str(mapping).unwrap();
    document["profile"] = profile;
    for (name, field) in attributes {
        document["attributes"][*name] = field.clone();
    }
    document.to_string()
}

/// A mapping of the tests that keeps everything a profile has.
fn keeping() -> String {
    let integer = |path: &str| serde_json::json!({ "path": path, "type": "integer" });
    let attributes =
        [("nick", serde_json::json!("nick")), ("level", integer("lv")), ("where", serde_json::json!("srv")), ("minutes", integer("min"))];
    let profile = serde_json::json!({ "nickname": "nick", "level": "level", "server": "where", "playtime_minutes": "minutes" });
    with(KEYED, profile, &attributes)
}

fn record(n: i64, kind: &str, player: &str, at: i64, told: &str) -> (String, String) {
    (player.to_owned(), format!(r#"{{"id":"r{n}","type":"{kind}","player":"{player}","at":{}{told}}}"#, DAY_MS + at))
}

/// The preset of a game with Korean names and local times, and lines as it writes them.
fn korean() -> (String, Vec<(String, String)>) {
    let profile = serde_json::json!({ "nickname": "name", "level": "level", "server": "server" });
    let mapping = with(rules::preset("baram").unwrap(), profile, &[("name", serde_json::json!("character"))]);
    let lines = [
        ("용사1", "2026-05-19 09:10:00|사냥|용사1|연|57|도깨비|3|12|77"),
        ("용사1", "2026-05-19 09:20:00|획득|용사1|무휼|58|도토리|30||78"),
        ("도사2", "2026-05-19 09:05:00|접속|도사2|세류|9||||79"),
        ("용사1", "2026-05-19 09:15:00|임무|용사1|연|57|첫걸음|||80"),
        ("도사2", "2026-05-19 09:25:00|대화|도사2|세류|99||||81"),
    ];
    (mapping, lines.map(|(key, line)| (key.to_owned(), line.to_owned())).to_vec())
}

both_engines! {
    async fn each_field_is_what_its_newest_record_says(ground: &Ground) {
        // No campaign asks for any of it.
        ground.register(&keeping(), &[]).await;
        let stream = ground.stream().await;
        ground.append(&[
            record(1, "login", "p1", 1_000, r#","nick":"Dao","lv":3,"srv":"seoul","min":10"#),
            record(2, "play", "p1", 5_000, r#","lv":5"#),
            record(3, "play", "p2", 2_000, r#","nick":"Bazzi""#),
        ]).await;
        ground.until_read().await;
        ground.append(&[
            record(4, "play", "p1", 3_000, r#","nick":"Uni","lv":4,"min":30"#),
            record(2, "play", "p1", 5_000, r#","lv":5"#),
            record(5, "play", "p2", 4_000, &format!(r#","nick":"{}","lv":-1,"srv":"busan""#, "x".repeat(61))),
        ]).await;
        ground.until_read().await;
        stream.stop().await;
        let found = profiles(&ground.db).await;
        assert_eq!(found["p1"], shown("Uni", 5, "seoul", 30, 5_000));
        assert_eq!(found["p2"], (Some("Bazzi".to_owned()), None, Some("busan".to_owned()), 0, 4_000), "what a profile cannot hold is left out");
    }

    async fn a_games_own_lines_keep_its_players(ground: &Ground) {
        let (mapping, lines) = korean();
        ground.register(&mapping, &[]).await;
        let stream = ground.stream().await;
        for one in &lines {
            ground.append(std::slice::from_ref(one)).await;
            ground.until_read().await;
        }
        stream.stop().await;
        let found = profiles(&ground.db).await;
        let told = |player: &str| (found[player].0.clone(), found[player].1, found[player].2.clone());
        assert_eq!(told("용사1"), (Some("용사1".to_owned()), Some(58), Some("muhyul".to_owned())), "the line of 09:15 came late");
        assert_eq!(told("도사2"), (Some("도사2".to_owned()), Some(9), Some("seryu".to_owned())), "a line that the mapping does not want tells nothing");
    }

    async fn records_that_several_partitions_hold_of_a_player_come_to_one_profile(ground: &Ground) {
        let mut document: serde_json::Value = serde_json::from_str(MATCHES).unwrap();
        document["events"][0]["attributes"] = serde_json::json!({ "score": { "path": "n", "type": "integer" } });
        document["profile"] = serde_json::json!({ "level": "score" });
        ground.register(&document.to_string(), &[campaign(10)]).await;
        let (one, other) = (ground.stream().await, ground.stream().await);
        ground.append(&matches(300, 70)).await;
        ground.until_read().await;
        one.stop().await;
        other.stop().await;
        let found = profiles(&ground.db).await;
        assert_eq!(found.len(), 70);
        for (n, i) in (0..300_i64).flat_map(|n| (0..10_i64).map(move |i| (n, i))) {
            // Each player's newest match is the one with the highest number; its moment is ten milliseconds times that.
            let shown = &found[&format!("p{}", (n * 3 + i * 11) % 70)];
            assert!(shown.4 >= n * 10, "match {n} is not newer than {shown:?}");
            assert!(shown.4 > n * 10 || shown.1 == Some(i % 4 + 1), "match {n}: {shown:?}");
        }
    }

    async fn two_streams_that_fight_over_a_log_keep_the_same_profiles(ground: &Ground) {
        let profile = serde_json::json!({ "server": "mode" });
        ground.register(&with(KEYED, profile, &[]), &[campaign(10)]).await;
        let (one, other) = (ground.stream().await, ground.stream().await);
        for some in plays(50, 12).chunks(60) {
            ground.append(some).await;
        }
        ground.until_read().await;
        one.stop().await;
        other.stop().await;
        let found = profiles(&ground.db).await;
        assert_eq!(found.len(), 50);
        for n in 550..600 {
            assert_eq!(found[&format!("p{}", n * 7 % 50)], (None, None, Some("ranked".to_owned()), 0, n * 10));
        }
    }

    async fn a_mapping_without_the_section_keeps_no_profiles(ground: &Ground) {
        ground.register(KEYED, &[campaign(10)]).await;
        let stream = ground.stream().await;
        ground.append(&plays(10, 2)).await;
        ground.until_read().await;
        stream.stop().await;
        assert_eq!(profiles(&ground.db).await.len(), 0);
    }
}
