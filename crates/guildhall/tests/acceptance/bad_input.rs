//! What every route that takes a body, a path part or a query answers to nonsense: a clear refusal, and nothing changed.
//! Leaves the values each field may have to the crates that own them.

use super::dump::{Dumper, difference};
use super::ground::{BODY_LIMIT, Ground, roomy_engines};
use super::route::Route;
use super::table::ROUTES;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{Answer, Person, World};

/// Where one of a route's requests was turned into nonsense.
struct Case {
    what: String,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    /// What the detail has to name; nothing where the value is a secret or megabytes long.
    names: String,
}

impl Case {
    fn new(what: impl Into<String>, body: impl Into<Vec<u8>>, status: u16, code: &'static str, names: impl Into<String>) -> Case {
        Case { what: what.into(), body: body.into(), status, code, names: names.into() }
    }
}

/// Sends bytes as JSON.
pub(super) async fn send(person: &Person, method: Method, path: &str, body: Vec<u8>) -> (Answer, String) {
    finish(person.request(method, path).header("content-type", "application/json").body(body)).await
}

/// An answer with its content type.
async fn finish(request: reqwest::RequestBuilder) -> (Answer, String) {
    let response = request.send().await.expect("the server answers");
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let text = response.text().await.expect("the answer is whole");
    (Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }, kind)
}

/// The code of a problem as RFC 9457 has it; or what is wrong with the answer.
fn problem((answer, kind): &(Answer, String)) -> Result<String, String> {
    let code = answer["code"].as_str().unwrap_or_default().to_owned();
    let told = |name: &str| answer[name].as_str().is_some_and(|text| text.len() > 5);
    let holds = [
        ((400..500).contains(&answer.status), "is no refusal"),
        (kind == "application/problem+json", "is no problem+json"),
        (!code.is_empty() && answer["type"] == format!("/docs/errors/{code}"), "has no code with its page"),
        (answer["status"] == answer.status, "names another status"),
        (told("title") && told("detail"), "has no title or detail"),
        (answer.text.len() < 4_000, "is far too long"),
    ];
    match holds.into_iter().find(|(holds, _)| !holds) {
        Some((_, wrong)) => Err(format!("{wrong}: {} {:.400}", answer.status, answer.text)),
        None => Ok(code),
    }
}

#[track_caller]
fn assert_problem(answered: &(Answer, String), what: &str) -> String {
    problem(answered).unwrap_or_else(|wrong| panic!("{what} {wrong}"))
}

/// What is wrong with the answer to a case, if anything is.
fn wrong(case: &Case, answered: &(Answer, String)) -> Option<String> {
    let code = match problem(answered) {
        Ok(code) => code,
        Err(wrong) => return Some(wrong),
    };
    let detail = answered.0["detail"].as_str().unwrap_or_default();
    let is_as_told = (case.status == 0 || answered.0.status == case.status) && (case.code.is_empty() || code == case.code);
    (!is_as_told || !detail.contains(&case.names))
        .then(|| format!("is not {} {} naming {:?}: {:.400}", case.status, case.code, case.names, answered.0.text))
}

/// The schema of a route's body, with its references resolved.
fn schema<'a>(api: &'a Value, route: &Route) -> Option<&'a Value> {
    let body = &api["paths"][route.path][route.method.to_lowercase()]["requestBody"]["content"]["application/json"]["schema"];
    (!body.is_null()).then(|| resolved(api, body))
}

pub(super) fn resolved<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            resolved(api, api.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} leads nowhere")))
        }
        None => schema,
    }
}

/// The JSON types a field takes.
fn types<'a>(api: &'a Value, field: &'a Value) -> BTreeSet<&'a str> {
    let field = resolved(api, field);
    let several = ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|key| field[key].as_array()).flatten();
    let mut found: BTreeSet<&str> = several.flat_map(|one| types(api, one)).collect();
    match &field["type"] {
        Value::String(kind) => drop(found.insert(kind)),
        Value::Array(kinds) => found.extend(kinds.iter().filter_map(Value::as_str)),
        _ => {}
    }
    found
}

/// Bodies that are wrong whatever the route takes.
fn of_any_body(route: &Route) -> Vec<Case> {
    let mut cases: Vec<Case> = ["{", "nul", "{\"a\":1,}", "[]", "7", "\"text\"", "null", "{} {}", "{'a':1}"]
        .into_iter()
        .map(|text| Case::new(format!("body {text}"), text, 400, "bad-body", ""))
        .collect();
    cases.push(Case::new("an unknown field", r#"{"priec":1}"#, 400, "bad-body", if route.reads() { "" } else { "priec" }));
    cases.push(Case::new("bytes that are no UTF-8", b"{\"name\":\"\xff\xfe\"}".to_vec(), 400, "bad-body", ""));
    cases.push(Case::new("a raw NUL", b"{\"name\":\"a\0b\"}".to_vec(), 400, "bad-body", ""));
    cases.push(Case::new("an escaped NUL", r#"{"name":"a\u0000b"}"#, 400, "bad-text", "NUL"));
    cases.push(Case::new("half a surrogate pair", r#"{"name":"\ud800"}"#, 400, "bad-body", ""));
    cases.push(Case::new("a deep body", "[".repeat(BODY_LIMIT / 2), 400, "bad-body", ""));
    cases.push(Case::new("a deep value", format!("{{\"name\":{}", "[".repeat(BODY_LIMIT / 2)), 400, "bad-body", ""));
    cases.push(Case::new(
        "a body over the limit",
        format!("{{\"name\":\"{}\"}}", "x".repeat(BODY_LIMIT)),
        413,
        "body-too-large",
        "body_limit_bytes",
    ));
    cases
}

/// Bodies that are wrong in one field.
fn of_fields(api: &Value, schema: &Value, good: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for field in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(field);
        cases.push(Case::new(format!("without {field}"), body.to_string(), 400, "bad-body", field));
    }
    for (field, described) in schema["properties"].as_object().into_iter().flatten() {
        let kinds = types(api, described);
        assert!(!kinds.is_empty(), "{field} has no type: {described}");
        let with = |value: &str| {
            let mut body = good.clone();
            body[field] = json!("\u{1}");
            body.to_string().replace("\"\\u0001\"", value)
        };
        let mut wrong =
            |value: &str, names: &str| cases.push(Case::new(format!("{field} = {value:.60}"), with(value), 400, "bad-body", names));
        let samples = [
            ("string", "\"ab\""),
            ("integer", "17"),
            ("boolean", "true"),
            ("array", "[17]"),
            ("object", "{\"17\":17}"),
            ("null", "null"),
            ("number", "1.5"),
        ];
        samples.into_iter().filter(|(kind, _)| !kinds.contains(kind)).for_each(|(_, value)| wrong(value, ""));
        if kinds.contains("integer") {
            ["1e400", "1.5", "\"5\"", "9223372036854775808", "-9223372036854775809", "01", "+1", "0x10", "NaN"]
                .into_iter()
                .for_each(|value| wrong(value, ""));
            // A correction may lower.
            for value in [i64::MIN, -1, i64::MAX].into_iter().filter(|value| !(field == "by" && *value == -1)) {
                cases.push(Case::new(format!("{field} = {value}"), with(&value.to_string()), 0, "", value.to_string()));
            }
            if ["amount_minor", "quantity", "percent", "product"].contains(&field.as_str()) {
                cases.push(Case::new(format!("{field} = 0"), with("0"), 0, "", "0"));
            }
        }
        if kinds.contains("string") {
            cases.push(Case::new(format!("{field} overlong"), with(&format!("\"{}\"", "x".repeat(BODY_LIMIT / 2))), 0, "", ""));
            cases.push(Case::new(format!("{field} with NUL"), with(r#""a\u0000b""#), 400, "bad-text", "NUL"));
        }
        if kinds.contains("array") {
            let many: Vec<String> = (0..5_000).map(|n| format!("\"a{n}\"")).collect();
            cases.push(Case::new(format!("{field} with many texts"), with(&format!("[{}]", many.join(","))), 0, "", ""));
            let many: Vec<String> = (0..5_000).map(|n| (1_000_000 + n).to_string()).collect();
            cases.push(Case::new(format!("{field} with many numbers"), with(&format!("[{}]", many.join(","))), 0, "", ""));
        }
    }
    cases
}

fn parts_of_nonsense(part: &str) -> &'static [&'static str] {
    match part {
        "product" | "run" => &["abc", "1.5", "9223372036854775808", "%00", "..%2f", "%F0%9F%8E%AE", "1%20or%201=1", "0x10"],
        "game" => &["x", "Kart", "-kart", "a%00b", "a%20b", "%F0%9F%8E%AE", "a..%2f"],
        "role" => &["player2", "Admin", "%00", "1"],
        "placement" => &["%00", "a%20b", "Lobby", "..%2f..%2f", "%F0%9F%8E%AE"],
        "recipe" => &["7", "%00", "a%20b", "Top", "-top", "..%2f..%2f", "%F0%9F%8E%AE"],
        "instance" => &["%00", "a%20b", "..%2f..%2f", "%F0%9F%8E%AE"],
        // Any text is a name; one that cannot be stored is another test's.
        "campaign" | "player" | "goal" | "preset" => &[],
        _ => &[
            "7",
            "abc",
            "%00",
            "..%2f..%2f",
            "01890a5d-ac96-774b-bcce-b302099a805",
            "01890a5d-ac96-774b-bcce-b302099a805g",
            "%F0%9F%8E%AE",
        ],
    }
}

/// An id of the right form that names nothing.
fn unknown(part: &str) -> Vec<String> {
    match part {
        "product" => ["9223372036854775807", "0", "-1"].map(str::to_owned).to_vec(),
        "run" => vec!["9999".to_owned(), "-1".to_owned()],
        "game" => vec!["nothing".to_owned()],
        // An unknown instance is one that registers.
        // So does an unknown currency, which is defined; and an unknown placement is one without banners.
        "role" | "campaign" | "player" | "instance" | "currency" | "placement" => Vec::new(),
        "goal" | "preset" => vec!["nothing".to_owned()],
        _ => vec![kernel::PaymentId::new().to_string()],
    }
}

/// The public read that says no by its body.
const SAYS_NO: &str = "/v1/products/{product}/exists";

roomy_engines! {
    async fn a_bad_body_is_refused_clearly_and_changes_nothing(world: &World) {
        let ground = Ground::lay(world).await;
        let api = world.nobody().get("/openapi.json").await.expect(200);
        let dumper = Dumper::of(world.db()).await;
        let (mut before, mut codes, mut wrongs) = (dumper.dump(world.db()).await, BTreeSet::new(), Vec::new());
        for route in ROUTES.iter().filter(|route| !route.reads()) {
            let mut cases = of_any_body(route);
            if let Some(schema) = schema(&api, route) {
                cases.extend(of_fields(&api, schema, &(route.body)(&ground)));
            }
            for case in cases {
                let answered = send(ground.rightful(route), route.method(), &route.at(&ground), case.body.clone()).await;
                if let Some(wrong) = wrong(&case, &answered) {
                    wrongs.push(format!("{} with {} {wrong}", route.name(), case.what));
                }
                codes.extend(answered.0["code"].as_str().map(str::to_owned));
            }
            for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data; boundary=x", ""] {
                let request = ground.rightful(route).request(route.method(), &route.at(&ground)).header("content-type", kind);
                let answered = finish(request.body((route.body)(&ground).to_string())).await;
                codes.insert(assert_problem(&answered, &format!("{} as {kind}", route.name())));
                assert_eq!(answered.0.status, 415, "{} as {kind}: {}", route.name(), answered.0.text);
            }
            let after = dumper.dump(world.db()).await;
            wrongs.extend(difference(&before, &after).into_iter().map(|row| format!("{} changed {row}", route.name())));
            before = after;
        }
        assert!(wrongs.is_empty(), "{} answers are wrong:\n{}", wrongs.len(), wrongs.join("\n"));
        pages_exist(world, &codes).await;
    }

    async fn a_bad_idempotency_key_is_refused_and_changes_nothing(world: &World) {
        let ground = Ground::lay(world).await;
        let dumper = Dumper::of(world.db()).await;
        let before = dumper.dump(world.db()).await;
        let long = "k".repeat(web::KEY_MAX + 1);
        for route in ROUTES.iter().filter(|route| !route.reads()) {
            for key in [b"".as_slice(), b"two words", b"tab\there", "schl\u{fc}ssel".as_bytes(), b"\xff\xfe", long.as_bytes()] {
                let value = reqwest::header::HeaderValue::from_bytes(key).unwrap();
                let request = ground.rightful(route).request(route.method(), &route.at(&ground)).header("idempotency-key", value);
                let answered = finish(request.json(&(route.body)(&ground))).await;
                let code = assert_problem(&answered, &format!("{} with key {key:?}", route.name()));
                assert_eq!((answered.0.status, code.as_str()), (400, "bad-key"), "{} with key {key:?}", route.name());
            }
        }
        assert_eq!(difference(&before, &dumper.dump(world.db()).await), Vec::<String>::new());
    }

    async fn a_bad_path_is_refused_and_an_unknown_id_is_not_found(world: &World) {
        let ground = Ground::lay(world).await;
        let dumper = Dumper::of(world.db()).await;
        let (before, mut codes) = (dumper.dump(world.db()).await, BTreeSet::new());
        for route in ROUTES {
            for part in route.parts() {
                for nonsense in parts_of_nonsense(part) {
                    let what = format!("{} with {part} {nonsense}", route.name());
                    let answered = at(&ground, route, &route.at_with(&ground, part, nonsense)).await;
                    let code = assert_problem(&answered, &what);
                    assert_eq!((answered.0.status, code.as_str()), (400, "bad-path"), "{what}: {}", answered.0.text);
                    codes.insert(code);
                }
                for id in unknown(part) {
                    let what = format!("{} with unknown {part} {id}", route.name());
                    let answered = at(&ground, route, &route.at_with(&ground, part, &id)).await;
                    if route.path == SAYS_NO {
                        assert_eq!(answered.0["exists"], false, "{what}");
                        continue;
                    }
                    let code = assert_problem(&answered, &what);
                    assert_eq!((answered.0.status, code.as_str()), (404, "not-found"), "{what}: {}", answered.0.text);
                    assert!(answered.0["detail"].as_str().unwrap().contains(&id), "{what}: {}", answered.0.text);
                }
            }
        }
        assert_eq!(difference(&before, &dumper.dump(world.db()).await), Vec::<String>::new());
        pages_exist(world, &codes).await;
    }

    async fn a_method_that_a_route_does_not_take_is_told_so(world: &World) {
        let ground = Ground::lay(world).await;
        let dumper = Dumper::of(world.db()).await;
        let before = dumper.dump(world.db()).await;
        let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
        for path in paths {
            let of_path: Vec<&Route> = ROUTES.iter().filter(|route| route.path == path).collect();
            let takes = |method: &str| matched(path, method);
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE"].into_iter().filter(|method| !takes(method)) {
                let answered = finish(ground.boss.request(method.parse().unwrap(), &of_path[0].at(&ground)).json(&json!({}))).await;
                let code = assert_problem(&answered, &format!("{method} {path}"));
                assert_eq!((answered.0.status, code.as_str()), (405, "wrong-method"), "{method} {path}");
                assert!(answered.0["detail"].as_str().unwrap().contains(method), "{method} {path}: {}", answered.0.text);
            }
        }
        assert_eq!(difference(&before, &dumper.dump(world.db()).await), Vec::<String>::new());
        pages_exist(world, &["wrong-method".to_owned()].into()).await;
    }

    async fn a_query_that_no_list_takes_is_refused(world: &World) {
        let ground = Ground::lay(world).await;
        let api = world.nobody().get("/openapi.json").await.expect(200);
        let mut looked_at = 0;
        for route in ROUTES.iter().filter(|route| route.reads()) {
            let parameters = api["paths"][route.path]["get"]["parameters"].as_array().cloned().unwrap_or_default();
            let taken: Vec<&str> = parameters.iter().filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str()).collect();
            if taken.is_empty() {
                continue;
            }
            looked_at += 1;
            let path = route.at(&ground);
            let joined = |query: &str| format!("{path}{}{query}", if path.contains('?') { "&" } else { "?" });
            let mut bad = vec![("colour=red", "bad-query")];
            for (name, queries) in [
                ("size", ["size=0", "size=101", "size=-1", "size=ten", "size=99999999999999999999", "size=1.5", "size=%00"].as_slice()),
                ("page", &["page=0", "page=-1", "page=x", "page=4294967296"]),
                ("page_number", &["page_number=0", "page_number=-1", "page_number=x"]),
            ] {
                bad.extend(queries.iter().filter(|_| taken.contains(&name)).map(|query| (*query, "bad-query")));
            }
            if taken.contains(&"cursor") {
                bad.extend(["cursor=%21nonsense", "cursor=%F0%9F%8E%AE", "cursor=", "cursor=%00"].map(|query| (query, "bad-cursor")));
            }
            for (query, expected) in bad {
                let what = format!("{} with {query}", route.name());
                let answered = at(&ground, route, &joined(query)).await;
                let code = assert_problem(&answered, &what);
                assert_eq!((answered.0.status, code.as_str()), (400, expected), "{what}: {}", answered.0.text);
            }
        }
        assert!(looked_at > 10, "lists take queries");
    }
}

/// Whether some row of the table takes a method at a path; a fixed path such as `/v1/accounts/me` also lies under `/v1/accounts/{user}`.
fn matched(path: &str, method: &str) -> bool {
    ROUTES.iter().any(|route| route.path == path && route.method == method)
}

async fn at(ground: &Ground, route: &Route, path: &str) -> (Answer, String) {
    let request = ground.rightful(route).request(route.method(), path);
    finish(if route.reads() { request } else { request.json(&(route.body)(ground)) }).await
}

/// Every code that was answered has its page.
async fn pages_exist(world: &World, codes: &BTreeSet<String>) {
    assert!(!codes.is_empty());
    for code in codes {
        let page = world.nobody().get(&format!("/docs/errors/{code}")).await;
        assert_eq!(page.status, 200, "{code} has no page");
        assert!(page.text.contains(code.as_str()), "{code}: {}", page.text);
    }
}
