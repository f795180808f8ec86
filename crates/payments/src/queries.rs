//! Reads of payments, refunds and settlements.

use crate::PaymentService;
use crate::model::Payment;
use crate::rows;
use crate::views::{PaymentView, RefundView};
use db::{Error, Row, Statement, row};
use kernel::time::DAY_US;
use kernel::{Currency, Cursor, Page, PaymentId, ProductId, RefundId, Refusal, UserId, Uuid, page};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

static READ: Statement = Statement::new(
    "payments.read",
    "select p.id, p.order_id, p.user_id, p.state, p.currency, p.amount, p.refunded, p.points_per_usd, p.entered_at, p.expires_at,
            p.paid_at, p.settled_at, p.version, i.product, i.price_minor, i.price_currency, i.amount, i.limited, i.refund
     from payment p join payment_item i on i.payment = p.id
     where p.id = $1 and p.user_id = $2",
);

static LIST: Statement = Statement::new(
    "payments.list",
    "select p.id, p.order_id, p.user_id, p.state, p.currency, p.amount, p.refunded, p.points_per_usd, p.entered_at, p.expires_at,
            p.paid_at, p.settled_at, p.version, i.product, i.price_minor, i.price_currency, i.amount, i.limited, i.refund
     from (select * from payment where user_id = $1 and id < $2 order by id desc limit $3) p join payment_item i on i.payment = p.id",
);

// A page by number skips rows of the index only; no count is taken.
static LIST_PAGE: Statement = Statement::new(
    "payments.list_page",
    "select p.id, p.order_id, p.user_id, p.state, p.currency, p.amount, p.refunded, p.points_per_usd, p.entered_at, p.expires_at,
            p.paid_at, p.settled_at, p.version, i.product, i.price_minor, i.price_currency, i.amount, i.limited, i.refund
     from payment p join payment_item i on i.payment = p.id
     where p.user_id = $1 and p.id in (select id from payment where user_id = $1 order by id desc limit $2 offset $3)",
);

static REFUNDS: Statement = Statement::new(
    "payments.refunds",
    "select f.id, f.payment, f.user_id, f.state, f.amount, f.requested_at, f.due_at, f.done_at, p.currency, i.product
     from refund f join payment p on p.id = f.payment left join payment_item i on i.refund = f.id and i.payment = f.payment
     where f.payment = $1 and f.user_id = $2
     order by f.id, i.product",
);

// Steps from one day with settlements to the one before by the index, then adds up those days: a page costs its days, not the table.
static SETTLEMENTS: Statement = Statement::new(
    "payments.settlements",
    "with recursive days (day, n) as (
         select (select max(settled_at) from payment where settled_at is not null and settled_at < $1 * 86400000000) / 86400000000, cast(1 as bigint)
         union all
         select (select max(settled_at) from payment where settled_at is not null and settled_at < days.day * 86400000000) / 86400000000, n + 1
         from days
         where days.day is not null and n < cast($2 as bigint)
     )
     select settled_at / 86400000000, currency, count(*), cast(sum(amount) as bigint), cast(sum(refunded) as bigint)
     from payment
     where settled_at is not null and settled_at >= (select min(day) from days) * 86400000000 and settled_at < $1 * 86400000000
     group by settled_at / 86400000000, currency
     order by settled_at / 86400000000 desc, currency",
);
/// A day that never comes: `i64::MAX` microseconds, in days, rounded down.
const NO_DAY: i64 = i64::MAX / DAY_US;

/// Pages by number go this deep; beyond it the cursor is the way.
pub const PAGE_NUMBER_MAX: u32 = 1_000;

/// What was settled on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Settlement {
    /// The day, as days since 1970 (UTC).
    #[serde(skip)]
    pub(crate) day: i64,
    /// The day's start (UTC).
    pub day_start: kernel::Instant,
    /// The currency.
    pub currency: Currency,
    /// Payments settled.
    pub payments: i64,
    /// What was paid, in minor units.
    pub paid_minor: i64,
    /// What of it came back, in minor units.
    pub refunded_minor: i64,
    /// What the store keeps, in minor units.
    pub net_minor: i64,
}

/// Which part of a list of payments.
#[derive(Debug, Clone)]
pub enum Part {
    /// After a cursor, or from the start.
    After(Option<Cursor>),
    /// A page by its number, from 1.
    Number(u32),
}

impl PaymentService {
    /// One payment of an account.
    ///
    /// # Errors
    /// `not-found` when it is another's or none.
    pub async fn read(&self, user: UserId, id: PaymentId) -> Result<PaymentView, Error> {
        let found = self.gather(&READ, &row![id, user]).await?;
        Ok(found.values().next().map(PaymentView::from).ok_or_else(|| Refusal::not_found("payment", id))?)
    }

    /// An account's payments, newest first, by cursor or by page number.
    pub async fn list(&self, user: UserId, part: Part, size: Option<u32>) -> Result<Page<PaymentView>, Error> {
        let size = page::size(size)?;
        let found = match part {
            Part::After(cursor) => {
                let below = cursor.as_ref().map_or(Ok(Uuid::max()), Cursor::id)?;
                self.gather(&LIST, &row![user, below, size + 1]).await?
            }
            Part::Number(number) if (1..=PAGE_NUMBER_MAX).contains(&number) => {
                self.gather(&LIST_PAGE, &row![user, size + 1, (number - 1) * size]).await?
            }
            Part::Number(number) => {
                let told = format!("page_number {number} is outside 1 to {PAGE_NUMBER_MAX}: go on by cursor");
                return Err(Refusal::new(kernel::Code::BadQuery, told).into());
            }
        };
        let newest_first = found.values().rev().map(PaymentView::from).collect();
        Ok(Page::cut(newest_first, size, |payment: &PaymentView| Cursor::of_id(payment.id.0)))
    }

    /// The refunds of a payment.
    pub async fn refunds(&self, user: UserId, payment: PaymentId) -> Result<Vec<RefundView>, Error> {
        self.read(user, payment).await?;
        let mut views: Vec<RefundView> = Vec::new();
        let rows = |row: &Row| Ok((rows::refund(row)?, row.parsed::<Currency>(8)?, row.int_opt(9)?.map(ProductId)));
        for (refund, currency, product) in self.db.fetch(&REFUNDS, &row![payment, user], rows).await? {
            if views.last().is_none_or(|last: &RefundView| last.id != refund.id) {
                views.push(RefundView::of(&refund, currency, Vec::new(), Vec::new()));
            }
            if let (Some(view), Some(product)) = (views.last_mut(), product) {
                view.products.push(product);
            }
        }
        Ok(views)
    }

    /// One refund of a payment.
    ///
    /// # Errors
    /// `not-found` when there is none.
    pub async fn read_refund(&self, user: UserId, payment: PaymentId, id: RefundId) -> Result<RefundView, Error> {
        let found = self.refunds(user, payment).await?.into_iter().find(|refund| refund.id == id);
        Ok(found.ok_or_else(|| Refusal::not_found("refund", id))?)
    }

    /// What was settled, a row per day and currency, newest first; `size` counts days.
    pub async fn settlements(&self, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Settlement>, Error> {
        let size = page::size(size)?;
        let below = after.map_or(Ok(NO_DAY), Cursor::number)?.clamp(-NO_DAY, NO_DAY);
        let settlement = |row: &Row| {
            let (day, paid_minor, refunded_minor) = (row.int(0)?, row.int(3)?, row.int(4)?);
            let day_start = kernel::Instant(day * DAY_US);
            let (currency, payments, net_minor) = (row.parsed(1)?, row.int(2)?, paid_minor - refunded_minor);
            Ok(Settlement { day, day_start, currency, payments, paid_minor, refunded_minor, net_minor })
        };
        let rows = self.db.fetch(&SETTLEMENTS, &row![below, size + 1], settlement).await?;
        let mut days: Vec<Vec<Settlement>> = Vec::new();
        for row in rows {
            match days.last_mut().filter(|day| day[0].day == row.day) {
                Some(day) => day.push(row),
                None => days.push(vec![row]),
            }
        }
        // A day's currencies stay together.
        let page = Page::cut(days, size, |day| Cursor::of(day[0].day));
        Ok(Page { items: page.items.into_iter().flatten().collect(), next: page.next })
    }

    async fn gather(&self, statement: &'static Statement, arguments: &[db::Value<'_>]) -> Result<BTreeMap<PaymentId, Payment>, Error> {
        let mut payments = BTreeMap::new();
        self.db.fetch(statement, arguments, |row| rows::gather(&mut payments, row)).await?;
        Ok(payments)
    }
}
