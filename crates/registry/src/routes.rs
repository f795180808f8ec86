//! HTTP of the registry for processes of the fleet and for operators: decode, call, reply.

use crate::access::{Fleet, Reader};
use crate::{Changes, Leased, Registration, Registry, Ticket};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Open, Path, Query, Reply};

pub(crate) fn routes(registry: Registry) -> web::Routes {
    OpenApiRouter::new()
        .routes(routes!(instances))
        .routes(routes!(changes))
        .routes(routes!(register, leave))
        .routes(routes!(renew))
        .routes(routes!(drain))
        .with_state(registry)
}

/// Which changes to tell.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChangesQuery {
    /// `version` of the answer before; 0 for everything.
    #[serde(default)]
    #[param(example = 0)]
    after: i64,
    /// How long to wait for a change, in milliseconds, up to 10,000.
    #[serde(default)]
    #[param(example = 0)]
    wait_ms: u32,
}

/// What proves that an instance speaks for itself.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "ticket": "3f0a6a0d2c0b4c7d9e1f2a3b4c5d6e7f" }))]
pub(crate) struct Proof {
    /// The ticket it registered with.
    #[schema(value_type = String)]
    pub(crate) ticket: Ticket,
}

/// Everyone who is there.
#[utoipa::path(get, path = "/v1/registry/instances", tag = "registry", security(("token" = [])), responses((status = 200, body = Changes)))]
async fn instances(State(registry): State<Registry>, _: Reader) -> Answer<Changes> {
    Reply::ok(registry.snapshot().await?)
}

/// What changed since a version. It is answered at once if something did, and otherwise when something does or the wait is over.
#[utoipa::path(get, path = "/v1/registry/changes", tag = "registry", security(("token" = [])), params(ChangesQuery), responses((status = 200, body = Changes)))]
async fn changes(State(registry): State<Registry>, _: Reader, Query(query): Query<ChangesQuery>) -> Answer<Changes> {
    Reply::ok(registry.changes_after(query.after, Duration::from_millis(u64::from(query.wait_ms))).await?)
}

/// Registers this process, or says that it is still as it was. For processes of the fleet.
#[utoipa::path(put, path = "/v1/registry/instances/{instance}", tag = "registry", security(("token" = [])), params(("instance" = String, Path, example = "payments-1-6f0c")), request_body = Registration, responses((status = 200, body = Leased), (status = 409, body = web::ProblemBody)))]
async fn register(State(registry): State<Registry>, _: Fleet, Path(instance): Path<String>, ask: Open<Registration>) -> Answer<Leased> {
    Reply::ok(registry.register(&instance, &ask.body).await?)
}

/// Renews this process's lease; 404 means that it has to register again.
#[utoipa::path(post, path = "/v1/registry/instances/{instance}/renew", tag = "registry", security(("token" = [])), params(("instance" = String, Path, example = "payments-1-6f0c")), request_body = Proof, responses((status = 200, body = Leased), (status = 404, body = web::ProblemBody)))]
async fn renew(State(registry): State<Registry>, _: Fleet, Path(instance): Path<String>, ask: Open<Proof>) -> Answer<Leased> {
    Reply::ok(registry.renew(&instance, &ask.body.ticket).await?)
}

/// Takes this process out of what gets new requests, while it finishes what it took.
#[utoipa::path(post, path = "/v1/registry/instances/{instance}/drain", tag = "registry", security(("token" = [])), params(("instance" = String, Path, example = "payments-1-6f0c")), request_body = Proof, responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn drain(State(registry): State<Registry>, _: Fleet, Path(instance): Path<String>, ask: Open<Proof>) -> Answer<()> {
    registry.drain(&instance, &ask.body.ticket).await?;
    Reply::done()
}

/// Takes this process out for good.
#[utoipa::path(delete, path = "/v1/registry/instances/{instance}", tag = "registry", security(("token" = [])), params(("instance" = String, Path, example = "payments-1-6f0c")), request_body = Proof, responses((status = 204), (status = 404, body = web::ProblemBody)))]
async fn leave(State(registry): State<Registry>, _: Fleet, Path(instance): Path<String>, ask: Open<Proof>) -> Answer<()> {
    registry.leave(&instance, &ask.body.ticket).await?;
    Reply::done()
}
