//! Secrets of webhooks as they are stored: sealed with a key made from the master key of personal data.
//! Refuses to open what was sealed for another webhook or another number.

use super::signature::{SECRET_BYTES, Secret};
use accounts::PersonalKeys;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use kernel::WebhookId;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

const NONCE_BYTES: usize = 12;
/// The first byte of everything sealed here, so that another way of sealing can stand beside this one.
const FORMAT: u8 = 1;

/// A secret as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    pub(crate) master_key_id: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Something that cannot be opened: its key is missing, or bytes were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// The keys, the current one first.
pub(crate) struct Vault {
    keys: Vec<(u32, Aes256Gcm)>,
}

impl Vault {
    pub(crate) fn new(keys: &PersonalKeys) -> Vault {
        let all = std::iter::once(&keys.current).chain(&keys.older);
        Vault { keys: all.map(|(id, master)| (*id, Aes256Gcm::new(&derived(master).into()))).collect() }
    }

    pub(crate) fn current_id(&self) -> u32 {
        self.keys[0].0
    }

    pub(crate) fn seal(&self, webhook: WebhookId, number: i64, secret: &Secret) -> Sealed {
        let (id, key) = &self.keys[0];
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: &secret.0, aad: &bound_to(webhook, number) };
        let sealed = key.encrypt(&Nonce::from(nonce), payload).expect("a secret is far shorter than the cipher's limit");
        Sealed { master_key_id: *id, bytes: [&[FORMAT], nonce.as_slice(), &sealed].concat() }
    }

    pub(crate) fn open(&self, webhook: WebhookId, number: i64, sealed: &Sealed) -> Result<Secret, Unreadable> {
        let (_, key) = self.keys.iter().find(|(id, _)| *id == sealed.master_key_id).ok_or(Unreadable)?;
        let (format, rest) = sealed.bytes.split_first().ok_or(Unreadable)?;
        let (nonce, closed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Unreadable)?;
        if *format != FORMAT {
            return Err(Unreadable);
        }
        let payload = Payload { msg: closed, aad: &bound_to(webhook, number) };
        let opened = key.decrypt(&Nonce::from(*nonce), payload).map_err(|_| Unreadable)?;
        <[u8; SECRET_BYTES]>::try_from(opened).map(Secret).map_err(|_| Unreadable)
    }
}

/// A key of our own, so that nothing here can be taken for something of accounts.
fn derived(master: &[u8; 32]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(master).expect("HMAC takes a key of any length");
    mac.update(b"guildhall webhook secrets 1");
    mac.finalize().into_bytes().into()
}

fn bound_to(webhook: WebhookId, number: i64) -> Vec<u8> {
    [b"webhook secret".as_slice(), webhook.bytes(), &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: u8, older: &[u8]) -> PersonalKeys {
        let key = |n: u8| (u32::from(n), [n; 32]);
        PersonalKeys { current: key(current), older: older.iter().map(|n| key(*n)).collect(), lookup: Vec::new() }
    }

    #[test]
    fn a_secret_opens_for_its_webhook_its_number_and_its_key_only() {
        let vault = Vault::new(&keys(1, &[]));
        let (webhook, secret) = (WebhookId::new(), Secret::new());
        let sealed = vault.seal(webhook, 1, &secret);
        assert_eq!(vault.open(webhook, 1, &sealed), Ok(secret.clone()));
        assert_eq!(vault.open(webhook, 2, &sealed), Err(Unreadable));
        assert_eq!(vault.open(WebhookId::new(), 1, &sealed), Err(Unreadable));
        assert_eq!(Vault::new(&keys(2, &[1])).open(webhook, 1, &sealed), Ok(secret));
        assert_eq!(Vault::new(&keys(2, &[])).open(webhook, 1, &sealed), Err(Unreadable));
        for at in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[at] ^= 1;
            assert_eq!(vault.open(webhook, 1, &changed), Err(Unreadable), "byte {at}");
        }
        assert_eq!(vault.open(webhook, 1, &Sealed { bytes: sealed.bytes[..4].to_vec(), ..sealed }), Err(Unreadable));
    }
}
