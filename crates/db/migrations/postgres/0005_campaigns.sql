-- A game's counters: its row is locked by every change of its campaigns and mapping, and read by every checkpoint.
create table game_campaigns (
    game text not null primary key,
    campaign_version bigint not null, -- rises with every change of a campaign or of the mapping
    mapping_version bigint not null, -- 0 while there is none
    campaigns bigint not null, -- how many were registered so far; the next gets the number after it
    fulfil_by text not null, -- webhook or poll: how its fulfilments reach the game team
    changed_at bigint not null
);

-- How a game's records become events; every change is a version, the newest is in force.
create table mapping (
    game text not null,
    version bigint not null,
    document text not null,
    author bytea not null,
    at bigint not null,
    primary key (game, version)
);

-- A campaign as it is now.
create table campaign (
    game text not null,
    number bigint not null, -- its number within the game, for good
    id text not null,
    version bigint not null,
    lineage bigint not null, -- rises when players start over
    starts_at bigint not null,
    ends_at bigint not null,
    stopped_at bigint, -- null unless it was stopped
    document text not null,
    registered_at bigint not null,
    changed_at bigint not null,
    primary key (game, number)
);

create unique index campaign_id on campaign (game, id);

-- Every version of a campaign, for good: achievements name the one that judged them.
create table campaign_version (
    game text not null,
    number bigint not null,
    version bigint not null,
    lineage bigint not null,
    change text not null, -- registered, kept, restarted, stopped or extended
    document text not null,
    actor bytea not null,
    at bigint not null,
    primary key (game, number, version)
);

-- How far a player has come in all campaigns of a game; the stream is its only writer.
create table player_state (
    game text not null,
    player text not null,
    version bigint not null,
    state bytea not null,
    changed_at bigint not null,
    primary key (game, player)
) with (fillfactor = 70); -- rewritten all the time: room on the page keeps its index still

-- A goal that was reached, once per period and n.
create table achievement (
    game text not null,
    player text not null,
    number bigint not null, -- the campaign's
    lineage bigint not null,
    goal bigint not null, -- its place in the campaign's document, from 0
    period bigint not null,
    n bigint not null,
    version bigint not null, -- of the campaign, that judged it
    cause bigint not null, -- id of the event that reached it
    achieved_at bigint not null, -- when that happened in the game
    recorded_at bigint not null, -- when the checkpoint wrote it
    auto_at bigint, -- when to try the next claim without being asked; null when there is nothing to try
    attempts bigint not null default 0, -- claims tried without being asked
    primary key (game, player, number, lineage, goal, period, n)
);

create index achievement_auto on achievement (auto_at) where auto_at is not null;
create index achievement_cause on achievement (cause);

-- What was granted for an achievement; at most one.
create table claim (
    id bytea not null primary key,
    game text not null,
    player text not null,
    number bigint not null,
    lineage bigint not null,
    goal bigint not null,
    period bigint not null,
    n bigint not null,
    state text not null, -- granted or clawed_back
    user_id bytea, -- the account that was linked then
    claimed_by text not null, -- player:ACCOUNT, key:KEY or auto
    day bigint not null, -- day of the grant in the campaign's zone, days since 1970
    granted_at bigint, -- null when it was clawed back before it was granted
    clawed_back_at bigint
);

create unique index claim_achievement on claim (game, player, number, lineage, goal, period, n);

-- One reward of a claim: points, a product or an item.
create table claim_reward (
    claim bytea not null,
    place bigint not null, -- among the goal's rewards, from 0
    kind text not null,
    currency text, -- of points
    amount bigint not null, -- points or pieces
    product bigint, -- of a product
    item text, -- of an item
    fulfilment bytea, -- of an item
    taken_back bigint not null, -- points or pieces that were clawed back
    primary key (claim, place)
);

-- What a campaign has granted of its budget: in all (day -1) and on each day.
create table budget (
    game text not null,
    number bigint not null,
    unit text not null, -- points or grants
    day bigint not null, -- days since 1970 in the campaign's zone
    spent bigint not null check (spent >= 0),
    primary key (game, number, unit, day)
);

-- An item that the game team has to hand out: pending, delivered, acknowledged, failed or parked.
create table fulfilment (
    id bytea not null primary key,
    game text not null,
    player text not null,
    claim bytea not null,
    place bigint not null,
    item text not null,
    quantity bigint not null,
    fulfil_by text not null, -- webhook or poll, never both
    state text not null,
    note text not null, -- why it failed, or the game's own receipt
    version bigint not null,
    created_at bigint not null,
    changed_at bigint not null
);

create index fulfilment_claim on fulfilment (claim);
create index fulfilment_state on fulfilment (game, state, id);

-- Which account plays as which player of a game.
create table player_link (
    game text not null,
    player text not null,
    user_id bytea not null,
    linked_by text not null, -- code or operator
    linked_at bigint not null,
    primary key (game, player)
);

create unique index player_link_account on player_link (user_id, game);

-- A code that a game shows to its player, who redeems it with their account; only its hash is kept.
create table link_code (
    hash bytea not null primary key,
    game text not null,
    player text not null,
    expires_at bigint not null
);

create index link_code_player on link_code (game, player);
create index link_code_expires on link_code (expires_at);

-- What is to be done to a player's state: it waits for the stream, whose next checkpoint applies and removes it.
create table control (
    game text not null,
    player text not null,
    id bytea not null,
    kind text not null, -- opt_in, correct, restart or erase
    number bigint not null, -- the campaign's; 0 for all
    goal bigint not null,
    period bigint not null,
    amount bigint not null, -- by how much a correction changes progress
    at bigint not null,
    primary key (game, player, id)
);

-- Events that counted for a goal and players that reached it, per writer so that checkpoints do not wait for each other.
create table goal_matched (
    game text not null,
    number bigint not null,
    lineage bigint not null,
    goal bigint not null,
    part bigint not null, -- the log's partition
    matched bigint not null,
    reached bigint not null,
    primary key (game, number, lineage, goal, part)
);
