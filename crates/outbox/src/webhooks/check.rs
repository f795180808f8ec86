//! What must always hold of webhooks and their deliveries.

use db::{Invariant, Statement};

/// The invariants of webhooks.
pub static INVARIANTS: &[&Invariant] = &[&WAITING, &HELD, &TIMES, &OWNERS, &SECRETS, &SUBSCRIBED];

static WAITING: Invariant = Invariant {
    name: "webhooks.waiting-is-counted",
    says: "a webhook's waiting is the number of its deliveries that are due or held",
    breaches: Statement::new(
        "check.webhooks_waiting",
        "select lower({hex id}), 'waiting ' || waiting || ', deliveries ' || found
         from (
             select w.id, w.waiting, count(d.id) as found
             from webhook w left join delivery d on d.webhook = w.id and d.settled_at is null
             group by w.id, w.waiting
         ) t
         where waiting <> found",
    ),
};

static HELD: Invariant = Invariant {
    name: "webhooks.held-waits-for-something",
    says: "where a delivery is held, another of its webhook and aggregate is due",
    breaches: Statement::new(
        "check.webhooks_held",
        "select lower({hex id}), 'held, and nothing of ' || aggregate || ' is due'
         from delivery d
         where d.state = 'held'
           and not exists (
               select 1
               from delivery y
               where y.webhook = d.webhook and y.aggregate = d.aggregate and y.settled_at is null and y.state = 'due'
           )",
    ),
};

static TIMES: Invariant = Invariant {
    name: "webhooks.times-fit-the-state",
    says: "a delivery has a time when it is due exactly while it is due, one when it was settled exactly once it is, and one when it was delivered if it was",
    breaches: Statement::new(
        "check.webhooks_times",
        "select lower({hex id}), 'state ' || state || ', due_at ' || coalesce(cast(due_at as text), 'none') || ', settled_at '
             || coalesce(cast(settled_at as text), 'none') || ', delivered_at ' || coalesce(cast(delivered_at as text), 'none')
         from delivery
         where (state = 'due') <> (due_at is not null) or (state in ('delivered', 'parked')) <> (settled_at is not null)
            or (state = 'delivered' and delivered_at is null)",
    ),
};

static OWNERS: Invariant = Invariant {
    name: "webhooks.deliveries-have-a-webhook",
    says: "each delivery belongs to a webhook of its game",
    breaches: Statement::new(
        "check.webhooks_owners",
        "select lower({hex d.id}), 'of webhook ' || lower({hex d.webhook}) || ' and game ' || d.game
         from delivery d left join webhook w on w.id = d.webhook and w.game = d.game
         where w.id is null",
    ),
};

static SECRETS: Invariant = Invariant {
    name: "webhooks.one-current-secret",
    says: "a webhook has one secret that does not expire, the newest; a deleted one has none",
    breaches: Statement::new(
        "check.webhooks_secrets",
        "select lower({hex id}), state || ' with ' || current || ' current secrets, the newest of ' || secrets || ' is number ' || newest
         from (
             select w.id, w.state, count(s.number) as secrets, coalesce(max(s.number), 0) as newest,
                    count(case when s.expires_at is null then s.number end) as current,
                    coalesce(max(case when s.expires_at is null then s.number end), 0) as newest_current
             from webhook w left join webhook_secret s on s.webhook = w.id
             group by w.id, w.state
         ) t
         where (state = 'deleted' and secrets > 0) or (state <> 'deleted' and (current <> 1 or newest <> newest_current))",
    ),
};

static SUBSCRIBED: Invariant = Invariant {
    name: "webhooks.wanted-topics-are-subscribed",
    says: "every topic that an enabled webhook wants has a subscription, so that it is announced",
    breaches: Statement::new(
        "check.webhooks_subscribed",
        "select lower({hex w.id}), 'wants ' || t.topic || ', which is not subscribed'
         from webhook w
         join (
             select 'fulfilment.created' as topic union all select 'fulfilment.clawed_back'
             union all select 'achievement.reached' union all select 'claim.granted'
         ) t on ' ' || w.topics || ' ' like '% ' || t.topic || ' %'
         left join subscription s on s.topic = t.topic and s.subscriber = 'webhooks'
         where w.state = 'enabled' and s.topic is null",
    ),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::{SUBSCRIBER, Topic};

    #[test]
    fn every_topic_is_looked_for() {
        let text = SUBSCRIBED.breaches.text(db::Engine::Sqlite);
        let missing: Vec<&str> =
            Topic::ALL.iter().map(|topic| topic.as_str()).filter(|topic| !text.contains(&format!("'{topic}'"))).collect();
        assert_eq!(missing, Vec::<&str>::new());
        assert!(text.contains(&format!("'{SUBSCRIBER}'")));
    }
}
