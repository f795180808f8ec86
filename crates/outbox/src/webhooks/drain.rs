//! Sends what is due: claims, sends side by side, settles each as it ends, until nothing is due and nothing is under way.
//! Refuses to let a slow webhook hold up another: each has room for its own deliveries, and none waits for all to end.

use super::claims::Claimed;
use super::client::Message;
use super::decide::{JITTER_PERMILLE_MAX, Reached};
use super::model::{Ending, Settled};
use super::settle::Tried;
use super::{Webhooks, signature};
use db::{Error, Meta};
use kernel::WebhookId;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::{Instrument as _, Span};

/// Deliveries that one process has under way at once, to all webhooks together.
const UNDER_WAY_MAX: usize = 256;
/// While deliveries are under way, what has become due meanwhile is looked for this often.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Deliveries under way in this round, by webhook.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<(WebhookId, bool)>,
    of: HashMap<WebhookId, usize>,
}

impl UnderWay {
    fn begin(&mut self, webhooks: &Webhooks, claimed: Claimed) {
        *self.of.entry(claimed.webhook).or_default() += 1;
        let webhooks = webhooks.clone();
        let span = span_of(&claimed);
        self.tasks.spawn(async move { (claimed.webhook, webhooks.deliver(claimed).await) }.instrument(span));
    }

    /// Notes what has ended; returns how many of it were delivered.
    fn end(&mut self, ended: Result<(WebhookId, bool), tokio::task::JoinError>) -> usize {
        match ended {
            Ok((webhook, delivered)) => {
                let left = self.of.entry(webhook).or_default();
                *left = left.saturating_sub(1);
                usize::from(delivered)
            }
            Err(error) => {
                // Its lease ends and it is sent again; whose it was is not known, so all room of this round is counted anew.
                tracing::error!(%error, "a delivery panicked");
                0
            }
        }
    }

    /// How many more each webhook may have under way.
    fn room(&self, due: Vec<(WebhookId, usize)>) -> BTreeMap<WebhookId, usize> {
        let mut left = UNDER_WAY_MAX.saturating_sub(self.tasks.len());
        let mut room = BTreeMap::new();
        for (webhook, concurrency) in due {
            let free = concurrency.saturating_sub(self.of.get(&webhook).copied().unwrap_or(0)).min(left);
            if free > 0 {
                left -= free;
                room.insert(webhook, free);
            }
        }
        room
    }
}

impl Webhooks {
    /// Sends what is due, until nothing is, and returns how many deliveries got a 2xx. What failed is due again later.
    /// Dropped before its end, it leaves what was under way to be sent again when the leases have ended.
    ///
    /// # Errors
    /// The database fails.
    pub async fn drain_once(&self) -> Result<usize, Error> {
        let mut under_way = UnderWay::default();
        let mut delivered = 0;
        loop {
            let claimed = self.claim(&under_way).await?;
            let claimed_any = !claimed.is_empty();
            claimed.into_iter().for_each(|one| under_way.begin(self, one));
            match tokio::time::timeout(LOOK_EVERY, under_way.tasks.join_next()).await {
                Ok(None) if !claimed_any => return Ok(delivered),
                Ok(None) | Err(_) => {}
                Ok(Some(ended)) => delivered += under_way.end(ended),
            }
            while let Some(ended) = under_way.tasks.try_join_next() {
                delivered += under_way.end(ended);
            }
        }
    }

    async fn claim(&self, under_way: &UnderWay) -> Result<Vec<Claimed>, Error> {
        let room = under_way.room(self.have_due().await?);
        if room.is_empty() {
            return Ok(Vec::new());
        }
        self.inner.claims.send(Meta::ours("webhooks.claim"), room).await
    }

    /// One attempt; true when it got a 2xx and that was noted.
    async fn deliver(&self, claimed: Claimed) -> bool {
        let started = std::time::Instant::now();
        let reached = self.send(&claimed).await;
        db::crash::point("webhooks.after_send");
        let outcome = match &reached {
            Reached::Answered { status: 200..=299, .. } => "delivered",
            Reached::Answered { .. } => "refused",
            Reached::Nobody(_) => "unreachable",
        };
        metrics::counter!("guildhall_webhook_attempts_total", "outcome" => outcome).increment(1);
        metrics::histogram!("guildhall_webhook_attempt_seconds").record(started.elapsed());
        note(&reached);
        let (delivery, webhook) = (claimed.delivery, claimed.webhook);
        match self.inner.settles.send(Meta::ours("webhooks.settle"), tried(claimed, reached)).await {
            Ok(()) => outcome == "delivered",
            Err(error) => {
                tracing::warn!(%webhook, %delivery, %error, "what came of a delivery was not noted; it is sent again when its lease has ended");
                false
            }
        }
    }

    async fn send(&self, claimed: &Claimed) -> Reached {
        let vault = &self.inner.vault;
        let opened = claimed.secrets.iter().map(|(number, sealed)| vault.open(claimed.webhook, *number, sealed));
        let secrets: Vec<signature::Secret> = opened.filter_map(Result::ok).collect();
        if secrets.is_empty() {
            tracing::error!(webhook = %claimed.webhook, "no secret of a webhook can be opened: the master key that sealed it is missing");
            return Reached::Nobody("nothing was sent: it could not be signed".to_owned());
        }
        let (id, now) = (claimed.event.to_string(), self.inner.db.now());
        let timestamp_s = now.unix_seconds();
        let signature = signature::header(&secrets, &id, timestamp_s, claimed.body.as_bytes());
        let message = Message {
            url: claimed.url.clone(),
            id,
            timestamp_s,
            signature,
            body: claimed.body.clone(),
            trace: trace::place(&Span::current()),
        };
        self.inner.client.post(&message, now).await
    }
}

/// An attempt belongs to the trace of the request that made the event true; one that came from none has no trace.
fn span_of(claimed: &Claimed) -> Span {
    let Some(place) = &claimed.trace else { return Span::none() };
    let span = tracing::info_span!(
        target: trace::TARGET,
        parent: None,
        "webhook",
        otel.name = format!("webhook {}", claimed.topic),
        otel.kind = "client",
        attempt = claimed.attempts,
        webhook = %claimed.webhook
    );
    trace::follow(&span, place);
    span
}

fn note(reached: &Reached) {
    let span = Span::current();
    match reached {
        Reached::Answered { status, .. } => trace::note(&span, "http.response.status_code", i64::from(*status)),
        Reached::Nobody(why) => trace::happened(&span, "nobody answered", why),
    }
}

fn tried(claimed: Claimed, reached: Reached) -> Tried {
    Tried {
        delivery: claimed.delivery,
        webhook: claimed.webhook,
        attempts: claimed.attempts,
        was_delivered: claimed.was_delivered,
        settled: Settled {
            game: claimed.game,
            topic: claimed.topic,
            aggregate: claimed.aggregate,
            version: claimed.version,
            event: claimed.event,
            ending: Ending::Parked,
        },
        reached,
        jitter_permille: rand::random_range(0..=JITTER_PERMILLE_MAX),
    }
}
