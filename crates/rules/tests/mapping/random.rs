//! Random events, written in every format: mappings that mean the same give the same events.

use super::ground::{lines_with, mapping};
use kernel::Instant;
use proptest::prelude::*;
use rules::Scratch;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
struct Happened {
    id: u32,
    player: String,
    kind: &'static str,
    at_ms: i64,
    amount: i64,
    item: Option<String>,
    level: Option<i64>,
    won: bool,
}

fn happened() -> impl Strategy<Value = Happened> {
    let text = "[a-zA-Z가-힣\"'\\\\ ,;]{0,12}[a-z가-힣]";
    let kind = prop_oneof![Just("login"), Just("play"), Just("item")];
    let numbers = (any::<u32>(), 0_i64..1_795_000_000_000, 0..=i64::MAX, prop::option::of(any::<i64>()), any::<bool>());
    (numbers, text, kind, prop::option::of(text)).prop_map(|((id, at_ms, amount, level, won), player, kind, item)| Happened {
        id,
        player,
        kind,
        at_ms,
        amount,
        item,
        level,
        won,
    })
}

impl Happened {
    fn line(&self) -> String {
        let at = Instant(self.at_ms * 1000).to_string().replace(".000000Z", "Z");
        let item = self.item.as_ref().map_or(String::new(), |item| format!(" item={item}"));
        let level = self.level.map_or(String::new(), |level| format!(" level={level}"));
        format!("{} {} {at} x{}{item}{level} won={}", self.kind, self.player, self.amount, self.won)
    }

    fn nested(&self) -> String {
        json!({ "h": {"no": self.id, "ts": self.at_ms}, "who": [{"id": self.player}], "유형": korean(self.kind),
            "body": {"n": self.amount, "i": self.item, "l": self.level, "w": self.won} })
        .to_string()
    }

    fn texts(&self) -> String {
        json!({ "no": self.id.to_string(), "time": local(self.at_ms), "player": self.player, "type": self.kind, "n": self.amount.to_string(),
            "item": self.item.as_deref().unwrap_or(""), "level": self.level.map_or("none".to_owned(), |level| level.to_string()),
            "won": if self.won { "1" } else { "" } }).to_string()
    }

    fn columns(&self, delimiter: &str) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let item = self.item.as_deref().map_or(String::new(), quoted);
        let level = self.level.map_or(String::new(), |level| level.to_string());
        let fields = [
            self.id.to_string(),
            local(self.at_ms),
            quoted(&self.player),
            korean(self.kind).to_owned(),
            self.amount.to_string(),
            item,
            level,
            self.won.to_string(),
        ];
        fields.join(delimiter)
    }

    fn text(&self) -> String {
        let (item, level) = (
            self.item.as_ref().map_or(String::new(), |item| format!(" with [{item}]")),
            self.level.map_or(String::new(), |level| format!(" at {level}")),
        );
        format!(
            "{} <{}> {} {}{item}{level} won={} #{}",
            local(self.at_ms),
            self.player,
            self.kind,
            self.amount,
            u8::from(self.won),
            self.id
        )
    }
}

fn korean(kind: &str) -> &'static str {
    match kind {
        "login" => "접속",
        "play" => "전투",
        _ => "획득",
    }
}

/// As a clock in Seoul shows it; nine hours since 1988 and in 1970, not always between.
fn local(at_ms: i64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(at_ms).unwrap();
    stamp.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(9))).strftime("%Y-%m-%dT%H:%M:%S.%3f+09:00").to_string()
}

fn kinds() -> Value {
    json!({"접속": "login", "전투": "play", "획득": "item"})
}

fn documents() -> [Value; 5] {
    let columns = json!(["no", "time", "player", "type", "n", "item", "level", "won"]);
    let lines = |format: Value| {
        json!({ "format": format, "id": "no", "player": "player", "at": "time", "kind": {"path": "type", "map": kinds()},
        "amount": "n", "item": "item", "attributes": {"level": {"path": "level", "type": "integer"}, "won": {"path": "won", "type": "flag"}} })
    };
    [
        json!({ "format": "json", "id": "h.no", "player": "who.0.id", "at": {"path": "h.ts", "as": "milliseconds"}, "kind": {"path": "유형", "map": kinds()},
            "amount": "body.n", "item": "body.i", "attributes": {"level": {"path": "body.l", "type": "integer"}, "won": {"path": "body.w", "type": "flag"}} }),
        json!({ "format": "json", "id": "no", "player": "player", "at": "time", "kind": "type", "amount": "n", "item": {"path": "item", "none": [""]},
            "attributes": {"level": {"path": "level", "type": "integer", "none": ["none"]}, "won": {"path": "won", "type": "flag"}} }),
        lines(json!({"type": "csv", "columns": columns})),
        lines(json!({"type": "delimited", "delimiter": "|", "columns": columns})),
        json!({ "format": "text", "id": "no", "player": "player", "at": "at", "kind": "kind", "amount": "n", "item": "item",
            "attributes": {"level": {"path": "level", "type": "integer"}, "won": {"path": "won", "type": "flag"}},
            "events": [{"pattern": "^(?<at>\\S+) <(?<player>[^>]*)> (?<kind>\\w+) (?<n>\\d+)(?: with \\[(?<item>[^\\]]*)\\])?(?: at (?<level>-?\\d+))? won=(?<won>[01]) #(?<no>\\d+)$"}] }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_happened_reads_the_same_from_every_format(all in prop::collection::vec(happened(), 1..8)) {
        let mappings = documents().map(|document| mapping(&document));
        let mut scratches: Vec<Scratch> = mappings.iter().map(|_| Scratch::default()).collect();
        for one in &all {
            let records = [one.nested(), one.texts(), one.columns(","), one.columns("|"), one.text()];
            let mut ids = Vec::new();
            for ((mapping, scratch), text) in mappings.iter().zip(&mut scratches).zip(&records) {
                let mapper = mapping.compile();
                let told = lines_with(mapping, &mapper, scratch, text.as_bytes());
                prop_assert_eq!(told.as_deref(), Ok(&[one.line()][..]), "{}", text);
                mapper.map(scratch, text.as_bytes(), Instant(i64::MAX), &mut |event| ids.push(event.id)).unwrap();
            }
            prop_assert!(ids.iter().all(|id| *id == ids[0]), "the same id, whatever the format: {:?}", ids);
        }
    }
}
