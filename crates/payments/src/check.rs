//! What must always hold of payments, and between payments, orders, the library and wallets.

use db::{Invariant, Statement};

/// The invariants of payments.
pub static INVARIANTS: &[&Invariant] = &[&ORDER_STATE, &ONE_LIVE, &AMOUNT, &LEDGER, &OWNED, &SOURCE, &HOLDS, &REFUNDS];

static ORDER_STATE: Invariant = Invariant {
    name: "payments.states-agree-with-orders",
    says: "an ordered order has one ready payment, a paid one a paid payment, a ready one none; and the other way round",
    breaches: Statement::new(
        "check.payments_order_state",
        "select 'order ' || lower({hex o.id}), 'state ' || o.state || ' with ' || ready || ' ready and ' || paid || ' paid payments'
         from (
             select o.id, o.state,
                    (select count(*) from payment p where p.order_id = o.id and p.state = 'ready') as ready,
                    (select count(*) from payment p where p.order_id = o.id and p.paid_at is not null) as paid
             from orders o
         ) o
         where ready <> case when state = 'ordered' then 1 else 0 end or paid <> case when state = 'paid' then 1 else 0 end
            or state not in ('ready', 'ordered', 'paid', 'cancelled')
         union all
         select 'payment ' || lower({hex p.id}), 'no order'
         from payment p
         where not exists (select 1 from orders o where o.id = p.order_id and o.user_id = p.user_id)",
    ),
};

static ONE_LIVE: Invariant = Invariant {
    name: "payments.state-agrees-with-its-columns",
    says: "a payment was paid exactly when its state says so, and its refunds are what its state says",
    breaches: Statement::new(
        "check.payments_state",
        "select 'payment ' || lower({hex p.id}), 'state ' || p.state || ', paid_at ' || coalesce(p.paid_at, 0) || ', ' || done || ' of ' || items || ' items refunded, '
                || requested || ' refunds under way'
         from (
             select p.id, p.state, p.paid_at,
                    (select count(*) from payment_item i where i.payment = p.id) as items,
                    (select count(*) from payment_item i join refund f on f.id = i.refund where i.payment = p.id and f.state = 'done') as done,
                    (select count(*) from refund f where f.payment = p.id and f.state = 'requested') as requested
             from payment p
         ) p
         where items = 0
            or state not in ('ready', 'paid', 'partially_refunded', 'refund_in_progress', 'refunded', 'expired', 'cancelled')
            or (paid_at is null) <> (state in ('ready', 'expired', 'cancelled'))
            or (state = 'refund_in_progress') <> (requested > 0)
            or (state = 'refunded') <> (done = items and requested = 0)
            or (state = 'partially_refunded') <> (done > 0 and done < items and requested = 0)",
    ),
};

static AMOUNT: Invariant = Invariant {
    name: "payments.amount-is-the-sum-of-its-items",
    says: "a payment's amount is the sum of its items, and what was refunded the sum of its refunded items",
    breaches: Statement::new(
        "check.payments_amount",
        "select 'payment ' || lower({hex p.id}), 'amount ' || p.amount || ' of items ' || items || ', refunded ' || p.refunded || ' of items ' || back
         from (
             select p.id, p.amount, p.refunded, coalesce((select cast(sum(i.amount) as bigint) from payment_item i where i.payment = p.id), 0) as items,
                    coalesce((select cast(sum(i.amount) as bigint) from payment_item i join refund f on f.id = i.refund
                              where i.payment = p.id and f.state = 'done'), 0) as back
             from payment p
         ) p
         where amount <> items or refunded <> back",
    ),
};

static LEDGER: Invariant = Invariant {
    name: "payments.the-ledger-has-what-was-paid",
    says: "for each payment the ledger took its amount once it was paid, and gave back what was refunded; nothing else was paid to the store",
    breaches: Statement::new(
        "check.payments_ledger",
        // Materialized, or SQLite looks through all payments again for each row of the ledger.
        "with paid as materialized (
             select lower({hex id}) as id, case when paid_at is null then 0 else amount - refunded end as due
             from payment
         ), taken as materialized (
             select replace(reference, '-', '') as id, cast(-sum(amount) as bigint) as total
             from ledger
             where counterparty = 'store'
             group by reference
         )
         select 'payment ' || p.id, 'paid ' || p.due || ', in the ledger ' || coalesce(t.total, 0)
         from paid p left join taken t on t.id = p.id
         where p.due <> coalesce(t.total, 0)
         union all
         select 'ledger reference ' || t.id, t.total || ' went to the store for no payment'
         from taken t left join paid p on p.id = t.id
         where p.id is null",
    ),
};

static OWNED: Invariant = Invariant {
    name: "payments.what-was-paid-is-owned",
    says: "each item that was paid and not refunded is in the library, from that payment",
    breaches: Statement::new(
        "check.payments_owned",
        "select lower({hex p.user_id}) || '/' || i.product, 'paid by ' || lower({hex p.id}) || ' and not owned from it'
         from payment p join payment_item i on i.payment = p.id left join refund f on f.id = i.refund
         where p.paid_at is not null and coalesce(f.state, '') <> 'done'
           and not exists (
               select 1 from library l
               where l.user_id = p.user_id and l.product = i.product and l.source = 'payment' and replace(l.source_id, '-', '') = lower({hex p.id})
           )",
    ),
};

static SOURCE: Invariant = Invariant {
    name: "library.each-row-has-one-live-source",
    says: "each library row from a payment has an item of it that was paid and not refunded; other sources are operators and rewards",
    breaches: Statement::new(
        "check.library_source",
        "select lower({hex l.user_id}) || '/' || l.product, 'source ' || l.source || ' ' || l.source_id || ' does not stand behind it'
         from library l
         where l.source not in ('payment', 'operator', 'reward')
            or (l.source = 'payment' and not exists (
               select 1 from payment p join payment_item i on i.payment = p.id left join refund f on f.id = i.refund
               where p.user_id = l.user_id and i.product = l.product and p.paid_at is not null and coalesce(f.state, '') <> 'done'
                 and lower({hex p.id}) = replace(l.source_id, '-', '')
            ))",
    ),
};

static HOLDS: Invariant = Invariant {
    name: "stock.each-hold-has-its-payment",
    says: "a held copy belongs to a ready payment, a sold one to a paid item that was not refunded, and each such item has its copy",
    breaches: Statement::new(
        "check.stock_hold_payment",
        "select lower({hex h.payment}) || '/' || h.product, h.state || ' without a payment that says so'
         from hold h
         where not exists (
             select 1 from payment p join payment_item i on i.payment = p.id and i.product = h.product left join refund f on f.id = i.refund
             where p.id = h.payment and p.user_id = h.user_id and i.limited = 1
               and ((h.state = 'held' and p.state = 'ready') or (h.state = 'sold' and p.paid_at is not null and coalesce(f.state, '') <> 'done'))
         )
         union all
         select lower({hex p.id}) || '/' || i.product, 'limited item of a ' || p.state || ' payment without a hold'
         from payment p join payment_item i on i.payment = p.id left join refund f on f.id = i.refund
         where i.limited = 1 and (p.state = 'ready' or p.paid_at is not null) and coalesce(f.state, '') <> 'done'
           and not exists (select 1 from hold h where h.payment = p.id and h.product = i.product)",
    ),
};

static REFUNDS: Invariant = Invariant {
    name: "payments.refunds-are-their-items",
    says: "a refund that was done gave back the sum of its items, it is of a payment of its player, and each item's refund is one of its payment",
    breaches: Statement::new(
        "check.payments_refunds",
        "select 'refund ' || lower({hex f.id}), 'amount ' || f.amount || ' of items ' || items
         from (
             select f.id, f.state, f.amount, coalesce((select cast(sum(i.amount) as bigint) from payment_item i where i.refund = f.id and i.payment = f.payment), 0) as items
             from refund f
         ) f
         where state <> 'declined' and amount <> items
         union all
         select 'refund ' || lower({hex f.id}), 'state ' || f.state || ', of no payment of its player or in no state there is'
         from refund f
         where f.state not in ('requested', 'done', 'declined') or not exists (select 1 from payment p where p.id = f.payment and p.user_id = f.user_id)
         union all
         select lower({hex i.payment}) || '/' || i.product, 'refund ' || lower({hex i.refund}) || ' is not one of its payment'
         from payment_item i
         where i.refund is not null and not exists (select 1 from refund f where f.id = i.refund and f.payment = i.payment)",
    ),
};
