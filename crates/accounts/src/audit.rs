//! The audit log as operators read it; `db` writes it, in the transaction of each act.
//! Refuses personal data: subjects are ids, details are states and names of roles.

use kernel::{Instant, UserId, Uuid};
use serde::{Deserialize, Serialize};

pub use db::{AuditRow, audit};

/// A noted act, as operators see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Noted {
    /// The row.
    #[schema(value_type = String, format = "uuid")]
    pub id: Uuid,
    /// When it was done.
    pub at: Instant,
    /// Who did it; none for the machine's own operator.
    pub actor: Option<UserId>,
    /// What was done.
    #[schema(example = "account.blocked")]
    pub act: String,
    /// To whom or what.
    #[schema(example = "account/01890a5d-ac96-774b-bcce-b302099a8057")]
    pub subject: String,
    /// Facts without personal data.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

/// An account as a subject.
pub fn account_subject(user: UserId) -> String {
    format!("account/{user}")
}
