//! A crowd: many players prepared in bulk, and all of them asking for the same thing at once. For the demo and for tests of sales.
//! Refuses to judge what they were answered, and to hurry the preparation by going around the services.

use crate::App;
use crate::load::driver::{self, Amount, Load, Outcome, Requests, request};
use accounts::NewAccount;
use bytes::Bytes;
use db::{Error, Meta};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kernel::{Money, SessionId, UserId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use wallet::Posting;
use web::{Role, Roles, Who};

/// Commands of the preparation that wait at the same time; they are gathered into batches.
pub const WAITING_MAX: usize = 1_000;
/// What the crowd's members sign in with, should somebody want to be one of them.
pub const PASSWORD: &str = "one of the many";

/// A player of the crowd.
#[derive(Debug, Clone)]
pub struct Member {
    /// The account.
    pub user: UserId,
    /// An access token of it.
    pub token: String,
}

/// Makes so many players with points in their wallets.
///
/// # Errors
/// The database fails or is full.
pub async fn gather(app: &App, count: usize, points: i64) -> Result<Vec<Member>, Error> {
    let roles = Roles::default().with(Role::Player);
    let password_hash = app.accounts.hash_password(PASSWORD).await?;
    let users: Vec<UserId> = (0..count).map(|_| UserId::new()).collect();
    let new = users.iter().map(|user| NewAccount {
        user: *user,
        email: format!("{user}@example.com"),
        name: "One of the crowd".to_owned(),
        phone: None,
        password_hash: password_hash.clone(),
        roles,
    });
    app.accounts.create_many(new.collect()).await?;
    let charge = |user: UserId| {
        let money = Money { minor: points, currency: app.config.store.points_currency };
        let posting = Posting { user, money, counterparty: "crowd".to_owned(), reason: "charge", reference: String::new() };
        app.wallet.post(Meta::ours("crowd"), posting)
    };
    if points > 0 {
        stream::iter(users.iter().copied()).map(charge).buffer_unordered(WAITING_MAX).try_for_each(|_| async { Ok(()) }).await?;
    }
    let token = |user| app.tokens.issue(&Who { user, session: SessionId::new(), roles });
    Ok(users.into_iter().map(|user| Member { user, token: token(user) }).collect())
}

/// What a crowd was answered.
#[derive(Debug, Clone)]
pub struct Rush {
    /// Times, statuses, errors.
    pub outcome: Outcome,
    /// Refusals by their code, as `sold-out`.
    pub refusals: BTreeMap<String, u64>,
}

impl Rush {
    /// Answers with this status.
    pub fn answered(&self, status: u16) -> u64 {
        self.outcome.by_status.get(&status).copied().unwrap_or(0)
    }

    /// Refusals with this code.
    pub fn refused(&self, code: &str) -> u64 {
        self.refusals.get(code).copied().unwrap_or(0)
    }
}

/// Sends one request for each, all over so many connections, and waits for the answers. Call it from a thread that may block.
///
/// # Errors
/// The connections could not be opened.
pub fn rush(address: SocketAddr, connections: usize, requests: Vec<Bytes>) -> Result<Rush, driver::Error> {
    let count = requests.len();
    let requests: Requests =
        Arc::new(move |index| usize::try_from(index).ok().and_then(|index| requests.get(index)).cloned().unwrap_or_default());
    let refusals: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let counted = refusals.clone();
    let mut load = Load::new(address, connections, Amount::Requests(count as u64), requests);
    load.on_response = Some(Arc::new(move |_, status, body| {
        if status >= 400 {
            let code =
                serde_json::from_slice::<serde_json::Value>(body).ok().and_then(|problem| Some(problem.get("code")?.as_str()?.to_owned()));
            *counted.lock().entry(code.unwrap_or_else(|| "unreadable".to_owned())).or_default() += 1;
        }
    }));
    let outcome = driver::run(&load)?;
    let refusals = std::mem::take(&mut *refusals.lock());
    Ok(Rush { outcome, refusals })
}

/// A member's POST with a JSON body, as bytes.
pub fn post(address: SocketAddr, path: &str, member: &Member, body: &str) -> Bytes {
    let bearer = format!("Bearer {}", member.token);
    request("POST", path, &address.to_string(), &[("Authorization", &bearer)], body.as_bytes()).into()
}
