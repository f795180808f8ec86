//! What a scenario was prepared with: users with their tokens, and rounds of requests that each can be sent once.
//! Refuses to be read by others: the file it is kept in holds tokens.

use super::driver::{Requests, request};
use super::terms::{Scenario, Through};
use bytes::Bytes;
use kernel::Uuid;
use serde::{Deserialize, Serialize};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The password of every account that a load test makes.
pub const PASSWORD: &str = "correct horse battery";

/// Everything that runs need.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Prepared {
    /// The scenario it is for.
    pub scenario: Scenario,
    /// Part of the accounts' addresses, different in each preparation.
    pub tag: String,
    /// A token per user.
    pub tokens: Vec<String>,
    /// Of a limited sale: copies, and the call it goes through.
    pub sale: Option<(i64, Through)>,
    /// Rounds; a run takes one.
    pub rounds: Vec<Round>,
    /// Rounds that were taken.
    pub taken: usize,
}

/// The requests of one run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Round {
    /// One per request.
    pub shots: Vec<Shot>,
}

/// One request.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Shot {
    /// Whose, as an index into the tokens.
    pub user: usize,
    /// The product, or the page when lists are read.
    pub number: i64,
    /// The payment to pay, or the order to enter.
    pub id: Option<Uuid>,
}

impl Prepared {
    /// The address of a user.
    pub fn email(&self, user: usize) -> String {
        email(&self.tag, user)
    }

    /// The next round that was not taken yet.
    pub fn take(&mut self) -> Option<Round> {
        let round = self.rounds.get_mut(self.taken)?;
        self.taken += 1;
        Some(std::mem::take(round))
    }

    /// The requests of a round, written in advance so that sending them costs nothing but sending.
    pub fn requests(&self, round: &Round, host: &str) -> Requests {
        let mut bytes = Vec::with_capacity(round.shots.len() * 512);
        let mut ends = Vec::with_capacity(round.shots.len() + 1);
        ends.push(0);
        for shot in &round.shots {
            bytes.extend_from_slice(&self.request(shot, host));
            ends.push(bytes.len());
        }
        let bytes = Bytes::from(bytes);
        Arc::new(move |index| {
            let index = usize::try_from(index).unwrap_or(usize::MAX) % (ends.len() - 1).max(1);
            bytes.slice(ends[index]..ends[index + 1])
        })
    }

    /// Logins of the first users.
    pub fn logins(&self, count: usize, host: &str) -> Requests {
        let users = self.tokens.len().max(1);
        let all: Vec<Bytes> = (0..count).map(|n| self.login(n % users, host).into()).collect();
        Arc::new(move |index| all[usize::try_from(index).unwrap_or(usize::MAX) % all.len().max(1)].clone())
    }

    fn request(&self, shot: &Shot, host: &str) -> Vec<u8> {
        let id = shot.id.map(|id| id.to_string()).unwrap_or_default();
        match (self.scenario, self.sale) {
            (Scenario::Browse, _) => request("GET", &format!("/v1/products?page={}", shot.number), host, &[], b""),
            (Scenario::Login, _) => self.login(shot.user, host),
            (Scenario::Pay, _) => self.post(shot.user, &format!("/v1/payments/{id}/pay"), host, ""),
            (Scenario::Enter, _) | (Scenario::Sale, Some((_, Through::Enter))) => {
                self.post(shot.user, "/v1/payments", host, &format!(r#"{{"order":"{id}"}}"#))
            }
            (Scenario::Buy | Scenario::Sale, _) => {
                self.post(shot.user, "/v1/payments/buy", host, &format!(r#"{{"products":[{}]}}"#, shot.number))
            }
        }
    }

    fn post(&self, user: usize, path: &str, host: &str, body: &str) -> Vec<u8> {
        let bearer = format!("Bearer {}", self.tokens[user]);
        let key = Uuid::now_v7().to_string();
        request("POST", path, host, &[("Authorization", &bearer), ("Idempotency-Key", &key)], body.as_bytes())
    }

    fn login(&self, user: usize, host: &str) -> Vec<u8> {
        let body = format!(r#"{{"email":"{}","password":"{PASSWORD}"}}"#, self.email(user));
        let key = Uuid::now_v7().to_string();
        request("POST", "/v1/sessions", host, &[("Idempotency-Key", &key)], body.as_bytes())
    }

    /// Writes it to its file in a folder, readable by its owner only.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, String> {
        let path = file(folder, self.scenario);
        let text = serde_json::to_vec(self).expect("what was prepared is plain data");
        let write = || {
            let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(&text)
        };
        write().map_err(|e: io::Error| format!("{} cannot be written: {e}", path.display()))?;
        Ok(path)
    }

    /// Reads what `guildhall load prepare` wrote.
    pub fn load(folder: &Path, scenario: Scenario) -> Result<Prepared, String> {
        let path = file(folder, scenario);
        let advice = format!("run `guildhall load prepare {} --data {}` first", scenario.name(), folder.display());
        let text = std::fs::read(&path).map_err(|e| format!("{} cannot be read: {e}; {advice}", path.display()))?;
        serde_json::from_slice(&text).map_err(|e| format!("{} is not what was prepared: {e}; {advice}", path.display()))
    }
}

/// The address of a user of a preparation.
pub fn email(tag: &str, user: usize) -> String {
    format!("load.{tag}.{user}@example.org")
}

fn file(folder: &Path, scenario: Scenario) -> PathBuf {
    folder.join(format!("load-{}.json", scenario.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(scenario: Scenario, sale: Option<(i64, Through)>) -> Prepared {
        let shots = vec![Shot { user: 0, number: 7, id: Some(Uuid::nil()) }, Shot { user: 1, number: 8, id: Some(Uuid::max()) }];
        let tokens = vec!["first".to_owned(), "second".to_owned()];
        Prepared { scenario, tag: "t".to_owned(), tokens, sale, rounds: vec![Round { shots }], taken: 0 }
    }

    fn texts(mut prepared: Prepared) -> Vec<String> {
        let round = prepared.take().unwrap();
        let requests = prepared.requests(&round, "h");
        (0..3).map(|index| String::from_utf8(requests(index).to_vec()).unwrap()).collect()
    }

    #[test]
    fn each_request_has_its_own_token_and_key_and_the_round_starts_over_at_its_end() {
        let texts = texts(prepared(Scenario::Pay, None));
        assert!(texts[0].starts_with("POST /v1/payments/00000000-0000-0000-0000-000000000000/pay ") && texts[0].contains("Bearer first"));
        assert!(texts[1].contains("Bearer second"));
        assert_eq!(texts[0], texts[2]);
        let key = |text: &str| text.lines().find(|line| line.starts_with("Idempotency-Key")).unwrap().to_owned();
        assert_ne!(key(&texts[0]), key(&texts[1]));
    }

    #[test]
    fn a_sale_goes_through_the_call_that_was_asked_for() {
        assert!(texts(prepared(Scenario::Sale, Some((1, Through::Buy))))[0].ends_with(r#"{"products":[7]}"#));
        let enters = texts(prepared(Scenario::Sale, Some((1, Through::Enter))));
        assert!(enters[0].ends_with(r#"{"order":"00000000-0000-0000-0000-000000000000"}"#));
    }

    #[test]
    fn a_round_is_taken_once_even_after_it_was_written_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = prepared(Scenario::Enter, None);
        assert_eq!(first.take().map(|round| round.shots.len()), Some(2));
        first.save(folder.path()).unwrap();
        let mut second = Prepared::load(folder.path(), Scenario::Enter).unwrap();
        assert!(second.take().is_none());
        assert!(Prepared::load(folder.path(), Scenario::Pay).unwrap_err().contains("guildhall load prepare pay"));
    }
}
