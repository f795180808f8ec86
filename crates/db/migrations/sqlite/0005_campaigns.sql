-- A game's counters: its row is locked by every change of its campaigns and mapping, and read by every checkpoint.
create table game_campaigns (
    game text not null primary key,
    campaign_version integer not null, -- rises with every change of a campaign or of the mapping
    mapping_version integer not null, -- 0 while there is none
    campaigns integer not null, -- how many were registered so far; the next gets the number after it
    fulfil_by text not null, -- webhook or poll: how its fulfilments reach the game team
    changed_at integer not null
) strict, without rowid;

-- How a game's records become events; every change is a version, the newest is in force.
create table mapping (
    game text not null,
    version integer not null,
    document text not null,
    author blob not null,
    at integer not null,
    primary key (game, version)
) strict, without rowid;

-- A campaign as it is now.
create table campaign (
    game text not null,
    number integer not null, -- its number within the game, for good
    id text not null,
    version integer not null,
    lineage integer not null, -- rises when players start over
    starts_at integer not null,
    ends_at integer not null,
    stopped_at integer, -- null unless it was stopped
    document text not null,
    registered_at integer not null,
    changed_at integer not null,
    primary key (game, number)
) strict;

create unique index campaign_id on campaign (game, id);

-- Every version of a campaign, for good: achievements name the one that judged them.
create table campaign_version (
    game text not null,
    number integer not null,
    version integer not null,
    lineage integer not null,
    change text not null, -- registered, kept, restarted, stopped or extended
    document text not null,
    actor blob not null,
    at integer not null,
    primary key (game, number, version)
) strict, without rowid;

-- How far a player has come in all campaigns of a game; the stream is its only writer.
create table player_state (
    game text not null,
    player text not null,
    version integer not null,
    state blob not null,
    changed_at integer not null,
    primary key (game, player)
) strict, without rowid;

-- A goal that was reached, once per period and n.
create table achievement (
    game text not null,
    player text not null,
    number integer not null, -- the campaign's
    lineage integer not null,
    goal integer not null, -- its place in the campaign's document, from 0
    period integer not null,
    n integer not null,
    version integer not null, -- of the campaign, that judged it
    cause integer not null, -- id of the event that reached it
    achieved_at integer not null, -- when that happened in the game
    recorded_at integer not null, -- when the checkpoint wrote it
    auto_at integer, -- when to try the next claim without being asked; null when there is nothing to try
    attempts integer not null default 0, -- claims tried without being asked
    primary key (game, player, number, lineage, goal, period, n)
) strict, without rowid;

create index achievement_auto on achievement (auto_at) where auto_at is not null;
create index achievement_cause on achievement (cause);

-- What was granted for an achievement; at most one.
create table claim (
    id blob not null primary key,
    game text not null,
    player text not null,
    number integer not null,
    lineage integer not null,
    goal integer not null,
    period integer not null,
    n integer not null,
    state text not null, -- granted or clawed_back
    user_id blob, -- the account that was linked then
    claimed_by text not null, -- player:ACCOUNT, key:KEY or auto
    day integer not null, -- day of the grant in the campaign's zone, days since 1970
    granted_at integer, -- null when it was clawed back before it was granted
    clawed_back_at integer
) strict, without rowid;

create unique index claim_achievement on claim (game, player, number, lineage, goal, period, n);

-- One reward of a claim: points, a product or an item.
create table claim_reward (
    claim blob not null,
    place integer not null, -- among the goal's rewards, from 0
    kind text not null,
    currency text, -- of points
    amount integer not null, -- points or pieces
    product integer, -- of a product
    item text, -- of an item
    fulfilment blob, -- of an item
    taken_back integer not null, -- points or pieces that were clawed back
    primary key (claim, place)
) strict, without rowid;

-- What a campaign has granted of its budget: in all (day -1) and on each day.
create table budget (
    game text not null,
    number integer not null,
    unit text not null, -- points or grants
    day integer not null, -- days since 1970 in the campaign's zone
    spent integer not null check (spent >= 0),
    primary key (game, number, unit, day)
) strict, without rowid;

-- An item that the game team has to hand out: pending, delivered, acknowledged, failed or parked.
create table fulfilment (
    id blob not null primary key,
    game text not null,
    player text not null,
    claim blob not null,
    place integer not null,
    item text not null,
    quantity integer not null,
    fulfil_by text not null, -- webhook or poll, never both
    state text not null,
    note text not null, -- why it failed, or the game's own receipt
    version integer not null,
    created_at integer not null,
    changed_at integer not null
) strict, without rowid;

create index fulfilment_claim on fulfilment (claim);
create index fulfilment_state on fulfilment (game, state, id);

-- Which account plays as which player of a game.
create table player_link (
    game text not null,
    player text not null,
    user_id blob not null,
    linked_by text not null, -- code or operator
    linked_at integer not null,
    primary key (game, player)
) strict, without rowid;

create unique index player_link_account on player_link (user_id, game);

-- A code that a game shows to its player, who redeems it with their account; only its hash is kept.
create table link_code (
    hash blob not null primary key,
    game text not null,
    player text not null,
    expires_at integer not null
) strict, without rowid;

create index link_code_player on link_code (game, player);
create index link_code_expires on link_code (expires_at);

-- What is to be done to a player's state: it waits for the stream, whose next checkpoint applies and removes it.
create table control (
    game text not null,
    player text not null,
    id blob not null,
    kind text not null, -- opt_in, correct, restart or erase
    number integer not null, -- the campaign's; 0 for all
    goal integer not null,
    period integer not null,
    amount integer not null, -- by how much a correction changes progress
    at integer not null,
    primary key (game, player, id)
) strict, without rowid;

-- Events that counted for a goal and players that reached it, per writer so that checkpoints do not wait for each other.
create table goal_matched (
    game text not null,
    number integer not null,
    lineage integer not null,
    goal integer not null,
    part integer not null, -- the log's partition
    matched integer not null,
    reached integer not null,
    primary key (game, number, lineage, goal, part)
) strict, without rowid;
