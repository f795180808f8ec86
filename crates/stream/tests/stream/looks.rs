//! Explaining a player and trying a draft: from the log, without a trace in the database.

use crate::both::both_engines;
use crate::ground::{KEYED, campaign, plays};
use rules::Campaign;

both_engines! {
    async fn a_players_progress_is_explained_event_by_event(ground: &Ground) {
        ground.register(KEYED, &[campaign(10)]).await;
        let mut records = plays(20, 12);
        records.push(("p3".to_owned(), r#"{"id":"old","type":"play","player":"p3","at":1700000000000,"mode":"r"}"#.to_owned()));
        records.push(("p3".to_owned(), r#"{"id":"bad","type":"play","player":"p3","at":1779148800000,"mode":"?"}"#.to_owned()));
        ground.append(&records).await;
        let stream = ground.stream().await;
        let told = stream.explain(&"kart".parse().unwrap(), "ten", "p3").await.unwrap();
        stream.stop().await;
        assert!(told.log.complete && told.log.records == records.len() as u64);
        let counted = told.events.iter().filter(|event| event.verdict == "counted").count();
        assert_eq!(counted, 12);
        assert!(told.reached.iter().any(|reached| reached.goal == "plays" && reached.n == 1));
        let old = told.events.iter().find(|event| event.at.0 < 1_710_000_000_000_000).unwrap();
        assert!(old.goals.iter().all(|goal| goal.rejected.is_some()), "{old:?}");
        assert_eq!(told.unfit.len(), 1);
        assert_eq!(told.unfit[0].reason, "unknown_value");
        assert!(stream.explain(&"kart".parse().unwrap(), "none", "p3").await.is_err());
    }

    async fn a_look_begins_a_day_before_the_campaign_does(ground: &Ground) {
        const DAYS: [&str; 4] = ["2026-05-10", "2026-05-16", "2026-05-17", "2026-05-18"];
        ground.register(KEYED, &[]).await;
        for day in DAYS {
            let at: kernel::Instant = format!("{day}T20:00:00Z").parse().unwrap();
            let line = format!(r#"{{"id":"{day}","type":"play","player":"p1","at":{},"mode":"r"}}"#, at.0 / 1_000);
            ground.append_at(&[("p1".to_owned(), line)], at).await;
        }
        let stream = ground.stream().await;
        let mut draft = Campaign::parse(&campaign(1)).unwrap();
        let counts = |records, days: &[&str]| (records, days.iter().map(|day| ((*day).to_owned(), 1)).collect::<std::collections::BTreeMap<_, _>>());
        for (starts, expected) in [
            ("2026-05-01T00:00:00Z", counts(4, &["2026-05-11"])),
            ("2026-05-17T12:00:00Z", counts(3, &["2026-05-18"])),
            ("2026-05-18T00:00:00Z", counts(2, &["2026-05-19"])),
            ("2026-06-18T00:00:00Z", counts(4, &[])),
        ] {
            draft.period.starts = starts.parse().unwrap();
            let told = stream.backtest(draft.clone(), None).await.unwrap();
            assert!(told.log.complete);
            assert_eq!((told.log.records, told.goals[0].by_day.clone()), expected, "{starts}");
        }
        draft.period.starts = "2026-05-17T12:00:00Z".parse().unwrap();
        draft.day_starts_at = rules::campaign::HourMinute { minutes: 6 * 60 };
        let told = stream.backtest(draft, None).await.unwrap();
        assert_eq!(told.goals[0].by_day, counts(3, &["2026-05-17"]).1, "five in the morning belongs to the day before");
        stream.stop().await;
    }

    async fn a_draft_is_tried_over_the_log_and_over_a_file_alike(ground: &Ground) {
        ground.register(KEYED, &[]).await;
        let records = plays(20, 12);
        ground.append(&records).await;
        let stream = ground.stream().await;
        let draft = Campaign::parse(&campaign(10)).unwrap();
        let by_log = stream.backtest(draft.clone(), None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lines");
        std::fs::write(&file, records.iter().map(|(_, line)| format!("{line}\n")).collect::<String>()).unwrap();
        let by_file = stream.backtest(draft, Some(file)).await.unwrap();
        stream.stop().await;
        for told in [&by_log, &by_file] {
            assert!(told.log.complete);
            assert_eq!(told.players, 20);
            assert_eq!(told.goals[0].reached, 20);
            assert_eq!(told.goals[0].by_day.values().sum::<u64>(), 20);
            assert_eq!(told.goals[0].distribution.iter().sum::<u64>(), 20);
            assert_eq!(told.bill.points, 200);
        }
        assert_eq!(by_log.goals, by_file.goals);
        static NOTHING: db::Statement = db::Statement::new("test.nothing", "select count(*) from player_state");
        assert_eq!(ground.db.fetch(&NOTHING, &[], |row| row.int(0)).await.unwrap(), [0]);
    }
}
