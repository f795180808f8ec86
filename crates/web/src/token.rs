//! Access tokens: JSON Web Tokens signed with HMAC-SHA-256 (RFC 7519), short-lived, bound to a session.
//! Refuses tokens that are forged, expired, or whose session was ended.

use crate::{PASSED, Passed, Passes, Roles, Who};
use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use kernel::{Code, Instant, Refusal, SessionId, UserId};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// How the API keys of games begin.
pub const KEY_PREFIX: &str = "gk_";

/// Tokens whose signatures were found right and that are known again, at most; about 400 bytes each.
const KNOWN_MAX: usize = 8_192;

fn none_of_ours(token: &str) -> &'static str {
    match token.starts_with(KEY_PREFIX) {
        true => "API keys are not taken here: this is for people, who log in",
        false => "the token is not one of ours: log in for a new one",
    }
}

/// What a token says.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
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
    /// What tokens say whose signatures were found right. By the whole token: a hash would have to be as hard to forge as the signature is.
    known: Cache<Box<str>, Claims>,
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
            known: Cache::new(KNOWN_MAX),
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

    /// Who a token stands for. Its signature is looked at once; whether it has expired or its session was ended, each time.
    pub fn verify(&self, token: &str) -> Result<Who, Refusal> {
        let claims = match self.known.get(token) {
            Some(claims) => claims,
            None => self.read(token)?,
        };
        if claims.exp <= self.now().unix_seconds() {
            return Err(Refusal::new(Code::Unauthenticated, "the token has expired: refresh the session or log in"));
        }
        if self.ended.load().contains(&claims.sid) {
            return Err(Refusal::new(Code::Unauthenticated, "the session of this token was ended: log in for a new one"));
        }
        Ok(Who { user: claims.sub, session: claims.sid, roles: claims.rol })
    }

    fn read(&self, token: &str) -> Result<Claims, Refusal> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| Refusal::new(Code::Unauthenticated, none_of_ours(token)))?
            .claims;
        self.known.insert(token.into(), claims);
        Ok(claims)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    fn tokens() -> (Tokens, Who) {
        let who = Who { user: UserId::new(), session: SessionId::new(), roles: Roles::default().with(Role::Player) };
        (Tokens::without_database(&[7; 32], 900), who)
    }

    fn moved(tokens: &Tokens, seconds: i64) {
        let Time::Machine(clock) = &tokens.time else { panic!("it has the machine's clock") };
        clock.advance_us(seconds * kernel::time::SECOND_US);
    }

    #[test]
    fn a_token_that_is_known_still_expires_and_still_ends_with_its_session() {
        let (tokens, who) = tokens();
        let token = tokens.issue(&who);
        assert_eq!((tokens.verify(&token).unwrap(), tokens.verify(&token).unwrap()), (who, who));
        moved(&tokens, 901);
        assert!(tokens.verify(&token).unwrap_err().detail.contains("expired"));
        let next = tokens.issue(&who);
        assert_eq!(tokens.verify(&next).unwrap(), who);
        tokens.add_ended(&[who.session]);
        assert!(tokens.verify(&next).unwrap_err().detail.contains("ended"));
    }

    #[test]
    fn a_token_that_differs_from_a_known_one_in_any_letter_is_refused() {
        let (tokens, who) = tokens();
        let token = tokens.issue(&who);
        assert_eq!(tokens.verify(&token).unwrap(), who);
        for at in 0..token.len() {
            let mut letters = token.clone().into_bytes();
            letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(letters).unwrap();
            // The last letter of a part holds bits that say nothing; readers of base64 refuse those that are not zero.
            assert!(forged == token || tokens.verify(&forged).is_err(), "letter {at}");
        }
        let of_another_key = Tokens::without_database(&[8; 32], 900).issue(&who);
        assert!(tokens.verify(&of_another_key).is_err());
    }

    #[test]
    fn no_more_tokens_are_known_than_there_is_room_for() {
        let (tokens, who) = tokens();
        for _ in 0..KNOWN_MAX + 1_000 {
            let token = tokens.issue(&Who { session: SessionId::new(), ..who });
            assert!(tokens.verify(&token).is_ok());
        }
        assert!(tokens.known.len() <= KNOWN_MAX, "{}", tokens.known.len());
    }
}
