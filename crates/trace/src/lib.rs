//! The trace that a piece of work belongs to: where its spans go, and its place as text, which headers and rows carry (W3C Trace Context).
//! Refuses to collect or to send anything: where nobody listens to [`TARGET`], a span is nothing and costs a comparison.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of all spans that are part of a trace, and of nothing else.
pub const TARGET: &str = "guildhall::trace";
/// The header that carries a place in a trace.
pub const HEADER: &str = "traceparent";

/// Puts a span that was just made behind a place in a trace. What is none is passed over, as the standard wants it: the span then begins a trace.
pub fn follow(span: &Span, traceparent: &str) {
    if let Some(parent) = parse(traceparent).filter(|_| !span.is_disabled()) {
        // It fails only where nobody collects spans, or for a span that has begun; then there is nothing to be put anywhere.
        drop(span.set_parent(Context::new().with_remote_span_context(parent)));
    }
}

/// The span's place in its trace, as [`HEADER`] has it; nothing where nobody collects spans.
pub fn place(span: &Span) -> Option<String> {
    let context = of(span)?;
    Some(format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8()))
}

/// The id of the span's trace, for logs.
pub fn id(span: &Span) -> Option<String> {
    of(span).map(|context| context.trace_id().to_string())
}

/// Notes a fact of a span that was not known when it was made.
pub fn note(span: &Span, name: &'static str, value: i64) {
    if !span.is_disabled() {
        span.set_attribute(name, value);
    }
}

/// Notes something that happened within a span.
pub fn happened(span: &Span, what: &'static str, why: &str) {
    if !span.is_disabled() {
        span.add_event(what, vec![KeyValue::new("why", why.to_owned())]);
    }
}

fn of(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    Some(span.context().span().span_context().clone()).filter(SpanContext::is_valid)
}

/// Version 00 as it is written, and later versions as far as they agree with it.
fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_whole = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    if !is_whole || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default())).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_place_reads_as_the_standard_writes_it() {
        let read = parse(GOOD).unwrap();
        assert_eq!(read.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(read.span_id().to_string(), "00f067aa0ba902b7");
        assert!(read.is_sampled() && read.is_remote());
        assert!(!parse(&GOOD.replace("-01", "-00")).unwrap().is_sampled());
        assert!(parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some(), "a later version may say more");
    }

    #[test]
    fn what_is_no_place_is_passed_over() {
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let upper = GOOD.replace('b', "B");
        for bad in ["", "00", zeros, &GOOD[..54], &format!("{GOOD}-x"), &GOOD.replace("00-4b", "ff-4b"), &upper, "0é-é-é-é"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn without_a_collector_no_span_has_a_place() {
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            let span = tracing::info_span!(target: TARGET, "request");
            follow(&span, GOOD);
            assert!(!span.is_disabled());
            assert_eq!(place(&span), None);
        });
    }
}
