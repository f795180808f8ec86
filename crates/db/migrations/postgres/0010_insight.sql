-- The text of a statement that has run, as the engine gets it; `guildhall doctor` reads it in a process of its own.
create table statement_text (
    name text primary key,
    text text not null
);

-- What a statement cost one process in one minute. Kept for six hours.
create table statement_minute (
    minute bigint not null, -- minutes since 1970
    process bytea not null,
    name text not null,
    calls bigint not null,
    result_rows bigint not null, -- returned or touched
    total_us bigint not null,
    buckets bytea not null, -- pairs of bucket and count, four bytes each, of the calls' times
    primary key (minute, process, name)
);

-- A slow call, with the types and sizes of its parameters and never their values. Kept for six hours.
create table statement_slow (
    at bigint not null,
    process bytea not null,
    seq bigint not null, -- within the process
    name text not null,
    took_us bigint not null,
    result_rows bigint not null,
    shape text not null,
    primary key (at, process, seq)
);

-- A statement that single requests of a route ran ten times or more, by process. Kept for six hours after the last time.
create table statement_repeat (
    process bytea not null,
    route text not null,
    name text not null,
    requests bigint not null, -- that repeated it
    most bigint not null, -- calls within one request
    calls bigint not null, -- within those requests
    at bigint not null, -- when it was last counted
    primary key (process, route, name)
);
