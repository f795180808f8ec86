-- A registered query that games' keys may run; its newest version is the one that runs.
create table recipe (
    name text not null primary key,
    version bigint not null check (version > 0),
    state text not null, -- active or retired
    registered_at bigint not null,
    changed_at bigint not null
);

-- Every version of a recipe, for good.
create table recipe_version (
    name text not null,
    version bigint not null,
    document text not null, -- what was registered, with the columns that the database found, as JSON
    author bytea not null,
    at bigint not null,
    primary key (name, version)
);

-- How often a version of a recipe ran on a day, and how long: a row per bucket of times; removed after 90 days.
create table recipe_use (
    name text not null,
    version bigint not null,
    day bigint not null, -- days since 1970, UTC
    failed bigint not null, -- 1 for calls that did not answer
    bucket bigint not null, -- as statistics have them: four to each doubling of the microseconds
    calls bigint not null check (calls > 0),
    answered bigint not null check (answered >= 0), -- rows
    primary key (name, version, day, failed, bucket)
);

create index recipe_use_day on recipe_use (day);
