//! Access tokens: JSON Web Tokens signed with HMAC-SHA-256 (RFC 7519), short-lived, bound to a session.
//! Refuses tokens that are forged, expired, or whose session was ended.

use crate::{Roles, Who};
use arc_swap::ArcSwap;
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

/// Makes and checks tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    header: Header,
    lifetime_s: i64,
    db: db::Db,
    ended: ArcSwap<HashSet<SessionId>>,
}

impl Tokens {
    /// Tokens signed with a key of 32 bytes that live for `lifetime_s` seconds by the clock of the database handle.
    pub fn new(key: &[u8; 32], lifetime_s: i64, db: db::Db) -> Tokens {
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
            db,
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
        self.db.now()
    }
}
