-- Answers kept so that a repeated request gets the first one; removed after 48 hours.
create table idempotency (
    caller bytea not null,
    route text not null,
    key text not null,
    fingerprint bytea not null,
    answer text not null,
    at bigint not null,
    primary key (caller, route, key)
);

create index idempotency_at on idempotency (at);

-- What was committed and is still to be announced; a row is deleted once it was sent.
create table outbox (
    id bytea not null primary key,
    topic text not null,
    aggregate text not null,
    version bigint not null,
    payload text not null,
    at bigint not null,
    due_at bigint not null,
    attempts bigint not null default 0
);

create index outbox_due on outbox (due_at);
create index outbox_aggregate on outbox (aggregate, version);

-- Who wants which topic; a topic without a subscriber writes no outbox rows.
create table subscription (
    topic text not null,
    subscriber text not null,
    target text not null,
    primary key (topic, subscriber)
);
