//! What runs without being asked: sweeps, settlement, feeds of changes, the outbox.
//! Refuses to end a process because one round failed: the next round tries again.

use crate::App;
use crate::config::Config;
use crate::follow::Follow;
use crate::services::Need;
use accounts::Accounts;
use campaigns::Campaigns;
use db::{Db, Error};
use kernel::time::HOUR_US;
use outbox::{EventsFile, KafkaTopic, Mail, MailFolder, MailServer, OpenedMail, Outbox, Sink, Webhooks};
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use stream::KafkaOptions;
use tokio::task::JoinHandle;

/// What another process changed in the catalogue is seen within this time.
const CATALOGUE_POLL: Duration = Duration::from_millis(200);
/// Who registered at another registry is seen within this time.
const REGISTRY_POLL: Duration = Duration::from_millis(100);
/// The same where one process serves everything: what it takes itself it knows at once, and others are not expected.
const REGISTRY_POLL_ALONE: Duration = Duration::from_secs(2);
/// A session that another process ended is refused within this time.
const SESSIONS_POLL: Duration = Duration::from_secs(1);
/// Subscriptions that another process made are written for within this time.
const SUBSCRIPTIONS_POLL: Duration = Duration::from_secs(5);
/// What statements cost is written down this often, for whoever examines the database.
const STATISTICS_EVERY: Duration = Duration::from_secs(5);
/// Kept answers are looked through this often.
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// A change of campaigns is in force within this time in a process that reads no logs; where they are read the stream looks.
const CAMPAIGNS_POLL: Duration = Duration::from_millis(250);
/// Topics that the events file gets.
const EVENT_TOPICS: &[&str] = &[
    "payment.entered",
    "payment.paid",
    "payment.cancelled",
    "payment.expired",
    "payment.refunded",
    "payment.settled",
    "refund.requested",
    "refund.declined",
    "wallet.changed",
    "stock.changed",
    "product.changed",
    "campaign.changed",
    "achievement.reached",
    "claim.granted",
    "fulfilment.created",
    "fulfilment.clawed_back",
];

/// The jobs of an application. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Jobs {
    running: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Jobs {
    /// Ends them between two steps: each step is a command of its own, and those that were sent are still answered.
    pub(crate) async fn stop(&self) {
        let running = std::mem::take(&mut *self.running.lock());
        for job in &running {
            job.abort();
        }
        for job in running {
            // It ends as aborted, which is what was asked for.
            drop(job.await);
        }
    }

    fn every<F, T>(&self, name: &'static str, pause: Duration, work: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = Result<T, Error>> + Send,
        T: Send,
    {
        let job = tokio::spawn(async move {
            loop {
                if let Err(error) = work().await {
                    tracing::warn!(job = name, %error, "a job's round failed; the next one tries again");
                }
                tokio::time::sleep(pause).await;
            }
        });
        self.running.lock().push(job);
    }
}

/// Starts the jobs of the services that the process serves, and those that keep what it has in memory fresh.
pub(crate) fn start(app: &App, jobs: &Jobs) {
    let services = &app.config.server.services;
    keep_fresh(app, jobs);
    for part in services.iter() {
        part.start_jobs(app, jobs);
    }
}

/// What every process does that answers: other processes' changes reach its memory.
fn keep_fresh(app: &App, jobs: &Jobs) {
    let services = &app.config.server.services;
    let accounts = app.accounts.clone();
    jobs.every("refresh ended sessions", SESSIONS_POLL, move || {
        let accounts = accounts.clone();
        async move { accounts.refresh_ended().await }
    });
    let db = app.db.clone();
    jobs.every("refresh subscriptions", SUBSCRIPTIONS_POLL, move || {
        let db = db.clone();
        async move { db.refresh_subscriptions().await }
    });
    let insight = app.insight.clone();
    jobs.every("write down what statements cost", STATISTICS_EVERY, move || {
        let insight = insight.clone();
        async move { insight.keep().await }
    });
    let accounts = app.accounts.clone();
    jobs.every("note what keys were used for", PURGE_EVERY, move || {
        let accounts = accounts.clone();
        async move { accounts.note_uses().await }
    });
    if services.need(Need::Catalogue) {
        let catalogue = app.catalogue.clone();
        jobs.every("refresh the catalogue", CATALOGUE_POLL, move || {
            let catalogue = catalogue.clone();
            async move { catalogue.refresh().await }
        });
    }
    if services.need(Need::Campaigns) && app.stream().is_none() {
        let campaigns = app.campaigns.clone();
        jobs.every("refresh campaigns", CAMPAIGNS_POLL, move || {
            let campaigns = campaigns.clone();
            async move { campaigns.live().refresh().await }
        });
    }
}

/// Of the service registry: it follows what others wrote, and puts out whose lease ran out.
pub(crate) fn registry(app: &App, jobs: &Jobs) {
    let registry = app.registry.clone();
    let poll = if app.config.server.services.are_all() { REGISTRY_POLL_ALONE } else { REGISTRY_POLL };
    jobs.every("refresh the registry", poll, move || {
        let registry = registry.clone();
        async move { registry.refresh().await }
    });
    let registry = app.registry.clone();
    let round = Duration::from_micros(registry::decide::ROUND_US.unsigned_abs());
    jobs.every("put out whose lease ran out", round, move || {
        let registry = registry.clone();
        async move { registry.sweep().await }
    });
}

/// Of the service accounts: old sessions and kept answers go.
pub(crate) fn accounts(app: &App, jobs: &Jobs) {
    let accounts = app.accounts.clone();
    jobs.every("remove old sessions", PURGE_EVERY, move || {
        let accounts = accounts.clone();
        async move { accounts.sweep().await }
    });
    let (purge, db, hours) = (app.db.queue(db::PurgeAnswers), app.db.clone(), i64::from(app.config.retention.idempotency_h));
    jobs.every("purge kept answers", PURGE_EVERY, move || {
        let (purge, before) = (purge.clone(), db.now().plus_us(-hours * HOUR_US));
        async move {
            loop {
                match purge.send(db::Meta::ours("purge"), before).await {
                    Ok(db::PurgeAnswers::MAX) => {}
                    // Nothing was old enough, or nothing is any more.
                    Ok(_) | Err(Error::Refused(_)) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        }
    });
}

/// Of the service payments: what expired gives its copies back, refunds are completed, days are settled.
pub(crate) fn payments(app: &App, jobs: &Jobs) {
    let store = &app.config.store;
    let payments = app.payments.clone();
    jobs.every("sweep expired payments", Duration::from_millis(store.sweep_interval_ms), move || {
        let payments = payments.clone();
        async move { payments.sweep_expired().await }
    });
    let payments = app.payments.clone();
    jobs.every("complete refunds and settle", Duration::from_secs(u64::from(store.settlement_interval_s)), move || {
        let payments = payments.clone();
        async move {
            payments.complete_refunds().await?;
            payments.settle().await
        }
    });
}

/// Of the service outbox: what was committed is sent.
pub(crate) fn outbox(app: &App, jobs: &Jobs) {
    if let Some(outbox) = app.outbox.clone() {
        jobs.every("drain the outbox", Duration::from_millis(app.config.outbox.poll_ms), move || {
            let outbox = outbox.clone();
            async move { outbox.drain_once().await }
        });
    }
    let webhooks = app.webhooks.clone();
    jobs.every("send webhooks", Duration::from_millis(app.config.outbox.poll_ms), move || {
        let webhooks = webhooks.clone();
        async move { webhooks.drain_once().await }
    });
    let webhooks = app.webhooks.clone();
    jobs.every("tidy up webhooks", PURGE_EVERY, move || {
        let webhooks = webhooks.clone();
        async move { webhooks.tidy_up().await }
    });
}

/// Of the service campaigns: goals that grant by themselves.
pub(crate) fn campaigns(app: &App, jobs: &Jobs) {
    let campaigns = app.campaigns.clone();
    jobs.every("grant what comes by itself", Duration::from_millis(app.config.campaigns.auto_claim_ms), move || {
        let campaigns = campaigns.clone();
        async move {
            while campaigns.claim_due().await? as i64 >= campaigns::commands::claims::AUTO_MAX {}
            Ok(())
        }
    });
}

/// Of the service teams: grants that run are worked off, those that ended long ago go, and it is written down how often recipes ran.
pub(crate) fn teams(app: &App, jobs: &Jobs) {
    let teams = app.teams.clone();
    jobs.every("work off grants", Duration::from_millis(app.config.teams.grant_poll_ms), move || {
        let teams = teams.clone();
        async move { teams.work_off_grants().await }
    });
    let (purge, db, hours) = (app.db.queue(teams::commands::grants::PurgeGrants), app.db.clone(), i64::from(app.config.retention.grants_h));
    jobs.every("purge grants", PURGE_EVERY, move || {
        let (purge, before) = (purge.clone(), db.now().plus_us(-hours * HOUR_US));
        async move {
            while purge.send(db::Meta::ours("purge"), before).await? == teams::commands::grants::PurgeGrants::MAX {}
            Ok(())
        }
    });
    let recipes = app.recipes.clone();
    jobs.every("count recipes", Duration::from_millis(app.config.teams.recipe_count_ms), move || {
        let recipes = recipes.clone();
        async move { recipes.write_uses().await }
    });
}

/// Of the service stream: old dead letters go.
pub(crate) fn stream(app: &App, jobs: &Jobs) {
    let (purge, db, hours) = (app.db.queue(stream::PurgeLetters), app.db.clone(), i64::from(app.config.retention.dead_letters_h));
    jobs.every("purge dead letters", PURGE_EVERY, move || {
        let (purge, before) = (purge.clone(), db.now().plus_us(-hours * HOUR_US));
        async move {
            loop {
                match purge.send(db::Meta::ours("purge"), before).await {
                    Ok(stream::PurgeLetters::MAX) => {}
                    Ok(_) | Err(Error::Refused(_)) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        }
    });
}

/// The outbox with the sinks that the configuration names.
pub(crate) async fn start_outbox(
    config: &Config,
    db: &Db,
    accounts: &Accounts,
    campaigns: &Campaigns,
    webhooks: &Webhooks,
) -> Result<Outbox, Error> {
    let accounts = accounts.clone();
    let open = move |payload: serde_json::Value| {
        let accounts = accounts.clone();
        Box::pin(async move {
            let mail = accounts.open_mail(&payload).await.map_err(|e| e.to_string())?;
            Ok(mail.map(|mail| Mail { to: mail.to, subject: mail.subject, text: mail.text }))
        }) as OpenedMail
    };
    let mail: Arc<dyn Sink> = match config.mail.smtp_url.reveal() {
        Some(url) => Arc::new(MailServer::new(url, &config.mail.from, open).map_err(Error::Broken)?),
        None => Arc::new(MailFolder::new(config.mail_dir(), open).sent_by(&config.mail.from)),
    };
    let mut sinks: Vec<(Vec<String>, Arc<dyn Sink>)> = vec![(vec!["mail.send".to_owned()], mail)];
    let events = || EVENT_TOPICS.iter().map(|topic| (*topic).to_owned()).collect();
    if let Some(file) = config.events_file() {
        sinks.push((events(), Arc::new(EventsFile::new(file))));
    }
    if !config.outbox.kafka_topic.is_empty() {
        let brokers = &config.kafka.brokers;
        let producer = KafkaOptions::new(brokers).producer().map_err(|trouble| Error::Broken(trouble.to_string()))?;
        sinks.push((events(), Arc::new(KafkaTopic::new(producer, brokers, &config.outbox.kafka_topic))));
    }
    sinks.push((Follow::topics(), Arc::new(Follow::new(campaigns))));
    sinks.push((Webhooks::topics(), Arc::new(webhooks.clone())));
    Outbox::start(db, sinks).await
}
