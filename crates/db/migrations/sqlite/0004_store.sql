-- What an account holds of one currency; equals the sum of its ledger rows.
create table wallet (
    user_id blob not null,
    currency text not null,
    balance integer not null check (balance >= 0),
    seq integer not null,
    primary key (user_id, currency)
) strict, without rowid;

-- Every change of a balance, for good; seq runs from 1 without a gap in each wallet.
create table ledger (
    user_id blob not null,
    currency text not null,
    seq integer not null,
    amount integer not null check (amount <> 0),
    balance_after integer not null check (balance_after >= 0),
    counterparty text not null,
    reason text not null,
    reference text not null,
    at integer not null,
    primary key (user_id, currency, seq)
) strict, without rowid;

-- Limited stock: sold + held + available = registered. sold counts the holds that were paid and what was taken by hand.
create table stock (
    product integer not null primary key,
    registered integer not null check (registered >= 0),
    available integer not null check (available >= 0),
    held integer not null check (held >= 0),
    sold integer not null check (sold >= 0),
    by_hand integer not null check (by_hand >= 0),
    version integer not null
) strict;

-- One copy of limited stock kept for a payment: held, sold, released or returned.
create table hold (
    payment blob not null,
    product integer not null,
    user_id blob not null,
    state text not null,
    expires_at integer not null,
    primary key (payment, product)
) strict, without rowid;

create index hold_product on hold (product, state);

-- What a player wants; an order takes all of it.
create table wishlist (
    user_id blob not null,
    product integer not null,
    added_at integer not null,
    primary key (user_id, product)
) strict, without rowid;

-- An order: ready, ordered (a payment was entered), paid or cancelled.
create table orders (
    id blob not null primary key,
    user_id blob not null,
    state text not null,
    created_at integer not null,
    version integer not null
) strict, without rowid;

create index orders_user on orders (user_id, id);

-- The distinct products of an order; one that was dropped is removed.
create table order_item (
    order_id blob not null,
    product integer not null,
    primary key (order_id, product)
) strict, without rowid;

create index order_item_product on order_item (product);

-- A payment of an order: ready, paid, partially_refunded, refund_in_progress, refunded, expired or cancelled.
create table payment (
    id blob not null primary key,
    order_id blob not null,
    user_id blob not null,
    state text not null,
    currency text not null,
    amount integer not null,
    refunded integer not null,
    points_per_usd integer not null,
    entered_at integer not null,
    expires_at integer not null,
    paid_at integer,
    settled_at integer,
    version integer not null
) strict, without rowid;

create index payment_user on payment (user_id, id);
create index payment_order on payment (order_id);
create index payment_expiring on payment (expires_at) where state = 'ready';
create index payment_unsettled on payment (paid_at) where settled_at is null and paid_at is not null;

-- What a payment pays for, at the price that was fixed when it was entered.
create table payment_item (
    payment blob not null,
    product integer not null,
    price_minor integer not null,
    price_currency text not null,
    amount integer not null,
    limited integer not null,
    refund blob,
    primary key (payment, product)
) strict, without rowid;

-- A refund of some items of a payment: requested or done.
create table refund (
    id blob not null primary key,
    payment blob not null,
    user_id blob not null,
    state text not null,
    amount integer not null,
    requested_at integer not null,
    due_at integer not null,
    done_at integer
) strict, without rowid;

create index refund_payment on refund (payment);
create index refund_due on refund (due_at) where state = 'requested';

-- Who owns what, and where it came from: a payment, a reward or an operator.
create table library (
    user_id blob not null,
    product integer not null,
    source text not null,
    source_id text not null,
    acquired_at integer not null,
    minutes integer not null,
    plays integer not null,
    last_played_at integer,
    primary key (user_id, product)
) strict, without rowid;

-- Each time a product was played.
create table play (
    user_id blob not null,
    product integer not null,
    seq integer not null,
    minutes integer not null,
    at integer not null,
    primary key (user_id, product, seq)
) strict, without rowid;
