//! The shipped mappings, each with records as its game writes them.

use super::ground::{lines, mapping};
use rules::{Mapping, preset, presets};

fn shipped(name: &str) -> Mapping {
    mapping(&serde_json::from_str(preset(name).unwrap()).unwrap())
}

fn mapped(name: &str, record: &str) -> Vec<String> {
    lines(&shipped(name), record.as_bytes()).unwrap_or_else(|unfit| panic!("{unfit}: {record}"))
}

#[test]
fn every_shipped_mapping_is_right() {
    assert_eq!(presets(), ["baram", "dota", "kartrider", "kartrush", "source_server", "suddenattack"]);
    for name in presets() {
        assert!(!shipped(name).attributes().is_empty(), "{name}");
    }
    assert!(preset("kart").is_none());
}

#[test]
fn kartrider_has_numbers_and_flags_as_texts() {
    let (kart, track) = ("ab".repeat(32), "cd".repeat(32));
    let play = format!(
        r#"{{"logId":"k1","type":"play","accountNo":"1000001","kart":"{kart}","trackId":"{track}","gameMode":"ranked","matchRank":"1","matchWin":"1","startTime":"2026-11-21T08:56:00","endTime":"2026-11-21T09:00:00.5"}}"#
    );
    assert_eq!(
        mapped("kartrider", &play),
        [format!(
            "play 1000001 2026-11-21T09:00:00.500000Z x4 item={kart} mode=\"ranked\" rank=1 retired=false track=\"{track}\" won=true"
        )]
    );
    let retired = play.replace("\"matchRank\":\"1\",\"matchWin\":\"1\"", "\"matchRank\":\"99\",\"matchWin\":\"\"");
    assert_eq!(
        mapped("kartrider", &retired),
        [format!("play 1000001 2026-11-21T09:00:00.500000Z x4 item={kart} mode=\"ranked\" retired=true track=\"{track}\" won=false")]
    );
}

#[test]
fn kartrush_has_milliseconds_and_a_payload() {
    let text = r#"{"event_id":"e1","event_type":"race_finish","user_id":"u1","ts":1795251600000,"server":"kr1","payload":{"mode":"ranked","rank":1,"score":9120,"kart_id":"cotton","started_at":1795251410000}}"#;
    assert_eq!(
        mapped("kartrush", text),
        ["play u1 2026-11-21T09:00:00Z x3 item=cotton mode=\"ranked\" rank=1 score=9120 server=\"kr1\" won=true"]
    );
}

#[test]
fn baram_has_korean_names_and_local_times() {
    assert_eq!(
        mapped("baram", "2026-11-21 18:00:00|사냥|용사1|연|57|도깨비|3|12|77"),
        ["play 용사1 2026-11-21T09:00:00Z x12 item=도깨비 kills=3 level=57 server=\"yeon\""]
    );
    assert_eq!(
        mapped("baram", "2026-11-21 18:00:00|획득|용사1|무휼|57|도토리|30||78"),
        ["item 용사1 2026-11-21T09:00:00Z x30 item=도토리 level=57 server=\"muhyul\""]
    );
    assert!(mapped("baram", "2026-11-21 18:00:00|대화|용사1|무휼|57||||79").is_empty());
}

#[test]
fn suddenattack_has_one_record_for_all_players_of_a_match() {
    let text = r#"{"type":"match","match_id":"m1","date_match":"2026-11-21T09:00:00.000Z","match_type":"폭파미션","minutes":11,"players":[
        {"ouid":"a","match_result":"1","kill":12,"death":3,"level":41,"rival_level":44},{"ouid":"b","match_result":"3","kill":0,"death":9,"level":7,"rival_level":0}]}"#;
    assert_eq!(
        mapped("suddenattack", text),
        [
            "play a 2026-11-21T09:00:00Z x11 deaths=3 kills=12 level=41 mode=\"bomb\" opponent_level=44 result=\"win\" won=true",
            "play b 2026-11-21T09:00:00Z x11 deaths=9 kills=0 level=7 mode=\"bomb\" result=\"draw\" won=false",
        ]
    );
    assert!(!shipped("suddenattack").keyed_by_player());
}
