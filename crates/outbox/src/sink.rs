//! What a receiver of announcements looks like, whatever it is: a file, a folder of mail, a webhook, a topic of Kafka.
//! Refuses to know about the database: a sink is handed rows and says which it took.

use futures::future::BoxFuture;
use kernel::{Instant, Uuid};
use serde::{Deserialize, Serialize};

/// An announcement on its way out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// The same on every repeat: receivers dedupe by it.
    pub id: Uuid,
    /// What kind of thing became true, as `payment.paid`.
    pub topic: String,
    /// What it is about, as `payment/0190…`; order holds within it.
    pub aggregate: String,
    /// Rises with every announcement of the aggregate.
    pub version: i64,
    /// The facts.
    pub payload: serde_json::Value,
    /// When it became true.
    pub at: Instant,
    /// The place in a trace that it came from, where one is collected.
    pub trace: Option<String>,
}

/// Receives announcements.
pub trait Sink: Send + Sync {
    /// Its name as a subscriber: stable over restarts, and its own in this process.
    fn name(&self) -> &str;

    /// Where it sends to, shown to operators; without secrets.
    fn target(&self) -> String;

    /// False for a topic that the sink subscribes to by itself, when somebody begins to want it; it is then served without a subscription.
    fn always_wants(&self, _topic: &str) -> bool {
        true
    }

    /// Sends rows, sorted by aggregate and version, and answers for each of them in that order: taken for good (after an fsync, a
    /// 2xx, an acknowledgement), or why not, without contents of the payload. Where a row fails, later ones of its aggregate are
    /// failed without being sent. A row may come again after it was taken. What is not answered in 30 seconds has failed.
    fn send<'a>(&'a self, batch: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Result<(), String>>>;
}
