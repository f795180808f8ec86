//! A database of its own for a test, on either engine. Refuses to leave it behind.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each test file uses its part; a test that panics has failed"
)]

use db::{Access, Db, Engine, Inspector, Options};
use std::time::Duration;

/// A fresh database with the schema of ours.
pub struct Ground {
    pub db: Db,
    pub url: String,
    server: Option<(String, String)>,
    _folder: Option<tempfile::TempDir>,
}

impl Ground {
    pub async fn sqlite() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ground.db").display());
        Ground { db: open(&url).await, url, server: None, _folder: Some(folder) }
    }

    /// None where no server is at hand.
    pub async fn postgres(label: &str) -> Option<Ground> {
        let Ok(server) = std::env::var("GUILDHALL_TEST_POSTGRES") else {
            println!("left out: GUILDHALL_TEST_POSTGRES names no server");
            return None;
        };
        let name = format!("insight_{label}_{}", kernel::Uuid::now_v7().simple());
        let create = format!("create database {name} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0");
        db::run_once(&server, &create).await.unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        Some(Ground { db: open(&url).await, url, server: Some((server, name)), _folder: None })
    }

    pub fn is_sqlite(&self) -> bool {
        self.db.engine() == Engine::Sqlite
    }

    pub async fn reading(&self) -> Inspector {
        Inspector::open(&self.url, Access::Read, Some(Duration::from_secs(30))).await.unwrap()
    }

    pub async fn writing(&self) -> Inspector {
        Inspector::open(&self.url, Access::Write, None).await.unwrap()
    }

    pub async fn end(self) {
        self.db.close().await;
        if let Some((server, name)) = &self.server {
            db::run_once(server, &format!("drop database {name} with (force)")).await.unwrap();
        }
    }
}

async fn open(url: &str) -> Db {
    let options = Options { batch_max: 1, statement_timeout_ms: 60_000, ..Options::new(url) };
    db::migrate(&options).await.unwrap();
    Db::open(options).await.unwrap()
}
