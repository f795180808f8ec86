//! What contradicts the database or the log stops one partition until a person decides.

use crate::both::both_engines;
use crate::ground::{DAY_MS, GAME, KEYED, MATCHES, PARTITIONS, TOPIC, campaign, folded, matches, outcome, plays, until};
use db::{Meta, Statement, row};

static EPOCHS: Statement = Statement::new("test.epochs", "select epoch from log_partition where topic = $1 and partition = $2");
static CONTROLS: Statement = Statement::new("test.waiting", "select count(*) from player_state where game = $1 and player = $2");

both_engines! {
    async fn an_offset_outside_the_log_stops_that_partition_until_a_person_decides(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(KEYED, &campaigns).await;
        ground.append(&plays(60, 10)).await;
        ground.db.plain(&format!(
            "insert into log_partition (topic, partition, game, topic_id, epoch, next, changed_at)
             values ('{TOPIC}', 1, '{GAME}', {}, 1, 100000, 0)",
            if ground.db.engine() == db::Engine::Sqlite { "zeroblob(16)" } else { "decode('00000000000000000000000000000000', 'hex')" }
        )).await.unwrap();
        let stream = ground.stream().await;
        let others: i64 = (0..PARTITIONS).filter(|one| *one != 1).map(|one| ground.broker.offsets(TOPIC, one).unwrap().end).sum();
        until("the other partitions are read", async || crate::ground::read(&ground.db).await == others + 100_000).await;
        until("the alarm is told", async || stream.alarms().iter().any(|alarm| alarm.contains("beyond_log"))).await;
        assert_eq!(ground.db.fetch(&EPOCHS, &row![TOPIC, 1], |row| row.int(0)).await.unwrap(), [1], "nobody took it");
        stream.set_offset(Meta::ours("test"), &GAME.parse().unwrap(), 1, 0).await.unwrap();
        ground.until_read().await;
        stream.stop().await;
        assert_eq!(outcome(&ground.db, KEYED, &campaigns).await, folded(KEYED, &campaigns, &ground.records().await));
    }

    async fn a_worker_that_is_stopped_while_its_checkpoints_fail_passes_over_nothing(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(KEYED, &campaigns).await;
        let stream = ground.stream().await;
        ground.append(&plays(40, 4)).await;
        ground.until_read().await;
        // Nothing with a state can be written, offsets alone could.
        ground.db.plain("alter table player_state rename to elsewhere").await.unwrap();
        ground.append(&plays(40, 10)).await;
        // By then each has failed some times, and pauses for longer than what follows takes.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        ground.db.plain("alter table elsewhere rename to player_state").await.unwrap();
        stream.stop().await;
        let stream = ground.stream().await;
        ground.until_read().await;
        stream.stop().await;
        assert_eq!(outcome(&ground.db, KEYED, &campaigns).await, folded(KEYED, &campaigns, &ground.records().await));
    }

    async fn a_record_that_the_database_refuses_becomes_a_dead_letter_and_the_others_count(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(KEYED, &campaigns).await;
        let refuses = match ground.db.engine() {
            db::Engine::Sqlite => {
                "create trigger refuses before insert on player_state when new.player = 'p7' begin select raise(abort, 'not that one'); end"
            }
            db::Engine::Postgres => "alter table player_state add constraint refuses check (player <> 'p7')",
        };
        ground.db.plain(refuses).await.unwrap();
        let records = plays(40, 3);
        let refused = records.iter().filter(|(key, _)| key == "p7").count();
        assert_eq!(refused, 3);
        let stream = ground.stream().await;
        ground.append(&records).await;
        ground.until_read().await;
        stream.stop().await;
        assert_eq!(crate::ground::letters(&ground.db).await, 3);
        static PLAYERS: Statement = Statement::new("test.players", "select count(*) from player_state where game = $1");
        assert_eq!(ground.db.fetch(&PLAYERS, &row![GAME], |row| row.int(0)).await.unwrap(), [39]);
    }

    async fn a_topic_that_was_made_anew_is_not_taken_for_the_old_one(ground: &Ground) {
        ground.register(KEYED, &[campaign(10)]).await;
        ground.append(&plays(10, 2)).await;
        let stream = ground.stream().await;
        ground.until_read().await;
        stream.stop().await;
        ground.broker.delete_topic(TOPIC).await.unwrap();
        ground.broker.create_topic(TOPIC, PARTITIONS).await.unwrap();
        ground.append(&plays(100, 9)).await;
        let stream = ground.stream().await;
        until("all partitions stand still", async || stream.alarms().iter().filter(|alarm| alarm.contains("other_topic")).count() == 4).await;
        stream.stop().await;
    }

    async fn a_state_of_a_newer_program_is_left_alone(ground: &Ground) {
        ground.register(KEYED, &[campaign(10)]).await;
        let newer = if ground.db.engine() == db::Engine::Sqlite { "x'ff01020304'" } else { "'\\xff01020304'" };
        ground.db.plain(&format!(
            "insert into player_state (game, player, version, state, changed_at) values ('{GAME}', 'p3', 7, {newer}, 0)"
        )).await.unwrap();
        let stream = ground.stream().await;
        ground.append(&plays(10, 4)).await;
        until("the partition is given up", async || stream.alarms().iter().any(|alarm| alarm.contains("newer_state"))).await;
        stream.stop().await;
        static VERSION: Statement = Statement::new("test.version", "select version from player_state where game = $1 and player = $2");
        assert_eq!(ground.db.fetch(&VERSION, &row![GAME, "p3"], |row| row.int(0)).await.unwrap(), [7]);
        assert_eq!(ground.db.fetch(&CONTROLS, &row![GAME, "p3"], |row| row.int(0)).await.unwrap(), [1]);
    }

    async fn a_state_that_others_wrote_is_loaded_again(ground: &Ground) {
        let campaigns = [campaign(50)];
        ground.register(KEYED, &campaigns).await;
        let stream = ground.stream().await;
        let records = plays(40, 20);
        for some in records.chunks(200) {
            ground.append(some).await;
            ground.until_read().await;
            // Versions move under the cache, as when another process applies a control.
            ground.db.plain("update player_state set version = version + 1").await.unwrap();
        }
        ground.append(&[("p1".to_owned(), r#"{"id":"last","type":"play","player":"p1","at":1779148800000,"mode":"r"}"#.to_owned())]).await;
        ground.until_read().await;
        stream.stop().await;
        assert_eq!(outcome(&ground.db, KEYED, &campaigns).await, folded(KEYED, &campaigns, &ground.records().await));
    }

    async fn a_state_of_a_match_that_others_wrote_is_loaded_again(ground: &Ground) {
        let campaigns = [campaign(50)];
        ground.register(MATCHES, &campaigns).await;
        let stream = ground.stream().await;
        for some in matches(300, 60).chunks(60) {
            ground.append(some).await;
            ground.until_read().await;
            ground.db.plain("update player_state set version = version + 1").await.unwrap();
        }
        stream.stop().await;
        let expected = folded(MATCHES, &campaigns, &ground.records().await);
        assert_eq!(outcome(&ground.db, MATCHES, &campaigns).await.in_any_order(), expected.in_any_order());
    }

    async fn players_whose_records_are_not_where_the_mapping_says_count_once_all_the_same(ground: &Ground) {
        let campaigns = [campaign(10)];
        ground.register(KEYED, &campaigns).await;
        let stream = ground.stream().await;
        // Said to be keyed by player, each player's records lie in all partitions: checkpoints that go together meet in one row.
        let scattered: Vec<(String, String)> = (0..).zip(plays(12, 30)).map(|(n, (_, record))| (format!("k{n}"), record)).collect();
        for some in scattered.chunks(60) {
            ground.append(some).await;
        }
        ground.until_read().await;
        stream.stop().await;
        let expected = folded(KEYED, &campaigns, &ground.records().await);
        assert_eq!(outcome(&ground.db, KEYED, &campaigns).await.in_any_order(), expected.in_any_order());
    }

    async fn a_state_that_cannot_be_read_stops_only_the_partition_whose_match_needs_it(ground: &Ground) {
        ground.register(MATCHES, &[campaign(10)]).await;
        let newer = if ground.db.engine() == db::Engine::Sqlite { "x'ff01020304'" } else { "'\\xff01020304'" };
        ground.db.plain(&format!(
            "insert into player_state (game, player, version, state, changed_at) values ('{GAME}', 'odd', 7, {newer}, 0)"
        )).await.unwrap();
        let of = |n: usize, player: &str| {
            let at = DAY_MS + i64::try_from(n).unwrap();
            (format!("m{n}"), format!(r#"{{"id":"m{n}","at":{at},"players":[{{"name":"{player}","n":1}}]}}"#))
        };
        let mut records: Vec<(String, String)> = (0..80).map(|n| of(n, &format!("p{n}"))).collect();
        records.push(of(80, "odd"));
        ground.append(&records).await;
        let stream = ground.stream().await;
        until("one partition is given up", async || stream.alarms().iter().any(|alarm| alarm.contains("newer_state"))).await;
        static NEXT: Statement = Statement::new("test.next", "select next from log_partition order by partition");
        let ends: Vec<i64> = (0..PARTITIONS).map(|partition| ground.broker.offsets(TOPIC, partition).unwrap().end).collect();
        until("the others are read", async || {
            let next = ground.db.fetch(&NEXT, &[], |row| row.int(0)).await.unwrap();
            next.iter().zip(&ends).filter(|(next, end)| next == end).count() == ends.len() - 1
        }).await;
        assert_eq!(stream.alarms().len(), 1);
        stream.stop().await;
    }
}
