//! The store's rules that an operator may set. Refuses nothing: the configuration has checked the values.

use kernel::Currency;

/// When a refund takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundMode {
    /// In the request's own transaction.
    Immediate,
    /// By a job, on the day after the request (UTC).
    NextDay,
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What wallets pay with.
    pub points_currency: Currency,
    /// Points for one US dollar.
    pub points_per_usd: i64,
    /// How long an entered payment holds limited stock, in microseconds.
    pub hold_us: i64,
    /// How long after paying a refund may be asked for, in microseconds; at exactly that age it is too late.
    pub refund_window_us: i64,
    /// Minutes a product may have been played and still be refunded; at 0 it must not have been played at all.
    pub refund_minutes_max: i64,
    /// When a refund takes effect.
    pub refund_mode: RefundMode,
}

impl Default for Policy {
    fn default() -> Self {
        let hour_us = kernel::time::HOUR_US;
        Policy {
            points_currency: Currency::POINTS,
            points_per_usd: 1300,
            hold_us: hour_us / 6,
            refund_window_us: 8 * 24 * hour_us,
            refund_minutes_max: 0,
            refund_mode: RefundMode::Immediate,
        }
    }
}
