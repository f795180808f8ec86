//! What a caller is told when a request cannot be done as asked.
//! Refuses to carry our own faults: those are errors, and a caller sees only their code.

use crate::Code;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A caller's request that was understood and refused; told to the caller as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The stable code, with its HTTP status and page.
    pub code: Code,
    /// What was wrong, with the offending value, and what would be right.
    pub detail: String,
    /// Facts for programs, as the items that were sold out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<serde_json::Value>,
    /// True when the refusal changed something, so that a repeat must be told the same.
    #[serde(default)]
    pub changed: bool,
}

/// What a decision says to one input.
pub type Outcome<T> = Result<T, Refusal>;

impl Refusal {
    /// A refusal that changed nothing.
    pub fn new(code: Code, detail: impl Into<String>) -> Refusal {
        Refusal { code, detail: detail.into(), facts: None, changed: false }
    }

    /// Adds facts for programs.
    pub fn with_facts(mut self, facts: serde_json::Value) -> Refusal {
        self.facts = Some(facts);
        self
    }

    /// Marks that rows were written along with this refusal.
    pub fn after_change(mut self) -> Refusal {
        self.changed = true;
        self
    }

    /// No such thing, or none that this caller may see.
    pub fn not_found(what: &str, id: impl fmt::Display) -> Refusal {
        Refusal::new(Code::NotFound, format!("no {what} {id}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}
impl std::error::Error for Refusal {}
