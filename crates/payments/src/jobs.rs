//! Work that time brings: payments that expire, refunds that are due, payments to settle.
//! Refuses to decide by what it read: each row found becomes a command, which looks again under the gate.

use crate::PaymentService;
use crate::actions::{CompleteRefund, Expire, Settle};
use db::{Error, Meta, Statement, row};
use futures::stream::{self, StreamExt as _};

/// Rows one sweep takes; what is left is taken by the next.
pub const SWEEP_MAX: i64 = 10_000;
/// Commands of one sweep that wait at the same time.
const WAITING_MAX: usize = 2_000;

static EXPIRING: Statement = Statement::new(
    "payments.expiring",
    "select user_id, id from payment where state = 'ready' and expires_at <= $1 order by expires_at limit $2",
);

static DUE_REFUNDS: Statement = Statement::new(
    "payments.due_refunds",
    "select user_id, payment, id from refund where state = 'requested' and due_at <= $1 order by due_at limit $2",
);

static UNSETTLED: Statement = Statement::new(
    "payments.unsettled",
    "select user_id, id
     from payment
     where settled_at is null and paid_at is not null and paid_at <= $1 and state <> 'refund_in_progress'
     order by paid_at
     limit $2",
);

impl PaymentService {
    /// Expires payments that were not paid in time; returns how many.
    pub async fn sweep_expired(&self) -> Result<usize, Error> {
        let found =
            self.db.fetch(&EXPIRING, &row![self.db.now(), SWEEP_MAX], |row| Ok(Expire { user: row.id(0)?, payment: row.id(1)? })).await?;
        Ok(count(found, |expire| self.expires.send(Meta::ours("sweep"), expire)).await)
    }

    /// Completes refunds that are due; returns how many. Run again, it repeats nothing.
    pub async fn complete_refunds(&self) -> Result<usize, Error> {
        let due = |row: &db::Row| Ok(CompleteRefund { user: row.id(0)?, payment: row.id(1)?, refund: row.id(2)? });
        let found = self.db.fetch(&DUE_REFUNDS, &row![self.db.now(), SWEEP_MAX], due).await?;
        Ok(count(found, |refund| self.completes.send(Meta::ours("complete_refunds"), refund)).await)
    }

    /// Settles payments whose refund window is over; returns how many.
    pub async fn settle(&self) -> Result<usize, Error> {
        let before = self.db.now().plus_us(-self.policy.refund_window_us);
        let found = self.db.fetch(&UNSETTLED, &row![before, SWEEP_MAX], |row| Ok(Settle { user: row.id(0)?, payment: row.id(1)? })).await?;
        Ok(count(found, |settle| self.settles.send(Meta::ours("settle"), settle)).await)
    }
}

/// Sends commands side by side, so that they are gathered into batches, and counts those that were done.
async fn count<A, R, F: Future<Output = Result<R, Error>>>(actions: Vec<A>, send: impl Fn(A) -> F) -> usize {
    let sent = stream::iter(actions).map(send).buffer_unordered(WAITING_MAX);
    sent.fold(0, |done, answer| async move {
        match answer {
            Ok(_) => done + 1,
            // Somebody else did it meanwhile.
            Err(Error::Refused(_)) => done,
            Err(error) => {
                tracing::error!(%error, "a job's command failed; the next sweep tries again");
                done
            }
        }
    })
    .await
}
