//! One trace from a request to the webhook that comes of it, as a collector gets it; and the lines of the log on the way.
//! Leaves what stands in answers and deliveries to the tests of their crates.

use crate::collector::{Collector, Receiver};
use crate::store::Engine;
use crate::town::{PASSWORD, Town, until};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Method;
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name}"))
}

fn parent_of<'s>(spans: &'s [Span], of: &Span) -> &'s Span {
    spans.iter().find(|span| span.span_id == of.parent_span_id).unwrap_or_else(|| panic!("{} has no parent here", of.name))
}

async fn one_trace(town: impl AsyncFnOnce(&[(&'static str, String)]) -> Option<Town>) {
    let collector = Collector::start().await;
    let Some(town) = town(&[("GUILDHALL_TELEMETRY_OTLP_URL", collector.url())]).await else { return };
    let receiver = Receiver::start().await;
    town.webhook(&receiver.url()).await;
    town.log_in(&["p1".to_owned()]).await;
    town.until_reached("p1").await;
    town.claim("p1", Some(&format!("00-{TRACE}-{CALLER}-01"))).await;
    until("the webhook was told", async || !receiver.got().is_empty()).await;
    let last = if town.around.is_some() { "gateway" } else { "webhook claim.granted" };
    until("the trace is complete", async || {
        let spans = collector.trace(TRACE);
        [last, "webhook claim.granted"].iter().all(|name| spans.iter().any(|span| span.name == *name))
    })
    .await;
    let spans = collector.trace(TRACE);
    let request = spans.iter().find(|span| span.name.starts_with("POST /v1/games/{game}/campaigns/{campaign}/players/"));
    let request = request.expect("a request by the name of its route");
    assert_eq!(request.kind, SpanKind::Server as i32);
    let first = match &town.around {
        Some(_) => parent_of(&spans, request),
        None => request,
    };
    assert_eq!((hex::encode(&first.parent_span_id).as_str(), town.around.is_some()), (CALLER, first.name == "gateway"));
    let batch = named(&spans, "campaigns.claim");
    assert_eq!(parent_of(&spans, batch).span_id, request.span_id);
    let append = spans.iter().find(|span| span.name.contains("db.append_outbox")).expect("the statement that announces");
    assert_eq!(parent_of(&spans, append).span_id, batch.span_id);
    let sent = named(&spans, "webhook claim.granted");
    assert_eq!(sent.parent_span_id, batch.span_id, "the webhook goes on from the batch that made it true");
    let told: Vec<String> =
        receiver.got().iter().filter_map(|headers| Some(headers.get("traceparent")?.to_str().ok()?.to_owned())).collect();
    assert!(told.contains(&format!("00-{TRACE}-{}-01", hex::encode(&sent.span_id))), "the receiver is told: {told:?}");
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_leads_from_the_request_through_the_database_to_the_webhook_on_sqlite() {
    one_trace(async |settings| Town::found("traced", Engine::Sqlite, settings).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_leads_from_the_gateway_through_the_database_to_the_webhook_in_a_fleet() {
    one_trace(async |settings| Town::fleet("traced", settings).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_the_log_name_their_request_and_hold_no_secret() {
    let settings = [("GUILDHALL_LOG_FILTER", "debug".to_owned())];
    let mut town = Town::found("lines", Engine::Sqlite, &settings).await.expect("it is on SQLite");
    town.sign_up("zoe-9z@example.org").await;
    town.charge(100).await;
    // A table that is gone is a fault of ours, which is logged once with all that is known.
    let database = format!("sqlite:{}", town.store.folder().join("guildhall.db").display());
    db::run_once(&database, "alter table wishlist rename to wishlist_gone").await.expect("the table is there");
    let product = town.product("Castle", 100).await;
    let request = town.client.post(format!("{}/v1/wishlist", town.server.url())).bearer_auth(&town.token);
    let answer = request.header("x-request-id", "line-7").json(&json!({ "product": product })).send().await.expect("it answers");
    assert_eq!(answer.status().as_u16(), 500);
    db::run_once(&database, "alter table wishlist_gone rename to wishlist").await.expect("the table is there");
    town.ask(Method::GET, "/v1/wishlist", Value::Null).await;
    let mut lines = Vec::new();
    until("the fault is in the log", async || {
        lines.extend(town.server.lines());
        lines.iter().any(|line| line.contains("\"ERROR\"") && line.contains("line-7"))
    })
    .await;
    for line in &lines {
        let read: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(["timestamp", "level", "target", "message"].iter().all(|field| read[field].is_string()), "{line}");
        for secret in [PASSWORD, town.token.as_str(), town.key.as_str(), "zoe-9z", "Bearer"] {
            assert!(!line.contains(secret), "{secret} is in the log: {line}");
        }
    }
    let failed: Vec<Value> =
        lines.iter().filter(|line| line.contains("\"ERROR\"")).map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_of_request = |line: &&Value| {
        let spans = line["spans"].as_array().into_iter().flatten();
        line["request_id"] == "line-7" && spans.clone().count() > 0 && spans.clone().all(|span| span["request_id"] == "line-7")
    };
    assert!(failed.iter().any(|line| is_of_request(&line)), "no line names the request: {failed:#?}");
    // A writer's line is about a batch, and names the kind of command.
    let strangers: Vec<&Value> = failed.iter().filter(|line| !is_of_request(line) && !line["command"].is_string()).collect();
    assert!(strangers.is_empty(), "{strangers:#?}");
}
