//! What the log does by itself: retention, groups whose members fell silent, offsets nobody uses any more.
//! Refuses to keep a log alive that everybody else has dropped.

use super::{Inner, blocking};
use crate::Error;
use kernel::Instant;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub(super) fn start(inner: &Arc<Inner>) {
    let every = Duration::from_millis(inner.options.retention_every_ms.max(10));
    tokio::spawn(keep(Arc::downgrade(inner), every));
    tokio::spawn(watch_groups(Arc::downgrade(inner)));
}

impl Inner {
    /// Removes the segments that are too old or too much.
    pub(super) fn retain(&self) -> Result<usize, Error> {
        let logs: Vec<_> = self.logs.read().by_name.values().cloned().collect();
        let now_ms = self.options.clock.now_ms();
        let mut removed = 0;
        for partition in logs.iter().flat_map(|log| &log.partitions) {
            let segments = partition.retain(now_ms)?;
            if segments > 0 {
                tracing::info!(topic = %partition.topic, partition = partition.index, segments, start = partition.start(), "retention removed segments");
            }
            removed += segments;
        }
        Ok(removed)
    }

    /// Forgets what groups without members committed too long ago.
    async fn forget_offsets(&self) -> Result<(), Error> {
        let limit = Instant((self.options.clock.now_ms() - self.options.offsets_retention_ms).saturating_mul(1_000));
        self.offsets.forget(&self.writers, |group, _, committed| committed.at < limit && !self.groups.has_members(group)).await
    }
}

async fn keep(inner: Weak<Inner>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(inner) = inner.upgrade() else { return };
        let kept = inner.clone();
        let retained = blocking(move || kept.retain()).await.map(drop);
        let forgotten = inner.forget_offsets().await;
        // Next time it is tried again.
        if let Err(error) = retained.and(forgotten) {
            tracing::error!(%error, "the log's housekeeping");
        }
    }
}

/// Members that fell silent and rebalances that took too long: looked at when the next is due.
async fn watch_groups(inner: Weak<Inner>) {
    loop {
        let Some(held) = inner.upgrade() else { return };
        let (due, moved) = (held.groups.expire(), held.groups.moved());
        drop(held);
        let wait = due.unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(1));
        _ = tokio::time::timeout(wait, moved.notified()).await;
    }
}
