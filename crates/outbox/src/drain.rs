//! One round of sending: claim, send, settle, until nothing is due.
//! Refuses to hold a transaction while somebody outside is waited for.

use crate::commands::CLAIM_MAX;
use crate::commands::Claimed;
use crate::decide::{self, LEASE_S, Tried};
use crate::{Outbox, Outgoing, Sink, changed};
use db::{Error, Meta};
use futures::FutureExt as _;
use kernel::time::SECOND_US;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Claims that one round makes at most, so that whoever stops the process waits for a bounded time.
const CLAIMS_MAX: usize = 100;
/// Behind a claim that was not full, rows gather for this long: many small claims would cost the writer more than they deliver.
const GATHERING: Duration = Duration::from_millis(50);
/// Sinks are given this long, half of the lease, so that what they took is settled before others may claim it.
const SEND_MAX: Duration = Duration::from_secs(30);
/// The gauges are set this often, since counting reads the whole table.
const MEASURE_EVERY_US: i64 = 10 * SECOND_US;

const _: () = assert!(SEND_MAX.as_secs() * 2 <= LEASE_S.unsigned_abs());

impl Outbox {
    /// Sends what is due and returns how many rows were delivered. Where nothing is due it costs one read and writes nothing.
    /// A round in which sinks take nothing ends early; what failed is due again later.
    ///
    /// # Errors
    /// The database fails. Rows that were claimed are sent again when their lease is over, also those that sinks took.
    pub async fn drain_once(&self) -> Result<usize, Error> {
        self.measure_at_times().await?;
        let mut delivered = 0;
        for _ in 0..CLAIMS_MAX {
            if !self.is_any_due().await? {
                break;
            }
            let Some(claimed) = changed(self.claims.send(Meta::ours("outbox.claim"), ()).await)? else { break };
            if claimed.is_empty() {
                continue; // Rows were put behind others; the next claim looks past them.
            }
            let taken = self.send_and_settle(&claimed).await?;
            delivered += taken;
            if taken == 0 {
                break;
            }
            if claimed.len() < CLAIM_MAX {
                tokio::time::sleep(GATHERING).await;
            }
        }
        Ok(delivered)
    }

    async fn measure_at_times(&self) -> Result<(), Error> {
        let now_us = self.db.now().0;
        let last_us = self.measured_us.load(Ordering::Relaxed);
        if now_us.saturating_sub(last_us) < MEASURE_EVERY_US {
            return Ok(());
        }
        self.measured_us.store(now_us, Ordering::Relaxed);
        self.measure().await
    }

    async fn send_and_settle(&self, claimed: &[Claimed]) -> Result<usize, Error> {
        let sinks: Vec<(BTreeSet<String>, Arc<dyn Sink>)> =
            self.sinks.read().iter().map(|served| (served.topics.clone(), served.sink.clone())).collect();
        let failures = futures::future::join_all(sinks.iter().map(|(topics, sink)| send(topics, sink.as_ref(), claimed))).await;
        db::crash::point("outbox.after_send");
        let tried: Vec<Tried> = claimed
            .iter()
            .enumerate()
            .map(|(i, row)| Tried {
                id: row.outgoing.id,
                aggregate: row.outgoing.aggregate.clone(),
                attempts: row.attempts,
                sinks: (0..sinks.len()).filter(|sink| sinks[*sink].0.contains(&row.outgoing.topic)).collect(),
                failed: failures.iter().any(|failed| failed.contains(&i)),
            })
            .collect();
        let settlement = decide::settle(&tried);
        let delivered: BTreeSet<_> = settlement.delivered.iter().copied().collect();
        changed(self.settles.send(Meta::ours("outbox.settle"), settlement).await)?;
        for row in claimed.iter().filter(|row| delivered.contains(&row.outgoing.id)) {
            metrics::counter!("guildhall_outbox_sent_total", "topic" => row.outgoing.topic.clone()).increment(1);
        }
        Ok(delivered.len())
    }
}

/// Sends one sink what it subscribed to; returns which of the claimed rows it did not take.
async fn send(topics: &BTreeSet<String>, sink: &dyn Sink, claimed: &[Claimed]) -> BTreeSet<usize> {
    let places: Vec<usize> = (0..claimed.len()).filter(|i| topics.contains(&claimed[*i].outgoing.topic)).collect();
    if places.is_empty() {
        return BTreeSet::new();
    }
    let batch: Vec<&Outgoing> = places.iter().map(|i| &claimed[*i].outgoing).collect();
    let answered = tokio::time::timeout(SEND_MAX, AssertUnwindSafe(async { sink.send(&batch).await }).catch_unwind()).await;
    let answers = match answered {
        Ok(Ok(answers)) if answers.len() == batch.len() => answers,
        Ok(Ok(answers)) => fail_all(&batch, format!("the sink answered for {} of {} rows", answers.len(), batch.len())),
        Ok(Err(_)) => fail_all(&batch, "the sink panicked".to_owned()),
        Err(_) => fail_all(&batch, format!("the sink did not answer within {} s", SEND_MAX.as_secs())),
    };
    let failed: BTreeSet<usize> = places.into_iter().zip(&answers).filter(|(_, answer)| answer.is_err()).map(|(i, _)| i).collect();
    if let Some(why) = answers.iter().find_map(|answer| answer.as_ref().err()) {
        tracing::warn!(
            sink = sink.name(),
            rows = failed.len(),
            of = batch.len(),
            why,
            "announcements were not taken and will be sent again"
        );
        metrics::counter!("guildhall_outbox_failed_total", "sink" => sink.name().to_owned()).increment(failed.len() as u64);
    }
    failed
}

fn fail_all(batch: &[&Outgoing], why: String) -> Vec<Result<(), String>> {
    batch.iter().map(|_| Err(why.clone())).collect()
}
