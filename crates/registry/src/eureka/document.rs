//! An instance as Eureka's clients describe it, and as they are told of it.
//! Refuses descriptions without a host, an address, a port and a name that a service may have.

use crate::commands::Asked;
use crate::decide::{Hash, Record};
use crate::model::{LEASES_MS, Status, WEIGHT, WEIGHT_MAX, check_address, check_metadata, check_service};
use kernel::{Code, Refusal, text};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Eureka's protocol knows no tickets: its clients share this one, and none of our own processes has it.
pub(super) const NO_TICKET: Hash = [0; 16];
/// The lease a client has that asks for none, in seconds, as Eureka has it.
const LEASE_S: i64 = 90;

/// The row of an instance: no native id has a slash.
pub(super) fn row_id(app: &str, id: &str) -> String {
    format!("{}/{id}", app.to_ascii_uppercase())
}

/// What a client says of itself as what is stored.
pub(super) fn registration(path: &str, told: Value) -> Result<Asked, Refusal> {
    let Value::Object(mut told) = told else { return Err(bad("the instance is no object")) };
    let app = field(&told, "app").ok_or_else(|| bad("the instance has no app"))?.to_ascii_uppercase();
    if !app.eq_ignore_ascii_case(path) {
        return Err(bad(&format!("the instance is of app {app:?} and the path names {path:?}")));
    }
    let service = app.to_ascii_lowercase();
    check_service(&service)?;
    let host = field(&told, "hostName").ok_or_else(|| bad("the instance has no hostName"))?.to_owned();
    let id = field(&told, "instanceId").unwrap_or(&host).to_owned();
    text::check("instanceId", &id, 1, 200)?;
    let (address, secure) = address(&told, &host)?;
    let metadata = metadata(&told)?;
    let status = field(&told, "status").map_or(Ok(Status::Up), status)?;
    let forced = field(&told, "overriddenStatus").or_else(|| field(&told, "overriddenstatus")).map(self::status).transpose()?;
    let lease_s = told.get("leaseInfo").and_then(|lease| number(lease.get("durationInSecs"))).unwrap_or(LEASE_S);
    let lease_ms = lease_s.saturating_mul(1_000).clamp(i64::from(*LEASES_MS.start()), i64::from(*LEASES_MS.end()));
    let dirty_at = number(told.get("lastDirtyTimestamp")).unwrap_or(0);
    normalise(&mut told, &app, &id);
    let record = Record {
        secure,
        build: metadata.get("version").filter(|version| version.len() <= 64).cloned().unwrap_or_default(),
        weight: metadata.get("weight").and_then(|weight| weight.parse().ok()).filter(|weight| *weight <= WEIGHT_MAX).unwrap_or(WEIGHT),
        metadata,
        document: Value::Object(told).to_string(),
        status,
        forced: forced.filter(|forced| *forced != Status::Unknown),
        ..Record::new(row_id(&app, &id), vec![service], address)
    };
    Ok(Asked::Register { record, ticket: NO_TICKET, lease_us: lease_ms * 1_000, dirty_at })
}

fn bad(told: &str) -> Refusal {
    Refusal::new(Code::BadBody, told)
}

fn field<'t>(told: &'t Map<String, Value>, name: &str) -> Option<&'t str> {
    told.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Numbers are numbers in JSON, or texts, as in XML.
fn number(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn address(told: &Map<String, Value>, host: &str) -> Result<(String, bool), Refusal> {
    let port = |name: &str| {
        let of = told.get(name)?;
        let enabled = of.get("@enabled").is_none_or(|enabled| enabled == &json!(true) || enabled.as_str() == Some("true"));
        number(of.get("$").or(Some(of))).filter(|_| enabled)
    };
    let (port, secure) = match (port("port"), port("securePort")) {
        (Some(port), _) => (port, false),
        (None, Some(port)) => (port, true),
        (None, None) => return Err(bad("the instance has neither port nor securePort enabled")),
    };
    let host = field(told, "ipAddr").unwrap_or(host);
    let address = match host.parse() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        _ => format!("{host}:{port}"),
    };
    check_address(&address)?;
    Ok((address, secure))
}

fn metadata(told: &Map<String, Value>) -> Result<BTreeMap<String, String>, Refusal> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let entries = told.get("metadata").and_then(Value::as_object).into_iter().flatten();
    let metadata = entries.filter(|(key, _)| !key.starts_with('@')).map(|(key, value)| (key.clone(), plain(value))).collect();
    check_metadata(&metadata)?;
    Ok(metadata)
}

/// What XML says in texts is stored as JSON would say it; what the registry itself knows is left out.
fn normalise(told: &mut Map<String, Value>, app: &str, id: &str) {
    for known in ["status", "overriddenStatus", "overriddenstatus", "metadata", "actionType", "lastUpdatedTimestamp"] {
        told.remove(known);
    }
    told.insert("app".to_owned(), json!(app));
    told.insert("instanceId".to_owned(), json!(id));
    if let Some(country) = number(told.get("countryId")) {
        told.insert("countryId".to_owned(), json!(country));
    }
    for name in ["port", "securePort"] {
        if let Some(port) = told.get_mut(name) {
            let enabled =
                port.get("@enabled").map_or(json!("true"), |enabled| json!(enabled.as_str().map_or(enabled.to_string(), str::to_owned)));
            let value = number(port.get("$").or(Some(&*port)));
            *port = json!({ "$": value.unwrap_or_default(), "@enabled": enabled });
        }
    }
    if let Some(Value::Object(lease)) = told.get_mut("leaseInfo") {
        lease.retain(|key, _| key == "renewalIntervalInSecs" || key == "durationInSecs");
        lease.iter_mut().for_each(|(_, value)| *value = json!(number(Some(&*value)).unwrap_or_default()));
    }
    if !told.contains_key("dataCenterInfo") {
        told.insert("dataCenterInfo".to_owned(), own_data_center());
    }
}

fn own_data_center() -> Value {
    json!({ "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn" })
}

/// What clients are told of an instance of ours or of theirs.
pub(super) fn told(record: &Record, service: &str, action: &str) -> Value {
    let mut told = match serde_json::from_str(&record.document) {
        Ok(Value::Object(told)) => told,
        _ => native(record, service),
    };
    let (registered, changed) = (record.registered_at.0 / 1_000, record.changed_at.0 / 1_000);
    let empty = record.metadata.is_empty();
    let metadata = if empty { json!({ "@class": "java.util.Collections$EmptyMap" }) } else { json!(record.metadata) };
    told.insert("metadata".to_owned(), metadata);
    told.insert("status".to_owned(), json!(status_name(record.effective())));
    told.insert("overriddenstatus".to_owned(), json!(record.forced.map_or("UNKNOWN", status_name)));
    told.insert("actionType".to_owned(), json!(action));
    told.insert("lastUpdatedTimestamp".to_owned(), json!(changed.to_string()));
    told.entry("lastDirtyTimestamp").or_insert_with(|| json!(changed.to_string()));
    let lease = told.entry("leaseInfo").or_insert_with(|| json!({ "renewalIntervalInSecs": 3, "durationInSecs": 10 }));
    if let Value::Object(lease) = lease {
        lease.extend([
            ("registrationTimestamp".to_owned(), json!(registered)),
            ("lastRenewalTimestamp".to_owned(), json!(changed)),
            ("evictionTimestamp".to_owned(), json!(0)),
            ("serviceUpTimestamp".to_owned(), json!(registered)),
        ]);
    }
    Value::Object(told)
}

/// A process of the fleet, as Eureka would have it described.
fn native(record: &Record, service: &str) -> Map<String, Value> {
    let (host, port) = record.address.rsplit_once(':').unwrap_or((&record.address, "0"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port: u16 = port.parse().unwrap_or_default();
    let told = json!({
        "instanceId": &*record.id,
        "hostName": host,
        "app": service.to_ascii_uppercase(),
        "ipAddr": host,
        "port": { "$": port, "@enabled": "true" },
        "securePort": { "$": 443, "@enabled": "false" },
        "countryId": 1,
        "dataCenterInfo": own_data_center(),
        "homePageUrl": format!("http://{}/", record.address),
        "healthCheckUrl": format!("http://{}/healthz", record.address),
        "vipAddress": service,
        "secureVipAddress": service,
        "isCoordinatingDiscoveryServer": "false",
    });
    match told {
        Value::Object(told) => told,
        _ => Map::new(),
    }
}

/// A status by Eureka's name.
pub(super) fn status(name: &str) -> Result<Status, Refusal> {
    match name {
        "UP" => Ok(Status::Up),
        "DOWN" => Ok(Status::Down),
        "STARTING" => Ok(Status::Starting),
        "OUT_OF_SERVICE" => Ok(Status::Draining),
        "UNKNOWN" => Ok(Status::Unknown),
        _ => Err(bad(&format!("{name:?} is not a status: UP, DOWN, STARTING, OUT_OF_SERVICE or UNKNOWN would be right"))),
    }
}

/// Eureka's name of a status.
pub(super) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Up => "UP",
        Status::Down | Status::Gone => "DOWN",
        Status::Starting => "STARTING",
        Status::Draining => "OUT_OF_SERVICE",
        Status::Unknown => "UNKNOWN",
    }
}
