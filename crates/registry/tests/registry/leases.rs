//! Leases on the database: who is there, for how long, and what every registry says of it.

use crate::ground::{Ground, assert_sound, both_engines};
use db::Error;
use kernel::Code;
use kernel::time::SECOND_US;
use registry::client::Snapshot;
use registry::{Registration, Registry, Status, Ticket};
use std::collections::BTreeSet;
use std::time::Duration;

fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> Code {
    match answer.unwrap_err() {
        Error::Refused(refusal) => refusal.code,
        other => panic!("{other}"),
    }
}

async fn ids(registry: &Registry) -> BTreeSet<String> {
    registry.refresh().await.unwrap();
    registry.snapshot().await.unwrap().changed.into_iter().map(|instance| instance.id).collect()
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

both_engines! {
    async fn an_instance_is_told_of_until_its_lease_runs_out(ground: &Ground) {
        let (registry, db) = ground.registry().await;
        let (kept, dead) = (Registration::new(["payments", "orders"], "10.0.0.1:80"), Registration::new(["payments"], "10.0.0.2:80"));
        registry.register("kept", &kept).await.unwrap();
        registry.register("dead", &dead).await.unwrap();
        let first = registry.snapshot().await.unwrap();
        assert_eq!(first.changed.len(), 3, "one for each service of each instance");
        registry.sweep().await.unwrap();

        // Rounds go on, one renews and the other does not.
        for _ in 0..12 {
            db.clock().advance_us(SECOND_US);
            registry.renew("kept", &kept.ticket).await.unwrap();
            registry.sweep().await.unwrap();
        }
        assert_eq!(ids(&registry).await, names(&["kept"]));
        let since = registry.changes_after(first.version, Duration::ZERO).await.unwrap();
        assert_eq!((since.full, since.changed.len(), since.gone), (false, 0, vec!["dead".to_owned()]));
        assert_eq!(code(registry.renew("dead", &dead.ticket).await), Code::NotFound);
        registry.register("dead", &dead).await.unwrap();
        assert_eq!(ids(&registry).await, names(&["dead", "kept"]));
        assert_sound(&db).await;
    }

    async fn nobody_acts_for_another(ground: &Ground) {
        let (registry, db) = ground.registry().await;
        let mine = Registration::new(["payments"], "10.0.0.1:80");
        registry.register("mine", &mine).await.unwrap();
        let other = Ticket::random();
        assert_eq!(code(registry.renew("mine", &other).await), Code::Forbidden);
        assert_eq!(code(registry.drain("mine", &other).await), Code::Forbidden);
        assert_eq!(code(registry.leave("mine", &other).await), Code::Forbidden);
        assert_eq!(code(registry.register("mine", &Registration::new(["payments"], "10.6.6.6:80")).await), Code::AlreadyExists);
        let told = registry.snapshot().await.unwrap().changed;
        assert_eq!((told[0].address.as_str(), told[0].status), ("10.0.0.1:80", Status::Up));
        assert_sound(&db).await;
    }

    async fn an_instance_drains_and_leaves(ground: &Ground) {
        let (registry, db) = ground.registry().await;
        let registration = Registration::new(["payments"], "10.0.0.1:80");
        registry.register("a", &registration).await.unwrap();
        registry.drain("a", &registration.ticket).await.unwrap();
        let told = registry.snapshot().await.unwrap();
        assert_eq!((told.changed[0].status, told.changed[0].takes_requests()), (Status::Draining, false));
        registry.renew("a", &registration.ticket).await.unwrap();
        registry.leave("a", &registration.ticket).await.unwrap();
        assert_eq!(registry.changes_after(told.version, Duration::ZERO).await.unwrap().gone, ["a"]);
        assert_eq!(code(registry.leave("a", &registration.ticket).await), Code::NotFound);
        assert_sound(&db).await;
    }

    async fn after_an_outage_everyone_has_one_fresh_lease(ground: &Ground) {
        let (registry, db) = ground.registry().await;
        let mut all = Vec::new();
        for i in 0..20 {
            let registration = Registration::new(["payments"], format!("10.0.0.{}:80", i + 1));
            registry.register(&format!("i{i:02}"), &registration).await.unwrap();
            all.push(registration);
        }
        registry.sweep().await.unwrap();
        db.clock().advance_us(3_600 * SECOND_US);
        assert_eq!(registry.sweep().await.unwrap(), 0, "nobody could renew");
        let resumed = db.now();
        for _ in 0..12 {
            db.clock().advance_us(SECOND_US);
            for (i, registration) in all.iter().enumerate().skip(5) {
                registry.renew(&format!("i{i:02}"), &registration.ticket).await.unwrap();
            }
            let out = registry.sweep().await.unwrap();
            let since = db.now().since_us(resumed);
            assert!(out == 0 || since >= 10 * SECOND_US, "{out} were put out {since} us after the outage");
        }
        // Five are dead, and fewer than 15 % of twenty are put out within a minute.
        assert_eq!(ids(&registry).await.len(), 18);
        assert_sound(&db).await;
    }

    async fn a_registry_that_starts_again_knows_what_the_one_before_knew(ground: &Ground) {
        let (before, db) = ground.registry().await;
        let (stays, leaves) = (Registration::new(["payments"], "10.0.0.1:80"), Registration::new(["orders"], "[::1]:81"));
        before.register("stays", &stays).await.unwrap();
        before.register("leaves", &leaves).await.unwrap();
        let seen = before.snapshot().await.unwrap();
        before.leave("leaves", &leaves.ticket).await.unwrap();
        let told = before.changes_after(seen.version, Duration::ZERO).await.unwrap();
        db.close().await;

        let (after, db) = ground.registry().await;
        assert_eq!(after.changes_after(seen.version, Duration::ZERO).await.unwrap(), told, "the feed goes on where it was");
        after.renew("stays", &stays.ticket).await.unwrap();
        assert_sound(&db).await;
    }

    async fn who_waits_for_a_change_is_answered_when_it_comes(ground: &Ground) {
        let (registry, _db) = ground.registry().await;
        let seen = registry.snapshot().await.unwrap().version;
        let empty = registry.changes_after(seen, Duration::from_millis(1)).await.unwrap();
        assert_eq!((empty.version, empty.changed.len()), (seen, 0));
        let waiting = tokio::spawn({
            let registry = registry.clone();
            async move { registry.changes_after(seen, Duration::from_secs(10)).await }
        });
        registry.register("a", &Registration::new(["payments"], "10.0.0.1:80")).await.unwrap();
        assert!(waiting.await.unwrap().unwrap().version > seen);
    }

    async fn who_is_gone_for_long_is_forgotten_and_who_missed_it_gets_everything(ground: &Ground) {
        let (registry, db) = ground.registry().await;
        let (a, b) = (Registration::new(["payments"], "10.0.0.1:80"), Registration::new(["payments"], "10.0.0.2:80"));
        registry.register("a", &a).await.unwrap();
        let seen = registry.snapshot().await.unwrap().version;
        registry.register("b", &b).await.unwrap();
        registry.leave("b", &b.ticket).await.unwrap();
        db.clock().advance_us(700 * SECOND_US);
        registry.sweep().await.unwrap();
        registry.refresh().await.unwrap();
        let told = registry.changes_after(seen, Duration::ZERO).await.unwrap();
        assert!(told.full && told.gone.is_empty() && told.changed.len() == 1, "{told:?}");
        assert_sound(&db).await;
    }

    async fn what_is_out_of_range_is_refused_and_named(ground: &Ground) {
        let (registry, _db) = ground.registry().await;
        let good = Registration::new(["payments"], "10.0.0.1:80");
        let cases = [
            (Registration { services: BTreeSet::new(), ..good.clone() }, "0 services"),
            (Registration { address: "nowhere".to_owned(), ..good.clone() }, "nowhere"),
            (Registration { address: "10.0.0.1:0".to_owned(), ..good.clone() }, "10.0.0.1:0"),
            (Registration { weight: 1_001, ..good.clone() }, "1001"),
            (Registration { lease_ms: 5, ..good.clone() }, "lease_ms 5"),
            (Registration { services: names(&["Pay/ments"]), ..good.clone() }, "Pay/ments"),
        ];
        for (registration, named) in cases {
            let told = registry.register("a", &registration).await.unwrap_err().to_string();
            assert!(told.contains(named), "{told}");
        }
        assert!(registry.register("a/b", &good).await.unwrap_err().to_string().contains("a/b"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_registries_agree_through_the_database_and_a_follower_misses_nothing() {
    let Some(ground) = Ground::postgres("agree").await else { return eprintln!("left out: no Postgres") };
    let (one, db) = ground.registry().await;
    let (two, _other) = ground.registry().await;
    // A follower of one of them, while both write as fast as they can.
    let following = tokio::spawn({
        let two = two.clone();
        async move {
            let mut followed = Snapshot::default();
            while followed.instances().filter(|instance| instance.status == Status::Draining).count() < 60 {
                two.refresh().await.unwrap();
                let changes = two.changes_after(followed.version(), Duration::from_millis(10)).await.unwrap();
                assert!(!changes.full || followed.version() == 0, "it is told of changes, and not of everything again");
                followed = followed.after(changes);
            }
            followed
        }
    });
    let writers = (0..60).map(|i| {
        let registry = if i % 2 == 0 { one.clone() } else { two.clone() };
        tokio::spawn(async move {
            let (id, registration) = (format!("i{i}"), Registration::new(["payments"], format!("10.0.0.{}:80", i + 1)));
            registry.register(&id, &registration).await.unwrap();
            registry.renew(&id, &registration.ticket).await.unwrap();
            registry.drain(&id, &registration.ticket).await.unwrap();
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let followed = following.await.unwrap();
    for registry in [&one, &two] {
        registry.refresh().await.unwrap();
        let whole = Snapshot::default().after(registry.snapshot().await.unwrap());
        assert_eq!(whole.version(), followed.version());
        assert_eq!(whole.instances().collect::<Vec<_>>(), followed.instances().collect::<Vec<_>>());
    }
    assert_sound(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_of_two_registries_count_as_one() {
    let Some(ground) = Ground::postgres("rounds").await else { return eprintln!("left out: no Postgres") };
    let (one, db) = ground.registry().await;
    let (two, other) = ground.registry().await;
    for i in 0..40 {
        one.register(&format!("i{i}"), &Registration::new(["payments"], "10.0.0.1:80")).await.unwrap();
    }
    one.sweep().await.unwrap();
    let mut out = 0;
    for _ in 0..30 {
        db.clock().advance_us(SECOND_US);
        other.clock().advance_us(SECOND_US);
        let (first, second) = tokio::join!(one.sweep(), two.sweep());
        out += first.unwrap() + second.unwrap();
    }
    assert_eq!(out, 5, "of forty that are dead, fewer than 15 % go within a minute, whoever counts");
    assert_sound(&db).await;
}
