//! Decides refreshes: each refresh token works once, and one that comes a second time ends its session.
//! Refuses to end a session for a token it never gave out: the family secret tells a used token from a made-up one.

use super::sign_in_again;
use kernel::{Instant, Outcome, SessionId, UserId};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq as _;
use web::Roles;

/// A session as it stands while a batch is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub user: UserId,
    /// What its account may do; none when the account is not active.
    pub roles: Option<Roles>,
    /// Hash of the secret that stays the same for the session's life.
    pub family_hash: [u8; 32],
    /// Hash of the secret that works next.
    pub refresh_hash: [u8; 32],
    /// When it was last refreshed.
    pub refreshed_at: Instant,
    /// When it expires unless it is refreshed.
    pub expires_at: Instant,
    /// When it was ended.
    pub ended_at: Option<Instant>,
}

/// A refresh token as it came, and the hash of the one that replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The session the token names.
    pub session: SessionId,
    /// Hash of the family secret that came.
    pub family_hash: [u8; 32],
    /// Hash of the refresh secret that came.
    pub refresh_hash: [u8; 32],
    /// Hash of the refresh secret that works next.
    pub next_hash: [u8; 32],
}

/// A session after a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    /// Whose session.
    pub user: UserId,
    /// What its account may do now.
    pub roles: Roles,
    /// When it expires next.
    pub expires_at: Instant,
}

/// Takes a refresh token for the next one, which lives for `lifetime_us`.
pub fn refresh(sessions: &mut BTreeMap<SessionId, Session>, ask: &Refresh, now: Instant, lifetime_us: i64) -> Outcome<Refreshed> {
    let session = sessions.get_mut(&ask.session).ok_or_else(sign_in_again)?;
    let is_ours = bool::from(session.family_hash.ct_eq(&ask.family_hash));
    if !is_ours || session.ended_at.is_some() || session.expires_at <= now {
        return Err(sign_in_again());
    }
    let roles = session.roles.ok_or_else(sign_in_again)?;
    if !bool::from(session.refresh_hash.ct_eq(&ask.refresh_hash)) {
        // Either its owner or a thief has used it before, and nobody can tell which: both have to sign in again.
        session.ended_at = Some(now);
        return Err(sign_in_again().after_change());
    }
    session.refresh_hash = ask.next_hash;
    session.refreshed_at = now;
    session.expires_at = now.plus_us(lifetime_us);
    Ok(Refreshed { user: session.user, roles, expires_at: session.expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIFETIME: i64 = 1000;

    fn session(id: SessionId) -> BTreeMap<SessionId, Session> {
        let fresh = Session {
            user: UserId::new(),
            roles: Some(Roles::default()),
            family_hash: [9; 32],
            refresh_hash: [0; 32],
            refreshed_at: Instant(0),
            expires_at: Instant(LIFETIME),
            ended_at: None,
        };
        [(id, fresh)].into()
    }

    fn ask(session: SessionId, family: u8, current: u8, next: u8) -> Refresh {
        Refresh { session, family_hash: [family; 32], refresh_hash: [current; 32], next_hash: [next; 32] }
    }

    proptest! {
        #[test]
        fn only_the_newest_token_works_and_any_older_one_ends_the_session(steps in prop::collection::vec((0..8_u8, any::<bool>(), 0..400_i64), 1..60)) {
            let id = SessionId::new();
            let mut sessions = session(id);
            let (mut newest, mut now, mut expires, mut alive) = (0_u8, 0, LIFETIME, true);
            for (back, forged, passed) in steps {
                now += passed;
                let (family, presented) = (if forged { 8 } else { 9 }, newest.saturating_sub(back));
                let live = alive && now < expires;
                let outcome = refresh(&mut sessions, &ask(id, family, presented, newest + 1), Instant(now), LIFETIME);
                let works = live && !forged && presented == newest;
                prop_assert_eq!(outcome.is_ok(), works);
                if works {
                    newest += 1;
                    expires = now + LIFETIME;
                } else if live && !forged {
                    alive = false;
                    prop_assert!(outcome.unwrap_err().changed, "the end of the session is written");
                }
                prop_assert_eq!(sessions[&id].ended_at.is_none(), alive, "a made-up token ends nothing");
            }
        }
    }

    #[test]
    fn a_token_that_comes_twice_in_one_batch_ends_its_session() {
        let id = SessionId::new();
        let mut sessions = session(id);
        assert!(refresh(&mut sessions, &ask(id, 9, 0, 1), Instant(1), LIFETIME).is_ok());
        assert!(refresh(&mut sessions, &ask(id, 9, 0, 2), Instant(1), LIFETIME).is_err());
        assert!(refresh(&mut sessions, &ask(id, 9, 1, 3), Instant(1), LIFETIME).is_err(), "the thief's token is worth nothing either");
    }

    #[test]
    fn a_session_of_an_account_that_is_not_active_is_not_refreshed() {
        let id = SessionId::new();
        let mut sessions = session(id);
        sessions.get_mut(&id).unwrap().roles = None;
        assert!(refresh(&mut sessions, &ask(id, 9, 0, 1), Instant(1), LIFETIME).is_err());
    }
}
