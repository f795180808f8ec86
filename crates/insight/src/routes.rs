//! HTTP of insight, for operators: decode, call, reply.

use crate::Insight;
use crate::report::{Advice, Finding, StatementReport};
use axum::extract::State;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Operator, Reply};

pub(crate) fn routes(insight: Insight) -> web::Routes {
    OpenApiRouter::new().routes(routes!(statements)).routes(routes!(advice)).routes(routes!(findings)).with_state(insight)
}

/// What statements cost, those first that take most of the time.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(example = json!({ "engine": "postgres", "items": [{ "name": "payments.of_player", "text": "select …", "calls": 1200, "rows": 4800,
    "mean_ms": 4.2, "p50_ms": 3.9, "p95_ms": 7.1, "p99_ms": 11.0, "share": 41.5 }], "notes": [] }))]
struct Statements {
    /// `sqlite` or `postgres`.
    engine: String,
    /// The statements of all processes in the last hour.
    items: Vec<StatementReport>,
    /// What could not be looked at, and why.
    notes: Vec<String>,
}

/// Indexes that would help.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(example = json!({ "items": [], "notes": [] }))]
struct AdviceList {
    /// Those first that help most.
    items: Vec<Advice>,
    /// What could not be judged, and why.
    notes: Vec<String>,
}

/// What is wrong beside missing indexes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(example = json!({ "items": [{ "kind": "unused-index", "about": "payment_by_state", "says": "no statement has used it",
    "right": "drop index concurrently payment_by_state" }] }))]
struct Findings {
    items: Vec<Finding>,
}

/// What every named statement costs, with the plans of the heaviest.
#[utoipa::path(get, path = "/v1/insight/statements", tag = "insight", security(("token" = [])), responses((status = 200, body = Statements)))]
async fn statements(State(insight): State<Insight>, _: Operator) -> Answer<Statements> {
    let report = insight.report().await?;
    Reply::ok(Statements { engine: report.engine.clone(), items: report.statements.clone(), notes: report.notes.clone() })
}

/// Indexes that would help, judged by the engine itself; none is made by this.
#[utoipa::path(get, path = "/v1/insight/advice", tag = "insight", security(("token" = [])), responses((status = 200, body = AdviceList)))]
async fn advice(State(insight): State<Insight>, _: Operator) -> Answer<AdviceList> {
    let report = insight.report().await?;
    Reply::ok(AdviceList { items: report.advice.clone(), notes: report.notes.clone() })
}

/// Needless indexes, repeats within requests, long transactions, waits, bloat, missing statistics.
#[utoipa::path(get, path = "/v1/insight/findings", tag = "insight", security(("token" = [])), responses((status = 200, body = Findings)))]
async fn findings(State(insight): State<Insight>, _: Operator) -> Answer<Findings> {
    Reply::ok(Findings { items: insight.report().await?.findings.clone() })
}
