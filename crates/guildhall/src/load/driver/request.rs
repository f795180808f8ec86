//! Writes HTTP/1.1 requests as bytes.
//! Refuses to check them: a load test may well want to send what a client would not.

use std::io::Write;

/// A whole request: a body comes with its length and as JSON, an empty body with neither.
/// `headers` are further ones, as `("Authorization", "Bearer …")`.
pub fn request(method: &str, path: &str, host: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256 + body.len());
    let written = "memory takes every write";
    write!(bytes, "{method} {path} HTTP/1.1\r\nHost: {host}\r\n").expect(written);
    for (name, value) in headers {
        write!(bytes, "{name}: {value}\r\n").expect(written);
    }
    // A POST without a body still states its length; some servers answer 411 otherwise.
    if !body.is_empty() {
        write!(bytes, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()).expect(written);
    } else if method != "GET" {
        bytes.extend_from_slice(b"Content-Length: 0\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_states_its_body() {
        let post = request("POST", "/v1/buy", "h:1", &[("Authorization", "Bearer t")], b"{}");
        let text = "POST /v1/buy HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer t\r\n\
                    Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(String::from_utf8(post).unwrap(), text);
        assert_eq!(request("GET", "/", "h", &[], b""), b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(request("POST", "/", "h", &[], b""), b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    }
}
