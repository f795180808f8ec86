//! The section `[retention]`: how long what grows is kept.
//! Refuses to keep anything for no time at all, and for more than ten years.

use super::reader::Reader;
use serde::Serialize;

/// Section `[retention]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retention {
    /// How long a repeated idempotency key is answered with the first answer, in hours.
    pub idempotency_h: u32,
    /// How long records that did not fit are kept, in hours.
    pub dead_letters_h: u32,
    /// How long grants that ended are shown with their lists, in hours.
    pub grants_h: u32,
}

impl Retention {
    /// Takes the section's keys.
    pub(super) fn read(reader: &mut Reader) -> Retention {
        Retention {
            idempotency_h: reader.whole("retention.idempotency_h", 48, 1..=8_784),
            dead_letters_h: reader.whole("retention.dead_letters_h", 168, 1..=87_840),
            grants_h: reader.whole("retention.grants_h", 2_160, 1..=87_840),
        }
    }
}
