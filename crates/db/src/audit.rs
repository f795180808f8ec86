//! The audit log's writing side: every privileged act is a row of the transaction that does it.
//! Refuses personal data: subjects are ids, details are states, amounts and names of roles.

use crate::{Column, Error, Rows, Statement, Tx, row};
use kernel::{UserId, Uuid};

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

static APPEND: Statement = Statement::new(
    "db.append_audit",
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
