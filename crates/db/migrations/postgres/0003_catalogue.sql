-- One row: every transaction that changes the catalogue locks it and takes the next version, so versions commit in their order.
create table catalogue_version (
    one bigint not null primary key check (one = 1),
    version bigint not null,
    next_product bigint not null
);

insert into catalogue_version (one, version, next_product) values (1, 0, 1);

-- What the store sells, as lists show it. version is the catalogue's at the last change; fingerprint is of the imported content.
create table product (
    id bigint not null primary key,
    source text not null,
    source_id bigint not null,
    name text not null,
    price_minor bigint not null check (price_minor >= 0),
    price_currency text not null,
    sale_percent bigint,
    sale_starts_at bigint,
    sale_ends_at bigint,
    limited bigint not null,
    player_limit bigint not null,
    released text,
    platforms bigint not null,
    popularity bigint not null,
    developers text not null,
    publishers text not null,
    genres text not null,
    fingerprint bytea,
    version bigint not null
);

create unique index product_source on product (source, source_id);
create index product_version on product (version);

-- A genre of a product, once each; the same names stand in product.genres in the order they are shown.
create table product_genre (
    product bigint not null,
    genre text not null,
    primary key (product, genre)
);

-- The long texts and media of a product: a JSON document, compressed (zstd).
create table product_detail (
    product bigint not null primary key,
    body bytea not null
);

-- One import of a file: running, finished, interrupted or failed. games_read = added + changed + unchanged + bad.
create table import_run (
    id bigint not null primary key,
    file text not null,
    bytes bigint not null,
    sha256 bytea,
    status text not null,
    games_read bigint not null,
    added bigint not null,
    changed bigint not null,
    unchanged bigint not null,
    bad bigint not null,
    problem text,
    started_at bigint not null,
    touched_at bigint not null,
    finished_at bigint
);

-- An entry that an import could not read, and why; the first thousand of each run.
create table import_bad (
    run bigint not null,
    seq bigint not null,
    app_id text not null,
    reason text not null,
    primary key (run, seq)
);

-- The body is compressed already: the server must not try again, and a row that fits a page stays in one piece.
alter table product_detail alter column body set storage external;
alter table product_detail set (toast_tuple_target = 8160);
