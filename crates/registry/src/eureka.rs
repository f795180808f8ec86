//! Eureka's REST protocol, as its Java client speaks it, so that a Spring Cloud service joins unmodified.
//! Refuses to let its clients register under the name of a service of our own, or to touch what others registered.

mod answers;
mod body;
mod document;
mod xml;

pub(crate) use answers::Answers;

use self::answers::{What, answer};
use crate::access::EurekaClient;
use crate::commands::{Asked, Named};
use crate::decide::Record;
use crate::model::Status;
use crate::view::View;
use crate::{Registry, eureka::body::Form};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use kernel::{Code, Refusal, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use web::Problem;

/// A change is part of a delta for this long, in microseconds; the Java client asks each 30 seconds.
const DELTA_US: i64 = 180 * kernel::time::SECOND_US;

type Told = Result<Response, Problem>;
type Parameters = Query<BTreeMap<String, String>>;

pub(crate) fn routes(registry: Registry) -> Router {
    Router::new()
        .route("/eureka/apps", get(apps))
        .route("/eureka/apps/", get(apps))
        .route("/eureka/apps/delta", get(delta))
        .route("/eureka/apps/{app}", get(app).post(register))
        .route("/eureka/apps/{app}/{instance}", get(one).put(renew).delete(cancel))
        .route("/eureka/apps/{app}/{instance}/status", put(force).delete(release))
        .route("/eureka/apps/{app}/{instance}/metadata", put(describe))
        .route("/eureka/instances/{instance}", get(instance))
        .route("/eureka/vips/{vip}", get(vip))
        .route("/eureka/svips/{vip}", get(svip))
        .layer(from_fn_with_state(registry.clone(), only_clients))
        .with_state(registry)
}

async fn only_clients(State(registry): State<Registry>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if EurekaClient::is_known(&parts, &registry) {
        return without_words(next.run(Request::from_parts(parts, body)).await);
    }
    let told = match registry.guard.policy.eureka {
        Some(_) => "Eureka's clients show the name and password of registry.eureka: http://NAME:PASSWORD@HOST:PORT/eureka/ would be right",
        None => "without registry.eureka only clients on the registry's own machine are served",
    };
    let mut response = Problem::from(Refusal::new(Code::Unauthenticated, told)).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"eureka\""));
    without_words(response)
}

/// The Java client goes by the status, and fails on a body that is no instance as it knows them.
fn without_words(response: Response) -> Response {
    if response.status().is_success() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

/// Everyone, as every client fetches it once.
async fn apps(State(registry): State<Registry>, headers: HeaderMap) -> Told {
    answer(&registry, &headers, What::Everyone, |view| {
        let entries = view.present().flat_map(|record| entries(record, "ADDED"));
        applications(view, entries.collect())
    })
    .await
}

/// What changed of late, and the hash of everyone, by which a client sees whether it missed something.
async fn delta(State(registry): State<Registry>, headers: HeaderMap) -> Told {
    let since = registry.db.now().plus_us(-DELTA_US);
    answer(&registry, &headers, What::Delta, |view| {
        let entries = view.all().filter(|record| record.changed_at > since).flat_map(|record| entries(record, action(record)));
        applications(view, entries.collect())
    })
    .await
}

fn action(record: &Record) -> &'static str {
    match record.status {
        Status::Gone => "DELETED",
        _ if record.registered_at == record.changed_at => "ADDED",
        _ => "MODIFIED",
    }
}

async fn app(State(registry): State<Registry>, Path(app): Path<String>, headers: HeaderMap) -> Told {
    let view = registry.view().await?;
    let app = app.to_ascii_uppercase();
    let found: Vec<Entry> = view.present().flat_map(|record| entries(record, "ADDED")).filter(|entry| entry.0 == app).collect();
    if found.is_empty() {
        return Err(Refusal::not_found("application", app).into());
    }
    body::reply(&headers, "application", grouped(found).remove(0))
}

async fn one(State(registry): State<Registry>, Path((app, id)): Path<(String, String)>, headers: HeaderMap) -> Told {
    let view = registry.view().await?;
    let app = app.to_ascii_uppercase();
    let found = view.present().flat_map(|record| entries(record, "ADDED")).find(|entry| entry.0 == app && entry.1["instanceId"] == *id);
    let (_, found) = found.ok_or_else(|| Refusal::not_found("instance", format!("{app}/{id}")))?;
    body::reply(&headers, "instance", found)
}

async fn instance(State(registry): State<Registry>, Path(id): Path<String>, headers: HeaderMap) -> Told {
    let view = registry.view().await?;
    let found = view.present().flat_map(|record| entries(record, "ADDED")).find(|entry| entry.1["instanceId"] == *id);
    let (_, found) = found.ok_or_else(|| Refusal::not_found("instance", id))?;
    body::reply(&headers, "instance", found)
}

async fn vip(State(registry): State<Registry>, Path(vip): Path<String>, headers: HeaderMap) -> Told {
    by_address(&registry, &headers, "vipAddress", &vip).await
}

async fn svip(State(registry): State<Registry>, Path(vip): Path<String>, headers: HeaderMap) -> Told {
    by_address(&registry, &headers, "secureVipAddress", &vip).await
}

async fn by_address(registry: &Registry, headers: &HeaderMap, field: &str, wanted: &str) -> Told {
    let view = registry.view().await?;
    let named = |entry: &Entry| entry.1[field].as_str().is_some_and(|named| named.split(',').any(|name| name.trim() == wanted));
    let found: Vec<Entry> = view.present().flat_map(|record| entries(record, "ADDED")).filter(named).collect();
    if found.is_empty() {
        return Err(Refusal::not_found("application at the address", wanted).into());
    }
    body::reply(headers, "applications", applications(&view, found))
}

/// A client says all there is to say of itself; 204 is what it waits for.
async fn register(State(registry): State<Registry>, Path(app): Path<String>, headers: HeaderMap, bytes: Bytes) -> Told {
    let told = body::read(&headers, &bytes, "instance")?;
    let asked = document::registration(&app, told)?;
    let Asked::Register { record, .. } = &asked else { return Err(Problem::internal("a registration is read as something else")) };
    let reserved = |service: &&String| registry.guard.policy.reserved.contains(service);
    if let Some(service) = record.services.iter().find(reserved) {
        let told = format!("{service:?} is a service of the fleet itself: another application's name would be right");
        return Err(Refusal::new(Code::Forbidden, told).into());
    }
    registry.change(asked).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// 404 tells a client to register again, as when it has more to say than is known here.
async fn renew(State(registry): State<Registry>, Path((app, id)): Path<(String, String)>, Query(query): Parameters) -> Told {
    let dirty_at = query.get("lastDirtyTimestamp").and_then(|text| text.parse().ok()).unwrap_or(0);
    registry.renewal(named(&app, &id)?, dirty_at).await?;
    Ok(StatusCode::OK.into_response())
}

async fn cancel(State(registry): State<Registry>, Path((app, id)): Path<(String, String)>) -> Told {
    registry.change(Asked::Leave(named(&app, &id)?)).await?;
    Ok(StatusCode::OK.into_response())
}

/// Puts a status over what the instance says, as to take it out of service for a while.
async fn force(State(registry): State<Registry>, Path((app, id)): Path<(String, String)>, Query(query): Parameters) -> Told {
    let status = query.get("value").ok_or_else(|| Refusal::new(Code::BadQuery, "no value: ?value=OUT_OF_SERVICE would be right"))?;
    let forced = document::status(status)?;
    registry.change(Asked::Force(named(&app, &id)?, Some(forced), None)).await?;
    Ok(StatusCode::OK.into_response())
}

/// Takes that status away; `value` is what the instance is believed to say from then on.
async fn release(State(registry): State<Registry>, Path((app, id)): Path<(String, String)>, Query(query): Parameters) -> Told {
    let instead = query.get("value").map(|status| document::status(status)).transpose()?;
    registry.change(Asked::Force(named(&app, &id)?, None, instead)).await?;
    Ok(StatusCode::OK.into_response())
}

async fn describe(State(registry): State<Registry>, Path((app, id)): Path<(String, String)>, Query(query): Parameters) -> Told {
    registry.change(Asked::Describe(named(&app, &id)?, query)).await?;
    Ok(StatusCode::OK.into_response())
}

fn named(app: &str, id: &str) -> Result<Named, Refusal> {
    let id = document::row_id(app, id);
    // The databases cannot even be asked for it, so nobody has it.
    text::check("an instance's id", &id, 1, 400).map_err(|_| Refusal::not_found("instance", id.escape_default()))?;
    Ok(Named { id: id.into(), ticket: document::NO_TICKET })
}

/// An application's name and one instance of it.
type Entry = (String, Value);

/// One entry for each service of an instance.
fn entries<'r>(record: &'r Arc<Record>, action: &'static str) -> impl Iterator<Item = Entry> + 'r {
    record.services.iter().map(move |service| (service.to_ascii_uppercase(), document::told(record, service, action)))
}

fn grouped(entries: Vec<Entry>) -> Vec<Value> {
    let mut apps: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (app, instance) in entries {
        apps.entry(app).or_default().push(instance);
    }
    apps.into_iter().map(|(name, instances)| json!({ "name": name, "instance": instances })).collect()
}

fn applications(view: &View, entries: Vec<Entry>) -> Value {
    json!({ "versions__delta": "1", "apps__hashcode": hash(view), "application": grouped(entries) })
}

/// How many there are of each status, as `DOWN_1_UP_5_`.
fn hash(view: &View) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for record in view.present() {
        *counts.entry(document::status_name(record.effective())).or_default() += record.services.len();
    }
    counts.into_iter().map(|(status, count)| format!("{status}_{count}_")).collect()
}

/// What a client wants or brings.
fn form(headers: &HeaderMap, name: header::HeaderName) -> Form {
    let kind = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // As Eureka's server has it: whoever does not say JSON gets XML.
    if kind.to_ascii_lowercase().contains("json") { Form::Json } else { Form::Xml }
}
