//! Sends what was committed to those who subscribed: files, a topic of Kafka, mail, webhooks. At least once, each with its id to dedupe by.
//! Refuses to send before the commit, to drop a row that a subscriber has not taken, and to share a topic's subscribers out between processes.
//!
//! # Order
//! A subscriber gets the rows of one aggregate in the order of their versions. For that a row is claimed only when no earlier
//! version of its aggregate that shares a subscriber with it is under way elsewhere or waits for a retry: such a row is put behind
//! the one it waits for (it becomes due with its retry, or in a second when that row may just be in flight), so that it does not
//! stand in the way of other aggregates either. Rows of one
//! claim are sent in order, and when one fails the later ones of its aggregate are put behind it without costing them an attempt.
//! Aggregates that share no subscriber do not wait for each other: a webhook that is down holds up no mail.
//!
//! Order ends where it would mean silence: a row that failed [`ATTEMPTS_MAX`] times is parked and the later ones pass it.
//! A repeat after a crash, or after a process slept through its lease, may come after later versions; the id tells that it is one.
//!
//! # Who sends
//! Any number of processes may drain the same table. One claims a row only when it has every subscriber of the row's topic, since the
//! row is deleted once its sinks took it: the processes that drain should have the same sinks. What no process may claim waits and shows
//! in `guildhall_outbox_age_seconds`; [`Outbox::unsubscribe`] ends a subscription that is no longer wanted.

mod commands;
mod decide;
mod drain;
mod events_file;
mod kafka_topic;
mod mail_folder;
mod mail_server;
mod message;
mod queries;
mod sink;
pub mod webhooks;

pub use decide::{ATTEMPTS_MAX, RETRY_MAX_S};
pub use events_file::EventsFile;
pub use kafka_topic::KafkaTopic;
pub use mail_folder::{Mail, MailFolder, OpenedMail};
pub use mail_server::MailServer;
pub use queries::Parked;
pub use sink::{Outgoing, Sink};
pub use webhooks::{DeliveryListener, Ending, Settled, Webhooks};

use db::{Db, Error, Meta, Queue};
use kernel::{Code, Uuid};
use parking_lot::RwLock;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

/// Drains the outbox table into the sinks of this process. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    db: Db,
    sinks: Sinks,
    subscribes: Queue<commands::Subscribe>,
    unsubscribes: Queue<commands::Unsubscribe>,
    claims: Queue<commands::Claim>,
    settles: Queue<commands::Settle>,
    resumes: Queue<commands::Resume>,
    measured_us: Arc<AtomicI64>,
}

/// A sink of this process with the topics it gets.
pub(crate) struct Served {
    pub(crate) topics: BTreeSet<String>,
    pub(crate) sink: Arc<dyn Sink>,
}

pub(crate) type Sinks = Arc<RwLock<Vec<Served>>>;

impl Outbox {
    /// Subscribes sinks to their topics, so that rows are written for them from now on. Subscriptions outlive the process.
    ///
    /// # Errors
    /// Two sinks have one name, a topic holds `*` (rows are written for topics that are named in full), or the database fails.
    pub async fn start(db: &Db, subscriptions: Vec<(Vec<String>, Arc<dyn Sink>)>) -> Result<Outbox, Error> {
        let served: Vec<Served> =
            subscriptions.into_iter().map(|(topics, sink)| Served { topics: topics.into_iter().collect(), sink }).collect();
        check(&served)?;
        let wanted: Vec<commands::Subscription> = served.iter().flat_map(commands::Subscription::of).collect();
        let sinks: Sinks = Arc::new(RwLock::new(served));
        let outbox = Outbox {
            db: db.clone(),
            subscribes: db.queue(commands::Subscribe),
            unsubscribes: db.queue(commands::Unsubscribe),
            claims: db.queue(commands::Claim { sinks: sinks.clone() }),
            settles: db.queue(commands::Settle),
            resumes: db.queue(commands::Resume),
            sinks,
            measured_us: Arc::new(AtomicI64::new(i64::MIN)),
        };
        changed(outbox.subscribes.send(Meta::ours("outbox.subscribe"), wanted).await)?;
        db.refresh_subscriptions().await?;
        for (topic, subscriber) in outbox.not_served().await? {
            tracing::warn!(
                topic,
                subscriber,
                "nothing of this topic is sent by this process: it lacks the subscriber, which would be configured or unsubscribed"
            );
        }
        Ok(outbox)
    }

    /// Ends every subscription of a sink, by its name, and drops rows that nobody waits for then; returns how many.
    /// A process that still has the sink in its configuration subscribes it again when it starts.
    ///
    /// # Errors
    /// Nobody of that name has subscribed, or the database fails.
    pub async fn unsubscribe(&self, subscriber: &str) -> Result<u64, Error> {
        let dropped = self.unsubscribes.send(Meta::ours("outbox.unsubscribe"), subscriber.to_owned()).await?;
        self.sinks.write().retain(|served| served.sink.name() != subscriber);
        self.db.refresh_subscriptions().await?;
        Ok(dropped)
    }

    /// Makes parked rows due again, with all their attempts; returns how many of the ids were parked.
    ///
    /// # Errors
    /// The database fails.
    pub async fn resume(&self, ids: &[Uuid]) -> Result<u64, Error> {
        changed(self.resumes.send(Meta::ours("outbox.resume"), ids.iter().copied().collect()).await).map(Option::unwrap_or_default)
    }
}

fn check(served: &[Served]) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for one in served {
        let name = one.sink.name();
        if !names.insert(name) {
            return Err(Error::Broken(format!("two sinks are called {name:?}: a name of its own for each would be right")));
        }
        if let Some(topic) = one.topics.iter().find(|topic| topic.is_empty() || topic.contains('*')) {
            return Err(Error::Broken(format!("{name} wants topic {topic:?}: a topic's full name as \"payment.paid\" would be right")));
        }
    }
    Ok(())
}

/// Commands that find nothing to change are refused, so that no answer is kept for them.
pub(crate) fn changed<T>(sent: Result<T, Error>) -> Result<Option<T>, Error> {
    match sent {
        Ok(reply) => Ok(Some(reply)),
        Err(Error::Refused(refusal)) if refusal.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
