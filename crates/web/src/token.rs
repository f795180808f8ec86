//! Access tokens: JSON Web Tokens signed with HMAC-SHA-256 (RFC 7519), short-lived, bound to a session.
//! Refuses tokens that are forged, expired, or whose session was ended.

use crate::{PASSED, Passed, Passes, Roles, Who};
use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use kernel::{Code, Instant, Refusal, SessionId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    sub: UserId,
    sid: SessionId,
    rol: Roles,
    exp: i64,
}

/// Whose clock tokens expire by.
enum Time {
    Database(db::Db),
    Machine(db::Clock),
}

/// Makes and checks tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    header: Header,
    lifetime_s: i64,
    time: Time,
    passes: Passes,
    ended: ArcSwap<HashSet<SessionId>>,
}

impl Tokens {
    /// Tokens signed with a key of 32 bytes that live for `lifetime_s` seconds by the clock of the database handle.
    pub fn new(key: &[u8; 32], lifetime_s: i64, db: db::Db) -> Tokens {
        Tokens::by(Time::Database(db), key, lifetime_s)
    }

    /// Tokens for a process without a database, as a gateway: they expire by the machine's clock, and of ended sessions
    /// it knows what it is told by [`Tokens::set_ended`].
    pub fn without_database(key: &[u8; 32], lifetime_s: i64) -> Tokens {
        Tokens::by(Time::Machine(db::Clock::default()), key, lifetime_s)
    }

    fn by(time: Time, key: &[u8; 32], lifetime_s: i64) -> Tokens {
        let mut validation = Validation::new(Algorithm::HS256);
        // Expiry is checked against our clock, which tests can move.
        validation.validate_exp = false;
        validation.required_spec_claims = HashSet::new();
        Tokens {
            encoding: EncodingKey::from_secret(key),
            decoding: DecodingKey::from_secret(key),
            validation,
            header: Header::new(Algorithm::HS256),
            lifetime_s,
            time,
            passes: Passes::new(key),
            ended: ArcSwap::default(),
        }
    }

    /// How long a token lives, in seconds.
    pub fn lifetime_s(&self) -> i64 {
        self.lifetime_s
    }

    /// A token for a session, valid from now.
    pub fn issue(&self, who: &Who) -> String {
        let exp = self.now().unix_seconds() + self.lifetime_s;
        let claims = Claims { sub: who.user, sid: who.session, rol: who.roles, exp };
        jsonwebtoken::encode(&self.header, &claims, &self.encoding).expect("claims are plain data and the key fits the algorithm")
    }

    /// Who a token stands for.
    pub fn verify(&self, token: &str) -> Result<Who, Refusal> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| Refusal::new(Code::Unauthenticated, "the token is not one of ours: log in for a new one"))?
            .claims;
        if claims.exp <= self.now().unix_seconds() {
            return Err(Refusal::new(Code::Unauthenticated, "the token has expired: refresh the session or log in"));
        }
        if self.ended.load().contains(&claims.sid) {
            return Err(Refusal::new(Code::Unauthenticated, "the session of this token was ended: log in for a new one"));
        }
        Ok(Who { user: claims.sub, session: claims.sid, roles: claims.rol })
    }

    /// Signs what this process found out about a request, for the service behind it to believe.
    pub fn pass(&self, passed: &Passed, request_id: &[u8]) -> axum::http::HeaderValue {
        self.passes.sign(passed, request_id, self.now())
    }

    /// What a gateway passed on with a request. Of a session that was ended meanwhile only the address is left, so that its token
    /// is looked at and refused.
    pub fn passed(&self, headers: &HeaderMap) -> Option<Passed> {
        if !headers.contains_key(PASSED) {
            return None;
        }
        let passed = self.passes.of(headers, self.now())?;
        let ended = passed.who.is_some_and(|who| self.ended.load().contains(&who.session));
        Some(if ended { Passed { who: None, ..passed } } else { passed })
    }

    /// Replaces the set of sessions that ended while tokens of theirs may still live.
    pub fn set_ended(&self, sessions: HashSet<SessionId>) {
        self.ended.store(Arc::new(sessions));
    }

    /// Ends sessions for this process at once; others hear of it through the database.
    pub fn add_ended(&self, sessions: &[SessionId]) {
        self.ended.rcu(|ended| {
            let mut ended = HashSet::clone(ended);
            ended.extend(sessions);
            ended
        });
    }

    fn now(&self) -> Instant {
        match &self.time {
            Time::Database(db) => db.now(),
            Time::Machine(clock) => clock.now(),
        }
    }
}
