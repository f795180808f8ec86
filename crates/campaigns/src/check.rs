//! What must always hold of campaigns: claims and what stands behind them, budgets, achievements and their versions.

use db::{Invariant, Statement};

/// The invariants of campaigns.
pub static INVARIANTS: &[&Invariant] =
    &[&VERSIONS, &JUDGED, &STATE, &CLAIMED, &POINTS, &PRODUCTS, &LIBRARY, &ITEMS, &BUDGETS, &LIMITS, &REACHED];

static VERSIONS: Invariant = Invariant {
    name: "campaigns.versions-are-unbroken",
    says: "a campaign is as its newest version says, its versions run from 1 without a gap, and its game's counters cover it",
    breaches: Statement::new(
        "check.campaign_versions",
        "select c.game || '/' || c.id, 'version ' || c.version || ' of lineage ' || c.lineage || ', ' || coalesce(v.versions, 0) || ' versions to '
                || coalesce(v.newest, 0) || ', number ' || c.number || ' of ' || coalesce(g.campaigns, 0)
         from campaign c
         left join (
             select game, number, count(*) as versions, max(version) as newest from campaign_version group by game, number
         ) v on v.game = c.game and v.number = c.number
         left join campaign_version n on n.game = c.game and n.number = c.number and n.version = c.version
         left join game_campaigns g on g.game = c.game
         where coalesce(v.versions, 0) <> c.version or coalesce(v.newest, 0) <> c.version
            or n.document is null or n.document <> c.document or n.lineage <> c.lineage
            or g.campaigns is null or c.number > g.campaigns or g.campaign_version < c.version",
    ),
};

static JUDGED: Invariant = Invariant {
    name: "campaigns.achievements-name-the-version-that-judged-them",
    says: "each achievement is of a version and lineage that its campaign has had, and its n runs from 1",
    breaches: Statement::new(
        "check.achievement_versions",
        "select a.game || '/' || a.player || '/' || a.number || '/' || a.goal || '/' || a.period || '/' || a.n,
                'version ' || a.version || ' of lineage ' || a.lineage || ' is unknown, or n is not positive'
         from achievement a left join campaign_version v on v.game = a.game and v.number = a.number and v.version = a.version
         where v.version is null or v.lineage <> a.lineage or a.n < 1",
    ),
};

static STATE: Invariant = Invariant {
    name: "campaigns.no-achievement-without-state",
    says: "each achievement's player has a state, of a version and with bytes that say which",
    breaches: Statement::new(
        "check.achievement_state",
        "select k.game || '/' || k.player, 'state version ' || coalesce(s.version, 0) || ' with ' || coalesce(length(s.state), 0) || ' bytes'
         from (select game, player from achievement union select game, player from player_state) k
         left join player_state s on s.game = k.game and s.player = k.player
         where s.version is null or s.version < 1 or length(s.state) < 1",
    ),
};

static CLAIMED: Invariant = Invariant {
    name: "campaigns.each-claim-has-its-achievement",
    says: "each claim belongs to an achievement that waits for nothing more, and was granted or clawed back, with rewards only if it was granted",
    breaches: Statement::new(
        "check.claim_achievement",
        "select lower({hex c.id}), 'state ' || c.state || ', ' || coalesce(w.rewards, 0) || ' rewards'
                || case when a.game is null then ', no achievement' when a.auto_at is not null then ', still to be tried' else '' end
         from claim c
         left join achievement a on a.game = c.game and a.player = c.player and a.number = c.number and a.lineage = c.lineage
           and a.goal = c.goal and a.period = c.period and a.n = c.n
         left join (select claim, count(*) as rewards from claim_reward group by claim) w on w.claim = c.id
         where a.game is null or a.auto_at is not null
            or (c.state = 'granted' and (c.granted_at is null or c.clawed_back_at is not null))
            or (c.state = 'clawed_back' and c.clawed_back_at is null)
            or c.state not in ('granted', 'clawed_back')
            or (c.granted_at is not null) <> (coalesce(w.rewards, 0) > 0)
         union all
         select lower({hex w.claim}), 'reward ' || w.place || ' without a claim'
         from claim_reward w left join claim c on c.id = w.claim
         where c.id is null",
    ),
};

static POINTS: Invariant = Invariant {
    name: "campaigns.granted-points-are-in-the-ledger-once",
    says: "each reward of points has one ledger row of its amount, and one of what was taken back; no other row says reward or clawback",
    breaches: Statement::new(
        "check.claim_points",
        "select coalesce(w.reference, l.reference),
                'granted ' || coalesce(w.amount, 0) || ', credited ' || coalesce(l.credited, 0) || ' in ' || coalesce(l.credits, 0) || ' rows; taken back '
                || coalesce(w.taken_back, 0) || ', debited ' || coalesce(l.debited, 0)
         from (
             select reference from (
                 select lower({hex claim}) || '/' || place as reference from claim_reward where kind = 'points'
                 union select replace(reference, '-', '') from ledger where reason in ('reward', 'clawback')
             ) every
         ) k
         left join (
             select lower({hex r.claim}) || '/' || r.place as reference, r.amount, r.taken_back, r.currency, c.user_id
             from claim_reward r join claim c on c.id = r.claim
             where r.kind = 'points'
         ) w on w.reference = k.reference
         left join (
             select replace(reference, '-', '') as reference, user_id, currency,
                    cast(sum(case when reason = 'reward' then amount else 0 end) as bigint) as credited,
                    cast(sum(case when reason = 'reward' then 1 else 0 end) as bigint) as credits,
                    cast(sum(case when reason = 'clawback' then -amount else 0 end) as bigint) as debited
             from ledger
             where reason in ('reward', 'clawback')
             group by replace(reference, '-', ''), user_id, currency
         ) l on l.reference = k.reference
         where w.reference is null or l.reference is null or w.user_id <> l.user_id or w.currency <> l.currency
            or w.amount <> l.credited or l.credits <> 1 or w.taken_back <> l.debited",
    ),
};

static PRODUCTS: Invariant = Invariant {
    name: "campaigns.granted-products-are-owned",
    says: "each rewarded product that was not taken back is in the claimer's library, from that claim",
    breaches: Statement::new(
        "check.claim_products",
        "select lower({hex w.claim}) || '/' || w.place, 'product ' || w.product || ' is not owned from it'
         from claim_reward w join claim c on c.id = w.claim
         where w.kind = 'product' and w.taken_back = 0 and c.state = 'granted'
           and not exists (
               select 1 from library l
               where l.user_id = c.user_id and l.product = w.product and l.source = 'reward'
                 and replace(l.source_id, '-', '') = lower({hex w.claim})
           )",
    ),
};

static LIBRARY: Invariant = Invariant {
    name: "campaigns.each-rewarded-product-has-its-claim",
    says: "each library row from a reward has a claim of that product that stands",
    breaches: Statement::new(
        "check.library_reward",
        "select lower({hex l.user_id}) || '/' || l.product, 'source reward ' || l.source_id || ' does not stand behind it'
         from library l
         where l.source = 'reward' and not exists (
             select 1 from claim c join claim_reward w on w.claim = c.id
             where c.user_id = l.user_id and w.product = l.product and w.taken_back = 0
               and lower({hex c.id}) = replace(l.source_id, '-', '')
         )",
    ),
};

static ITEMS: Invariant = Invariant {
    name: "campaigns.each-item-has-one-fulfilment",
    says: "each rewarded item has the one fulfilment that it names, of the same item and number, and the other way round",
    breaches: Statement::new(
        "check.claim_items",
        "select lower({hex w.claim}) || '/' || w.place, 'item ' || w.item || ' without its fulfilment'
         from claim_reward w
         where w.kind = 'item' and not exists (
             select 1 from fulfilment f
             where f.id = w.fulfilment and f.claim = w.claim and f.place = w.place and f.item = w.item and f.quantity = w.amount
         )
         union all
         select lower({hex f.id}), 'no reward names it, or its state ' || f.state || ' does not go by ' || f.fulfil_by
         from fulfilment f
         where f.state not in ('pending', 'delivered', 'acknowledged', 'failed', 'parked')
            or (f.fulfil_by = 'poll' and f.state in ('delivered', 'parked')) or (f.fulfil_by = 'webhook' and f.state = 'acknowledged')
            or not exists (select 1 from claim_reward w where w.fulfilment = f.id)",
    ),
};

static BUDGETS: Invariant = Invariant {
    name: "campaigns.budgets-are-the-sum-of-grants",
    says: "what a budget has spent, in all and on each day, is what its campaign's claims were granted",
    breaches: Statement::new(
        "check.budget_sums",
        "select k.game || '/' || k.number || '/' || k.unit || '/' || k.day, 'spent ' || coalesce(b.spent, 0) || ', granted ' || coalesce(s.granted, 0)
         from (
             select game, number, unit, day from budget
             union select game, number, 'grants', day from claim where granted_at is not null
             union select game, number, 'grants', -1 from claim where granted_at is not null
         ) k
         left join budget b on b.game = k.game and b.number = k.number and b.unit = k.unit and b.day = k.day
         left join (
             select game, number, 'grants' as unit, day, count(*) as granted from claim where granted_at is not null group by game, number, day
             union all
             select game, number, 'grants', -1, count(*) from claim where granted_at is not null group by game, number
             union all
             select c.game, c.number, 'points', c.day, cast(sum(w.amount) as bigint)
             from claim c join claim_reward w on w.claim = c.id where w.kind = 'points' group by c.game, c.number, c.day
             union all
             select c.game, c.number, 'points', -1, cast(sum(w.amount) as bigint)
             from claim c join claim_reward w on w.claim = c.id where w.kind = 'points' group by c.game, c.number
         ) s on s.game = k.game and s.number = k.number and s.unit = k.unit and s.day = k.day
         where coalesce(b.spent, 0) <> coalesce(s.granted, 0)",
    ),
};

// A budget that was lowered below what had been granted already is no breach: what counts is that a version has allowed it.
static LIMITS: Invariant = Invariant {
    name: "campaigns.no-budget-is-overdrawn",
    says: "no budget has spent more than a version of its campaign has allowed",
    breaches: Statement::new(
        "check.budget_limits",
        "select b.game || '/' || b.number || '/' || b.unit || '/' || b.day, 'spent ' || b.spent || ' of ' || m.allowed
         from budget b join (
             select b.game, b.number, b.unit, b.day,
                    max(coalesce(cast(json_extract(v.document, '$.budget.' || b.unit || case when b.day = -1 then '_total' else '_per_day' end) as integer),
                                 9223372036854775807)) as allowed
             from budget b join campaign_version v on v.game = b.game and v.number = b.number
             group by b.game, b.number, b.unit, b.day
         ) m on m.game = b.game and m.number = b.number and m.unit = b.unit and m.day = b.day
         where b.spent > m.allowed",
    )
    .on_postgres(
        "select b.game || '/' || b.number || '/' || b.unit || '/' || b.day, 'spent ' || b.spent || ' of ' || m.allowed
         from budget b join (
             select b.game, b.number, b.unit, b.day,
                    max(coalesce(cast(cast(v.document as jsonb) -> 'budget' ->> (b.unit || case when b.day = -1 then '_total' else '_per_day' end) as bigint),
                                 9223372036854775807)) as allowed
             from budget b join campaign_version v on v.game = b.game and v.number = b.number
             group by b.game, b.number, b.unit, b.day
         ) m on m.game = b.game and m.number = b.number and m.unit = b.unit and m.day = b.day
         where b.spent > m.allowed",
    ),
};

static REACHED: Invariant = Invariant {
    name: "campaigns.counts-cover-achievements",
    says: "a goal has been reached at least as often as it has achievements, and its counts are not negative",
    breaches: Statement::new(
        "check.goal_counts",
        "select k.game || '/' || k.number || '/' || k.lineage || '/' || k.goal, 'counted ' || coalesce(m.reached, 0) || ', achieved ' || coalesce(a.achieved, 0)
         from (select game, number, lineage, goal from goal_matched union select game, number, lineage, goal from achievement) k
         left join (
             select game, number, lineage, goal, cast(sum(reached) as bigint) as reached, min(matched) as least
             from goal_matched group by game, number, lineage, goal
         ) m on m.game = k.game and m.number = k.number and m.lineage = k.lineage and m.goal = k.goal
         left join (
             select game, number, lineage, goal, count(*) as achieved from achievement group by game, number, lineage, goal
         ) a on a.game = k.game and a.number = k.number and a.lineage = k.lineage and a.goal = k.goal
         where coalesce(m.reached, 0) < coalesce(a.achieved, 0) or coalesce(m.least, 0) < 0",
    ),
};
