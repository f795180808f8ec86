//! The section `[telemetry]`: where traces go, and how many of them.
//! Refuses an address that is not plain HTTP: a collector runs on the machine or beside the process, and encrypts from there on.

use super::reader::Reader;
use serde::Serialize;

/// Section `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Telemetry {
    /// A collector of OpenTelemetry, as `http://127.0.0.1:4318`; empty: no traces.
    pub otlp_url: String,
    /// Of a thousand requests that belong to no trace yet, so many begin one.
    pub sampled_permille: u32,
}

impl Telemetry {
    /// Takes the section's keys.
    pub(super) fn read(reader: &mut Reader) -> Telemetry {
        Telemetry {
            otlp_url: reader.text("telemetry.otlp_url", String::new(), "empty, or as http://127.0.0.1:4318", url),
            sampled_permille: reader.whole("telemetry.sampled_permille", 1_000, 0..=1_000),
        }
    }
}

fn url(text: &str) -> Option<String> {
    let is_place = |place: &str| !place.is_empty() && !place.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@');
    (text.is_empty() || text.strip_prefix("http://").is_some_and(is_place)).then(|| text.trim_end_matches('/').to_owned())
}
