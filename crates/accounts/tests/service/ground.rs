//! What the tests stand on: a migrated database of their own, and an accounts service with quick hashes.

use accounts::{Accounts, PersonalKeys, Policy, Signed};
use db::{Db, Error, Meta, Options};
use kernel::{Code, UserId};
use std::sync::Arc;
use web::{Roles, Tokens, Who};

pub(crate) const PASSWORD: &str = "correct horse";

/// A database with a service on it.
pub(crate) struct Ground {
    pub(crate) options: Options,
    pub(crate) db: Db,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) accounts: Accounts,
    _dir: tempfile::TempDir,
}

/// Hashes that take no time, and attempts that are not limited.
pub(crate) fn policy() -> Policy {
    Policy {
        argon2_memory_kib: 64,
        argon2_iterations: 1,
        login_attempts_per_account_per_min: 1000,
        login_attempts_per_address_per_min: 1000,
        ..Policy::default()
    }
}

pub(crate) fn keys() -> PersonalKeys {
    PersonalKeys { current: (1, [1; 32]), older: Vec::new(), lookup: vec![[11; 32]] }
}

/// One ground per engine that is there.
pub(crate) async fn grounds() -> Vec<Ground> {
    let mut grounds = vec![sqlite().await];
    grounds.extend(postgres().await);
    grounds
}

async fn sqlite() -> Ground {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("test.db").display());
    open(Options::new(url), dir).await
}

async fn postgres() -> Option<Ground> {
    let server = std::env::var("GUILDHALL_TEST_POSTGRES").ok()?;
    let name = format!("accounts_{}", kernel::Uuid::now_v7().simple());
    let made = format!("create database {name} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0");
    let admin = Db::open(Options::new(&server)).await.unwrap();
    admin.plain(&made).await.unwrap();
    admin.close().await;
    let (authority, _) = server.rsplit_once('/').unwrap();
    let mut options = Options::new(format!("{authority}/{name}"));
    options.readers = 2;
    options.writers = 3;
    Some(open(options, tempfile::tempdir().unwrap()).await)
}

async fn open(options: Options, dir: tempfile::TempDir) -> Ground {
    db::migrate(&options).await.unwrap();
    let db = Db::open(options.clone()).await.unwrap();
    let tokens = Arc::new(Tokens::new(&[5; 32], 900, db.clone()));
    let accounts = Accounts::new(&db, tokens.clone(), keys(), policy());
    Ground { options, db, tokens, accounts, _dir: dir }
}

impl Ground {
    /// Another process on the same database.
    pub(crate) async fn neighbour(&self, keys: PersonalKeys, policy: Policy) -> (Arc<Tokens>, Accounts) {
        let db = Db::open(self.options.clone()).await.unwrap();
        let tokens = Arc::new(Tokens::new(&[5; 32], 900, db.clone()));
        (tokens.clone(), Accounts::new(&db, tokens, keys, policy))
    }

    /// The same database under another policy or other keys.
    pub(crate) fn with(&self, keys: PersonalKeys, policy: Policy) -> Accounts {
        Accounts::new(&self.db, self.tokens.clone(), keys, policy)
    }

    pub(crate) async fn player(&self, email: &str) -> UserId {
        self.accounts.create_user(email, PASSWORD, "Jane", Roles::default()).await.unwrap()
    }

    pub(crate) async fn log_in(&self, email: &str) -> (Signed, Who) {
        let signed = self.accounts.log_in(Meta::ours("login"), None, email, PASSWORD).await.unwrap();
        let who = self.tokens.verify(&signed.access_token).unwrap();
        (signed, who)
    }

    /// From here on mail is announced.
    pub(crate) async fn subscribe_mail(&self) {
        self.db.plain("insert into subscription (topic, subscriber, target) values ('mail.send', 'test', '')").await.unwrap();
        self.db.refresh_subscriptions().await.unwrap();
    }

    /// The payloads of the mail that waits in the outbox, oldest first.
    pub(crate) async fn mail(&self) -> Vec<serde_json::Value> {
        static MAIL: db::Statement = db::Statement::new("test.mail", "select payload from outbox where topic = 'mail.send' order by id");
        self.db.fetch(&MAIL, &[], |row| Ok(serde_json::from_str(&row.text(0)?).unwrap())).await.unwrap()
    }

    /// The code in the last mail.
    pub(crate) async fn code(&self) -> String {
        let payload = self.mail().await.pop().unwrap();
        let mail = self.accounts.open_mail(&payload).await.unwrap().unwrap();
        mail.text.lines().find_map(|line| line.strip_prefix("    ")).unwrap().to_owned()
    }

    /// Every invariant holds; then the database is closed.
    pub(crate) async fn end(self) {
        let breaches = db::check::check(&self.db, accounts::check::INVARIANTS).await.unwrap();
        assert_eq!(breaches, []);
        self.db.close().await;
    }
}

/// The code a call was refused with.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) -> Code {
    match answer {
        Err(Error::Refused(refusal)) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}
