//! Records that are broken, hostile or huge become dead letters; their neighbours count.

use crate::both::both_engines;
use crate::ground::{DAY_MS, GAME, KEYED, campaign, letters, outcome, plays, until};
use db::{Meta, Statement, row};

fn hostile() -> Vec<(&'static str, String)> {
    let deep = "[".repeat(100_000);
    let year_9999 = 253_402_300_799_000i64;
    vec![
        ("not_json", "{\"id\":".to_owned()),
        ("too_deep", format!(r#"{{"id":"x","type":"play","player":"p","at":{DAY_MS},"mode":"r","deep":{deep}"#)),
        ("time_out_of_range", format!(r#"{{"id":"y","type":"play","player":"p","at":{year_9999},"mode":"r"}}"#)),
        ("negative_amount", format!(r#"{{"id":"z","type":"play","player":"p","at":{DAY_MS},"n":-5,"mode":"r"}}"#)),
        ("unknown_value", format!(r#"{{"id":"u","type":"play","player":"p","at":{DAY_MS},"mode":"new"}}"#)),
        ("missing_field", format!(r#"{{"id":"m","type":"play","at":{DAY_MS},"mode":"r"}}"#)),
        ("nul", format!(r#"{{"id":"n","type":"play","player":"p\u0000q","at":{DAY_MS},"mode":"r"}}"#)),
        ("bad_time", r#"{"id":"b","type":"play","player":"p","at":99999999999999999999,"mode":"r"}"#.to_owned()),
    ]
}

static REASONS: Statement = Statement::new("test.reasons", "select distinct reason from dead_letter where game = $1 order by reason");
static KEPT: Statement = Statement::new("test.kept", "select count(*) from dead_letter where game = $1");
static STATES: Statement = Statement::new("test.letter_states", "select count(*) from dead_letter where game = $1 and state = $2");

both_engines! {
    async fn what_does_not_fit_is_a_dead_letter_and_stops_nothing(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(KEYED, &campaigns).await;
        let stream = ground.stream().await;
        let mut records = plays(40, 10);
        let good = records.len();
        for (n, (_, record)) in hostile().into_iter().enumerate() {
            records.insert(n * 30, (format!("p{n}"), record));
        }
        ground.append(&records).await;
        let invalid = [b"{\"id\":\"\xff\xfe\"}".as_slice()];
        let invalid = invalid.map(|value| broker::NewRecord { key: None, value });
        ground.broker.append(crate::ground::TOPIC, 0, &invalid).await.unwrap();
        ground.until_read().await;
        stream.stop().await;
        assert_eq!(letters(&ground.db).await, 9);
        let reasons = ground.db.fetch(&REASONS, &row![GAME], |row| row.text(0)).await.unwrap();
        let mut expected: Vec<&str> = hostile().iter().map(|(reason, _)| *reason).chain(["not_utf8"]).collect();
        expected.sort_unstable();
        assert_eq!(reasons, expected);
        let counted = outcome(&ground.db, KEYED, &campaigns).await;
        assert_eq!(counted.progress.values().map(|goals| goals[0].1).sum::<i64>(), 400, "of {good} records, repeats among them");
    }

    async fn of_a_crowd_of_dead_letters_all_are_counted_and_a_thousand_kept(ground: &Ground) {
        ground.register(KEYED, &[campaign(10)]).await;
        let stream = ground.stream().await;
        let broken: Vec<(String, String)> = (0..3_000).map(|n| (format!("p{n}"), "{".to_owned())).collect();
        ground.append(&broken).await;
        ground.until_read().await;
        stream.stop().await;
        assert_eq!(letters(&ground.db).await, 3_000);
        let kept = ground.db.fetch(&KEPT, &row![GAME], |row| row.int(0)).await.unwrap()[0];
        // The hour may turn while they are read.
        assert!((1_000..=2_000).contains(&kept), "{kept}");
        ground.db.clock().advance_us(3 * kernel::time::HOUR_US);
        let purge = ground.db.queue(stream::PurgeLetters);
        while purge.send(Meta::ours("purge"), ground.db.now()).await.is_ok() {}
        if ground.db.engine() == db::Engine::Sqlite {
            assert_eq!(ground.db.fetch(&KEPT, &row![GAME], |row| row.int(0)).await.unwrap()[0], 0);
        }
    }

    async fn a_dead_letter_is_replayed_once_when_the_mapping_is_mended(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(KEYED, &campaigns).await;
        let stream = ground.stream().await;
        let odd: Vec<(String, String)> = (0..50).map(|n| {
            let player = format!("p{}", n % 5);
            (player.clone(), format!(r#"{{"id":"o{n}","type":"play","player":"{player}","at":{},"mode":"new"}}"#, DAY_MS + n))
        }).collect();
        ground.append(&odd).await;
        ground.append(&[("x".to_owned(), "{broken".to_owned())]).await;
        ground.until_read().await;
        assert_eq!(letters(&ground.db).await, 51);
        crate::ground::register(&ground.db, GAME, &KEYED.replace(r#""c": "casual""#, r#""c": "casual", "new": "new""#), &campaigns).await;
        for _ in 0..2 {
            stream.ask_replay(Meta::ours("test"), &GAME.parse().unwrap(), None).await.unwrap();
            let left = async || ground.db.fetch(&STATES, &row![GAME, "asked"], |row| row.int(0)).await.unwrap()[0];
            until("the replay is done", async || left().await == 0).await;
        }
        stream.stop().await;
        assert_eq!(ground.db.fetch(&STATES, &row![GAME, "replayed"], |row| row.int(0)).await.unwrap()[0], 50);
        assert_eq!(ground.db.fetch(&STATES, &row![GAME, "kept"], |row| row.int(0)).await.unwrap()[0], 1, "what is broken stays");
        let counted = outcome(&ground.db, KEYED, &campaigns).await;
        assert!(counted.progress.values().all(|goals| goals[0].1 == 10), "{counted:?}");
        assert_eq!(counted.achievements.iter().filter(|one| one.2 == 0).count(), 5);
    }
}
