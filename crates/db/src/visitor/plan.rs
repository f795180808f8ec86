//! Which tables a plan reads from end to end, as far as the plan tells: all of a table, or all of the game's rows in it.
//! Refuses to guess how many rows that are: whoever asks counts them.

use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Tables that SQLite's plan reads without narrowing. `paged`: rows are taken in order, only as many as a page has.
pub(super) fn full_on_sqlite(details: &[String], paged: bool) -> BTreeSet<String> {
    let piles =
        |detail: &String| ["USE TEMP B-TREE", "CO-ROUTINE", "MATERIALIZE", "COMPOUND", "UNION"].iter().any(|word| detail.contains(word));
    // Where nothing piles rows up, the outermost loop stops with the page.
    let stops = paged && !details.iter().any(piles);
    let full = details.iter().enumerate().filter(|(at, detail)| is_full(detail) && !(stops && *at == 0));
    full.filter_map(|(_, detail)| detail.split_whitespace().nth(1).map(str::to_owned)).collect()
}

/// `SCAN t`, an index made for the occasion, or a search by the game alone.
fn is_full(detail: &str) -> bool {
    if detail.contains("VIRTUAL TABLE") {
        return false;
    }
    if detail.starts_with("SCAN ") {
        return true;
    }
    let Some(rest) = detail.strip_prefix("SEARCH ") else { return false };
    let conditions = rest.rsplit_once('(').map_or("", |(_, conditions)| conditions.trim_end_matches(')'));
    rest.contains("AUTOMATIC") || conditions.split(" AND ").all(|condition| condition == "game=?")
}

/// Tables that a plan of Postgres reads without narrowing, from `explain (format json)`.
pub(super) fn full_on_postgres(explained: &Json) -> BTreeSet<String> {
    let mut full = BTreeSet::new();
    walk(&explained[0]["Plan"], false, &mut full);
    full
}

/// `stops`: whoever takes this node's rows takes only as many as a page has.
fn walk(node: &Json, stops: bool, full: &mut BTreeSet<String>) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let filters = node.get("Filter").is_some();
    let passes = match kind {
        "Limit" => true,
        "Subquery Scan" | "Result" => stops && !filters,
        _ => false,
    };
    let table = node["Relation Name"].as_str().unwrap_or_default();
    // Whoever stops with the page stops this node too, unless it has to look for rows.
    let ends_with_page = stops && !filters;
    let reads_all = match kind {
        "Seq Scan" | "Sample Scan" | "Tid Range Scan" => !ends_with_page,
        "Index Scan" | "Index Only Scan" => !ends_with_page && !narrows(node),
        "Bitmap Heap Scan" => !bitmap_narrows(node),
        _ => false,
    };
    if reads_all {
        full.insert(table.to_owned());
    }
    for below in node["Plans"].as_array().into_iter().flatten() {
        walk(below, passes, full);
    }
}

/// Whether an index is searched by more than the game of the role that asks.
fn narrows(node: &Json) -> bool {
    let condition = node["Index Cond"].as_str().unwrap_or_default();
    !condition.is_empty() && condition.split(" AND ").any(|part| !part.contains("CURRENT_USER"))
}

fn bitmap_narrows(node: &Json) -> bool {
    let below = || node["Plans"].as_array().into_iter().flatten();
    match node["Node Type"].as_str() {
        Some("BitmapOr") => below().all(bitmap_narrows),
        Some("Bitmap Index Scan") => narrows(node),
        _ => below().any(bitmap_narrows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn on_sqlite(details: &[&str], paged: bool) -> Vec<String> {
        full_on_sqlite(&details.iter().map(|detail| (*detail).to_owned()).collect::<Vec<_>>(), paged).into_iter().collect()
    }

    #[test]
    fn sqlite_reads_all_where_it_scans_or_searches_by_the_game_alone() {
        assert_eq!(on_sqlite(&["SCAN player_profile"], false), ["player_profile"]);
        assert_eq!(on_sqlite(&["SEARCH cash USING PRIMARY KEY (game=?)"], false), ["cash"]);
        assert_eq!(on_sqlite(&["SEARCH cash USING PRIMARY KEY (game=? AND player=?)"], false), [""; 0]);
        assert_eq!(on_sqlite(&["SEARCH cash USING AUTOMATIC COVERING INDEX (player=?)"], false), ["cash"]);
        assert_eq!(on_sqlite(&["SCAN json_each VIRTUAL TABLE INDEX 1:"], false), [""; 0]);
    }

    #[test]
    fn a_page_in_the_order_of_an_index_reads_only_the_page() {
        let search = "SEARCH player_profile USING PRIMARY KEY (game=?)";
        assert_eq!(on_sqlite(&[search], true), [""; 0]);
        assert_eq!(on_sqlite(&[search, "USE TEMP B-TREE FOR ORDER BY"], true), ["player_profile"]);
        assert_eq!(on_sqlite(&[search, "SCAN cash"], true), ["cash"]);
        assert_eq!(on_sqlite(&["CO-ROUTINE q", search, "SCAN q"], true), ["player_profile", "q"]);
    }

    #[test]
    fn postgres_reads_all_where_no_condition_but_the_games_narrows() {
        let game = "(game = substr((CURRENT_USER)::text, 24))";
        let index = |condition: String| {
            json!([{ "Plan": { "Node Type": "Sort", "Plans": [
            { "Node Type": "Index Scan", "Relation Name": "cash", "Index Cond": condition } ] } }])
        };
        assert_eq!(full_on_postgres(&index(game.to_owned())).len(), 1);
        assert_eq!(full_on_postgres(&index(format!("({game} AND (player = $1))"))).len(), 0);
        let seq =
            json!([{ "Plan": { "Node Type": "Limit", "Plans": [{ "Node Type": "Seq Scan", "Relation Name": "cash", "Filter": game }] } }]);
        assert_eq!(full_on_postgres(&seq), ["cash".to_owned()].into());
        let paged = json!([{ "Plan": { "Node Type": "Limit", "Plans": [{ "Node Type": "Subquery Scan", "Plans": [
            { "Node Type": "Index Scan", "Relation Name": "cash", "Index Cond": game }] }] } }]);
        assert_eq!(full_on_postgres(&paged).len(), 0);
        let bitmap = json!([{ "Plan": { "Node Type": "Bitmap Heap Scan", "Relation Name": "cash", "Plans": [
            { "Node Type": "Bitmap Index Scan", "Index Cond": "(level > $1)" }] } }]);
        assert_eq!(full_on_postgres(&bitmap).len(), 0);
    }
}
