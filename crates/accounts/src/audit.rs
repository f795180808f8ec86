//! The audit log: every privileged act, who did it to whom and when.
//! Refuses personal data: subjects are ids, details are states and names of roles.

use db::{Column, Error, Rows, Statement, Tx, row};
use kernel::{Instant, UserId, Uuid};
use serde::{Deserialize, Serialize};

/// An act to note, within the transaction that does it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Who acted; none for the machine's own operator at the command line.
    pub actor: Option<UserId>,
    /// What was done, as `account.blocked`.
    pub act: &'static str,
    /// To whom or what, as `account/ID` or `game/ID`.
    pub subject: String,
    /// Facts without personal data.
    pub detail: serde_json::Value,
}

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

static APPEND: Statement = Statement::new(
    "accounts.append_audit",
    "insert into audit (id, at, actor, act, subject, detail)
     select id, at, actor, act, subject, detail
     from rows",
)
.rows(&[
    ("id", Column::Bytes),
    ("at", Column::Int),
    ("actor", Column::Bytes),
    ("act", Column::Text),
    ("subject", Column::Text),
    ("detail", Column::Text),
]);

/// Notes acts; they stand when the transaction commits.
pub async fn audit(tx: &mut Tx<'_>, acts: &[AuditRow]) -> Result<(), Error> {
    let now = tx.now();
    let rows = Rows::of(acts, |act| row![Uuid::now_v7(), now, act.actor, act.act, &act.subject, act.detail.to_string()]);
    tx.write(&APPEND, rows).await
}

/// An account as a subject.
pub fn account_subject(user: UserId) -> String {
    format!("account/{user}")
}
