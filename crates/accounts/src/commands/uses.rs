//! Uses of API keys that change nothing in the database, as sending logs: counted in memory and noted in the audit log about once a minute.
//! Refuses a row for each: a game sends thousands of them a second. A process that dies takes its last minute's counts with it.

use crate::{Accounts, Scope};
use db::{Act, Command, Error, Meta, Tx};
use kernel::{Instant, KeyId, Outcome};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Requests by key and scope that are not noted yet; as many entries as keys were used.
#[derive(Default)]
pub(crate) struct Uses(Mutex<BTreeMap<(KeyId, Scope), u64>>);

/// So many requests of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    key: KeyId,
    scope: Scope,
    requests: u64,
}

/// The command that notes them; the rows are the audit log's own.
pub struct Note;

impl Command for Note {
    const NAME: &'static str = "accounts.note_uses";
    const KEYED: bool = false;
    type Input = Used;
    type Reply = ();

    fn privileged(&self, input: &Used, _: &()) -> Option<Act> {
        let detail = serde_json::json!({ "scope": input.scope, "requests": input.requests });
        Some(Act { act: "key.used", subject: format!("key/{}", input.key), detail })
    }

    async fn run<'a>(&'a self, _: &'a mut Tx<'_>, batch: &'a [&'a Used], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

impl Accounts {
    /// Counts a request of a key whose work no command does.
    pub fn count_use(&self, key: KeyId, scope: Scope) {
        *self.inner.uses.0.lock().entry((key, scope)).or_default() += 1;
    }

    /// Notes what was counted since the last call in the audit log; to be called about once a minute, and before the database is closed.
    ///
    /// # Errors
    /// The database fails; what was not noted is counted on.
    pub async fn note_uses(&self) -> Result<(), Error> {
        let counted = std::mem::take(&mut *self.inner.uses.0.lock());
        let mut failed = Ok(());
        for ((key, scope), requests) in counted {
            let meta = Meta { api_key: Some(key), ..Meta::ours("note uses") };
            if let Err(error) = self.inner.notes.send(meta, Used { key, scope, requests }).await {
                *self.inner.uses.0.lock().entry((key, scope)).or_default() += requests;
                failed = Err(error);
            }
        }
        failed
    }
}
