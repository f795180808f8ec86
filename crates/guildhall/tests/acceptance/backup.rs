//! A store that is copied while it sells, and comes back as it was.

use super::dump::{Dumper, difference};
use db::{Db, Options};
use serde_json::json;
use std::path::Path;
use std::process::Output;
use testkit::{World, both_engines};

async fn guildhall(database: &str, arguments: &[&str], data: &Path) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_guildhall"));
    command.args(arguments).args(["--db", database, "--data"]).arg(data).env("RUST_BACKTRACE", "0");
    command.output().await.unwrap()
}

#[track_caller]
fn assert_done(done: &Output) {
    assert!(done.status.success(), "{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
}

#[track_caller]
fn assert_refused(done: &Output, told: &str) {
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && said.contains(told), "{told}: {said}");
}

/// A database that does not exist yet, or an empty one.
async fn fresh(world: &World, folder: &Path, name: &str) -> String {
    match world.db().engine() {
        db::Engine::Sqlite => format!("sqlite:{}", folder.join(name).display()),
        db::Engine::Postgres => testkit::fresh_postgres(name).await.expect("the world has a Postgres"),
    }
}

both_engines! {
    async fn what_was_copied_while_the_store_was_selling_comes_back_whole(world: &World) {
        let folder = tempfile::tempdir().unwrap();
        let (file, later) = (folder.path().join("store.backup"), folder.path().join("later.backup"));
        let (database, product) = (world.app.config.database_url().reveal().to_owned(), world.product("Kart", 1999).await);
        let buyer = world.player().await;
        world.charge(&buyer, 100_000).await;
        buyer.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);

        // While it sells: what comes back has every invariant, whatever moment it caught.
        let selling = async {
            for i in 0..30 {
                let player = world.player().await;
                world.charge(&player, 100_000).await;
                let product = world.product(&format!("Game {i}"), 999).await;
                player.post("/v1/payments/buy", json!({ "products": [product] })).await.expect(201);
            }
        };
        let arguments = ["backup", file.to_str().unwrap()];
        let ((), copied) = tokio::join!(selling, guildhall(&database, &arguments, folder.path()));
        assert_done(&copied);
        let back = fresh(world, folder.path(), "caught").await;
        assert_done(&guildhall(&back, &["restore", file.to_str().unwrap()], folder.path()).await);
        assert_done(&guildhall(&back, &["check"], folder.path()).await);

        // At rest: what comes back is what was there, row by row.
        let dumper = Dumper::of(world.db()).await;
        let before = dumper.dump(world.db()).await;
        assert_done(&guildhall(&database, &["backup", later.to_str().unwrap()], folder.path()).await);
        let back = fresh(world, folder.path(), "whole").await;
        assert_done(&guildhall(&back, &["restore", later.to_str().unwrap()], folder.path()).await);
        let restored = Db::open(Options::new(&back)).await.unwrap();
        assert_eq!(difference(&before, &dumper.dump(&restored).await), Vec::<String>::new());
        assert!(before["payment"].len() > 30, "there was something to lose");
        restored.close().await;

        // Nothing is written over.
        assert_refused(&guildhall(&database, &["backup", later.to_str().unwrap()], folder.path()).await, "is there already");
        assert_refused(&guildhall(&back, &["restore", later.to_str().unwrap()], folder.path()).await, "writes over nothing");
        let nonsense = folder.path().join("nonsense");
        std::fs::write(&nonsense, "no backup at all").unwrap();
        let empty = fresh(world, folder.path(), "empty").await;
        assert_refused(&guildhall(&empty, &["restore", nonsense.to_str().unwrap()], folder.path()).await, "is no backup of");
    }
}
