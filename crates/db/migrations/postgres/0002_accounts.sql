-- A person's account; every store command locks its row first. The row stays when the person is erased, without anything personal.
create table accounts (
    id bytea not null primary key,
    state text not null check (state in ('active', 'blocked', 'erased')),
    roles bigint not null,
    created_at bigint not null
);

-- What is personal of an account, encrypted with the account's own data key; erasing deletes the row, and the key with it.
create table personal (
    user_id bytea not null primary key,
    master_key_id bigint not null, -- the master key that wraps data_key
    data_key bytea not null, -- wrapped
    email bytea not null, -- encrypted
    name bytea not null, -- encrypted
    phone bytea, -- encrypted
    email_confirmed_at bigint,
    password text not null, -- argon2id, as a PHC string
    password_version bigint not null, -- rises with each new password
    changed_at bigint not null
);

-- By what an account is found: the keyed hash of its e-mail address, one row per lookup key while keys rotate.
create table account_email (
    hash bytea not null primary key,
    user_id bytea not null,
    key_tag bigint not null -- which lookup key made the hash
);

create index account_email_user on account_email (user_id);

-- A signed-in session; a refresh token is its id, its family and its refresh secret, of which only hashes are kept.
create table session (
    id bytea not null primary key,
    user_id bytea not null,
    family_hash bytea not null, -- the same for the session's life: it tells a used-up token from a made-up one
    refresh_hash bytea not null, -- changes with each refresh
    created_at bigint not null,
    refreshed_at bigint not null,
    expires_at bigint not null,
    ended_at bigint -- null while it lives
);

create index session_owner on session (user_id, id);
create index session_ended on session (ended_at) where ended_at is not null;
create index session_expires on session (expires_at);

-- A one-time token that was mailed, at most one per account and purpose; a new one replaces it.
create table mail_token (
    user_id bytea not null,
    purpose text not null, -- reset or confirm
    hash bytea not null,
    expires_at bigint not null,
    primary key (user_id, purpose)
);

create unique index mail_token_hash on mail_token (hash);
create index mail_token_expires on mail_token (expires_at);

-- Every privileged act: who did what to whom, and when; without personal data.
create table audit (
    id bytea not null primary key,
    at bigint not null,
    actor bytea, -- null for the machine's own operator
    act text not null,
    subject text not null,
    detail text not null
);

create index audit_subject on audit (subject, id);
create index audit_actor on audit (actor, id);

-- A game that sends logs and has a team.
create table game (
    id text not null primary key,
    name text not null,
    zone text not null, -- IANA time zone
    created_at bigint not null
);

-- A person in a game's team: campaign_manager or team_member.
create table game_member (
    game text not null,
    user_id bytea not null,
    role text not null,
    since bigint not null,
    primary key (game, user_id)
);

create index game_member_user on game_member (user_id);

-- An API key of a game; the key itself is shown once and only its hash is kept.
create table game_key (
    id bytea not null primary key,
    game text not null,
    name text not null,
    hash bytea not null,
    scopes text not null, -- names with a space between them
    created_at bigint not null,
    revoked_at bigint -- null while it works
);

create unique index game_key_hash on game_key (hash);
create index game_key_game on game_key (game, id);
