-- A person's account; every store command locks its row first. The row stays when the person is erased, without anything personal.
create table accounts (
    id blob not null primary key,
    state text not null check (state in ('active', 'blocked', 'erased')),
    roles integer not null,
    created_at integer not null
) strict, without rowid;

-- What is personal of an account, encrypted with the account's own data key; erasing deletes the row, and the key with it.
create table personal (
    user_id blob not null primary key,
    master_key_id integer not null, -- the master key that wraps data_key
    data_key blob not null, -- wrapped
    email blob not null, -- encrypted
    name blob not null, -- encrypted
    phone blob, -- encrypted
    email_confirmed_at integer,
    password text not null, -- argon2id, as a PHC string
    password_version integer not null, -- rises with each new password
    changed_at integer not null
) strict;

-- By what an account is found: the keyed hash of its e-mail address, one row per lookup key while keys rotate.
create table account_email (
    hash blob not null primary key,
    user_id blob not null,
    key_tag integer not null -- which lookup key made the hash
) strict, without rowid;

create index account_email_user on account_email (user_id);

-- A signed-in session; a refresh token is its id, its family and its refresh secret, of which only hashes are kept.
create table session (
    id blob not null primary key,
    user_id blob not null,
    family_hash blob not null, -- the same for the session's life: it tells a used-up token from a made-up one
    refresh_hash blob not null, -- changes with each refresh
    created_at integer not null,
    refreshed_at integer not null,
    expires_at integer not null,
    ended_at integer -- null while it lives
) strict, without rowid;

create index session_owner on session (user_id, id);
create index session_ended on session (ended_at) where ended_at is not null;
create index session_expires on session (expires_at);

-- A one-time token that was mailed, at most one per account and purpose; a new one replaces it.
create table mail_token (
    user_id blob not null,
    purpose text not null, -- reset or confirm
    hash blob not null,
    expires_at integer not null,
    primary key (user_id, purpose)
) strict, without rowid;

create unique index mail_token_hash on mail_token (hash);
create index mail_token_expires on mail_token (expires_at);

-- Every privileged act: who did what to whom, and when; without personal data.
create table audit (
    id blob not null primary key,
    at integer not null,
    actor blob, -- null for the machine's own operator
    act text not null,
    subject text not null,
    detail text not null
) strict, without rowid;

create index audit_subject on audit (subject, id);
create index audit_actor on audit (actor, id);

-- A game that sends logs and has a team.
create table game (
    id text not null primary key,
    name text not null,
    zone text not null, -- IANA time zone
    created_at integer not null
) strict, without rowid;

-- A person in a game's team: campaign_manager or team_member.
create table game_member (
    game text not null,
    user_id blob not null,
    role text not null,
    since integer not null,
    primary key (game, user_id)
) strict, without rowid;

create index game_member_user on game_member (user_id);

-- An API key of a game; the key itself is shown once and only its hash is kept.
create table game_key (
    id blob not null primary key,
    game text not null,
    name text not null,
    hash blob not null,
    scopes text not null, -- names with a space between them
    created_at integer not null,
    revoked_at integer -- null while it works
) strict, without rowid;

create unique index game_key_hash on game_key (hash);
create index game_key_game on game_key (game, id);
