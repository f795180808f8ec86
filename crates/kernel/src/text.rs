//! What a text from outside must be before it is stored.
//! Refuses NUL, which one of the databases cannot hold, and texts longer than their field.

use crate::{Code, Refusal};

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
