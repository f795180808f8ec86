//! Owns the server's secret keys: where they come from, how they are made, and how the personal key rotates.
//! Refuses to print a key, to read one that others can read, and to make one where a lost one would have to be found again.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::Sha256;
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Variable that holds the token key.
pub const TOKEN_KEY_VARIABLE: &str = "GUILDHALL_TOKEN_KEY";
/// Variable that holds the personal key, or several as `1:KEY,2:KEY`.
pub const PERSONAL_KEY_VARIABLE: &str = "GUILDHALL_PERSONAL_KEY";

const KEY_BYTES: usize = 32;
const TOKEN_FILE: &str = "token.key";
const PERSONAL_FILE: &str = "personal.key";

/// A secret key of 32 bytes; printing it shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// The bytes, for the one who signs or encrypts.
    pub fn reveal(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn random() -> Result<Key, Problem> {
        let mut bytes = [0; KEY_BYTES];
        SysRng.try_fill_bytes(&mut bytes).map_err(|error| Problem(format!("the system gave no random bytes: {error}")))?;
        Ok(Key(bytes))
    }

    /// Reads 64 hexadecimal digits or the base64 of 32 bytes; the error says what is wrong and quotes nothing.
    fn parse(text: &str) -> Result<Key, String> {
        let bytes = hex::decode(text).ok().or_else(|| base64_bytes(text));
        let right = "a key is 64 hexadecimal digits or the base64 of 32 bytes; `openssl rand -hex 32` makes one";
        match bytes.map(<[u8; KEY_BYTES]>::try_from) {
            Some(Ok(bytes)) if bytes.iter().all(|byte| *byte == bytes[0]) => {
                Err("it is one byte repeated, which is no secret; `openssl rand -hex 32` makes a key".to_owned())
            }
            Some(Ok(bytes)) => Ok(Key(bytes)),
            Some(Err(bytes)) => Err(format!("it holds {} bytes; {right}", bytes.len())),
            None => Err(format!("its {} characters are neither hexadecimal nor base64; {right}", text.chars().count())),
        }
    }
}

/// Both of base64's alphabets, with or without the padding.
fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE].iter().find_map(|alphabet| GeneralPurpose::new(alphabet, lenient).decode(text).ok())
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

/// A key with the id that is stored beside what it encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedKey {
    /// From 1; never used again for another key.
    pub id: u32,
    /// The key.
    pub key: Key,
}

/// The keys a server works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    token_key: Key,
    /// Never empty; the last is current.
    personal_keys: Vec<NumberedKey>,
}

/// What to do about a key that nobody gave.
#[derive(Debug, Clone, Copy)]
pub enum Missing<'a> {
    /// Make it, for the embedded default's first start. Where `database` exists already the start was not the first:
    /// a new key would make what the lost one encrypted unreadable for good, so it is refused.
    Generate {
        /// The file of the embedded database.
        database: &'a Path,
    },
    /// Refuse: several servers share the database and must be given the same keys.
    Refuse,
}

/// Why there are no keys: every problem found, told for the person who starts the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem(String);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<&str> = self.0.iter().map(|problem| problem.0.as_str()).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Problems(vec![problem])
    }
}

impl Secrets {
    /// The keys from the environment, else from the folder `secrets` in the data folder, else as `missing` says.
    /// Call it before the embedded database is opened: an existing file means that keys must exist too.
    pub fn load(data_dir: &Path, env: impl Fn(&str) -> Option<String>, missing: Missing<'_>) -> Result<Secrets, Problems> {
        // Looked up before the keys are: whoever starts at the same moment makes its keys before its database.
        let missing = match missing {
            Missing::Generate { database } if database.exists() => Remedy::Restore(database),
            Missing::Generate { .. } => Remedy::Generate,
            Missing::Refuse => Remedy::Configure,
        };
        let place = |variable, file| Place { variable, file: secrets_dir(data_dir).join(file) };
        let token = place(TOKEN_KEY_VARIABLE, TOKEN_FILE)
            .read(&env, missing)
            .and_then(|(text, from)| Key::parse(text.trim()).map_err(|wrong| Problem(format!("{from}: {wrong}"))));
        let personal = place(PERSONAL_KEY_VARIABLE, PERSONAL_FILE).read(&env, missing).and_then(|(text, from)| numbered_keys(&text, &from));
        match (token, personal) {
            (Ok(token_key), Ok(personal_keys)) => Ok(Secrets { token_key, personal_keys }),
            (token, personal) => Err(Problems([token.err(), personal.err()].into_iter().flatten().collect())),
        }
    }

    /// The token key alone, for a process that has no personal data to open; it is never made here.
    ///
    /// # Errors
    /// Nobody gave it, or it is none.
    pub fn load_token_key(data_dir: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Key, Problems> {
        let place = Place { variable: TOKEN_KEY_VARIABLE, file: secrets_dir(data_dir).join(TOKEN_FILE) };
        let (text, from) = place.read(&env, Remedy::Configure)?;
        Key::parse(text.trim()).map_err(|wrong| Problem(format!("{from}: {wrong}")).into())
    }

    /// Signs access tokens.
    pub fn token_key(&self) -> &Key {
        &self.token_key
    }

    /// Wraps the data keys of users; all that may still be in use, oldest first, the last is current.
    pub fn personal_keys(&self) -> &[NumberedKey] {
        &self.personal_keys
    }

    /// The personal key that new data is wrapped with.
    pub fn current_personal_key(&self) -> &NumberedKey {
        self.personal_keys.last().expect("a set without a key is refused when it is read")
    }

    /// Keys of the hashes by which personal data is looked up, one for each personal key, under the same ids and in the same order.
    /// Each is the HMAC-SHA-256 of a fixed label under its personal key, so it needs no keeping and tells nothing about it.
    pub fn lookup_keys(&self) -> Vec<NumberedKey> {
        let derive = |personal: &NumberedKey| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&personal.key.0).expect("HMAC takes a key of any length");
            mac.update(b"guildhall lookup key 1");
            NumberedKey { id: personal.id, key: Key(mac.finalize().into_bytes().into()) }
        };
        self.personal_keys.iter().map(derive).collect()
    }
}

/// Adds a personal key to the data folder's file and makes it the current one; servers use it once they are restarted.
/// Returns its id. The older keys stay, for what they wrapped. Where the keys come from the environment nothing is made: the last of
/// them, which has to be another than the first, is the current one.
pub fn rotate(data_dir: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Rotation, Problems> {
    let dir = secrets_dir(data_dir);
    if let Some(text) = env(PERSONAL_KEY_VARIABLE) {
        let keys = numbered_keys(&text, PERSONAL_KEY_VARIABLE)?;
        return match keys.as_slice() {
            [_, .., current] => Ok(Rotation::Given(current.id)),
            _ => {
                let advice = "put the new one behind it, as 1:OLD,2:NEW, and run this again; `openssl rand -hex 32` makes one";
                Err(Problem(format!("{PERSONAL_KEY_VARIABLE} holds one key: {advice}")).into())
            }
        };
    }
    let file = dir.join(PERSONAL_FILE);
    let failed = |error: io::Error| Problem(format!("{} cannot be rotated: {error}", file.display()));
    // Two rotations at once would both add the same id, and the loser's key would be lost after it may have been used.
    let folder = File::open(&dir).map_err(failed)?;
    folder.lock().map_err(failed)?;
    let text = read_private(&file)?.ok_or_else(|| failed(ErrorKind::NotFound.into()))?;
    let mut keys = numbered_keys(&text, &file.display().to_string())?;
    let id = keys.iter().map(|key| key.id).max().unwrap_or(0).checked_add(1).ok_or_else(|| failed(ErrorKind::FileTooLarge.into()))?;
    keys.push(NumberedKey { id, key: Key::random()? });
    let written = write_private(&dir, &lines(&keys)).map_err(failed)?;
    written.persist(&file).map_err(|error| failed(error.error))?;
    folder.sync_all().map_err(failed)?;
    Ok(Rotation::Made(id))
}

/// Which key is the current one from now on, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// One that was made and stands in the file.
    Made(u32),
    /// The last of those in the environment.
    Given(u32),
}

fn secrets_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("secrets")
}

fn lines(keys: &[NumberedKey]) -> String {
    keys.iter().map(|numbered| format!("{}:{}\n", numbered.id, hex::encode(numbered.key.0))).collect()
}

/// Keys as `id:key`, on lines of their own or between commas; a single key may stand without an id and is then number 1.
fn numbered_keys(text: &str, from: &str) -> Result<Vec<NumberedKey>, Problem> {
    let problem = |wrong: &str| Problem(format!("{from}: {wrong}"));
    let entries: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|e| !e.is_empty())
        .collect();
    let mut keys: Vec<NumberedKey> = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        let position = position + 1;
        let (id, key) = match entry.split_once(':') {
            Some((id, key)) => (id.trim().parse().unwrap_or(0), key.trim()),
            None if entries.len() == 1 => (1, *entry),
            None => (0, *entry),
        };
        if id == 0 {
            return Err(problem(&format!("entry {position} has no number from 1 before its key; 1:KEY would be right")));
        }
        if keys.iter().any(|other| other.id == id) {
            return Err(problem(&format!("two keys have the number {id}; a number belongs to one key for good")));
        }
        let key = Key::parse(key).map_err(|wrong| problem(&format!("entry {position}: {wrong}")))?;
        keys.push(NumberedKey { id, key });
    }
    if keys.is_empty() { Err(problem("it holds no key; `openssl rand -hex 32` makes one")) } else { Ok(keys) }
}

#[derive(Clone, Copy)]
enum Remedy<'a> {
    Generate,
    Restore(&'a Path),
    Configure,
}

/// The two places a key may come from.
struct Place {
    variable: &'static str,
    file: PathBuf,
}

impl Place {
    /// The key's text and the name of where it was found.
    fn read(&self, env: &impl Fn(&str) -> Option<String>, missing: Remedy<'_>) -> Result<(String, String), Problem> {
        if let Some(text) = env(self.variable) {
            return Ok((text, self.variable.to_owned()));
        }
        let file = self.file.display().to_string();
        if let Some(text) = read_private(&self.file)? {
            return Ok((text, file));
        }
        match missing {
            Remedy::Generate => {
                self.generate().map_err(|error| Problem(format!("{file} cannot be made: {error}")))?;
                // Read back: when two servers start at once, both use the key of the one that was first.
                Ok((read_private(&self.file)?.unwrap_or_default(), file))
            }
            Remedy::Restore(database) => Err(Problem(format!(
                "{file} is missing although {} exists; restore it from a backup or set {}, for a new key could not read that database",
                database.display(),
                self.variable
            ))),
            Remedy::Configure => Err(Problem(format!(
                "{} is not set and {file} does not exist; all servers on one database need the same key: make one with `openssl rand -hex 32` and give it to each of them",
                self.variable
            ))),
        }
    }

    fn generate(&self) -> io::Result<()> {
        let key = NumberedKey { id: 1, key: Key::random().map_err(|problem| io::Error::other(problem.0))? };
        let numbered = self.variable == PERSONAL_KEY_VARIABLE;
        let text = if numbered { lines(&[key]) } else { format!("{}\n", hex::encode(key.key.0)) };
        let dir = self.file.parent().expect("a key's file lies in the folder of secrets");
        if let Some(data_dir) = dir.parent() {
            std::fs::create_dir_all(data_dir)?;
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            File::open(data_dir)?.sync_all()?;
        }
        match write_private(dir, &text)?.persist_noclobber(&self.file) {
            Ok(_) => File::open(dir)?.sync_all(),
            Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(failed) => Err(failed.error),
        }
    }
}

/// The file's text; none when there is no file.
fn read_private(path: &Path) -> Result<Option<String>, Problem> {
    let failed = |error: io::Error| Problem(format!("{} cannot be read: {error}", path.display()));
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(Problem(format!(
            "{path} is open to others (mode {mode:03o}); `chmod 600 {path}` mends that, but whoever read it has the key"
        )));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

/// A file of mode 0600 under a passing name, its text safely on the disk.
fn write_private(dir: &Path, text: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o600)).tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests;
