-- The secret an API key had before it was rotated; it works beside the new one until then.
create table game_key_previous (
    key_id bytea not null primary key,
    hash bytea not null,
    works_until bigint not null
);

create unique index game_key_previous_hash on game_key_previous (hash);

-- A player of a game as the game's team knows them; the account that plays as them is in player_link.
create table player_profile (
    game text not null,
    player text not null,
    nickname text,
    nickname_key text, -- the nickname in lower case, by which it is searched
    level bigint,
    server text,
    last_seen_at bigint,
    playtime_minutes bigint not null check (playtime_minutes >= 0),
    first_seen_at bigint not null, -- when the row was made
    changed_at bigint not null,
    primary key (game, player)
);

create index player_profile_nickname on player_profile (game, nickname_key, player) where nickname_key is not null;

-- A currency of a game, which players hold and spend there.
create table game_currency (
    game text not null,
    currency text not null,
    name text not null,
    created_at bigint not null,
    primary key (game, currency)
);

-- What a player holds of one of the game's currencies; equals the sum of its ledger rows.
create table cash (
    game text not null,
    player text not null,
    currency text not null,
    balance bigint not null check (balance >= 0),
    seq bigint not null,
    primary key (game, player, currency)
);

-- Every change of what a player holds, for good; seq runs from 1 without a gap for each player and currency.
create table cash_ledger (
    game text not null,
    player text not null,
    currency text not null,
    seq bigint not null,
    amount bigint not null check (amount <> 0),
    balance_after bigint not null check (balance_after >= 0),
    counterparty text not null,
    reason text not null,
    reference text not null,
    at bigint not null,
    primary key (game, player, currency, seq)
);

-- A currency granted to many players: open while its list grows, then running, done or cancelled.
create table cash_grant (
    id bytea not null primary key,
    game text not null,
    currency text not null,
    reason text not null,
    created_by text not null, -- account:ID or key:ID
    state text not null,
    total bigint not null, -- players on its list
    done bigint not null check (done >= 0 and done <= total), -- players that were seen to: the list is done in order
    refused bigint not null check (refused >= 0 and refused <= done), -- of them, those whose balance would have become too large
    created_at bigint not null,
    changed_at bigint not null
);

create index cash_grant_game on cash_grant (game, id);
create index cash_grant_running on cash_grant (id) where state = 'running';

-- A player on the list of a grant, once.
create table cash_grant_row (
    grant_id bytea not null,
    player text not null,
    place bigint not null, -- in the list, from 1
    amount bigint not null check (amount > 0),
    refused text, -- why it was not granted
    primary key (grant_id, player)
);

create unique index cash_grant_row_place on cash_grant_row (grant_id, place);

-- A banner of a game: a draft, or published and then shown within its period.
create table banner (
    id bytea not null primary key,
    game text not null,
    placement text not null,
    state text not null, -- draft or published
    priority bigint not null,
    starts_at bigint not null,
    ends_at bigint, -- null when it stays
    fallback text not null, -- the locale that is shown where there is none of the reader's
    contents text not null, -- image, link and text by locale, as JSON
    level_min bigint,
    level_max bigint,
    platforms text not null, -- names with a space between them; all when empty
    players text not null, -- all, new or returning
    version bigint not null,
    created_at bigint not null,
    changed_at bigint not null
);

create index banner_game on banner (game, id);
create index banner_published on banner (game, placement, id) where state = 'published';
