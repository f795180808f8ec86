//! Where log lines and spans go: standard error, and a collector of OpenTelemetry where the configuration names one.
//! Refuses to cost anything where nobody listens: spans of traces are made only for the collector, or to name requests in a JSON log.

use crate::config::{Config, LogFormat};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use parking_lot::Mutex;
use std::io::IsTerminal as _;
use std::time::Duration;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// A collector that does not answer in this time is given up for the batch at hand.
const EXPORT_MAX: Duration = Duration::from_secs(5);

/// What was started and has spans to send before the process ends. There is one log in a process, and one of these.
static TRACES: Mutex<Option<SdkTracerProvider>> = Mutex::new(None);

/// Starts the log and the traces. A second start in one process changes nothing.
pub(crate) fn start(config: &Config) {
    let traces = (!config.telemetry.otlp_url.is_empty()).then(|| provider(config));
    let (provider, failed) = match traces {
        Some(Ok(provider)) => (Some(provider), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    let spans = provider.as_ref().map(|provider| {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("guildhall")).with_location(false);
        layer.with_threads(false).with_tracked_inactivity(false).with_filter(filter_fn(is_of_a_trace))
    });
    let started = tracing_subscriber::registry().with(lines(config)).with(spans).try_init();
    if started.is_ok() {
        *TRACES.lock() = provider;
    }
    if let Some(why) = failed {
        tracing::warn!(why, "no traces are sent");
    }
}

/// Sends what is still to be sent. The collector may be gone: then it is said, and lost.
pub(crate) async fn stop() {
    let Some(provider) = TRACES.lock().take() else { return };
    // Its own thread sends; waiting for it would hold up a thread of the server.
    let ended = tokio::task::spawn_blocking(move || provider.shutdown()).await;
    if let Ok(Err(error)) = ended {
        tracing::warn!(%error, "the last spans of traces did not reach the collector");
    }
}

/// What the driver tells of the server's notices, unless the filter says otherwise.
const NOTICES: &str = "sqlx::postgres::notice=warn";

fn lines<S>(config: &Config) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'l> LookupSpan<'l>,
{
    // Postgres notes at each start that what is there needs not be made.
    let filter = EnvFilter::try_new(format!("{NOTICES},{}", config.log.filter)).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty()) || !std::io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(!is_plain);
    // A filter that does not say which levels it lets pass has every library's finest line made and thrown away.
    let any_level = LevelFilter::TRACE;
    match config.log.format {
        // People read what happened; which request it was stands in the lines that are about one.
        LogFormat::Text => {
            let wanted = filter_fn(|of| of.target() != trace::TARGET).with_max_level_hint(any_level);
            lines.with_target(false).with_filter(filter.and(wanted)).boxed()
        }
        // Machines gather the lines of a request by its id, so every line within one names it.
        LogFormat::Json => {
            let wanted = filter_fn(|of| of.target() != trace::TARGET || *of.level() <= Level::INFO).with_max_level_hint(any_level);
            lines.json().flatten_event(true).with_current_span(false).with_span_list(true).with_filter(filter.and(wanted)).boxed()
        }
    }
}

fn is_of_a_trace(of: &Metadata<'_>) -> bool {
    of.is_span() && of.target() == trace::TARGET
}

fn provider(config: &Config) -> Result<SdkTracerProvider, String> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", config.telemetry.otlp_url))
        .with_timeout(EXPORT_MAX)
        .with_http_client(client()?)
        .build()
        .map_err(|e| e.to_string())?;
    let share = f64::from(config.telemetry.sampled_permille) / 1_000.0;
    let resource = Resource::builder_empty()
        .with_service_name("guildhall")
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(opentelemetry::KeyValue::new("guildhall.services", config.server.services.to_string()))
        .with_attribute(opentelemetry::KeyValue::new("process.pid", i64::from(std::process::id())))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
        .with_resource(resource)
        .build())
}

/// The exporter's thread has no runtime, so its client brings one; which may not be made where another runtime is at work.
fn client() -> Result<reqwest::blocking::Client, String> {
    let make = || reqwest::blocking::Client::builder().no_proxy().timeout(EXPORT_MAX).build().map_err(|e| e.to_string());
    std::thread::spawn(make).join().map_err(|_| "the client of the collector panicked".to_owned())?
}
