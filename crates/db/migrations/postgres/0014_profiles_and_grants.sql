-- When each field of a profile was told: by the team when it sent it, by a log when it happened. What is older never replaces what is newer.
alter table player_profile add column nickname_at bigint;
alter table player_profile add column level_at bigint;
alter table player_profile add column server_at bigint;
alter table player_profile add column playtime_at bigint;

-- Grants that ended go after a while, first marked as removed, then list by list.
create index cash_grant_ended on cash_grant (changed_at) where state in ('done', 'cancelled');
create index cash_grant_removed on cash_grant (id) where state = 'removed';
