//! A stream follows a log: progress, changes of campaigns, controls, two streams on one log.

use crate::both::both_engines;
use crate::ground::{DAY_MS, GAME, KEYED, MATCHES, campaign, folded, matches, outcome, plays, until};
use db::{Statement, row};

both_engines! {
    async fn every_record_counts_once(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(KEYED, &campaigns).await;
        let stream = ground.stream().await;
        for some in plays(120, 12).chunks(300) {
            ground.append(some).await;
        }
        ground.until_read().await;
        stream.stop().await;
        let expected = folded(KEYED, &campaigns, &ground.records().await);
        assert!(expected.achievements.len() >= 120 && expected.matched > 1_000, "{}", expected.achievements.len());
        assert_eq!(outcome(&ground.db, KEYED, &campaigns).await, expected);
    }

    async fn a_topic_keyed_by_match_counts_every_player_once(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(MATCHES, &campaigns).await;
        let stream = ground.stream().await;
        ground.append(&matches(400, 90)).await;
        ground.until_read().await;
        stream.stop().await;
        let expected = folded(MATCHES, &campaigns, &ground.records().await);
        assert!(expected.achievements.len() >= 90);
        assert_eq!(outcome(&ground.db, MATCHES, &campaigns).await.in_any_order(), expected.in_any_order());
    }

    async fn a_stream_goes_on_where_the_one_before_it_ended(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(KEYED, &campaigns).await;
        for some in plays(60, 10).chunks(150) {
            let stream = ground.stream().await;
            ground.append(some).await;
            stream.stop().await;
        }
        let stream = ground.stream().await;
        ground.until_read().await;
        stream.stop().await;
        assert_eq!(outcome(&ground.db, KEYED, &campaigns).await, folded(KEYED, &campaigns, &ground.records().await));
    }

    async fn two_streams_that_fight_over_the_same_partitions_count_every_record_once(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(KEYED, &campaigns).await;
        let (one, other) = (ground.stream().await, ground.stream().await);
        for some in plays(60, 20).chunks(100) {
            ground.append(some).await;
        }
        ground.until_read().await;
        one.stop().await;
        other.stop().await;
        assert_eq!(outcome(&ground.db, KEYED, &campaigns).await, folded(KEYED, &campaigns, &ground.records().await));
    }

    async fn two_streams_that_fight_over_matches_count_every_player_once(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(MATCHES, &campaigns).await;
        let (one, other) = (ground.stream().await, ground.stream().await);
        for some in matches(300, 60).chunks(40) {
            ground.append(some).await;
        }
        ground.until_read().await;
        one.stop().await;
        other.stop().await;
        let expected = folded(MATCHES, &campaigns, &ground.records().await);
        assert_eq!(outcome(&ground.db, MATCHES, &campaigns).await.in_any_order(), expected.in_any_order());
    }

    async fn a_campaign_changed_while_logs_flow_judges_what_comes_after(ground: &Ground) {
        ground.register(KEYED, &[campaign(1_000)]).await;
        let stream = ground.stream().await;
        ground.append(&plays(30, 4)).await;
        ground.until_read().await;
        assert!(outcome(&ground.db, KEYED, &[campaign(1_000)]).await.achievements.is_empty());
        // By somebody in another process: this one hears of it by itself.
        crate::ground::register(&ground.db, GAME, KEYED, &[campaign(5)]).await;
        let more: Vec<(String, String)> = (0..30).map(|n| {
            let player = format!("p{n}");
            (player.clone(), format!(r#"{{"id":"late{n}","type":"play","player":"{player}","at":{},"mode":"c"}}"#, DAY_MS + 900_000))
        }).collect();
        until("the change is in force", async || ground.live.game(&GAME.parse().unwrap()).is_some_and(|live| live.campaign_version == 2)).await;
        ground.append(&more).await;
        ground.until_read().await;
        stream.stop().await;
        let reached = outcome(&ground.db, KEYED, &[campaign(5)]).await.achievements;
        assert_eq!(reached.iter().filter(|one| one.2 == 0).count(), 30, "each player's fifth play reached the changed goal");
    }

    async fn a_control_is_applied_once_beside_the_records(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(KEYED, &campaigns).await;
        let stream = ground.stream().await;
        ground.append(&plays(20, 5)).await;
        ground.until_read().await;
        let id = if ground.db.engine() == db::Engine::Sqlite { "x'00000000000000000000000000000001'" } else { "'\\x00000000000000000000000000000001'" };
        let control = format!(
            "insert into control (game, player, id, kind, number, goal, period, amount, at) values ('{GAME}', 'p3', {id}, 'correct', 1, 0, 0, 4, 0)"
        );
        ground.db.plain(&control).await.unwrap();
        static LEFT: Statement = Statement::new("test.controls", "select count(*) from control where game = $1");
        until("the control is gone", async || ground.db.fetch(&LEFT, &row![GAME], |row| row.int(0)).await.unwrap()[0] == 0).await;
        let after = outcome(&ground.db, KEYED, &campaigns).await;
        assert_eq!(after.progress["p3"][0].1, 9, "five plays and a correction of four");
        assert_eq!(after.progress["p4"][0].1, 5);
        // The worker that keeps the player hears of it: the next play comes on top.
        let next = format!(r#"{{"id":"next","type":"play","player":"p3","at":{},"mode":"r"}}"#, DAY_MS + 500_000);
        ground.append(&[("p3".to_owned(), next)]).await;
        ground.until_read().await;
        stream.stop().await;
        let after = outcome(&ground.db, KEYED, &campaigns).await;
        assert!(after.achievements.iter().any(|one| one.0 == "p3" && one.2 == 0), "{after:?}");
    }
}
