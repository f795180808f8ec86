//! A folder that mail is written to, one file per message, for a mail server or a developer to pick up.
//! Refuses to write a message twice under two names, and to keep one whose reader was erased.

use crate::message;
use crate::{Outgoing, Sink};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A message to a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The address, as `name@example.com`.
    pub to: String,
    /// The subject, on one line.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// A payload being opened: nothing when there is nobody to write to any more.
pub type OpenedMail = BoxFuture<'static, Result<Option<Mail>, String>>;

pub(crate) type Open = Box<dyn Fn(Value) -> OpenedMail + Send + Sync>;

/// Writes `ID.eml` files, readable by their owner only. A repeat overwrites its file with the same contents.
pub struct MailFolder {
    folder: PathBuf,
    from: String,
    open: Open,
}

impl MailFolder {
    /// Mail into a folder, which is made when it is missing. `open` makes a message of a payload, or nothing when it cannot be
    /// read any more: then the person was erased, and the row is dropped and counted.
    pub fn new(folder: impl Into<PathBuf>, open: impl Fn(Value) -> OpenedMail + Send + Sync + 'static) -> MailFolder {
        MailFolder { folder: folder.into(), from: "Guildhall <guildhall@localhost>".to_owned(), open: Box::new(open) }
    }

    /// Names the sender, as `Guildhall <noreply@example.com>`.
    #[must_use]
    pub fn sent_by(mut self, from: impl Into<String>) -> MailFolder {
        self.from = from.into();
        self
    }
}

/// A payload's mail, with its message as it is written or sent; nothing when there is nobody to write to.
pub(crate) async fn composed(open: &Open, from: &str, outgoing: &Outgoing) -> Result<Option<(Mail, Vec<u8>)>, String> {
    match open(outgoing.payload.clone()).await? {
        Some(mail) => message::compose(from, &mail, outgoing.id, outgoing.at).map(|message| Some((mail, message))),
        None => {
            metrics::counter!("guildhall_mail_unreadable_total").increment(1);
            Ok(None)
        }
    }
}

impl Sink for MailFolder {
    fn name(&self) -> &str {
        "mail-folder"
    }

    fn target(&self) -> String {
        self.folder.display().to_string()
    }

    fn send<'a>(&'a self, batch: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Result<(), String>>> {
        async move {
            let mut messages: Vec<Composed> = Vec::with_capacity(batch.len());
            for outgoing in batch {
                let message = composed(&self.open, &self.from, outgoing).await.map(|composed| composed.map(|(_, message)| message));
                messages.push(Composed { aggregate: outgoing.aggregate.clone(), name: outgoing.id.to_string(), message });
            }
            let folder = self.folder.clone();
            let written = tokio::task::spawn_blocking(move || write_all(&folder, messages)).await;
            written.unwrap_or_else(|e| batch.iter().map(|_| Err(e.to_string())).collect())
        }
        .boxed()
    }
}

struct Composed {
    aggregate: String,
    name: String,
    message: Result<Option<Vec<u8>>, String>,
}

/// Writes messages in order; behind one that failed, the others of its aggregate are left for later.
fn write_all(folder: &Path, messages: Vec<Composed>) -> Vec<Result<(), String>> {
    let told = |e: io::Error| format!("{}: {e}", folder.display());
    if let Err(why) = DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(told) {
        return messages.iter().map(|_| Err(why.clone())).collect();
    }
    let mut failed: HashSet<String> = HashSet::new();
    let mut answers = Vec::with_capacity(messages.len());
    for composed in messages {
        let answer = match composed.message {
            _ if failed.contains(&composed.aggregate) => Err("an earlier message to the same account was not written".to_owned()),
            Ok(Some(message)) => write(folder, &composed.name, &message).map_err(told),
            Ok(None) => Ok(()),
            Err(why) => Err(why),
        };
        if answer.is_err() {
            failed.insert(composed.aggregate);
        }
        answers.push(answer);
    }
    // The names of the files are on disk only with their folder.
    match File::open(folder).and_then(|folder| folder.sync_all()).map_err(told) {
        Ok(()) => answers,
        Err(why) => answers.into_iter().map(|answer| answer.and(Err(why.clone()))).collect(),
    }
}

/// Whoever watches the folder sees a whole `.eml` or none.
fn write(folder: &Path, name: &str, message: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!(".{name}.tmp"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(message)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, folder.join(format!("{name}.eml")))
}
