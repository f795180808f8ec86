//! Signatures of deliveries, by the Standard Webhooks scheme: `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`.
//! Refuses to print a secret.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// The scheme asks for 24 to 64 bytes.
pub(crate) const SECRET_BYTES: usize = 32;
/// What a secret's text begins with.
const PREFIX: &str = "whsec_";

/// A secret in clear.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) [u8; SECRET_BYTES]);

impl Secret {
    pub(crate) fn new() -> Secret {
        Secret(rand::random())
    }

    /// As its receiver configures it.
    pub(crate) fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// One signature.
pub(crate) fn sign(key: &[u8], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{timestamp_s}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// The header: a signature per secret, the current one's first.
pub(crate) fn header(secrets: &[Secret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    secrets.iter().map(|secret| sign(&secret.0, id, timestamp_s, body)).collect::<Vec<_>>().join(" ")
}

/// Text with everything that looks like a secret blotted out: receivers that answer with their configuration do exist.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut parts = text.split(PREFIX);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str(PREFIX);
        clean.push_str("[hidden]");
        clean.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_')));
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the scheme's own libraries.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_part_is_signed() {
        let all = [
            sign(b"k", "a", 1, b"x"),
            sign(b"l", "a", 1, b"x"),
            sign(b"k", "b", 1, b"x"),
            sign(b"k", "a", 2, b"x"),
            sign(b"k", "a", 1, b"y"),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn each_secret_signs_and_the_first_comes_first() {
        let secrets = [Secret([1; 32]), Secret([2; 32])];
        let header = header(&secrets, "id", 7, b"{}");
        assert_eq!(header, format!("{} {}", sign(&[1; 32], "id", 7, b"{}"), sign(&[2; 32], "id", 7, b"{}")));
    }

    #[test]
    fn a_secret_is_shown_as_receivers_take_it_and_never_printed() {
        let secret = Secret([0xfb; 32]);
        assert_eq!(STANDARD.decode(secret.text().strip_prefix("whsec_").unwrap()).unwrap(), [0xfb; 32]);
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert_ne!(Secret::new(), Secret::new());
        let echoed = format!("my secret is {} and {}!", secret.text(), Secret::new().text());
        assert_eq!(without_secrets(&echoed), "my secret is whsec_[hidden] and whsec_[hidden]!");
    }
}
