//! Webhooks: endpoints of game teams that are sent what happened, signed by the Standard Webhooks scheme, again and again for days.
//! Refuses to send to addresses that only we can reach, to show a secret twice, and to let one receiver hold up another.
//!
//! # From announcement to delivery
//! [`Webhooks`] is a sink of the outbox. What the outbox hands it becomes a row per webhook that wants it, in one transaction, and the
//! outbox's row is gone; from then on each webhook is on its own. Of one webhook and aggregate a single delivery is due at a time, the
//! others are held behind it: that keeps their order. When it is delivered or parked, the next becomes due in the same transaction.
//!
//! A delivery is at least once: a process that dies after it sent leaves a lease behind, and when that ends the delivery is sent again
//! under the same `webhook-id`. What follows from its ending is exactly once: the [`DeliveryListener`] writes in the transaction that settles it.

mod address;
pub mod check;
mod claims;
mod client;
mod decide;
mod drain;
mod endpoints;
mod fanout;
mod model;
mod queries;
mod resend;
mod routes;
mod settle;
mod signature;
mod tidy_up;
mod vault;

pub use decide::endpoints::{CONCURRENCY_DEFAULT, CONCURRENCY_MAX, Draft, OVERLAP_US, SECRETS_MAX, WEBHOOKS_MAX};
pub use decide::{JITTER_PERMILLE_MAX, RETRY_AFTER_MAX_S, RETRY_PAUSES_S, WAITING_MAX};
pub use model::{Delivery, DeliveryState, Ending, Settled, TEST_TOPIC, Topic, Webhook, WebhookState};
pub use resend::Redelivered;
pub use tidy_up::Resealed;

use accounts::{Accounts, PersonalKeys};
use client::Client;
use db::{Db, Error, Meta, Queue, Tx};
use endpoints::{Change, What};
use futures::future::BoxFuture;
use kernel::time::HOUR_US;
use kernel::{DeliveryId, GameId, Refusal, Uuid, WebhookId, text};
use signature::Secret;
use std::path::PathBuf;
use std::sync::Arc;
use tidy_up::{Old, PARK_MAX, PURGE_MAX};
use vault::Vault;
use web::Who;

/// The name under which webhooks subscribe to topics.
pub(crate) const SUBSCRIBER: &str = "webhooks";
/// The longest description of a webhook, in characters.
const DESCRIPTION_CHARS_MAX: usize = 200;

/// Hears how deliveries ended, in the transaction that settles them.
pub trait DeliveryListener: Send + Sync + 'static {
    /// Writes what follows, with one statement per table. It comes before any row of webhooks is locked, so it may lock rows of any rank
    /// but gates. An event may be told of more than once, for each of its webhooks and after a redelivery: what was delivered stays delivered,
    /// and what was parked or unheard may still become delivered.
    fn settled<'a>(&'a self, tx: &'a mut Tx<'_>, settled: &'a [Settled]) -> BoxFuture<'a, Result<(), Error>>;
}

/// How webhooks are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Lets webhooks be http, and at addresses that are not on the public internet: for tests and laptops.
    pub allow_private: bool,
    /// Certificates of further authorities, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How long deliveries are kept that were delivered, in hours.
    pub keep_delivered_h: i64,
    /// How long deliveries are kept that were parked, in hours.
    pub keep_parked_h: i64,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { allow_private: false, ca_file: None, keep_delivered_h: 7 * 24, keep_parked_h: 30 * 24 }
    }
}

/// The service, and the sink that feeds it. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    accounts: Accounts,
    policy: Policy,
    vault: Arc<Vault>,
    client: Client,
    changes: Queue<endpoints::Manage<false>>,
    secret_changes: Queue<endpoints::Manage<true>>,
    reconciles: Queue<endpoints::Reconcile>,
    fanouts: Queue<fanout::Fanout>,
    unheard: Queue<fanout::Unheard>,
    claims: Queue<claims::Claim>,
    settles: Queue<settle::Settle>,
    resends: Queue<resend::Resend>,
    parked_resends: Queue<resend::ResendParked>,
    parks: Queue<tidy_up::Park>,
    purges: Queue<tidy_up::Purge>,
    reseals: Queue<tidy_up::Reseal>,
}

impl Webhooks {
    /// Starts the service. The keys are those of personal data: secrets are sealed with keys derived from them.
    ///
    /// # Errors
    /// The file of further authorities cannot be read.
    pub fn new(
        db: &Db,
        accounts: &Accounts,
        keys: &PersonalKeys,
        policy: Policy,
        listener: Option<Arc<dyn DeliveryListener>>,
    ) -> Result<Webhooks, Error> {
        let vault = Arc::new(Vault::new(keys));
        let client = Client::new(policy.allow_private, policy.ca_file.as_deref()).map_err(Error::Broken)?;
        let inner = Inner {
            changes: db.queue(endpoints::Manage::<false> { vault: vault.clone() }),
            secret_changes: db.queue(endpoints::Manage::<true> { vault: vault.clone() }),
            reconciles: db.queue(endpoints::Reconcile),
            fanouts: db.queue(fanout::Fanout),
            unheard: db.queue(fanout::Unheard { listener: listener.clone() }),
            claims: db.queue(claims::Claim),
            settles: db.queue(settle::Settle { listener: listener.clone() }),
            resends: db.queue(resend::Resend),
            parked_resends: db.queue(resend::ResendParked),
            parks: db.queue(tidy_up::Park { listener }),
            purges: db.queue(tidy_up::Purge),
            reseals: db.queue(tidy_up::Reseal { vault: vault.clone() }),
            db: db.clone(),
            accounts: accounts.clone(),
            policy,
            vault,
            client,
        };
        Ok(Webhooks { inner: Arc::new(inner) })
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }

    /// The topics that webhooks may want, for [`Outbox::start`](crate::Outbox::start).
    pub fn topics() -> Vec<String> {
        Topic::ALL.iter().map(|topic| topic.as_str().to_owned()).collect()
    }

    /// Makes a webhook; returns it with its secret, which is never shown again.
    ///
    /// # Errors
    /// The URL or another part of the draft is not what it may be, or the game has too many webhooks.
    pub async fn create(&self, meta: Meta, game: GameId, draft: Draft) -> Result<(Webhook, String), Error> {
        self.check(&draft)?;
        let secret = Secret::new();
        let change = Change { game, webhook: WebhookId::new(), what: What::Create(draft, secret.clone()) };
        let made = self.inner.secret_changes.send(meta, change).await?;
        self.subscribe_now().await;
        Ok((made, secret.text()))
    }

    /// What was committed is in force here at once. Where it cannot be read just now a job reads it within seconds, and nobody is told
    /// that a webhook was not made.
    async fn subscribe_now(&self) {
        if let Err(error) = self.inner.db.refresh_subscriptions().await {
            tracing::warn!(%error, "subscriptions are not read anew yet");
        }
    }

    /// Changes a webhook.
    ///
    /// # Errors
    /// There is none, or the draft is not what it may be.
    pub async fn update(&self, meta: Meta, game: GameId, webhook: WebhookId, draft: Draft) -> Result<Webhook, Error> {
        self.check(&draft)?;
        let changed = self.inner.changes.send(meta, Change { game, webhook, what: What::Update(draft) }).await?;
        self.subscribe_now().await;
        Ok(changed)
    }

    /// Deletes a webhook.
    ///
    /// # Errors
    /// There is none.
    pub async fn delete(&self, meta: Meta, game: GameId, webhook: WebhookId) -> Result<(), Error> {
        self.inner.changes.send(meta, Change { game, webhook, what: What::Delete }).await.map(drop)
    }

    /// Gives a webhook a new secret; returns it with the secret, which is never shown again.
    ///
    /// # Errors
    /// There is none, or too many of its secrets still sign.
    pub async fn rotate(&self, meta: Meta, game: GameId, webhook: WebhookId) -> Result<(Webhook, String), Error> {
        let secret = Secret::new();
        let change = Change { game, webhook, what: What::Rotate(secret.clone()) };
        let rotated = self.inner.secret_changes.send(meta, change).await?;
        Ok((rotated, secret.text()))
    }

    /// Has a test event sent.
    ///
    /// # Errors
    /// There is no such webhook, or it is disabled.
    pub async fn test(&self, meta: Meta, game: GameId, webhook: WebhookId) -> Result<Delivery, Error> {
        let wanted = resend::Wanted { game, webhook, delivery: DeliveryId::new(), test: Some(Uuid::now_v7()) };
        let delivery = self.inner.resends.send(meta, wanted).await?;
        self.delivery(webhook, delivery).await.map_err(Error::after_commit)
    }

    /// Has a delivery that ended sent once more.
    ///
    /// # Errors
    /// There is none, it still waits, or its webhook is disabled.
    pub async fn redeliver(&self, meta: Meta, game: GameId, webhook: WebhookId, delivery: DeliveryId) -> Result<Delivery, Error> {
        let wanted = resend::Wanted { game, webhook, delivery, test: None };
        let delivery = self.inner.resends.send(meta, wanted).await?;
        self.delivery(webhook, delivery).await.map_err(Error::after_commit)
    }

    /// Has up to 500 deliveries that were parked sent once more, oldest first and those of one aggregate in order.
    ///
    /// # Errors
    /// There is no such webhook, or it is disabled.
    pub async fn redeliver_parked(&self, meta: Meta, game: GameId, webhook: WebhookId) -> Result<Redelivered, Error> {
        self.inner.parked_resends.send(meta, (game, webhook)).await
    }

    /// Parks what waits for webhooks that are not enabled, removes what is old, ends subscriptions nobody needs, sets the gauges;
    /// to be called about once a minute. A store without webhooks is only read.
    ///
    /// # Errors
    /// The database fails.
    pub async fn tidy_up(&self) -> Result<(), Error> {
        if !self.any().await? {
            return self.measure().await;
        }
        self.park_stranded().await?;
        let now = self.inner.db.now();
        let before = |hours: i64| now.plus_us(-hours.saturating_mul(HOUR_US));
        let old =
            Old { delivered_before: before(self.inner.policy.keep_delivered_h), parked_before: before(self.inner.policy.keep_parked_h) };
        while self.inner.purges.send(Meta::ours("webhooks.purge"), old).await? == PURGE_MAX {}
        if self.inner.reconciles.send(Meta::ours("webhooks.reconcile"), ()).await? > 0 {
            self.subscribe_now().await;
        }
        self.measure().await
    }

    async fn park_stranded(&self) -> Result<(), Error> {
        while self.any_stranded().await? {
            if self.inner.parks.send(Meta::ours("webhooks.park"), ()).await? < PARK_MAX {
                break;
            }
        }
        Ok(())
    }

    /// Seals every secret with the current master key, so that former ones may be removed when nothing was unreadable.
    ///
    /// # Errors
    /// The database fails.
    pub async fn rotate_personal_key(&self) -> Result<Resealed, Error> {
        self.inner.reseals.send(Meta::ours("webhooks.reseal"), ()).await
    }

    fn check(&self, draft: &Draft) -> Result<(), Refusal> {
        if let Some(url) = &draft.url {
            text::check("url", url, 1, address::URL_BYTES_MAX)?;
            address::parse(url, self.inner.policy.allow_private)?;
        }
        draft.description.as_ref().map_or(Ok(()), |description| text::check("description", description, 0, DESCRIPTION_CHARS_MAX))
    }

    async fn require_reader(&self, who: &Who, game: &GameId) -> Result<(), Error> {
        self.inner.accounts.require_team(who, game).await?;
        self.inner.accounts.game(game).await.map(drop)
    }

    async fn require_manager(&self, who: &Who, game: &GameId) -> Result<(), Error> {
        self.inner.accounts.require_manager(who, game).await?;
        self.inner.accounts.game(game).await.map(drop)
    }
}
