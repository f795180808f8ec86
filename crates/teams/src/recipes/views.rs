//! What recipes may read: views, each of one game's rows, with the words for their columns.
//! Refuses everything that is not listed here: accounts, wallets, keys, sessions and other games are not, and personal data is nowhere.

use db::visitor::View;

/// The views, in the order they are told.
pub static VIEWS: &[View] = &[
    View {
        name: "players",
        says: "A player as the game's team knows them.",
        columns: &[
            ("player", "the game's id of the player"),
            ("nickname", "null where none is known"),
            ("nickname_key", "the nickname in lower case, by which prefixes are searched"),
            ("level", "null where none is known"),
            ("server", "null where none is known"),
            ("last_seen_at", "microseconds since 1970, null where never"),
            ("playtime_minutes", "altogether"),
            ("first_seen_at", "microseconds since 1970"),
            ("changed_at", "microseconds since 1970"),
        ],
        tables: &["player_profile"],
        select: "select player, nickname, nickname_key, level, server, last_seen_at, playtime_minutes, first_seen_at, changed_at
                 from player_profile
                 where game = {game}",
    },
    View {
        name: "links",
        says: "A player who is linked to an account of the store; which one is not told.",
        columns: &[("player", "the game's id of the player"), ("linked_by", "code or operator"), ("linked_at", "microseconds since 1970")],
        tables: &["player_link"],
        select: "select player, linked_by, linked_at from player_link where game = {game}",
    },
    View {
        name: "currencies",
        says: "A currency of the game.",
        columns: &[("currency", "its id"), ("name", "its name"), ("created_at", "microseconds since 1970")],
        tables: &["game_currency"],
        select: "select currency, name, created_at from game_currency where game = {game}",
    },
    View {
        name: "balances",
        says: "What a player holds of a currency.",
        columns: &[("player", "the game's id of the player"), ("currency", "its id"), ("balance", "never below zero"), ("seq", "its last ledger row")],
        tables: &["cash"],
        select: "select player, currency, balance, seq from cash where game = {game}",
    },
    View {
        name: "balance_changes",
        says: "A change of what a player holds: the ledger of the game's currencies.",
        columns: &[
            ("player", "the game's id of the player"),
            ("currency", "its id"),
            ("seq", "from 1 for each player and currency"),
            ("amount", "below zero for a debit"),
            ("balance_after", "what was left"),
            ("counterparty", "where it came from or went"),
            ("reason", "why"),
            ("reference", "the caller's own"),
            ("at", "microseconds since 1970"),
        ],
        tables: &["cash_ledger"],
        select: "select player, currency, seq, amount, balance_after, counterparty, reason, reference, at from cash_ledger where game = {game}",
    },
    View {
        name: "banners",
        says: "A banner, draft or published.",
        columns: &[
            ("placement", "where it is shown"),
            ("state", "draft or published"),
            ("priority", "the highest is shown first"),
            ("starts_at", "microseconds since 1970"),
            ("ends_at", "microseconds since 1970, null when it stays"),
            ("fallback", "the locale that is shown where there is none of the reader's"),
            ("contents", "image, link and text by locale, as JSON"),
            ("level_min", "null for all"),
            ("level_max", "null for all"),
            ("platforms", "names with a space between them, all when empty"),
            ("audience", "all, new or returning"),
            ("version", "rises with each change"),
            ("changed_at", "microseconds since 1970"),
        ],
        tables: &["banner"],
        select: "select placement, state, priority, starts_at, ends_at, fallback, contents, level_min, level_max, platforms, players as audience,
                     version, changed_at
                 from banner
                 where game = {game}",
    },
    View {
        name: "campaigns",
        says: "A campaign as it is now.",
        columns: &[
            ("number", "its number in the game, by which other views name it"),
            ("campaign", "its id"),
            ("version", "its newest version"),
            ("lineage", "rises when players start over"),
            ("starts_at", "microseconds since 1970"),
            ("ends_at", "microseconds since 1970"),
            ("stopped_at", "microseconds since 1970, null unless it was stopped"),
        ],
        tables: &["campaign"],
        select: "select number, id as campaign, version, lineage, starts_at, ends_at, stopped_at from campaign where game = {game}",
    },
    View {
        name: "achievements",
        says: "A goal that a player reached.",
        columns: &[
            ("player", "the game's id of the player"),
            ("number", "of the campaign"),
            ("lineage", "of the campaign"),
            ("goal", "its place in the campaign, from 0"),
            ("period", "of the campaign"),
            ("n", "the how-manieth time in that period"),
            ("achieved_at", "when it happened in the game, microseconds since 1970"),
            ("recorded_at", "when it was written, microseconds since 1970"),
        ],
        tables: &["achievement"],
        select: "select player, number, lineage, goal, period, n, achieved_at, recorded_at from achievement where game = {game}",
    },
    View {
        name: "claims",
        says: "What was granted for an achievement; to which account is not told.",
        columns: &[
            ("player", "the game's id of the player"),
            ("number", "of the campaign"),
            ("lineage", "of the campaign"),
            ("goal", "its place in the campaign, from 0"),
            ("period", "of the campaign"),
            ("n", "the how-manieth time in that period"),
            ("state", "granted or clawed_back"),
            ("granted_at", "microseconds since 1970, null when it was clawed back before"),
            ("clawed_back_at", "microseconds since 1970, null unless it was"),
        ],
        tables: &["claim"],
        select: "select player, number, lineage, goal, period, n, state, granted_at, clawed_back_at from claim where game = {game}",
    },
    View {
        name: "fulfilments",
        says: "An item that the game team has to hand out.",
        columns: &[
            ("player", "the game's id of the player"),
            ("item", "which"),
            ("quantity", "how many"),
            ("fulfil_by", "webhook or poll"),
            ("state", "pending, delivered, acknowledged, failed or parked"),
            ("note", "why it failed, or the game's own receipt"),
            ("created_at", "microseconds since 1970"),
            ("changed_at", "microseconds since 1970"),
        ],
        tables: &["fulfilment"],
        select: "select player, item, quantity, fulfil_by, state, note, created_at, changed_at from fulfilment where game = {game}",
    },
    View {
        name: "progress",
        says: "How many events counted for a goal and how many players reached it.",
        columns: &[
            ("number", "of the campaign"),
            ("lineage", "of the campaign"),
            ("goal", "its place in the campaign, from 0"),
            ("matched", "events that counted"),
            ("reached", "players that reached it"),
        ],
        tables: &["goal_matched"],
        select: "select number, lineage, goal, cast(sum(matched) as bigint) as matched, cast(sum(reached) as bigint) as reached
                 from goal_matched
                 where game = {game}
                 group by number, lineage, goal",
    },
    View {
        name: "players_in_campaigns",
        says: "When a player's progress in the game's campaigns last changed.",
        columns: &[("player", "the game's id of the player"), ("changed_at", "microseconds since 1970")],
        tables: &["player_state"],
        select: "select player, changed_at from player_state where game = {game}",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_is_filtered_by_game_and_its_columns_are_those_it_selects() {
        for view in VIEWS {
            assert_eq!(view.select.matches("where game = {game}").count(), view.tables.len(), "{}", view.name);
            for (column, says) in view.columns {
                assert!(view.select.contains(column) && !says.is_empty(), "{}.{column}", view.name);
            }
        }
    }
}
