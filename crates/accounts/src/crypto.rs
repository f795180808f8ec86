//! Keys and what they close: each account's data key, wrapped by the master key; personal fields; keyed hashes for looking up.
//! Refuses to open what was closed for another account or another field, and to show a key when printed.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use db::Meta;
use hmac::{Hmac, Mac};
use kernel::UserId;
use sha2::{Digest, Sha256};
use std::fmt;

const NONCE_BYTES: usize = 12;
/// The first byte of everything closed here, so that another way of closing can stand beside this one.
const FORMAT: u8 = 1;

/// The keys personal data rests on. Printing them shows their ids only.
#[derive(Clone)]
pub struct PersonalKeys {
    /// Wraps new data keys; the id is stored beside what it wrapped.
    pub current: (u32, [u8; 32]),
    /// Still unwrap what they wrapped, until [`Accounts::rotate_personal_key`](crate::Accounts::rotate_personal_key) is done.
    pub older: Vec<(u32, [u8; 32])>,
    /// Keys of the hashes by which addresses are looked up, the current one first. Empty: derived from the master keys.
    pub lookup: Vec<[u8; 32]>,
}

impl fmt::Debug for PersonalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let older: Vec<u32> = self.older.iter().map(|(id, _)| *id).collect();
        write!(f, "PersonalKeys {{ current: {}, older: {older:?}, keys: hidden }}", self.current.0)
    }
}

/// Something that cannot be opened: a wrong key, or bytes that were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl From<Unreadable> for db::Error {
    fn from(_: Unreadable) -> db::Error {
        db::Error::Broken("personal data cannot be opened: its master key is missing or its bytes were changed".to_owned())
    }
}

/// A personal field; it is part of what a cipher is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Email,
    Name,
    Phone,
    MailToken,
}

impl Field {
    fn label(self) -> &'static [u8] {
        match self {
            Field::Email => b"email",
            Field::Name => b"name",
            Field::Phone => b"phone",
            Field::MailToken => b"mail token",
        }
    }
}

/// An account's own key.
pub(crate) struct DataKey([u8; 32]);

/// A data key as it is stored.
#[derive(Clone)]
pub(crate) struct Wrapped {
    pub(crate) master_key_id: u32,
    pub(crate) bytes: Vec<u8>,
}

/// A keyed hash of an address, with the tag of the key that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EmailHash {
    pub(crate) hash: [u8; 32],
    pub(crate) key_tag: i64,
}

/// All keys, ready for use.
pub(crate) struct Vault {
    /// The current one first.
    masters: Vec<(u32, Aes256Gcm)>,
    /// The current one first.
    lookup: Vec<([u8; 32], i64)>,
}

impl Vault {
    pub(crate) fn new(keys: &PersonalKeys) -> Vault {
        let all: Vec<&(u32, [u8; 32])> = std::iter::once(&keys.current).chain(&keys.older).collect();
        let lookup = if keys.lookup.is_empty() {
            all.iter().map(|(_, key)| mac(key, &[b"guildhall lookup key 1"])).collect()
        } else {
            keys.lookup.clone()
        };
        Vault {
            masters: all.iter().map(|(id, key)| (*id, Aes256Gcm::new(&(*key).into()))).collect(),
            lookup: lookup.into_iter().map(|key| (key, tag(&key))).collect(),
        }
    }

    pub(crate) fn current_id(&self) -> u32 {
        self.masters[0].0
    }

    /// The tag of the lookup key that new hashes are made with.
    pub(crate) fn current_tag(&self) -> i64 {
        self.lookup[0].1
    }

    /// The tags of all lookup keys in use.
    pub(crate) fn tags(&self) -> Vec<i64> {
        self.lookup.iter().map(|(_, tag)| *tag).collect()
    }

    /// A data key for a new account.
    pub(crate) fn new_data_key(&self, user: UserId) -> (DataKey, Wrapped) {
        let key = DataKey(rand::random());
        let wrapped = self.wrap(user, &key);
        (key, wrapped)
    }

    pub(crate) fn wrap(&self, user: UserId, key: &DataKey) -> Wrapped {
        let (id, master) = &self.masters[0];
        Wrapped { master_key_id: *id, bytes: seal(master, &wrap_aad(user, *id), &key.0) }
    }

    pub(crate) fn unwrap(&self, user: UserId, wrapped: &Wrapped) -> Result<DataKey, Unreadable> {
        let id = wrapped.master_key_id;
        let (_, master) = self.masters.iter().find(|(known, _)| *known == id).ok_or(Unreadable)?;
        let bytes = open(master, &wrap_aad(user, id), &wrapped.bytes)?;
        Ok(DataKey(bytes.try_into().map_err(|_| Unreadable)?))
    }

    /// The hashes of a normal address, by the current lookup key first.
    pub(crate) fn email_hashes(&self, email: &str) -> Vec<EmailHash> {
        self.lookup.iter().map(|(key, tag)| EmailHash { hash: mac(key, &[b"email\0", email.as_bytes()]), key_tag: *tag }).collect()
    }

    /// The fingerprint of a request with a password is stored for two days: keyed, so that nobody can try passwords on it.
    pub(crate) fn keyed(&self, mut meta: Meta) -> Meta {
        let hash = mac(&self.lookup[0].0, &[b"fingerprint\0", &meta.fingerprint]);
        meta.fingerprint = hash[..16].try_into().expect("a SHA-256 hash has more than 16 bytes");
        meta
    }
}

impl DataKey {
    pub(crate) fn seal(&self, user: UserId, field: Field, text: &str) -> Vec<u8> {
        seal(&self.cipher(), &field_aad(user, field), text.as_bytes())
    }

    pub(crate) fn open(&self, user: UserId, field: Field, closed: &[u8]) -> Result<String, Unreadable> {
        let bytes = open(&self.cipher(), &field_aad(user, field), closed)?;
        String::from_utf8(bytes).map_err(|_| Unreadable)
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.0.into())
    }
}

/// A secret for a caller: 32 random bytes.
pub(crate) fn new_secret() -> [u8; 32] {
    rand::random()
}

/// How secrets of 32 random bytes are stored; they need no slow hash, for nobody can guess them.
pub(crate) fn hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Bytes as callers see them.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a caller sent back.
pub(crate) fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Nobody gets to make us decode more than a token can be long.
    if text.len() > N * 2 {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn seal(cipher: &Aes256Gcm, aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg: plain, aad }).expect("fields are far shorter than the cipher's limit");
    let mut closed = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
    closed.push(FORMAT);
    closed.extend_from_slice(&nonce);
    closed.extend_from_slice(&sealed);
    closed
}

fn open(cipher: &Aes256Gcm, aad: &[u8], closed: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let (format, rest) = closed.split_first().ok_or(Unreadable)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Unreadable)?;
    if *format != FORMAT {
        return Err(Unreadable);
    }
    cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad }).map_err(|_| Unreadable)
}

fn wrap_aad(user: UserId, master_key_id: u32) -> Vec<u8> {
    [b"data key".as_slice(), user.bytes(), &master_key_id.to_be_bytes()].concat()
}

fn field_aad(user: UserId, field: Field) -> Vec<u8> {
    [b"field".as_slice(), user.bytes(), field.label()].concat()
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Names a lookup key without telling it.
fn tag(key: &[u8; 32]) -> i64 {
    let hash = mac(key, &[b"tag"]);
    i64::from_be_bytes([0, 0, hash[0], hash[1], hash[2], hash[3], hash[4], hash[5]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: u8, older: &[u8]) -> PersonalKeys {
        PersonalKeys {
            current: (u32::from(current), [current; 32]),
            older: older.iter().map(|n| (u32::from(*n), [*n; 32])).collect(),
            lookup: vec![[current; 32]],
        }
    }

    #[test]
    fn a_field_opens_only_for_its_account_its_field_and_its_key() {
        let vault = Vault::new(&keys(1, &[]));
        let (user, other) = (UserId::new(), UserId::new());
        let (key, _) = vault.new_data_key(user);
        let (stranger, _) = vault.new_data_key(other);
        let closed = key.seal(user, Field::Email, "jane@example.com");
        assert_eq!(key.open(user, Field::Email, &closed).unwrap(), "jane@example.com");
        assert_eq!(key.open(other, Field::Email, &closed), Err(Unreadable));
        assert_eq!(key.open(user, Field::Name, &closed), Err(Unreadable));
        assert_eq!(stranger.open(user, Field::Email, &closed), Err(Unreadable));
    }

    #[test]
    fn every_changed_byte_makes_a_field_unreadable() {
        let vault = Vault::new(&keys(1, &[]));
        let user = UserId::new();
        let (key, _) = vault.new_data_key(user);
        let closed = key.seal(user, Field::Name, "Jane");
        for at in 0..closed.len() {
            let mut changed = closed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(user, Field::Name, &changed), Err(Unreadable), "byte {at}");
        }
        assert_eq!(key.open(user, Field::Name, &closed[..5]), Err(Unreadable));
        assert_ne!(closed, key.seal(user, Field::Name, "Jane"), "a nonce is used once");
    }

    #[test]
    fn a_data_key_is_unwrapped_by_the_master_key_that_wrapped_it_and_by_no_other() {
        let user = UserId::new();
        let (key, wrapped) = Vault::new(&keys(1, &[])).new_data_key(user);
        let rotated = Vault::new(&keys(2, &[1]));
        let same = rotated.unwrap(user, &wrapped).unwrap();
        assert_eq!(same.0, key.0);
        let again = rotated.wrap(user, &same);
        assert_eq!(again.master_key_id, 2);
        assert!(Vault::new(&keys(2, &[])).unwrap(user, &again).is_ok(), "the old key is not needed any more");
        assert!(Vault::new(&keys(2, &[])).unwrap(user, &wrapped).is_err());
        let forged = Wrapped { master_key_id: 2, bytes: wrapped.bytes.clone() };
        assert!(rotated.unwrap(user, &forged).is_err());
        assert!(rotated.unwrap(UserId::new(), &wrapped).is_err(), "a data key belongs to its account");
    }

    #[test]
    fn an_address_has_a_hash_per_lookup_key() {
        let one = Vault::new(&PersonalKeys { lookup: vec![[7; 32]], ..keys(1, &[]) });
        let two = Vault::new(&PersonalKeys { lookup: vec![[8; 32], [7; 32]], ..keys(1, &[]) });
        assert_eq!(two.email_hashes("jane@example.com")[1], one.email_hashes("jane@example.com")[0]);
        assert_ne!(two.email_hashes("jane@example.com")[0].hash, one.email_hashes("jane@example.com")[0].hash);
        assert_ne!(one.email_hashes("jane@example.com"), one.email_hashes("john@example.com"));
    }

    #[test]
    fn a_fingerprint_is_keyed() {
        let meta = Meta { fingerprint: [3; 16], ..Meta::ours("test") };
        let one = Vault::new(&PersonalKeys { lookup: vec![[7; 32]], ..keys(1, &[]) });
        let two = Vault::new(&PersonalKeys { lookup: vec![[8; 32]], ..keys(1, &[]) });
        assert_eq!(one.keyed(meta.clone()).fingerprint, one.keyed(meta.clone()).fingerprint);
        assert_ne!(one.keyed(meta.clone()).fingerprint, two.keyed(meta.clone()).fingerprint);
        assert_ne!(one.keyed(meta.clone()).fingerprint, meta.fingerprint);
    }

    #[test]
    fn keys_are_not_printed() {
        let printed = format!("{:?}", PersonalKeys { current: (3, [0xab; 32]), older: vec![(2, [0xcd; 32])], lookup: vec![[0xef; 32]] });
        assert_eq!(printed, "PersonalKeys { current: 3, older: [2], keys: hidden }");
    }

    #[test]
    fn a_token_is_read_back_and_a_long_one_is_not_even_decoded() {
        let secret = new_secret();
        assert_eq!(bytes_of::<32>(&text_of(&secret)), Some(secret));
        assert_eq!(bytes_of::<32>(&"A".repeat(1000)), None);
        assert_eq!(bytes_of::<32>("not a token!"), None);
    }
}
