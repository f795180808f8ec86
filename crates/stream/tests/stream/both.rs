//! Runs a test on SQLite and on Postgres; without a Postgres the second half says that it was left out.

use crate::ground::Ground;
use std::pin::Pin;

pub(crate) type Test = for<'g> fn(&'g Ground) -> Pin<Box<dyn Future<Output = ()> + 'g>>;

pub(crate) fn run(name: &str, on_postgres: bool, test: Test) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ground = if on_postgres { Ground::postgres(name).await } else { Some(Ground::sqlite().await) };
        let Some(ground) = ground else {
            eprintln!("left out: GUILDHALL_TEST_POSTGRES is not set, so {name} ran on SQLite only");
            return;
        };
        test(&ground).await;
        let breaches = db::check::check(&ground.db, stream::check::INVARIANTS).await.unwrap();
        assert!(breaches.is_empty(), "invariants are broken: {breaches:#?}");
        ground.db.close().await;
    });
}

macro_rules! both_engines {
    ($($(#[$attribute:meta])* async fn $name:ident($ground:ident: &Ground) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports, reason = "small tests need little of what stands around them")]
            use super::*;

            async fn test($ground: &$crate::ground::Ground) $body

            $(#[$attribute])*
            #[test]
            fn on_sqlite() {
                $crate::both::run(stringify!($name), false, |ground| Box::pin(test(ground)));
            }

            $(#[$attribute])*
            #[test]
            fn on_postgres() {
                $crate::both::run(stringify!($name), true, |ground| Box::pin(test(ground)));
            }
        }
    )+};
}

pub(crate) use both_engines;
