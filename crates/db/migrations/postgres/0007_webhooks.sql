-- Where a game wants its events sent. The row is locked before its deliveries are.
create table webhook (
    id bytea not null primary key,
    game text not null,
    url text not null,
    topics text not null, -- names with a space between them
    description text not null,
    concurrency bigint not null, -- deliveries that one process has under way at once
    state text not null check (state in ('enabled', 'disabled', 'deleted')),
    reason text not null, -- why it is disabled
    waiting bigint not null, -- deliveries that are due or held
    created_at bigint not null,
    changed_at bigint not null
);

create index webhook_game on webhook (game, id);

-- A secret that a webhook's deliveries are signed with; after a rotation the former one signs beside the new one for a while.
create table webhook_secret (
    webhook bytea not null,
    number bigint not null, -- from 1; the highest is the current one
    master_key_id bigint not null, -- the master key under which it is sealed
    sealed bytea not null, -- encrypted
    made_at bigint not null,
    expires_at bigint, -- null for the current one
    primary key (webhook, number)
);

-- One event on its way to one webhook; removed some days after it was delivered or parked.
create table delivery (
    id bytea not null primary key,
    webhook bytea not null,
    event bytea not null, -- sent as webhook-id, the same on every attempt
    game text not null,
    topic text not null,
    aggregate text not null,
    version bigint not null,
    body text not null,
    state text not null check (state in ('due', 'held', 'delivered', 'parked')), -- held: behind an earlier one of its aggregate
    due_at bigint, -- null unless due; while it is under way, when its lease ends
    attempts bigint not null,
    created_at bigint not null,
    tried_at bigint, -- the last attempt
    status bigint, -- what the last attempt was answered
    told text not null, -- the start of that answer, or why there was none
    delivered_at bigint, -- the last 2xx
    settled_at bigint -- when it was delivered or parked; null while it waits
);

create unique index delivery_event on delivery (webhook, event);
create index delivery_due on delivery (webhook, due_at) where state = 'due';
create index delivery_waiting on delivery (webhook, aggregate, state, version) where settled_at is null;
create index delivery_list on delivery (webhook, id);
create index delivery_settled on delivery (settled_at) where settled_at is not null;
