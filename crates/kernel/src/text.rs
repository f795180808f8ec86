//! What a text from outside must be before it is stored.
//! Refuses NUL, which one of the databases cannot hold, and texts longer than their field.

use crate::{Code, Refusal};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Checks one text field: its length in characters and that the database can hold it.
pub fn check(field: &str, text: &str, min: usize, max: usize) -> Result<(), Refusal> {
    if text.contains('\0') {
        return Err(Refusal::new(Code::BadText, format!("{field} holds a NUL character: text without it would be right")));
    }
    let length = text.chars().count();
    if length < min || length > max {
        return Err(Refusal::new(Code::BadText, format!("{field} has {length} characters: {min} to {max} would be right")));
    }
    Ok(())
}

/// Checks a text that people are shown, as a name: with something to see, without control characters and without those that turn the
/// direction of what stands around it.
pub fn check_shown(field: &str, text: &str, min: usize, max: usize) -> Result<(), Refusal> {
    check(field, text, min, max)?;
    if text.chars().all(|c| c.is_whitespace() || is_hidden(c)) {
        return Err(Refusal::new(Code::BadText, format!("{field} is blank: a text with a visible character would be right")));
    }
    if text.chars().any(|c| c.is_control() || turns(c)) {
        return Err(Refusal::new(Code::BadText, format!("{field} holds a control character: letters that can be shown would be right")));
    }
    Ok(())
}

/// Characters that nothing is seen of: controls, and formats as the zero-width space (Unicode's categories Cc and Cf). Some scripts need
/// such within words.
pub fn is_hidden(c: char) -> bool {
    matches!(c.general_category(), GeneralCategory::Control | GeneralCategory::Format)
}

/// Embeddings, overrides and isolates of the bidirectional algorithm (UAX #9), which reach beyond the text they stand in.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
