//! Real logs through the shipped mappings: a Counter-Strike server's and a Dota 2 match.

use super::ground::{NOW, lines_with, mapping};
use flate2::read::GzDecoder;
use rules::{Mapping, Scratch, preset};
use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;

const SERVER_LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/source_server.log.gz");
const MATCHES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/dota_matches.json");

fn server_log() -> String {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(SERVER_LOG).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn shipped(name: &str) -> Mapping {
    mapping(&serde_json::from_str(preset(name).unwrap()).unwrap())
}

#[test]
fn a_real_servers_log_gives_what_its_only_player_did() {
    let (mapping, mut scratch, log) = (shipped("source_server"), Scratch::default(), server_log());
    let mapper = mapping.compile();
    let (mut kinds, mut damage, mut first) = (BTreeMap::<String, usize>::new(), 0, None);
    for line in log.lines() {
        for told in lines_with(&mapping, &mapper, &mut scratch, line.as_bytes()).unwrap() {
            let mut words = told.split(' ');
            let (kind, player, amount) = (words.next().unwrap(), words.next().unwrap(), words.nth(1).unwrap());
            assert_eq!(player, "STEAM_1:1:0101011", "bots are left out: {told}");
            damage += if kind == "damage" { amount[1..].parse::<i64>().unwrap() } else { 0 };
            *kinds.entry(kind.to_owned()).or_default() += 1;
            first.get_or_insert(told.clone());
        }
    }
    // Counted in the log by other means: grep for the player's id before each word.
    let own = |word: &str| {
        let is_own = |line: &&str| {
            line.split_once(word).is_some_and(|(before, _)| before.contains("<STEAM_1:1:0101011><") && before.ends_with(">\""))
        };
        log.lines().filter(is_own).count()
    };
    assert_eq!(kinds["assist"], own(" assisted killing"));
    assert_eq!(kinds["mission"], own(" triggered"));
    assert_eq!(kinds["item"], own(" purchased"));
    let own_at = |word: &str| {
        let is_own = |line: &&str| line.split_once(word).is_some_and(|(before, _)| before.contains("<STEAM_1:1:0101011><"));
        log.lines().filter(is_own).count()
    };
    assert_eq!(kinds["kill"], own_at(" killed \""));
    assert_eq!(kinds["damage"], own_at(" attacked \""));
    assert!(kinds["kill"] > 20 && damage > 1_000, "{kinds:?} {damage}");
    assert_eq!(first.as_deref(), Some("mission STEAM_1:1:0101011 2018-11-12T19:57:43Z x1 item=Dropped_The_Bomb team=\"terrorists\""));
}

#[test]
fn a_real_servers_local_times_follow_the_zone_of_its_mapping() {
    let document = preset("source_server").unwrap().replace("\"zone\": \"UTC\"", "\"zone\": \"Europe/Berlin\"");
    let mapping = mapping(&serde_json::from_str(&document).unwrap());
    let line = r#"L 11/12/2018 - 19:57:43: "Player<2><STEAM_1:1:0101011><TERRORIST>" triggered "Dropped_The_Bomb""#;
    let told = lines_with(&mapping, &mapping.compile(), &mut Scratch::default(), line.as_bytes()).unwrap();
    assert_eq!(told, ["mission STEAM_1:1:0101011 2018-11-12T18:57:43Z x1 item=Dropped_The_Bomb team=\"terrorists\""]);
}

#[test]
fn a_line_that_no_server_writes_is_unfit() {
    let mapping = shipped("source_server");
    let told = lines_with(&mapping, &mapping.compile(), &mut Scratch::default(), b"L 11/12/2018 - 19:57: cut").unwrap_err();
    assert_eq!(told.reason.as_str(), "no_pattern_matches");
}

#[test]
fn a_real_match_becomes_ten_plays_and_the_items_of_filled_slots() {
    let (mapping, text) = (shipped("dota"), std::fs::read(MATCHES).unwrap());
    let told = lines_with(&mapping, &mapping.compile(), &mut Scratch::default(), &text).unwrap();
    let plays: Vec<&String> = told.iter().filter(|line| line.starts_with("play ")).collect();
    assert_eq!(plays.len(), 10);
    assert_eq!(
        plays[0],
        "play 65381645 2025-12-06T00:03:18Z x27 assists=15 deaths=3 hero=\"108\" kills=9 left=false level=20 mode=\"captains_mode\" net_worth=19278 neutral_item=\"71\" won=true"
    );
    assert_eq!(plays.iter().filter(|line| line.contains("won=true")).count(), 5);
    let items: Vec<&String> = told.iter().filter(|line| line.starts_with("item ")).collect();
    assert_eq!(items.len(), 59, "of sixty slots one is empty");
    assert_eq!(items[0], "item 65381645 2025-12-06T00:03:18Z x1 item=63");
    assert_eq!(told.len(), 69);
}

#[test]
fn every_event_of_a_real_match_has_an_id_of_its_own_that_a_repeat_keeps() {
    let (mapping, text) = (shipped("dota"), std::fs::read(MATCHES).unwrap());
    let ids = |text: &[u8]| {
        let mut ids = Vec::new();
        mapping.compile().map(&mut Scratch::default(), text, NOW, &mut |event| ids.push(event.id)).unwrap();
        ids
    };
    let compact: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let (first, again) = (ids(&text), ids(compact.to_string().as_bytes()));
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), 69);
    let sorted = |mut ids: Vec<u64>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!(sorted(first), sorted(again), "the same match, written otherwise");
}
