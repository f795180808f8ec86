//! Decides changes of webhooks: made, changed, deleted, their secrets rotated.
//! Refuses more webhooks per game and more live secrets per webhook than their limits.

use crate::webhooks::model::{Topic, Webhook, WebhookState};
use kernel::time::HOUR_US;
use kernel::{Code, GameId, Instant, Outcome, Refusal, WebhookId};
use std::collections::{BTreeMap, BTreeSet};

/// The most webhooks a game has.
pub const WEBHOOKS_MAX: usize = 20;
/// The most deliveries that one process has under way to one webhook.
pub const CONCURRENCY_MAX: i64 = 32;
/// Deliveries under way to a webhook that does not say.
pub const CONCURRENCY_DEFAULT: i64 = 8;
/// A secret signs this much longer beside the one that follows it, in microseconds.
pub const OVERLAP_US: i64 = 24 * HOUR_US;
/// The most secrets that sign at the same time.
pub const SECRETS_MAX: usize = 4;
/// Why a webhook is disabled.
pub(crate) const BY_ITS_TEAM: &str = "disabled by its team";

/// A webhook with its secrets: their numbers, and when they expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) game: GameId,
    pub(crate) url: String,
    pub(crate) topics: BTreeSet<Topic>,
    pub(crate) description: String,
    pub(crate) concurrency: i64,
    pub(crate) state: WebhookState,
    pub(crate) reason: String,
    pub(crate) waiting: i64,
    pub(crate) created_at: Instant,
    pub(crate) changed_at: Instant,
    pub(crate) secrets: BTreeMap<i64, Option<Instant>>,
}

impl Hook {
    pub(crate) fn view(&self, webhook: WebhookId) -> Webhook {
        Webhook {
            webhook,
            url: self.url.clone(),
            topics: self.topics.clone(),
            description: self.description.clone(),
            concurrency: self.concurrency,
            state: self.state,
            reason: self.reason.clone(),
            waiting: self.waiting,
            created_at: self.created_at,
            changed_at: self.changed_at,
        }
    }
}

/// What a webhook is to be. What is not said stays as it is, or as it is for a new one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Where events are sent.
    pub url: Option<String>,
    /// What it hears of; at least one topic.
    pub topics: Option<BTreeSet<Topic>>,
    /// What its game calls it.
    pub description: Option<String>,
    /// Deliveries that each process has under way to it at once.
    pub concurrency: Option<i64>,
    /// Whether it is sent to.
    pub enabled: Option<bool>,
}

/// All webhooks of the games that a batch names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hooks(pub(crate) BTreeMap<WebhookId, Hook>);

impl Hooks {
    pub(crate) fn create(&mut self, id: WebhookId, game: &GameId, draft: &Draft, now: Instant) -> Outcome<()> {
        let live = self.0.values().filter(|hook| hook.game == *game && hook.state != WebhookState::Deleted).count();
        if live >= WEBHOOKS_MAX {
            return Err(Refusal::new(Code::LimitReached, format!("{game} has {WEBHOOKS_MAX} webhooks: delete one first")));
        }
        let (Some(url), Some(topics)) = (&draft.url, &draft.topics) else {
            return Err(Refusal::new(Code::BadBody, "url or topics is missing: a new webhook needs both"));
        };
        let mut hook = Hook {
            game: game.clone(),
            url: url.clone(),
            topics: topics.clone(),
            description: String::new(),
            concurrency: CONCURRENCY_DEFAULT,
            state: WebhookState::Enabled,
            reason: String::new(),
            waiting: 0,
            created_at: now,
            changed_at: now,
            secrets: [(1, None)].into(),
        };
        apply(&mut hook, draft, now)?;
        self.0.insert(id, hook);
        Ok(())
    }

    pub(crate) fn update(&mut self, id: WebhookId, game: &GameId, draft: &Draft, now: Instant) -> Outcome<()> {
        let hook = self.of(id, game)?;
        let mut changed = hook.clone();
        apply(&mut changed, draft, now)?;
        *hook = changed;
        Ok(())
    }

    pub(crate) fn delete(&mut self, id: WebhookId, game: &GameId, now: Instant) -> Outcome<()> {
        let hook = self.of(id, game)?;
        (hook.state, hook.changed_at) = (WebhookState::Deleted, now);
        "deleted by its team".clone_into(&mut hook.reason);
        hook.secrets.clear();
        Ok(())
    }

    /// Gives a webhook a new secret; returns its number.
    pub(crate) fn rotate(&mut self, id: WebhookId, game: &GameId, now: Instant) -> Outcome<i64> {
        let hook = self.of(id, game)?;
        let live = hook.secrets.values().filter(|expires_at| expires_at.is_none_or(|at| at > now)).count();
        if live >= SECRETS_MAX {
            let told =
                format!("{SECRETS_MAX} secrets of this webhook still sign: wait until one has expired, 24 hours after it was rotated");
            return Err(Refusal::new(Code::LimitReached, told));
        }
        for expires_at in hook.secrets.values_mut().filter(|expires_at| expires_at.is_none()) {
            *expires_at = Some(now.plus_us(OVERLAP_US));
        }
        let number = hook.secrets.keys().max().copied().unwrap_or(0) + 1;
        hook.secrets.insert(number, None);
        hook.changed_at = now;
        Ok(number)
    }

    fn of(&mut self, id: WebhookId, game: &GameId) -> Outcome<&mut Hook> {
        let found = self.0.get_mut(&id).filter(|hook| hook.game == *game && hook.state != WebhookState::Deleted);
        found.ok_or_else(|| Refusal::not_found("webhook", id))
    }
}

fn apply(hook: &mut Hook, draft: &Draft, now: Instant) -> Outcome<()> {
    if let Some(topics) = &draft.topics {
        if topics.is_empty() {
            return Err(Refusal::new(Code::BadBody, "topics is empty: at least one topic would be right"));
        }
        hook.topics.clone_from(topics);
    }
    if let Some(concurrency) = draft.concurrency {
        if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
            return Err(Refusal::new(Code::BadBody, format!("concurrency {concurrency} is outside 1 to {CONCURRENCY_MAX}")));
        }
        hook.concurrency = concurrency;
    }
    if let Some(url) = &draft.url {
        hook.url.clone_from(url);
    }
    if let Some(description) = &draft.description {
        hook.description.clone_from(description);
    }
    match draft.enabled {
        Some(true) => {
            hook.state = WebhookState::Enabled;
            hook.reason.clear();
        }
        Some(false) if hook.state == WebhookState::Enabled => {
            hook.state = WebhookState::Disabled;
            BY_ITS_TEAM.clone_into(&mut hook.reason);
        }
        _ => {}
    }
    hook.changed_at = now;
    Ok(())
}
