//! Requests, cursors and answers of recipes, without a database.

use super::*;
use serde_json::json;

fn current() -> Current {
    let definition: Definition = serde_json::from_value(json!({
        "description": "players", "sql": "select level, player, :game as g from players where level >= :level and :now > 0", "row_limit": 50,
        "parameters": [{ "name": "word", "type": "text", "default": "" }, { "name": "level", "type": "integer" }], "order": ["-level", "player"],
    }))
    .unwrap();
    let columns = ["level", "player", "g"].map(|name| Returned { name: name.to_owned(), kind: "any".to_owned() }).to_vec();
    // `word` is declared and not used: nobody could register that, and here it shows that values find their places by name.
    let used = Definition { parameters: definition.parameters[1..].to_vec(), ..definition.clone() };
    let foreign = decide::foreign(&used).unwrap();
    let (order, meter) = (decide::order(&definition), db::statistics::meter("recipe:page_test", "select 1"));
    Current { version: 3, definition, columns, foreign, order, meter }
}

fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap()).collect()
}

#[test]
fn a_request_is_read_strictly() {
    let definition = &current().definition;
    let good = asked(definition, &query("level=7&size=5&cursor=ab"), None).unwrap();
    assert_eq!((good.values, good.size, good.format), (vec![Value::Text("".into()), Value::Int(7)], 5, Format::Json));
    for (wrong, word) in [
        ("", "level is missing: level=… of type integer would be right"),
        ("level=x", "no integer"),
        ("level=1&levle=2", "\"levle\" is no parameter of this recipe: one of word, level, size, cursor, format"),
        ("level=1&level=2", "stands twice"),
        ("level=1&size=51", "outside 1 to 50"),
        ("level=1&size=0", "outside 1 to 50"),
        ("level=1&format=xml", "json or csv"),
    ] {
        let refusal = asked(definition, &query(wrong), None).unwrap_err();
        assert!(refusal.code == Code::BadQuery && refusal.detail.contains(word), "{wrong}: {refusal}");
    }
}

#[test]
fn csv_is_asked_for_by_parameter_or_header() {
    let definition = &current().definition;
    let format = |text: &str, accept: Option<&str>| asked(definition, &query(text), accept).unwrap().format;
    assert_eq!(format("level=1&format=csv", None), Format::Csv);
    assert_eq!(format("level=1", Some("text/csv")), Format::Csv);
    assert_eq!(format("level=1", Some("text/csv;q=0.9, */*")), Format::Csv);
    assert_eq!(format("level=1", Some("application/json, text/csv")), Format::Json);
    assert_eq!(format("level=1&format=json", Some("text/csv")), Format::Json);
}

#[test]
fn arguments_stand_in_the_statements_order() {
    let current = current();
    let asked = asked(&current.definition, &query("level=7"), None).unwrap();
    let names: Vec<&str> = current.foreign.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["level", "game", "now"]);
    assert_eq!(arguments(&current, &asked, "kart", Instant(9)), [Value::Int(7), Value::Text("kart".into()), Value::Int(9)]);
}

#[test]
fn a_cursor_is_good_for_the_question_it_was_given_out_for() {
    let current = current();
    let (mine, other) = (fingerprint("top", 3, "kart", &[Value::Int(7)]), fingerprint("top", 3, "kart", &[Value::Int(8)]));
    let cursor = cursor_after(&current, &[json!(40), json!("p\"1"), json!("kart")], &mine).unwrap();
    assert_eq!(read_cursor(&current, &cursor, &mine).unwrap(), [Value::Int(40), Value::Text("p\"1".into())]);
    let forged = Cursor(hex::encode(serde_json::to_vec(&json!([mine, [1, null]])).unwrap()));
    for wrong in [&Cursor("zz".to_owned()), &Cursor("6a".to_owned()), &forged, &Cursor(String::new())] {
        assert_eq!(read_cursor(&current, wrong, &mine).unwrap_err().code, Code::BadCursor, "{wrong:?}");
    }
    assert_eq!(read_cursor(&current, &cursor, &other).unwrap_err().code, Code::BadCursor);
    assert_eq!(cursor_after(&current, &[json!(null), json!("p1"), json!("")], &mine), None, "nothing comes after null");
    assert_ne!(mine, fingerprint("top", 4, "kart", &[Value::Int(7)]));
}

#[test]
fn columns_keep_their_order_and_csv_is_quoted_where_it_must_be() {
    let current = current();
    let rows = [vec![json!(1), json!("a,\"b\""), json!(null)], vec![json!(2.5), json!("line\nbreak"), json!(true)]];
    let text = String::from_utf8(json("top", 3, &current.columns, &rows, Some(&Cursor("ab".to_owned())))).unwrap();
    assert_eq!(
        text,
        r#"{"recipe":"top","version":3,"items":[{"level":1,"player":"a,\"b\"","g":null},{"level":2.5,"player":"line\nbreak","g":true}],"next":"ab"}"#
    );
    let text = String::from_utf8(csv(&current.columns, &rows)).unwrap();
    assert_eq!(text, "level,player,g\r\n1,\"a,\"\"b\"\"\",\r\n2.5,\"line\nbreak\",true\r\n");
}
