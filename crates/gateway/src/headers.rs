//! Headers on their way through: what belongs to one connection ends here, and what only we may say is taken from clients.
//! Refuses to pass on anything that a service might take for the gateway's own word.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

/// Headers that belong to one connection (RFC 9110, 7.6.1), and one that programs have taken for their own configuration.
static OF_THE_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// True for a name that only the gateway may use, however it is written: some servers read `_` as `-`.
fn is_ours(name: &str) -> bool {
    let dashed: std::borrow::Cow<str> = if name.contains('_') { name.replace('_', "-").into() } else { name.into() };
    dashed.starts_with("x-guildhall-")
        || dashed.starts_with("x-forwarded-")
        || matches!(&*dashed, "forwarded" | "x-real-ip" | "x-original-url" | "x-rewrite-url" | "proxy" | "x-http-method-override")
        || (dashed.len() != name.len() || dashed != name)
            && matches!(&*dashed, "x-request-id" | "authorization" | "content-length" | "transfer-encoding" | "host")
}

/// Takes from a request what must not reach a service. Lengths are written anew for the body that is sent.
pub(crate) fn clean_request(headers: &mut HeaderMap) {
    remove_named(headers);
    for name in &OF_THE_CONNECTION {
        headers.remove(name);
    }
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::EXPECT);
    let forged: Vec<HeaderName> = headers.keys().filter(|name| is_ours(name.as_str())).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
    join_cookies(headers);
}

/// Takes from an answer what belongs to the connection it came by, and what services say to gateways.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    remove_named(headers);
    // A body of pieces has no other length than theirs.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in &OF_THE_CONNECTION {
        headers.remove(name);
    }
}

/// Removes the headers that `Connection` names, but for those that every request needs: naming them there is an attack.
fn remove_named(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CONNECTION) {
        return;
    }
    let values: Vec<HeaderValue> = headers.get_all(header::CONNECTION).iter().cloned().collect();
    let names = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
    for name in names {
        let is_needed = ["host", "authorization", "content-type", "content-length", "idempotency-key", "cookie", "close"];
        if !is_needed.iter().any(|needed| name.eq_ignore_ascii_case(needed))
            && let Ok(name) = HeaderName::try_from(name)
        {
            headers.remove(name);
        }
    }
}

/// HTTP/2 may send a cookie per header; HTTP/1 wants one (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if cookies.next().is_some() && cookies.next().is_some() {
        let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
            headers.insert(header::COOKIE, joined);
        }
    }
}

/// The protocol a request wants to change to, if it wants to.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let asks = named.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| asks).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(given: &[(&str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        clean_request(&mut headers);
        let mut lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn forged_headers_are_taken_away_however_they_are_written() {
        let forged = [
            "x-guildhall-passed",
            "X-Guildhall-Passed",
            "x_guildhall_passed",
            "x-guildhall_anything",
            "x-forwarded-for",
            "x_forwarded_for",
        ];
        let further = ["forwarded", "x-real-ip", "proxy", "x_request_id", "transfer_encoding", "content_length", "x-forwarded-host"];
        for name in forged.into_iter().chain(further) {
            assert_eq!(cleaned(&[(name, "1"), ("accept", "*/*")]), ["accept: */*"], "{name}");
        }
    }

    #[test]
    fn what_belongs_to_the_connection_ends_here() {
        let given =
            [("connection", "keep-alive, X-Secret"), ("x-secret", "1"), ("keep-alive", "5"), ("te", "trailers"), ("upgrade", "h2c")];
        assert!(cleaned(&given).is_empty());
    }

    #[test]
    fn connection_cannot_name_away_what_a_service_relies_on() {
        let given = [("connection", "authorization, host, cookie"), ("authorization", "Bearer x"), ("host", "a")];
        assert_eq!(cleaned(&given), ["authorization: Bearer x", "host: a"]);
    }

    #[test]
    fn cookies_become_one_header() {
        assert_eq!(cleaned(&[("cookie", "a=1"), ("cookie", "b=2")]), ["cookie: a=1; b=2"]);
    }

    #[test]
    fn an_upgrade_has_to_be_named_twice() {
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        assert_eq!(upgrade(&headers), None);
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        assert_eq!(upgrade(&headers), Some(HeaderValue::from_static("websocket")));
    }
}
