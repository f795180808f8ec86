//! Answers as people read them, or as JSON.
#![expect(clippy::print_stdout, reason = "the commands' answers")]

use kernel::GameId;
use rules::Campaign;
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Prints JSON where it was asked for; whether it was.
fn as_json(shown: &Value, json: bool) -> bool {
    if json {
        println!("{shown:#}");
    }
    json
}

pub(super) fn applied(draft: &Campaign, shown: &Value, json: bool) {
    if !as_json(shown, json) {
        println!("campaign {} of {} is in force as version {}", draft.id, draft.game, shown["version"]);
    }
}

pub(super) fn stopped(campaign: &str, shown: &Value, json: bool) {
    if !as_json(shown, json) {
        println!("campaign {campaign} is stopped, as version {}; what was reached can still be claimed", shown["version"]);
    }
}

pub(super) fn list(game: &GameId, shown: &Value, json: bool) {
    if as_json(shown, json) {
        return;
    }
    if items(shown).next().is_none() {
        println!("{game} has no such campaigns: guildhall campaign apply FILE registers one");
    }
    for one in items(shown) {
        let goals = items(&one["goals"]).count();
        let (campaign, state, ends) = (text(&one["campaign"]), text(&one["state"]), text(&one["ends"]));
        println!("{campaign:30} {state:9} until {ends}  v{:<3} {goals} goals  {}", one["version"], text(&one["title"]));
    }
}

pub(super) fn show(shown: &Value, json: bool) {
    if as_json(shown, json) {
        return;
    }
    println!("{}: {}", text(&shown["campaign"]), text(&shown["title"]));
    println!("  {} from {} to {}, zone {}", text(&shown["state"]), text(&shown["starts"]), text(&shown["ends"]), text(&shown["zone"]));
    println!("  version {}, lineage {}", shown["version"], shown["lineage"]);
    for goal in items(&shown["counts"]) {
        let hint = if goal["matched"] == 0 { "  (nothing has matched it yet)" } else { "" };
        println!("  goal {}: {} events matched, reached {} times{hint}", text(&goal["goal"]), goal["matched"], goal["reached"]);
    }
    for spent in items(&shown["spent"]) {
        println!("  granted: {} {} in all, {} today", spent["total"], text(&spent["unit"]), spent["today"]);
    }
}

fn bill(of: &Value) -> String {
    let mut parts = vec![format!("{} points", of["points"])];
    let named =
        |kind: &str| of[kind].as_object().into_iter().flatten().map(|(name, times)| format!("{times} × {name}")).collect::<Vec<_>>();
    parts.extend(named("products").into_iter().map(|one| format!("product {one}")));
    parts.extend(named("items"));
    parts.join(", ")
}

pub(super) fn backtest(shown: &Value, json: bool) {
    if as_json(shown, json) {
        return;
    }
    let log = &shown["log"];
    println!(
        "{} records, {} events, {} counted, {} too late, {} players",
        log["records"], shown["events"], shown["counted"], shown["too_late"], shown["players"]
    );
    if log["complete"] == false {
        println!("  not the whole log: {} ended it", text(&log["ended_by"]));
    }
    for (reason, times) in shown["unfit"].as_object().into_iter().flatten() {
        println!("  {times} records did not fit: {reason}");
    }
    for goal in items(&shown["goals"]) {
        println!(
            "goal {}: matched {}, reached {} times by {} players, costs {}",
            text(&goal["goal"]),
            goal["matched"],
            goal["reached"],
            goal["players"],
            bill(&goal["bill"])
        );
        for (day, times) in goal["by_day"].as_object().into_iter().flatten() {
            println!("  {day}  {times}");
        }
        let tenths: Vec<String> = items(&goal["distribution"]).map(Value::to_string).collect();
        println!("  players by tenths of the target: {}", tenths.join(" "));
    }
    println!("all rewards: {}", bill(&shown["bill"]));
}

pub(super) fn explain(shown: &Value, json: bool) {
    if as_json(shown, json) {
        return;
    }
    println!(
        "player {} in {}: {} events in {} records",
        text(&shown["player"]),
        text(&shown["campaign"]),
        shown["events_total"],
        shown["log"]["records"]
    );
    if shown["log"]["complete"] == false {
        println!("  not the whole log: {} ended it", text(&shown["log"]["ended_by"]));
    }
    for event in items(&shown["events"]) {
        println!("{}  {} × {}  {}", text(&event["at"]), text(&event["kind"]), event["amount"], text(&event["verdict"]));
        for goal in items(&event["goals"]) {
            match goal["by"].as_i64() {
                Some(by) => println!("    {}: +{by}, now {}", text(&goal["goal"]), goal["current"]),
                None => println!("    {}: not counted, {}", text(&goal["goal"]), text(&goal["because"])),
            }
        }
    }
    for goal in items(&shown["progress"]["goals"]) {
        println!("goal {}: {} of {}, reached {}", text(&goal["id"]), goal["current"], goal["target"], goal["reached_n"]);
    }
    for record in items(&shown["unfit"]) {
        println!(
            "did not fit: partition {} offset {}: {} {}",
            record["partition"],
            record["offset"],
            text(&record["reason"]),
            text(&record["detail"])
        );
    }
}
