-- What an account holds of one currency; equals the sum of its ledger rows.
create table wallet (
    user_id bytea not null,
    currency text not null,
    balance bigint not null check (balance >= 0),
    seq bigint not null,
    primary key (user_id, currency)
);

-- Every change of a balance, for good; seq runs from 1 without a gap in each wallet.
create table ledger (
    user_id bytea not null,
    currency text not null,
    seq bigint not null,
    amount bigint not null check (amount <> 0),
    balance_after bigint not null check (balance_after >= 0),
    counterparty text not null,
    reason text not null,
    reference text not null,
    at bigint not null,
    primary key (user_id, currency, seq)
);

-- Limited stock: sold + held + available = registered. sold counts the holds that were paid and what was taken by hand.
create table stock (
    product bigint not null primary key,
    registered bigint not null check (registered >= 0),
    available bigint not null check (available >= 0),
    held bigint not null check (held >= 0),
    sold bigint not null check (sold >= 0),
    by_hand bigint not null check (by_hand >= 0),
    version bigint not null
);

-- One copy of limited stock kept for a payment: held, sold, released or returned.
create table hold (
    payment bytea not null,
    product bigint not null,
    user_id bytea not null,
    state text not null,
    expires_at bigint not null,
    primary key (payment, product)
);

create index hold_product on hold (product, state);

-- What a player wants; an order takes all of it.
create table wishlist (
    user_id bytea not null,
    product bigint not null,
    added_at bigint not null,
    primary key (user_id, product)
);

-- An order: ready, ordered (a payment was entered), paid or cancelled.
create table orders (
    id bytea not null primary key,
    user_id bytea not null,
    state text not null,
    created_at bigint not null,
    version bigint not null
);

create index orders_user on orders (user_id, id);

-- The distinct products of an order; one that was dropped is removed.
create table order_item (
    order_id bytea not null,
    product bigint not null,
    primary key (order_id, product)
);

create index order_item_product on order_item (product);

-- A payment of an order: ready, paid, partially_refunded, refund_in_progress, refunded, expired or cancelled.
create table payment (
    id bytea not null primary key,
    order_id bytea not null,
    user_id bytea not null,
    state text not null,
    currency text not null,
    amount bigint not null,
    refunded bigint not null,
    points_per_usd bigint not null,
    entered_at bigint not null,
    expires_at bigint not null,
    paid_at bigint,
    settled_at bigint,
    version bigint not null
);

create index payment_user on payment (user_id, id);
create index payment_order on payment (order_id);
create index payment_expiring on payment (expires_at) where state = 'ready';
create index payment_unsettled on payment (paid_at) where settled_at is null and paid_at is not null;

-- What a payment pays for, at the price that was fixed when it was entered.
create table payment_item (
    payment bytea not null,
    product bigint not null,
    price_minor bigint not null,
    price_currency text not null,
    amount bigint not null,
    limited bigint not null,
    refund bytea,
    primary key (payment, product)
);

-- A refund of some items of a payment: requested or done.
create table refund (
    id bytea not null primary key,
    payment bytea not null,
    user_id bytea not null,
    state text not null,
    amount bigint not null,
    requested_at bigint not null,
    due_at bigint not null,
    done_at bigint
);

create index refund_payment on refund (payment);
create index refund_due on refund (due_at) where state = 'requested';

-- Who owns what, and where it came from: a payment, a reward or an operator.
create table library (
    user_id bytea not null,
    product bigint not null,
    source text not null,
    source_id text not null,
    acquired_at bigint not null,
    minutes bigint not null,
    plays bigint not null,
    last_played_at bigint,
    primary key (user_id, product)
);

-- Each time a product was played.
create table play (
    user_id bytea not null,
    product bigint not null,
    seq bigint not null,
    minutes bigint not null,
    at bigint not null,
    primary key (user_id, product, seq)
);
