//! The team API: players, currencies, banners and recipes of games, read and changed by game teams and with API keys.
//! Refuses a key of another game or without the scope, a balance below zero, and a grant given twice.

mod answers;
pub mod check;
pub mod commands;
pub mod decide;
pub mod model;
pub mod queries;
pub mod recipes;
mod routes;

use accounts::Accounts;
use answers::Answers;
use campaigns::Campaigns;
pub use commands::players::keep_seen;
use commands::{banners, currencies, grants, players};
use db::{Db, Queue};
use kernel::GameId;
use model::Profile;
use queries::banners::Shelf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wallet::Balance;

/// Requests of a hundred players each that go in at once.
const BULK_MAX: usize = 16;
/// Pieces of grants' lists that go in at once.
const PIECES_MAX: usize = 2;

/// The numbers the team API goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Bytes of answers kept in memory at most; 0 keeps none.
    pub answer_cache_bytes: usize,
    /// Whole seconds a client may keep what banners it is shown, at most.
    pub banner_max_age_s: u32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { answer_cache_bytes: 64 << 20, banner_max_age_s: 30 }
    }
}

/// What a player holds.
pub(crate) type Balances = Arc<[Balance]>;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Teams {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    accounts: Accounts,
    campaigns: Campaigns,
    profiles: Arc<Answers<Profile>>,
    balances: Arc<Answers<Balances>>,
    shelves: Arc<Answers<Shelf>>,
    banner_max_age_s: i64,
    bulk: Semaphore,
    pieces: Semaphore,
    upserts: Queue<players::Upsert>,
    definitions: Queue<currencies::Define>,
    posts: Queue<currencies::Post>,
    grants: Queue<grants::Manage>,
    additions: Queue<grants::Add>,
    steps: Queue<grants::Step>,
    banners: Queue<banners::Manage>,
}

impl Teams {
    /// Starts the service on a database. [`Teams::work_off_grants`] is to be called as often as grants should go on.
    pub fn new(db: &Db, accounts: &Accounts, campaigns: &Campaigns, policy: &Policy) -> Teams {
        // Players and what they hold are most of what is read; banners are few.
        let bytes = policy.answer_cache_bytes;
        let profiles = Arc::new(Answers::new("players", bytes / 2));
        let balances = Arc::new(Answers::new("currencies", bytes / 4));
        let shelves = Arc::new(Answers::new("banners", bytes / 4));
        let linked = profiles.clone();
        campaigns.on_link(move |game, player| linked.written(&player_key(game, player)));
        let inner = Inner {
            db: db.clone(),
            accounts: accounts.clone(),
            campaigns: campaigns.clone(),
            banner_max_age_s: i64::from(policy.banner_max_age_s),
            bulk: Semaphore::new(BULK_MAX),
            pieces: Semaphore::new(PIECES_MAX),
            upserts: db.queue(players::Upsert { answers: profiles.clone() }),
            definitions: db.queue(currencies::Define),
            posts: db.queue(currencies::Post { answers: balances.clone() }),
            grants: db.queue(grants::Manage),
            additions: db.queue(grants::Add),
            steps: db.queue(grants::Step { answers: balances.clone() }),
            banners: db.queue(banners::Manage { answers: shelves.clone() }),
            profiles,
            balances,
            shelves,
        };
        Teams { inner: Arc::new(inner) }
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }
}

/// Under what a player's answers are kept; a game's id holds no slash.
pub(crate) fn player_key(game: &GameId, player: &str) -> String {
    format!("{game}/{player}")
}

/// Under what a placement's answers are kept.
pub(crate) fn placement_key(game: &GameId, placement: &str) -> String {
    format!("{game}/{placement}")
}
