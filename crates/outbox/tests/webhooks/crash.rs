//! A process that dies between sending and settling: the delivery comes again, under the same id.

use crate::ground::{Hook, drain, fulfil};
use crate::listening::keys;
use crate::receiver::Receiver;
use accounts::{Accounts, PersonalKeys};
use db::{Db, Options};
use outbox::Webhooks;
use outbox::webhooks::Policy;
use std::sync::Arc;
use testkit::both_engines;
use web::Tokens;

both_engines! {
    async fn a_kill_between_send_and_settle_repeats_the_delivery_under_its_id(world: &World) {
        let receiver = Receiver::start().await;
        let hook = Hook::at(world, &receiver).await;
        fulfil(world, &[("f/1", 1), ("f/1", 2)]).await;
        let key = keys(world).current;
        let child = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "crash::a_process_that_dies_after_it_sent"])
            .env("WEBHOOKS_TEST_URL", world.app.config.database_url().reveal())
            .env("WEBHOOKS_TEST_KEY", format!("{}:{}", key.0, key.1.map(|byte| format!("{byte:02x}")).concat()))
            .env("GUILDHALL_CRASH_AT", "webhooks.after_send:1")
            .output()
            .await
            .unwrap();
        assert!(!child.status.success(), "it was to die: {}", String::from_utf8_lossy(&child.stdout));
        assert_eq!((receiver.got().len(), hook.states().await), (1, vec![("due".to_owned(), 1), ("held".to_owned(), 0)]), "sent and not settled");

        assert_eq!(drain(world).await, 0, "the dead process still has its lease");
        world.wait_s(46);
        assert_eq!(drain(world).await, 2);
        let got = receiver.got();
        let ids: Vec<&str> = got.iter().map(|got| got.id()).collect();
        assert_eq!((ids[0] == ids[1], ids.len(), receiver.ids().len()), (true, 3, 2));
        assert_eq!(got[0].raw, got[1].raw, "the same bytes");
        assert_eq!(got.iter().map(|got| got.what().1).collect::<Vec<_>>(), [1, 1, 2]);
    }
}

#[tokio::test]
#[ignore = "the test of a crash runs it as a process of its own"]
async fn a_process_that_dies_after_it_sent() {
    let db = Db::open(Options::new(std::env::var("WEBHOOKS_TEST_URL").unwrap())).await.unwrap();
    let key = std::env::var("WEBHOOKS_TEST_KEY").unwrap();
    let (id, digits) = key.split_once(':').unwrap();
    let bytes: Vec<u8> = (0..32).map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap()).collect();
    let keys = PersonalKeys { current: (id.parse().unwrap(), bytes.try_into().unwrap()), older: Vec::new(), lookup: Vec::new() };
    let tokens = Arc::new(Tokens::new(&[1; 32], 60, db.clone()));
    let accounts = Accounts::new(&db, tokens, keys.clone(), accounts::Policy::default());
    let policy = Policy { allow_private: true, ..Policy::default() };
    Webhooks::new(&db, &accounts, &keys, policy, None).unwrap().drain_once().await.unwrap();
}
