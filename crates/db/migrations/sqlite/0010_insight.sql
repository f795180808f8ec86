-- The text of a statement that has run, as the engine gets it; `guildhall doctor` reads it in a process of its own.
create table statement_text (
    name text primary key,
    text text not null
) strict;

-- What a statement cost one process in one minute. Kept for six hours.
create table statement_minute (
    minute integer not null, -- minutes since 1970
    process blob not null,
    name text not null,
    calls integer not null,
    result_rows integer not null, -- returned or touched
    total_us integer not null,
    buckets blob not null, -- pairs of bucket and count, four bytes each, of the calls' times
    primary key (minute, process, name)
) strict, without rowid;

-- A slow call, with the types and sizes of its parameters and never their values. Kept for six hours.
create table statement_slow (
    at integer not null,
    process blob not null,
    seq integer not null, -- within the process
    name text not null,
    took_us integer not null,
    result_rows integer not null,
    shape text not null,
    primary key (at, process, seq)
) strict, without rowid;

-- A statement that single requests of a route ran ten times or more, by process. Kept for six hours after the last time.
create table statement_repeat (
    process blob not null,
    route text not null,
    name text not null,
    requests integer not null, -- that repeated it
    most integer not null, -- calls within one request
    calls integer not null, -- within those requests
    at integer not null, -- when it was last counted
    primary key (process, route, name)
) strict;
