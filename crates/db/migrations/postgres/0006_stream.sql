-- How far a partition of a game's log was read: progress in the database holds all records before next, and none after.
create table log_partition (
    topic text not null,
    partition bigint not null check (partition >= 0),
    game text not null,
    topic_id bytea not null, -- all zero where the log gives its topics no ids
    epoch bigint not null check (epoch > 0), -- rises with every worker that takes the partition
    next bigint not null check (next >= 0),
    changed_at bigint not null,
    primary key (topic, partition)
);

create index log_partition_game on log_partition (game, partition);

-- A record that did not fit: the first thousand per game and hour.
create table dead_letter (
    topic text not null,
    partition bigint not null,
    log_offset bigint not null,
    game text not null,
    reason text not null,
    detail text not null,
    raw bytea not null, -- its first 4,096 bytes
    length bigint not null, -- of the record, in bytes, as far as it was read
    appended_at bigint, -- when the log took it, where that is known
    recorded_at bigint not null,
    state text not null, -- kept, asked (waits for its replay), replayed or gone (no longer in the log)
    primary key (topic, partition, log_offset)
);

create index dead_letter_game on dead_letter (game, recorded_at, topic, partition, log_offset);
create index dead_letter_recorded on dead_letter (recorded_at);
create index dead_letter_asked on dead_letter (game) where state = 'asked';

-- How many dead letters of a game and hour are kept; the row is what writers of different partitions wait for.
create table dead_letter_hour (
    game text not null,
    hour bigint not null, -- hours since 1970
    kept bigint not null check (kept >= 0),
    primary key (game, hour)
);

create index dead_letter_hour_hour on dead_letter_hour (hour);

-- How many records did not fit, by reason.
create table dead_letter_count (
    game text not null,
    topic text not null,
    partition bigint not null,
    hour bigint not null, -- hours since 1970
    reason text not null,
    letters bigint not null check (letters > 0),
    primary key (game, topic, partition, hour, reason)
);

create index dead_letter_count_hour on dead_letter_count (hour);
