//! Changes of webhooks by their teams, with their secrets and what they subscribe to.
//! Refuses to keep an answer that holds a secret, and to store a secret that is not sealed.

use super::SUBSCRIBER;
use super::decide::endpoints::{Draft, Hook, Hooks};
use super::model::{Topic, Webhook, WebhookState, topics_of, topics_text};
use super::signature::Secret;
use super::vault::Vault;
use db::{Act, Column, Command, Error, Rank, Rows, Statement, Tx, row};
use kernel::{GameId, Instant, Outcome, WebhookId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

static LOAD: Statement = Statement::new(
    "webhooks.load",
    "select w.id, w.game, w.url, w.topics, w.description, w.concurrency, w.state, w.reason, w.waiting, w.created_at, w.changed_at
     from webhook w
     where w.game in (select game from rows) and w.state <> 'deleted'
     order by w.id {for update of w}",
)
.rows(&[("game", Column::Text)])
.locks(Rank::Other);

static LOAD_SECRETS: Statement = Statement::new(
    "webhooks.load_secret_numbers",
    "select s.webhook, s.number, s.expires_at
     from webhook_secret s
     where s.webhook in (select webhook from rows)",
)
.rows(&[("webhook", Column::Bytes)]);

static PUT: Statement = Statement::new(
    "webhooks.put",
    "insert into webhook (id, game, url, topics, description, concurrency, state, reason, waiting, created_at, changed_at)
     select id, game, url, topics, description, concurrency, state, reason, waiting, created_at, changed_at
     from rows
     where true
     order by id
     on conflict (id) do update
     set url = excluded.url, topics = excluded.topics, description = excluded.description, concurrency = excluded.concurrency,
         state = excluded.state, reason = excluded.reason, changed_at = excluded.changed_at",
)
.rows(&[
    ("id", Column::Bytes),
    ("game", Column::Text),
    ("url", Column::Text),
    ("topics", Column::Text),
    ("description", Column::Text),
    ("concurrency", Column::Int),
    ("state", Column::Text),
    ("reason", Column::Text),
    ("waiting", Column::Int),
    ("created_at", Column::Int),
    ("changed_at", Column::Int),
]);

static ADD_SECRET: Statement = Statement::new(
    "webhooks.add_secret",
    "insert into webhook_secret (webhook, number, master_key_id, sealed, made_at)
     select webhook, number, master_key_id, sealed, made_at
     from rows",
)
.rows(&[
    ("webhook", Column::Bytes),
    ("number", Column::Int),
    ("master_key_id", Column::Int),
    ("sealed", Column::Bytes),
    ("made_at", Column::Int),
]);

static EXPIRE_SECRET: Statement = Statement::new(
    "webhooks.expire_secret",
    "update webhook_secret set expires_at = r.expires_at
     from rows r
     where webhook_secret.webhook = r.webhook and webhook_secret.number = r.number",
)
.rows(&[("webhook", Column::Bytes), ("number", Column::Int), ("expires_at", Column::Int)]);

static DROP_SECRETS: Statement =
    Statement::new("webhooks.drop_secrets", "delete from webhook_secret where webhook in (select webhook from rows)")
        .rows(&[("webhook", Column::Bytes)]);

// The target changes with every webhook that wants the topic: it is what `webhooks.unsubscribe` compares, so that a topic somebody
// begins to want at this moment is not ended, on an engine where both are under way at once.
static SUBSCRIBE: Statement = Statement::new(
    "webhooks.subscribe",
    "insert into subscription (topic, subscriber, target)
     select topic, subscriber, target
     from rows
     where true
     order by topic
     on conflict (topic, subscriber) do update set target = excluded.target",
)
.rows(&[("topic", Column::Text), ("subscriber", Column::Text), ("target", Column::Text)]);

static SUBSCRIBED: Statement = Statement::new("webhooks.subscribed", "select topic, target from subscription where subscriber = $1");

static WANTED: Statement = Statement::new("webhooks.wanted_topics", "select distinct topics from webhook where state = 'enabled'");

static UNSUBSCRIBE: Statement = Statement::new(
    "webhooks.unsubscribe",
    "delete from subscription where (topic, subscriber, target) in (select topic, subscriber, target from rows)",
)
.rows(&[("topic", Column::Text), ("subscriber", Column::Text), ("target", Column::Text)]);

/// A change of a webhook.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) game: GameId,
    pub(crate) webhook: WebhookId,
    pub(crate) what: What,
}

/// What changes.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Create(Draft, Secret),
    Update(Draft),
    Delete,
    Rotate(Secret),
}

impl What {
    fn act(&self) -> &'static str {
        match self {
            What::Create(..) => "webhook.created",
            What::Update(_) => "webhook.changed",
            What::Delete => "webhook.deleted",
            What::Rotate(_) => "webhook.rotated",
        }
    }
}

/// Changes of webhooks. New webhooks and new secrets are answered with the secret, so such an answer is not kept.
pub(crate) struct Manage<const SECRET: bool> {
    pub(crate) vault: Arc<Vault>,
}

impl<const SECRET: bool> Command for Manage<SECRET> {
    const NAME: &'static str = if SECRET { "webhooks.manage_secretly" } else { "webhooks.manage" };
    const KEEPS_ANSWER: bool = !SECRET;
    type Input = Change;
    type Reply = Webhook;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Change], now: Instant) -> Result<Vec<Outcome<Webhook>>, Error> {
        change(tx, &self.vault, batch, now).await
    }

    fn privileged(&self, input: &Change, reply: &Webhook) -> Option<Act> {
        Some(noted(input, reply))
    }
}

/// A URL's path and query may hold somebody's token, so only its host is noted.
fn noted(input: &Change, reply: &Webhook) -> Act {
    let host = url::Url::parse(&reply.url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let detail = serde_json::json!({ "webhook": reply.webhook, "host": host, "topics": reply.topics, "state": reply.state });
    Act { act: input.what.act(), subject: format!("game/{}", input.game), detail }
}

async fn change(tx: &mut Tx<'_>, vault: &Vault, batch: &[&Change], now: Instant) -> Result<Vec<Outcome<Webhook>>, Error> {
    let before = load(tx, batch).await?;
    let mut after = before.clone();
    let mut sealed = Rows::new();
    let mut outcomes = Vec::with_capacity(batch.len());
    for one in batch {
        let decided = decide(&mut after, one, now);
        if let (Ok(Some(number)), What::Create(_, secret) | What::Rotate(secret)) = (&decided, &one.what) {
            let closed = vault.seal(one.webhook, *number, secret);
            sealed.push(&row![one.webhook, *number, closed.master_key_id, closed.bytes, now]);
        }
        outcomes.push(decided.map(|_| after.0[&one.webhook].view(one.webhook)));
    }
    write(tx, &before, &after, sealed).await?;
    Ok(outcomes)
}

/// Returns the number of the secret that is to be stored, if any is.
fn decide(hooks: &mut Hooks, change: &Change, now: Instant) -> Outcome<Option<i64>> {
    let (id, game) = (change.webhook, &change.game);
    match &change.what {
        What::Create(draft, _) => hooks.create(id, game, draft, now).map(|()| Some(1)),
        What::Update(draft) => hooks.update(id, game, draft, now).map(|()| None),
        What::Delete => hooks.delete(id, game, now).map(|()| None),
        What::Rotate(_) => hooks.rotate(id, game, now).map(Some),
    }
}

// Two processes that make a game's first webhooks at the same moment lock no row of each other's: its limit may be passed by a few.
async fn load(tx: &mut Tx<'_>, batch: &[&Change]) -> Result<Hooks, Error> {
    let games: BTreeSet<&str> = batch.iter().map(|change| change.game.as_str()).collect();
    let found = tx.load(&LOAD, Rows::of(games, |game| row![game]), hook).await?;
    let mut hooks: BTreeMap<WebhookId, Hook> = found.into_iter().collect();
    let secret = |row: &db::Row| Ok((row.id::<WebhookId>(0)?, row.int(1)?, row.instant_opt(2)?));
    for (webhook, number, expires_at) in tx.load(&LOAD_SECRETS, Rows::of(hooks.keys(), |id| row![*id]), secret).await? {
        if let Some(hook) = hooks.get_mut(&webhook) {
            hook.secrets.insert(number, expires_at);
        }
    }
    Ok(Hooks(hooks))
}

/// A webhook as the statements above read it, without its secrets.
pub(super) fn hook(row: &db::Row) -> Result<(WebhookId, Hook), Error> {
    let hook = Hook {
        game: row.parsed(1)?,
        url: row.text(2)?,
        topics: topics_of(&row.text(3)?),
        description: row.text(4)?,
        concurrency: row.int(5)?,
        state: row.parsed(6)?,
        reason: row.text(7)?,
        waiting: row.int(8)?,
        created_at: row.instant(9)?,
        changed_at: row.instant(10)?,
        secrets: BTreeMap::new(),
    };
    Ok((row.id(0)?, hook))
}

async fn write(tx: &mut Tx<'_>, before: &Hooks, after: &Hooks, sealed: Rows) -> Result<(), Error> {
    let (mut put, mut expired, mut dropped) = (Rows::new(), Rows::new(), Rows::new());
    let mut wanted: BTreeMap<Topic, WebhookId> = BTreeMap::new();
    for (id, hook) in after.0.iter().filter(|(id, hook)| before.0.get(id) != Some(hook)) {
        put.push(&row![
            *id,
            hook.game.as_str(),
            &hook.url,
            topics_text(&hook.topics),
            &hook.description,
            hook.concurrency,
            hook.state.as_str(),
            &hook.reason,
            hook.waiting,
            hook.created_at,
            hook.changed_at
        ]);
        match hook.state {
            WebhookState::Enabled => wanted.extend(hook.topics.iter().map(|topic| (*topic, *id))),
            WebhookState::Disabled => {}
            WebhookState::Deleted => dropped.push(&row![*id]),
        }
        let known = |number: &i64| before.0.get(id).map_or(Some(&None), |was| was.secrets.get(number).or(Some(&None)));
        for (number, expires_at) in hook.secrets.iter().filter(|(number, expires_at)| known(number) != Some(expires_at)) {
            expired.push(&row![*id, *number, *expires_at]);
        }
    }
    tx.write(&PUT, put).await?;
    tx.write(&ADD_SECRET, sealed).await?;
    tx.write(&EXPIRE_SECRET, expired).await?;
    tx.write_some(&DROP_SECRETS, dropped).await?;
    tx.write(&SUBSCRIBE, Rows::of(wanted, |(topic, id)| row![topic.as_str(), SUBSCRIBER, format!("webhooks, the last of them {id}")])).await
}

/// Ends the subscriptions of topics that no enabled webhook wants and nobody is owed.
pub(crate) struct Reconcile;

impl Command for Reconcile {
    const NAME: &'static str = "webhooks.reconcile";
    const KEYED: bool = false;
    type Input = ();
    /// How many were ended.
    type Reply = u64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a ()], _: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        // In this order: a webhook that is not seen by the second read has changed the target that the first one saw.
        let subscribed = tx.fetch(&SUBSCRIBED, &row![SUBSCRIBER], |row| Ok((row.text(0)?, row.text(1)?))).await?;
        let wanted = tx.fetch(&WANTED, &[], |row| Ok(topics_of(&row.text(0)?))).await?;
        let owed = Topic::ALL.iter().filter(|topic| topic.is_owed());
        let wanted: BTreeSet<&str> = wanted.iter().flatten().chain(owed).map(|topic| topic.as_str()).collect();
        let unwanted = subscribed.iter().filter(|(topic, _)| !wanted.contains(topic.as_str()));
        let ended = tx.write_some(&UNSUBSCRIBE, Rows::of(unwanted, |(topic, target)| row![topic, SUBSCRIBER, target])).await?;
        Ok(batch.iter().map(|()| Ok(ended)).collect())
    }
}
