-- The feed of instances: its newest version and the newest one that was forgotten; and what the rounds that put instances out know of each
-- other: when the last one ran, since when leases count after an outage, and how many were put out within the last minute. One row.
create table registry (
    one integer not null primary key check (one = 1),
    version integer not null,
    forgotten integer not null,
    swept_at integer not null,
    resumed_at integer not null,
    evicted text not null
) strict;

insert into registry (one, version, forgotten, swept_at, resumed_at, evicted) values (1, 0, 0, 0, 0, '[]');

-- A process as it registered, at the feed's version of its last change; one that is gone is kept a while for those who follow the feed.
create table instance (
    id text not null primary key,
    services text not null,
    address text not null,
    secure integer not null,
    build text not null,
    weight integer not null,
    metadata text not null,
    document text not null,
    status text not null,
    forced_status text,
    registered_at integer not null,
    changed_at integer not null,
    version integer not null
) strict;

create index instance_version on instance (version);

-- Until when an instance that is not gone is believed to be there, and the hash of the secret that renews it.
create table lease (
    instance text not null primary key,
    ticket blob not null,
    lease_us integer not null,
    dirty_at integer not null,
    renewed_at integer not null,
    expires_at integer not null
) strict, without rowid;
