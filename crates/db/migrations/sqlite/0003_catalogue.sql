-- One row: every transaction that changes the catalogue locks it and takes the next version, so versions commit in their order.
create table catalogue_version (
    one integer not null primary key check (one = 1),
    version integer not null,
    next_product integer not null
) strict;

insert into catalogue_version (one, version, next_product) values (1, 0, 1);

-- What the store sells, as lists show it. version is the catalogue's at the last change; fingerprint is of the imported content.
create table product (
    id integer not null primary key,
    source text not null,
    source_id integer not null,
    name text not null,
    price_minor integer not null check (price_minor >= 0),
    price_currency text not null,
    sale_percent integer,
    sale_starts_at integer,
    sale_ends_at integer,
    limited integer not null,
    player_limit integer not null,
    released text,
    platforms integer not null,
    popularity integer not null,
    developers text not null,
    publishers text not null,
    genres text not null,
    fingerprint blob,
    version integer not null
) strict;

create unique index product_source on product (source, source_id);
create index product_version on product (version);

-- A genre of a product, once each; the same names stand in product.genres in the order they are shown.
create table product_genre (
    product integer not null,
    genre text not null,
    primary key (product, genre)
) strict, without rowid;

-- The long texts and media of a product: a JSON document, compressed (zstd).
create table product_detail (
    product integer not null primary key,
    body blob not null
) strict;

-- One import of a file: running, finished, interrupted or failed. games_read = added + changed + unchanged + bad.
create table import_run (
    id integer not null primary key,
    file text not null,
    bytes integer not null,
    sha256 blob,
    status text not null,
    games_read integer not null,
    added integer not null,
    changed integer not null,
    unchanged integer not null,
    bad integer not null,
    problem text,
    started_at integer not null,
    touched_at integer not null,
    finished_at integer
) strict;

-- An entry that an import could not read, and why; the first thousand of each run.
create table import_bad (
    run integer not null,
    seq integer not null,
    app_id text not null,
    reason text not null,
    primary key (run, seq)
) strict, without rowid;
