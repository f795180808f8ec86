//! Sessions that ended while access tokens of theirs may still live.
//! Refuses to forget, while it reads what other processes ended, what this one has just ended.

use db::{Db, Error, Statement, row};
use kernel::time::SECOND_US;
use kernel::{Instant, SessionId};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use web::Tokens;

static ENDED: Statement = Statement::new("accounts.ended_sessions", "select id from session where ended_at > $1");

/// Clocks of processes may differ by this much.
const SKEW_S: i64 = 60;

/// Tells [`Tokens`] which sessions ended.
pub(crate) struct Ended {
    db: Db,
    tokens: Arc<Tokens>,
    /// Ended by this process: a read that began before the commit does not know them.
    here: Mutex<HashMap<SessionId, Instant>>,
}

impl Ended {
    pub(crate) fn new(db: &Db, tokens: Arc<Tokens>) -> Ended {
        Ended { db: db.clone(), tokens, here: Mutex::default() }
    }

    /// Ends sessions for this process at once.
    pub(crate) fn add(&self, sessions: &[SessionId]) {
        if sessions.is_empty() {
            return;
        }
        let now = self.db.now();
        let mut here = self.here.lock();
        here.extend(sessions.iter().map(|session| (*session, now)));
        self.tokens.add_ended(sessions);
    }

    /// Reads what others ended, and lets go of sessions whose tokens have all expired.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        let since = self.db.now().plus_us(-(self.tokens.lifetime_s() + SKEW_S) * SECOND_US);
        let stored: HashSet<SessionId> = self.db.fetch(&ENDED, &row![since], |row| row.id(0)).await?.into_iter().collect();
        let mut here = self.here.lock();
        here.retain(|session, at| *at > since && !stored.contains(session));
        let all = stored.into_iter().chain(here.keys().copied()).collect();
        self.tokens.set_ended(all);
        Ok(())
    }
}
