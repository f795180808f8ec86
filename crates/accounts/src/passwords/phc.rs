//! A password hash as text: the PHC string format, `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
//! Refuses other algorithms, and costs that would stop the server when somebody wrote them into the database.

use super::Cost;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::fmt;

/// A gibibyte: no policy asks for more.
const MEMORY_KIB_MAX: u32 = 1_048_576;
const ITERATIONS_MAX: u32 = 64;

/// The parts of a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phc {
    pub(super) cost: Cost,
    pub(super) salt: [u8; 16],
    pub(super) hash: [u8; 32],
}

impl Phc {
    pub(super) fn parse(text: &str) -> Option<Phc> {
        let rest = text.strip_prefix("$argon2id$v=19$m=")?;
        let mut parts = rest.split('$');
        let (memory, rest) = parts.next()?.split_once(",t=")?;
        let iterations = rest.strip_suffix(",p=1")?;
        let cost = Cost { memory_kib: memory.parse().ok()?, iterations: iterations.parse().ok()? };
        if !(8..=MEMORY_KIB_MAX).contains(&cost.memory_kib) || !(1..=ITERATIONS_MAX).contains(&cost.iterations) {
            return None;
        }
        let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let hash = STANDARD_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        parts.next().is_none().then_some(Phc { cost, salt, hash })
    }
}

impl fmt::Display for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { memory_kib, iterations } = self.cost;
        let (salt, hash) = (STANDARD_NO_PAD.encode(self.salt), STANDARD_NO_PAD.encode(self.hash));
        write!(f, "$argon2id$v=19$m={memory_kib},t={iterations},p=1${salt}${hash}")
    }
}
