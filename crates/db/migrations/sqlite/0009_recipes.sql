-- A registered query that games' keys may run; its newest version is the one that runs.
create table recipe (
    name text not null primary key,
    version integer not null check (version > 0),
    state text not null, -- active or retired
    registered_at integer not null,
    changed_at integer not null
) strict, without rowid;

-- Every version of a recipe, for good.
create table recipe_version (
    name text not null,
    version integer not null,
    document text not null, -- what was registered, with the columns that the database found, as JSON
    author blob not null,
    at integer not null,
    primary key (name, version)
) strict, without rowid;

-- How often a version of a recipe ran on a day, and how long: a row per bucket of times; removed after 90 days.
create table recipe_use (
    name text not null,
    version integer not null,
    day integer not null, -- days since 1970, UTC
    failed integer not null, -- 1 for calls that did not answer
    bucket integer not null, -- as statistics have them: four to each doubling of the microseconds
    calls integer not null check (calls > 0),
    answered integer not null check (answered >= 0), -- rows
    primary key (name, version, day, failed, bucket)
) strict, without rowid;

create index recipe_use_day on recipe_use (day);
