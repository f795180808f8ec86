//! The trace a request belongs to: the one it names, or a new one (W3C Trace Context).
//! Refuses to collect spans: where the process does, the gateway's span takes its place in the trace.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use tracing::Span;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Puts the span behind what the request names, and has the request name the place that the service continues.
pub(crate) fn carry(headers: &mut HeaderMap, span: &Span) {
    let given = only(headers).filter(is_right);
    if let Some(given) = given.as_ref().and_then(|given| given.to_str().ok()) {
        ::trace::follow(span, given);
    } else {
        headers.remove(&TRACESTATE);
    }
    let place = ::trace::place(span).and_then(|place| HeaderValue::try_from(place).ok());
    headers.insert(TRACEPARENT.clone(), place.or(given).unwrap_or_else(new));
}

/// The trace's id, for the log.
pub(crate) fn id(traceparent: Option<&HeaderValue>) -> &str {
    traceparent.and_then(|value| value.to_str().ok()).and_then(|text| text.get(3..35)).unwrap_or_default()
}

pub(crate) fn of(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(&TRACEPARENT).cloned()
}

fn only(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(&TRACEPARENT).iter();
    all.next().filter(|_| all.next().is_none()).cloned()
}

/// Version 00, which is all there is so far; of anything else a new trace begins.
fn is_right(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let is_hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |part: &[u8]| part.iter().all(|b| *b == b'0');
    bytes.len() == 55
        && bytes.starts_with(b"00-")
        && bytes[35] == b'-'
        && bytes[52] == b'-'
        && is_hex(&bytes[3..35])
        && is_hex(&bytes[36..52])
        && is_hex(&bytes[53..])
        && !is_zero(&bytes[3..35])
        && !is_zero(&bytes[36..52])
}

/// A trace that nobody decided to record.
fn new() -> HeaderValue {
    let (trace, span) = (rand::random::<u128>().max(1), rand::random::<u64>().max(1));
    HeaderValue::try_from(format!("00-{trace:032x}-{span:016x}-00")).expect("hex digits make a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn carried(given: &[&str]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        headers.insert(TRACESTATE.clone(), HeaderValue::from_static("a=b"));
        for value in given {
            headers.append(TRACEPARENT.clone(), HeaderValue::from_str(value).unwrap());
        }
        carry(&mut headers, &Span::none());
        let mut all = headers.get_all(&TRACEPARENT).iter();
        let value = all.next().unwrap().to_str().unwrap().to_owned();
        assert!(all.next().is_none() && is_right(&HeaderValue::from_str(&value).unwrap()));
        (value, headers.contains_key(&TRACESTATE))
    }

    #[test]
    fn a_right_place_is_passed_on_and_keeps_its_state() {
        assert_eq!(carried(&[GOOD]), (GOOD.to_owned(), true));
    }

    #[test]
    fn of_anything_else_a_new_trace_begins() {
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for given in [&[][..], &["x"], &[zeros], &[GOOD, GOOD], &["00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"]] {
            let (value, has_state) = carried(given);
            assert!(value != GOOD && value != zeros && !has_state, "{given:?}: {value}");
        }
    }
}
